/* SPDX-License-Identifier: MIT */
/* What lanes do to the cache: one function an operation, each checks all that it can know. */
#ifndef BENCH_STRESS_USE_H
#define BENCH_STRESS_USE_H
#include "stress_phase.h"
#include "stress_stale.h"
#include "stress_value.h"

typedef void lane_operation(struct lane *);

/* stress_bytes.c: by key bytes */
lane_operation use_find, use_insert, use_insert_with, use_insert_or_wrap, use_insert_big, use_contains, use_remove;

/* What is looked up, and what somebody had seen of it before: G6. */
struct look_up {
    struct key_bytes key;
    uint64_t id, before;
    struct moment moment;
};
struct look_up lane_look_up(struct lane *, uint64_t id);
struct look_up lane_pick_look_up(struct lane *);
void lane_check_found(struct lane *, const struct look_up *, const struct value *);    /* NULL: it was not found */

/* stress_refs.c */
lane_operation use_ref_again, use_set_cost, use_wrap;
void lane_hit(struct lane *, brim_ref *);       /* checks a ref that is this lane's, and keeps it, passes it on or releases it */
void lane_release(struct lane *, brim_ref *);
void lane_drop_refs(struct lane *);

/* stress_keys.c */
lane_operation use_key_take, use_key_find, use_key_check, use_key_pass, use_key_remove, use_key_replace,
    use_anonymous;
void lane_keep_key(struct lane *, brim_key *, uint64_t serial);   /* takes over the count */
void lane_drop_keys(struct lane *);
void lane_check_key(struct lane *, struct known_key *, const struct value *);     /* the key has found it */

/* stress_slots.c */
lane_operation use_slot_load, use_slot_store, use_slot_exchange, use_slot_compare, use_slot_find;

/* stress_bounds.c */
lane_operation use_reserve, use_trim, use_capacity, use_clear, use_look;

/* stress_walks.c */
lane_operation use_remove_if, use_for_each;

/* stress_many.c: many look-ups at once */
lane_operation use_find_many, use_find_fixed, use_key_find_many, use_release_many, use_peek_many, use_peek_fixed;

/* stress_groups.c, stress_ages.c, stress_frames.c, stress_limits.c */
lane_operation use_group_invalidate, use_group_close, use_group_look, use_group_own;
lane_operation use_clock;
lane_operation use_frame, use_idle, use_trim_unused;
lane_operation use_limits;

/* stress_loader.c, stress_claims.c, stress_async.c */
lane_operation use_get, use_get_with, use_key_get, use_load_cancel;
lane_operation use_claim, use_claim_many;
lane_operation use_claim_async, use_wait_cancel;

/* stress_sections.c */
lane_operation use_section_begin, use_section_end, use_section_refresh, use_peek, use_key_peek, use_borrow,
    use_loan_again, use_loan_hold;
bool lane_in_section(struct lane *);            /* mostly begins one if none is open */
void lane_borrow(struct lane *, const struct value *, const brim_ref *);   /* checks it, and again before the section ends; ref may be NULL */
void lane_leave_sections(struct lane *);        /* ends them, or leaves that to the end of the thread */

/* ---- Helpers (stress_lanes.c) ---- */

uint64_t lane_pick(struct lane *);              /* any id, small ones more often */
uint64_t lane_pick_writable(struct lane *);     /* one that this lane may insert */
bool lane_may_remove(const struct lane *, uint64_t id);
uint64_t lane_next_version(struct lane *, uint64_t id);
size_t lane_pick_size(struct lane *);
bool lane_has_room(const struct lane *);        /* to insert, where nothing may be refused */
void lane_pause(struct lane *);                 /* now and then lets others run at an awkward moment */
void phase_saw(struct phase *, uint64_t id, uint64_t version);

/* Runs operations until its life or the phase ends; a thread's. */
void *lane_run(void *lane);
#endif
