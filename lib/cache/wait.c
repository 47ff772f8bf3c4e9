/* SPDX-License-Identifier: MIT */
#include "cache/wait.h"

#include "cache/pins.h"

enum { CHUNK = 64, CHUNKS = 1 << 18, INDEX_BITS = 24, USE_BITS = 64 - INDEX_BITS };

struct wait {
    struct waiter waiter; /* first; under its shard's mutex */
    bool busy GUARDED_BY(rank_waits);
    struct wait *next GUARDED_BY(rank_waits); /* free */
    /* constant while busy */
    uint64_t uses;        /* of the record so far */
    uint32_t index;
    struct shard *shard;
    brim_done *done;
    void *arg;
};

static LOCK_READY(lock, RANK_WAITS);
static struct wait *records[CHUNKS] GUARDED_BY(rank_waits);
static uint32_t chunks GUARDED_BY(rank_waits);
static struct wait *unused GUARDED_BY(rank_waits);

struct lock *waits_lock(void)
{
    return &lock;
}

static void acquire(void) LOCKS(rank_waits)
{
    lock_acquire(&lock);
}

static void release(void) UNLOCKS(rank_waits)
{
    lock_release(&lock);
}

static struct wait *wait_of(struct waiter *w)
{
    return (struct wait *)(void *)w;
}

/* ---- Records */

/* A record that has had all the handles there are for it is not used again. */
static void push_free_locked(struct wait *x) REQUIRES(rank_waits)
{
    x->busy = false;
    x->uses++;
    if (x->uses >> USE_BITS != 0) /* after 2^40 waits */
        return;
    x->next = unused;
    unused = x;
}

static void add_chunk_locked(struct wait *fresh) REQUIRES(rank_waits)
{
    for (uint32_t i = 0; i < CHUNK; i++) {
        fresh[i].index = chunks * CHUNK + i;
        push_free_locked(&fresh[i]);
    }
    records[chunks++] = fresh;
}

static struct wait *pop_free(void)
{
    struct wait *x;

    acquire();
    x = unused;
    if (x != NULL) {
        unused = x->next;
        x->busy = true;
    }
    release();
    return x;
}

static bool add_chunk(void)
{
    struct wait *fresh = mem_alloc_zeroed(&mem_default, sizeof *fresh * CHUNK, _Alignof(struct wait));
    bool added;

    if (fresh == NULL)
        return false;
    acquire();
    added = chunks < CHUNKS;
    if (added) /* always so, with less than 2^24 waits at once */
        add_chunk_locked(fresh);
    release();
    if (!added)
        mem_free(&mem_default, fresh, sizeof *fresh * CHUNK, _Alignof(struct wait));
    return added;
}

struct waiter *wait_new(struct shard *sh, brim_done *done, void *arg)
{
    struct wait *x = NULL;

    while ((x = pop_free()) == NULL)
        if (!add_chunk())
            return NULL;
    memset(&x->waiter, 0, sizeof x->waiter);
    x->waiter.later = x;
    x->shard = sh;
    x->done = done;
    x->arg = arg;
    return &x->waiter;
}

void wait_free(struct waiter *w)
{
    acquire();
    push_free_locked(wait_of(w));
    release();
}

/* ---- Handles: uses above INDEX_BITS, of which 0 is none */

brim_wait *wait_handle(const struct waiter *w)
{
    const struct wait *x = wait_of((struct waiter *)(uintptr_t)w);

    return (brim_wait *)(uintptr_t)(x->uses << INDEX_BITS | x->index);
}

static struct wait *find_locked(const brim_wait *handle) REQUIRES(rank_waits)
{
    uint64_t number = (uintptr_t)handle, index = number & ((1u << INDEX_BITS) - 1);
    struct wait *x;

    if (index / CHUNK >= chunks)
        return NULL;
    x = &records[index / CHUNK][index % CHUNK];
    return x->busy && x->uses == number >> INDEX_BITS ? x : NULL;
}

/* While the record is busy, whoever tells it has not gone on: the shard is there, and the flight if it is not told. */
bool brim_wait_cancel(brim_wait *handle)
{
    struct wait *x;
    bool canceled = false;

    if (handle == NULL)
        return false;
    acquire();
    x = find_locked(handle);
    if (x != NULL && shard_forsake(x->shard, &x->waiter)) {
        push_free_locked(x);
        canceled = true;
    }
    release();
    return canceled;
}

/* ---- Telling */

void wait_tell(struct waiter *told)
{
    while (told != NULL) {
        struct waiter *w = told;
        struct entry *result = w->result;
        int reason = w->status == BRIM_OK ? 0 : w->status == BRIM_FAILED ? w->reason : BRIM_CANCELED;
        brim_done *done = wait_of(w)->done;
        void *arg = wait_of(w)->arg;

        told = w->next_told;
        wait_free(w);
        done(result != NULL ? pins_ref(ref_of(result)) : NULL, reason, arg);
    }
}
