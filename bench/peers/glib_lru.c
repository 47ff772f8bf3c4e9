/* SPDX-License-Identifier: MIT */
/* What a program makes of GLib: shards of a GMutex, a GHashTable and an LRU list; values go out under a count. */
#include "peer.h"

#include "../fail.h"

#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


struct entry {
    struct bench_key key;
    struct bench_value *value;
    gint holds;                         /* the table's, and one a user; atomic */
    struct entry *newer, *older;
};

struct shard {
    GMutex mutex;
    GHashTable *table;
    struct entry *newest, *oldest;
    size_t charge;
} __attribute__((aligned(64)));

struct glib_lru {
    struct shard shards[PEER_SHARDS];
    size_t shard_capacity;
};

typedef struct entry *peer_token;

/* ---- A shard, its mutex held */

static guint hash_key(gconstpointer key)
{
    const uint64_t *word = key;
    return (guint)(((word[0] ^ word[1]) * 0x9E3779B97F4A7C15u) >> 32);
}

static gboolean equal_keys(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(struct bench_key)) == 0;
}

static inline void link_newest(struct shard *shard, struct entry *e)
{
    e->newer = NULL;
    e->older = shard->newest;
    if (shard->newest != NULL)
        shard->newest->newer = e;
    else
        shard->oldest = e;
    shard->newest = e;
}

static inline void unlink_entry(struct shard *shard, struct entry *e)
{
    if (e->newer != NULL)
        e->newer->older = e->older;
    else
        shard->newest = e->older;
    if (e->older != NULL)
        e->older->newer = e->newer;
    else
        shard->oldest = e->newer;
}

static inline void make_newest(struct shard *shard, struct entry *e)
{
    if (shard->newest == e)
        return;
    unlink_entry(shard, e);
    link_newest(shard, e);
}

/* The table's hold passes to the caller. */
static inline void take_out(struct shard *shard, struct entry *e)
{
    g_hash_table_remove(shard->table, &e->key);
    unlink_entry(shard, e);
    shard->charge -= BENCH_VALUE_BYTES;
}

/* The least recent entry that nobody holds; held ones become the newest. */
static struct entry *take_victim(struct shard *shard)
{
    for (guint left = g_hash_table_size(shard->table); left > 0; left--) {
        struct entry *e = shard->oldest;
        if (g_atomic_int_get(&e->holds) == 1) {
            take_out(shard, e);
            return e;
        }
        make_newest(shard, e);
    }
    return NULL;
}

/* ---- The cache */

static inline struct shard *shard_of(const struct worker *w, const struct bench_key *key)
{
    struct glib_lru *lru = w->cache;
    return &lru->shards[hash_key(key) >> (32 - PEER_SHARD_BITS)];
}

static inline void unhold(struct entry *e)
{
    if (e != NULL && g_atomic_int_dec_and_test(&e->holds)) {
        free(e->value);
        free(e);
    }
}

static inline const struct bench_value *peer_find(struct worker *w, const struct bench_key *key, peer_token *token)
{
    struct shard *shard = shard_of(w, key);
    g_mutex_lock(&shard->mutex);
    struct entry *e = g_hash_table_lookup(shard->table, key);
    if (e != NULL) {
        make_newest(shard, e);
        g_atomic_int_inc(&e->holds);
    }
    g_mutex_unlock(&shard->mutex);
    *token = e;
    return e != NULL ? e->value : NULL;
}

static inline void peer_release(struct worker *w, peer_token *token)
{
    (void)w;
    unhold(*token);
}

static inline bool peer_put(struct worker *w, const struct bench_key *key, struct bench_value *value)
{
    struct glib_lru *lru = w->cache;
    struct shard *shard = shard_of(w, key);
    struct entry *e = malloc(sizeof *e);
    if (e == NULL)
        bench_fail("out of memory");
    *e = (struct entry){.key = *key, .value = value, .holds = 1};
    g_mutex_lock(&shard->mutex);
    struct entry *old = g_hash_table_lookup(shard->table, key), *victim = NULL;
    if (old != NULL)
        take_out(shard, old);
    else if (shard->charge + BENCH_VALUE_BYTES > lru->shard_capacity)
        victim = take_victim(shard);
    const bool fits = shard->charge + BENCH_VALUE_BYTES <= lru->shard_capacity;
    if (fits) {
        g_hash_table_insert(shard->table, &e->key, e);
        link_newest(shard, e);
        shard->charge += BENCH_VALUE_BYTES;
    }
    g_mutex_unlock(&shard->mutex);
    unhold(old);
    unhold(victim);
    if (!fits)
        free(e);
    return fits;
}

static inline bool peer_erase(struct worker *w, const struct bench_key *key)
{
    struct shard *shard = shard_of(w, key);
    g_mutex_lock(&shard->mutex);
    struct entry *e = g_hash_table_lookup(shard->table, key);
    if (e != NULL)
        take_out(shard, e);
    g_mutex_unlock(&shard->mutex);
    unhold(e);
    return e != NULL;
}

#include "batches.h"

static void *open_lru(size_t capacity, size_t entries, unsigned shards)
{
    (void)entries, (void)shards;
    struct glib_lru *lru = bench_alloc(1, sizeof *lru);
    lru->shard_capacity = capacity / PEER_SHARDS;
    for (unsigned i = 0; i < PEER_SHARDS; i++) {
        g_mutex_init(&lru->shards[i].mutex);
        lru->shards[i].table = g_hash_table_new(hash_key, equal_keys);
    }
    return lru;
}

static void close_lru(void *cache)
{
    struct glib_lru *lru = cache;
    for (unsigned i = 0; i < PEER_SHARDS; i++) {
        struct shard *shard = &lru->shards[i];
        for (struct entry *e = shard->newest, *older; e != NULL; e = older) {
            older = e->older;
            unhold(e);
        }
        g_hash_table_destroy(shard->table);
        g_mutex_clear(&shard->mutex);
    }
    free(lru);
}

static void *hold(struct worker *w, uint64_t index)
{
    const struct bench_key key = item_key(index);
    struct entry *e;
    (void)peer_find(w, &key, &e);
    return e;
}

static void let_go(struct worker *w, void *held)
{
    (void)w;
    unhold(held);
}

static void version(char *text, size_t size)
{
    snprintf(text, size, "GLib %u.%u.%u", glib_major_version, glib_minor_version, glib_micro_version);
}

const struct peer peer_glib_lru = {
    .name = "glib lru",
    .note = "64 x (GMutex, GHashTable, LRU list)",
    .workloads = PEER_ALL,
    .version = version,
    .open = open_lru,
    .close = close_lru,
    .hold = hold,
    .let_go = let_go,
    .put = put_value,
    .has = look_up,
    .loops = PEER_LOOPS,
};
