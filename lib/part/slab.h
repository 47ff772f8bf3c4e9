/* SPDX-License-Identifier: MIT
 *
 * Memory for entries: slots of 64, 96 and 128 bytes packed into regions, larger ones from the allocator.  Packing
 * matters: entries of one line each in dense memory doubled the look-up rate of the C library's allocator.
 *
 * What is given back may still be looked at by readers in sections, so it waits in a batch until they have left.  A
 * look whether they have costs a barrier, some 10 us in a virtual machine: where batches fill within 20 ms
 * they grow.
 * Waiting or free, a slot's third word is its link, with the lowest bit set: what an entry keeps there tells readers
 * that it has gone (entry/entry.h).  Regions go back to the allocator with the cache.
 *
 * Threads with low numbers have an arena of their own, which they use in windows; all others share one, with a lock.
 * Either gives slab_role: what it is to touch the arena's lists.
 * What one gets back beyond what it needs goes to a depot, a batch at a time, for all to take from before they ask for
 * new memory: else, where one thread inserts and another removes, the one would for ever ask for what the other keeps.
 */
#ifndef BRIM_PART_SLAB_H
#define BRIM_PART_SLAB_H

#include "base/lock.h"
#include "base/mem.h"
#include "part/window.h"

enum { SLAB_CLASSES = 4, SLAB_LARGE = 3, SLAB_ARENAS = 16, SLAB_BATCH_LEAST = 16, SLAB_BATCH_MOST = 1024 };

extern struct rank slab_role BEFORE(rank_arena);

struct slab_slot {
    uint64_t opaque[2];
    ATOM(uintptr_t) link;
};

struct slab_class {
    struct slab_slot *free GUARDED_BY(slab_role);    /* ready for use */
    struct slab_slot *recent GUARDED_BY(slab_role);  /* given back since the batch was closed */
    struct slab_slot *waiting GUARDED_BY(slab_role); /* the batch: free once `stamp' has passed */
    struct slab_slot *recent_last GUARDED_BY(slab_role), *waiting_last GUARDED_BY(slab_role);
    size_t free_count GUARDED_BY(slab_role), waiting_count GUARDED_BY(slab_role);
    uint64_t stamp GUARDED_BY(slab_role);
    size_t weight GUARDED_BY(slab_role);    /* of recent, in slots or 64 bytes */
    size_t batch GUARDED_BY(slab_role);     /* how much of that closes one */
    size_t next_look GUARDED_BY(slab_role); /* the weight at which to look at the batch again; 0: when it is full */
    uint64_t closed GUARDED_BY(slab_role);  /* when the last one was, on clock_now */
    bool looked GUARDED_BY(slab_role);      /* an allocation has looked whether it has passed */
};

/* The first slot of a batch in the depot, which nobody looks at any more. */
struct slab_batch {
    struct slab_batch *next;
    size_t count;
    ATOM(uintptr_t) link; /* as every slot's, through the batch */
};

struct slab_region {
    struct slab_region *next;
    size_t size;
};

struct slab_arena {
    struct slab_class class[SLAB_CLASSES];
    char *bump GUARDED_BY(slab_role), *end GUARDED_BY(slab_role); /* of the newest region */
    struct slab_region *regions GUARDED_BY(slab_role);
    size_t region_size GUARDED_BY(slab_role); /* of the next one */
} __attribute__((aligned(128)));

struct slab {
    const brim_allocator *mem;
    ATOM(size_t) bytes; /* had from the allocator */
    struct lock lock;   /* of arena 0 and the depot */
    struct slab_batch *depot[SLAB_LARGE] GUARDED_BY(rank_arena);
    ATOM(uint32_t) batches[SLAB_LARGE]; /* in it; read without the lock */
    struct slab_arena arena[SLAB_ARENAS]; /* by thread number; 0: shared */
};

bool slab_init(struct slab *s, const brim_allocator *mem);

/*
 * slab_destroy(s):
 * Give everything back.  No reader may be left.
 */
void slab_destroy(struct slab *s);

/*
 * slab_class_of(size):
 * The class for ${size} bytes.
 */
unsigned slab_class_of(size_t size);

/*
 * slab_alloc(s, t, size):
 * A slot of ${size} bytes or more, aligned to 16 or more; NULL: no memory.  Not in a section, no lock held.
 */
void *slab_alloc(struct slab *s, struct thread *t, size_t size) EXCLUDES(slab_role) NO_LOCK_HELD;

/*
 * slab_retire(s, t, p, class):
 * Give the slot ${p} back once no section under way can see it.  It must be unlinked.  Not in a section, no lock held.
 */
void slab_retire(struct slab *s, struct thread *t, void *p, unsigned class) EXCLUDES(slab_role) NO_LOCK_HELD;


#endif
