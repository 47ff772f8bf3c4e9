/* SPDX-License-Identifier: MIT
 *
 * Loads: claimed, run by loaders, waited for, finished, failed, canceled and overtaken.  Nothing here waits for a
 * load that only this thread could end.
 */
#include "model/model.h"
#include <string.h>

/* ---- Flights */

static struct flight *flight_new(struct cache *c, unsigned key, const struct terms *t)
{
    struct flight *f = NULL;

    for (size_t i = 0; i < LOADS && f == NULL; i++)
        if (m.loads[i].of == NULL)
            f = &m.loads[i];
    if (f == NULL)
        return NULL;
    memset(f, 0, sizeof *f);
    f->of = c;
    f->key = key;
    f->terms = *t;
    members_join(f->terms.member, &f->terms.members, t->member, t->members);
    for (unsigned i = 0; i < t->members; i++)
        t->member[i].group->loads++;
    f->claimed = c->group_clock;
    f->asked = c->frame;
    c->flights[key] = f;
    return f;
}


static void count_out(struct flight *f)
{
    for (unsigned i = 0; i < f->terms.members; i++)
        f->terms.member[i].group->loads--;
}

static void forget(struct flight *f)
{
    members_leave(f->terms.member, f->terms.members);
    if (f->of->flights[f->key] == f)
        f->of->flights[f->key] = NULL;
    f->of = NULL;
}

void overtake(struct cache *c, unsigned key)
{
    struct flight *f = c->flights[key];

    if (f != NULL && f->failed)
        forget(f);
    else if (f != NULL)
        f->overtaken = true;
}

void overtake_all(struct cache *c)
{
    for (size_t i = 0; i < LOADS; i++)
        if (m.loads[i].of == c)
            overtake(c, m.loads[i].key);
}

/* What is known of the key's load. */
static struct flight *look(struct cache *c, unsigned key)
{
    struct flight *f = c->flights[key];

    if (f == NULL)
        return NULL;
    if (f->failed && m.now >= f->until) {
        forget(f);
        return NULL;
    }
    return f;
}

static bool is_wanted(const struct flight *f)
{
    return !f->overtaken && (f->by_loader || !f->had_waiters || f->waiting > 0) &&
           !members_are_stale(f->terms.member, f->terms.members);
}

/* ---- Waiters: what each is told is looked at after the call that tells */

static void done(brim_ref *ref, int reason, void *arg)
{
    struct waiter *w = arg;

    AGREE(w->in_use && !w->told, "told twice");
    w->told = true;
    w->ref = ref;
    w->reason = reason;
}

/* ${i}: what the load gave; NULL: it failed for ${reason}, or was canceled. */
static void check_told(struct flight *f, struct item *i, int reason, bool canceled)
{
    for (size_t n = 0; n < WAITS; n++) {
        struct waiter *w = &m.waits[n];
        if (!w->in_use || w->flight != f)
            continue;
        AGREE(w->told, "not told");
        if (i != NULL && !w->late) {
            AGREE(w->ref != NULL && w->reason == 0, "reason %d", w->reason);
            hold(i);
        } else {
            AGREE(w->ref == NULL && w->reason == (w->late || canceled ? BRIM_CANCELED : reason), "reason %d",
                  w->reason);
        }
        w->flight = NULL;
    }
    f->waiting = 0;
}

/* Their refs stay, now that all is known of what they hold. */
static void keep_told(struct item *i)
{
    for (size_t n = 0; n < WAITS; n++) {
        struct waiter *w = &m.waits[n];
        if (w->in_use && w->told && w->ref != NULL) {
            is_item(w->ref, i);
            keep_ref(w->ref, i);
            w->ref = NULL;
        }
    }
}

void forget_all(struct cache *c)
{
    for (size_t i = 0; i < LOADS; i++) {
        struct flight *f = &m.loads[i];
        if (f->of != c)
            continue;
        overtake(c, f->key);
        if (f->of == c)
            c->flights[f->key] = NULL;
    }
}

void check_freed(struct cache *c)
{
    for (size_t i = 0; i < LOADS; i++)
        if (m.loads[i].of == c)
            check_told(&m.loads[i], NULL, 0, true);
}

/* ---- Ending */

/* What is known before the call. */
struct ending {
    struct flight *flight;
    struct item *item, *old;
    bool canceled, big, stale;
    enum verdict room;
};

static void begin_ending(struct ending *e, struct flight *f, const struct terms *t, bool raised, size_t cost)
{
    struct cache *c = f->of;
    size_t n = charge_of(c, cost, f->key, t), have = f->reserved;

    e->flight = f;
    e->canceled = t->status == BRIM_CANCELED || raised || f->overtaken || c->cache == NULL;
    e->stale = members_are_stale(f->terms.member, f->terms.members);
    c->loading -= have;
    f->reserved = 0;
    e->big = cost > SIZE_MAX / 2 || is_too_big(c, n, (int)t->kind);
    e->room = room_beside(c, n, (int)t->kind, c->by_key[f->key] == NULL, have);
    e->old = c->by_key[f->key];
    e->item = item_new(c, f->key, cost, t);
    take(e->item, true);
    m.current = c;
    m.offered = e->item;
    m.one_turn = true;
    may_evict(c, 0, (int)t->kind);
}

/* Before the waiters are looked at: it may be uncached. */
static void finished(struct ending *e, bool cached, brim_ref *out)
{
    struct flight *f = e->flight;
    struct cache *c = f->of;
    struct item *i = e->item;

    if (cached) {
        AGREE(!e->canceled && !e->stale && !e->big && e->room != NO,
              "published %zu: taken %zu, pinned %zu of %zu; canceled %d, stale %d, big %d", i->cost, taken(c),
                  c->pinned,
              c->capacity, (int)e->canceled, (int)e->stale, (int)e->big);
        AGREE(i->linked, "it has left already");
        took_room_of(e->old);
        c->insertions++;
        c->by_key[f->key] = i;
    } else {
        AGREE(e->canceled || e->stale || e->big || e->room != YES || memory_failed(), "not published");
    }
    if (out != NULL)
        hold(i);
    check_told(f, i, 0, false);
    if (!cached)
        uncharge(i);
    c->loads++;
    count_out(f);
    forget(f);
    if (out != NULL) {
        is_item(out, i);
        keep_ref(out, i);
    }
    keep_told(i);
}

static struct flight *pick_load(void)
{
    for (size_t n = 0, at = pick(LOADS); n < LOADS; n++, at = (at + 1) % LOADS) {
        struct flight *f = &m.loads[at];
        if (f->of == NULL || f->failed || f->load == NULL)
            continue;
        m.current = f->of;
        return f;
    }
    return NULL;
}

static bool is_raised(const struct terms *t, uint64_t since)
{
    for (unsigned i = 0; i < t->members; i++)
        if (t->member[i].group->raised > since)
            return true;
    return false;
}

static void finish(struct flight *f, bool with, bool want_ref)
{
    struct cache *c = f->of;
    struct terms t = f->terms, given;
    size_t cost = pick_cost(c), reserved = f->reserved;
    brim_load *load = f->load;
    brim_ref *out = NULL;
    struct ending e;
    brim_status s;
    bool raised = false;

    plain_terms(&given);
    if (with)
        pick_terms(&given, c);
    if (given.status == BRIM_INVALID) {
        AGREE(brim_load_finish_with(load, &m, cost, &given.options, &out) == BRIM_INVALID && out == NULL, "options");
        return;
    }
    if (given.given) {
        t = given;
        raised = is_raised(&t, f->claimed);
        t.members = t.status == BRIM_CANCELED || raised ? 0 : t.members;
    }
    begin_ending(&e, f, &t, raised, cost);
    if (given.given)
        s = brim_load_finish_with(load, item_value(e.item), cost, &given.options, want_ref ? &out : NULL);
    else
        s = brim_load_finish(load, item_value(e.item), cost, want_ref ? &out : NULL);
    model_say("  cost, status", cost, (uint64_t)s);
    if (s == BRIM_NOMEM) { /* for a kind: nothing happened */
        AGREE(memory_failed() && given.given && out == NULL, "NOMEM");
        refuse(e.item);
        f->reserved = reserved;
        c->loading += reserved;
        return;
    }
    AGREE((out != NULL) == want_ref, "a ref");
    if (s == BRIM_CANCELED)
        AGREE(e.canceled || e.stale, "canceled");
    else if (s != BRIM_OK)
        AGREE(!e.canceled && was_refused(s, e.big), "status %d", (int)s);
    c->refused += s == BRIM_TOO_BIG || s == BRIM_FULL;
    c->too_big += s == BRIM_TOO_BIG;
    finished(&e, s == BRIM_OK, out);
}

static void fail(struct flight *f, uint64_t ns)
{
    struct cache *c = f->of;
    int reason = (int)pick(200) - 100;

    if (ns == 0)
        brim_load_fail(f->load, reason);
    else
        brim_load_fail_for(f->load, reason, ns);
    c->load_failures++;
    c->loading -= f->reserved;
    f->reserved = 0;
    check_told(f, NULL, reason, false);
    count_out(f);
    if (ns == 0 || f->overtaken || c->cache == NULL || members_are_stale(f->terms.member, f->terms.members)) {
        forget(f);
        return;
    }
    f->failed = true;
    f->load = NULL;
    f->reason = reason;
    f->until = ns > UINT64_MAX - m.now ? UINT64_MAX : m.now + ns;
}

/* ---- Loaders */

/* What a loader is to do, and what came of it. */
struct run {
    struct cache *cache;
    unsigned key;
    const struct terms *terms;
    size_t expected;   /* to be reserved; 0: nothing */
    enum verdict room; /* for that */
    bool ran, overtaken;
    brim_status status;
    struct ending ending;
};

static void check_reserved(struct flight *f, size_t expected, enum verdict v)
{
    struct cache *c = f->of;
    size_t extra = brim_used(c->cache) - taken(c);

    AGREE(extra == 0 ? expected == 0 || v != YES : extra == expected && v != NO, "%zu reserved, not %zu", extra,
          expected);
    if (extra == 0 && expected != 0)
        c->pressed_frame = c->frame + 1;
    f->reserved = extra;
    c->loading += extra;
}

static void run_nested(struct run *r)
{
    settle_step();
    m.depth++;
    if (m.depth < 3 && one_in(2))
        model_step();
    m.depth--;
    m.current = r->cache;
}

static brim_status load_value(const void *key, size_t len, void *arg, void **value, size_t *cost)
{
    struct run *r = arg;
    struct flight *f;
    brim_load *lent = brim_load_current();

    AGREE(!r->ran && len == model_key_len[r->key] && memcmp(key, model_key_data[r->key], len) == 0, "loader");
    r->ran = true;
    r->cache->misses++;
    f = flight_new(r->cache, r->key, r->terms);
    f->by_loader = true;
    f->load = NULL;
    check_reserved(f, r->expected, r->room);
    AGREE(brim_load_is_wanted(lent) && brim_load_asked(lent) == f->asked, "wanted");
    AGREE(brim_load_finish(lent, &m, 1, NULL) == BRIM_INVALID, "a loader's own load ended");
    run_nested(r);
    AGREE(brim_load_is_wanted(lent) == is_wanted(f), "wanted");
    AGREE(brim_load_current() == lent, "another load");
    r->status = one_in(4) ? (brim_status)pick(13) : BRIM_OK;
    r->overtaken = f->overtaken;
    r->ending.flight = f;
    if (r->status != BRIM_OK)
        return r->status;
    *cost = pick_cost(r->cache);
    begin_ending(&r->ending, f, &f->terms, false, *cost);
    *value = item_value(r->ending.item);
    return BRIM_OK;
}

static void load_failed(struct run *r, brim_status s, int reason, bool has_reason)
{
    struct flight *f = r->ending.flight;
    bool canceled = r->status == BRIM_CANCELED && r->overtaken;

    AGREE(s == (canceled ? BRIM_CANCELED : BRIM_FAILED), "status %d", (int)s);
    if (has_reason)
        AGREE(reason == (canceled ? 0 : (int)r->status), "reason %d", reason);
    f->of->load_failures++;
    f->of->loading -= f->reserved;
    check_told(f, NULL, (int)r->status, false);
    count_out(f);
    forget(f);
}

/* ---- Asking */

/* An ask: its options, and what it comes to. */
struct ask {
    struct cache *cache;
    unsigned key;
    struct terms terms;
    brim_claim_options options;
    int reason;
    bool given; /* false: NULL is passed */
    size_t expected;
    enum verdict room;
    struct item *there;
    struct flight *flight;
    bool overtakes; /* the flight: one of its groups was invalidated, as who asks notes, unless memory fails */
};

static void ask_flight(struct ask *a)
{
    struct flight *f = a->flight = look(a->cache, a->key);

    a->overtakes = f != NULL && !f->failed && members_are_stale(f->terms.member, f->terms.members);
}

static void pick_ask(struct ask *a, struct cache *c, unsigned key, bool with)
{
    memset(a, 0, sizeof *a);
    a->cache = c;
    a->key = key;
    a->reason = 77;
    plain_terms(&a->terms);
    brim_claim_options_init(&a->options);
    if (with && one_in(2)) {
        a->given = true;
        pick_terms(&a->terms, c);
        a->options.entry = options_of(&a->terms);
        a->options.reason = &a->reason;
        a->options.expected_cost = one_in(2) ? pick_cost(c) : 0;
        if (one_in(64)) {
            a->options.size--;
            a->terms.status = BRIM_INVALID;
        }
    }
    a->options.timeout_ms = 0;
    if (a->options.expected_cost > 0 && a->options.expected_cost <= SIZE_MAX / 2)
        a->expected = charge_of(c, a->options.expected_cost, key, &a->terms);
    if (a->expected > c->capacity)
        a->expected = 0;
    a->room = room(c, a->expected, -1, false);
    a->there = found(c, key);
    if (a->there == NULL && a->terms.status == BRIM_OK)
        ask_flight(a);
    may_evict(c, a->expected, -1);
}

/* Whether a load may begin: there is room for it in the model.  Past failures are forgotten for that. */
static bool has_room_for_load(void)
{
    for (size_t i = 0; i < LOADS; i++) {
        struct flight *f = &m.loads[i];
        if (f->of != NULL && f->failed && f->of->cache != NULL)
            (void)look(f->of, f->key);
        if (f->of == NULL)
            return true;
    }
    return false;
}

/* True: the answer is given without a load that is under way or begins. */
static bool is_answered(struct ask *a, brim_status s, brim_ref *ref)
{
    struct cache *c = a->cache;
    bool fails = a->flight != NULL && a->flight->failed;

    model_say("  key, status", a->key, (uint64_t)s);
    if (s == BRIM_NOMEM) {
        AGREE(memory_failed() && a->there == NULL && ref == NULL, "NOMEM");
        c->misses += a->terms.status == BRIM_OK;
        c->unsure = true;
        return true;
    }
    if (a->overtakes)
        a->flight->overtaken = true;
    if (a->terms.status == BRIM_INVALID || (a->there == NULL && a->terms.status != BRIM_OK)) {
        AGREE(s == a->terms.status && ref == NULL, "status %d, not %d", (int)s, (int)a->terms.status);
        AGREE(!a->given || a->options.size != sizeof a->options || a->reason == 0, "reason %d", a->reason);
        return true;
    }
    c->hits += a->there != NULL;
    c->misses += a->there == NULL;
    AGREE((a->there != NULL) == (s == BRIM_OK && ref != NULL && a->there != NULL), "status %d", (int)s);
    AGREE(!a->given || a->reason == (fails ? a->flight->reason : 0), "reason %d", a->reason);
    if (a->there != NULL) {
        item_use(a->there);
        is_item(ref, a->there);
        hold(a->there);
        keep_ref(ref, a->there);
        return true;
    }
    if (fails)
        AGREE(s == BRIM_FAILED && ref == NULL, "status %d", (int)s);
    return fails;
}

static void joined(struct ask *a, brim_status s)
{
    AGREE(s == BRIM_PENDING, "status %d", (int)s);
    a->flight->asked = a->cache->frame;
}

static void claimed(struct ask *a, brim_status s, brim_load *load)
{
    struct flight *f;

    AGREE(s == BRIM_CLAIMED && load != NULL, "status %d", (int)s);
    f = flight_new(a->cache, a->key, &a->terms);
    f->load = load;
    check_reserved(f, a->expected, a->room);
}

static void op_claim(void)
{
    struct cache *c = pick_cache();
    brim_load *load = (brim_load *)&m;
    brim_ref *ref = (brim_ref *)&m;
    struct ask a;
    brim_status s;

    if (!has_room_for_load())
        return;
    pick_ask(&a, c, pick_key(), true);
    if (a.given)
        s = brim_claim_with(c->cache, KEY(a.key), &a.options, &ref, &load);
    else
        s = brim_claim(c->cache, KEY(a.key), a.flight != NULL ? 0 : -1, &ref, &load);
    AGREE((load != NULL) == (s == BRIM_CLAIMED) && (ref != NULL) == (s == BRIM_OK), "status %d", (int)s);
    if (is_answered(&a, s, ref))
        return;
    if (a.flight != NULL)
        joined(&a, s);
    else
        claimed(&a, s, load);
}

static struct waiter *free_waiter(void)
{
    for (size_t n = 0; n < WAITS; n++)
        if (!m.waits[n].in_use)
            return &m.waits[n];
    return NULL;
}

static void op_claim_async(void)
{
    struct cache *c = pick_cache();
    struct waiter *w = free_waiter();
    bool want_wait = pick(4) != 3;
    brim_wait *wait = NULL;
    brim_load *load = NULL;
    brim_ref *ref = NULL;
    struct ask a;
    brim_status s;

    if (!has_room_for_load() || w == NULL)
        return;
    pick_ask(&a, c, pick_key(), true);
    memset(w, 0, sizeof *w);
    w->in_use = true;
    s = brim_claim_async(c->cache, KEY(a.key), a.given ? &a.options : NULL, done, w, &ref, &load,
                         want_wait ? &wait : NULL);
    AGREE((load != NULL) == (s == BRIM_CLAIMED) && (ref != NULL) == (s == BRIM_OK), "status %d", (int)s);
    AGREE((wait != NULL) == (want_wait && s == BRIM_PENDING), "status %d", (int)s);
    w->in_use = false;
    if (is_answered(&a, s, ref))
        return;
    if (a.flight == NULL) {
        claimed(&a, s, load);
        return;
    }
    joined(&a, s);
    w->in_use = true;
    w->wait = wait;
    w->flight = a.flight;
    w->late = a.flight->overtaken;
    a.flight->had_waiters = a.flight->had_waiters || !w->late;
    a.flight->waiting += !w->late;
}

/* Those that were told, or forget that they asked, are of no more use. */
static void op_wait(void)
{
    struct waiter *w = &m.waits[pick(WAITS)];
    bool waits;

    for (size_t n = 0; n < WAITS && !w->in_use; n++)
        w = w + 1 < m.waits + WAITS ? w + 1 : m.waits;
    waits = w->in_use && w->flight != NULL;
    if (!w->in_use || (waits && w->wait == NULL))
        return;
    AGREE(brim_wait_cancel(w->wait) == waits, "canceled");
    if (waits && !w->late)
        w->flight->waiting--;
    w->in_use = false;
}

static void op_claim_many(void)
{
    struct cache *c = pick_cache();
    brim_bytes keys[MANY];
    unsigned key[MANY];
    struct item *there[MANY];
    brim_ref *refs[MANY];
    brim_load *loads[MANY];
    brim_status s[MANY];
    struct ask a;
    size_t n = pick(6), hits = 0, said, free_loads = 0;

    if (!has_room_for_load())
        return;
    for (size_t i = 0; i < n; i++) {
        key[i] = pick_key();
        keys[i] = (brim_bytes){model_key_data[key[i]], model_key_len[key[i]]};
        there[i] = found(c, key[i]);
        hits += there[i] != NULL;
    }
    for (size_t i = 0; i < LOADS; i++)
        free_loads += m.loads[i].of == NULL;
    if (free_loads < n)
        return;
    said = brim_claim_many(c->cache, keys, n, NULL, refs, loads, s);
    AGREE(said == hits, "%zu hits, not %zu", said, hits);
    for (size_t i = 0; i < n; i++)
        if (there[i] != NULL) {
            item_use(there[i]);
            hold(there[i]);
        }
    for (size_t i = 0; i < n; i++) {
        memset(&a, 0, sizeof a);
        a.cache = c;
        a.key = key[i];
        plain_terms(&a.terms);
        AGREE((loads[i] != NULL) == (s[i] == BRIM_CLAIMED) && (refs[i] != NULL) == (there[i] != NULL), "status %d",
              (int)s[i]);
        if (there[i] != NULL) {
            AGREE(s[i] == BRIM_OK, "status %d", (int)s[i]);
            c->hits++;
            is_item(refs[i], there[i]);
            keep_ref(refs[i], there[i]);
            continue;
        }
        ask_flight(&a);
        if (is_answered(&a, s[i], NULL))
            continue;
        if (a.flight != NULL)
            joined(&a, s[i]);
        else
            claimed(&a, s[i], loads[i]);
    }
}

/* ---- Getting */

static void count_refused(const struct ending *e, bool cached)
{
    struct cache *c = e->flight->of;
    bool refused = !cached && !e->canceled && !e->stale;

    c->unsure = c->unsure || (e->stale && !e->canceled);
    c->refused += refused;
    if (refused && !e->big)
        c->pressed_frame = c->frame + 1;
    c->too_big += refused && e->big;
}

static void got(struct ask *a, struct run *r, brim_status s, brim_ref *ref)
{
    if (!r->ran) {
        AGREE(a->there != NULL || a->flight != NULL || a->terms.status != BRIM_OK || s == BRIM_NOMEM, "did not load");
        if (is_answered(a, s, ref))
            return;
        AGREE(s == (a->flight->by_loader && !a->given ? BRIM_DEADLOCK : BRIM_PENDING) && ref == NULL, "status %d",
              (int)s);
        a->flight->asked = a->cache->frame;
        return;
    }
    AGREE(a->there == NULL && a->flight == NULL && a->terms.status == BRIM_OK, "loaded");
    if (r->status != BRIM_OK) {
        AGREE(ref == NULL, "status %d", (int)s);
        load_failed(r, s, a->reason, a->given);
        return;
    }
    AGREE(s == BRIM_OK && ref != NULL, "status %d", (int)s);
    AGREE(!a->given || a->reason == 0, "reason %d", a->reason);
    count_refused(&r->ending, brim_ref_is_cached(ref));
    finished(&r->ending, brim_ref_is_cached(ref), ref);
}

static void begin_run(struct run *r, const struct ask *a)
{
    memset(r, 0, sizeof *r);
    r->cache = a->cache;
    r->key = a->key;
    r->terms = &a->terms;
    r->expected = a->expected;
    r->room = a->room;
}

/* Under way, and no loader's. */
static bool is_in_hand(const struct flight *f)
{
    return f != NULL && !f->failed && !f->by_loader;
}

static void op_get(void)
{
    struct cache *c = pick_cache();
    brim_ref *ref = (brim_ref *)&m;
    struct ask a;
    struct run r;
    brim_status s;

    if (!has_room_for_load())
        return;
    pick_ask(&a, c, pick_key(), true);
    begin_run(&r, &a);
    if (is_in_hand(a.flight) && !a.given) {
        a.given = true; /* it would wait for ever */
        a.options.reason = &a.reason;
    }
    if (a.given)
        s = brim_get_with(c->cache, KEY(a.key), &a.options, load_value, &r, &ref);
    else
        s = brim_get(c->cache, KEY(a.key), load_value, &r, &ref);
    got(&a, &r, s, ref);
}

/* As it was loaded before. */
static void op_key_get(void)
{
    struct handle *h = pick_handle();
    struct item *old = h->of, *newer = NULL;
    brim_ref *ref = (brim_ref *)&m;
    brim_key *before = h->key, *key = h->key;
    struct ask a;
    struct run r;
    brim_status s;

    if (old == NULL || old->of->cache == NULL || !has_room_for_load())
        return;
    m.current = old->of;
    if (!item_is_found(old) && old->key < 0) {
        AGREE(brim_key_get(&key, load_value, &r, &ref) == BRIM_INVALID && key == before && ref == NULL, "key get");
        return;
    }
    memset(&a, 0, sizeof a);
    a.cache = old->of;
    a.key = old->key < 0 ? 0 : (unsigned)old->key;
    plain_terms(&a.terms);
    a.there = item_is_found(old) ? old : NULL;
    if (a.there == NULL) {
        take_over(&a.terms, old);
        newer = a.terms.status == BRIM_OK ? found(a.cache, a.key) : NULL;
        if (newer == NULL && a.terms.status == BRIM_OK) {
            if (is_in_hand(a.cache->flights[a.key]))
                return; /* it would wait for ever */
            ask_flight(&a);
        }
    }
    begin_run(&r, &a);
    *h = (struct handle){NULL, NULL}; /* ours, while loaders do what they like */
    before = key;
    s = brim_key_get(&key, load_value, &r, &ref);
    AGREE(s == BRIM_OK || key == before, "changed on failure");
    if (newer != NULL) {
        AGREE(s == BRIM_OK && !r.ran, "status %d", (int)s);
        a.cache->misses++;
        item_use(newer);
        hold(newer);
        is_item(ref, newer);
        keep_ref(ref, newer);
    } else {
        got(&a, &r, s, ref);
        newer = a.there != NULL ? a.there : r.ending.item;
    }
    if (s != BRIM_OK) {
        put_key(key, old);
        return;
    }
    newer->keys++;
    lose_key(old);
    put_key(key, newer);
}

/* ---- Loads in hand */

static void op_finish(void)
{
    struct flight *f = pick_load();

    if (f != NULL)
        finish(f, one_in(3), one_in(2));
}

static void op_fail(void)
{
    static const uint64_t times[] = {0, 10, 3, 90, 1, 5, 1000, UINT64_MAX};
    struct flight *f = pick_load();

    if (f != NULL)
        fail(f, times[pick(8)]);
    brim_load_fail(NULL, 1);
}

static void op_look_at_loads(void)
{
    for (size_t i = 0; i < LOADS; i++) {
        struct flight *f = &m.loads[i];
        if (f->of == NULL || f->load == NULL)
            continue;
        if (one_in(2))
            brim_load_begin(f->load);
        AGREE(brim_load_is_wanted(f->load) == is_wanted(f), "wanted");
        AGREE(brim_load_asked(f->load) == f->asked, "asked in frame %llu",
              (unsigned long long)brim_load_asked(f->load));
    }
    AGREE(!brim_load_is_wanted(NULL) && brim_load_asked(NULL) == 0, "NULL");
    AGREE((brim_load_current() != NULL) == (m.depth > 0), "a loader runs");
}

static void op_cancel(void)
{
    struct cache *c = pick_cache();
    unsigned key = pick_key();
    struct flight *f = c->flights[key];
    bool flies = f != NULL && !f->failed;

    AGREE(brim_load_cancel(c->cache, KEY(key)) == flies, "canceled");
    model_say("  key, canceled", key, flies);
    overtake(c, key);
    if (flies)
        check_told(f, NULL, 0, true);
}

size_t loads_under_way(const struct cache *c)
{
    size_t n = 0;

    for (size_t i = 0; i < LOADS; i++)
        n += m.loads[i].of == c && !m.loads[i].failed;
    return n;
}

const struct operation load_operations[] = {
    {14, "claim", op_claim},   {8, "claim async", op_claim_async}, {4, "claim many", op_claim_many},
    {12, "get", op_get},       {5, "key get", op_key_get},         {12, "finish", op_finish},
    {6, "fail", op_fail},      {2, "wait", op_wait},               {2, "look at loads", op_look_at_loads},
    {3, "cancel", op_cancel},  {0, NULL, NULL},
};

/* ---- The end */

void end_loads(void)
{
    for (size_t i = 0; i < LOADS; i++)
        if (m.loads[i].of != NULL && m.loads[i].load != NULL) {
            if (one_in(2))
                fail(&m.loads[i], 0);
            else
                finish(&m.loads[i], false, one_in(2));
            settle_step();
        }
    for (size_t n = 0; n < WAITS; n++)
        AGREE(!m.waits[n].in_use || m.waits[n].flight == NULL, "not told");
}
