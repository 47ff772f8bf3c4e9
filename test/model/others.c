/* SPDX-License-Identifier: MIT
 *
 * Operations on groups and the clock, walks, failures of memory, statistics, and what is NULL.
 */
#include "model/model.h"
#include <string.h>

/* ---- Groups and the clock */

static struct group *free_group(void)
{
    for (size_t i = 0; i < GROUPS; i++)
        if (m.groups[i].group == NULL && m.groups[i].members == 0)
            return &m.groups[i];
    return NULL;
}

static void op_group_new(void)
{
    struct cache *c = pick_cache();
    struct group *g = free_group();

    if (g == NULL)
        return;
    memset(g, 0, sizeof *g);
    g->of = c;
    g->group = brim_group_new(c->cache);
    AGREE(g->group != NULL || memory_failed(), "no group");
}

static void op_group(void)
{
    struct group *g = &m.groups[pick(GROUPS)];

    for (size_t n = 0; n < GROUPS && g->group == NULL; n++)
        g = g + 1 < m.groups + GROUPS ? g + 1 : m.groups;
    AGREE(brim_group_loads(g->group) == (g->group != NULL ? g->loads : 0), "%zu loads", g->loads);
    switch (pick(4)) {
    case 0: brim_group_invalidate(g->group); break;
    case 1:
        if (!one_in(2))
            return;
        brim_group_close(g->group);
        g->closed = g->closed || g->group != NULL;
        break;
    case 2:
        brim_group_drop(brim_group_copy(g->group));
        return;
    default:
        brim_group_drop(g->group);
        g->group = NULL;
        return;
    }
    if (g->group == NULL)
        return;
    g->raised = ++g->of->group_clock;
    if (!g->ended)
        g->generation++;
    g->ended = g->closed;
    model_say("  raised", g->generation, g->closed);
}

void drop_groups(void)
{
    for (size_t i = 0; i < GROUPS; i++) {
        brim_group_drop(m.groups[i].group);
        m.groups[i].group = NULL;
    }
}

static void op_time(void)
{
    static const uint64_t steps[] = {1, 3, 10, 90, 1000, 2, 1, 5};

    m.now += steps[pick(8)];
}

/* ---- Walks */

struct walk {
    struct cache *cache;
    uint64_t divisor;
    size_t visits, most;
};

static struct item *item_of(struct walk *w, brim_ref *lent)
{
    size_t len;
    const void *bytes = brim_ref_key_bytes(lent, &len);
    struct item *i = brim_ref_value(lent);

    for (unsigned k = 0; i == NULL && k < m.setup->keys; k++)
        if (len == model_key_len[k] && memcmp(bytes, model_key_data[k], len) == 0)
            i = w->cache->by_key[k];
    return i;
}

static bool visit(brim_ref *lent, void *arg)
{
    struct walk *w = arg;
    struct item *i = item_of(w, lent);

    w->visits++;
    AGREE(i != NULL && i->in_use && i->of == w->cache && item_is_found(i), "visited");
    AGREE(i->visits != m.step + 1, "visited twice");
    i->visits = m.step + 1;
    is_item(lent, i);
    return w->divisor == 0 ? w->visits < w->most : i->id % w->divisor == 0;
}

static void op_walk(void)
{
    struct walk w = {.cache = pick_cache()};
    bool removes = pick(2) == 1;
    size_t there = 0, chosen = 0, said;

    w.divisor = removes ? 1 + pick(6) : 0;
    w.most = one_in(4) ? pick(4) : SIZE_MAX;
    for (size_t n = 0; n < m.made; n++) {
        struct item *i = &m.items[n];
        if (!i->in_use || i->of != w.cache || !item_is_found(i))
            continue;
        there++;
        chosen += w.divisor != 0 && i->id % w.divisor == 0;
    }
    m.walking = m.one_turn = true;
    if (removes) {
        said = brim_remove_if(w.cache->cache, visit, &w);
        AGREE(said == chosen && w.visits == there, "removed %zu of %zu, visited %zu of %zu", said, chosen, w.visits,
              there);
        return;
    }
    said = brim_for_each(w.cache->cache, visit, &w);
    if (w.most == 0)
        w.most = 1;
    AGREE(said == (there < w.most ? there : w.most) && w.visits == said, "visited %zu of %zu", said, there);
}

/* ---- Memory */

static void op_fail(void)
{
    size_t from = pick(6);

    if (m.setup->fail == NULL)
        return;
    if (m.failing || from == 0)
        m.setup->fail(0, 0);
    else
        m.setup->fail(from, one_in(2) ? SIZE_MAX : from + 1);
    m.failing = !m.failing && from != 0;
}

/* ---- Statistics */

static void check_kinds(struct cache *c)
{
    brim_stats s;
    size_t used = 0;

    for (int k = 0; k < KINDS; k++) {
        brim_stats_get_sized(c->cache, model_kinds[k], &s, sizeof s);
        AGREE(s.used == c->kind[k].used && s.values == c->kind[k].values,
              "kind %d: used %zu, not %zu; values %zu, not %zu",
              k, s.used, c->kind[k].used, s.values, c->kind[k].values);
        AGREE(s.uncharged == c->kind[k].uncharged, "kind %d: uncharged %zu, not %zu", k, s.uncharged,
              c->kind[k].uncharged);
        AGREE(s.floor == c->kind[k].floor && s.ceiling == c->kind[k].ceiling, "kind %d: limits", k);
        used += s.used;
    }
    AGREE(used == c->used, "used by kinds %zu, not %zu", used, c->used);
}

static void check_stats(struct cache *c)
{
    brim_stats s;

    brim_stats_get(c->cache, &s);
    AGREE(s.capacity == c->capacity && s.used == taken(c) && s.pinned == c->pinned, "used %zu", s.used);
    AGREE(s.reserved == c->reserved + c->loading, "reserved %zu, not %zu", s.reserved, c->reserved + c->loading);
    AGREE(s.count == c->count && s.values == c->values, "values %zu, not %zu", s.values, c->values);
    AGREE(s.uncharged == c->uncharged, "uncharged %zu, not %zu", s.uncharged, c->uncharged);
    for (int i = 0; i < 7; i++)
        AGREE(s.left[i] == c->left[i], "cause %d", i);
    AGREE(s.frame == c->frame && s.queued == c->queued, "queued %zu, not %zu", s.queued, c->queued);
    AGREE(s.sections == (c->nesting > 0), "%u sections", s.sections);
    AGREE(s.loading == loads_under_way(c), "%zu loads under way", s.loading);
    AGREE(s.loads == c->loads && s.load_failures == c->load_failures, "loads %llu", (unsigned long long)s.loads);
    AGREE(s.hits == c->hits, "%llu hits, not %llu", (unsigned long long)s.hits, (unsigned long long)c->hits);
    AGREE(s.insertions == c->insertions, "%llu insertions", (unsigned long long)s.insertions);
    if (c->unsure)
        return;
    AGREE(s.misses == c->misses, "%llu misses, not %llu", (unsigned long long)s.misses,
          (unsigned long long)c->misses);
    AGREE(s.refused == c->refused && s.too_big == c->too_big, "%llu refused, not %llu", (unsigned long long)s.refused,
          (unsigned long long)c->refused);
}

void model_check(void)
{
    for (unsigned i = 0; i < m.caches; i++)
        if (m.cache[i].cache != NULL) {
            AGREE(brim_check(m.cache[i].cache, stderr), "brim_check");
            check_stats(&m.cache[i]);
        }
}

static int swallow(void *arg, const char *text, size_t len)
{
    size_t *left = arg;

    AGREE(memchr(text, 0, len) == NULL, "a zero in the text");
    if (len > *left)
        return 1;
    *left -= len;
    return 0;
}

static void op_stats(void)
{
    brim_cache *const one = pick_cache()->cache;
    size_t left = one_in(2) ? pick(256) * 16 : SIZE_MAX;
    brim_format format = (brim_format)pick(4);
    brim_status s;

    model_check();
    check_kinds(m.current);
    s = brim_stats_emit(&one, 1, format, swallow, &left);
    AGREE(s == (format > BRIM_PROMETHEUS ? BRIM_INVALID : BRIM_OK) || s == BRIM_FAILED, "status %d", (int)s);
    left = SIZE_MAX;
    AGREE(brim_report_problems(one, swallow, &left) == brim_report_problems(one, NULL, NULL), "problems");
}

/* ---- Nothing */

static void op_nothing(void)
{
    brim_ref *r = (brim_ref *)&m;
    brim_key *k = NULL;

    AGREE(brim_insert(NULL, KEY(1), &m, 1, &r) == BRIM_INVALID && r == NULL, "insert");
    AGREE(brim_insert(pick_cache()->cache, NULL, 1, &m, 1, &r) == BRIM_INVALID && r == NULL, "insert");
    AGREE(brim_find(NULL, KEY(1)) == NULL && !brim_contains(NULL, KEY(1)) && !brim_remove(NULL, KEY(1)), "find");
    AGREE(brim_reserve(NULL, 1) == BRIM_INVALID && brim_set_capacity(NULL, 1) == BRIM_INVALID, "bounds");
    AGREE(brim_ref_value(NULL) == NULL && brim_ref_copy(NULL) == NULL && brim_ref_key(NULL) == NULL, "ref");
    AGREE(brim_key_replace(&k, &m, 1) == BRIM_INVALID && brim_key_copy(NULL) == NULL && !brim_key_remove(NULL),
          "key");
    AGREE(brim_read_begin(NULL) == BRIM_INVALID && brim_slot_load(NULL) == NULL, "section");
    AGREE(brim_trim(NULL, 0) == 0 && brim_idle(NULL) == 0 && brim_collect(NULL, 1) == 0, "trim");
    AGREE(!brim_wait_cancel(NULL) && !brim_load_cancel(NULL, KEY(1)), "load");
    brim_clear(NULL);
    brim_release(NULL);
    brim_key_drop(NULL);
    brim_group_drop(NULL);
}

const struct operation other_operations[] = {
    {6, "group new", op_group_new}, {12, "group", op_group}, {16, "time", op_time}, {3, "walk", op_walk},
    {4, "memory fails", op_fail},   {2, "stats", op_stats},  {1, "nothing", op_nothing}, {0, NULL, NULL},
};
