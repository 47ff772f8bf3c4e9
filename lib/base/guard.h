/* SPDX-License-Identifier: MIT
 *
 * What a lock protects, said so that clang checks it (-Wthread-safety; docs/TESTING.md): nothing for other compilers.
 *
 * In C clang cannot name the lock of the struct that a field lies in.  So locks of a rank are one capability, named after
 * it.  That is as good as the lock itself, since of no rank does a thread hold two, but where it holds all of it: fork, and
 * limits that begin.  Their order is that of enum lock_rank, and checked as well.
 */
#ifndef BRIM_BASE_GUARD_H
#define BRIM_BASE_GUARD_H

#if defined(__clang__) && !defined(__cplusplus)
#define GUARD_ATTRIBUTE(x) __attribute__((x))
#else
#define GUARD_ATTRIBUTE(x)
#endif

#define CAPABILITY(name) GUARD_ATTRIBUTE(capability(name))
#define AFTER(...) GUARD_ATTRIBUTE(acquired_after(__VA_ARGS__))
#define BEFORE(...) GUARD_ATTRIBUTE(acquired_before(__VA_ARGS__))

/* Of a field or variable: only who holds ${...} touches it; what it points to. */
#define GUARDED_BY(...) GUARD_ATTRIBUTE(guarded_by(__VA_ARGS__))
#define PT_GUARDED_BY(...) GUARD_ATTRIBUTE(pt_guarded_by(__VA_ARGS__))

/* Of a function: its caller holds ${...}; it returns with it; it gives it up; its caller does not hold it. */
#define REQUIRES(...) GUARD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define ACQUIRES(...) GUARD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define RELEASES(...) GUARD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define EXCLUDES(...) GUARD_ATTRIBUTE(locks_excluded(__VA_ARGS__))

/* From its call on ${...} counts as held. */
#define ASSERTS(...) GUARD_ATTRIBUTE(assert_capability(__VA_ARGS__))

/* Of a function that takes, or gives up, a lock of rank ${...}: from its body the analysis could not tell. */
#define LOCKS(...) ACQUIRES(__VA_ARGS__) UNFOLLOWED
#define UNLOCKS(...) RELEASES(__VA_ARGS__) UNFOLLOWED

/* Of other functions that the analysis cannot follow: a comment says why. */
#define UNFOLLOWED GUARD_ATTRIBUTE(no_thread_safety_analysis)

struct CAPABILITY("rank") rank {
    char none;
};
extern struct rank rank_list;
extern struct rank rank_waits AFTER(rank_list);
extern struct rank rank_shard AFTER(rank_waits);
extern struct rank rank_adapt AFTER(rank_shard);
extern struct rank rank_arena AFTER(rank_adapt);
extern struct rank rank_kind AFTER(rank_arena);
extern struct rank rank_limbo AFTER(rank_kind);
extern struct rank rank_queues AFTER(rank_limbo);
extern struct rank rank_pins AFTER(rank_queues);

#define ALL_RANKS                                                                                                 \
    rank_list, rank_waits, rank_shard, rank_adapt, rank_arena, rank_kind, rank_limbo, rank_queues, rank_pins

/* Of a function that may run the user's code, which never runs under a lock. */
#define NO_LOCK_HELD EXCLUDES(ALL_RANKS)

/*
 * guard_is_alone():
 * From here to the end of the function nobody else can see what is touched: it is being made, or destroyed.
 */
static inline void guard_is_alone(void) ASSERTS(ALL_RANKS);
static inline void guard_is_alone(void)
{
}

#endif
