/* SPDX-License-Identifier: MIT
 *
 * cache/load: a load's memory and reservation, at whatever allocation memory ends, and requests.
 */
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/caches.h"

enum { KEY_LEN = 300 /* so that each entry is an allocation of its own */, CALLS_MOST = 40 };

static unsigned char long_key[KEY_LEN];
static told heard;

/* ---- Memory fails at each allocation */

typedef brim_status way(brim_cache *c, const brim_claim_options *o);

static brim_status by_claim(brim_cache *c, const brim_claim_options *o)
{
    brim_ref *ref;
    brim_load *load;
    brim_status s = brim_claim_with(c, long_key, KEY_LEN, o, &ref, &load);

    if (s == BRIM_CLAIMED)
        ck_assert_int_eq(finish_load(load, 1, 5, NULL), BRIM_OK);
    return s;
}

static brim_status by_claim_async(brim_cache *c, const brim_claim_options *o)
{
    brim_ref *ref;
    brim_load *load;
    brim_wait *wait;
    brim_status s = brim_claim_async(c, long_key, KEY_LEN, o, tell, &heard, &ref, &load, &wait);

    ck_assert_ptr_null(wait);
    if (s == BRIM_CLAIMED)
        brim_load_fail(load, 3);
    return s;
}

static brim_status by_claim_many(brim_cache *c, const brim_claim_options *o)
{
    brim_bytes key = {long_key, KEY_LEN};
    brim_ref *ref;
    brim_load *load;
    brim_status s;

    ck_assert_uint_eq(brim_claim_many(c, &key, 1, o, &ref, &load, &s), 0);
    if (s == BRIM_CLAIMED)
        ck_assert_int_eq(finish_load(load, 1, 5, NULL), BRIM_OK);
    return s;
}

static brim_status by_get(brim_cache *c, const brim_claim_options *o)
{
    maker m = {.id = 1, .cost = 5};
    brim_ref *ref;
    brim_status s = brim_get_with(c, long_key, KEY_LEN, o, make_value, &m, &ref);

    ck_assert_uint_eq(runs_of(&m), s == BRIM_OK);
    brim_release(ref);
    return s == BRIM_OK ? BRIM_CLAIMED : s;
}

static way *const ways[] = {by_claim, by_claim_async, by_claim_many, by_get};

START_TEST(memory_fails_at_each_allocation)
{
    brim_claim_options o = expecting(7);
    brim_entry_options e = entry_defaults();
    brim_status s = BRIM_NOMEM;
    unsigned failed = 0;
    brim_cache *c;
    heap h;

    c = cache_on(&h, 100);
    e.max_idle = UINT64_MAX / 2;
    e.group = brim_group_new(c);
    o.entry = &e;
    ck_assert_int_eq(put(c, 1, 1, 5), BRIM_OK); /* stripes and the first slots are there */
    for (size_t n = 1; s != BRIM_CLAIMED; n++) {
        ck_assert_uint_lt(n, CALLS_MOST);
        heap_fail(&h, n, n + 1);
        s = ways[_i](c, &o);
        ck_assert(s == BRIM_CLAIMED || s == BRIM_NOMEM);
        failed += s == BRIM_NOMEM;
        heap_fail(&h, SIZE_MAX, SIZE_MAX);
        ck_assert(brim_check(c, stderr));
        if (s == BRIM_NOMEM)
            no_loads(c, 1 + 1); /* the group counts, too */
        ck_assert_uint_eq(brim_group_loads(e.group), 0);
        ck_assert_uint_eq(brim_used(c), s == BRIM_CLAIMED && _i != 1 ? 10 : 5);
    }
    ck_assert_uint_ge(failed, _i == 3 ? 2 : 3); /* the load, its entry, and the spare of one that is claimed */
    (void)brim_remove(c, long_key, KEY_LEN);
    no_loads(c, 1 + 1);
    brim_group_drop(e.group);
    no_loads(c, 1);
    ck_assert_uint_eq(found_id(c, 1), 1);
    finish_on(c, &h);
}
END_TEST

START_TEST(a_kind_is_part_of_it)
{
    brim_kind kind = value_kind;
    brim_entry_options e = entry_defaults();
    brim_claim_options o = claim_defaults();
    brim_ref *ref;
    brim_load *load;
    brim_cache *c;
    heap h;

    c = cache_on(&h, 100);
    e.kind = &kind;
    o.entry = &e;
    heap_fail(&h, 1, 2);
    ck_assert_int_eq(brim_claim_with(c, long_key, KEY_LEN, &o, &ref, &load), BRIM_NOMEM);
    ck_assert_ptr_null(kind_look_up(c, &kind));
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

static void count_unused(void *arg)
{
    atomic_fetch_add((atomic_uint *)arg, 1);
}

/* Also when the cache is freed; and another that it is finished with. */
START_TEST(its_kind_is_held_until_it_ends)
{
    atomic_uint unused = 0;
    brim_kind kind = value_kind, other = value_kind;
    brim_entry_options e = entry_defaults();
    brim_cache *c;
    brim_load *l;
    heap h;

    kind.unused = count_unused;
    kind.arg = &unused;
    e.kind = &kind;
    c = cache_on(&h, 100);
    brim_load_fail(claim_entry(c, 1, &e), 1);
    ck_assert_uint_eq(atom_load_relaxed(&kind_look_up(c, &kind)->held), 0);
    l = claim_entry(c, 2, &e);
    e.kind = &other;
    ck_assert_int_eq(brim_load_finish_with(l, value_new(2, 1), 1, &e, NULL), BRIM_OK);
    ck_assert_uint_eq(atom_load_relaxed(&kind_look_up(c, &other)->held), 0);
    e.kind = &kind;
    l = claim_entry(c, 1, &e);
    ck_assert_uint_eq(atom_load_relaxed(&kind_look_up(c, &kind)->held), 1);
    brim_cache_free(c);
    ck_assert_uint_eq(atomic_load(&unused), 0);
    brim_load_fail(l, 1);
    ck_assert_uint_eq(atomic_load(&unused), 1);
    ck_assert_uint_eq(atomic_load(&h.blocks), 0);
}
END_TEST

/* ---- What is made */

START_TEST(a_claimed_load_has_all_that_finishing_needs)
{
    struct extra most = {.max_age = 1, .groups = EXTRA_GROUPS};
    brim_cache *c;
    brim_load *l;
    size_t len;
    heap h;

    c = cache_on(&h, 100);
    l = claim(c, 7);
    ck_assert_ptr_eq(load_under_way(c, 7), l);
    ck_assert_ptr_nonnull(l->spare);
    ck_assert_uint_ge(entry_flags(l->spare) & ENTRY_CLASS, slab_class_of(extra_size(sizeof(uint64_t), &most)));
    ck_assert_mem_eq(entry_key(l->flight.entry, &len), &(uint64_t){7}, sizeof(uint64_t));
    ck_assert_mem_eq(entry_key(l->spare, &len), &(uint64_t){7}, sizeof(uint64_t));
    ck_assert_ptr_null(atom_load_relaxed(&l->flight.owner)); /* anybody may finish it */
    ck_assert_ptr_null(l->in.key);                           /* the caller's own */
    brim_load_fail(l, 1);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

static struct brim_load *inside;

static void look_inside(void *c)
{
    inside = load_under_way(c, 7);
    EXPECT(inside != NULL && inside->spare == NULL && inside->by_loader);
    EXPECT(atom_load_relaxed(&inside->flight.owner) == thread_self());
    EXPECT(thread_self()->loading == &inside->flight);
}

START_TEST(a_loaders_has_no_spare_and_an_owner)
{
    brim_cache *c;
    maker m = {.id = 1, .cost = 1, .during = look_inside};
    brim_ref *r;
    heap h;

    c = cache_on(&h, 100);
    m.arg = c;
    ck_assert_int_eq(get(c, 7, &m, &r), BRIM_OK);
    ck_assert_ptr_null(thread_self()->loading);
    ck_assert_ptr_nonnull(inside);
    brim_release(r);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

/* ---- Reservations */

START_TEST(what_is_expected_is_reserved_until_the_end)
{
    brim_claim_options o = expecting(30);
    brim_cache *c;
    brim_load *l;
    heap h;

    c = cache_on(&h, 100);
    l = claim_with(c, 1, &o);
    ck_assert_uint_eq(l->reserved, 30);
    ck_assert_uint_eq(atom_load_relaxed(&c->by_loads), 30);
    ck_assert_uint_eq(stripes_sum(&c->stripes, offsetof(struct stripe, reserved)), 0); /* no thread's any more */
    ck_assert_uint_eq(brim_used(c), 30);
    ck_assert_uint_eq(load_reserved(&l->flight), 30);
    switch (_i) {
    case 0:
        ck_assert_int_eq(finish_load(l, 1, 10, NULL), BRIM_OK);
        break;
    case 1:
        brim_load_fail(l, 1);
        break;
    case 2: /* overtaken: what it had is room again before the value is shared outside */
        ck_assert(brim_load_cancel(c, BRIM_KEY((uint64_t){1})));
        ck_assert_uint_eq(atom_load_relaxed(&c->by_loads), 30); /* until it ends */
        ck_assert_int_eq(finish_load(l, 1, 10, NULL), BRIM_CANCELED);
        break;
    default:
        ck_assert_int_eq(finish_load(l, 1, 101, NULL), BRIM_TOO_BIG);
        break;
    }
    ck_assert_uint_eq(brim_used(c), _i == 0 ? 10 : 0);
    no_loads(c, _i == 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(what_cannot_be_reserved_is_not)
{
    static const size_t cost[] = {0, 101, SIZE_MAX, 60};
    brim_claim_options o = expecting(cost[_i]);
    brim_cache *c;
    brim_load *l;
    brim_ref *r;
    heap h;

    c = cache_on(&h, 100);
    ck_assert_int_eq(put_ref(c, 2, 2, 50, &r), BRIM_OK);
    l = claim_with(c, 1, &o); /* goes on without */
    ck_assert_uint_eq(l->reserved, 0);
    ck_assert_uint_eq(brim_used(c), 50);
    ck_assert_int_eq(finish_load(l, 1, 10, NULL), BRIM_OK);
    brim_release(r);
    no_loads(c, 2);
    finish_on(c, &h);
}
END_TEST

/* Not even of its own memory. */
START_TEST(what_expects_nothing_reserves_nothing)
{
    brim_options o = value_options(10000);
    brim_claim_options expects = expecting(_i == 0 ? 0 : SIZE_MAX);
    brim_cache *c;
    brim_load *l;

    o.charge_overhead = true;
    c = make_cache(&o);
    l = claim_with(c, 1, &expects);
    ck_assert_uint_eq(l->reserved, 0);
    ck_assert_uint_eq(brim_used(c), 0);
    brim_load_fail(l, 1);
    finish(c);
}
END_TEST

/* What is more than the capacity makes no room, nor does it ahead, where values wait for sections. */
START_TEST(what_never_fits_evicts_nothing)
{
    enum { N = 64, COST = 100 };
    brim_cache *c = make_borrow_cache((size_t)N * COST);
    brim_claim_options o = expecting((size_t)N * COST + 1);

    for (uint64_t key = 1; key <= N; key++)
        ck_assert_int_eq(put(c, key, key, COST), BRIM_OK);
    atom_store_relaxed(&c->pressed, 1);
    brim_load_fail(claim_with(c, 0, &o), 1);
    ck_assert_uint_eq(brim_count(c), N);
    o.expected_cost = 1;
    brim_load_fail(claim_with(c, 0, &o), 1);
    ck_assert_uint_lt(brim_count(c), N);
    finish(c);
}
END_TEST

START_TEST(what_several_have_reserved)
{
    enum { N = 8 };
    brim_claim_options o = expecting(10);
    size_t sum = load_reserved(NULL);
    brim_load *l[N];
    brim_cache *c;
    heap h;

    ck_assert_uint_eq(sum, 0);
    c = cache_on(&h, 100);
    for (uint64_t i = 0; i < N; i++)
        l[i] = claim_with(c, i, &o);
    for (unsigned i = 0; i < c->shard_count; i++)
        sum += load_reserved(c->shards[i].flights.list);
    ck_assert_uint_eq(sum, 10 * N);
    for (int i = 0; i < N; i++)
        brim_load_fail(l[i], 1);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

/* ---- Requests */

START_TEST(options_are_taken_over)
{
    brim_cache *c;
    struct request r = {.expected = 0};
    brim_claim_options o = expecting(9);
    int reason = 77;
    heap h;

    c = cache_on(&h, 100);
    r.cache = c;
    ck_assert_int_eq(request_options(&r, NULL), BRIM_OK);
    ck_assert_int_eq(r.timeout_ms, -1);
    ck_assert_ptr_null(r.reason);
    request_reason(&r, 5); /* nowhere */
    o.reason = &reason;
    o.timeout_ms = 12;
    ck_assert_int_eq(request_options(&r, &o), BRIM_OK);
    ck_assert_int_eq(r.timeout_ms, 12);
    ck_assert_uint_eq(r.expected, 9);
    ck_assert_int_eq(reason, 0);
    request_reason(&r, 5);
    ck_assert_int_eq(reason, 5);
    o.size--;
    ck_assert_int_eq(request_options(&r, &o), BRIM_INVALID);
    ck_assert_int_eq(reason, 5);
    finish_on(c, &h);
}
END_TEST

/* ${size} at the end of what can be read. */
static void *short_layout(void **pages, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), *s;

    *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(*pages, MAP_FAILED);
    s = (size_t *)(void *)((char *)*pages + page - sizeof *s);
    *s = size;
    ck_assert_int_eq(mprotect((char *)*pages + page, page, PROT_NONE), 0);
    return s;
}

START_TEST(of_a_layout_too_short_nothing_but_the_size_is_read)
{
    brim_claim_options o = claim_defaults();
    brim_cache *c;
    brim_ref *ref;
    brim_load *load;
    void *pages;
    heap h;

    c = cache_on(&h, 100);
    o.entry = short_layout(&pages, sizeof(size_t));
    ck_assert_int_eq(brim_claim_with(c, "k", 1, &o, &ref, &load), BRIM_INVALID);
    ck_assert_int_eq(brim_claim_with(c, "k", 1, (const void *)o.entry, &ref, &load), BRIM_INVALID);
    ck_assert_int_eq(munmap(pages, 2 * (size_t)sysconf(_SC_PAGESIZE)), 0);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(a_reason_is_written_in_every_case)
{
    brim_claim_options o = claim_defaults();
    brim_cache *c;
    brim_ref *ref;
    brim_load *load;
    int reason = 77;
    heap h;

    c = cache_on(&h, 100);
    o.reason = &reason;
    ck_assert_int_eq(brim_claim_with(NULL, "k", 1, &o, &ref, &load), BRIM_INVALID);
    ck_assert_int_eq(reason, 0);
    reason = 77;
    ck_assert_int_eq(brim_claim_with(c, NULL, 1, &o, &ref, &load), BRIM_INVALID);
    ck_assert_int_eq(reason, 0);
    finish_on(c, &h);
}
END_TEST

START_TEST(a_hit_whatever_the_groups)
{
    brim_claim_options o = claim_defaults();
    brim_entry_options e = entry_defaults();
    brim_cache *c;
    brim_ref *ref;
    brim_load *load;
    heap h;

    c = cache_on(&h, 100);
    e.group = brim_group_new(c);
    brim_group_close(e.group);
    o.entry = &e;
    ck_assert_int_eq(put(c, 1, 5, 1), BRIM_OK);
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY((uint64_t){1}), &o, &ref, &load), BRIM_OK);
    ck_assert_uint_eq(id_of(ref), 5);
    brim_release(ref);
    ck_assert_int_eq(brim_claim_with(c, BRIM_KEY((uint64_t){2}), &o, &ref, &load), BRIM_CANCELED);
    brim_group_drop(e.group);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

/* Of what the thread's loader does, the time that a nested call has taken. */
START_TEST(nested_time_is_counted_of_the_innermost)
{
    static struct brim_load l, outer;
    static struct thread shared = {.reader.shared = true};
    struct thread *t = thread_self();

    request_count_nested(t, 0); /* no loader runs */
    l.outer = &outer.flight;
    t->loading = &l.flight;
    request_count_nested(t, 1);
    ck_assert_uint_gt(l.nested, 0);
    ck_assert_uint_eq(outer.nested, 0);
    t->loading = NULL;
    shared.loading = &outer.flight; /* many threads': nobody's in particular */
    request_count_nested(&shared, 1);
    ck_assert_uint_eq(outer.nested, 0);
}
END_TEST

START_TEST(all_are_overtaken_and_failures_forgotten)
{
    brim_cache *c;
    brim_load *l, *failed;
    told t;
    heap h;

    c = cache_on(&h, 100);
    l = claim(c, 1);
    (void)wait_for(c, 1, &t);
    failed = claim(c, 2);
    brim_load_fail_for(failed, 3, UINT64_MAX);
    ck_assert_int_eq(claim_status(c, 2, 0), BRIM_FAILED);
    load_end_all(c, false);
    ck_assert_uint_eq(state_of_load(l), FLIGHT_OVERTAKEN);
    told_nothing(&t);
    ck_assert_int_eq(claim_status(c, 2, 0), BRIM_CLAIMED);
    load_end_all(c, true);
    told_failed(&t, BRIM_CANCELED);
    ck_assert_ptr_null(load_under_way(c, 1));
    ck_assert_int_eq(finish_load(l, 1, 1, NULL), BRIM_CANCELED);
    no_loads(c, 0);
    finish_on(c, &h);
}
END_TEST

static struct { uint64_t now; unsigned calls; } times;

static uint64_t count_now(void *arg)
{
    (void)arg;
    times.calls++;
    return times.now;
}

/* Of each shard, at one time, which is asked for if there is something to forget. */
START_TEST(failures_whose_time_is_up)
{
    brim_options o = value_options(100);
    brim_cache *c;

    o.shards = 2;
    o.now = count_now;
    c = make_cache(&o);
    times.now = 1000;
    for (uint64_t key = 0; !shard_has_flights(&c->shards[0]) || !shard_has_flights(&c->shards[1]); key++)
        brim_load_fail_for(claim(c, key), 3, 10);
    times.now += 9;
    times.calls = 0;
    load_forget_failures(c);
    ck_assert_uint_eq(times.calls, 1);
    ck_assert(shard_has_flights(&c->shards[0]) && shard_has_flights(&c->shards[1]));
    times.now++;
    load_forget_failures(c);
    ck_assert_uint_eq(times.calls, 2);
    no_loads(c, 0);
    load_forget_failures(c);
    ck_assert_uint_eq(times.calls, 2);
    finish(c);
}
END_TEST

/* In a child, a load whose loader's thread is gone: the next who asks, or ends all, tells who waits for it. */
START_TEST(who_waits_for_what_nobody_loads)
{
    gate stop;
    maker m = {.id = 1, .cost = 1, .stop = &stop};
    int status = 0;
    brim_cache *c;
    asking a;
    pid_t pid;
    told t;
    heap h;

    c = cache_on(&h, 100);
    gate_init(&stop);
    asking_start(&a, c, 1, &m);
    gate_wait_reached(&stop);
    (void)wait_for(c, 1, &t);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        bool well = atomic_load(&t.calls) == 0;

        (void)alarm(60);
        if (_i == 0)
            well = well && claim_status(c, 2, 0) == BRIM_CLAIMED;
        else
            load_end_all(c, false);
        well = well && atomic_load(&t.calls) == 1 && !t.got && t.reason == BRIM_CANCELED;
        _exit(well && load_under_way(c, 1) == NULL && tally_count(&c->live) == 2 && brim_check(c, stderr) ? 42 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
    gate_open(&stop);
    asking_join(&a);
    asking_got(&a, 1, true);
    told_got(&t, 1, true);
    gate_destroy(&stop);
    no_loads(c, 1);
    finish_on(c, &h);
}
END_TEST

#ifdef BRIM_INTERFERE
static void free_it(void *c)
{
    brim_cache_free(c);
}

/* By a handle, which keeps its memory: its kind is told once that it is not used, also if a load comes too late. */
START_TEST(the_cache_is_freed_meanwhile)
{
    bool met = true;
    unsigned canceled = 0, ran = 0;

    for (unsigned after = 0; met; after++) {
        atomic_uint unused = 0;
        brim_kind kind = value_kind;
        brim_entry_options e = entry_defaults();
        maker m = {.id = 2, .cost = 1};
        struct other o = {.act = free_it, .outside = true};
        brim_status s;
        brim_key *key;
        brim_ref *r;
        heap h;

        kind.unused = count_unused;
        kind.arg = &unused;
        e.kind = &kind;
        o.arg = o.cache = cache_on(&h, 100);
        ck_assert_int_eq(brim_insert_with(o.cache, "k", 1, value_new(1, 1), 1, &e, &r), BRIM_OK);
        key = brim_ref_key(r);
        brim_release(r);
        ck_assert(brim_remove(o.cache, "k", 1));
        other_begin(&o, after);
        s = brim_key_get(&key, make_value, &m, &r);
        met = other_end(&o);
        ck_assert(s == BRIM_OK || (s == BRIM_CANCELED && o.acted));
        ck_assert_uint_eq(runs_of(&m), s == BRIM_OK);
        canceled += s == BRIM_CANCELED;
        ran += o.acted && s == BRIM_OK;
        ck_assert_uint_eq(atom_load_relaxed(&kind_look_up(o.cache, &kind)->held), 0);
        brim_release(r);
        if (!o.acted)
            brim_cache_free(o.cache);
        brim_key_drop(key);
        ck_assert_uint_eq(atomic_load(&unused), 1);
        ck_assert_uint_eq(values_live(), 0);
        ck_assert_uint_eq(atomic_load(&h.blocks), 0);
    }
    ck_assert_uint_gt(canceled, 0);
    ck_assert_uint_gt(ran, 0);
}
END_TEST

static struct { brim_cache *cache; brim_load *load; worker ends; } late;

static bool somebody_waits(struct brim_load *l)
{
    struct shard *sh = cache_shard(l->cache, hash_place(l->hash));
    bool waits;

    lock_acquire(&sh->lock);
    waits = l->flight.refs > 1;
    lock_release(&sh->lock);
    return waits;
}

static void end_late(void *arg)
{
    while (!somebody_waits(arg))
        (void)sched_yield();
    brim_load_fail(arg, 3);
}

/* A load that another call overtakes: who asks now waits for its end, and then asks anew. */
static void claim_and_overtake(void *arg)
{
    uint64_t key = 1;
    brim_ref *none;

    (void)arg;
    if (brim_claim(late.cache, BRIM_KEY(key), 0, &none, &late.load) != BRIM_CLAIMED)
        return;
    EXPECT(put(late.cache, key, 1, 1) == BRIM_OK);
    EXPECT(brim_remove(late.cache, BRIM_KEY(key)));
    worker_begin(&late.ends, end_late, late.load);
}

START_TEST(late_for_a_load_that_was_begun_meanwhile)
{
    bool met = true;
    unsigned waited = 0;

    for (unsigned after = 0; met; after++) {
        struct other o = {.act = claim_and_overtake};
        uint64_t key = 1;
        brim_load *own;
        brim_ref *none;
        heap h;

        late.cache = o.cache = cache_on(&h, 100);
        late.load = NULL;
        worker_start(&late.ends);
        other_begin(&o, after);
        ck_assert_int_eq(brim_claim(o.cache, BRIM_KEY(key), -1, &none, &own), BRIM_CLAIMED);
        met = other_end(&o);
        worker_end(&late.ends);
        brim_load_fail(own, 1);
        waited += late.load != NULL;
        no_loads(o.cache, 0);
        finish_on(o.cache, &h);
    }
    ck_assert_uint_gt(waited, 1);
}
END_TEST
#endif

int main(void)
{
    TCase *tc = suite_case("load");

    tcase_add_loop_test(tc, memory_fails_at_each_allocation, 0, 4);
    tcase_add_test(tc, a_kind_is_part_of_it);
    tcase_add_test(tc, its_kind_is_held_until_it_ends);
    tcase_add_test(tc, a_claimed_load_has_all_that_finishing_needs);
    tcase_add_test(tc, a_loaders_has_no_spare_and_an_owner);
    tcase_add_loop_test(tc, what_is_expected_is_reserved_until_the_end, 0, 4);
    tcase_add_loop_test(tc, what_cannot_be_reserved_is_not, 0, 4);
    tcase_add_loop_test(tc, what_expects_nothing_reserves_nothing, 0, 2);
    tcase_add_test(tc, what_never_fits_evicts_nothing);
    tcase_add_test(tc, what_several_have_reserved);
    tcase_add_test(tc, options_are_taken_over);
    tcase_add_test(tc, of_a_layout_too_short_nothing_but_the_size_is_read);
    tcase_add_test(tc, a_reason_is_written_in_every_case);
    tcase_add_test(tc, a_hit_whatever_the_groups);
    tcase_add_test(tc, nested_time_is_counted_of_the_innermost);
    tcase_add_test(tc, all_are_overtaken_and_failures_forgotten);
    tcase_add_test(tc, failures_whose_time_is_up);
    tcase_add_loop_test(tc, who_waits_for_what_nobody_loads, 0, 2);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, the_cache_is_freed_meanwhile);
    tcase_add_test(tc, late_for_a_load_that_was_begun_meanwhile);
#endif
    return suite_run(tc);
}
