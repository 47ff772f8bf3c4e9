/* SPDX-License-Identifier: MIT */
/* Look-ups that give a ref: by key bytes, unless the adapter defines FIND_REF(w, key). */
#ifndef BENCH_REFS_H
#define BENCH_REFS_H
#include "brim_cache.h"

#ifndef FIND_REF
#define FIND_REF(w, key) brim_find(brim_of(w), (key), sizeof *(key))
#endif

typedef brim_ref *peer_token;

static inline const struct bench_value *peer_find(struct worker *w, const struct bench_key *key, peer_token *token)
{
    *token = FIND_REF(w, key);
    return brim_ref_value(*token);
}

static inline void peer_release(struct worker *w, peer_token *token)
{
    (void)w;
    brim_release(*token);
}

#include "batches.h"
#endif
