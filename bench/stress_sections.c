/* SPDX-License-Identifier: MIT */
#include "stress_use.h"

#include <inttypes.h>

enum { DEPTH = 3 };

/* ---- What is borrowed */

static void check_loan(const struct phase *p, const struct loan *loan)
{
    const struct value *v = loan->value;
    if (!value_check(p, v))
        return;
    if (v->serial != loan->serial)
        stress_violation(p, "G2: where value %" PRIu64 " was borrowed is value %" PRIu64, loan->serial, v->serial);
    if (loan->ref != NULL && value_check_ref(p, loan->ref) != v)
        stress_violation(p, "G2: a borrowed ref has another value than before");
}

static void check_loans(const struct lane *l)
{
    for (unsigned i = 0; i < l->loan_count; i++)
        check_loan(l->phase, &l->loans[i]);
}

/* The section ends: nothing that was borrowed in it is valid any more. */
static void give_back(struct lane *l)
{
    check_loans(l);
    l->loan_count = 0;
}

void lane_borrow(struct lane *l, const struct value *v, const brim_ref *ref)
{
    const struct loan loan = {.value = v, .ref = ref, .serial = v->serial};
    check_loan(l->phase, &loan);
    phase_event(l->phase, EVENT_BORROWED);
    l->hits++;
    if (l->loan_count < LANE_LOANS)
        l->loans[l->loan_count++] = loan;
    else
        l->loans[rng_below(&l->rng, LANE_LOANS)] = loan;
    lane_pause(l);
}

/* ---- Sections */

void use_section_begin(struct lane *l)
{
    if (l->nesting == DEPTH)
        return;
    const brim_status status = brim_read_begin(l->phase->cache);
    if (status == BRIM_OK)
        l->nesting++;
    else if (status != BRIM_NOMEM || l->nesting > 0)
        stress_violation(l->phase, "a section is %s, %u are open", brim_strerror(status), l->nesting);
}

void use_section_end(struct lane *l)
{
    if (l->nesting == 1)
        give_back(l);
    brim_read_end(l->phase->cache);
    if (l->nesting > 0)
        l->nesting--;
    check_loans(l);
}

void use_section_refresh(struct lane *l)
{
    if (l->nesting <= 1)
        give_back(l);
    brim_read_refresh(l->phase->cache);
    check_loans(l);
}

bool lane_in_section(struct lane *l)
{
    if (l->nesting == 0 && rng_below(&l->rng, 16) != 0)
        use_section_begin(l);
    return l->nesting > 0;
}

void lane_leave_sections(struct lane *l)
{
    give_back(l);
    if (rng_below(&l->rng, 2) == 0)
        for (; l->nesting > 0; l->nesting--)
            brim_read_end(l->phase->cache);
    l->nesting = 0;
}

/* ---- Borrowing.  Without a section nothing is lent. */

void use_peek(struct lane *l)
{
    const struct phase *p = l->phase;
    const bool inside = lane_in_section(l);
    const struct look_up u = lane_pick_look_up(l);
    const struct value *v = brim_peek(p->cache, u.key.data, u.key.len);
    if (!inside && v != NULL)
        stress_violation(p, "a peek without a section finds a value");
    if (!inside)
        return;
    lane_check_found(l, &u, v);
    if (v != NULL)
        lane_borrow(l, v, NULL);
}

void use_key_peek(struct lane *l)
{
    struct known_key *k = &l->keys[rng_below(&l->rng, LANE_KEYS)];
    const bool inside = lane_in_section(l);
    const struct value *v = brim_key_peek(k->key);
    if (v == NULL)
        return;
    if (!inside) {
        stress_violation(l->phase, "a peek by key without a section finds a value");
        return;
    }
    lane_borrow(l, v, NULL);
    lane_check_key(l, k, v);
}

void use_borrow(struct lane *l)
{
    const struct phase *p = l->phase;
    const bool inside = lane_in_section(l);
    const struct look_up u = lane_pick_look_up(l);
    const brim_ref *ref = brim_borrow(p->cache, u.key.data, u.key.len);
    if (!inside && ref != NULL)
        stress_violation(p, "a ref is lent without a section");
    if (!inside)
        return;
    lane_check_found(l, &u, ref != NULL ? value_check_ref(p, ref) : NULL);
    if (ref != NULL)
        lane_borrow(l, brim_ref_value(ref), ref);
}

/* ---- What was borrowed before */

void use_loan_again(struct lane *l)
{
    check_loans(l);
}

/* Beyond the section, also if it has left since. */
void use_loan_hold(struct lane *l)
{
    if (l->loan_count == 0)
        return;
    const struct loan *loan = &l->loans[rng_below(&l->rng, l->loan_count)];
    brim_ref *ref = brim_ref_hold(loan->ref);
    if ((ref != NULL) != (loan->ref != NULL) || brim_ref_value(ref) != (ref != NULL ? loan->value : NULL))
        stress_violation(l->phase, "the hold of a borrowed ref has another value");
    if (ref != NULL)
        lane_hit(l, ref);
}
