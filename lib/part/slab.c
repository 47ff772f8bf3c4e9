/* SPDX-License-Identifier: MIT */
#include "part/slab.h"

#include "base/clock.h"

#define PAGE ((size_t)4096)
#define REGION_FIRST PAGE
#define REGION_MOST (64 * PAGE)
#define REGION_HEADER 64u
#define LARGE_HEADER 64u
#define QUICK_NS 20000000u

static const size_t slot_size[SLAB_LARGE] = {64, 96, 128};

unsigned slab_class_of(size_t size)
{
    unsigned c = 0;

    while (c < SLAB_LARGE && size > slot_size[c])
        c++;
    return c;
}

/* Nobody else can see it: it is being made, or destroyed. */
static void is_alone(void) ASSERTS(slab_role, rank_arena)
{
}

bool slab_init(struct slab *s, const brim_allocator *mem)
{
    is_alone();
    s->mem = mem;
    for (unsigned i = 0; i < SLAB_ARENAS; i++) {
        s->arena[i].region_size = REGION_FIRST;
        for (unsigned k = 0; k < SLAB_CLASSES; k++)
            s->arena[i].class[k].batch = SLAB_BATCH_LEAST;
    }
    return lock_init(&s->lock, RANK_ARENA);
}

static bool has_own(const struct thread *t)
{
    return t->number - 1 < SLAB_ARENAS - 1;
}

static void depot_lock(struct slab *s) LOCKS(rank_arena)
{
    lock_acquire(&s->lock);
}

static void depot_unlock(struct slab *s) UNLOCKS(rank_arena)
{
    lock_release(&s->lock);
}

/* Not followed, nor is its end: a window or the lock, by the thread's number. */
static struct slab_arena *arena_enter(struct slab *s, struct thread *t) ACQUIRES(slab_role) EXCLUDES(rank_arena) UNFOLLOWED
{
    if (likely(has_own(t))) {
        window_open(t);
        return &s->arena[t->number];
    }
    lock_acquire(&s->lock);
    return &s->arena[0];
}

static void arena_leave(struct slab *s, struct thread *t) RELEASES(slab_role) UNFOLLOWED
{
    if (likely(has_own(t)))
        window_close(t);
    else
        lock_release(&s->lock);
}

static struct slab_slot *next_of(struct slab_slot *slot)
{
    return (struct slab_slot *)(void *)(atom_load_relaxed(&slot->link) & ~(uintptr_t)1);
}

static void push(struct slab_slot **list, struct slab_slot *slot)
{
    /* Relaxed: readers only look at the lowest bit, which stays set from before they could come here anew. */
    atom_store_relaxed(&slot->link, (uintptr_t)*list | 1);
    *list = slot;
}

static struct slab_slot *pop(struct slab_slot **list)
{
    struct slab_slot *slot = *list;

    if (slot != NULL)
        *list = next_of(slot);
    return slot;
}

/* A large slot's size stands before it. */
static void *large_alloc(struct slab *s, size_t size)
{
    size_t *p = mem_alloc(s->mem, size + LARGE_HEADER, LARGE_HEADER);

    if (p == NULL)
        return NULL;
    *p = size + LARGE_HEADER;
    (void)atom_add_relaxed(&s->bytes, *p); /* relaxed: a statistic */
    return (char *)p + LARGE_HEADER;
}

static size_t *large_base(struct slab_slot *slot)
{
    return (size_t *)(void *)((char *)slot - LARGE_HEADER);
}

static void large_free_list(struct slab *s, struct slab_slot *list)
{
    struct slab_slot *slot;

    while ((slot = pop(&list)) != NULL) {
        size_t *p = large_base(slot);
        (void)atom_sub_relaxed(&s->bytes, *p);
        mem_free(s->mem, p, *p, LARGE_HEADER);
    }
}

void slab_destroy(struct slab *s)
{
    is_alone();
    for (unsigned i = 0; i < SLAB_ARENAS; i++) {
        struct slab_arena *a = &s->arena[i];
        large_free_list(s, a->class[SLAB_LARGE].recent);
        large_free_list(s, a->class[SLAB_LARGE].waiting);
        for (struct slab_region *r = a->regions, *next; r != NULL; r = next) {
            next = r->next;
            mem_free(s->mem, r, r->size, PAGE);
        }
    }
    lock_destroy(&s->lock);
}

static void *bump(struct slab_arena *a, size_t size) REQUIRES(slab_role)
{
    char *p = a->bump;

    if ((uintptr_t)p % 64 != 0 && size % 64 == 0)
        p += 64 - (uintptr_t)p % 64; /* slots of whole lines start on one */
    if (a->bump == NULL || (size_t)(a->end - a->bump) < size + (size_t)(p - a->bump))
        return NULL;
    a->bump = p + size;
    return p;
}

/* ---- The depot */

_Static_assert(offsetof(struct slab_batch, link) == offsetof(struct slab_slot, link), "a batch begins as a slot");

/* NULL: nothing. */
static void depot_push(struct slab *s, unsigned class, struct slab_slot *first, size_t count)
    EXCLUDES(slab_role, rank_arena)
{
    struct slab_batch *b = (struct slab_batch *)(void *)first;

    if (b == NULL)
        return;
    depot_lock(s);
    b->count = count;
    b->next = s->depot[class];
    s->depot[class] = b;
    atom_store_relaxed(&s->batches[class], atom_load_relaxed(&s->batches[class]) + 1); /* relaxed: a hint */
    depot_unlock(s);
}

static struct slab_slot *depot_pop(struct slab *s, unsigned class, size_t *count) EXCLUDES(slab_role, rank_arena)
{
    struct slab_batch *b;

    if (atom_load_relaxed(&s->batches[class]) == 0) /* relaxed: a hint */
        return NULL;
    depot_lock(s);
    b = s->depot[class];
    if (b != NULL) {
        s->depot[class] = b->next;
        *count = b->count;
        atom_store_relaxed(&s->batches[class], atom_load_relaxed(&s->batches[class]) - 1);
    }
    depot_unlock(s);
    return (struct slab_slot *)(void *)b;
}

/* ---- Slots */

static bool has_passed(const struct slab_class *k) REQUIRES(slab_role)
{
    return k->waiting != NULL && (PLANTED(slab_waits_for_nobody) || epoch_passed(&epoch_process, k->stamp));
}

/* The batch, which nobody can see any more, is free. */
static void keep_batch(struct slab_class *k) REQUIRES(slab_role)
{
    atom_store_relaxed(&k->waiting_last->link, (uintptr_t)k->free | 1); /* relaxed: as in push */
    k->free = k->waiting;
    k->free_count += k->waiting_count;
    k->waiting = NULL;
}

/* Move the batch to the free list if nobody can see it any more.  The window we are in began after its stamp. */
static void reclaim(struct slab_class *k) REQUIRES(slab_role)
{
    if (has_passed(k))
        keep_batch(k);
}

/* The same; but what is more than enough is returned, for the depot. */
static struct slab_slot *reclaim_some(struct slab_class *k, size_t *count) REQUIRES(slab_role)
{
    struct slab_slot *batch = k->waiting;

    if (!has_passed(k))
        return NULL;
    *count = k->waiting_count;
    if (k->free_count < k->batch) {
        keep_batch(k);
        return NULL;
    }
    atom_store_relaxed(&k->waiting_last->link, (uintptr_t)1); /* relaxed: as in push */
    k->waiting = NULL;
    return batch;
}

static void *take(struct slab_arena *a, unsigned class) REQUIRES(slab_role)
{
    struct slab_class *k = &a->class[class];
    void *slot;

    /* Once a batch: a look is a barrier, and new memory is cheaper than many of them. */
    if (k->free == NULL && !k->looked) {
        k->looked = true;
        reclaim(k);
    }
    slot = pop(&k->free);
    k->free_count -= slot != NULL;
    return slot != NULL ? slot : bump(a, slot_size[class]);
}

/* A batch from the depot.  False: there is none. */
static bool add_batch(struct slab *s, struct thread *t, unsigned class)
{
    size_t count;
    struct slab_slot *batch = depot_pop(s, class, &count);
    struct slab_class *k;

    if (batch == NULL)
        return false;
    k = &arena_enter(s, t)->class[class];
    if (k->free == NULL) {
        k->free = batch;
        k->free_count = count;
        batch = NULL;
    }
    arena_leave(s, t);
    depot_push(s, class, batch, count); /* others who share the arena were first */
    return true;
}

static bool add_region(struct slab *s, struct thread *t, size_t size)
{
    struct slab_arena *a;
    struct slab_region *r = mem_alloc(s->mem, size, PAGE);

    if (r == NULL)
        return false;
    (void)atom_add_relaxed(&s->bytes, size); /* relaxed: a statistic */
    r->size = size;
    a = arena_enter(s, t);
    r->next = a->regions;
    a->regions = r;
    a->bump = (char *)r + REGION_HEADER;
    a->end = (char *)r + size;
    if (a->region_size < REGION_MOST)
        a->region_size *= 2;
    arena_leave(s, t);
    return true;
}

void *slab_alloc(struct slab *s, struct thread *t, size_t size)
{
    unsigned class = slab_class_of(size);

    if (class == SLAB_LARGE)
        return large_alloc(s, size);
    for (;;) {
        struct slab_arena *a = arena_enter(s, t);
        void *slot = take(a, class);
        size_t region = a->region_size;

        arena_leave(s, t);
        if (slot != NULL || (!add_batch(s, t, class) && !add_region(s, t, region)))
            return slot;
    }
}

static void close_batch(struct slab_class *k) REQUIRES(slab_role)
{
    uint64_t now = clock_now();

    if (now - k->closed < QUICK_NS)
        k->batch = k->batch < SLAB_BATCH_MOST ? k->batch * 2 : SLAB_BATCH_MOST;
    else
        k->batch = k->batch > SLAB_BATCH_LEAST ? k->batch / 2 : SLAB_BATCH_LEAST;
    k->closed = now;
    k->waiting = k->recent;
    k->waiting_last = k->recent_last;
    k->waiting_count = k->weight;
    k->stamp = epoch_stamp(&epoch_process);
    k->recent = NULL;
    k->weight = k->next_look = 0;
    k->looked = false;
}

void slab_retire(struct slab *s, struct thread *t, void *p, unsigned class)
{
    struct slab_class *k = &arena_enter(s, t)->class[class];
    struct slab_slot *slot = p, *large = NULL, *spare = NULL;
    size_t count = 0;

    if (k->recent == NULL)
        k->recent_last = slot;
    push(&k->recent, slot);
    k->weight += class == SLAB_LARGE ? 1 + *large_base(slot) / 64 : 1;
    if (k->weight >= (k->next_look != 0 ? k->next_look : k->batch)) {
        if (class != SLAB_LARGE) {
            spare = reclaim_some(k, &count);
        } else {
            reclaim(k);
            large = k->free;
            k->free = NULL;
        }
        if (k->waiting == NULL)
            close_batch(k);
        else
            k->next_look = k->weight + k->batch / 2; /* a section lasts, that of a preempted thread perhaps */
    }
    arena_leave(s, t);
    large_free_list(s, large);
    depot_push(s, class, spare, count);
}
