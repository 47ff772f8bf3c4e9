/* SPDX-License-Identifier: MIT */
/* brim_find_fixed and brim_release_many: sixteen look-ups at once.  What is timed is such a group. */
#include "refs.h"

#include "groups.h"

static inline void find_group(struct worker *w)
{
    struct group group;
    brim_ref *refs[BRIM_GROUP];
    group_next(w, &group);
    brim_find_fixed(brim_of(w), group.keys, sizeof group.keys[0], sizeof group.keys[0], BRIM_GROUP, refs);
    for (unsigned i = 0; i < BRIM_GROUP; i++)
        group_check(w, &group, i, brim_ref_value(refs[i]));
    brim_release_many(refs, BRIM_GROUP);
}

GROUP_BATCH(find_many_batch, find_group)

const struct peer peer_brim_find_many = {
    .name = "brim find_many",
    .note = "16 at once, timed together",
    .workloads = PEER_IN(ZIPF_HIT),
    .version = brim_peer_version,
    .open = brim_peer_open,
    .close = brim_peer_close,
    .put = put_value,
    .has = look_up,
    .loops = {[LOOP_FIND] = find_many_batch},
};
