/* SPDX-License-Identifier: MIT */
#include "fail.h"
#include "stress_loads.h"

#include <stdlib.h>

/* G2: loads and waits that outlive the cache. */
enum { LEFT = 3, REASON = 4711 };

struct left_loads {
    struct phase *phase;
    struct claim claims[LEFT];
    _Atomic unsigned waiting;           /* `done's to come */
    _Atomic unsigned told;
};

static void on_done(brim_ref *ref, int reason, void *arg)
{
    struct left_loads *left = arg;
    if (ref != NULL)
        (void)value_check_ref(left->phase, ref);
    else if (reason != BRIM_CANCELED && reason != REASON)
        stress_violation(left->phase, "a wait that outlives its cache is told reason %d", reason);
    brim_release(ref);
    atomic_fetch_add(&left->told, 1);
}

static void claim_one(struct left_loads *left, uint64_t id)
{
    struct phase *p = left->phase;
    struct claim *c = &left->claims[id];
    struct key_bytes key;
    brim_ref *ref = NULL;
    brim_load *load = NULL;
    key_bytes_make(&key, ((uint64_t)1 << 42) + 4 * id);
    c->id = ((uint64_t)1 << 42) + 4 * id;
    if (brim_claim(p->cache, key.data, key.len, 0, &ref, &c->load) != BRIM_CLAIMED)
        stress_violation(p, "a key that nobody knows cannot be claimed");
    const brim_status status = brim_claim_async(p->cache, key.data, key.len, NULL, on_done, left, &ref, &load, NULL);
    if (status == BRIM_PENDING)
        atomic_fetch_add(&left->waiting, 1);
    else
        stress_violation(p, "a key that is claimed is %s", brim_strerror(status));
}

struct left_loads *left_loads_claim(struct phase *p)
{
    if (!p->shape->loads)
        return NULL;
    struct left_loads *left = bench_alloc(1, sizeof *left);
    left->phase = p;
    for (uint64_t i = 0; i < LEFT; i++)
        claim_one(left, i);
    return left;
}

void left_loads_end(struct left_loads *left)
{
    if (left == NULL)
        return;
    for (unsigned i = 0; i < LEFT; i++) {
        struct claim *c = &left->claims[i];
        if (c->load == NULL)
            continue;
        if (i == 0) {
            brim_load_fail(c->load, REASON);
            continue;
        }
        struct value *v = value_new(left->phase, c->id, 0, 0, MIN_COST, false);
        brim_ref *out = NULL;
        const brim_status status = brim_load_finish(c->load, v, MIN_COST, i == 1 ? &out : NULL);
        if (status != BRIM_CANCELED)
            stress_violation(left->phase, "G2: the finish of a load whose cache is freed is %s",
                             brim_strerror(status));
        if (out != NULL)
            (void)value_check_ref(left->phase, out);
        brim_release(out);
    }
    if (atomic_load(&left->told) != atomic_load(&left->waiting))
        stress_violation(left->phase, "G2: %u of %u waits were told of a cache that is freed",
                         atomic_load(&left->told), atomic_load(&left->waiting));
    free(left);
}
