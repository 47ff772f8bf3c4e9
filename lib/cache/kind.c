/* SPDX-License-Identifier: MIT */
#include "cache/kind.h"

#include "cache/cache.h"

enum { KIND_ALIGN = 64 };

struct kind_table kind_table;

/* Chunk ${at} of the table, made when first asked for.  Chunks are the process's and stay. */
static struct kind_chunk *chunk_get(uint32_t at)
{
    struct kind_chunk *there = atom_load_acquire(&kind_table.chunk[at]), *fresh;

    if (there != NULL)
        return there;
    fresh = mem_alloc_zeroed(&mem_default, sizeof *fresh, KIND_ALIGN);
    if (fresh == NULL)
        return NULL;
    while (there == NULL)
        if (atom_cas_acq_rel(&kind_table.chunk[at], &there, fresh))
            return fresh;
    mem_free(&mem_default, fresh, sizeof *fresh, KIND_ALIGN); /* another thread was first */
    return there;
}

static bool claim_in(struct kind_chunk *chunk, uint32_t at, struct kind *k)
{
    for (uint32_t j = 0; j < KIND_CHUNK; j++) {
        struct kind *nobody = atom_load_relaxed(&chunk->kind[j]); /* relaxed: the exchange decides */
        k->number = at * KIND_CHUNK + j;
        while (nobody == NULL)
            if (atom_cas_acq_rel(&chunk->kind[j], &nobody, k))
                return true;
    }
    return false;
}

/* Claim a free number for ${k}. */
static bool number_claim(struct kind *k)
{
    for (uint32_t at = 0; at < KIND_CHUNKS; at++) {
        struct kind_chunk *chunk = chunk_get(at);

        if (chunk == NULL)
            return false;
        if (claim_in(chunk, at, k))
            return true;
    }
    return false;
}

static brim_status validate(const brim_kind *user)
{
    if (user == NULL)
        return BRIM_OK;
    if (user->size != 0 && user->size < sizeof *user)
        return BRIM_INVALID;
    if (user->queue != NULL || user->floor != 0 || user->ceiling != 0)
        return BRIM_UNSUPPORTED;
    return BRIM_OK;
}

struct kind *kind_look_up(const struct brim_cache *c, const brim_kind *user)
{
    struct kind *k = atom_load_acquire(&((struct brim_cache *)(uintptr_t)c)->kinds);

    while (k != NULL && k->user != user)
        k = k->next;
    return k;
}

static void push_locked(struct brim_cache *c, struct kind *k)
{
    lock_assert_held(&c->kind_lock);
    k->next = atom_load_relaxed(&c->kinds);
    atom_store_release(&c->kinds, k);
}

static void kind_free(struct brim_cache *c, struct kind *k)
{
    atom_store_release(&atom_load_acquire(&kind_table.chunk[k->number / KIND_CHUNK])->kind[k->number % KIND_CHUNK], NULL);
    mem_free(&c->mem, k, sizeof *k, KIND_ALIGN);
}

brim_status kind_get(struct brim_cache *c, const brim_kind *user, struct kind **out)
{
    brim_status status = BRIM_OK;
    struct kind *other, *k;

    *out = kind_look_up(c, user);
    if (*out != NULL)
        return BRIM_OK;
    if ((status = validate(user)) != BRIM_OK)
        return status;
    k = mem_alloc_zeroed(&c->mem, sizeof *k, KIND_ALIGN);
    if (k == NULL)
        return BRIM_NOMEM;
    k->user = user;
    k->cache = c;
    tally_init(&k->values);
    if (!number_claim(k)) {
        mem_free(&c->mem, k, sizeof *k, KIND_ALIGN);
        return BRIM_NOMEM;
    }
    lock_acquire(&c->kind_lock);
    other = kind_look_up(c, user);
    if (other == NULL)
        push_locked(c, k);
    lock_release(&c->kind_lock);
    if (other != NULL)
        kind_free(c, k);
    *out = other != NULL ? other : k;
    return BRIM_OK;
}

void kind_taken(struct kind *k, struct thread *t)
{
    tally_add(&k->values, t);
}

static void tell_unused(const struct kind *k)
{
    if (k->user != NULL && k->user->unused != NULL)
        k->user->unused(k->user->arg);
}

void kind_destroyed(struct kind *k, struct thread *t)
{
    if (tally_drop(&k->values, t))
        tell_unused(k);
}

void kinds_close(struct brim_cache *c)
{
    for (struct kind *k = atom_load_acquire(&c->kinds); k != NULL; k = k->next)
        if (tally_close(&k->values))
            tell_unused(k);
}

void kinds_destroy(struct brim_cache *c)
{
    struct kind *next;

    for (struct kind *k = atom_load_acquire(&c->kinds); k != NULL; k = next) {
        next = k->next;
        kind_free(c, k);
    }
}
