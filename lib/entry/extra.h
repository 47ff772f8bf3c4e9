/* SPDX-License-Identifier: MIT
 *
 * What some entries have beside: ages and groups, behind their key.  An entry without pays the test of two bits.
 *
 * Stale is what has outlived its ages, or a group of which has been invalidated since.  It turns so once, and never
 * back: whoever finds an entry expired says so in it, so that nobody's late use revives it.
 */
#ifndef BRIM_ENTRY_EXTRA_H
#define BRIM_ENTRY_EXTRA_H

#include "entry/entry.h"

enum { EXTRA_GROUPS = 4 };

/* A group's state, as entries look at it.  It lives at least as long as the entries that name it. */
struct group_state {
    ATOM(uint64_t) generation; /* rises by 2 with each invalidation; odd: closed for good */
    ATOM(uint64_t) loads;      /* into it, under way */
};
#define GROUP_CLOSED ((uint64_t)1)

struct extra_ages {
    uint64_t born, max_age, max_idle; /* nanoseconds on the cache's clock; 0: no limit; constant */
    ATOM(uint64_t) used;              /* last, to within an eighth of max_idle; EXTRA_EXPIRED: for good */
};
#define EXTRA_EXPIRED UINT64_MAX

struct extra_member {
    struct group_state *group;
    uint64_t generation; /* when it joined */
};

struct extra_groups {
    uint64_t count;
    struct extra_member member[]; /* constant */
};

/* What an entry is to have. */
struct extra {
    uint64_t max_age, max_idle;
    unsigned groups;
    struct extra_member member[EXTRA_GROUPS];
};

static inline bool extra_has_ages(const struct extra *x)
{
    return x->max_age != 0 || x->max_idle != 0;
}

/*
 * extra_flags(x):
 * ENTRY_AGES, ENTRY_GROUPS.
 */
static inline unsigned extra_flags(const struct extra *x)
{
    return (extra_has_ages(x) ? ENTRY_AGES : 0u) | (x->groups != 0 ? ENTRY_GROUPS : 0u);
}

/*
 * extra_size(key_len, x):
 * The bytes that an entry with a key of ${key_len} and with ${x} needs.
 */
size_t extra_size(size_t key_len, const struct extra *x);

/* The bytes that ${e}, with what it has, takes. */
size_t extra_size_of(const struct entry *e);

/*
 * extra_born(e, now):
 * ${e}'s ages begin ${now}.
 */
void extra_born(struct entry *e, uint64_t now);

/*
 * extra_init(e, x, now):
 * Give ${e}, which has room for it, ${x}; its ages begin ${now}.  Its flags are the caller's to set: before.
 */
void extra_init(struct entry *e, const struct extra *x, uint64_t now);

/*
 * extra_read(e, x):
 * What ${e} has.
 */
void extra_read(const struct entry *e, struct extra *x);

/* ${e}'s ages and groups; NULL: it has none. */
struct extra_ages *extra_ages_of(const struct entry *e);
struct extra_groups *extra_groups_of(const struct entry *e);

enum extra_state { EXTRA_FRESH, EXTRA_STALE_GROUP, EXTRA_STALE_AGE };

/*
 * extra_look(e, now, use):
 * Whether ${e}, which has something, is stale ${now}; 0: ages are not looked at.  ${use}: if not, it is used now.
 * With a count on ${e}, or while it is linked under its shard's mutex.
 */
enum extra_state extra_look(const struct entry *e, uint64_t now, bool use);

/*
 * extra_load_begins(e), extra_load_ends(e):
 * A load whose result would be ${e} is under way in its groups; no longer.  False: one is closed, and it does not begin.
 */
bool extra_load_begins(struct entry *e);
void extra_load_ends(struct entry *e);

/*
 * extra_expiry(e):
 * When ${e} expires at the earliest, if it is not used; UINT64_MAX: never.
 */
uint64_t extra_expiry(const struct entry *e);

#endif
