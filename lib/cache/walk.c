/* SPDX-License-Identifier: MIT */
#include "cache/walk.h"

#include "cache/find.h"
#include "cache/load.h"
#include "cache/remove.h"
#include "cache/stale.h"

void walk_remove_all(struct brim_cache *c, brim_cause cause)
{
    struct caller by = caller_of(c);

    for (unsigned i = 0; i < c->shard_count; i++) {
        struct index_cursor cursor = {0};
        bool more = true;

        while (more) {
            struct shard_sweep w = {.cause = cause, .held_too = true, .kind = -1, .need = SIZE_MAX, .most = UINT32_MAX};
            struct entry_list left = {NULL, NULL};
            more = shard_sweep(&c->shards[i], &cursor, &w, by.st, &left);
            dispose(&left, NULL);
        }
        (void)shard_fit_index(&c->shards[i]);
    }
}

void brim_clear(brim_cache *c)
{
    if (c == NULL)
        return;
    tally_add(&c->live, thread_self()); /* a callback may free the cache */
    load_end_all(c, false);
    walk_remove_all(c, BRIM_CLEARED);
    dispose_waiting(c, NULL);
    cache_drop_live(c, thread_self());
}

/* ---- Visiting */

struct visit {
    brim_visitor *visitor;
    brim_predicate *predicate;
    void *arg;
    size_t visited, removed;
    bool stopped;
};

static void visit_one(struct brim_cache *c, struct entry *e, struct visit *v)
{
    if (v->stopped || stale_is(c, e, false))
        return;
    v->visited++;
    if (v->visitor != NULL) {
        v->stopped = !v->visitor(ref_of(e), v->arg);
    } else if (v->predicate(ref_of(e), v->arg)) {
        v->removed += remove_entry(c, e);
    }
}

static void visit_all(struct brim_cache *c, struct visit *v)
{
    struct entry *e[SHARD_BATCH];
    unsigned n;

    tally_add(&c->live, thread_self());
    for (unsigned i = 0; i < c->shard_count && !v->stopped; i++) {
        struct index_cursor cursor = {0};
        while (!v->stopped && (n = shard_hold_some(&c->shards[i], &cursor, e, caller_of(c).st)) > 0) {
            for (unsigned j = 0; j < n; j++) {
                visit_one(c, e[j], v);
                find_let_go(e[j]);
            }
        }
    }
    cache_drop_live(c, thread_self());
}

size_t brim_for_each(brim_cache *c, brim_visitor *visitor, void *arg)
{
    struct visit v = {.visitor = visitor, .arg = arg};

    if (c == NULL || visitor == NULL)
        return 0;
    visit_all(c, &v);
    return v.visited;
}

size_t brim_remove_if(brim_cache *c, brim_predicate *predicate, void *arg)
{
    struct visit v = {.predicate = predicate, .arg = arg};

    if (c == NULL || predicate == NULL)
        return 0;
    visit_all(c, &v);
    return v.removed;
}
