/* SPDX-License-Identifier: MIT */
#ifndef BRIM_H
#define BRIM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BRIM_MUST_USE __attribute__((warn_unused_result))
#define BRIM_EXPORT __attribute__((visibility("default")))
#else
#define BRIM_MUST_USE
#define BRIM_EXPORT
#endif

typedef struct brim_cache brim_cache;
typedef struct brim_key brim_key;
typedef struct brim_ref brim_ref;
typedef struct brim_group brim_group;
typedef struct brim_queue brim_queue;

typedef enum brim_status {
    BRIM_OK = 0, BRIM_CLAIMED = 1, BRIM_PENDING = 2, BRIM_TIMEOUT = 3, BRIM_EXISTS = 4, BRIM_TOO_BIG = 5, BRIM_FULL = 6,
    BRIM_NOMEM = 7, BRIM_INVALID = 8, BRIM_FAILED = 9, BRIM_CANCELED = 10, BRIM_DEADLOCK = 11, BRIM_UNSUPPORTED = 12
} brim_status;
typedef enum brim_cause {
    BRIM_EVICTED = 0, BRIM_REMOVED = 1, BRIM_REPLACED = 2, BRIM_INVALIDATED = 3, BRIM_EXPIRED = 4, BRIM_CLEARED = 5, BRIM_FREED = 6
} brim_cause;
typedef enum brim_objective { BRIM_BALANCED = 0, BRIM_HITS = 1, BRIM_BYTES = 2, BRIM_WORK = 3 } brim_objective;
typedef enum brim_hash { BRIM_HASH_FAST = 0, BRIM_HASH_STRONG = 1 } brim_hash;
typedef struct brim_slot { void *brim_private; } brim_slot;
#define BRIM_SLOT_INIT { 0 }
typedef struct brim_allocator {
    size_t size;
    void *(*alloc)(size_t n, size_t align, void *arg);
    void  (*free)(void *p, size_t n, size_t align, void *arg);
    void  *arg;
} brim_allocator;
typedef struct brim_kind {
    size_t size;
    const char *name;
    void (*destroy)(void *value, size_t cost, void *arg);
    void (*destroy_entry)(const void *key, size_t key_len, void *value, size_t cost, void *arg);
    void (*removed)(const void *key, size_t key_len, void *value, size_t cost, brim_cause, void *arg);
    void (*unused)(void *arg);
    void *arg;
    size_t floor, ceiling;
    brim_queue *queue;
} brim_kind;
typedef struct brim_options {
    size_t size;
    size_t capacity;
    const char *name;
    unsigned shards;
    size_t expected_cost;
    size_t max_entries;
    const brim_kind *kind;
    brim_objective objective;
    brim_hash hash;
    uint64_t seed;
    bool borrow;
    bool charge_overhead;
    bool protect_frame;
    uint64_t (*now)(void *);
    void *now_arg;
    const brim_allocator *allocator;
    void (*gone)(void *);
    void *gone_arg;
} brim_options;
typedef struct brim_entry_options {
    size_t size;
    const brim_kind *kind;
    brim_group *group, *more_groups[3];
    uint64_t work;
    uint64_t max_age, max_idle;
    int priority;
    bool only_if_absent;
    bool drop_old;
} brim_entry_options;

/* Statistics. By kind (NULL: all) only `used` and `values` are kept so far; the rest is 0 then. */
typedef struct brim_stats {
    size_t size;
    uint64_t hits, misses;
    uint64_t insertions;                /* values admitted, replacements included */
    uint64_t refused;                   /* TOO_BIG or FULL */
    uint64_t left[7];                   /* entries that left, by brim_cause */
    size_t capacity, used, pinned, reserved, uncharged;
    size_t count;                       /* entries that can be found */
    size_t values;                      /* values taken and not yet destroyed */
    size_t overhead;                    /* bytes of the cache's own memory */
    unsigned shards;
} brim_stats;

typedef bool brim_visitor(brim_ref *lent, void *arg);
typedef bool brim_predicate(brim_ref *lent, void *arg);
#define BRIM_KEY(object) &(object), sizeof(object)
#define BRIM_STR(string) (string), strlen(string)

BRIM_EXPORT void brim_options_init_sized(brim_options *, size_t size, size_t capacity);
BRIM_EXPORT void brim_entry_options_init_sized(brim_entry_options *, size_t size);
#define brim_options_init(o, capacity) brim_options_init_sized((o), sizeof *(o), (capacity))
#define brim_entry_options_init(e) brim_entry_options_init_sized((e), sizeof *(e))
BRIM_EXPORT BRIM_MUST_USE brim_status brim_cache_new(const brim_options *, brim_cache **out);
BRIM_EXPORT void brim_cache_free(brim_cache *);

BRIM_EXPORT BRIM_MUST_USE brim_status brim_insert(brim_cache *, const void *key, size_t key_len, void *value, size_t cost, brim_ref **out);
BRIM_EXPORT BRIM_MUST_USE brim_status brim_insert_with(brim_cache *, const void *key, size_t key_len, void *value, size_t cost, const brim_entry_options *, brim_ref **out);
BRIM_EXPORT BRIM_MUST_USE brim_status brim_insert_or_wrap(brim_cache *, const void *key, size_t key_len, void *value, size_t cost, const brim_entry_options *, brim_ref **out);
BRIM_EXPORT BRIM_MUST_USE brim_ref *brim_find(brim_cache *, const void *key, size_t key_len);
BRIM_EXPORT bool brim_contains(brim_cache *, const void *key, size_t key_len);
BRIM_EXPORT bool brim_remove(brim_cache *, const void *key, size_t key_len);

BRIM_EXPORT void *brim_ref_value(const brim_ref *);
BRIM_EXPORT size_t brim_ref_cost(const brim_ref *);
BRIM_EXPORT const brim_kind *brim_ref_kind(const brim_ref *);
BRIM_EXPORT const void *brim_ref_key_bytes(const brim_ref *, size_t *key_len);
BRIM_EXPORT bool brim_ref_is_cached(const brim_ref *);
BRIM_EXPORT BRIM_MUST_USE brim_status brim_ref_set_cost(brim_ref *, size_t cost);
BRIM_EXPORT BRIM_MUST_USE brim_ref *brim_ref_copy(brim_ref *);
BRIM_EXPORT void brim_release(brim_ref *);
enum { BRIM_NOT_USEFUL = 1, BRIM_REMOVE_IF_LAST = 2 };
BRIM_EXPORT bool brim_release_with(brim_ref *, unsigned flags);
BRIM_EXPORT BRIM_MUST_USE brim_status brim_wrap(brim_cache *, void *value, size_t cost, const brim_entry_options *, brim_ref **out);

BRIM_EXPORT BRIM_MUST_USE brim_status brim_insert_anonymous(brim_cache *, void *value, size_t cost, const brim_entry_options *, brim_key **key, brim_ref **ref);
BRIM_EXPORT BRIM_MUST_USE brim_key *brim_ref_key(brim_ref *);
BRIM_EXPORT const void *brim_key_bytes(const brim_key *, size_t *key_len);
BRIM_EXPORT BRIM_MUST_USE brim_ref *brim_key_find(brim_key *);
BRIM_EXPORT BRIM_MUST_USE brim_status brim_key_replace(brim_key **key, void *value, size_t cost);
BRIM_EXPORT BRIM_MUST_USE brim_status brim_key_replace_with(brim_key **key, void *value, size_t cost, const brim_entry_options *, brim_ref **out);
BRIM_EXPORT bool brim_key_remove(brim_key *);
BRIM_EXPORT bool brim_key_is_valid(const brim_key *);
BRIM_EXPORT bool brim_key_equal(const brim_key *, const brim_key *);
BRIM_EXPORT BRIM_MUST_USE brim_key *brim_key_copy(brim_key *);
BRIM_EXPORT void brim_key_assign(brim_key **dst, brim_key *src);
BRIM_EXPORT void brim_key_swap(brim_key **, brim_key **);
BRIM_EXPORT void brim_key_drop(brim_key *);

BRIM_EXPORT void brim_slot_init(brim_slot *, brim_key *);
BRIM_EXPORT BRIM_MUST_USE brim_key *brim_slot_load(brim_slot *);
BRIM_EXPORT void brim_slot_store(brim_slot *, brim_key *);
BRIM_EXPORT BRIM_MUST_USE brim_key *brim_slot_exchange(brim_slot *, brim_key *);
BRIM_EXPORT bool brim_slot_compare_exchange(brim_slot *, const brim_key *expected, brim_key *desired);
BRIM_EXPORT BRIM_MUST_USE brim_ref *brim_slot_find(brim_slot *);

BRIM_EXPORT brim_status brim_set_capacity(brim_cache *, size_t);
BRIM_EXPORT size_t brim_capacity(const brim_cache *);
BRIM_EXPORT size_t brim_used(const brim_cache *);
BRIM_EXPORT size_t brim_pinned(const brim_cache *);
BRIM_EXPORT size_t brim_count(const brim_cache *);
BRIM_EXPORT BRIM_MUST_USE brim_status brim_reserve(brim_cache *, size_t cost);
BRIM_EXPORT void brim_unreserve(brim_cache *, size_t cost);
BRIM_EXPORT size_t brim_trim(brim_cache *, size_t target_used);
BRIM_EXPORT size_t brim_trim_kind(brim_cache *, const brim_kind *, size_t target);
BRIM_EXPORT void brim_clear(brim_cache *);
BRIM_EXPORT brim_status brim_drain(brim_cache *, int timeout_ms);

BRIM_EXPORT size_t brim_remove_if(brim_cache *, brim_predicate *, void *arg);
BRIM_EXPORT size_t brim_for_each(brim_cache *, brim_visitor *, void *arg);
BRIM_EXPORT void brim_stats_get_sized(brim_cache *, const brim_kind *kind, brim_stats *, size_t size);
#define brim_stats_get(cache, stats) brim_stats_get_sized((cache), NULL, (stats), sizeof *(stats))
BRIM_EXPORT const char *brim_strerror(brim_status);
BRIM_EXPORT const char *brim_version(void);

#ifdef __cplusplus
}
#endif
#endif
