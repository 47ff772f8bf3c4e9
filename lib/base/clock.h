/* SPDX-License-Identifier: MIT */
#ifndef BRIM_BASE_CLOCK_H
#define BRIM_BASE_CLOCK_H

#include <stdint.h>

/*
 * clock_now():
 * Nanoseconds on the system's monotonic clock.
 */
uint64_t clock_now(void);

/*
 * clock_coarse():
 * The same to within some milliseconds, and cheaper.
 */
uint64_t clock_coarse(void);

/*
 * clock_pause(ns):
 * Give up the processor for ${ns}, or a little more: for the few places that poll.  The thread cannot be canceled
 * meanwhile, and signals do not make it shorter.
 */
void clock_pause(uint64_t ns);

#endif
