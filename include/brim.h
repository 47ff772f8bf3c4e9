/* SPDX-License-Identifier: MIT
 *
 * Brim: a concurrent cache.  A sharded map from keys to the user's own objects, bounded by cost, that any
 * number of threads find, insert and remove in at once.
 *
 * Words
 *
 *   entry    key bytes, value, cost and state; the cache and every handle share it.
 *   key      brim_key: a counted handle that names an entry and finds it without hashing.  Does not keep
 *            the value.
 *   ref      brim_ref: a counted hold on an entry's value.
 *   cost     what a value takes of the capacity, in the user's unit, mostly bytes.
 *   charge   its cost, and with options.charge_overhead the bytes of its entry.
 *   held     some brim_ref holds the value: it is not evicted.
 *   left     look-ups no longer find it: evicted, removed, replaced, cleared, or its cache was freed.
 *   section  a stretch of one thread's work in which it borrows values without counting: options.borrow.
 *   load     making a key's value, by one thread for all who ask.  Under way from its claim until it is
 *            finished or failed.  Overtaken: something newer happened to its key meanwhile (G9).
 *   kind     what values of a sort have in common: destructor, listener, limits, queue.
 *   group    entries that die together: a document, a font, a scene.
 *   frame    the user's own clock: one tick for each picture drawn.
 *   stale    of an invalidated group, or expired: no longer found, and soon swept from memory.
 *
 * Guarantees
 *
 *   G1   Every function may be called from any thread, also from inside a callback.  No user code runs
 *        under a lock of Brim's.  Evictions do not nest: inside a destructor or listener, an insert that
 *        does not fit evicts nothing and gets FULL; what nested calls make leave is announced and destroyed
 *        by the outermost call, one after the other, so that the stack stays bounded.
 *   G2   A ref's value is valid and unchanged until its release, whatever happens to the entry, and what was
 *        borrowed until its section ends.  Refs, keys, slots, loads, groups, queues and open sections may
 *        outlive the cache: functions on them may be called during and after brim_cache_free; finds miss,
 *        replace gives INVALID, claims blocked in it and loads finished after it get CANCELED.
 *   G3   Every value that the cache has taken is destroyed exactly once, after it has left and its last ref
 *        was released, and the sections that may have borrowed it have ended.  A value that an insert
 *        refused stays the caller's; brim_load_finish, a loader's OK, brim_insert_or_wrap and brim_wrap
 *        take it in any case.
 *   G4   used <= capacity at every instant, for every observer.  Used is the charge of all values taken and
 *        not yet destroyed, held ones and those waiting for sections or in queues included, plus
 *        reservations, those of loads under way included.  The one exception: brim_set_capacity said FULL.
 *   G5   One limit over all shards: a value of any cost up to the capacity is admitted when what is held or
 *        reserved, or waits for sections or in queues, or is some kind's floor, leaves room for it.
 *   G6   Operations on one key are linearizable, by bytes, by handle and in slots alike.  During a replace
 *        no look-up sees neither value, nor the old one after somebody saw the new one.
 *   G7   A hit takes no lock and never waits for a writer, not even for one that is stopped.  In a section a
 *        repeated hit writes to no memory that other threads read.
 *   G8   A key never resolves to another value than the one it was issued for.  brim_key_is_valid turns
 *        false once that value has left, and never back.  Any thread may use a handle; a variable that
 *        holds one belongs to one thread at a time, as any pointer does.  Shared places are slots.
 *   G9   At most one load of a key runs at a time, also after it was overtaken.  All who asked before share
 *        its result or its failure.  A load overtaken by an insert, a removal, a clear, a cancellation, an
 *        invalidation of its group or of its key publishes nothing: who asked before still gets its result,
 *        uncharged; who asks after gets the entry if there is one, else waits for the load to end and loads
 *        anew.
 *   G10  Every failure is reported and leaves the cache usable.  Finds, removals, copies, drops, releases
 *        and slot calls need no memory.  Nothing aborts but a corrupted handle, or a count about to
 *        overflow: some 267 million refs, or keys, of one entry.
 *   G11  Keys are compared whole: colliding hashes cost time, never a wrong value.  The hash is keyed at
 *        random.
 *   G12  After fork, parent and child can both go on using, and free, their copy.  In the child, the
 *        reservations, sections and loaders of vanished threads are ended; loads that were claimed stay
 *        claimed, and what those threads held stays held.
 *   G13  The library starts no thread, installs no signal handler, prints nothing unasked, keeps no file
 *        open.
 *
 * Rules
 *
 *   NULL       is the key, the ref, the load, the group and the slot content of nothing: copies give NULL,
 *              finds miss, predicates are false, drop, release, fail and invalidate do nothing.  NULL options are the defaults (of a
 *              cache: capacity 0).  A NULL cache holds nothing: statuses are INVALID.
 *   Out        parameters are written in every case; NULL where there is nothing to give.
 *   Keys       are copied; up to 2^32 - 1 bytes; the empty key is a key, and may be given as NULL with
 *              length 0.
 *   Values     may be NULL: a negative entry, that says that there is nothing.  It is found and loaded as
 *              any, announced to the listener, and never given to a destructor.
 *   Failure    of an insert leaves the key's old entry found, unless both together could not be charged
 *              (then it went first) or drop_old says so.
 *   Anonymous  entries whose last key has gone stay, and are evicted first.
 *   Quiet      is brim_contains alone: finds count as uses, inserting and looking at a ref do not.
 *   Frames     With options.protect_frame, what the current frame used goes last: first what it neither used
 *              nor inserted, then what it inserted and nobody asked for, then what was found, or returned by
 *              a get, a claim or an insert with ${out}.  The limit wins in the end.
 *   Stale      entries miss at once everywhere.  Their memory is swept by later writes, at most 64 entries
 *              each, by eviction, which takes them first, and by brim_trim; until then they are part of used
 *              and count.
 *   Deadlock   A load belongs to a thread only while that runs its loader inside brim_get.  A thread that
 *              would wait for a load which, over any number of loads, threads and caches, waits for that
 *              thread itself, gets DEADLOCK.  Cycles through claimed loads or the program's own threads are
 *              not seen, nor those of a thread for whose record there was no memory: use a timeout.
 *   Listeners  run before the call that caused the removal returns, unless that call was itself made in a
 *              destructor or listener: then before the outermost one returns.
 *   Callbacks  must not unwind through Brim, neither by longjmp nor by an exception.  A loader that is
 *              canceled (pthread_cancel) fails its load, unless it runs inside another callback: those must not
 *              be canceled.  Cancellation is disabled while Brim waits.
 *   Signals    No function is async-signal-safe.  Signals shorten no wait.
 *   Fork       Handlers of the program (pthread_atfork) may call Brim if they were registered after its first cache was
 *              made; those registered before run while it holds its locks.
 *   Freed      A call that takes the cache must neither be under way when brim_cache_free is called nor
 *              follow it, but in the callbacks that brim_cache_free itself runs.
 *
 * The comments
 *
 *   Each answers Returns, Ownership, Threads, Blocks, Callbacks, Cost.  What is missing is: no result or
 *   ownership to speak of; never blocks; no callbacks; constant time, no allocation.  Beyond that:
 *
 *   Blocks     "One mutex": a shard's, or one of the memory for entries; one at a time, never over user
 *              code, and for at most 256 entries.  A call that changes the size of an index also waits,
 *              with none held, for look-ups under way, which wait for nobody.
 *   Callbacks  do not repeat options.allocator, nor what comes after brim_cache_free: who destroys the last
 *              value of a kind runs its `unused'; who drops the last handle frees what is left, waits for
 *              look-ups under way and runs `gone'.
 *   Cost       does not repeat that a thread's first call in a cache may allocate its record and counters;
 *              it goes on with shared ones if there is no memory.  "Evictions" look at up to 16 entries
 *              for a victim, and, when a few such samples find nothing, at all entries.
 */
#ifndef BRIM_H
#define BRIM_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BRIM_MUST_USE __attribute__((warn_unused_result))
#define BRIM_EXPORT __attribute__((visibility("default")))
#else
#define BRIM_MUST_USE
#define BRIM_EXPORT
#endif

/* Of this header, for the preprocessor; brim_version() tells the running library's.  All else that has a version takes
 * it from here. */
#define BRIM_VERSION_MAJOR 0
#define BRIM_VERSION_MINOR 1
#define BRIM_VERSION_PATCH 0

/* ---- Types */

typedef struct brim_cache brim_cache;
typedef struct brim_key brim_key;     /* counted; names an entry, does not hold its value */
typedef struct brim_ref brim_ref;     /* counted; holds an entry's value */
typedef struct brim_load brim_load;   /* a claimed load: make the value, then finish or fail it, once */
typedef struct brim_wait brim_wait;   /* somebody who is told when a load ends */
typedef struct brim_group brim_group; /* counted; entries that die together */
typedef struct brim_queue brim_queue; /* values that wait for their owner thread to destroy them */

typedef enum brim_status {
    BRIM_OK = 0,
    BRIM_CLAIMED = 1,     /* the load is the caller's to make */
    BRIM_PENDING = 2,     /* another makes it, and the caller does not wait */
    BRIM_TIMEOUT = 3,     /* the time is up */
    BRIM_EXISTS = 4,      /* only_if_absent, and there is an entry */
    BRIM_TOO_BIG = 5,     /* the charge exceeds the capacity */
    BRIM_FULL = 6,        /* too much of the capacity is held or reserved */
    BRIM_NOMEM = 7,       /* no memory */
    BRIM_INVALID = 8,     /* an argument that is none; a key whose value has left; a cache being freed */
    BRIM_FAILED = 9,      /* the load failed, for a reason of the loader's own */
    BRIM_CANCELED = 10,   /* the load was canceled or overtaken, its group closed, or the cache freed */
    BRIM_DEADLOCK = 11,   /* it would wait for itself */
    BRIM_UNSUPPORTED = 12 /* sections in a cache without options.borrow */
} brim_status;

/* Why an entry left. */
typedef enum brim_cause {
    BRIM_EVICTED = 0,     /* to make room */
    BRIM_REMOVED = 1,     /* brim_remove and its like, drop_old, brim_insert_or_wrap */
    BRIM_REPLACED = 2,    /* by another value of its key */
    BRIM_INVALIDATED = 3, /* brim_group_invalidate, brim_group_close */
    BRIM_EXPIRED = 4,     /* max_age, max_idle */
    BRIM_CLEARED = 5,     /* brim_clear */
    BRIM_FREED = 6        /* brim_cache_free */
} brim_cause;

/* What eviction saves most of. */
typedef enum brim_objective {
    BRIM_BALANCED = 0, /* between HITS and BYTES: what is small is worth more, by the root of its cost */
    BRIM_HITS = 1,     /* as many finds as possible hit */
    BRIM_BYTES = 2,    /* as much cost as possible is hit */
    BRIM_WORK = 3      /* entry_options.work: as little as possible is done again; what is not used goes all the same */
} brim_objective;

/* STRONG is SipHash-1-3: for keys that an attacker may choose. */
typedef enum brim_hash { BRIM_HASH_FAST = 0, BRIM_HASH_STRONG = 1 } brim_hash;

/* A key shared by threads.  All zero: empty.  One pointer, for ever.  Store NULL to empty it. */
typedef struct brim_slot {
    void *brim_private;
} brim_slot;
#define BRIM_SLOT_INIT                                                                                       \
    { 0 }

/*
 * Where a cache's memory comes from.  Called on any thread, no lock held.  ${align} is a power of two, at
 * most 4096; `free' gets the ${n} and ${align} of `alloc', in bytes.  An address above 2^48 counts as no
 * memory.  Threads' records and the process's table of kinds, which are no cache's, come from malloc.
 * Copied by brim_cache_new; used for the last time before `gone'.
 */
typedef struct brim_allocator {
    size_t size; /* sizeof(brim_allocator) */
    void *(*alloc)(size_t n, size_t align, void *arg);
    void (*free)(void *p, size_t n, size_t align, void *arg);
    void *arg;
} brim_allocator;

/*
 * What values of a sort have in common.  The user's own and constant: a kind's identity is its address, and
 * it must stay until `unused' was called for each cache that met it.  ${key} is NULL for an anonymous
 * value and one from brim_wrap.  ${cost} is the user's, without overhead.  All callbacks run with no lock
 * held, on whatever thread ends the entry or its value.
 */
typedef struct brim_kind {
    size_t size;      /* sizeof(brim_kind), or 0: the first layout */
    const char *name; /* a label in statistics; may be NULL */

    /* Destroy ${value}, once.  destroy_entry is used if it is set; both NULL: values need no destruction. */
    void (*destroy)(void *value, size_t cost, void *arg);
    void (*destroy_entry)(const void *key, size_t key_len, void *value, size_t cost, void *arg);

    /* The listener: once for each entry that leaves; others may hold ${value}.  May be NULL. */
    void (*removed)(const void *key, size_t key_len, void *value, size_t cost, brim_cause cause, void *arg);

    /* Once for each cache that met it: that is freed, and its last value destroyed.  May be NULL. */
    void (*unused)(void *arg);

    void *arg; /* given to all of them */

    /*
     * Amounts of charge in each cache, at most its capacity; 0: none.  What a kind has below its floor is not
     * evicted for others' inserts, and grows up to it at the others' cost; room that it has not used yet others may
     * use.  Above its ceiling, from charge until destruction, it evicts its own.  They are what the cache begins
     * with: brim_kind_set_limits.
     */
    size_t floor, ceiling;

    /* Its values are destroyed in brim_collect(queue) only.  NULL: wherever they fall. */
    brim_queue *queue;
} brim_kind;

/* What a cache is to be.  Fill it with brim_options_init, then change what should differ. */
typedef struct brim_options {
    size_t size;           /* of the layout the program knows; smaller than this one: INVALID */
    size_t capacity;       /* total charge, at most SIZE_MAX / 2; 0: nothing is admitted */
    const char *name;      /* a label in statistics and dumps; copied; may be NULL */
    unsigned shards;       /* 0: chosen, at most 64; else rounded up to a power of two; at most 65536 */
    size_t expected_cost;  /* of a typical entry, to choose the shards by; 0: unknown, taken for 65536 */
    size_t max_entries;    /* at every instant; 0: no limit but the capacity */
    const brim_kind *kind; /* of entries that name none; NULL: values need no destruction */
    brim_objective objective;
    brim_hash hash;
    uint64_t seed;           /* of the hash; 0: random */
    bool borrow;             /* allow sections and peeks; values that leave then wait for sections */
    bool charge_overhead;    /* charge each entry's own memory, in bytes, on top of its cost */
    bool protect_frame;      /* evict what the current frame used only if nothing else can go */

    /* Nanoseconds for ages, monotonic; NULL: the system's monotonic clock.  Must not call Brim. */
    uint64_t (*now)(void *);
    void *now_arg;
    const brim_allocator *allocator; /* copied; NULL: malloc */
    void (*gone)(void *); /* once: the cache was freed, its last handle dropped, its memory given back */
    void *gone_arg;
} brim_options;

/* What an entry is to be.  Fill it with brim_entry_options_init, then change what should differ. */
typedef struct brim_entry_options {
    size_t size;                        /* of the layout the program knows; smaller than this one: INVALID */
    const brim_kind *kind;              /* NULL: the cache's; brim_key_replace_with: the old value's */
    brim_group *group, *more_groups[3]; /* of the same cache; NULL: none.  The entry counts them itself */
    uint64_t work;              /* nanoseconds that making the value again takes; 0: unknown, or measured by the load */
    uint64_t max_age, max_idle; /* nanoseconds since insertion, since the last use; 0: no limit */
    int priority;        /* -1 sooner to go, 0, 1 later: worth an eighth, or eight times, as much */
    bool only_if_absent; /* there already: BRIM_EXISTS, and *out IS a ref to it */
    bool drop_old;       /* TOO_BIG or FULL: the entry that the key has now is removed all the same */
} brim_entry_options;

/* How to claim a load.  Fill it with brim_claim_options_init, then change what should differ. */
typedef struct brim_claim_options {
    size_t size;                     /* of the layout the program knows; smaller than this one: INVALID */
    int timeout_ms;                  /* how long to wait for another's load, on the system's monotonic clock; < 0: no limit */
    const brim_entry_options *entry; /* what the load will be published with; NULL: the defaults */
    size_t expected_cost;            /* reserved for the load, so that room is made before memory is taken; 0: none */
    int *reason;                     /* where a failure's reason goes; may be NULL */
} brim_claim_options;

enum { BRIM_AGES = 16 };

/*
 * Statistics, all from the cache's birth on.  Exact while nobody else calls; else each is near what it was.
 * With a kind, those marked k are that kind's and the others 0.  A cache keeps hits and pins apart for its first
 * 15 kinds; the others share a count, and each is given 0.
 */
typedef struct brim_stats {
    size_t size;         /* of what was filled in */
    uint64_t hits;       /* k  look-ups that found a value */
    uint64_t misses;     /* k  and that did not; by kind: gets and claims alone, finds know no kind */
    uint64_t insertions; /* k  values admitted, replacements and loads included */
    uint64_t refused;    /* k  values that were TOO_BIG or FULL */
    uint64_t left[7];    /* k  entries that left, by brim_cause */
    size_t capacity;
    size_t used;      /* k */
    size_t pinned;    /* k  charge of what refs hold */
    size_t reserved;  /* by brim_reserve, by loads, and by calls under way */
    size_t uncharged; /* k  cost of values outside, which are no part of `used' */
    size_t count;     /* entries in the index, stale ones not yet swept included */
    size_t values;    /* k  values taken and not yet destroyed, uncharged ones included */
    size_t overhead;  /* bytes of the cache's own memory */
    unsigned shards;
    unsigned sections;     /* open ones, nested ones not counted; 0 without options.borrow, as below */
    size_t waiting;        /* k  charge of values that have left and wait for sections: part of `used' */
    size_t waiting_values; /* and their number */
    uint64_t waiting_ns;   /* how long the oldest of them has been waiting, in nanoseconds; 0: none is */
    size_t remembering;    /* bytes of `overhead' in which eviction keeps what it learns from keys that are gone */

    uint64_t loads;           /* k  that gave a value */
    uint64_t load_failures;   /* k  that failed */
    uint64_t load_ns;         /* k  nanoseconds in loaders, and from begin to end of claimed loads; nested ones' not twice */
    uint64_t redundant_loads; /* k  of `loads': of what was evicted not long before; told by 16 bits, one in a hundred wrongly */
    uint64_t load_waits;      /* k  gets and claims that waited for another's load */
    size_t loading;           /* loads under way */
    uint64_t eviction_age[BRIM_AGES]; /* k  evictions by age since insertion: [i] below 2^(27+i) ns, the last also above */
    uint64_t frame;           /* the current one */
    uint64_t frame_evictions; /* entries evicted that the current frame had used: protect_frame could not hold */
    size_t queued;            /* k  charge of values that wait in their kind's queue: part of `used' */
    size_t queued_values;     /* k  and their number */
    uint64_t lock_waits;      /* calls that found a shard's mutex taken */
    uint64_t lock_wait_ns;    /* and how long they waited for it, in nanoseconds */
    size_t floor, ceiling;    /* k  as they are now */
    uint64_t too_big;         /* k  of `refused': larger than the capacity, or than the ceiling */
} brim_stats;

/* Called with no lock held, on the calling thread.  ${lent} is not theirs to release: copy it to keep it. */
typedef bool brim_visitor(brim_ref *lent, void *arg);   /* false: stop */
typedef bool brim_predicate(brim_ref *lent, void *arg); /* true: remove it */

/*
 * Makes ${key}'s value.  BRIM_OK with ${*value} and ${*cost} written: loaded, and the value is the cache's.  Anything
 * else: failed, and that is the reason.  Runs at most once in a call, on the calling thread, before that returns, no
 * lock held; may call anything.
 */
typedef brim_status brim_loader(const void *key, size_t key_len, void *arg, void **value, size_t *cost);

/*
 * A load has ended: ${ref} is the callee's, to release exactly once; NULL: it failed for ${reason}, which is
 * BRIM_CANCELED if it was canceled, or was overtaken before it was asked for: ask again.  Once, on the thread
 * that ended it, no lock held.
 */
typedef void brim_done(brim_ref *ref, int reason, void *arg);

enum brim_format { BRIM_TEXT = 0, BRIM_JSON = 1, BRIM_PROMETHEUS = 2 };
typedef enum brim_format brim_format;

/* Takes ${len} bytes of ${text}, which has no 0 at its end.  Anything but 0: stop. */
typedef int brim_write(void *arg, const char *text, size_t len);

/* The two arguments of a key: an object without padding, not a pointer; a string without its end. */
#define BRIM_KEY(object) &(object), sizeof(object)
#define BRIM_STR(string) (string), strlen(string)

/* ---- A cache */

/**
 * brim_options_init_sized(options, size, capacity):
 * Make ${options}, of ${size} bytes, the defaults with ${capacity} in the user's unit of cost.  Called
 * through brim_options_init(options, capacity), which knows the size.
 *
 * Threads    Any; ${options} is the caller's own.
 */
BRIM_EXPORT void brim_options_init_sized(brim_options *options, size_t size, size_t capacity);
#define brim_options_init(o, capacity) brim_options_init_sized((o), sizeof *(o), (capacity))

/**
 * brim_entry_options_init_sized(options, size):
 * Make ${options}, of ${size} bytes, the defaults.  Called through brim_entry_options_init(options).
 *
 * Threads    Any; ${options} is the caller's own.
 */
BRIM_EXPORT void brim_entry_options_init_sized(brim_entry_options *options, size_t size);
#define brim_entry_options_init(e) brim_entry_options_init_sized((e), sizeof *(e))

/**
 * brim_claim_options_init_sized(options, size):
 * Make ${options}, of ${size} bytes, the defaults: no limit to waiting, nothing reserved.  Called through
 * brim_claim_options_init(options).
 *
 * Threads    Any; ${options} is the caller's own.
 */
BRIM_EXPORT void brim_claim_options_init_sized(brim_claim_options *options, size_t size);
#define brim_claim_options_init(c) brim_claim_options_init_sized((c), sizeof *(c))

/**
 * brim_cache_new(options, out):
 * Make an empty cache.
 *
 * Returns    BRIM_OK
 *            BRIM_NOMEM        no memory, or the system has no mutex or fork handler left.
 *            BRIM_INVALID      ${out} is NULL; options.size, kind.size or allocator.size smaller than these
 *                              layouts; the kind's limits above the capacity, or its floor above its ceiling;
 *                              capacity above SIZE_MAX / 2; more than 65536 shards; an objective or a hash
 *                              that is none; an allocator without its functions.
 * Ownership  BRIM_OK: ${*out} is the caller's, for brim_cache_free.  ${options}, its name and its allocator
 *            are copied; its kind must stay.  On failure ${*out} is NULL and neither `unused' nor `gone'
 *            will be called.
 * Threads    Any.
 * Blocks     On the mutex of the list of caches, which new, free and fork take.
 * Cost       O(shards), some allocations each.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_cache_new(const brim_options *options, brim_cache **out);

/**
 * brim_cache_free(cache):
 * Remove all entries and give the cache up.  Refs, keys and slots may outlive it: what they stand on is
 * freed, and `gone' called, with the last of them.
 *
 * Ownership  ${cache} is consumed.  Values that nobody holds are destroyed before this returns; the others
 *            by the release of their last ref.
 * Threads    Any, once.  No other call that takes ${cache} may be under way or follow; calls on its refs,
 *            keys and slots may.
 * Blocks     On one mutex, and for look-ups under way.
 * Callbacks  Listeners and destructors of all entries; `unused'; `gone'.  No insert that they make
 *            succeeds: INVALID, or FULL.
 * Cost       O(entries + shards).
 */
BRIM_EXPORT void brim_cache_free(brim_cache *cache);

/* ---- Entries by key bytes */

/**
 * brim_insert(cache, key, key_len, value, cost, out):
 * Make ${value} what look-ups of ${key} find, charged at ${cost} in the user's unit.  An older entry of
 * ${key} stops being found in the same step, but lives on for those who hold it.
 *
 * Returns    BRIM_OK
 *            BRIM_TOO_BIG  the charge exceeds the capacity or its kind's ceiling, or the capacity is 0.
 *            BRIM_FULL     too much of the capacity is held or reserved; or the call comes from inside a
 *                          destructor or listener and would have to evict; or nothing can go to stay within
 *                          max_entries.
 *            BRIM_NOMEM    no memory for the entry or the index.
 *            BRIM_INVALID  no cache or no key, key_len above 2^32 - 1; or the cache is being freed.
 *            On failure ${key}'s old entry is still found, unless both together cannot be charged.
 * Ownership  BRIM_OK: the cache owns ${value} and destroys it once, after it has left and its last ref was
 *            released.  Otherwise ${value} is still the caller's.  ${key} is copied.  ${*out}, if ${out} is
 *            not NULL, is a ref to release exactly once, or NULL on failure.
 * Threads    Any.
 * Blocks     On one mutex.  If only reservations and victims of other threads stand in the way, it pauses
 *            for them: 400 times at most, about 20 milliseconds in all.
 * Callbacks  Destructors and listeners of victims and of the old entry, on this thread, no lock held.
 * Cost       O(key_len), and evictions.  An entry with a key of more than 80 bytes is one allocation;
 *            shorter ones are packed into regions of 4 to 256 KiB.  Now and then an allocation for the
 *            index.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_insert(brim_cache *cache, const void *key, size_t key_len,
                                                  void *value, size_t cost, brim_ref **out);

/**
 * brim_insert_with(cache, key, key_len, value, cost, options, out):
 * As brim_insert, with ${options}; NULL: the defaults.
 *
 * Returns    As brim_insert, and
 *            BRIM_EXISTS       only_if_absent, and ${key} has an entry, which stays.
 *            BRIM_INVALID      options.size or kind.size smaller than these layouts; a priority outside -1
 *                              to 1; a group of another cache; limits of a kind that the cache has not met and
 *                              that do not fit (brim_kind_set_limits).
 *            BRIM_CANCELED     one of its groups is closed.
 * Ownership  As brim_insert.  BRIM_EXISTS: ${value} is still the caller's, and ${*out} is a ref to the
 *            entry that is there, to release exactly once.  TOO_BIG and FULL with drop_old: ${key}'s old
 *            entry is removed.
 * Threads    Any.
 * Blocks     As brim_insert; at the first use of a kind also on the mutex of the cache's kinds.
 * Callbacks  As brim_insert.
 * Cost       As brim_insert, and O(kinds of the cache); at the first use of a kind an allocation.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_insert_with(brim_cache *cache, const void *key, size_t key_len,
                                                       void *value, size_t cost,
                                                       const brim_entry_options *options, brim_ref **out);

/**
 * brim_insert_or_wrap(cache, key, key_len, value, cost, options, out):
 * As brim_insert_with, but the value is taken also when it is refused: it is then an uncharged one that
 * only ${*out} holds and no look-up finds, and ${key}'s old entry is removed.
 *
 * Returns    As brim_insert_with.
 * Ownership  BRIM_NOMEM, BRIM_INVALID: ${value} is still the caller's, ${*out} NULL.
 *            BRIM_OK: as brim_insert.
 *            BRIM_TOO_BIG, BRIM_FULL, BRIM_CANCELED: ${*out} is a ref that knows its key, to release exactly once; the
 *            value is destroyed with the last ref to it, at once if ${out} is NULL.  No listener hears of
 *            it.
 *            BRIM_EXISTS: ${value} has been destroyed; ${*out} is a ref to the entry that is there.
 * Threads    Any.
 * Blocks     As brim_insert_with.
 * Callbacks  As brim_insert_with; with BRIM_EXISTS, or refused without ${out}, also ${value}'s own
 *            destructor.
 * Cost       As brim_insert_with.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_insert_or_wrap(brim_cache *cache, const void *key, size_t key_len,
                                                          void *value, size_t cost,
                                                          const brim_entry_options *options, brim_ref **out);

/**
 * brim_find(cache, key, key_len):
 * Hold the value of ${key}'s entry.  Counts as a use, and as a hit or miss.
 *
 * Returns    A ref; NULL: a miss.
 * Ownership  The ref is the caller's, to release exactly once.
 * Threads    Any.
 * Blocks     Never: takes no lock (G7).
 * Callbacks  None on a hit.  A miss that met an entry just leaving may turn out the last to let go of it,
 *            and runs the destructor of its value.
 * Cost       O(key_len); no allocation.
 */
BRIM_EXPORT BRIM_MUST_USE brim_ref *brim_find(brim_cache *cache, const void *key, size_t key_len);

/**
 * brim_contains(cache, key, key_len):
 * Whether a look-up would find ${key}.  Quiet: no use, no statistics.
 *
 * Returns    True if so; it may have left again by now.
 * Threads    Any.
 * Blocks     Never: takes no lock.
 * Cost       O(key_len); no allocation.
 */
BRIM_EXPORT bool brim_contains(brim_cache *cache, const void *key, size_t key_len);

/**
 * brim_remove(cache, key, key_len):
 * Take ${key}'s entry from look-ups.  It lives on for those who hold it.
 *
 * Returns    True: this call removed it.  False: there was none.
 * Threads    Any.
 * Blocks     On one mutex.
 * Callbacks  Its listener, and if nobody holds it its destructor.
 * Cost       O(key_len).  An allocation when the index should shrink, which needs no success.
 */
BRIM_EXPORT bool brim_remove(brim_cache *cache, const void *key, size_t key_len);

/* ---- Refs: one may be used by several threads at once, and released by any */

/**
 * brim_ref_value(ref):
 * The value that ${ref} holds.
 *
 * Returns    The pointer that was inserted; NULL for a NULL ref.
 * Ownership  The cache's.  It is valid until ${ref} is released.
 * Threads    Any.  What many do with the value at once is theirs to order.
 */
BRIM_EXPORT void *brim_ref_value(const brim_ref *ref);

/**
 * brim_ref_cost(ref):
 * Its cost, in the user's unit, without overhead.
 *
 * Returns    The cost; 0 for NULL.
 * Threads    Any.
 */
BRIM_EXPORT size_t brim_ref_cost(const brim_ref *ref);

/**
 * brim_ref_kind(ref):
 * Its kind.
 *
 * Returns    The user's own structure; NULL for NULL, and for values of no kind.
 * Threads    Any.
 */
BRIM_EXPORT const brim_kind *brim_ref_kind(const brim_ref *ref);

/**
 * brim_ref_key_bytes(ref, key_len):
 * The bytes of its key; their number goes to ${*key_len}, if ${key_len} is not NULL.
 *
 * Returns    The bytes, also if there are 0; NULL and a length of 0: ${ref} is NULL, anonymous or from
 *            brim_wrap.
 * Ownership  The cache's.  They are valid until ${ref} is released.
 * Threads    Any.
 */
BRIM_EXPORT const void *brim_ref_key_bytes(const brim_ref *ref, size_t *key_len);

/**
 * brim_ref_is_cached(ref):
 * Whether its entry can be found.
 *
 * Returns    False: it has left, or was never admitted, or ${ref} is NULL.  Once false it stays false.
 * Threads    Any.
 */
BRIM_EXPORT bool brim_ref_is_cached(const brim_ref *ref);

/**
 * brim_ref_set_cost(ref, cost):
 * Charge the held value at ${cost}, in the user's unit, from now on.  Also if it has left; the cost of a
 * wrapped value stays uncharged.
 *
 * Returns    BRIM_OK
 *            BRIM_FULL     the difference cannot be charged (as brim_insert's FULL and TOO_BIG); nothing
 *                          changed.
 *            BRIM_INVALID  ${ref} is NULL.
 * Ownership  ${ref} stays the caller's in every case.
 * Threads    Any.
 * Blocks     As brim_insert, and for look-ups under way: about a microsecond.
 * Callbacks  Upwards: destructors and listeners of victims, on this thread, no lock held.
 * Cost       O(threads), and upwards evictions.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_ref_set_cost(brim_ref *ref, size_t cost);

/**
 * brim_ref_copy(ref):
 * One ref more.  Cannot fail.
 *
 * Returns    The copy, which is the same pointer; NULL for NULL.
 * Ownership  The copy is the caller's: each is released exactly once.
 * Threads    Any.
 */
BRIM_EXPORT BRIM_MUST_USE brim_ref *brim_ref_copy(brim_ref *ref);

/**
 * brim_release(ref):
 * Give a ref back.  NULL: nothing.
 *
 * Ownership  ${ref} is consumed.  If its entry has left and this was the last ref, the value is destroyed.
 * Threads    Any, not only the one that got it.
 * Blocks     Never, unless the entry's last handle goes: then on one mutex.
 * Callbacks  The value's destructor, if it was the last ref of an entry that has left.
 */
BRIM_EXPORT void brim_release(brim_ref *ref);

enum {
    BRIM_NOT_USEFUL = 1,    /* forget that the entry was used since eviction last looked at it */
    BRIM_REMOVE_IF_LAST = 2 /* and remove the entry if nobody else holds it */
};

/**
 * brim_release_with(ref, flags):
 * As brim_release, with any of BRIM_NOT_USEFUL and BRIM_REMOVE_IF_LAST.
 *
 * Returns    True: BRIM_REMOVE_IF_LAST removed the entry.  False: it was an ordinary release, or ${ref} is
 *            NULL.
 * Ownership  ${ref} is consumed in every case.
 * Threads    Any.
 * Blocks     With BRIM_REMOVE_IF_LAST on one mutex; else as brim_release.
 * Callbacks  True: the listener and the destructor of the entry.  False: as brim_release.
 */
BRIM_EXPORT bool brim_release_with(brim_ref *ref, unsigned flags);

/**
 * brim_wrap(cache, value, cost, options, out):
 * Make a ref for a value outside the cache: uncharged, found by no look-up, destroyed with the last ref to
 * it.  For code that takes refs alone.
 *
 * Returns    BRIM_OK
 *            BRIM_NOMEM        no memory.
 *            BRIM_INVALID      no cache, no ${out}, a cost above SIZE_MAX / 2, or options as in
 *                              brim_insert_with.
 * Ownership  BRIM_OK: ${*out} is the caller's, to release exactly once; the value is destroyed with its
 *            last copy.  Otherwise ${value} is still the caller's and ${*out} NULL.
 * Threads    Any.
 * Blocks     On one mutex; at the first use of a kind also on the mutex of the cache's kinds.
 * Callbacks  None; no listener ever hears of the value.
 * Cost       O(kinds of the cache); memory for an entry as in brim_insert.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_wrap(brim_cache *cache, void *value, size_t cost,
                                                const brim_entry_options *options, brim_ref **out);

/* ---- Keys: `brim_key **' is a variable of the caller's own; shared places are slots */

/**
 * brim_insert_anonymous(cache, value, cost, options, key, ref):
 * Insert ${value} without key bytes, charged at ${cost} in the user's unit: it is found through ${*key}
 * alone.  Either of ${key} and ${ref} may be NULL, not both.  only_if_absent and drop_old mean nothing here.
 *
 * Returns    As brim_insert_with, without BRIM_EXISTS.  BRIM_INVALID also if both ${key} and ${ref} are
 *            NULL.
 * Ownership  BRIM_OK: the cache owns ${value}; ${*key} is the caller's to drop, ${*ref} to release, exactly
 *            once each.  Otherwise ${value} is still the caller's, ${*key} and ${*ref} NULL.
 * Threads    Any.
 * Blocks     As brim_insert_with.
 * Callbacks  As brim_insert.
 * Cost       As brim_insert_with.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_insert_anonymous(brim_cache *cache, void *value, size_t cost,
                                                            const brim_entry_options *options, brim_key **key,
                                                            brim_ref **ref);

/**
 * brim_ref_key(ref):
 * A key of the entry that ${ref} holds.  Cannot fail.  That of a wrapped value finds nothing.
 *
 * Returns    The key; NULL for NULL.
 * Ownership  The key is the caller's, to drop exactly once.  ${ref} stays as it is.
 * Threads    Any.
 */
BRIM_EXPORT BRIM_MUST_USE brim_key *brim_ref_key(brim_ref *ref);

/**
 * brim_key_bytes(key, key_len):
 * The bytes that ${key}'s entry was inserted with; their number goes to ${*key_len}, if ${key_len} is not
 * NULL.
 *
 * Returns    The bytes, also if there are 0, and also once the value has left; NULL and a length of 0:
 *            ${key} is NULL, anonymous or from brim_wrap.
 * Ownership  The cache's.  They are valid until ${key} is dropped.
 * Threads    Any.
 */
BRIM_EXPORT const void *brim_key_bytes(const brim_key *key, size_t *key_len);

/**
 * brim_key_find(key):
 * Hold the value that ${key} was issued for.  Counts as brim_find does; hashes and probes nothing.
 *
 * Returns    A ref; NULL: that value has left, whatever its key bytes find now.
 * Ownership  The ref is the caller's, to release exactly once.  ${key} stays the caller's.
 * Threads    Any.
 * Blocks     Never: takes no lock (G7).
 * Callbacks  As brim_find.
 */
BRIM_EXPORT BRIM_MUST_USE brim_ref *brim_key_find(brim_key *key);

/**
 * brim_key_get(key, loader, arg, out):
 * Hold ${*key}'s value; if it has left, load it again by its bytes, with its old kind, groups, work, ages and
 * priority, as brim_get does.  ${*key} then names what ${*out} holds.
 *
 * Returns    As brim_get.
 *            BRIM_INVALID   also: no ${key}, no ${*key}, or one of an anonymous entry that has left.
 *            BRIM_CANCELED  also: one of its groups is closed.
 * Ownership  BRIM_OK: ${*out} is a ref to release exactly once; the count of the old ${*key} has become one of the
 *            new.  Otherwise ${*key} is as before.
 * Threads    Any; ${*key} is the caller's own variable.
 * Blocks     As brim_get.
 * Callbacks  As brim_get.
 * Cost       As brim_key_find; a load as brim_get.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_key_get(brim_key **key, brim_loader *loader, void *arg, brim_ref **out);

/**
 * brim_key_replace(key, value, cost):
 * Put ${value}, charged at ${cost} in the user's unit, in the place of the one that ${*key} names, with its
 * key bytes, kind, groups, work, ages and priority; ${*key} names the new one then.  Other keys of the old value find
 * nothing any more.
 *
 * Returns    BRIM_OK
 *            BRIM_TOO_BIG, BRIM_FULL, BRIM_NOMEM  as brim_insert.
 *            BRIM_INVALID  ${*key} or ${key} is NULL; the value has left, if only while this call was under
 *                          way; or the cache is freed.
 *            The old value is evicted first only if both together cannot be charged and nobody holds it:
 *            then it may have gone also on failure.  Otherwise it is still found after one.
 * Ownership  BRIM_OK: the cache owns ${value}; ${*key} is the caller's to drop, its count on the old entry
 *            has been dropped.  Otherwise ${value} is still the caller's, and so is ${*key}, as it was.
 * Threads    Any; the variable ${*key} is the caller's own.
 * Blocks     As brim_insert.
 * Callbacks  As brim_insert; the old value's listener, and if nobody holds it its destructor, are among
 *            them.
 * Cost       As brim_insert.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_key_replace(brim_key **key, void *value, size_t cost);

/**
 * brim_key_replace_with(key, value, cost, options, out):
 * As brim_key_replace, with ${options}.  A NULL kind and a work of 0 are taken from the old value; priority, groups
 * and ages only if ${options} is NULL.  only_if_absent means nothing here.
 *
 * Returns    As brim_key_replace; BRIM_INVALID and BRIM_CANCELED for options also as brim_insert_with.
 * Ownership  As brim_key_replace.  ${*out}, if ${out} is not NULL, is a ref to the new value to release
 *            exactly once, or NULL on failure.  TOO_BIG and FULL with drop_old: the old value is removed;
 *            ${*key} still names it.
 * Threads    Any; the variable ${*key} is the caller's own.
 * Blocks     As brim_insert_with.
 * Callbacks  As brim_key_replace.
 * Cost       As brim_insert_with.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_key_replace_with(brim_key **key, void *value, size_t cost,
                                                            const brim_entry_options *options,
                                                            brim_ref **out);

/**
 * brim_key_remove(key):
 * Take the value that ${key} names from look-ups, and no other.  It lives on for those who hold it.
 *
 * Returns    True: this call removed it.  False: it had left, or ${key} is NULL.
 * Ownership  ${key} stays the caller's, to drop.
 * Threads    Any.
 * Blocks     On one mutex.
 * Callbacks  Its listener, and if nobody holds it its destructor.
 * Cost       As brim_remove, but nothing is hashed.
 */
BRIM_EXPORT bool brim_key_remove(brim_key *key);

/**
 * brim_key_is_valid(key):
 * Whether the value that ${key} names can be found.  Quiet.
 *
 * Returns    False: it has left, or ${key} is NULL.  Once false it stays false.
 * Threads    Any.
 */
BRIM_EXPORT bool brim_key_is_valid(const brim_key *key);

/**
 * brim_key_equal(a, b):
 * Whether both name the same entry.  Entries that followed one another under the same bytes differ.
 *
 * Returns    True if so; NULL is equal to NULL alone.
 * Threads    Any.
 */
BRIM_EXPORT bool brim_key_equal(const brim_key *a, const brim_key *b);

/**
 * brim_key_copy(key):
 * One key more.  Cannot fail.
 *
 * Returns    The copy, which is the same pointer; NULL for NULL.
 * Ownership  The copy is the caller's: each is dropped exactly once.
 * Threads    Any.
 */
BRIM_EXPORT BRIM_MUST_USE brim_key *brim_key_copy(brim_key *key);

/**
 * brim_key_assign(dst, src):
 * Make ${*dst} a copy of ${src} and drop what it was.  Right also for ${src} == ${*dst}, and for NULL.
 *
 * Ownership  ${*dst} is the caller's to drop, as before.  ${src} stays the caller's.
 * Threads    Any; the variable ${*dst} is the caller's own.
 * Blocks     As brim_key_drop.
 */
BRIM_EXPORT void brim_key_assign(brim_key **dst, brim_key *src);

/**
 * brim_key_swap(a, b):
 * Exchange two variables.
 *
 * Ownership  Each variable owns the count that it has then.
 * Threads    Any; both variables are the caller's own.
 */
BRIM_EXPORT void brim_key_swap(brim_key **a, brim_key **b);

/**
 * brim_key_drop(key):
 * Give a key back.  NULL: nothing.  The value is not touched; an anonymous one that no key is left of is
 * evicted first.
 *
 * Ownership  ${key} is consumed.
 * Threads    Any, not only the one that got it.
 * Blocks     Never, unless it is the last handle of an entry whose value is destroyed: then on one mutex.
 */
BRIM_EXPORT void brim_key_drop(brim_key *key);

/* ---- Slots: each call is atomic, on a slot that other threads use at the same time */

/**
 * brim_slot_init(slot, key):
 * Make ${slot} a slot with ${key} in it, which may be NULL.  What it held before is not dropped.
 *
 * Ownership  The caller's count of ${key} passes to the slot.
 * Threads    Any, before others use ${slot}.
 */
BRIM_EXPORT void brim_slot_init(brim_slot *slot, brim_key *key);

/**
 * brim_slot_load(slot):
 * Copy the key that is in ${slot}.
 *
 * Returns    The key; NULL: the slot is empty.
 * Ownership  The key is the caller's, to drop exactly once.  The slot keeps its own count.
 * Threads    Any.
 */
BRIM_EXPORT BRIM_MUST_USE brim_key *brim_slot_load(brim_slot *slot);

/**
 * brim_slot_store(slot, key):
 * Put ${key}, which may be NULL, into ${slot} and drop what was there.
 *
 * Ownership  The caller's count of ${key} passes to the slot.
 * Threads    Any.
 * Blocks     As brim_key_drop.
 */
BRIM_EXPORT void brim_slot_store(brim_slot *slot, brim_key *key);

/**
 * brim_slot_exchange(slot, key):
 * Put ${key}, which may be NULL, into ${slot} and take what was there.
 *
 * Returns    The key that was there; NULL: the slot was empty.
 * Ownership  The caller's count of ${key} passes to the slot, the slot's of what was there to the caller,
 *            to drop exactly once.
 * Threads    Any.
 */
BRIM_EXPORT BRIM_MUST_USE brim_key *brim_slot_exchange(brim_slot *slot, brim_key *key);

/**
 * brim_slot_compare_exchange(slot, expected, desired):
 * Put ${desired} into ${slot} if ${expected} is there.  Either may be NULL.  Have a count of ${expected}:
 * else its memory may have become another entry.
 *
 * Returns    True: done.  False: something else was there, and nothing changed.
 * Ownership  True: the caller's count of ${desired} passes to the slot, and the slot's of ${expected} is
 *            dropped.  False: ${desired} is still the caller's.  The caller's own count of ${expected} stays
 *            in either case.
 * Threads    Any.
 * Blocks     As brim_key_drop.
 */
BRIM_EXPORT bool brim_slot_compare_exchange(brim_slot *slot, const brim_key *expected, brim_key *desired);

/**
 * brim_slot_find(slot):
 * Hold the value that the key in ${slot} names, as brim_key_find does, without a count on the key in
 * between.
 *
 * Returns    A ref; NULL: the slot is empty, or that value has left.
 * Ownership  The ref is the caller's, to release exactly once.
 * Threads    Any.
 * Blocks     Never: takes no lock (G7).
 * Callbacks  As brim_find.
 */
BRIM_EXPORT BRIM_MUST_USE brim_ref *brim_slot_find(brim_slot *slot);

/* ---- Many at once: a text run, a viewport.  Memory latency is overlapped */

/* Key bytes; ${data} may be NULL if ${len} is 0. */
typedef struct brim_bytes {
    const void *data;
    size_t len;
} brim_bytes;

/**
 * brim_find_many(cache, keys, n, refs):
 * brim_find of each of ${keys}, ${n} of them, in this order; the same key may come several times.  ${refs[i]}
 * becomes what brim_find of ${keys[i]} returns.  Two to three times as fast as one after the other when
 * entries lie in memory rather than in the processor's caches.  Not one atomic step: others' changes may
 * fall in between.
 *
 * Returns    The number of hits.
 * Ownership  Each ref is the caller's, to release exactly once, also those of equal keys.
 * Threads    Any.
 * Blocks     Never: takes no lock (G7).
 * Callbacks  As brim_find, after the last look-up.
 * Cost       O(bytes of the keys); no allocation.
 */
BRIM_EXPORT size_t brim_find_many(brim_cache *cache, const brim_bytes keys[], size_t n, brim_ref *refs[]);

/**
 * brim_find_fixed(cache, keys, key_len, stride, n, refs):
 * As brim_find_many, of ${n} keys of ${key_len} bytes each: the first at ${keys}, each other ${stride} bytes
 * after the one before it.
 *
 * Returns    The number of hits.
 * Ownership  Each ref is the caller's, to release exactly once.
 * Threads    Any.
 * Blocks     Never: takes no lock (G7).
 * Callbacks  As brim_find, after the last look-up.
 * Cost       O(bytes of the keys); no allocation.
 */
BRIM_EXPORT size_t brim_find_fixed(brim_cache *cache, const void *keys, size_t key_len, size_t stride, size_t n,
                                   brim_ref *refs[]);

/**
 * brim_key_find_many(keys, n, refs):
 * brim_key_find of each of ${keys}, which may be of several caches; NULLs among them miss.
 *
 * Returns    The number of hits.
 * Ownership  Each ref is the caller's, to release exactly once.
 * Threads    Any.
 * Blocks     Never: takes no lock (G7).
 * Callbacks  As brim_find, after the last look-up.
 * Cost       O(n); no allocation.
 */
BRIM_EXPORT size_t brim_key_find_many(brim_key *const keys[], size_t n, brim_ref *refs[]);

/**
 * brim_release_many(refs, n):
 * brim_release of each of ${refs}, which may be of several caches; NULLs among them are nothing.
 *
 * Ownership  All are consumed.
 * Threads    Any.
 * Callbacks  Destructors of those that had left and were last held here, after the last release.
 * Cost       O(n); no allocation.
 */
BRIM_EXPORT void brim_release_many(brim_ref *const refs[], size_t n);

/*
 * ---- Borrowing: within a section a thread uses values without counting.  Needs options.borrow.
 *
 * A section is one thread's, in one cache, from brim_read_begin to the brim_read_end that matches; sections
 * nest, and count as one until the outermost ends.  What a look-up lends in it stays valid until that end,
 * whatever others do meanwhile, brim_cache_free included: a value that leaves waits, undestroyed and counted
 * in `used', for the sections that were open when it left.  So keep sections short, a frame at the most, or
 * refresh them.  Any call is allowed in one, and none waits for the caller's own: an insert for which only
 * values waiting for sections could make room gets FULL.  A thread that ends closes its sections (in the
 * last but one round of its thread-specific destructors; so do not begin one in them if the thread's first call
 * came later than in their first round).  In a child of fork only the forking thread's
 * sections go on.
 */

/**
 * brim_read_begin(cache):
 * Begin a section of the calling thread.
 *
 * Returns    BRIM_OK           end it with brim_read_end, on this thread.
 *            BRIM_UNSUPPORTED  ${cache} was made without options.borrow.
 *            BRIM_INVALID      no cache, or it has been freed.
 *            BRIM_NOMEM        no memory for the thread's counters; or it has ended but for its last
 *                              thread-specific destructors.
 * Threads    Any.
 * Cost       A few nanoseconds and no write to memory that others read, where membarrier(2) works.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_read_begin(brim_cache *cache);

/**
 * brim_read_end(cache):
 * End the section.  If it was the outermost, nothing that was borrowed in it is valid any more.  Without a
 * section: nothing, and in builds with assertions a message to the debug hook.
 *
 * Threads    That which began it.
 * Callbacks  Destructors of values that waited for this section alone, on this thread, no lock held.
 * Cost       A few nanoseconds; if values wait, O(threads + values destroyed).
 */
BRIM_EXPORT void brim_read_end(brim_cache *cache);

/**
 * brim_read_refresh(cache):
 * End the section and begin it anew: nothing that was borrowed in it is valid any more.  Within a nested
 * section: nothing, and what was borrowed stays valid.  Without a section: as brim_read_end.
 *
 * Threads    That which began it.
 * Callbacks  As brim_read_end.
 * Cost       As brim_read_end; less if nothing has left meanwhile.
 */
BRIM_EXPORT void brim_read_refresh(brim_cache *cache);

/**
 * brim_peek(cache, key, key_len):
 * Borrow the value of ${key}'s entry.  Counts as a use, and as a hit or miss, as brim_find does.  A repeated
 * hit writes to no memory that others read (G7).
 *
 * Returns    The value, valid until the section ends; NULL: a miss, or a NULL value, or no section of the
 *            calling thread in ${cache}: then in builds with assertions a message to the debug hook.
 * Ownership  The cache's.
 * Threads    Any.
 * Blocks     Never: takes no lock (G7).
 * Cost       O(key_len); no allocation.
 */
BRIM_EXPORT void *brim_peek(brim_cache *cache, const void *key, size_t key_len);

/**
 * brim_key_peek(key):
 * Borrow the value that ${key} was issued for; hashes and probes nothing.  The section is one in ${key}'s
 * cache.
 *
 * Returns    As brim_peek.
 * Ownership  The cache's; also if ${key} is dropped within the section.
 * Threads    Any.
 * Blocks     Never: takes no lock (G7).
 */
BRIM_EXPORT void *brim_key_peek(brim_key *key);

/**
 * brim_peek_many(cache, keys, n, values):
 * brim_peek of each of ${keys}, as brim_find_many does.  ${values[i]} becomes what brim_peek of ${keys[i]}
 * returns.
 *
 * Returns    The number of hits, those with a NULL value included.
 * Ownership  The cache's.
 * Threads    Any.
 * Blocks     Never: takes no lock (G7).
 * Cost       O(bytes of the keys); no allocation.
 */
BRIM_EXPORT size_t brim_peek_many(brim_cache *cache, const brim_bytes keys[], size_t n, void *values[]);

/**
 * brim_peek_fixed(cache, keys, key_len, stride, n, values):
 * As brim_peek_many, of keys that lie as with brim_find_fixed.
 *
 * Returns    The number of hits, those with a NULL value included.
 * Ownership  The cache's.
 * Threads    Any.
 * Blocks     Never: takes no lock (G7).
 * Cost       O(bytes of the keys); no allocation.
 */
BRIM_EXPORT size_t brim_peek_fixed(brim_cache *cache, const void *keys, size_t key_len, size_t stride, size_t n,
                                   void *values[]);

/**
 * brim_borrow(cache, key, key_len):
 * As brim_peek, but of the ref: its value, cost, kind, key bytes and whether it is still cached.  Tells a
 * NULL value from a miss.
 *
 * Returns    An uncounted ref, valid until the section ends; NULL as brim_peek.
 * Ownership  The cache's: never release it, make no key or copy of it, but by brim_ref_hold.
 * Threads    Any.
 * Blocks     Never: takes no lock (G7).
 * Cost       O(key_len); no allocation.
 */
BRIM_EXPORT const brim_ref *brim_borrow(brim_cache *cache, const void *key, size_t key_len);

/**
 * brim_ref_hold(borrowed):
 * Hold what was borrowed, also if it has left since.  In the section; it cannot fail.
 *
 * Returns    A ref, which the section's end leaves alone; NULL for NULL.
 * Ownership  The ref is the caller's, to release exactly once.
 * Threads    Any.
 */
BRIM_EXPORT BRIM_MUST_USE brim_ref *brim_ref_hold(const brim_ref *borrowed);

/* ---- Loading: once for all who ask */

/**
 * brim_get(cache, key, key_len, loader, arg, out):
 * Hold ${key}'s value; if there is none, load it, or wait for whoever is loading it.  Counts as brim_find does.
 *
 * Returns    BRIM_OK
 *            BRIM_FAILED    the load, this call's or another's, failed.
 *            BRIM_CANCELED  another's load was canceled, or the cache is being freed.
 *            BRIM_DEADLOCK  it would wait for itself: the loader asks for its own key, or in a circle.
 *            BRIM_NOMEM     no memory for the load; the loader did not run.
 *            BRIM_INVALID   as brim_insert's; or no ${loader} or no ${out}.
 * Ownership  BRIM_OK: ${*out} is a ref to release exactly once; otherwise NULL.  What the loader gave is the
 *            cache's.  If it could not be admitted or was overtaken it is an uncharged value that the refs of
 *            those who asked own: brim_ref_is_cached tells.
 * Threads    Any.
 * Blocks     A hit never.  Else on one mutex, and for another's load as long as that takes.
 * Callbacks  ${loader}; what brim_insert calls; `done' of those who wait for this load.
 * Cost       A hit: as brim_find.  A load: two allocations, and as brim_insert.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_get(brim_cache *cache, const void *key, size_t key_len,
                                               brim_loader *loader, void *arg, brim_ref **out);

/**
 * brim_get_with(cache, key, key_len, options, loader, arg, out):
 * As brim_get, with ${options}; NULL: the defaults.  The work is the loader's run time, without what it spent in
 * nested gets, unless options.entry says another.  If expected_cost cannot be reserved the load goes on without.
 *
 * Returns    As brim_get, and
 *            BRIM_PENDING   timeout_ms is 0 and another is loading it.
 *            BRIM_TIMEOUT   another is still loading it.
 *            BRIM_FAILED    also: it failed not long ago (brim_load_fail_for).
 *            BRIM_CANCELED  also: one of its groups is closed.
 *            BRIM_INVALID   also: a size smaller than the layouts, a priority outside -1 to 1, a group of another
 *                           cache, a kind's limit above the capacity.
 * Ownership  As brim_get.  ${*options.reason}, if not NULL, is written in every case: with FAILED the loader's
 *            status, or what brim_load_fail was given; else 0.
 * Threads    Any.
 * Blocks     As brim_get, for another's load for timeout_ms at most.
 * Callbacks  As brim_get.
 * Cost       As brim_get.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_get_with(brim_cache *cache, const void *key, size_t key_len,
                                                    const brim_claim_options *options, brim_loader *loader,
                                                    void *arg, brim_ref **out);

/**
 * brim_claim(cache, key, key_len, timeout_ms, ref, load):
 * Hold ${key}'s value; if there is none, become the one who loads it, or wait for whoever does.
 *
 * Returns    BRIM_OK, and ${*ref}
 *            BRIM_CLAIMED   ${*load} is the caller's to finish or fail, on any thread.
 *            Else as brim_get_with.
 * Ownership  BRIM_OK: ${*ref} is a ref to release exactly once.  BRIM_CLAIMED: ${*load} is for exactly one
 *            brim_load_finish or brim_load_fail.  What is not given is NULL.
 * Threads    Any.
 * Blocks     As brim_get_with.
 * Callbacks  What brim_insert calls, for a reservation alone.
 * Cost       As brim_get_with; three allocations.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_claim(brim_cache *cache, const void *key, size_t key_len,
                                                 int timeout_ms, brim_ref **ref, brim_load **load);

/**
 * brim_claim_with(cache, key, key_len, options, ref, load):
 * As brim_claim, with ${options}; NULL: the defaults.
 *
 * Returns    As brim_claim.
 * Ownership  As brim_claim; ${*options.reason} as with brim_get_with.
 * Threads    Any.
 * Blocks     As brim_claim.
 * Callbacks  As brim_claim.
 * Cost       As brim_claim.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_claim_with(brim_cache *cache, const void *key, size_t key_len,
                                                      const brim_claim_options *options, brim_ref **ref,
                                                      brim_load **load);

/**
 * brim_claim_many(cache, keys, n, options, refs, loads, statuses):
 * brim_claim_with of each of ${keys}, ${n} of them, in this order, never waiting: what others load is PENDING.
 * A key that comes twice is claimed once and PENDING then.  ${*options.reason} is that of the last failure.
 *
 * Returns    The number of hits.
 * Ownership  ${refs[i]}, ${loads[i]} and ${statuses[i]} as by brim_claim_with of ${keys[i]}.  Any of the three
 *            arrays NULL: nothing happens.
 * Threads    Any.
 * Blocks     On one mutex at a time.
 * Callbacks  As brim_claim.
 * Cost       As n times brim_claim, hits as brim_find_many.
 */
BRIM_EXPORT size_t brim_claim_many(brim_cache *cache, const brim_bytes keys[], size_t n,
                                   const brim_claim_options *options, brim_ref *refs[], brim_load *loads[],
                                   brim_status statuses[]);

/**
 * brim_claim_async(cache, key, key_len, options, done, arg, ref, load, wait):
 * As brim_claim_with, for a program that must not block: while another loads it the answer is PENDING, and
 * ${done} is called when that has ended.  options.timeout_ms is not used.
 *
 * Returns    As brim_claim_with, but never TIMEOUT or DEADLOCK.
 *            BRIM_PENDING  ${done} will be called once, perhaps before this returns.
 *            BRIM_INVALID  also: no ${done}.
 * Ownership  As brim_claim_with.  BRIM_PENDING: ${*wait}, if ${wait} is not NULL, may be given to
 *            brim_wait_cancel once, at any time, or be forgotten; otherwise it is NULL.
 * Threads    Any.
 * Blocks     On two mutexes, one after the other.
 * Callbacks  As brim_claim.
 * Cost       As brim_claim; PENDING: one allocation now and then.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_claim_async(brim_cache *cache, const void *key, size_t key_len,
                                                       const brim_claim_options *options, brim_done *done,
                                                       void *arg, brim_ref **ref, brim_load **load,
                                                       brim_wait **wait);

/**
 * brim_wait_cancel(wait):
 * Have ${wait}'s `done' not called.
 *
 * Returns    True: it has not been called and will not be.  False: it was called or is about to be; NULL.
 * Ownership  ${wait} is consumed.
 * Threads    Any.
 * Blocks     On two mutexes.
 */
BRIM_EXPORT bool brim_wait_cancel(brim_wait *wait);

/**
 * brim_load_finish(load, value, cost, out):
 * Give ${value}, charged at ${cost}, to all who asked, and make it what look-ups of the key find.
 *
 * Returns    BRIM_OK        cached.
 *            BRIM_TOO_BIG, BRIM_FULL  it could not be charged, as brim_insert's; or there is no memory for a
 *                           larger index.
 *            BRIM_CANCELED  overtaken, or a group of it closed, or the cache was freed.
 *            BRIM_INVALID   no ${load}, or that of a loader, which ends by the loader's return: nothing happened.
 *            But for INVALID, everybody who asked has the value, cached or not.
 * Ownership  ${load} is consumed, and ${value} the cache's, in every case but INVALID.  ${*out}, if ${out} is not
 *            NULL, is a ref to release exactly once.  A value that is not cached is an uncharged one that its
 *            refs own; if there are none it is destroyed before this returns.
 * Threads    Any, once.
 * Blocks     As brim_insert.
 * Callbacks  As brim_insert; `done' of those who wait for it.
 * Cost       As brim_insert, and O(those who wait).  Needs no memory.
 */
BRIM_EXPORT brim_status brim_load_finish(brim_load *load, void *value, size_t cost, brim_ref **out);

/**
 * brim_load_finish_with(load, value, cost, options, out):
 * As brim_load_finish, with ${options} in place of those the load was claimed with; NULL: those.  An invalidation,
 * since the claim, of a group of either overtakes it.
 *
 * Returns    As brim_load_finish, and
 *            BRIM_INVALID  also: bad options, as brim_insert_with's.
 *            BRIM_NOMEM    no memory for a kind that the cache has not met: nothing happened.
 * Ownership  As brim_load_finish; INVALID and NOMEM: ${load} and ${value} are still the caller's.
 * Threads    Any, once.
 * Blocks     As brim_insert_with.
 * Callbacks  As brim_load_finish.
 * Cost       As brim_load_finish.
 */
BRIM_EXPORT brim_status brim_load_finish_with(brim_load *load, void *value, size_t cost,
                                              const brim_entry_options *options, brim_ref **out);

/**
 * brim_load_fail(load, reason):
 * There is no value.  All who wait get FAILED and ${reason}; the next to ask may try.  NULL: nothing.
 *
 * Ownership  ${load} is consumed.
 * Threads    Any, once.
 * Blocks     On one mutex.
 * Callbacks  `done' of those who wait for it.
 * Cost       O(those who wait).
 */
BRIM_EXPORT void brim_load_fail(brim_load *load, int reason);

/**
 * brim_load_fail_for(load, reason, ns):
 * As brim_load_fail, and until ${ns} nanoseconds have passed, on the cache's clock (options.now), all who ask get
 * FAILED and ${reason} at once.  An insert, a removal or a cancellation of the key and a clear forget it.
 *
 * Ownership  ${load} is consumed.
 * Threads    Any, once.
 * Blocks     On one mutex.
 * Callbacks  As brim_load_fail.
 * Cost       As brim_load_fail.  Until then the load keeps its memory.
 */
BRIM_EXPORT void brim_load_fail_for(brim_load *load, int reason, uint64_t ns);

/**
 * brim_load_begin(load):
 * The work begins now: it, and the time of the load, are measured from here until the load is finished, not from
 * its claim.  Without this call a claimed load's work is what its options say.
 *
 * Threads    Any, one at a time.
 */
BRIM_EXPORT void brim_load_begin(brim_load *load);

/**
 * brim_load_is_wanted(load):
 * Whether it is still worth going on.
 *
 * Returns    False: it was canceled or overtaken, or others waited for it and every one has left (within a loader
 *            its own brim_get still waits); or ${load} is NULL.
 * Threads    Any.
 */
BRIM_EXPORT bool brim_load_is_wanted(const brim_load *load);

/**
 * brim_load_asked(load):
 * The frame in which it was last asked for; 0 for NULL.
 *
 * Threads    Any.
 */
BRIM_EXPORT uint64_t brim_load_asked(const brim_load *load);

/**
 * brim_load_cancel(cache, key, key_len):
 * Make a load of ${key} that is under way unwanted: its waiters get CANCELED now, and it will publish nothing.
 * An entry stays.
 *
 * Returns    True: there was one.
 * Threads    Any.
 * Blocks     On one mutex.
 * Callbacks  `done' of those who waited.
 * Cost       O(key_len), and O(those who wait).
 */
BRIM_EXPORT bool brim_load_cancel(brim_cache *cache, const void *key, size_t key_len);

/**
 * brim_load_current():
 * The load whose loader is running.
 *
 * Returns    Within a loader its load, of the innermost one; else NULL.  Also NULL on a thread for whose record
 *            there was no memory.
 * Ownership  Lent, until the loader returns: for brim_load_is_wanted and brim_load_asked.
 * Threads    Any; each has its own.
 */
BRIM_EXPORT brim_load *brim_load_current(void);

/* ---- Bounds: capacities, charges and costs are in the user's unit */

/**
 * brim_set_capacity(cache, capacity):
 * Change the capacity.  Downwards the difference is reserved first, as an insert's charge is, so that used
 * <= capacity holds for every observer all the while.
 *
 * Returns    BRIM_OK       it fits.
 *            BRIM_FULL     set all the same, but what is held or reserved exceeds it: nothing is admitted
 *                          until it fits.  Also if it would have to evict inside a destructor or listener.
 *            BRIM_INVALID  no cache, or a capacity above SIZE_MAX / 2: nothing changed.
 * Threads    Any.
 * Blocks     As brim_insert.
 * Callbacks  Downwards: destructors and listeners of victims, on this thread, no lock held.
 * Cost       Downwards: evictions.
 */
BRIM_EXPORT brim_status brim_set_capacity(brim_cache *cache, size_t capacity);

/**
 * brim_capacity(cache):
 * The capacity.
 *
 * Returns    It.
 * Threads    Any.
 */
BRIM_EXPORT size_t brim_capacity(const brim_cache *cache);

/**
 * brim_used(cache):
 * The charge of all values taken and not yet destroyed, and reservations (G4).  Wrapped values are no part
 * of it.
 *
 * Returns    It.
 * Threads    Any.
 * Blocks     While another thread is within the few instructions in which the capacity changes.
 */
BRIM_EXPORT size_t brim_used(const brim_cache *cache);

/**
 * brim_pinned(cache):
 * The charge of what refs hold, also of what has left.
 *
 * Returns    It, exact while nobody takes or releases refs, else about it.
 * Threads    Any.
 * Cost       O(threads).
 */
BRIM_EXPORT size_t brim_pinned(const brim_cache *cache);

/**
 * brim_count(cache):
 * The number of entries that can be found.
 *
 * Returns    It, exact while nobody inserts or removes, else about it.
 * Threads    Any.
 * Cost       O(shards).
 */
BRIM_EXPORT size_t brim_count(const brim_cache *cache);

/**
 * brim_reserve(cache, cost):
 * Charge ${cost} for memory that is not an entry, making room for it as an insert does.
 *
 * Returns    BRIM_OK
 *            BRIM_FULL     it cannot be charged, as brim_insert's FULL and TOO_BIG; nothing is reserved.
 *            BRIM_INVALID  no cache.
 * Ownership  BRIM_OK: ${cost} stays charged until brim_unreserve, by any thread, in one piece or several.
 * Threads    Any.
 * Blocks     As brim_insert.
 * Callbacks  Destructors and listeners of victims, on this thread, no lock held.
 * Cost       Evictions.
 */
BRIM_EXPORT BRIM_MUST_USE brim_status brim_reserve(brim_cache *cache, size_t cost);

/**
 * brim_unreserve(cache, cost):
 * Give back ${cost} of what brim_reserve charged; never more than all of it.
 *
 * Threads    Any.
 */
BRIM_EXPORT void brim_unreserve(brim_cache *cache, size_t cost);

/**
 * brim_trim(cache, target_used):
 * Evict what is used beyond ${target_used} now, as far as it can go; what listeners insert meanwhile may stay.  The
 * capacity stays.  Also for memory pressure: it may be called by options.allocator, whose calls it then returns to;
 * trims that nest deeper than four in such calls give back nothing.
 *
 * Returns    The charge of what it evicted.  Inside a destructor or listener it is freed only by the
 *            outermost call.
 * Threads    Any.
 * Blocks     On one mutex.
 * Callbacks  Destructors and listeners of victims, on this thread, no lock held.
 * Cost       Evictions; O(shards), with allocations for indexes that should shrink, which need no success.
 */
BRIM_EXPORT size_t brim_trim(brim_cache *cache, size_t target_used);

/**
 * brim_trim_kind(cache, kind, target):
 * Evict values of ${kind} until all of them, held ones included, are charged no more than ${target}, or
 * nothing more can go.  NULL: the kind of entries that name none.
 *
 * Returns    The charge of what it evicted; 0 for a kind that the cache has not met.  As brim_trim.
 * Threads    Any.
 * Blocks     On one mutex.
 * Callbacks  Destructors and listeners of victims, on this thread, no lock held.
 * Cost       As brim_trim; with few values of the kind, O(entries).
 */
BRIM_EXPORT size_t brim_trim_kind(brim_cache *cache, const brim_kind *kind, size_t target);

/**
 * brim_trim_unused_since(cache, frame):
 * Evict what was neither inserted nor used in ${frame} or later.
 *
 * Returns    The charge it freed.
 * Threads    Any.
 * Blocks     On one mutex at a time.
 * Callbacks  Listeners and destructors of victims.
 * Cost       O(entries).
 */
BRIM_EXPORT size_t brim_trim_unused_since(brim_cache *cache, uint64_t frame);

/**
 * brim_idle(cache):
 * From a timer: give back about a quarter of what was neither inserted nor used since the last call, the oldest
 * first, and what is stale.
 *
 * Returns    The charge it freed.
 * Threads    Any, one at a time.
 * Blocks     On one mutex at a time.
 * Callbacks  Listeners and destructors of victims.
 * Cost       O(entries).
 */
BRIM_EXPORT size_t brim_idle(brim_cache *cache);

/**
 * brim_next_frame(cache):
 * A new frame begins.
 *
 * Returns    Its number: one more than the last, the first being 0; 0 for NULL.
 * Threads    Any.
 * Blocks     On one mutex.
 */
BRIM_EXPORT uint64_t brim_next_frame(brim_cache *cache);

/**
 * brim_frame(cache):
 * The current frame's number.
 *
 * Returns    Frames begun so far; 0 for NULL.
 * Threads    Any.
 */
BRIM_EXPORT uint64_t brim_frame(const brim_cache *cache);

/**
 * brim_clear(cache):
 * Remove every entry that is there throughout the call.  Those inserted meanwhile may stay.  Held values
 * live on for their holders, and stay charged until then.
 *
 * Threads    Any.
 * Blocks     On one mutex.
 * Callbacks  Listeners of all entries, destructors of those that nobody holds; on this thread, no lock
 *            held.
 * Cost       O(entries + shards); memory for entries is kept for new ones.
 */
BRIM_EXPORT void brim_clear(brim_cache *cache);

/**
 * brim_drain(cache, timeout_ms):
 * Wait for values that other threads are destroying, or that wait for sections: those that had left before
 * the call and that nobody holds. ${timeout_ms} is in milliseconds; 0: only look; < 0: no limit.
 *
 * Returns    BRIM_OK        they have been destroyed.
 *            BRIM_TIMEOUT   the time is up; some have not.
 *            BRIM_DEADLOCK  called inside a destructor or listener, or in a section of this cache: it would
 *                           wait for itself.
 *            BRIM_INVALID   no cache.
 * Threads    Any.
 * Blocks     For other threads' destructors, listeners and sections, looking ten times a millisecond; no
 *            lock is held.
 * Callbacks  Destructors of values that waited for sections, on this thread, no lock held.
 * Cost       O(threads).
 */
BRIM_EXPORT brim_status brim_drain(brim_cache *cache, int timeout_ms);

/**
 * brim_kind_set_limits(cache, kind, floor, ceiling):
 * Change what ${kind} is guaranteed and limited to in ${cache}; 0: none.  NULL: the cache's own kind.
 *
 * Returns    BRIM_OK       it fits.
 *            BRIM_FULL     set, but refs, sections or queues hold more than the ceiling: nothing of the kind is
 *                          admitted until it fits.
 *            BRIM_NOMEM    no memory for a kind that the cache has not met.
 *            BRIM_INVALID  nothing changed: no ${cache}; a limit above the capacity; a floor above its ceiling;
 *                          floors of all kinds above the capacity together; a kind with a bad size.
 * Threads    Any.
 * Blocks     On one mutex at a time.
 * Callbacks  Listeners and destructors of victims.
 * Cost       Evictions; O(entries) the first time a kind that had no limits gets one.
 */
BRIM_EXPORT brim_status brim_kind_set_limits(brim_cache *cache, const brim_kind *kind, size_t floor, size_t ceiling);

/* ---- Queues: values that only their owner's thread may destroy, as GPU objects */

/**
 * brim_queue_new():
 * A queue, for brim_kind.queue of any number of kinds and caches.
 *
 * Returns    The queue; NULL: no memory.
 * Ownership  The caller's, for brim_queue_drop.
 * Threads    Any.
 */
BRIM_EXPORT BRIM_MUST_USE brim_queue *brim_queue_new(void);

/**
 * brim_collect(queue, max):
 * Destroy up to ${max} of the values that wait in ${queue}, the oldest first.  Until then they count as used, also
 * after their cache was freed.
 *
 * Returns    How many it destroyed.  0 also inside a destructor or listener: nothing is destroyed there.
 * Threads    Any: on the one that calls the destructors run.
 * Blocks     On one mutex.
 * Callbacks  Destructors; `unused'; `gone'.
 * Cost       O(values destroyed).
 */
BRIM_EXPORT size_t brim_collect(brim_queue *queue, size_t max);

/**
 * brim_queue_drop(queue):
 * Nobody will collect any more: what waits is destroyed now, on this thread, and what falls later wherever it
 * falls.  NULL: nothing.
 *
 * Ownership  ${queue} is consumed; its memory goes with the last cache that has met a kind of it.
 * Threads    Any, once.
 * Blocks     On one mutex.
 * Callbacks  As brim_collect.
 * Cost       O(values that wait).
 */
BRIM_EXPORT void brim_queue_drop(brim_queue *queue);

/* ---- Groups */

/**
 * brim_group_new(cache):
 * A group for entries of ${cache}.
 *
 * Returns    The group; NULL: no memory, or no ${cache}.
 * Ownership  The caller's, for brim_group_drop.  Entries count their groups themselves.
 * Threads    Any.
 */
BRIM_EXPORT BRIM_MUST_USE brim_group *brim_group_new(brim_cache *cache);

/**
 * brim_group_copy(group):
 * One more count of it.
 *
 * Returns    ${group}, also NULL.
 * Ownership  The caller's, to drop as well.
 * Threads    Any.
 */
BRIM_EXPORT BRIM_MUST_USE brim_group *brim_group_copy(brim_group *group);

/**
 * brim_group_invalidate(group):
 * From its return on nothing that was inserted into ${group} before, and no load claimed for it before, is found.
 * The group can be used again.  NULL: nothing.
 *
 * Threads    Any.
 * Cost       Constant, however many entries it has; they are swept later.
 */
BRIM_EXPORT void brim_group_invalidate(brim_group *group);

/**
 * brim_group_close(group):
 * As brim_group_invalidate, for good: later inserts, claims and finishes into it get CANCELED.  NULL: nothing.
 *
 * Threads    Any.
 */
BRIM_EXPORT void brim_group_close(brim_group *group);

/**
 * brim_group_loads(group):
 * How many loads into it are under way.
 *
 * Returns    Their number; 0 for NULL.  After brim_group_close, 0: none is and none will be, so what they read
 *            from may be closed.
 * Threads    Any.
 */
BRIM_EXPORT size_t brim_group_loads(brim_group *group);

/**
 * brim_group_drop(group):
 * Give a count back.  The entries stay.  NULL: nothing.
 *
 * Ownership  The count is consumed.
 * Threads    Any.
 */
BRIM_EXPORT void brim_group_drop(brim_group *group);

/* ---- Walks */

/**
 * brim_remove_if(cache, predicate, arg):
 * Remove each entry for which ${predicate}, called with ${arg}, is true.  What is there throughout is asked
 * about exactly once.
 *
 * Returns    The number of entries that this call removed.
 * Ownership  The ref that ${predicate} gets is lent: copy it to keep it.
 * Threads    Any.
 * Blocks     On one mutex.
 * Callbacks  ${predicate}, on this thread, no lock held; it may call anything.  Listeners of what is
 *            removed; the destructors of what nobody holds.
 * Cost       O(entries + shards).  Up to 256 entries at a time are held, and cannot be evicted.
 */
BRIM_EXPORT size_t brim_remove_if(brim_cache *cache, brim_predicate *predicate, void *arg);

/**
 * brim_for_each(cache, visitor, arg):
 * Show each entry to ${visitor}, with ${arg}, until it returns false.  What is there throughout is visited
 * exactly once; what comes or goes meanwhile, at most once.  Counts as no use.
 *
 * Returns    The number of entries visited, the one at which it stopped included.
 * Ownership  The ref that ${visitor} gets is lent: copy it to keep it.
 * Threads    Any.
 * Blocks     On one mutex.
 * Callbacks  ${visitor}, on this thread, no lock held; it may call anything.  Destructors of what left
 *            meanwhile and was last held by the walk.
 * Cost       O(entries + shards).  Up to 256 entries at a time are held, and cannot be evicted.
 */
BRIM_EXPORT size_t brim_for_each(brim_cache *cache, brim_visitor *visitor, void *arg);

/* ---- Looking inside */

/**
 * brim_stats_get_sized(cache, kind, stats, size):
 * Fill ${stats}, of ${size} bytes, with the statistics of ${cache}; only of ${kind}, if it is not NULL.
 * Called through brim_stats_get(cache, stats) for all kinds.
 *
 * Returns    Nothing; ${stats->size} is how much of it this library knows.  All else is 0 for a NULL cache,
 *            and for a kind that it has not met.
 * Ownership  ${stats} is the caller's, and need not be initialized.
 * Threads    Any.
 * Cost       O(threads + shards + kinds).
 */
BRIM_EXPORT void brim_stats_get_sized(brim_cache *cache, const brim_kind *kind, brim_stats *stats,
                                      size_t size);
#define brim_stats_get(cache, stats) brim_stats_get_sized((cache), NULL, (stats), sizeof *(stats))

/**
 * brim_stats_write(cache, file, format):
 * Write the statistics of ${cache} and of each of its kinds.
 *
 * Returns    BRIM_OK
 *            BRIM_FAILED   ${file} did not take it all.
 *            BRIM_INVALID  no ${cache}, no ${file}, or no such format.
 * Ownership  ${file} stays the caller's, open.
 * Threads    Any.
 * Blocks     On ${file}, with no lock held.
 * Cost       O(threads + shards + kinds).  No allocation of its own.
 */
BRIM_EXPORT brim_status brim_stats_write(brim_cache *cache, FILE *file, brim_format format);

/**
 * brim_stats_emit(caches, n, format, write, arg):
 * The same of ${n} caches in one document, as Prometheus wants it, through ${write}.
 *
 * Returns    BRIM_OK
 *            BRIM_FAILED   ${write} wanted no more.
 *            BRIM_INVALID  no ${caches} or one of them NULL, no ${write}, or no such format.
 * Ownership  ${text} that ${write} is given is lent.
 * Threads    Any.
 * Callbacks  ${write}, no lock held.
 * Cost       As brim_stats_write.
 */
BRIM_EXPORT brim_status brim_stats_emit(brim_cache *const caches[], size_t n, brim_format format, brim_write *write,
                                        void *arg);

/**
 * brim_report_problems(cache, write, arg):
 * Say in words, one line each, what is badly configured or goes badly: values larger than the capacity, thrashing,
 * too many shards, most of it held, sections open too long, and the like.  ${write} may be NULL: only count.
 *
 * Returns    How many there are; 0 for NULL.
 * Threads    Any.
 * Callbacks  ${write}, no lock held, once a problem.
 * Cost       As brim_stats_write.
 */
BRIM_EXPORT size_t brim_report_problems(brim_cache *cache, brim_write *write, void *arg);

/**
 * brim_strerror(status):
 * ${status} in English words.
 *
 * Returns    A constant string, also for a number that is no status.
 * Threads    Any.
 */
BRIM_EXPORT const char *brim_strerror(brim_status status);

/**
 * brim_version():
 * The version of the library that runs, as "major.minor.patch".
 *
 * Returns    A constant string.
 * Threads    Any.
 */
BRIM_EXPORT const char *brim_version(void);

#ifdef __cplusplus
}
#endif
#endif
