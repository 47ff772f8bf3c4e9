/* SPDX-License-Identifier: MIT */
/*
 * What most programs write: one mutex, a hash table with chains, a list in the order of use.  The mutex is
 * held for the look-up alone; a node is counted, by the store while it is linked and by each lease, so pixels
 * outlive an eviction.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "must.h"
#include "store.h"

struct node {
    struct node *chain, *newer, *older; /* newer: the victims' list too, once unlinked */
    struct glyph *glyph;
    size_t cost;
    struct glyph_key key;
    atomic_int holds;
};

struct mutex_store {
    struct store store;
    size_t capacity;
    pthread_mutex_t mutex;
    struct node **buckets; /* from here on under the mutex; used may be read without */
    size_t mask, count;
    struct node *newest, *oldest;
    atomic_size_t used;
};

static struct node **bucket_of(const struct mutex_store *s, struct glyph_key key) {
    uint64_t bits;

    memcpy(&bits, &key, sizeof bits);
    bits *= 0x9E3779B97F4A7C15u;
    return &s->buckets[(bits ^ bits >> 32) & s->mask];
}

static void list_push(struct mutex_store *s, struct node *n) {
    n->newer = NULL;
    n->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = n;
    s->newest = n;
}

static void list_remove(struct mutex_store *s, struct node *n) {
    *(n->newer ? &n->newer->older : &s->newest) = n->older;
    *(n->older ? &n->older->newer : &s->oldest) = n->newer;
}

static struct node *look_up(struct mutex_store *s, struct glyph_key key) {
    struct node *n = *bucket_of(s, key);

    while (n && memcmp(&n->key, &key, sizeof key) != 0)
        n = n->chain;
    return n;
}

static void drop(struct node *n) {
    if (atomic_fetch_sub(&n->holds, 1) == 1) {
        glyph_free(n->glyph);
        free(n);
    }
}

static void grow(struct mutex_store *s) {
    struct node **old = s->buckets, **wider = calloc((s->mask + 1) * 2, sizeof(struct node *));
    size_t n = s->mask + 1;

    if (!wider)
        return;
    s->buckets = wider;
    s->mask = n * 2 - 1;
    for (size_t i = 0; i < n; i++)
        for (struct node *node = old[i], *next; node; node = next) {
            struct node **bucket = bucket_of(s, node->key);
            next = node->chain;
            node->chain = *bucket;
            *bucket = node;
        }
    free(old);
}

static void unlink_node(struct mutex_store *s, struct node *n) {
    struct node **link = bucket_of(s, n->key);

    while (*link != n)
        link = &(*link)->chain;
    *link = n->chain;
    list_remove(s, n);
    s->count--;
    atomic_fetch_sub_explicit(&s->used, n->cost, memory_order_relaxed);
}

/* Makes room for cost; the victims, linked by newer, are to be dropped after the mutex. */
static struct node *evict(struct mutex_store *s, size_t cost) {
    struct node *victims = NULL;

    while (s->oldest && s->used + cost > s->capacity) {
        struct node *n = s->oldest;
        unlink_node(s, n);
        n->newer = victims;
        victims = n;
    }
    return victims;
}

static void link_node(struct mutex_store *s, struct node *n) {
    struct node **bucket;

    if (s->count > s->mask)
        grow(s);
    bucket = bucket_of(s, n->key);
    n->chain = *bucket;
    *bucket = n;
    list_push(s, n);
    s->count++;
    atomic_fetch_add(&n->holds, 1);
    atomic_fetch_add_explicit(&s->used, n->cost, memory_order_relaxed);
}

static bool find(struct mutex_store *s, struct glyph_key key, struct lease *lease) {
    struct node *n;

    pthread_mutex_lock(&s->mutex);
    n = look_up(s, key);
    if (n) {
        atomic_fetch_add_explicit(&n->holds, 1, memory_order_relaxed);
        if (n != s->newest) {
            list_remove(s, n);
            list_push(s, n);
        }
    }
    pthread_mutex_unlock(&s->mutex);
    if (n)
        *lease = (struct lease){n->glyph, n};
    return n != NULL;
}

/* If another thread was first its glyph stays, and this one is only leased. */
static const char *put(struct mutex_store *s, struct glyph_key key, struct glyph *g, struct lease *lease) {
    struct node *n = malloc(sizeof *n), *victims = NULL;

    if (!n) {
        glyph_free(g);
        return "out of memory";
    }
    *n = (struct node){.glyph = g, .cost = glyph_bytes(g), .key = key, .holds = 1};
    pthread_mutex_lock(&s->mutex);
    if (n->cost <= s->capacity && !look_up(s, key)) {
        victims = evict(s, n->cost);
        link_node(s, n);
    }
    pthread_mutex_unlock(&s->mutex);
    while (victims) {
        struct node *next = victims->newer;
        drop(victims);
        victims = next;
    }
    *lease = (struct lease){g, n};
    return NULL;
}

static const char *get(struct store *base, struct glyph_key key, struct artist *artist, struct lease *lease) {
    struct mutex_store *s = (struct mutex_store *)base;
    struct glyph *g;

    if (find(s, key, lease))
        return NULL;
    g = artist->draw(artist, key);
    return g ? put(s, key, g, lease) : "a glyph could not be drawn";
}

static void release(struct store *s, struct lease lease) {
    (void)s;
    drop(lease.hold);
}

static size_t used(struct store *s) {
    return atomic_load_explicit(&((struct mutex_store *)s)->used, memory_order_relaxed);
}

static void close_store(struct store *base) {
    struct mutex_store *s = (struct mutex_store *)base;

    for (struct node *n = s->oldest, *next; n; n = next) {
        next = n->newer;
        drop(n);
    }
    pthread_mutex_destroy(&s->mutex);
    free(s->buckets);
    free(s);
}

struct store *store_mutex(size_t capacity) {
    struct mutex_store *s = must_alloc(1, sizeof *s);

    s->store = (struct store){.get = get, .release = release, .used = used, .close = close_store};
    s->capacity = capacity;
    s->mask = 1023;
    s->buckets = must_alloc(s->mask + 1, sizeof(struct node *));
    pthread_mutex_init(&s->mutex, NULL);
    return &s->store;
}
