/* SPDX-License-Identifier: MIT */
#include "linear/record.h"

#include "linear/must.h"

#include <brim_debug.h>
#include <inttypes.h>
#include <string.h>

static void destroy(void *value, size_t cost, void *arg)
{
    (void)cost;
    value_discard(arg, value);
}

static void make_cache(struct round *r)
{
    brim_options o;
    brim_status s;

    r->kind = (brim_kind){.size = sizeof r->kind, .name = "linear", .destroy = destroy, .arg = r};
    r->capacity = r->model == MODEL_EXACT ? SIZE_MAX / 4 : (size_t)r->keys * 40;
    brim_options_init(&o, r->capacity);
    o.kind = &r->kind;
    o.shards = 1u << (r->seed >> 1) % 3;
    o.borrow = r->borrow;
    s = brim_cache_new(&o, &r->cache);
    if (s != BRIM_OK)
        must_fail("cannot make a cache: %s", brim_strerror(s));
    for (uint32_t k = 0; k <= r->keys; k++)
        brim_slot_init(&r->slots[k], NULL);
}

static void *work(void *arg)
{
    struct worker *w = arg;

    while (w->count < w->round->operations)
        use_something(w);
    while (w->load_count > 0)
        end_load(w);
    for (uint32_t k = 0; k < w->round->keys; k++)
        name_keep(w, k, NULL, NOTHING);
    return NULL;
}

static void worker_start(struct worker *w, struct round *r, uint32_t number)
{
    size_t room = r->operations + MOST_OPS;

    w->round = r;
    w->number = number;
    w->random = (r->seed + 1) * UINT64_C(0x9E3779B97F4A7C15) + number * UINT64_C(0xD1B54A32D192ED03) + 1;
    w->op = must_alloc(room, sizeof *w->op);
    w->joins = must_alloc(room, sizeof *w->joins);
    if (pthread_create(&w->thread, NULL, work, w) != 0)
        must_fail("cannot start a thread");
}

static void free_cache(struct round *r)
{
    for (uint32_t k = 0; k <= r->keys; k++)
        brim_slot_store(&r->slots[k], NULL);
    for (size_t i = 0; i < HANDLES; i++)
        brim_key_drop(atomic_load(&r->handles[i].key));
    if (!brim_check(r->cache, stderr))
        problem(r, "brim_check");
    brim_cache_free(r->cache);
    if (atomic_load(&r->made) != atomic_load(&r->destroyed))
        problem(r, "%" PRIu64 " values made, %" PRIu64 " destroyed", atomic_load(&r->made),
                atomic_load(&r->destroyed));
}

static void collect(struct worker *w, struct history *out)
{
    joins_settle(w);
    memcpy(&out->op[out->count], w->op, w->count * sizeof *w->op);
    out->count += w->count;
    free(w->op);
    free(w->joins);
}

void round_run(struct round *r, struct history *out)
{
    struct worker *workers = must_alloc(r->threads, sizeof *workers);

    *out = (struct history){must_alloc(r->threads * (r->operations + MOST_OPS), sizeof *out->op), 0};
    r->handles = must_alloc(HANDLES, sizeof *r->handles);
    make_cache(r);
    for (uint32_t i = 0; i < r->threads; i++)
        worker_start(&workers[i], r, i);
    for (uint32_t i = 0; i < r->threads; i++)
        pthread_join(workers[i].thread, NULL);
    for (uint32_t i = 0; i < r->threads; i++)
        collect(&workers[i], out);
    free_cache(r);
    free(r->handles);
    free(workers);
}
