/* SPDX-License-Identifier: MIT
 *
 * All shared state goes through this header: atomics whose memory order is in the operation's name.  An ATOM is a
 * struct, so that plain reads, plain writes and operations without an order do not compile.
 *
 * Back ends: native C11; the same with a yield at every operation (BRIM_YIELD, for ThreadSanitizer and
 * AddressSanitizer runs); the same on fibers, whose scheduler is the yield (BRIM_FIBER beside it: test/fiber); with a
 * place for a unit test to interfere (BRIM_INTERFERE); C++ over Relacy (BRIM_RELACY), which explores schedules of the
 * C11 memory model.
 * Every order used is explained in docs/ORDERING.md.
 */
#ifndef BRIM_BASE_ATOM_H
#define BRIM_BASE_ATOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef BRIM_RELACY

#include "base/plant.h"
#define ATOM(T)                                                                                                   \
    struct {                                                                                                      \
        rl::atomic<T> v;                                                                                          \
    }
#define ATOM_OP(a) (a)->v
#define atom_load_relaxed(a) ATOM_OP(a).load(rl::mo_relaxed, $)
#define atom_load_acquire(a) ATOM_OP(a).load(PLANT_ORDER("load_acquire", #a, plant_acquire).order, $)
#define atom_load_seq_cst(a) ATOM_OP(a).load(PLANT_ORDER("load_seq_cst", #a, plant_load_seq_cst).order, $)
#define atom_store_relaxed(a, x) ATOM_OP(a).store((x), rl::mo_relaxed, $)
#define atom_store_release(a, x) ATOM_OP(a).store((x), PLANT_ORDER("store_release", #a, plant_release).order, $)
#define atom_store_seq_cst(a, x) ATOM_OP(a).store((x), PLANT_ORDER("store_seq_cst", #a, plant_store_seq_cst).order, $)
#define atom_add_relaxed(a, x) ATOM_OP(a).fetch_add((x), rl::mo_relaxed, $)
#define atom_add_acquire(a, x) ATOM_OP(a).fetch_add((x), PLANT_ORDER("add_acquire", #a, plant_acquire).order, $)
#define atom_add_release(a, x) ATOM_OP(a).fetch_add((x), PLANT_ORDER("add_release", #a, plant_release).order, $)
#define atom_add_acq_rel(a, x) ATOM_OP(a).fetch_add((x), PLANT_ORDER("add_acq_rel", #a, plant_acq_rel).order, $)
#define atom_add_seq_cst(a, x) ATOM_OP(a).fetch_add((x), PLANT_ORDER("add_seq_cst", #a, plant_rmw_seq_cst).order, $)
#define atom_sub_relaxed(a, x) ATOM_OP(a).fetch_sub((x), rl::mo_relaxed, $)
#define atom_sub_release(a, x) ATOM_OP(a).fetch_sub((x), PLANT_ORDER("sub_release", #a, plant_release).order, $)
#define atom_sub_acq_rel(a, x) ATOM_OP(a).fetch_sub((x), PLANT_ORDER("sub_acq_rel", #a, plant_acq_rel).order, $)
#define atom_sub_seq_cst(a, x) ATOM_OP(a).fetch_sub((x), PLANT_ORDER("sub_seq_cst", #a, plant_rmw_seq_cst).order, $)
#define atom_or_relaxed(a, x) ATOM_OP(a).fetch_or((x), rl::mo_relaxed, $)
#define atom_and_relaxed(a, x) ATOM_OP(a).fetch_and((x), rl::mo_relaxed, $)
#define atom_exchange_acq_rel(a, x) ATOM_OP(a).exchange((x), PLANT_ORDER("exchange_acq_rel", #a, plant_acq_rel).order, $)
#define atom_exchange_seq_cst(a, x) ATOM_OP(a).exchange((x), PLANT_ORDER("exchange_seq_cst", #a, plant_rmw_seq_cst).order, $)
#define ATOM_CAS(a, old, x, place) plant_cas(ATOM_OP(a), *(old), (x), (place), $)
#define atom_cas_relaxed(a, old, x) ATOM_OP(a).compare_exchange_weak(*(old), (x), rl::mo_relaxed, $, rl::mo_relaxed, $)
#define atom_cas_acquire(a, old, x) ATOM_CAS(a, old, x, PLANT_ORDER("cas_acquire", #a, plant_acquire))
#define atom_cas_release(a, old, x) ATOM_CAS(a, old, x, PLANT_ORDER("cas_release", #a, plant_release))
#define atom_cas_acq_rel(a, old, x) ATOM_CAS(a, old, x, PLANT_ORDER("cas_acq_rel", #a, plant_acq_rel))
#define atom_cas_seq_cst(a, old, x) ATOM_CAS(a, old, x, PLANT_ORDER("cas_seq_cst", #a, plant_rmw_seq_cst))
#define SHARED(T) rl::var<T>
#define shared_get(x) ((x)($).load())
#define shared_set(x, y) ((x)($).store(y))

#else

#include <stdatomic.h>

/*
 * PLANTED(name):
 * False, but in a test build with -DBRIM_PLANT_name=1, or on fibers if the program was told so: the place of a bug
 * that a harness must catch.  Over Relacy all of them are there, and any one is planted as the harness begins
 * (base/plant.h).
 */
#ifdef BRIM_FIBER
bool fiber_planted(const char *name);
#define PLANTED(name) fiber_planted(#name)
#else
#define PLANT_ARG_1 0,
#define PLANT_SECOND(a, b, ...) b
#define PLANT_SELECT(x) PLANT_SECOND(x 1, 0, 0) /* NOLINT(bugprone-macro-parentheses): ${x} may be `0,' */
#define PLANT_VALUE(x) PLANT_PASTE(PLANT_ARG_, x)
#define PLANT_PASTE(a, b) a##b
#define PLANTED(name) PLANT_SELECT(PLANT_VALUE(BRIM_PLANT_##name))
#endif

#if defined(BRIM_YIELD) || defined(BRIM_INTERFERE)
void atom_yield(void);
#else
#define atom_yield() ((void)0)
#endif
#ifdef BRIM_INTERFERE
/*
 * atom_interfere(after, act, arg), atom_has_interfered():
 * For tests: once, before the next operation but ${after} of this thread, do ${act}, as if another thread did it there.
 * Whether it was done; it is forgotten if not.
 */
void atom_interfere(unsigned after, void (*act)(void *arg), void *arg);
bool atom_has_interfered(void);
#endif
#define ATOM(T)                                                                                                   \
    struct {                                                                                                      \
        _Atomic(T) v;                                                                                             \
    }
#define atom_load_relaxed(a) (atom_yield(), atomic_load_explicit(&(a)->v, memory_order_relaxed))
#define atom_load_acquire(a) (atom_yield(), atomic_load_explicit(&(a)->v, memory_order_acquire))
#define atom_load_seq_cst(a) (atom_yield(), atomic_load_explicit(&(a)->v, memory_order_seq_cst))
#define atom_store_relaxed(a, x) (atom_yield(), atomic_store_explicit(&(a)->v, (x), memory_order_relaxed))
#define atom_store_release(a, x) (atom_yield(), atomic_store_explicit(&(a)->v, (x), memory_order_release))
#define atom_store_seq_cst(a, x) (atom_yield(), atomic_store_explicit(&(a)->v, (x), memory_order_seq_cst))
#define atom_add_relaxed(a, x) (atom_yield(), atomic_fetch_add_explicit(&(a)->v, (x), memory_order_relaxed))
#define atom_add_acquire(a, x) (atom_yield(), atomic_fetch_add_explicit(&(a)->v, (x), memory_order_acquire))
#define atom_add_release(a, x) (atom_yield(), atomic_fetch_add_explicit(&(a)->v, (x), memory_order_release))
#define atom_add_acq_rel(a, x) (atom_yield(), atomic_fetch_add_explicit(&(a)->v, (x), memory_order_acq_rel))
#define atom_add_seq_cst(a, x) (atom_yield(), atomic_fetch_add_explicit(&(a)->v, (x), memory_order_seq_cst))
#define atom_sub_relaxed(a, x) (atom_yield(), atomic_fetch_sub_explicit(&(a)->v, (x), memory_order_relaxed))
#define atom_sub_release(a, x) (atom_yield(), atomic_fetch_sub_explicit(&(a)->v, (x), memory_order_release))
#define atom_sub_acq_rel(a, x) (atom_yield(), atomic_fetch_sub_explicit(&(a)->v, (x), memory_order_acq_rel))
#define atom_sub_seq_cst(a, x) (atom_yield(), atomic_fetch_sub_explicit(&(a)->v, (x), memory_order_seq_cst))
#define atom_or_relaxed(a, x) (atom_yield(), atomic_fetch_or_explicit(&(a)->v, (x), memory_order_relaxed))
#define atom_and_relaxed(a, x) (atom_yield(), atomic_fetch_and_explicit(&(a)->v, (x), memory_order_relaxed))
#define atom_exchange_acq_rel(a, x) (atom_yield(), atomic_exchange_explicit(&(a)->v, (x), memory_order_acq_rel))
#define atom_exchange_seq_cst(a, x) (atom_yield(), atomic_exchange_explicit(&(a)->v, (x), memory_order_seq_cst))
#define atom_cas_relaxed(a, old, x)                                                                               \
    (atom_yield(), atomic_compare_exchange_weak_explicit(&(a)->v, (old), (x), memory_order_relaxed, memory_order_relaxed))
#define atom_cas_acquire(a, old, x)                                                                               \
    (atom_yield(), atomic_compare_exchange_weak_explicit(&(a)->v, (old), (x), memory_order_acquire, memory_order_acquire))
#define atom_cas_release(a, old, x)                                                                               \
    (atom_yield(), atomic_compare_exchange_weak_explicit(&(a)->v, (old), (x), memory_order_release, memory_order_relaxed))
#define atom_cas_acq_rel(a, old, x)                                                                               \
    (atom_yield(), atomic_compare_exchange_weak_explicit(&(a)->v, (old), (x), memory_order_acq_rel, memory_order_acquire))
#define atom_cas_seq_cst(a, old, x)                                                                               \
    (atom_yield(), atomic_compare_exchange_weak_explicit(&(a)->v, (old), (x), memory_order_seq_cst, memory_order_seq_cst))
/* Where the processor's barrier is another's: membarrier's. */
#define atom_compiler_barrier() atomic_signal_fence(memory_order_seq_cst)
#define SHARED(T) T
#define shared_get(x) (x)
#define shared_set(x, y) ((x) = (y))

#endif

/* For extern declarations of what all look-ups read: without it position-independent code goes by way of a table. */
#define HIDDEN __attribute__((visibility("hidden")))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#endif
