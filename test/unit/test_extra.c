/* SPDX-License-Identifier: MIT
 *
 * entry/extra: where ages and groups lie, when they make stale, and that this is said once.
 */
#include "entry/extra.h"
#include "support/support.h"

enum { KEY_MOST = 300, BORN = 1000 };

static struct group_state states[EXTRA_GROUPS];
static struct entry *e;

/* Memory of just its size, so that AddressSanitizer knows its end. */
static void make(size_t key_len, const struct extra *x)
{
    static unsigned char key[KEY_MOST];
    size_t size = extra_size(key_len, x);

    for (size_t i = 0; i < KEY_MOST; i++)
        key[i] = (unsigned char)(i * 7 + 1);
    e = malloc(size);
    ck_assert_ptr_nonnull(e);
    memset(e, 0xa5, size);
    entry_init(e, key, key_len, NULL, 1);
    e->kind_flags = extra_flags(x);
    extra_init(e, x, BORN);
}

static void unmake(void)
{
    free(e);
}

static struct extra extra_of(uint64_t max_age, uint64_t max_idle, unsigned groups)
{
    struct extra x = {.max_age = max_age, .max_idle = max_idle, .groups = groups};

    for (unsigned i = 0; i < groups; i++)
        x.member[i] = (struct extra_member){&states[i], atom_load_relaxed(&states[i].generation)};
    return x;
}

static uint64_t used(void)
{
    return atom_load_relaxed(&extra_ages_of(e)->used);
}

/* ---- Layout */

static void check_layout(size_t key_len, const struct extra *x)
{
    char *at = (char *)e + entry_size(key_len), *end = (char *)e + extra_size(key_len, x);
    char *ages = (char *)extra_ages_of(e), *groups = (char *)extra_groups_of(e);

    ck_assert_int_eq(ages != NULL, x->max_age > 0 || x->max_idle > 0);
    ck_assert_int_eq(groups != NULL, x->groups > 0);
    if (ages == NULL && groups == NULL)
        ck_assert_ptr_eq(at, end);
    if (ages != NULL) {
        ck_assert_uint_eq((uintptr_t)ages % _Alignof(struct extra_ages), 0);
        ck_assert(ages >= at && ages - at < 8);
        at = ages + sizeof(struct extra_ages);
    }
    if (groups != NULL) {
        ck_assert_uint_eq((uintptr_t)groups % _Alignof(struct extra_groups), 0);
        ck_assert(groups >= at && groups - at < 8);
        at = groups + sizeof(struct extra_groups) + x->groups * sizeof(struct extra_member);
    }
    ck_assert_ptr_eq(at, end);
}

static void check_contents(size_t key_len, const struct extra *x)
{
    const unsigned char *key;
    struct extra y;
    size_t len;

    key = entry_key(e, &len);
    ck_assert_uint_eq(len, key_len);
    for (size_t i = 0; i < len; i++)
        ck_assert_uint_eq(key[i], (unsigned char)(i * 7 + 1));
    extra_read(e, &y);
    ck_assert_uint_eq(y.max_age, x->max_age);
    ck_assert_uint_eq(y.max_idle, x->max_idle);
    ck_assert_uint_eq(y.groups, x->groups);
    for (unsigned i = 0; i < x->groups; i++) {
        ck_assert_ptr_eq(y.member[i].group, x->member[i].group);
        ck_assert_uint_eq(y.member[i].generation, x->member[i].generation);
    }
    ck_assert_uint_eq(extra_size_of(e), extra_size(key_len, x));
}

START_TEST(all_combinations_behind_keys_of_all_lengths)
{
    for (unsigned i = 0; i < EXTRA_GROUPS; i++)
        atom_store_relaxed(&states[i].generation, 2 * i);
    for (size_t len = 0; len <= KEY_MOST; len += len == 20 ? 230 : 1)
        for (unsigned ages = 0; ages < 4; ages++)
            for (unsigned groups = 0; groups <= EXTRA_GROUPS; groups++) {
                struct extra x = extra_of(ages & 1 ? 100 : 0, ages & 2 ? 30 : 0, groups);

                make(len, &x);
                check_layout(len, &x);
                check_contents(len, &x);
                unmake();
            }
}
END_TEST

/* ---- Ages */

static enum extra_state look(uint64_t now)
{
    return extra_look(e, now, false);
}

static enum extra_state use(uint64_t now)
{
    return extra_look(e, now, true);
}

START_TEST(it_expires_at_its_age)
{
    struct extra x = extra_of(100, 0, 0);

    make(5, &x);
    ck_assert_int_eq(look(0), EXTRA_FRESH); /* no time is no look */
    ck_assert_int_eq(look(BORN - 1), EXTRA_FRESH); /* a clock that went back */
    ck_assert_int_eq(use(BORN + 99), EXTRA_FRESH);
    ck_assert_uint_eq(used(), BORN); /* nothing to be written where no idling counts */
    ck_assert_int_eq(look(BORN + 100), EXTRA_STALE_AGE);
    unmake();
}
END_TEST

START_TEST(it_expires_when_idle_and_uses_are_written_by_eighths)
{
    struct extra x = extra_of(0, 800, 0);

    make(5, &x);
    ck_assert_int_eq(use(BORN + 99), EXTRA_FRESH);
    ck_assert_uint_eq(used(), BORN);
    ck_assert_int_eq(look(BORN + 100), EXTRA_FRESH);
    ck_assert_uint_eq(used(), BORN); /* that was no use */
    ck_assert_int_eq(use(BORN + 100), EXTRA_FRESH);
    ck_assert_uint_eq(used(), BORN + 100);
    ck_assert_int_eq(use(BORN + 50), EXTRA_FRESH);
    ck_assert_uint_eq(used(), BORN + 100); /* an older time changes nothing */
    ck_assert_int_eq(use(0), EXTRA_FRESH);
    ck_assert_int_eq(look(BORN + 899), EXTRA_FRESH);
    ck_assert_int_eq(look(BORN + 900), EXTRA_STALE_AGE);
    unmake();
}
END_TEST

START_TEST(the_shortest_idling_is_exact)
{
    for (uint64_t idle = 1; idle <= 9; idle++) {
        struct extra x = extra_of(0, idle, 0);

        make(5, &x);
        if (idle > 1) {
            ck_assert_int_eq(use(BORN + 1), EXTRA_FRESH);
            ck_assert_uint_eq(used(), BORN + 1);
        }
        ck_assert_int_eq(look(used() + idle - 1), EXTRA_FRESH);
        ck_assert_int_eq(use(used() + idle), EXTRA_STALE_AGE);
        unmake();
    }
}
END_TEST

/* Whoever comes with an older time afterwards, and uses it, does not bring it back. */
START_TEST(expiry_is_said_once)
{
    struct extra x = _i == 0 ? extra_of(100, 0, 0) : extra_of(0, 100, 0);

    make(5, &x);
    ck_assert_int_eq(look(BORN + 100), EXTRA_STALE_AGE);
    ck_assert_uint_eq(used(), EXTRA_EXPIRED);
    ck_assert_int_eq(use(BORN + 50), EXTRA_STALE_AGE);
    ck_assert_int_eq(look(BORN), EXTRA_STALE_AGE);
    ck_assert_int_eq(look(0), EXTRA_STALE_AGE);
    ck_assert_uint_eq(used(), EXTRA_EXPIRED);
    ck_assert_uint_eq(extra_expiry(e), 0);
    extra_born(e, BORN + 200); /* only to be born again, as another entry, makes it new */
    ck_assert_int_eq(look(BORN + 299), EXTRA_FRESH);
    ck_assert_uint_eq(extra_expiry(e), BORN + 300);
    unmake();
}
END_TEST

START_TEST(the_earlier_of_both_limits_counts)
{
    struct extra x = extra_of(100, 40, 0);

    make(5, &x);
    ck_assert_uint_eq(extra_expiry(e), BORN + 40);
    ck_assert_int_eq(use(BORN + 39), EXTRA_FRESH);
    ck_assert_uint_eq(extra_expiry(e), BORN + 79);
    ck_assert_int_eq(use(BORN + 78), EXTRA_FRESH);
    ck_assert_uint_eq(extra_expiry(e), BORN + 100);
    ck_assert_int_eq(use(BORN + 100), EXTRA_STALE_AGE);
    unmake();
}
END_TEST

START_TEST(when_it_expires)
{
    struct extra x = extra_of(0, 0, 1);

    make(5, &x);
    ck_assert_uint_eq(extra_expiry(e), UINT64_MAX); /* no ages */
    unmake();
    x = extra_of(50, 0, 0);
    make(5, &x);
    ck_assert_uint_eq(extra_expiry(e), BORN + 50);
    unmake();
    x = extra_of(UINT64_MAX - BORN + 1, 0, 0); /* beyond the clock's end */
    make(5, &x);
    ck_assert_uint_eq(extra_expiry(e), UINT64_MAX);
    ck_assert_int_eq(use(UINT64_MAX - 1), EXTRA_FRESH);
    unmake();
    x = extra_of(0, UINT64_MAX, 0);
    make(5, &x);
    ck_assert_uint_eq(extra_expiry(e), UINT64_MAX);
    ck_assert_int_eq(use(UINT64_MAX - 1), EXTRA_FRESH);
    unmake();
}
END_TEST

/* One sees it expired, the other uses it at an earlier time: whichever is first decides for both. */
static enum extra_state seen;

static void expire_or_use(unsigned id, void *arg)
{
    (void)arg;
    if (id == 0)
        seen = look(BORN + 100);
    else
        for (uint64_t t = BORN + 20; t < BORN + 80; t += 20)
            (void)use(t);
}

START_TEST(expiry_and_use_in_a_race)
{
    struct extra x = extra_of(0, 100, 0);

    make(5, &x);
    for (int round = 0; round < SCALED(2000); round++) {
        extra_born(e, BORN);
        crew_do(2, expire_or_use, NULL);
        ck_assert_int_eq(look(BORN + 1), seen);
    }
    unmake();
}
END_TEST

#ifdef BRIM_INTERFERE
struct other { bool use; uint64_t now; };

static void look_or_use(void *arg)
{
    const struct other *o = arg;

    (void)extra_look(e, o->now, o->use);
}

/* Another uses it while it is found expired, or the other way round, or uses it too. */
START_TEST(looked_at_while_it_is_looked_at)
{
    static const struct { uint64_t now; bool use; struct other other; } cases[] = {
        {BORN + 100, false, {true, BORN + 50}},
        {BORN + 50, true, {false, BORN + 100}},
        {BORN + 50, true, {true, BORN + 60}},
        {BORN + 90, true, {true, BORN + 50}},
    };
    struct extra x = extra_of(0, 100, 0);
    struct other other = cases[_i].other;

    make(5, &x);
    for (unsigned after = 0;; after++) {
        enum extra_state state;
        extra_born(e, BORN);
        atom_interfere(after, look_or_use, &other);
        state = extra_look(e, cases[_i].now, cases[_i].use);
        if (!atom_has_interfered()) {
            ck_assert_uint_ge(after, 2);
            break;
        }
        if (_i < 2) { /* the other was first */
            ck_assert_int_eq(state, _i == 0 ? EXTRA_FRESH : EXTRA_STALE_AGE);
            ck_assert_uint_eq(used(), _i == 0 ? BORN + 50 : EXTRA_EXPIRED);
        } else {
            ck_assert_int_eq(state, EXTRA_FRESH);
            ck_assert_uint_eq(used(), _i == 2 ? BORN + 60 : BORN + 90);
        }
    }
    unmake();
}
END_TEST
#endif

/* ---- Groups */

START_TEST(stale_with_any_of_its_groups)
{
    struct extra x = extra_of(_i == 0 ? 0 : 100, 0, EXTRA_GROUPS);

    for (unsigned i = 0; i < EXTRA_GROUPS; i++) {
        make(5, &x);
        ck_assert_int_eq(look(BORN + 1), EXTRA_FRESH);
        atom_store_relaxed(&states[i].generation, 2);
        ck_assert_int_eq(look(0), EXTRA_STALE_GROUP);
        ck_assert_int_eq(look(BORN + 1000), EXTRA_STALE_GROUP); /* which is looked at first */
        if (_i != 0)
            ck_assert_uint_eq(used(), BORN);
        atom_store_relaxed(&states[i].generation, 0);
        ck_assert_int_eq(look(0), EXTRA_FRESH);
        unmake();
    }
}
END_TEST

static void expect_loads(uint64_t each, unsigned groups)
{
    for (unsigned i = 0; i < EXTRA_GROUPS; i++)
        ck_assert_uint_eq(atom_load_relaxed(&states[i].loads), i < groups ? each : 0);
}

START_TEST(loads_are_counted_in_each_group)
{
    for (unsigned n = 0; n <= EXTRA_GROUPS; n++) {
        struct extra x = extra_of(0, 0, n);

        make(5, &x);
        ck_assert(extra_load_begins(e));
        ck_assert(extra_load_begins(e));
        expect_loads(2, n);
        extra_load_ends(e);
        expect_loads(1, n);
        extra_load_ends(e);
        expect_loads(0, n);
        unmake();
    }
}
END_TEST

START_TEST(no_load_begins_in_a_closed_group)
{
    struct extra x = extra_of(0, 0, EXTRA_GROUPS);

    make(5, &x);
    for (unsigned i = 0; i < EXTRA_GROUPS; i++) {
        atom_store_relaxed(&states[i].generation, 2); /* only invalidated: the load will be overtaken */
        ck_assert(extra_load_begins(e));
        extra_load_ends(e);
        atom_store_relaxed(&states[i].generation, 2 | GROUP_CLOSED);
        ck_assert(!extra_load_begins(e));
        expect_loads(0, EXTRA_GROUPS);
        atom_store_relaxed(&states[i].generation, 0);
    }
    unmake();
}
END_TEST

/* Also where tests do not fork. */
static void begin_anew(void)
{
    memset(states, 0, sizeof states);
}

int main(void)
{
    TCase *tc = suite_case("extra");

    tcase_add_checked_fixture(tc, begin_anew, NULL);
    tcase_add_test(tc, all_combinations_behind_keys_of_all_lengths);
    tcase_add_test(tc, it_expires_at_its_age);
    tcase_add_test(tc, it_expires_when_idle_and_uses_are_written_by_eighths);
    tcase_add_test(tc, the_shortest_idling_is_exact);
    tcase_add_loop_test(tc, expiry_is_said_once, 0, 2);
    tcase_add_test(tc, the_earlier_of_both_limits_counts);
    tcase_add_test(tc, when_it_expires);
    tcase_add_test(tc, expiry_and_use_in_a_race);
#ifdef BRIM_INTERFERE
    tcase_add_loop_test(tc, looked_at_while_it_is_looked_at, 0, 4);
#endif
    tcase_add_loop_test(tc, stale_with_any_of_its_groups, 0, 2);
    tcase_add_test(tc, loads_are_counted_in_each_group);
    tcase_add_test(tc, no_load_begins_in_a_closed_group);
    return suite_run(tc);
}
