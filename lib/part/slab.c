/* SPDX-License-Identifier: MIT */
#include "part/slab.h"

#define PAGE 4096u
#define REGION_FIRST (1u * PAGE)
#define REGION_MOST (64u * PAGE)
#define REGION_HEADER 64u
#define LARGE_HEADER 64u

static const size_t slot_size[SLAB_LARGE] = {64, 96, 128};

unsigned slab_class_of(size_t size)
{
    unsigned c = 0;

    while (c < SLAB_LARGE && size > slot_size[c])
        c++;
    return c;
}

bool slab_init(struct slab *s, const brim_allocator *mem)
{
    s->mem = mem;
    for (unsigned i = 0; i < SLAB_ARENAS; i++) {
        if (!lock_init(&s->arena[i].lock, RANK_ARENA)) {
            while (i-- > 0)
                lock_destroy(&s->arena[i].lock);
            return false;
        }
        s->arena[i].region_size = REGION_FIRST;
    }
    return true;
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
    for (unsigned i = 0; i < SLAB_ARENAS; i++) {
        struct slab_arena *a = &s->arena[i];
        large_free_list(s, a->class[SLAB_LARGE].recent);
        large_free_list(s, a->class[SLAB_LARGE].waiting);
        for (struct slab_region *r = a->regions, *next; r != NULL; r = next) {
            next = r->next;
            mem_free(s->mem, r, r->size, PAGE);
        }
        lock_destroy(&a->lock);
    }
}

static void *bump_locked(struct slab_arena *a, size_t size)
{
    char *p = a->bump;

    lock_assert_held(&a->lock);
    if ((uintptr_t)p % 64 != 0 && size % 64 == 0)
        p += 64 - (uintptr_t)p % 64; /* slots of whole lines start on one */
    if (a->bump == NULL || (size_t)(a->end - a->bump) < size + (size_t)(p - a->bump))
        return NULL;
    a->bump = p + size;
    return p;
}

/* Move the batch to the free list if nobody can see it any more. */
static void reclaim_locked(struct slab_class *k)
{
    if (k->waiting == NULL || !epoch_passed(&epoch_process, k->stamp))
        return;
    if (k->free == NULL) {
        k->free = k->waiting;
    } else {
        struct slab_slot *slot;
        while ((slot = pop(&k->waiting)) != NULL)
            push(&k->free, slot);
    }
    k->waiting = NULL;
}

static void *take_locked(struct slab_arena *a, unsigned class)
{
    struct slab_class *k = &a->class[class];
    void *slot;

    lock_assert_held(&a->lock);
    if (k->free == NULL)
        reclaim_locked(k);
    slot = pop(&k->free);
    return slot != NULL ? slot : bump_locked(a, slot_size[class]);
}

static bool add_region(struct slab *s, struct slab_arena *a, size_t size)
{
    struct slab_region *r = mem_alloc(s->mem, size, PAGE);

    if (r == NULL)
        return false;
    (void)atom_add_relaxed(&s->bytes, size); /* relaxed: a statistic */
    r->size = size;
    lock_acquire(&a->lock);
    r->next = a->regions;
    a->regions = r;
    a->bump = (char *)r + REGION_HEADER;
    a->end = (char *)r + size;
    if (a->region_size < REGION_MOST)
        a->region_size *= 2;
    lock_release(&a->lock);
    return true;
}

void *slab_alloc(struct slab *s, struct thread *t, size_t size)
{
    struct slab_arena *a = &s->arena[t->number % SLAB_ARENAS];
    unsigned class = slab_class_of(size);

    if (class == SLAB_LARGE)
        return large_alloc(s, size);
    for (;;) {
        size_t region;
        void *slot;

        lock_acquire(&a->lock);
        slot = take_locked(a, class);
        region = a->region_size;
        lock_release(&a->lock);
        if (slot != NULL || !add_region(s, a, region))
            return slot;
    }
}

void slab_retire(struct slab *s, struct thread *t, void *p, unsigned class)
{
    struct slab_arena *a = &s->arena[t->number % SLAB_ARENAS];
    struct slab_class *k = &a->class[class];
    struct slab_slot *slot = p, *large = NULL;

    lock_acquire(&a->lock);
    push(&k->recent, slot);
    k->weight += class == SLAB_LARGE ? 1 + *large_base(slot) / 64 : 1;
    if (k->weight >= SLAB_BATCH) {
        reclaim_locked(k);
        if (class == SLAB_LARGE) {
            large = k->free;
            k->free = NULL;
        }
        if (k->waiting == NULL) {
            k->waiting = k->recent;
            k->stamp = epoch_stamp(&epoch_process);
            k->recent = NULL;
            k->weight = 0;
        }
    }
    lock_release(&a->lock);
    large_free_list(s, large);
}

void slab_lock_all(struct slab *s)
{
    for (unsigned i = 0; i < SLAB_ARENAS; i++)
        lock_acquire_same_rank(&s->arena[i].lock);
}

void slab_unlock_all(struct slab *s)
{
    for (unsigned i = SLAB_ARENAS; i-- > 0;)
        lock_release(&s->arena[i].lock);
}
