/* SPDX-License-Identifier: MIT */
#include "stress_frames.h"

#include "stress_use.h"

#include <inttypes.h>

void use_frame(struct lane *l)
{
    struct phase *p = l->phase;
    const uint64_t before = brim_frame(p->cache), next = brim_next_frame(p->cache), now = brim_frame(p->cache);
    if (next <= before || now < next)
        stress_violation(p, "frame %" PRIu64 " begins after frame %" PRIu64 " and before frame %" PRIu64, next,
                         before, now);
    phase_event(p, EVENT_FRAME);
}

/* One at a time. */
void use_idle(struct lane *l)
{
    struct phase *p = l->phase;
    if (pthread_mutex_trylock(&p->idling) != 0)
        return;
    (void)brim_idle(p->cache);
    phase_event(p, EVENT_IDLE);
    pthread_mutex_unlock(&p->idling);
}

void use_trim_unused(struct lane *l)
{
    struct phase *p = l->phase;
    const uint64_t now = brim_frame(p->cache), back = rng_below(&l->rng, 8);
    (void)brim_trim_unused_since(p->cache, now > back ? now - back : 0);
    phase_event(p, EVENT_UNUSED_TRIMMED);
}

/* What is found in the last frame stays, whatever else is given back. */
void frames_check_end(struct phase *p)
{
    enum { LOOKS = 256 };
    bool found[LOOKS];
    struct key_bytes key;
    if (!p->shape->frames)
        return;
    const uint64_t frame = brim_next_frame(p->cache);
    for (uint64_t id = 0; id < LOOKS; id++) {
        key_bytes_make(&key, id);
        brim_ref *ref = brim_find(p->cache, key.data, key.len);
        found[id] = ref != NULL;
        brim_release(ref);
    }
    p->looking = true;
    (void)brim_trim_unused_since(p->cache, frame);
    p->looking = false;
    for (uint64_t id = 0; id < LOOKS; id++) {
        key_bytes_make(&key, id);
        if (found[id] && !brim_contains(p->cache, key.data, key.len))
            stress_violation(p, "what was used in frame %" PRIu64 " went as not used since", frame);
    }
}
