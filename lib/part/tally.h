/* SPDX-License-Identifier: MIT
 *
 * A count of things alive that many threads change at once and nobody needs to see reach zero until it is closed:
 * until then it is spread over lines of their own for the threads with low numbers, which need no locked instruction,
 * and one for all others; closing gathers them into one word, whose way to zero is seen exactly once (as Linux's
 * percpu_ref does).  Beside it an amount, which is only summed.
 *
 *   alive = sum of part[].n + total - BIAS     while open and while closing
 *   alive = total                              once closed
 */
#ifndef BRIM_PART_TALLY_H
#define BRIM_PART_TALLY_H

#include "part/thread.h"

enum { TALLY_PARTS = 16 };

struct tally_part {
    ATOM(uint64_t) n, amount; /* signed */
    char pad[48];
};

struct tally {
    struct tally_part part[TALLY_PARTS]; /* by thread number; 0: shared */
    ATOM(uint64_t) total;
    ATOM(uint32_t) closing; /* read by all */
    char pad[48];
};

void tally_init(struct tally *y);

/*
 * tally_add(y, t), tally_drop(y, t):
 * One thing more, one less.  Dropping returns true if the tally is closed and that was the last: the caller ends what
 * was counted.  Not in a section.
 */
void tally_add(struct tally *y, struct thread *t);
bool tally_drop(struct tally *y, struct thread *t);

/*
 * tally_try_add(y, t):
 * One more, in a section, unless the tally has reached zero.
 */
bool tally_try_add(struct tally *y, struct thread *t);

/*
 * tally_close(y):
 * From now on see it reach zero.  True: it is zero already, and no drop says so.  Once.  Waits for sections.
 */
bool tally_close(struct tally *y);

/*
 * tally_adjust(y, t, delta):
 * Change the amount.
 */
void tally_adjust(struct tally *y, struct thread *t, size_t delta);

uint64_t tally_count(const struct tally *y);  /* exact while nothing changes, and before it is closed */
size_t tally_amount(const struct tally *y);

#endif
