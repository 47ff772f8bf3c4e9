/* SPDX-License-Identifier: MIT
 *
 * cache/report: each problem is said on its own from made-up figures, and not below its threshold; of real caches
 * only what is so.
 */
#include "cache/report.h"
#include "support/support.h"

static char got[10000];
static size_t len;
static unsigned calls, wants;

/* Each call is one sentence. */
static int keep(void *arg, const char *text, size_t n)
{
    ck_assert_ptr_eq(arg, got);
    ck_assert_uint_lt(len + n, sizeof got);
    ck_assert_uint_gt(n, 1);
    ck_assert_ptr_eq(memchr(text, '\n', n), text + n - 1);
    memcpy(got + len, text, n);
    len += n;
    got[len] = '\0';
    return ++calls >= wants;
}

static void start(void)
{
    len = calls = 0;
    wants = UINT32_MAX;
    got[0] = '\0';
}

/* Some thousand look-ups of a full cache in which all is well, though a little of everything happens. */
static struct report_facts healthy(void)
{
    struct report_facts f;

    memset(&f, 0, sizeof f);
    f.name = "c";
    f.floors = 750000;
    f.s.size = sizeof f.s;
    f.s.capacity = 1000000;
    f.s.used = 990000;
    f.s.hits = 90000;
    f.s.misses = 10000;
    f.s.insertions = 10000;
    f.s.refused = 180;
    f.s.too_big = 90;
    f.s.left[BRIM_EVICTED] = 8000;
    f.s.left[BRIM_REPLACED] = 1000;
    f.s.pinned = 500000;
    f.s.reserved = 10000;
    f.s.uncharged = 1000000;
    f.s.count = 1000;
    f.s.values = 1010;
    f.s.overhead = 300000;
    f.s.shards = 8;
    f.s.sections = 2;
    f.s.waiting = 30000;
    f.s.waiting_values = 30;
    f.s.waiting_ns = 900000000;
    f.s.loads = 10000;
    f.s.load_failures = 3000;
    f.s.redundant_loads = 2400;
    f.s.frame = 1000;
    f.s.frame_evictions = 9;
    f.s.queued = 124000;
    f.s.queued_values = 1000;
    f.s.lock_waits = 1900;
    f.s.lock_wait_ns = 1900000;
    return f;
}

/* Exactly one problem, said in one call, with ${text} in it; without ${write} it counts the same. */
static void says(const struct report_facts *f, const char *text)
{
    start();
    ck_assert_msg(report_problems(f, keep, got) == 1, "%s: %s", text, got);
    ck_assert_uint_eq(calls, 1);
    ck_assert_msg(strncmp(got, "cache c: ", 9) == 0, "%s", got);
    ck_assert_msg(strstr(got, text) != NULL, "%s: %s", text, got);
    ck_assert_uint_eq(report_problems(f, NULL, NULL), 1);
}

static void silent(const struct report_facts *f)
{
    start();
    ck_assert_msg(report_problems(f, keep, got) == 0, "%s", got);
    ck_assert_uint_eq(calls, 0);
}

START_TEST(nothing_of_what_is_healthy)
{
    struct report_facts f = healthy();

    silent(&f);
    memset(&f.s, 0, sizeof f.s);
    f.floors = 0;
    f.s.capacity = 1000;
    f.s.shards = 64;
    f.s.overhead = 100000;
    silent(&f); /* new */
}
END_TEST

START_TEST(refused)
{
    struct report_facts f = healthy();

    f.s.refused = 200;
    f.s.too_big = 110;
    says(&f, "110 of 10200 values were refused as larger than the capacity of 1000000");
    f.over_ceilings = 105;
    f.ceiling_refused = 100;
    f.ceiling = 5000;
    f.ceiling_kind = "a\nkind";
    says(&f, "kind a?kind: 100 of the values offered were larger than its ceiling of 5000");
    f = healthy();
    f.s.refused = 220;
    f.s.reserved = 123;
    says(&f, "130 of 10220 values were refused as FULL; of the capacity of 1000000 now 500000 is held by refs, 123 "
             "reserved, and 154000 waits");
}
END_TEST

/* It is the reason of the others, which are not said then. */
START_TEST(no_capacity)
{
    struct report_facts f = healthy();

    f.s.capacity = 0;
    f.s.waiting = f.s.queued = 0; /* these are late, whatever the capacity is */
    says(&f, "the capacity is 0");
    f.s.refused = 20000; /* TOO_BIG and FULL */
    f.s.too_big = 10000;
    says(&f, "the capacity is 0");
    f.over_ceilings = f.ceiling_refused = 5000;
    f.ceiling_kind = "k";
    says(&f, "the capacity is 0");
}
END_TEST

START_TEST(thrashing)
{
    struct report_facts f = healthy();

    f.s.redundant_loads = 2500;
    says(&f, "thrashing: 2500 of 10000 loads");
    f.s.hits = 2000; /* said once */
    says(&f, "thrashing: ");
    f.s.redundant_loads = 0;
    says(&f, "thrashing: 2000 of 12000 look-ups hit, and 8000 entries were evicted where 1000 fit");
    f.s.left[BRIM_EVICTED] = 3000; /* it is still filling */
    f.s.lock_waits = 0;
    silent(&f);
    f.s.left[BRIM_EVICTED] = 50; /* too few to tell */
    silent(&f);
    f.s.left[BRIM_EVICTED] = 8000;
    f.s.used = 100000; /* it has room */
    silent(&f);
}
END_TEST

/* Of few, a bad share says little. */
START_TEST(thrashing_for_a_moment)
{
    struct report_facts f = healthy();

    f.s.loads = f.s.redundant_loads = 99;
    f.s.load_failures = 0;
    silent(&f);
    f = healthy();
    f.s.hits = 0;
    f.s.misses = 99;
    silent(&f);
    f.s.misses = 100;
    says(&f, "thrashing: 0 of 100 look-ups hit");
    f.s.shards = 1;
    f.s.count = 10; /* large ones, which came and went ten times over */
    f.s.lock_waits = 0;
    f.s.left[BRIM_EVICTED] = 99;
    silent(&f);
    f.s.left[BRIM_EVICTED] = 100;
    says(&f, "100 entries were evicted where 10 fit");
}
END_TEST

START_TEST(shards)
{
    struct report_facts f = healthy();

    f.s.shards = 64;
    says(&f, "64 shards share 1000 entries, too few each to choose a victim from: set options.expected_cost to 990, "
             "or options.shards to 8");
    f.s.count = 30;
    says(&f, "options.shards to 1\n");
    f.s.used = 30000; /* there is room: nothing has to be chosen */
    silent(&f);
    f.s.used = 990000;
    f.s.left[BRIM_EVICTED] = 99; /* too few to tell */
    f.s.lock_waits = 0;
    silent(&f);
    f.s.left[BRIM_EVICTED] = 100;
    says(&f, "64 shards share 30 entries");
    f.s.shards = 1;
    f.s.count = 15; /* few, but nobody else has the others */
    silent(&f);
}
END_TEST

START_TEST(what_cannot_go)
{
    struct report_facts f = healthy();

    f.s.pinned = 500001;
    says(&f, "refs hold 500001 of the capacity of 1000000");
    f = healthy();
    f.s.waiting_ns = 1000000000;
    says(&f, "30 values, charged 30000 of the capacity of 1000000, wait for sections, of which 2 are open, the oldest "
             "for 1.000 s");
    f.s.waiting_ns = 999999999;
    silent(&f);
    f.s.waiting = 250000;
    says(&f, "for 0.999 s");
    f = healthy();
    f.s.queued = 125000;
    says(&f, "1000 values, charged 125000 of the capacity of 1000000, wait in queues: call brim_collect");
    f.s.queued = 0;
    f.s.queued_values = 1024;
    says(&f, "1024 values, charged 0 of");
    f = healthy();
    f.floors = 750003;
    says(&f, "floors of kinds keep 750003 of");
}
END_TEST

START_TEST(what_goes_badly)
{
    struct report_facts f = healthy();

    f.s.load_failures = 3334;
    says(&f, "3334 of 13334 loads failed");
    f.s.loads = 0;
    f.s.redundant_loads = 0;
    f.s.load_failures = 9;
    silent(&f);
    f = healthy();
    f.s.frame_evictions = 10;
    says(&f, "10 entries were evicted in a frame that had used them, in 1001 frames");
    f = healthy();
    f.s.lock_waits = 2000;
    says(&f, "2000 calls waited for a mutex, for 950 ns on average, while 19180 values came or went: set "
             "options.shards above 8");
    f.s.refused = f.s.too_big = 0;
    f.s.insertions = 2000;
    memset(f.s.left, 0, sizeof f.s.left);
    f.s.lock_waits = 999; /* too few to tell, though half as many as values */
    silent(&f);
    f.s.lock_waits = 1000;
    says(&f, "1000 calls waited for a mutex, for 1900 ns on average, while 2000 values came or went");
}
END_TEST

START_TEST(memory_outside_the_capacity)
{
    struct report_facts f = healthy();

    f.s.uncharged = 1000001;
    says(&f, "values outside the capacity cost 1000001");
    f = healthy();
    f.s.capacity = 2000000;
    f.s.used = 1100000;
    f.s.count = 20000;
    f.s.overhead = 1300000;
    f.s.left[BRIM_EVICTED] = 0;
    f.s.lock_waits = 0;
    says(&f, "the cache's own memory, 1300000 bytes, exceeds the 1100000 used by values of 55 on average");
    f.s.overhead = 1100000; /* no more than the values */
    silent(&f);
    f.s.overhead = 1300000;
    f.charge_overhead = true;
    silent(&f);
    f.charge_overhead = false;
    f.s.count = 100000; /* costs are no bytes */
    silent(&f);
    f.s.count = 20000;
    f.s.capacity = 4000000; /* it is not full yet */
    silent(&f);
}
END_TEST

START_TEST(figures_as_large_as_can_be)
{
    struct report_facts f;
    char name[300];
    size_t n;

    memset(&f, 255, sizeof f);
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    f.name = f.ceiling_kind = name;
    f.charge_overhead = f.ceiling_of_none = false;
    f.floors = SIZE_MAX;
    f.s.capacity = 2000000;
    f.s.count = f.s.insertions = 1;
    f.s.used = SIZE_MAX / 2;
    start();
    n = report_problems(&f, keep, got); /* asserts that each is whole */
    ck_assert_uint_ge(n, 8);
    ck_assert_uint_eq(calls, n);
    start();
    wants = 2; /* and no more; all are counted */
    ck_assert_uint_eq(report_problems(&f, keep, got), n);
    ck_assert_uint_eq(calls, 2);
}
END_TEST

START_TEST(of_real_caches)
{
    brim_options op = value_options(0);
    brim_ref *r;
    brim_cache *c;

    ck_assert_uint_eq(brim_report_problems(NULL, keep, got), 0);
    c = make_cache(&op);
    start();
    ck_assert_uint_eq(brim_report_problems(c, keep, got), 1);
    ck_assert_ptr_nonnull(strstr(got, "cache default: the capacity is 0"));
    brim_cache_free(c);

    op = value_options(100);
    op.name = "real";
    c = make_cache(&op);
    ck_assert_uint_eq(brim_report_problems(c, keep, got), 0);
    ck_assert_int_eq(put_ref(c, 1, 1, 60, &r), BRIM_OK);
    start();
    ck_assert_uint_eq(brim_report_problems(c, keep, got), 1);
    ck_assert_ptr_nonnull(strstr(got, "cache real: refs hold 60 of the capacity of 100"));
    brim_release(r);
    ck_assert_uint_eq(brim_report_problems(c, NULL, NULL), 0);
    ck_assert_int_eq(put(c, 2, 2, 101), BRIM_TOO_BIG);
    start();
    ck_assert_uint_eq(brim_report_problems(c, keep, got), 1);
    ck_assert_ptr_nonnull(strstr(got, "1 of 2 values were refused as larger than the capacity of 100"));
    finish(c);
}
END_TEST

START_TEST(limits_of_kinds)
{
    brim_cache *c = make_value_cache(1000);
    brim_kind kind = value_kind;
    brim_entry_options e;
    value *v = value_new(1, 11);

    kind.name = "small";
    kind.ceiling = 10;
    brim_entry_options_init(&e);
    e.kind = &kind;
    ck_assert_int_eq(brim_insert_with(c, "k", 1, v, 11, &e, NULL), BRIM_TOO_BIG);
    value_discard(v);
    start();
    ck_assert_uint_eq(brim_report_problems(c, keep, got), 1);
    ck_assert_ptr_nonnull(strstr(got, "kind small: 1 of the values offered were larger than its ceiling of 10"));
    ck_assert_int_eq(brim_kind_set_limits(c, &kind, 800, 900), BRIM_OK);
    start();
    ck_assert_uint_eq(brim_report_problems(c, keep, got), 2);
    ck_assert_ptr_nonnull(strstr(got, "floors of kinds keep 800 of the capacity of 1000"));
    ck_assert_int_eq(brim_kind_set_limits(c, &kind, 400, 900), BRIM_OK);
    ck_assert_uint_eq(brim_report_problems(c, NULL, NULL), 1);
    finish(c);
}
END_TEST

/* The one with the most that were too big is named. */
START_TEST(limits_of_several_kinds)
{
    brim_cache *c = make_value_cache(1000);
    brim_kind kinds[3] = {value_kind, value_kind, value_kind};
    static const char *const names[] = {"once", "twice", "never"};
    brim_entry_options e;
    value *v = value_new(1, 1);

    brim_entry_options_init(&e);
    for (int i = 0; i < 3; i++) {
        kinds[i].name = names[i];
        kinds[i].ceiling = 10;
        e.kind = &kinds[i];
        ck_assert_int_eq(brim_insert_with(c, "k", 1, value_new(2, 1), 1, &e, NULL), BRIM_OK);
        for (int j = 0; i < 2 && j <= i; j++)
            ck_assert_int_eq(brim_insert_with(c, "k", 1, v, 11, &e, NULL), BRIM_TOO_BIG);
    }
    value_discard(v);
    start();
    ck_assert_uint_eq(brim_report_problems(c, keep, got), 1);
    ck_assert_ptr_nonnull(strstr(got, "kind twice: "));
    finish(c);
}
END_TEST

START_TEST(limits_of_what_has_no_kind)
{
    brim_options op = value_options(1000);
    brim_cache *c;
    int v = 0;

    op.kind = NULL;
    c = make_cache(&op);
    ck_assert_int_eq(brim_kind_set_limits(c, NULL, 800, 0), BRIM_OK);
    ck_assert_uint_eq(brim_report_problems(c, NULL, NULL), 1);
    ck_assert_int_eq(brim_kind_set_limits(c, NULL, 0, 10), BRIM_OK);
    ck_assert_int_eq(brim_insert(c, "k", 1, &v, 11, NULL), BRIM_TOO_BIG); /* the capacity is large enough */
    start();
    ck_assert_uint_eq(brim_report_problems(c, keep, got), 1);
    ck_assert_ptr_nonnull(strstr(got, "no kind: 1 of the values offered were larger than its ceiling of 10:"));
    finish(c);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("report");

    tcase_add_test(tc, nothing_of_what_is_healthy);
    tcase_add_test(tc, refused);
    tcase_add_test(tc, no_capacity);
    tcase_add_test(tc, thrashing);
    tcase_add_test(tc, thrashing_for_a_moment);
    tcase_add_test(tc, shards);
    tcase_add_test(tc, what_cannot_go);
    tcase_add_test(tc, what_goes_badly);
    tcase_add_test(tc, memory_outside_the_capacity);
    tcase_add_test(tc, figures_as_large_as_can_be);
    tcase_add_test(tc, of_real_caches);
    tcase_add_test(tc, limits_of_kinds);
    tcase_add_test(tc, limits_of_several_kinds);
    tcase_add_test(tc, limits_of_what_has_no_kind);
    return suite_run(tc);
}
