/* SPDX-License-Identifier: MIT */
#include "linear/checker.h"

#include "linear/events.h"
#include "linear/must.h"

#include <string.h>

/*
 * A point of the search: everything that returned before ${event} is in the order, and of what is under way there, by
 * the bits of done, some.  By those of gone, what has done its first half.
 */
struct point {
    uint64_t done, gone;
    struct state state;
    uint32_t event, next; /* next: which way on from here is tried next */
};

struct search {
    enum model model;
    const struct history *history;
    struct events events;
    unsigned char *bit;       /* of each operation while it is under way */
    uint32_t *open, *open_of; /* what is under way at each return: from open[open_of[event]] on */
    struct point *stack, *seen;
    size_t depth, stack_size, seen_count, seen_size;
};

/* ---- What is under way when */

static void find_open(struct search *s)
{
    uint32_t under_way[MAX_OPEN], n = 0, used = 0;
    uint64_t taken = 0;

    for (uint32_t i = 0; i < s->events.count; i++) {
        const struct event *e = &s->events.at[i];

        s->open_of[i] = used;
        if (!e->returns) {
            if (n == MAX_OPEN)
                must_fail("more than %d operations of a key are under way at once", MAX_OPEN);
            s->bit[e->op] = (unsigned char)__builtin_ctzll(~taken);
            taken |= UINT64_C(1) << s->bit[e->op];
            under_way[n++] = e->op;
            continue;
        }
        memcpy(&s->open[used], under_way, n * sizeof *under_way);
        used += n;
        taken &= ~(UINT64_C(1) << s->bit[e->op]);
        for (uint32_t j = 0, kept = 0; j < n; j++)
            if (under_way[j] != e->op)
                under_way[kept++] = under_way[j];
        n--;
    }
    s->open_of[s->events.count] = used;
}

static size_t count_open(const struct events *e)
{
    size_t sum = 0, n = 0;

    for (size_t i = 0; i < e->count; i++) {
        if (e->at[i].returns)
            sum += n--;
        else
            n++;
    }
    return sum;
}

static struct search begin_search(enum model m, const struct history *h)
{
    struct search s = {.model = m, .history = h, .events = events_of(h), .seen_size = 1024, .stack_size = 1024};

    s.bit = must_alloc(h->count, sizeof *s.bit);
    s.open = must_alloc(count_open(&s.events), sizeof *s.open);
    s.open_of = must_alloc(s.events.count + 1, sizeof *s.open_of);
    s.stack = must_alloc(s.stack_size, sizeof *s.stack);
    s.seen = must_alloc(s.seen_size, sizeof *s.seen);
    find_open(&s);
    return s;
}

static void end_search(struct search *s)
{
    events_free(&s->events);
    free(s->bit);
    free(s->open);
    free(s->open_of);
    free(s->stack);
    free(s->seen);
}

/* ---- Where the search has been */

static bool same(const struct point *a, const struct point *b)
{
    return a->event == b->event && a->done == b->done && a->gone == b->gone &&
           memcmp(&a->state, &b->state, sizeof a->state) == 0;
}

static uint64_t hash_of(const struct point *p)
{
    const uint64_t words[] = {p->done, p->event, (uint64_t)p->state.current << 32 | p->state.slot,
                              (uint64_t)p->state.load << 32 | p->state.overtaken, p->gone};
    uint64_t hash = 0;

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        hash = (hash ^ words[i]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    return hash;
}

/* Its place, or that where it belongs.  A place with event 0 is empty: the first event is no return. */
static struct point *place_of(struct point *table, size_t size, const struct point *p)
{
    size_t i = hash_of(p) & (size - 1);

    while (table[i].event != 0 && !same(&table[i], p))
        i = (i + 1) & (size - 1);
    return &table[i];
}

static void enlarge_seen(struct search *s)
{
    struct point *larger = must_alloc(2 * s->seen_size, sizeof *larger);

    for (size_t i = 0; i < s->seen_size; i++)
        if (s->seen[i].event != 0)
            *place_of(larger, 2 * s->seen_size, &s->seen[i]) = s->seen[i];
    free(s->seen);
    s->seen = larger;
    s->seen_size *= 2;
}

static bool is_new(struct search *s, const struct point *p)
{
    struct point *place = place_of(s->seen, s->seen_size, p);

    if (place->event != 0)
        return false;
    *place = *p;
    if (++s->seen_count > s->seen_size / 2)
        enlarge_seen(s);
    return true;
}

static void push(struct search *s, const struct point *p)
{
    if (s->depth == s->stack_size) {
        s->stack = realloc(s->stack, 2 * s->stack_size * sizeof *s->stack);
        if (s->stack == NULL)
            must_fail("out of memory");
        s->stack_size *= 2;
    }
    s->stack[s->depth++] = *p;
}

/* ---- The search */

static bool is_done(const struct search *s, const struct point *p, uint32_t op)
{
    return (p->done >> s->bit[op] & 1) != 0;
}

/* What changes nothing and could have had its result now may as well be next: nobody is kept from anything by it. */
static void take_idle(const struct search *s, struct point *p)
{
    for (uint32_t i = s->open_of[p->event]; i < s->open_of[p->event + 1]; i++) {
        const struct op *op = &s->history->op[s->open[i]];
        struct state after = p->state;

        if (!is_done(s, p, s->open[i]) && !op_changes(op) && model_step(s->model, op, false, &after) &&
            memcmp(&after, &p->state, sizeof after) == 0)
            p->done |= UINT64_C(1) << s->bit[s->open[i]];
    }
}

/* On to the next return of something that is not in the order.  False: there is none, and all is well. */
static bool advance(const struct search *s, struct point *p)
{
    for (; p->event < s->events.count; p->event++) {
        uint32_t op = s->events.at[p->event].op;

        if (!s->events.at[p->event].returns)
            continue;
        take_idle(s, p);
        if (!is_done(s, p, op))
            return true;
        p->done &= ~(UINT64_C(1) << s->bit[op]);
        p->gone &= ~(UINT64_C(1) << s->bit[op]);
    }
    return false;
}

static uint32_t open_count(const struct search *s, const struct point *p)
{
    return s->open_of[p->event + 1] - s->open_of[p->event];
}

static bool vanishes(const struct search *s, struct point *p)
{
    if (s->model != MODEL_EVICTION || p->state.current == NOTHING)
        return false;
    p->state.current = NOTHING;
    return true;
}

/* A key_replace evicts what it is to replace, to make room, and is not done yet. */
static bool evicts_first(const struct search *s, struct point *p, uint32_t op)
{
    if (s->history->op[op].what != KEY_REPLACE || s->history->op[op].a != p->state.current || !vanishes(s, p))
        return false;
    p->gone |= UINT64_C(1) << s->bit[op];
    return true;
}

static bool went_first(const struct search *s, const struct point *p, uint32_t op)
{
    return s->model == MODEL_EVICTION && (s->history->op[op].early || (p->gone >> s->bit[op] & 1) != 0);
}

/*
 * The ways on from a point: one of the operations under way is next, first of all the one that returns: as it is, or
 * with an entry that vanishes just before it, or with its first half; and if the one that returns was called early,
 * it had been done before.  False: that one leads nowhere.
 */
enum { WAYS = 3 };
static bool try_way(const struct search *s, struct point *p, uint32_t way)
{
    uint32_t which = way / WAYS, n = open_count(s, p), returns = s->events.at[p->event].op;
    uint32_t op = which == 0 || which > n ? returns : s->open[s->open_of[p->event] + which - 1];

    p->next = 0;
    if (is_done(s, p, op) || (which != 0 && which <= n && op == returns))
        return false;
    if (way % WAYS == 2)
        return evicts_first(s, p, op);
    if (way % WAYS == 1 && !vanishes(s, p))
        return false;
    p->done |= UINT64_C(1) << s->bit[op];
    if (which > n)
        return s->history->op[op].early;
    return model_step(s->model, &s->history->op[op], went_first(s, p, op), &p->state);
}

static bool is_exhausted(const struct search *s, const struct point *p)
{
    return p->next > WAYS * (open_count(s, p) + 1);
}

static bool go_on(struct search *s, struct point p, struct verdict *v)
{
    if (!advance(s, &p))
        return true;
    if (s->events.at[p.event].time > v->stuck)
        v->stuck = s->events.at[p.event].time;
    if (is_new(s, &p)) {
        v->looked_at++;
        push(s, &p);
    }
    return false;
}

struct verdict check_history(enum model m, const struct history *h, struct state begin)
{
    struct search s = begin_search(m, h);
    struct verdict v = {0};

    v.linearizable = go_on(&s, (struct point){.state = begin}, &v);
    while (!v.linearizable && s.depth > 0) {
        struct point *top = &s.stack[s.depth - 1], p = *top;

        if (is_exhausted(&s, top)) {
            s.depth--;
            continue;
        }
        if (try_way(&s, &p, top->next++))
            v.linearizable = go_on(&s, p, &v);
    }
    end_search(&s);
    return v;
}

/* ---- Shortening */

static const struct state known = STATE_NOTHING, unknown = STATE_UNKNOWN;

static struct history copy_if(const struct history *h, uint64_t from, uint64_t before)
{
    struct history some = {must_alloc(h->count, sizeof *some.op), 0};

    for (size_t i = 0; i < h->count; i++) {
        if (h->op[i].returned < from || h->op[i].called > before)
            continue;
        some.op[some.count] = h->op[i];
        some.op[some.count++].early = h->op[i].called < from;
    }
    return some;
}

static void replace(struct history *h, struct history *by)
{
    free(h->op);
    *h = *by;
}

/* Without what is no part of it: what changes nothing can always be left out. */
static void drop_idle(enum model m, struct history *h, struct state begin)
{
    for (size_t i = h->count; i-- > 0;) {
        struct op dropped = h->op[i];

        if (op_changes(&dropped))
            continue;
        memmove(&h->op[i], &h->op[i + 1], (--h->count - i) * sizeof *h->op);
        if (!check_history(m, h, begin).linearizable)
            continue;
        memmove(&h->op[i + 1], &h->op[i], (h->count++ - i) * sizeof *h->op);
        h->op[i] = dropped;
    }
}

/* The later a history begins the less is known; so the last beginning that is bad is found by halving. */
void shorten_history(enum model m, struct history *h)
{
    enum { FEW = 300 };
    struct state begin = unknown;
    size_t low = 0, high;
    struct history some = copy_if(h, 0, check_history(m, h, known).stuck);

    replace(h, &some);
    if (check_history(m, h, unknown).linearizable)
        begin = known;
    for (high = begin.current == UNKNOWN ? h->count : 0; high - low > 1;) {
        size_t middle = low + (high - low) / 2;
        bool bad;

        some = copy_if(h, h->op[middle].called, UINT64_MAX);
        bad = !check_history(m, &some, unknown).linearizable;
        free(some.op);
        if (bad)
            low = middle;
        else
            high = middle;
    }
    if (low > 0) {
        some = copy_if(h, h->op[low].called, UINT64_MAX);
        replace(h, &some);
    }
    if (h->count <= FEW)
        drop_idle(m, h, begin);
}

size_t count_overlapping(const struct history *h)
{
    struct events e = events_of(h);
    bool *overlaps = must_alloc(h->count, sizeof *overlaps);
    uint32_t open[MAX_OPEN], n = 0;
    size_t sum = 0;

    for (size_t i = 0; i < e.count; i++) {
        uint32_t op = e.at[i].op, kept = 0;

        for (uint32_t j = 0; j < n; j++) {
            if (!e.at[i].returns && h->op[open[j]].thread != h->op[op].thread)
                overlaps[op] = overlaps[open[j]] = true;
            if (open[j] != op)
                open[kept++] = open[j];
        }
        n = kept;
        if (!e.at[i].returns && n < MAX_OPEN)
            open[n++] = op;
    }
    for (size_t i = 0; i < h->count; i++)
        sum += overlaps[i];
    events_free(&e);
    free(overlaps);
    return sum;
}
