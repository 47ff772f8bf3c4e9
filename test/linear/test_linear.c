/* SPDX-License-Identifier: MIT
 *
 * The checker of histories is checked: by histories written by hand, good and bad, and by small random ones, which
 * it must
 * judge as one that tries every order does.
 */
#include "linear/checker.h"
#include "linear/text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16, A = FIRST_VALUE, B, C, D };

static const struct state nothing = STATE_NOTHING;

static bool is_linearizable(enum model m, const struct op *ops, size_t n)
{
    struct op copy[MOST];
    struct history h = {copy, n};

    memcpy(copy, ops, n * sizeof *ops);
    return check_history(m, &h, nothing).linearizable;
}

/* ---- By hand.  Times are as written; each line is {called, returned, thread, key, what, a, b, result} */

struct story {
    const char *name;
    bool exact, eviction; /* is linearizable */
    struct op ops[MOST];
};

#define DO(called, returned, thread, what, a, b, result) {called, returned, thread, 0, what, a, b, result, false}

static const struct story stories[] = {
    {"one after the other", true, true,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 1, FIND, 0, 0, A), DO(5, 6, 0, REMOVE, 0, 0, 1), DO(7, 8, 1, FIND, 0, 0,
      0)}},
    {"a find during an insert sees it", true, true, {DO(1, 4, 0, INSERT, A, 0, A), DO(2, 3, 1, FIND, 0, 0, A)}},
    {"or not", true, true, {DO(1, 4, 0, INSERT, A, 0, A), DO(2, 3, 1, FIND, 0, 0, 0)}},
    {"but not both ways", false, true,
     {DO(1, 6, 0, INSERT, A, 0, A), DO(2, 3, 1, FIND, 0, 0, A), DO(4, 5, 2, FIND, 0, 0, 0)}},
    {"a stale read", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 0, INSERT, B, 0, B), DO(5, 6, 1, FIND, 0, 0, A)}},
    {"the old value after somebody saw the new one", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 8, 0, INSERT, B, 0, B), DO(4, 5, 1, FIND, 0, 0, B), DO(6, 7, 2, FIND, 0, 0,
      A)}},
    {"a lost insert", false, true, {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 1, FIND, 0, 0, 0)}},
    {"a replace that is not atomic", false, true,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 6, 0, INSERT, B, 0, B), DO(4, 5, 1, FIND, 0, 0, 0)}},
    {"a miss where none may be, by contains", false, true, {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 1, CONTAINS, 0, 0,
     0)}},
    {"a value that rises again", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 0, REMOVE, 0, 0, 1), DO(5, 6, 1, FIND, 0, 0, A)}},
    {"one that vanished and rises again", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 1, FIND, 0, 0, 0), DO(5, 6, 1, FIND, 0, 0, A)}},
    {"a value from nowhere", false, false, {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 1, FIND, 0, 0, B)}},
    {"two removals of one entry", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 5, 0, REMOVE, 0, 0, 1), DO(4, 6, 1, REMOVE, 0, 0, 1)}},
    {"a removal that finds nothing", false, true, {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 1, REMOVE, 0, 0, 0)}},
    {"a refused insert", false, true, {DO(1, 2, 0, INSERT, A, 0, NOTHING), DO(3, 4, 1, FIND, 0, 0, 0)}},
    {"found though refused", false, false, {DO(1, 2, 0, INSERT, A, 0, NOTHING), DO(3, 4, 1, FIND, 0, 0, A)}},
    {"two that are absent", false, false,
     {DO(1, 3, 0, ADD, A, 0, A), DO(2, 4, 1, ADD, B, 0, B), DO(5, 6, 0, FIND, 0, 0, B), DO(7, 8, 0, FIND, 0, 0, A)}},
    {"the second of two adds gets the first's", true, true, {DO(1, 3, 0, ADD, A, 0, A), DO(2, 4, 1, ADD, B, 0, A)}},
    {"both of two adds win", false, true, {DO(1, 3, 0, ADD, A, 0, A), DO(2, 4, 1, ADD, B, 0, B)}},
    {"one of two replaces of a value wins", true, true,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 6, 0, KEY_REPLACE, A, B, B), DO(4, 5, 1, KEY_REPLACE, A, C, 0)}},
    {"both do", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 6, 0, KEY_REPLACE, A, B, B), DO(4, 5, 1, KEY_REPLACE, A, C, C)}},
    {"what is to be replaced goes first, to make room", false, true,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 8, 0, KEY_REPLACE, A, B, B), DO(4, 5, 1, FIND, 0, 0, 0), DO(6, 7, 1,
      REMOVE, 0, 0, 0),
      DO(9, 10, 1, FIND, 0, 0, B)}},
    {"it goes first, and what came instead goes too", false, true,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 10, 0, KEY_REPLACE, A, B, B), DO(4, 5, 1, INSERT, C, 0, C), DO(6, 7, 1,
      FIND, 0, 0, 0),
      DO(8, 11, 1, FIND, 0, 0, B)}},
    {"it is replaced twice", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 6, 0, KEY_REPLACE, A, B, B), DO(4, 7, 1, KEY_REPLACE, A, C, C), DO(8, 9, 1,
      FIND, 0, 0, B),
      DO(10, 11, 1, FIND, 0, 0, C)}},
    {"it had gone before", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 1, FIND, 0, 0, 0), DO(5, 6, 0, KEY_REPLACE, A, B, B)}},
    {"it goes first, and what came instead, and vanished perhaps, is followed by it", false, true,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 10, 0, KEY_REPLACE, A, B, B), DO(4, 5, 1, FIND, 0, 0, 0), DO(6, 7, 1,
      INSERT, C, 0, C),
      DO(8, 9, 1, FIND, 0, 0, C), DO(11, 12, 1, FIND, 0, 0, B)}},
    {"a handle finds what its value was replaced by", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 0, INSERT, B, 0, B), DO(5, 6, 1, KEY_FIND, A, 0, B)}},
    {"an invalid handle is valid again", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 1, KEY_VALID, A, 0, 0), DO(5, 6, 1, KEY_VALID, A, 0, A)}},
    {"a handle removes its value and no other", true, true,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 6, 0, INSERT, B, 0, B), DO(4, 5, 1, KEY_REMOVE, A, 0, A), DO(7, 8, 1, FIND,
      0, 0, B)}},
    {"it removes another", false, true,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 0, INSERT, B, 0, B), DO(5, 6, 1, KEY_REMOVE, A, 0, 0), DO(7, 8, 1, FIND,
      0, 0, 0)}},
    {"a slot is found by what is in it, though both change", true, true,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 0, SLOT_EXCHANGE, A, 0, 0), DO(5, 12, 1, SLOT_FIND, 0, 0, A),
      DO(6, 7, 0, INSERT, B, 0, B), DO(8, 9, 0, SLOT_EXCHANGE, B, 0, A)}},
    {"a slot is found though its value had left", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 0, SLOT_EXCHANGE, A, 0, 0), DO(5, 6, 0, INSERT, B, 0, B), DO(7, 8, 1,
      SLOT_FIND, 0, 0, A)}},
    {"a slot misses though its value was there throughout", false, true,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 0, SLOT_EXCHANGE, A, 0, 0), DO(5, 6, 1, SLOT_FIND, 0, 0, 0)}},
    {"two take one key out of a slot", false, false,
     {DO(1, 2, 0, SLOT_EXCHANGE, A, 0, 0), DO(3, 6, 0, SLOT_EXCHANGE, B, 0, A), DO(4, 5, 1, SLOT_EXCHANGE, C, 0, A)}},
    {"a slot is swapped though something else is in it", false, false,
     {DO(1, 2, 0, SLOT_EXCHANGE, A, 0, 0), DO(3, 4, 0, SLOT_SWAP, B, C, 1)}},
    {"a slot holds what was put there last", false, false,
     {DO(1, 2, 0, SLOT_EXCHANGE, A, 0, 0), DO(3, 4, 0, SLOT_SWAP, A, B, 1), DO(5, 6, 1, SLOT_LOAD, 0, 0, A)}},
    {"a slot is renewed, and always finds one", true, true,
     {DO(1, 2, 0, SLOT_RENEW, A, 0, 0), DO(3, 4, 0, SLOT_RENEW, B, 0, A), DO(5, 6, 0, SLOT_REMOVE, A, 0, 0), DO(7, 8,
      1, SLOT_FIND, 0, 0, B)}},
    {"it misses what it held when that has left, though it holds another by then", false, true,
     {DO(1, 2, 0, SLOT_RENEW, A, 0, 0), DO(3, 8, 1, SLOT_FIND, 0, 0, 0), DO(4, 5, 0, SLOT_RENEW, B, 0, A), DO(6, 7,
      0, SLOT_REMOVE, A, 0, 0)}},
    {"it finds what was removed in it", false, false,
     {DO(1, 2, 0, SLOT_RENEW, A, 0, 0), DO(3, 4, 1, SLOT_REMOVE, A, 0, 0), DO(5, 6, 1, SLOT_FIND, 0, 0, A)}},
    {"found after a clear", false, false,
     {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 1, CLEAR, 0, 0, 0), DO(5, 6, 0, FIND, 0, 0, A)}},
    {"what is inserted during a clear may stay", true, true,
     {DO(1, 4, 1, CLEAR, 0, 0, 0), DO(2, 3, 0, INSERT, A, 0, A), DO(5, 6, 0, FIND, 0, 0, A)}},
    {"a load", true, true,
     {DO(1, 2, 0, CLAIM, A, 0, 0), DO(3, 6, 1, GET, 0, 0, A), DO(4, 5, 0, FINISH, A, 0, A), DO(7, 8, 1, FIND, 0, 0,
      A)}},
    {"two loads of a key at a time", false, false, {DO(1, 2, 0, CLAIM, A, 0, 0), DO(3, 4, 1, CLAIM, B, 0, 0)}},
    {"a load begins though there is a value", false, true, {DO(1, 2, 0, INSERT, A, 0, A), DO(3, 4, 1, CLAIM, B, 0,
     0)}},
    {"an overtaken load publishes nothing", true, true,
     {DO(1, 2, 0, CLAIM, A, 0, 0), DO(3, 4, 1, INSERT, B, 0, B), DO(5, 6, 0, FINISH, A, 0, NOTHING), DO(7, 8, 1,
      FIND, 0, 0, B)}},
    {"an overtaken load publishes", false, false,
     {DO(1, 2, 0, CLAIM, A, 0, 0), DO(3, 4, 1, REMOVE, 0, 0, 0), DO(5, 6, 0, FINISH, A, 0, A)}},
    {"a load is overtaken by nobody", false, false, {DO(1, 2, 0, CLAIM, A, 0, 0), DO(5, 6, 0, FINISH, A, 0,
     NOTHING)}},
    {"who asked before it was overtaken shares it", true, true,
     {DO(1, 2, 0, CLAIM, A, 0, 0), DO(3, 8, 2, GET, 0, 0, A), DO(4, 5, 1, REMOVE, 0, 0, 0), DO(6, 7, 0, FINISH, A, 0,
      NOTHING)}},
    {"who asked after does not", false, false,
     {DO(1, 2, 0, CLAIM, A, 0, 0), DO(3, 4, 1, CLEAR_LOAD, 0, 0, 0), DO(5, 8, 2, GET, 0, 0, A), DO(6, 7, 0, FINISH,
      A, 0, NOTHING)}},
    {"one finished somehow is found, if it was not overtaken", false, true,
     {DO(1, 2, 0, CLAIM, A, 0, 0), DO(3, 4, 0, FINISH, A, 0, SOMEHOW), DO(5, 6, 1, FIND, 0, 0, 0)}},
    {"the failure of a load that others never asked", false, false,
     {DO(1, 2, 0, CLAIM, A, 0, 0), DO(3, 4, 0, FAIL, A, 0, 0), DO(5, 6, 1, SHARE_FAILURE, 0, 0, A)}},
    {"pending though nothing is loaded", false, false, {DO(1, 2, 0, PENDING, 0, 0, 0)}},
    {"a load is canceled", true, true,
     {DO(1, 2, 0, CLAIM, A, 0, 0), DO(3, 4, 1, CANCEL, 0, 0, 1), DO(5, 6, 1, PENDING, 0, 0, 0), DO(7, 8, 0, FINISH,
      A, 0, NOTHING)}},
    {"one that is none is canceled", false, false, {DO(3, 4, 1, CANCEL, 0, 0, 1)}},
};
enum { STORIES = sizeof stories / sizeof stories[0] };

static size_t length_of(const struct story *s)
{
    size_t n = 0;

    while (n < MOST && s->ops[n].returned != 0)
        n++;
    return n;
}

START_TEST(test_linear_stories)
{
    const struct story *s = &stories[_i];

    ck_assert_msg(is_linearizable(MODEL_EXACT, s->ops, length_of(s)) == s->exact, "exact: %s", s->name);
    ck_assert_msg(is_linearizable(MODEL_EVICTION, s->ops, length_of(s)) == s->eviction, "eviction: %s", s->name);
}
END_TEST

/* ---- Against one that tries every order */

/* What has not been done and is called before all else that has not been done returns may be next. */
static bool may_be_next(const struct op *ops, size_t n, unsigned done, size_t i)
{
    for (size_t j = 0; j < n; j++)
        if ((done >> j & 1) == 0 && ops[j].returned < ops[i].called)
            return false;
    return (done >> i & 1) == 0;
}

static bool some_order(enum model m, const struct op *ops, size_t n, unsigned done, unsigned gone, struct state s)
{
    if (done == (1u << n) - 1)
        return true;
    for (size_t i = 0; i < n; i++) {
        struct state after = s, vanished = s;
        bool went_first = gone >> i & 1;

        if (!may_be_next(ops, n, done, i))
            continue;
        vanished.current = NOTHING;
        if (model_step(m, &ops[i], went_first, &after) && some_order(m, ops, n, done | 1u << i, gone, after))
            return true;
        if (m == MODEL_EXACT || s.current == NOTHING)
            continue;
        if (ops[i].what == KEY_REPLACE && ops[i].a == s.current && some_order(m, ops, n, done, gone | 1u << i,
            vanished))
            return true;
        after = vanished;
        if (model_step(m, &ops[i], went_first, &after) && some_order(m, ops, n, done | 1u << i, gone, after))
            return true;
    }
    return false;
}

static uint64_t dice;

static uint32_t roll(uint32_t n)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    dice ^= dice << 17;
    return (uint32_t)((dice >> 20) % n);
}

/* Done one after the other, so that there is an order; then the times are spread, and now and then a result is
    changed. */
static uint32_t do_map(struct op *op, struct state *s)
{
    switch (op->what) {
    case INSERT: return s->current = op->a;
    case ADD: return s->current != NOTHING ? s->current : (s->current = op->a);
    case REMOVE: {
        uint32_t there = s->current != NOTHING;
        s->current = NOTHING;
        return there;
    }
    case KEY_FIND: return s->current == op->a ? op->a : NOTHING;
    case KEY_REPLACE: return s->current == op->a ? (s->current = op->b) : NOTHING;
    case SLOT_EXCHANGE: {
        uint32_t out = s->slot;
        s->slot = op->a;
        return out;
    }
    case SLOT_FIND: return s->slot == s->current ? s->current : NOTHING;
    case CLEAR: return s->current = NOTHING;
    case CONTAINS: return s->current != NOTHING;
    default: return s->current;
    }
}

static size_t make_random(struct op *ops, unsigned perturbed)
{
    static const enum what whats[] = {FIND, FIND, FIND, CONTAINS, INSERT, INSERT, ADD, REMOVE, KEY_FIND, KEY_REPLACE,
                                      SLOT_EXCHANGE, SLOT_FIND, CLEAR};
    size_t n = 3 + roll(5);
    struct state s = nothing;

    for (uint32_t i = 0; i < n; i++) {
        ops[i] = (struct op){.thread = i, .what = whats[roll(sizeof whats / sizeof whats[0])], .a = A + i, .b = A +
            10 + i};
        if (ops[i].what == KEY_FIND || ops[i].what == KEY_REPLACE || ops[i].what == SLOT_EXCHANGE)
            ops[i].a = A + roll(i + 1);
        ops[i].result = do_map(&ops[i], &s);
        ops[i].called = 2 * MOST * (200 + 100 * (uint64_t)i - roll(150)) + i; /* no two at the same time */
        ops[i].returned = 2 * MOST * (200 + 100 * (uint64_t)i + roll(250)) + MOST + i;
    }
    if (roll(100) < perturbed)
        ops[roll((uint32_t)n)].result = roll(3) == 0 ? NOTHING : A + roll((uint32_t)n);
    return n;
}

START_TEST(test_linear_agrees_with_every_order)
{
    enum { HISTORIES = 60000 };
    size_t good = 0;

    dice = 88172645463325252u;
    for (int i = 0; i < HISTORIES; i++) {
        struct op ops[MOST];
        enum model m = i % 2 == 0 ? MODEL_EXACT : MODEL_EVICTION;
        size_t n = make_random(ops, i % 3 == 0 ? 0 : 100);
        bool right = some_order(m, ops, n, 0, 0, nothing);

        ck_assert_msg(right || i % 3 != 0, "history %d is good as made", i);
        if (is_linearizable(m, ops, n) != right) {
            print_history(stderr, &(struct history){ops, n});
            ck_abort_msg("history %d is %s", i, right ? "good" : "bad");
        }
        good += right;
    }
    ck_assert_uint_gt(good, HISTORIES / 3);
    ck_assert_uint_lt(good, HISTORIES * 9 / 10);
}
END_TEST

/* ---- Long ones: quick, and shortened to what is wrong */

enum { LONG = 20000, THREADS = 8 };

/* Inserts and finds that overlap, each done in the middle; with ${wrong} a find of what was replaced long before. */
static struct history make_long(bool wrong)
{
    struct history h = {calloc(LONG, sizeof *h.op), LONG};
    uint32_t current = NOTHING;

    ck_assert_ptr_nonnull(h.op);
    for (uint32_t i = 0; i < LONG; i++) {
        struct op *op = &h.op[i];

        *op = (struct op){.thread = i % THREADS, .what = i % 3 == 0 ? INSERT : FIND, .a = FIRST_VALUE + i};
        op->called = 1000 + 10 * (uint64_t)i + (i % 7);
        op->returned = op->called + 10 * (THREADS - 1) - 7;
        op->result = current = op->what == INSERT ? op->a : current;
    }
    if (wrong)
        h.op[LONG / 2 + 1].result = h.op[LONG / 2 - 100].result;
    return h;
}

START_TEST(test_linear_long)
{
    struct history good = make_long(false), bad = make_long(true);
    struct verdict v = check_history(MODEL_EXACT, &good, nothing);

    ck_assert(v.linearizable);
    ck_assert_uint_lt(v.looked_at, LONG);
    ck_assert_uint_eq(count_overlapping(&good), LONG);
    for (int m = MODEL_EXACT; m <= MODEL_EVICTION; m++) {
        struct history h = make_long(true);

        v = check_history((enum model)m, &h, nothing);
        ck_assert(!v.linearizable);
        ck_assert_uint_eq(v.stuck, bad.op[LONG / 2 + 1].returned);
        shorten_history((enum model)m, &h);
        ck_assert_uint_lt(h.count, 100);
        ck_assert(!check_history((enum model)m, &h, nothing).linearizable);
        free(h.op);
    }
    free(good.op);
    free(bad.op);
}
END_TEST

START_TEST(test_linear_overlap_is_of_other_threads)
{
    struct op ops[] = {DO(1, 4, 0, FIND, 0, 0, 0), DO(2, 3, 0, FIND, 0, 0, 0), DO(5, 8, 1, FIND, 0, 0, 0),
                       DO(6, 9, 2, FIND, 0, 0, 0), DO(10, 11, 3, FIND, 0, 0, 0)};

    ck_assert_uint_eq(count_overlapping(&(struct history){ops, 5}), 2);
}
END_TEST

/* ---- What is saved is what is read */

START_TEST(test_linear_files)
{
    struct history h = make_long(false), again;
    FILE *f = tmpfile();
    enum model m = MODEL_EXACT;

    ck_assert_ptr_nonnull(f);
    h.count = 50;
    save_history(f, MODEL_EVICTION, &h);
    rewind(f);
    again = load_history(f, &m);
    fclose(f);
    ck_assert_int_eq(m, MODEL_EVICTION);
    ck_assert_uint_eq(again.count, h.count);
    for (size_t i = 0; i < h.count; i++) {
        const struct op *a = &h.op[i], *b = &again.op[i];

        ck_assert(a->called == b->called && a->returned == b->returned && a->thread == b->thread && a->key == b->key);
        ck_assert(a->what == b->what && a->a == b->a && a->b == b->b && a->result == b->result && a->early ==
            b->early);
    }
    free(h.op);
    free(again.op);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("linear");
    TCase *tc = tcase_create("linear");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tc, 120);
    suite_add_tcase(suite, tc);
    tcase_add_loop_test(tc, test_linear_stories, 0, STORIES);
    tcase_add_test(tc, test_linear_agrees_with_every_order);
    tcase_add_test(tc, test_linear_long);
    tcase_add_test(tc, test_linear_overlap_is_of_other_threads);
    tcase_add_test(tc, test_linear_files);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
