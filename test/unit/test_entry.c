/* SPDX-License-Identifier: MIT
 *
 * entry/entry: every transition of the state machine.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "entry/entry.h"
#include "support/support.h"
#include "unit/interfere.h"

static struct {
    _Alignas(16) struct entry e;
    unsigned char key[400];
} room;
static struct entry *const e = &room.e;

static void make(unsigned refs, unsigned keys)
{
    entry_init(e, "key", 3, &room, 10);
    entry_publish(e, refs, keys);
}

static void expect_counts(unsigned refs, unsigned keys, bool linked, bool dead)
{
    uint64_t s = atom_load_relaxed(&e->state);

    ck_assert_uint_eq(s & STATE_COUNT_MASK, refs);
    ck_assert_uint_eq(s / STATE_KEY & STATE_COUNT_MASK, keys);
    ck_assert_int_eq(entry_has_keys(e), keys > 0);
    ck_assert_int_eq(entry_is_linked(e), linked);
    ck_assert_int_eq(entry_is_dead(e), dead);
    ck_assert_int_eq(entry_is_held(e), refs > linked);
}

START_TEST(keys_of_all_lengths)
{
    static const size_t lens[] = {0, 1, 254, 255, 256, 390};
    unsigned char key[400];

    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (unsigned char)(i * 3);
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        const unsigned char *p;
        size_t len = SIZE_MAX;
        entry_init(e, lens[i] > 0 ? key : NULL, lens[i], &room, 7);
        p = entry_key(e, &len);
        ck_assert_uint_eq(len, lens[i]);
        ck_assert_mem_eq(p, key, len);
        ck_assert_uint_eq((size_t)(p + len - (unsigned char *)e), entry_size(len));
        ck_assert_uint_eq(entry_cost(e), 7);
        ck_assert_ptr_eq(e->value, &room);
        expect_counts(1, 0, false, false);
    }
}
END_TEST

START_TEST(linked_holds)
{
    make(0, 0);
    expect_counts(1, 0, true, false);
    ck_assert_uint_eq(entry_try_hold(e), ENTRY_HELD | ENTRY_PIN);
    ck_assert_uint_eq(entry_try_hold(e), ENTRY_HELD);
    entry_copy_hold(e);
    expect_counts(4, 0, true, false);
    ck_assert_uint_eq(entry_release(e), 0);
    ck_assert_uint_eq(entry_release(e), 0);
    ck_assert_uint_eq(entry_release(e), ENTRY_UNPIN);
    expect_counts(1, 0, true, false);
    make(2, 3);
    expect_counts(3, 3, true, false);
}
END_TEST

START_TEST(whose_key_it_is)
{
    static const size_t lens[] = {0, 1, 3, 7, 8, 9, 12, 16, 17, 100, 254, 255, 256, 390};
    unsigned char key[400];

    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        size_t len = lens[i];
        memset(&room, 0x55, sizeof room); /* what lies behind a key is no part of it */
        memset(key, 0xaa, sizeof key);
        for (size_t j = 0; j < len; j++)
            key[j] = (unsigned char)(j * 7 + 1);
        entry_init(e, key, len, &room, 1);
        e->kind_flags = 0;
        ck_assert(entry_has_key(e, key, len));
        for (size_t j = 0; j < len; j++) {
            key[j] ^= 1;
            ck_assert(!entry_has_key(e, key, len));
            key[j] ^= 1;
        }
        for (size_t other = 0; other < 400; other++)
            ck_assert(entry_has_key(e, key, other) == (other == len));
        e->kind_flags = ENTRY_ANONYMOUS;
        ck_assert(len > 0 || !entry_has_key(e, key, len));
    }
}
END_TEST

/* evict, and unlink of what nobody holds: DEAD, with the destroyer's key; then nothing can be done to it. */
START_TEST(linked_to_dead)
{
    make(1, 0);
    ck_assert(!entry_try_evict(e)); /* held */
    expect_counts(2, 0, true, false);
    ck_assert_uint_eq(entry_release(e), ENTRY_UNPIN);
    ck_assert(_i == 0 ? entry_try_evict(e) : entry_unlink(e));
    expect_counts(0, 1, false, true);
    ck_assert(!entry_try_evict(e));
    ck_assert_uint_eq(entry_try_hold(e), 0);
    expect_counts(0, 1, false, true);
    ck_assert(entry_drop_key(e));
    expect_counts(0, 0, false, true);
}
END_TEST

START_TEST(left_to_dead)
{
    make(2, 0);
    ck_assert(!entry_unlink(e));
    expect_counts(3, 0, false, false);
    ck_assert(!entry_try_evict(e));
    ck_assert_uint_eq(entry_try_hold(e), 0);
    expect_counts(3, 0, false, false);
    ck_assert_uint_eq(entry_release(e), 0);
    ck_assert_uint_eq(entry_release(e), 0); /* whether the link's ref or a user's is last does not matter */
    expect_counts(1, 0, false, false);
    ck_assert(!entry_try_evict(e)); /* one ref, but not the link's */
    ck_assert_uint_eq(entry_release(e), ENTRY_UNPIN | ENTRY_LAST);
    expect_counts(0, 1, false, true);
    ck_assert(entry_drop_key(e));
}
END_TEST

/* A borrower, in its section, holds what is dead; its holds are seen when the wait for sections is over. */
START_TEST(dead_and_held_again)
{
    make(0, _i == 1);
    ck_assert(entry_unlink(e));
    ck_assert(entry_end_wait(e));
    expect_counts(0, 1 + (_i == 1), false, true);
    ck_assert_uint_eq(entry_copy_hold(e), ENTRY_PIN);
    ck_assert_uint_eq(entry_copy_hold(e), 0);
    expect_counts(2, 1 + (_i == 1), false, true);
    ck_assert_uint_eq(entry_try_hold(e), 0);
    ck_assert_uint_eq(entry_release(e), 0);
    ck_assert_uint_eq(entry_release(e), ENTRY_UNPIN); /* no LAST: the value is the waiter's */
    ck_assert(entry_end_wait(e));
    ck_assert_uint_eq(entry_copy_hold(e), ENTRY_PIN);
    ck_assert(!entry_end_wait(e));
    expect_counts(1, _i == 1, false, false); /* left, as if it had been held all the time */
    ck_assert_uint_eq(entry_copy_hold(e), 0);
    ck_assert_uint_eq(entry_release(e), 0);
    ck_assert_uint_eq(entry_release(e), ENTRY_UNPIN | ENTRY_LAST);
    ck_assert(entry_end_wait(e));
    expect_counts(0, 1 + (_i == 1), false, true);
    ck_assert_int_eq(entry_drop_key(e), _i == 0);
}
END_TEST

START_TEST(remove_last)
{
    make(2, 1);
    ck_assert(!entry_remove_last(e)); /* another holds it */
    expect_counts(3, 1, true, false);
    ck_assert_uint_eq(entry_release(e), 0);
    ck_assert(entry_remove_last(e));
    expect_counts(0, 2, false, true);
    make(1, 0);
    ck_assert(!entry_unlink(e));
    ck_assert(!entry_remove_last(e)); /* it has left */
    expect_counts(2, 0, false, false);
}
END_TEST

/* FREED is reached once, whether the destroyer or the last key is first to go. */
START_TEST(keys_and_the_destroyer)
{
    make(0, 1);
    ck_assert(entry_try_key(e));
    entry_copy_key(e);
    expect_counts(1, 3, true, false);
    ck_assert(!entry_drop_key(e));
    ck_assert(!entry_drop_key(e));
    ck_assert(entry_unlink(e));
    expect_counts(0, 2, false, true);
    ck_assert(!entry_drop_key(e));
    ck_assert(entry_try_key(e)); /* dead, but there is a key */
    ck_assert(!entry_drop_key(e));
    ck_assert(entry_drop_key(e));
    ck_assert(!entry_try_key(e)); /* freed */
    expect_counts(0, 0, false, true);
    make(0, 1);
    ck_assert(!entry_drop_key(e)); /* linked: without keys it lives on, */
    expect_counts(1, 0, true, false);
    ck_assert(entry_try_key(e)); /* and gets new ones */
    expect_counts(1, 1, true, false);
}
END_TEST

START_TEST(the_used_bit)
{
    make(0, 0);
    ck_assert(!entry_take_use(e));
    entry_mark_used(e);
    entry_mark_used(e);
    ck_assert(entry_take_use(e));
    ck_assert(!entry_take_use(e));
    entry_mark_used(e);
    entry_forget_use(e);
    ck_assert(!entry_take_use(e));
    expect_counts(1, 0, true, false);
}
END_TEST

/* ---- Stamps */

#define ALL_BORN (UINTPTR_MAX << STAMP_BORN_SHIFT)

START_TEST(fields_of_a_stamp)
{
    uintptr_t stamp = STAMP | (uintptr_t)UINT32_MAX << STAMP_FRAME_SHIFT;

    ck_assert_uint_eq(stamp_frame(stamp), UINT32_MAX);
    ck_assert_uint_eq(stamp_idle(stamp), 0);
    stamp = STAMP | STAMP_FRESH | (uintptr_t)255 << STAMP_IDLE_SHIFT;
    ck_assert_uint_eq(stamp_frame(stamp), 0);
    ck_assert_uint_eq(stamp_idle(stamp), 255);
    ck_assert_uint_eq(stamp & ALL_BORN, 0);
    ck_assert_uint_eq(ALL_BORN | STAMP_USE, UINTPTR_MAX); /* nothing between the fields */
    make(0, 0);
    ck_assert_uint_eq(entry_born(e), 0); /* none yet */
    atom_store_relaxed(&e->next, stamp | ALL_BORN);
    ck_assert_uint_eq(entry_born(e), (1u << 21) - 1);
}
END_TEST

START_TEST(a_use_keeps_the_birth)
{
    uintptr_t born = (uintptr_t)0x155555 << STAMP_BORN_SHIFT, now = STAMP | (uintptr_t)7 << STAMP_FRAME_SHIFT;

    make(0, 0);
    atom_store_relaxed(&e->next, born | now | STAMP_FRESH);
    entry_stamp(e, now); /* fresh no more, in the same frame */
    ck_assert_uint_eq(entry_stamped(e), born | now);
    entry_stamp(e, now);
    ck_assert_uint_eq(entry_stamped(e), born | now);
    now = STAMP | (uintptr_t)UINT32_MAX << STAMP_FRAME_SHIFT | (uintptr_t)255 << STAMP_IDLE_SHIFT;
    entry_stamp(e, now);
    ck_assert_uint_eq(entry_stamped(e), born | now);
    entry_restamp(e, 0, now); /* what was read long ago: nothing happens for what is no stamp */
    ck_assert_uint_eq(entry_stamped(e), born | now);
    entry_restamp(e, born | STAMP | (uintptr_t)1 << STAMP_FRAME_SHIFT, STAMP); /* or is another by now */
    ck_assert_uint_eq(entry_stamped(e), born | STAMP);
    ck_assert_uint_eq(entry_born(e), 0x155555);
}
END_TEST

/* A successor and a link look like none, and stay. */
START_TEST(what_has_left_is_not_stamped)
{
    static const uintptr_t words[] = {0, 1, 0x7f0000000010, 0x7f0000000011, 3};

    make(0, 0);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        atom_store_relaxed(&e->next, words[i]);
        entry_stamp(e, STAMP | (uintptr_t)5 << STAMP_FRAME_SHIFT);
        ck_assert_uint_eq(entry_stamped(e), words[i]);
        ck_assert_uint_eq(entry_born(e), 0);
    }
}
END_TEST

START_TEST(refs_of_what_was_never_linked)
{
    make(0, 0);
    entry_set_refs(e, 2);
    expect_counts(2, 0, false, false);
    ck_assert_uint_eq(entry_try_hold(e), 0);
    ck_assert_uint_eq(entry_release(e), 0);
    ck_assert_uint_eq(entry_release(e), ENTRY_UNPIN | ENTRY_LAST);
    expect_counts(0, 1, false, true);
}
END_TEST

START_TEST(lists)
{
    static struct entry some[3];
    struct entry_list l = {NULL, NULL};

    for (int round = 0; round < 2; round++) {
        ck_assert_ptr_null(entry_list_pop(&l));
        for (int i = 0; i < 3; i++)
            entry_list_push(&l, &some[i]);
        for (int i = 0; i < 3; i++) {
            ck_assert_uint_eq(atom_load_relaxed(&some[i].next) & 1, 1);
            ck_assert_ptr_eq(entry_list_pop(&l), &some[i]);
        }
    }
    ck_assert_ptr_null(l.tail);
    entry_list_push(&l, &some[0]);
    entry_list_push(&l, &some[1]);
    ck_assert_ptr_eq(entry_list_pop(&l), &some[0]);
    entry_list_push(&l, &some[2]); /* behind the one that has stayed */
    ck_assert_ptr_eq(entry_list_pop(&l), &some[1]);
    ck_assert_ptr_eq(entry_list_pop(&l), &some[2]);
    ck_assert_ptr_null(entry_list_pop(&l));
}
END_TEST

/* Two lists of 0 to 2 each. */
START_TEST(joined_lists)
{
    static struct entry some[4];
    struct entry_list l = {NULL, NULL}, more = {NULL, NULL};
    int n = _i % 3, m = _i / 3;

    for (int i = 0; i < n; i++)
        entry_list_push(&l, &some[i]);
    for (int i = 0; i < m; i++)
        entry_list_push(&more, &some[n + i]);
    entry_list_join(&l, &more);
    ck_assert_ptr_null(more.head);
    ck_assert_ptr_null(more.tail);
    if (n + m < 4)
        entry_list_push(&l, &some[n + m++]);
    for (int i = 0; i < n + m; i++)
        ck_assert_ptr_eq(entry_list_pop(&l), &some[i]);
    ck_assert_ptr_null(l.head);
    ck_assert_ptr_null(l.tail);
}
END_TEST

#ifdef BRIM_INTERFERE
/* ---- What another thread does in the midst of an operation, at each place */

static void passing_hold(void *arg)
{
    (void)arg;
    (void)atom_add_relaxed(&e->state, STATE_REF);
}

static unsigned other_events;

static void passing_hold_undone(void *arg)
{
    passing_hold(arg);
    other_events = entry_release(e);
}

static void use(void *arg)
{
    (void)arg;
    entry_mark_used(e);
}

static void leave(void *arg)
{
    (void)arg;
    (void)entry_unlink(e);
}

/* A reader holds, in passing, what the last holder releases: the value has one destroyer, and it dies unheld. */
START_TEST(held_in_passing_at_the_last_release)
{
    for (unsigned after = 0;; after++) {
        unsigned events;
        make(1, 0);
        (void)entry_unlink(e);
        (void)entry_release(e); /* the link's */
        atom_interfere(after, passing_hold, NULL);
        events = entry_release(e);
        if (!atom_has_interfered()) {
            ck_assert_uint_ge(after, 3); /* before the release, the look, and the exchange */
            ck_assert_uint_eq(events, ENTRY_UNPIN | ENTRY_LAST);
            break;
        }
        ck_assert_uint_eq(events, after == 0 ? 0 : ENTRY_UNPIN);
        expect_counts(1, 0, false, false);
        ck_assert_uint_eq(entry_release(e), ENTRY_UNPIN | ENTRY_LAST);
        expect_counts(0, 1, false, true);
    }
}
END_TEST

/* The reader gives back what it held in passing: one of both is the last. */
START_TEST(held_in_passing_and_undone)
{
    for (unsigned after = 1;; after++) { /* once it is released */
        unsigned events;
        make(1, 0);
        (void)entry_unlink(e);
        (void)entry_release(e);
        atom_interfere(after, passing_hold_undone, NULL);
        events = entry_release(e);
        if (!atom_has_interfered()) {
            ck_assert_uint_ge(after, 3);
            break;
        }
        ck_assert_uint_eq(events, ENTRY_UNPIN);
        ck_assert_uint_eq(other_events, ENTRY_UNPIN | ENTRY_LAST);
        expect_counts(0, 1, false, true);
    }
}
END_TEST

/* It is marked as used meanwhile: the exchange fails and is made again. */
START_TEST(used_meanwhile)
{
    bool go_on = true;

    for (unsigned after = 0; go_on; after++) {
        switch (_i) {
        case 0:
            make(1, 0);
            (void)entry_unlink(e);
            (void)entry_release(e);
            atom_interfere(after, use, NULL);
            ck_assert_uint_eq(entry_release(e), ENTRY_UNPIN | ENTRY_LAST);
            break;
        case 1:
            make(0, 0);
            atom_interfere(after, use, NULL);
            ck_assert(entry_try_evict(e));
            break;
        case 2:
            make(0, 0);
            atom_interfere(after, use, NULL);
            ck_assert(entry_unlink(e));
            break;
        case 3:
            make(1, 0);
            atom_interfere(after, use, NULL);
            ck_assert(entry_remove_last(e));
            break;
        case 4:
            make(0, 1);
            (void)entry_unlink(e);
            (void)entry_drop_key(e);
            atom_interfere(after, use, NULL);
            ck_assert(entry_try_key(e));
            ck_assert(!entry_drop_key(e));
            break;
        case 5:
            make(0, 0);
            (void)entry_unlink(e);
            (void)entry_copy_hold(e);
            atom_interfere(after, use, NULL);
            ck_assert(!entry_end_wait(e));
            ck_assert_uint_eq(entry_release(e), ENTRY_UNPIN | ENTRY_LAST);
            break;
        }
        go_on = atom_has_interfered();
        expect_counts(0, 1, false, true);
        ck_assert_int_eq(entry_take_use(e), go_on);
        ck_assert(go_on || after >= 2);
    }
}
END_TEST

/* It is held before it is evicted, or its last ref removed: or too late for that, and then not held. */
START_TEST(held_meanwhile)
{
    for (unsigned after = 0;; after++) {
        bool done;
        make((unsigned)_i, 0);
        atom_interfere(after, passing_hold, NULL);
        done = _i == 0 ? entry_try_evict(e) : entry_remove_last(e);
        if (!atom_has_interfered())
            break;
        ck_assert(!done);
        expect_counts(2 + (unsigned)_i, 0, true, false);
    }
}
END_TEST

/* It leaves between the look and the hold: the hold is undone, and with nobody else there the undoer is the last. */
START_TEST(leaves_while_it_is_held)
{
    for (unsigned after = 0;; after++) {
        unsigned events;
        make(_i == 0 ? 0 : 1, 0);
        atom_interfere(after, leave, NULL);
        events = entry_try_hold(e);
        if (!atom_has_interfered()) {
            ck_assert_uint_eq(events, _i == 0 ? ENTRY_HELD | ENTRY_PIN : ENTRY_HELD);
            ck_assert_uint_eq(after, 2);
            break;
        }
        if (_i == 0) { /* dead at once, the value the unlinker's; of a hold made then and undone there is no trace */
            ck_assert_uint_eq(events & (ENTRY_HELD | ENTRY_LAST), 0);
            ck_assert_uint_eq((events & ENTRY_PIN) != 0, (events & ENTRY_UNPIN) != 0);
            expect_counts(0, 1, false, true);
        } else { /* the link's ref and the holder's are there */
            ck_assert_uint_eq(events, 0);
            expect_counts(2, 0, false, false);
        }
    }
}
END_TEST

/* All others release what has left while a reader holds it in passing: who undoes that is the last. */
static void all_release(void *arg)
{
    (void)arg;
    (void)entry_release(e);
    (void)entry_release(e);
}

static void leaves_held(void *arg)
{
    (void)arg;
    (void)entry_unlink(e);
    atom_interfere(1, all_release, NULL); /* between the hold and its undoing */
}

START_TEST(undone_as_the_last)
{
    make(1, 0);
    atom_interfere(1, leaves_held, NULL); /* between the look and the hold */
    ck_assert_uint_eq(entry_try_hold(e), ENTRY_UNPIN | ENTRY_LAST);
    ck_assert(atom_has_interfered());
    expect_counts(0, 1, false, true);
}
END_TEST

static void restamp(void *arg)
{
    atom_store_relaxed(&e->next, *(uintptr_t *)arg);
}

/* Another stamps it meanwhile, or it leaves, and has a successor. */
START_TEST(stamped_meanwhile)
{
    uintptr_t born = (uintptr_t)9 << STAMP_BORN_SHIFT, now = STAMP | (uintptr_t)7 << STAMP_FRAME_SHIFT;
    uintptr_t others[] = {born | STAMP | (uintptr_t)8 << STAMP_FRAME_SHIFT, born | now, 0x7f0000000010, 0x7f0000000011};

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        make(0, 0);
        atom_store_relaxed(&e->next, born | STAMP);
        atom_interfere(1, restamp, &others[i]);
        entry_stamp(e, now);
        ck_assert(atom_has_interfered());
        ck_assert_uint_eq(entry_stamped(e), i < 2 ? born | now : others[i]);
    }
}
END_TEST

/* What is so already is looked at, and not written (G7). */
static void stamp_again(void *arg)
{
    (void)arg;
    entry_stamp(e, STAMP | (uintptr_t)7 << STAMP_FRAME_SHIFT);
    entry_restamp(e, STAMP | (uintptr_t)7 << STAMP_FRAME_SHIFT, STAMP | (uintptr_t)7 << STAMP_FRAME_SHIFT);
}

static void take_unused(void *arg)
{
    (void)arg;
    (void)entry_take_use(e);
}

static void hold_again(void *arg)
{
    (void)arg;
    (void)entry_try_hold(e);
    (void)entry_release(e);
}

START_TEST(written_only_if_it_changes)
{
    make(2, 0);
    ck_assert_uint_eq(operations_of(take_unused, NULL), 1);
    ck_assert_uint_eq(operations_of(hold_again, NULL), 3); /* a look, and two additions */
    entry_mark_used(e);
    ck_assert_uint_eq(operations_of(use, NULL), 1);
    atom_store_relaxed(&e->next, STAMP | (uintptr_t)7 << STAMP_FRAME_SHIFT);
    ck_assert_uint_eq(operations_of(stamp_again, NULL), 1);
    (void)entry_unlink(e);
    (void)entry_release(e);
    (void)entry_release(e);
    (void)entry_release(e);
    expect_counts(0, 1, false, true);
    (void)entry_copy_hold(e);
    (void)entry_copy_hold(e);
    ck_assert_uint_eq(entry_release(e), 0);
    atom_interfere(1, interfere_by_nothing, NULL);
    ck_assert_uint_eq(entry_release(e), ENTRY_UNPIN);
    ck_assert(!atom_has_interfered()); /* of a dead one nobody tries to be the last */
}
END_TEST
#endif

/* ---- Misuse */

static void release_twice(void)
{
    make(1, 0);
    (void)entry_unlink(e);
    (void)entry_release(e);
    (void)entry_release(e);
    (void)entry_release(e);
}

static void drop_twice(void)
{
    make(0, 1);
    (void)entry_drop_key(e);
    (void)entry_drop_key(e);
}

static void hold_too_often(void)
{
    make(0, 0);
    atom_store_relaxed(&e->state, STATE_LINKED + STATE_COUNT_MASK - 1000);
    (void)entry_try_hold(e);
}

static void key_too_often(void)
{
    make(0, 0);
    atom_store_relaxed(&e->state, STATE_LINKED + STATE_REF + STATE_KEY * (STATE_COUNT_MASK - 1000));
    (void)entry_try_key(e);
}

static void copy_hold_too_often(void)
{
    make(0, 0);
    atom_store_relaxed(&e->state, STATE_LINKED + STATE_COUNT_MASK - 1000);
    (void)entry_copy_hold(e);
}

static void copy_key_too_often(void)
{
    make(0, 0);
    atom_store_relaxed(&e->state, STATE_LINKED + STATE_REF + STATE_KEY * (STATE_COUNT_MASK - 1000));
    entry_copy_key(e);
}

START_TEST(misuse_aborts)
{
    static void (*const misuse[])(void) = {release_twice, drop_twice, hold_too_often, key_too_often,
                                           copy_hold_too_often, copy_key_too_often};
    int status = 0;
    pid_t pid = fork();

    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        misuse[_i]();
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

/* ---- Races: readers hold and release while a writer unlinks */

enum { ENTRIES = 4000, READERS = 3 };

static struct { struct entry e; char key[8]; atomic_int lasts, pins; } race[ENTRIES];

static void act(unsigned i, unsigned events)
{
    if (events & ENTRY_PIN)
        atomic_fetch_add(&race[i].pins, 1);
    if (events & ENTRY_UNPIN)
        atomic_fetch_sub(&race[i].pins, 1);
    if (events & ENTRY_LAST)
        atomic_fetch_add(&race[i].lasts, 1);
}

static void run(unsigned id, void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < SCALED(ENTRIES); i++) {
        struct entry *x = &race[i].e;
        unsigned events;

        if (id == 0) {
            if (i % 3 == 0 ? entry_try_evict(x) : entry_unlink(x))
                act(i, ENTRY_LAST);
            else if (i % 3 == 0)
                act(i, entry_unlink(x) ? ENTRY_LAST : entry_release(x));
            else
                act(i, entry_release(x));
            continue;
        }
        events = entry_try_hold(x);
        act(i, events);
        if (events & ENTRY_HELD) {
            EXPECT(atomic_load(&race[i].lasts) == 0);
            act(i, entry_release(x));
        }
    }
}

START_TEST(one_destroyer_in_a_race)
{
    for (int round = 0; round < 5; round++) {
        for (unsigned i = 0; i < SCALED(ENTRIES); i++) {
            entry_init(&race[i].e, "k", 1, NULL, 1);
            entry_publish(&race[i].e, 0, 0);
            atomic_store(&race[i].lasts, 0);
            atomic_store(&race[i].pins, 0);
        }
        crew_do(READERS + 1, run, NULL);
        for (unsigned i = 0; i < SCALED(ENTRIES); i++) {
            ck_assert_int_eq(atomic_load(&race[i].lasts), 1);
            ck_assert_int_eq(atomic_load(&race[i].pins), 0);
            ck_assert(entry_drop_key(&race[i].e));
        }
    }
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("entry");

    tcase_add_test(tc, keys_of_all_lengths);
    tcase_add_test(tc, whose_key_it_is);
    tcase_add_test(tc, linked_holds);
    tcase_add_loop_test(tc, linked_to_dead, 0, 2);
    tcase_add_test(tc, left_to_dead);
    tcase_add_loop_test(tc, dead_and_held_again, 0, 2);
    tcase_add_test(tc, remove_last);
    tcase_add_test(tc, keys_and_the_destroyer);
    tcase_add_test(tc, the_used_bit);
    tcase_add_test(tc, fields_of_a_stamp);
    tcase_add_test(tc, a_use_keeps_the_birth);
    tcase_add_test(tc, what_has_left_is_not_stamped);
    tcase_add_test(tc, refs_of_what_was_never_linked);
    tcase_add_test(tc, lists);
    tcase_add_loop_test(tc, joined_lists, 0, 9);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, held_in_passing_at_the_last_release);
    tcase_add_test(tc, held_in_passing_and_undone);
    tcase_add_loop_test(tc, used_meanwhile, 0, 6);
    tcase_add_loop_test(tc, held_meanwhile, 0, 2);
    tcase_add_loop_test(tc, leaves_while_it_is_held, 0, 2);
    tcase_add_test(tc, undone_as_the_last);
    tcase_add_test(tc, stamped_meanwhile);
    tcase_add_test(tc, written_only_if_it_changes);
#endif
    tcase_add_loop_test(tc, misuse_aborts, 0, 6);
    tcase_add_test(tc, one_destroyer_in_a_race);
    return suite_run(tc);
}
