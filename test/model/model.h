/* SPDX-License-Identifier: MIT
 *
 * A naive reference of one thread's calls, and random operations that are compared with it.  It is told of evictions
 * by the listener, and so knows exactly what is there.  Where several answers are right it says so (enum verdict).
 *
 * All choices come from one function: test_model gives random numbers, test/fuzz/operations.c the bytes of its input.
 * A disagreement is printed, with the operations before it, and the program aborts.
 */
#ifndef TEST_MODEL_H
#define TEST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "brim.h"
#include "brim_debug.h"

enum {
    CACHES = 2,
    KEYS = 300,
    REFS = 24,
    HANDLES = 24,
    SLOTS = 4,
    GROUPS = 4,
    LOADS = 12,
    WAITS = 12,
    BORROWED = 8,
    KINDS = 4, /* 0: the caches' own; 1: destroy_entry; 2: with a queue; 3: neither name nor reason to differ */
    QUEUED = 2,
    MANY = 20,
    OPERATIONS = 64,
    ANONYMOUS = -1,
    WRAPPED = -2,
    ANY_KIND = -2
};

/* ---- How it runs */

struct model_setup {
    uint64_t (*choose)(uint64_t n); /* a number below ${n} */
    unsigned keys;                  /* in use, at most KEYS */
    size_t items;                   /* alive at once, at most */
    size_t capacity;                /* 0: all options of the caches are chosen too */
    unsigned shards;                /* with a capacity alone */
    const brim_allocator *allocator; /* NULL: malloc */
    void (*fail)(size_t from, size_t to); /* the allocations of these numbers, 1 is the next; NULL: none ever */
    size_t (*failures)(void);       /* so far */
    const char *seed;               /* printed with a disagreement */
};

bool model_begin(const struct model_setup *); /* false: there is no cache, and nothing to do but end */
void model_step(void); /* one operation, and what must hold after it */
void model_check(void); /* and what is too dear after each */
void model_end(void);  /* everything is freed, in an order that is chosen too */

/* ---- What there is */

enum verdict { NO, MAYBE, YES };

struct group {
    brim_group *group; /* NULL: its handle was dropped */
    struct cache *of;
    uint64_t generation, raised;
    bool closed, ended; /* ended: its generation rises no more */
    size_t loads, members; /* members: items and flights that name it */
};

struct member {
    struct group *group;
    uint64_t generation;
};

/* What an entry is to be: the options of a call, and what they come to. */
struct terms {
    brim_entry_options options;
    bool given;         /* false: NULL is passed */
    unsigned kind;
    struct member member[4];
    unsigned members;
    brim_status status; /* OK, INVALID or CANCELED */
};

struct item {
    struct cache *of;
    int64_t key;
    uint64_t id;
    size_t cost, overhead; /* charged together, if it is charged */
    unsigned kind, refs, keys;
    uint64_t visits; /* the step of the last, and one */
    bool in_use, linked, charged, destroyed, queued, due, null, expired;
    struct member member[4];
    unsigned members;
    uint64_t max_age, max_idle, born, used, frame, idle;
    uint64_t section, waits; /* in which it left, and since which it is due; 0: in none */
    uint64_t queue_turn;
    struct item *next; /* free, or due */
};

struct waiter {
    brim_wait *wait;
    struct flight *flight; /* NULL: told, or canceled */
    bool in_use, late, told;
    brim_ref *ref; /* what it was told */
    int reason;
};

/* A load under way, or a failure that is remembered. */
struct flight {
    struct cache *of;
    unsigned key;
    brim_load *load;  /* NULL: a loader's own */
    struct terms terms;
    bool by_loader, overtaken, had_waiters, failed;
    size_t reserved;
    uint64_t claimed, asked, until;
    int reason;
    unsigned waiting; /* who is not late */
};

struct cache {
    brim_cache *cache; /* NULL: freed, or never made */
    bool gone, over, unsure, borrow, overhead, protect;
    size_t capacity, max_entries;
    size_t used, pinned, reserved, loading, uncharged, count, values, queued;
    struct {
        size_t used, linked, idle, idle_count, floor, ceiling, uncharged, values;
        bool met, limited, over; /* limited: it has, or had, a floor or a ceiling */
    } kind[KINDS];
    struct item *by_key[KEYS];
    struct flight *flights[KEYS];
    uint64_t frame, idles, group_clock, pressed_frame; /* pressed_frame: one more than the frame */
    unsigned nesting;
    uint64_t section, sections;
    uint64_t hits, misses, insertions, refused, too_big, left[7], loads, load_failures;
};

struct model {
    const struct model_setup *setup;
    struct cache cache[CACHES];
    unsigned caches;
    struct item *items, *free;
    size_t made;
    struct {
        brim_ref *ref;
        struct item *of;
    } refs[REFS];
    struct handle {
        brim_key *key;
        struct item *of;
    } handles[HANDLES];
    struct {
        brim_slot slot;
        struct item *of;
    } slots[SLOTS];
    struct group groups[GROUPS];
    struct flight loads[LOADS]; /* of NULL: free */
    struct waiter waits[WAITS];
    unsigned depth;             /* of loaders */
    bool failing;               /* memory is set to fail */
    struct {
        const brim_ref *ref; /* NULL: only its value was peeked at */
        struct item *of;
    } borrowed[BORROWED];
    brim_queue *queue;
    bool queue_dropped, collecting;
    uint64_t queue_turns, collected;
    uint64_t ids, now, step, statuses[13], kinds_unused[KINDS];
    struct item *due; /* left and not held: to be destroyed, at latest when no section is open */

    /* What this step may do. */
    struct cache *current;    /* whose call it is */
    struct cache *evicting;   /* NULL: nothing may be evicted */
    bool exact, admits;       /* exact: and only while more is taken than: */
    size_t target;
    int for_kind;             /* the others keep their floors; -1: all; ANY_KIND: none */
    struct item *subject;     /* who may be REMOVED or REPLACED; NULL: nobody */
    struct cache *clearing, *freeing;
    struct item *offered;     /* may be taken, refused and destroyed in one call */
    bool walking, one_turn, idling;
    uint64_t before_frame;    /* of the evicted; 0: not looked at */
    brim_cache *freed_section; /* a section is open in a cache that was freed */
    bool to_queue;            /* some of what left in this step went there */
    size_t failures;          /* of memory, before this step */
    unsigned ran[OPERATIONS]; /* how often: see model_operation */
    struct {
        const char *name;
        uint64_t a, b;
    } said[32];
    size_t said_count;
};

extern struct model m;
extern const brim_kind *const model_kinds[KINDS];

/* The text is made only on failure. */
#define AGREE(condition, ...)                                                                                \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            model_disagree(__FILE__, __LINE__, #condition, __VA_ARGS__);                                     \
    } while (0)
_Noreturn void model_disagree(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void model_say(const char *operation, uint64_t a, uint64_t b); /* what is done, for model_disagree */

/* ---- Choices */

static inline uint64_t pick(uint64_t n)
{
    return n < 2 ? 0 : m.setup->choose(n);
}

static inline bool one_in(uint64_t n)
{
    return pick(n) == n - 1; /* what a source that has run dry says is the ordinary */
}

struct cache *pick_cache(void);
unsigned pick_key(void);
size_t pick_cost(const struct cache *);
void pick_terms(struct terms *, struct cache *);
void plain_terms(struct terms *);
const brim_entry_options *options_of(const struct terms *);

/* ---- Keys */

const void *key_bytes(unsigned key, size_t *len);
#define KEY(key) model_key_data[key], model_key_len[key]
extern unsigned char model_key_data[KEYS][112];
extern size_t model_key_len[KEYS];

/* ---- Items */

struct item *item_new(struct cache *, int64_t key, size_t cost, const struct terms *);
void *item_value(const struct item *);
void item_recycle(struct item *);
void item_use(struct item *); /* a find of it */
bool item_is_found(struct item *);
bool item_is_stale(struct item *);
void hold(struct item *);
void unhold(struct item *);
void take(struct item *, bool linked); /* as the cache does; undone by refuse or uncharge */
void refuse(struct item *);            /* the caller's still */
void uncharge(struct item *);          /* the cache's, but outside */
void set_cost(struct item *, size_t cost);
void is_item(const brim_ref *, struct item *);
void members_join(struct member *to, unsigned *n, const struct member *from, unsigned members);
void members_leave(struct member *, unsigned members);
bool members_are_stale(const struct member *, unsigned members);

/* ---- Holds that stay for later steps */

void keep_ref(brim_ref *, struct item *); /* the hold is counted already */
void keep_key(brim_key *, struct item *);
struct handle *pick_handle(void);         /* one that is not NULL, if there is any; m.current is its cache */
void put_key(brim_key *, struct item *);  /* so is the count */
void lose_key(struct item *);
void drop_handle(struct handle *);
void take_over(struct terms *, const struct item *old); /* with no options: all of the old one's */

/* ---- Expectations */

size_t charge_of(const struct cache *, size_t cost, int64_t key, const struct terms *);
size_t taken(const struct cache *);
bool is_too_big(const struct cache *, size_t charge, int kind);
enum verdict room(const struct cache *, size_t charge, int kind, bool new_entry);
enum verdict room_beside(const struct cache *, size_t charge, int kind, bool new_entry, size_t have);
void may_evict(struct cache *, size_t charge, int kind); /* in this step, for that */
void took_room_of(const struct item *old);               /* another was admitted; NULL: there was none */
bool was_refused(brim_status, bool too_big);
bool memory_failed(void); /* in this step */
struct item *found(struct cache *, unsigned key);

/* ---- Loads */

void overtake(struct cache *, unsigned key);  /* an insert or a removal of it */
void overtake_all(struct cache *);
void forget_all(struct cache *);   /* it is about to be freed, */
void check_freed(struct cache *);  /* and was: all who waited were told */
size_t loads_under_way(const struct cache *);

/* ---- Operations: each does one */

struct operation {
    unsigned weight;
    const char *name;
    void (*run)(void);
};
extern const struct operation entry_operations[], handle_operations[], load_operations[], bound_operations[],
    more_operations[], section_operations[], other_operations[]; /* each ends with weight 0 */

const char *model_operation(unsigned number); /* its name; NULL: there are no more */
void settle_step(void);                       /* after each */

/* At the end. */
void release_all(void);
void use_freed(void); /* what outlives its cache, while that may be */
void end_loads(void);
void end_sections(struct cache *, brim_cache *);
void drop_groups(void);
void drop_queue(void);
#endif
