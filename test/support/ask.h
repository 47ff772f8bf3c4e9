/* SPDX-License-Identifier: MIT
 *
 * Streams of requests for tests of eviction: each key is asked for and, where that misses, inserted, and every insert
 * must succeed.  Keys, costs and works come from a generator with a fixed seed; the cache's seed is fixed too.
 */
#ifndef TEST_ASK_H
#define TEST_ASK_H
#include "support.h"

/* Places in a cache whose entries cost 1, and the shards of one that has several: 64 places each. */
enum { PLACES = CHECKING_BUILD ? 256 : 1024, SEVERAL = PLACES / 64 };

/*
 * For loop tests over i < VARIANTS: each objective with one shard and with several.  A sanitizer's build is for mistakes
 * in memory: there two objectives, or each of them (EACH_OBJECTIVE), with one or with several; ThreadSanitizer's, one.
 */
enum { OBJECTIVES = 4, VARIANTS = THREADS_BUILD ? 1 : CHECKING_BUILD ? 2 : 2 * OBJECTIVES };
enum { EACH_OBJECTIVE = CHECKING_BUILD && !THREADS_BUILD ? OBJECTIVES : VARIANTS };

typedef struct asker {
    brim_cache *cache;
    brim_entry_options entry; /* of what is inserted: work, priority */
    size_t cost;              /* of what is inserted; 1 at first */
    uint64_t random;          /* state of random_next */
    uint64_t fresh;           /* the last key that ask_fresh took */
} asker;

brim_options ask_options(brim_objective, unsigned shards, size_t capacity);
brim_options ask_variant(int variant, size_t capacity);
asker ask_start(brim_options);
void ask_finish(asker *);                            /* asserts that the cache is whole, and frees it */
bool ask(asker *, uint64_t key);                     /* a key below 2^39; whether it hit */
void ask_fresh(asker *, uint64_t n);                 /* ${n} keys that were never asked for and never will be */
double ask_set(asker *, uint64_t first, uint64_t keys, uint64_t n); /* ${n} requests, uniform; the share of hits */
double ask_loop(asker *, uint64_t first, uint64_t keys, unsigned rounds); /* in order; the share of hits */
uint64_t ask_below(asker *, uint64_t n);             /* a random number */
double ask_unit(asker *);                            /* in [0, 1) */

/* Zipf: key i < keys is asked for in proportion to (i + 1)^-alpha. */
typedef struct zipf { unsigned keys; double *below; } zipf;
zipf zipf_new(unsigned keys, double alpha);
unsigned zipf_next(const zipf *, asker *);
void zipf_free(zipf *);

#define ASSERT_AT_LEAST(x, bound) ASSERT_COMPARED(x, >=, bound, "least")
#define ASSERT_AT_MOST(x, bound) ASSERT_COMPARED(x, <=, bound, "most")
#define ASSERT_COMPARED(x, compare, bound, word)                                                             \
    do {                                                                                                     \
        double x_ = (x), bound_ = (bound);                                                                   \
        ck_assert_msg(x_ compare bound_, "%s is %.4f, not at " word " %.4f", #x, x_, bound_);                \
    } while (0)

#endif
