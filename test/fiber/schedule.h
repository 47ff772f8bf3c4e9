/* SPDX-License-Identifier: MIT
 *
 * What the scheduler (fiber.c) and what stands for the system's threads (threads.c) share.
 */
#ifndef BRIM_TEST_FIBER_SCHEDULE_H
#define BRIM_TEST_FIBER_SCHEDULE_H

#include <ucontext.h>

#include "fiber/fiber.h"
#include "fiber/threads.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN
#elif __has_feature(address_sanitizer)
#define WITH_ASAN
#endif
#endif

#ifdef WITH_TSAN
#include <sanitizer/tsan_interface.h>
#else
#define __tsan_acquire(p) ((void)(p))
#define __tsan_release(p) ((void)(p))
#endif
#ifdef WITH_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum { FIBERS = FIBER_MOST + 1, KEYS = 4, LOCALS = 16, LOCAL_BYTES = 1024 };

enum state {
    ENDED,
    READY,
    BLOCKED, /* by a mutex */
    WAITING, /* for a condition, perhaps until a time */
    ASLEEP   /* until a time */
};

struct fiber {
    ucontext_t context;
    enum state state;
    const void *waits_for; /* BLOCKED, WAITING */
    uint64_t deadline;     /* WAITING, ASLEEP; 0: none */
    bool timed_out;
    uint64_t priority;
    uint64_t random;
    void *value[KEYS]; /* thread-specific */
    void *local[LOCALS];
    size_t locals;
    _Alignas(16) unsigned char local_bytes[LOCAL_BYTES];
#ifdef WITH_TSAN
    void *tsan;
#endif
#ifdef WITH_ASAN
    void *fake_stack;
    const void *bottom;
    size_t size;
#endif
};

extern struct fiber fibers[FIBERS]; /* the first is the program's own */
extern struct fiber *running;
extern uint64_t now_ns, tick; /* the time, and how much of it passes between two looks */
extern unsigned undivided;    /* more than 0: nobody else comes in between */

uint64_t next_random(uint64_t *state);
_Noreturn void fail(const char *what);

/*
 * may_switch():
 * A schedule is under way, and others may come in between.
 */
bool may_switch(void);

/*
 * pass(others):
 * Let somebody run, the caller too unless it waits; ${others}: rather than the caller.  step: count one; behind_all:
 * the caller's priority is the lowest from now on.
 */
void pass(bool others);
void step(void);
void behind_all(void);

/*
 * end_thread():
 * The running one ends: run what a thread's end runs, and forget what was its own.
 */
void end_thread(void);

/* The scheduler is not what is checked: its own data would look unordered, and its accesses order the fibers. */
#ifdef __clang__
#define UNCHECKED_BEGIN                                                                                           \
    _Pragma("clang attribute push(__attribute__((no_sanitize(\"thread\"))), apply_to = function)")                \
    _Pragma("clang attribute push(__attribute__((no_sanitize(\"address\", \"undefined\"))), apply_to = function)")
#define UNCHECKED_END _Pragma("clang attribute pop") _Pragma("clang attribute pop")
#else
#define UNCHECKED_BEGIN
#define UNCHECKED_END
#endif

#endif
