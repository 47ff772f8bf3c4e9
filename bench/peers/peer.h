/* SPDX-License-Identifier: MIT */
/* A peer: a cache that all workloads can be run on.  C and C++.  Its loops are peers/batches.h, compiled with its calls. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H
#include "../workloads.h"

#include <stdbool.h>
#ifdef __cplusplus
extern "C" {
#endif

enum { PEER_SHARDS = 64, PEER_SHARD_BITS = 6 };

#define PEER_IN(workload) (1u << (workload))
#define PEER_FITTING (PEER_IN(ZIPF_HIT) | PEER_IN(KEY_HIT) | PEER_IN(HOT_KEY) | PEER_IN(INSERT_REMOVE) | PEER_IN(MIXED))
#define PEER_BOUNDED (PEER_FITTING | PEER_IN(CHURN))
#define PEER_ALL (PEER_BOUNDED | PEER_IN(PINNED))

struct peer {
    const char *name;
    const char *note;                   /* what one should know to compare; NULL: nothing */
    unsigned workloads;                 /* those that it fits, PEER_IN of each */
    bool loses;                         /* inserts get lost at times: a miss is no error */
    void (*version)(char *text, size_t size);
    void *(*open)(size_t capacity, size_t entries, unsigned shards);
    void (*close)(void *cache);
    void (*prepare)(struct worker *, size_t entries);   /* after it was filled; NULL: nothing to do */
    void (*enter)(struct worker *), (*leave)(struct worker *);   /* around a thread's turn; NULL: nothing */
    void *(*hold)(struct worker *, uint64_t index);     /* NULL, as let_go: not in `pinned' */
    void (*let_go)(struct worker *, void *held);
    bool (*put)(struct worker *, uint64_t index, struct bench_value *);
    bool (*has)(struct worker *, uint64_t index);
    worker_batch *loops[LOOPS];
};

extern const struct peer peer_brim_find, peer_brim_find_many, peer_brim_peek, peer_brim_peek_many, peer_brim_key_find;
extern const struct peer peer_rocksdb_hyperclock, peer_rocksdb_lru, peer_leveldb, peer_glib_lru, peer_qt_qcache,
    peer_onetbb;

struct known_peer {
    const char *name, *package;         /* the package that it needs; NULL: none */
    const struct peer *peer;            /* NULL: not built in */
};
extern const struct known_peer known_peers[];
extern const size_t known_peer_count;

#ifdef __cplusplus
}
#endif
#endif
