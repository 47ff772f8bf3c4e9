/* SPDX-License-Identifier: MIT */
#include "base/atom.h"

#if defined(BRIM_YIELD) && !defined(BRIM_FIBER)
#include <pthread.h>
#include <sched.h>
#include <time.h>

/*
 * atom_yield():
 * Let another thread run now and then: one yield in 16 operations, one short sleep in 4096.  Two cores alone hardly
 * overlap; with this the sanitizers saw every planted bug in every run.
 */
void atom_yield(void)
{
    static _Thread_local uint64_t s;
    static _Atomic(uint64_t) seed = 88172645463325252u;

    if (s == 0)
        s = atomic_fetch_add_explicit(&seed, 0x9E3779B97F4A7C15u, memory_order_relaxed) | 1;
    s ^= s << 13;
    s ^= s >> 7;
    s ^= s << 17;
    if ((s & 15) == 0) {
        sched_yield();
    } else if ((s & 4095) == 1) {
        struct timespec t = {0, 1000};
        int cancel;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
        nanosleep(&t, NULL);
        pthread_setcancelstate(cancel, &cancel);
    }
}
#elif defined(BRIM_INTERFERE)
static _Thread_local struct {
    void (*act)(void *arg);
    void *arg;
    unsigned after;
} interference;

void atom_interfere(unsigned after, void (*act)(void *arg), void *arg)
{
    interference.act = act;
    interference.arg = arg;
    interference.after = after;
}

bool atom_has_interfered(void)
{
    bool has = interference.act == NULL;

    interference.act = NULL;
    return has;
}

void atom_yield(void)
{
    void (*act)(void *arg) = interference.act;

    if (act != NULL && interference.after-- == 0) {
        interference.act = NULL;
        act(interference.arg);
    }
}
#else
typedef int atom_c_is_empty_without_yields;
#endif
