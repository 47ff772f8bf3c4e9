/* SPDX-License-Identifier: MIT */
#include "parts.h"

#include "fail.h"

#include <stdio.h>

/* callgrind goes by these functions' names: they must be called. */
#define APART __attribute__((noinline))

static void draw(struct fill *f, struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++) {
        b->index[i] = fill_draw(f);
        b->key[i] = fill_key(b->index[i]);
        b->bytes[i] = (brim_bytes){&b->key[i], sizeof b->key[i]};
    }
}

static void find_all(struct fill *f, struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++)
        b->ref[i] = brim_find(f->cache, BRIM_KEY(b->key[i]));
}

static void release_all(struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++)
        brim_release(b->ref[i]);
}

static void check_values(struct fill *f, const struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++)
        f->wrong += b->value[i] != fill_value(f, b->index[i]);
}

static void check_refs(struct fill *f, struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++)
        b->value[i] = brim_ref_value(b->ref[i]);
    check_values(f, b);
}

static void check_number(struct fill *f, struct batch *b)
{
    f->wrong += b->n != BATCH;
}

/* ---- Nothing: the loop and the call, which are in every other count too */

static APART void nothing(brim_cache *cache, const void *key, size_t key_len)
{
    __asm__ volatile("" : : "r"(cache), "r"(key), "r"(key_len) : "memory");
}

static APART void measure_nothing(struct fill *f, struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++)
        nothing(f->cache, BRIM_KEY(b->key[i]));
}

static void after_nothing(struct fill *f, struct batch *b)
{
    (void)f, (void)b;
}

/* ---- Refs */

static APART void measure_find(struct fill *f, struct batch *b)
{
    find_all(f, b);
}

/* All of them hit: the loader would answer wrongly. */
static brim_status load_wrong(const void *key, size_t key_len, void *arg, void **value, size_t *cost)
{
    (void)key, (void)key_len, (void)arg;
    *value = NULL;
    *cost = 0;
    return BRIM_OK;
}

static APART void measure_get(struct fill *f, struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++)
        b->n = (size_t)brim_get(f->cache, BRIM_KEY(b->key[i]), load_wrong, NULL, &b->ref[i]);
}

static void after_find(struct fill *f, struct batch *b)
{
    check_refs(f, b);
    release_all(b);
}

static void before_release(struct fill *f, struct batch *b)
{
    draw(f, b);
    find_all(f, b);
    check_refs(f, b);
}

static APART void measure_release(struct fill *f, struct batch *b)
{
    (void)f;
    release_all(b);
}

static APART void measure_find_many(struct fill *f, struct batch *b)
{
    b->n = brim_find_many(f->cache, b->bytes, BATCH, b->ref);
}

static void after_find_many(struct fill *f, struct batch *b)
{
    check_number(f, b);
    after_find(f, b);
}

static APART void measure_release_many(struct fill *f, struct batch *b)
{
    (void)f;
    brim_release_many(b->ref, BATCH);
}

/* ---- Handles */

static void before_key_find(struct fill *f, struct batch *b)
{
    before_release(f, b);
    for (size_t i = 0; i < BATCH; i++)
        b->handle[i] = brim_ref_key(b->ref[i]);
    release_all(b);
}

static APART void measure_key_find(struct fill *f, struct batch *b)
{
    (void)f;
    for (size_t i = 0; i < BATCH; i++)
        b->ref[i] = brim_key_find(b->handle[i]);
}

static void after_key_find(struct fill *f, struct batch *b)
{
    after_find(f, b);
    for (size_t i = 0; i < BATCH; i++)
        brim_key_drop(b->handle[i]);
}

/* ---- Sections */

static void before_peek(struct fill *f, struct batch *b)
{
    draw(f, b);
    if (brim_read_begin(f->cache) != BRIM_OK)
        instructions_fail("no section");
}

static APART void measure_peek(struct fill *f, struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++)
        b->value[i] = brim_peek(f->cache, BRIM_KEY(b->key[i]));
}

static APART void measure_peek_many(struct fill *f, struct batch *b)
{
    b->n = brim_peek_many(f->cache, b->bytes, BATCH, b->value);
}

static void after_peek(struct fill *f, struct batch *b)
{
    check_values(f, b);
    brim_read_end(f->cache);
}

static void after_peek_many(struct fill *f, struct batch *b)
{
    check_number(f, b);
    after_peek(f, b);
}

/* ---- Changes: the oldest keys go, new ones come, so that the number of entries and the index stay */

static void oldest(struct fill *f, struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++)
        b->key[i] = fill_key(f->first++);
}

static void newest(struct fill *f, struct batch *b)
{
    for (size_t i = 0; i < BATCH; i++) {
        b->index[i] = f->next++;
        b->key[i] = fill_key(b->index[i]);
        b->value[i] = fill_value(f, b->index[i]);
    }
}

static void remove_all(struct fill *f, struct batch *b)
{
    b->n = 0;
    for (size_t i = 0; i < BATCH; i++)
        b->n += brim_remove(f->cache, BRIM_KEY(b->key[i]));
}

static void insert_all(struct fill *f, struct batch *b)
{
    b->n = 0;
    for (size_t i = 0; i < BATCH; i++)
        b->n += brim_insert(f->cache, BRIM_KEY(b->key[i]), b->value[i], VALUE_BYTES, NULL) == BRIM_OK;
}

static APART void measure_remove(struct fill *f, struct batch *b)
{
    remove_all(f, b);
}

static void after_remove(struct fill *f, struct batch *b)
{
    check_number(f, b);
    newest(f, b);
    insert_all(f, b);
    check_number(f, b);
}

static void before_insert(struct fill *f, struct batch *b)
{
    oldest(f, b);
    remove_all(f, b);
    check_number(f, b);
    newest(f, b);
}

static APART void measure_insert(struct fill *f, struct batch *b)
{
    insert_all(f, b);
}

/* From here on nobody knows which keys are there, but that a new one is none of them. */
static APART void measure_evict(struct fill *f, struct batch *b)
{
    insert_all(f, b);
}

static void after_evict(struct fill *f, struct batch *b)
{
    check_number(f, b);
    f->wrong += brim_count(f->cache) > f->entries;
}

const struct part parts[] = {
    {"nothing", draw, measure_nothing, after_nothing, false, false},
    {"find", draw, measure_find, after_find, false, false},
    {"get", draw, measure_get, after_find, false, false},
    {"release", before_release, measure_release, after_nothing, false, false},
    {"find_many", draw, measure_find_many, after_find_many, false, false},
    {"release_many", before_release, measure_release_many, after_nothing, false, false},
    {"key_find", before_key_find, measure_key_find, after_key_find, false, false},
    {"peek", before_peek, measure_peek, after_peek, true, false},
    {"peek_many", before_peek, measure_peek_many, after_peek_many, true, false},
    {"remove", oldest, measure_remove, after_remove, false, true},
    {"insert", before_insert, measure_insert, check_number, false, true},
    {"evict", newest, measure_evict, after_evict, false, true},
};
const size_t part_count = sizeof parts / sizeof parts[0];

static APART void part_end(void)
{
    __asm__ volatile("" : : : "memory");
}

/* The same look-ups that will be counted, so that each entry has been used before. */
static void warm(struct fill *f)
{
    const uint64_t random = f->random;
    struct batch b;
    for (size_t i = 0; i < BATCHES; i++) {
        draw(f, &b);
        find_all(f, &b);
        after_find(f, &b);
    }
    f->random = random;
}

void part_run(const struct part *p, struct fill *f)
{
    struct batch b;
    if (!p->lasting)
        warm(f);
    for (size_t i = 0; i < BATCHES; i++) {
        p->before(f, &b);
        p->counted(f, &b);
        p->after(f, &b);
    }
    printf("%s %d\n", p->name, BATCH * BATCHES);
    part_end();
}
