/* SPDX-License-Identifier: MIT
 *
 * part/membarrier: a barrier in all threads, or a refusal.
 */
#include <sched.h>

#include "part/membarrier.h"
#include "support/support.h"

START_TEST(what_is_registered_works)
{
    bool have = membarrier_register();

#ifdef BRIM_YIELD
    ck_assert(!have); /* checking builds do without */
#endif
    ck_assert_int_eq(membarrier_register(), have);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(membarrier_all(), have);
}
END_TEST

enum { ROUNDS = 5000 };

static struct {
    atomic_int x, y;
    int saw_x, saw_y;
    atomic_uint turn;
} dekker;

static void meet(unsigned *arrivals)
{
    *arrivals += 2;
    atomic_fetch_add(&dekker.turn, 1);
    while (atomic_load(&dekker.turn) < *arrivals)
        sched_yield();
}

/* Plain store and load on one side, a barrier for both on the other: one of them sees the other's store. */
static void play(unsigned id, void *arg)
{
    unsigned arrivals = 0;

    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        meet(&arrivals);
        if (id == 0) {
            atomic_store_explicit(&dekker.x, 1, memory_order_relaxed);
            atomic_signal_fence(memory_order_seq_cst);
            dekker.saw_y = atomic_load_explicit(&dekker.y, memory_order_relaxed);
        } else {
            atomic_store_explicit(&dekker.y, 1, memory_order_relaxed);
            EXPECT(membarrier_all());
            dekker.saw_x = atomic_load_explicit(&dekker.x, memory_order_relaxed);
        }
        meet(&arrivals);
        EXPECT(dekker.saw_x || dekker.saw_y);
        meet(&arrivals);
        atomic_store(id == 0 ? &dekker.x : &dekker.y, 0);
    }
}

START_TEST(one_side_pays_for_both)
{
    if (!membarrier_register())
        return;
    memset(&dekker, 0, sizeof dekker);
    crew_do(2, play, NULL);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("membarrier");

    tcase_add_test(tc, what_is_registered_works);
    tcase_add_test(tc, one_side_pays_for_both);
    return suite_run(tc);
}
