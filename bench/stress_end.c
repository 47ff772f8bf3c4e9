/* SPDX-License-Identifier: MIT */
#include "stress_end.h"

#include "stress_frames.h"
#include "stress_guests.h"
#include "stress_limits.h"
#include "stress_loads.h"
#include "stress_queue.h"
#include "stress_stale.h"
#include "stress_use.h"
#include "stress_watch.h"

#include <brim_debug.h>
#include <inttypes.h>
#include <time.h>

void end_check(struct phase *p)
{
    brim_stats stats;
    stress_beat();
    if (!brim_check(p->cache, stderr))
        stress_violation(p, "brim_check");
    brim_stats_get(p->cache, &stats);
    const uint64_t alive = atomic_load(&p->created) - atomic_load(&p->destroyed);
    if (stats.values != alive)
        stress_violation(p, "G3: statistics count %zu values, %" PRIu64 " are alive", stats.values, alive);
    if (stats.reserved != 0)
        stress_violation(p, "G4: %zu are reserved while nothing runs", stats.reserved);
    if (stats.sections != 0 || stats.waiting != 0 || stats.waiting_values != 0)
        stress_violation(p, "%u sections are open and %zu values of %zu wait while nothing runs", stats.sections,
                         stats.waiting_values, stats.waiting);
    if (stats.loading != 0 || atomic_load(&p->asked) != 0)
        stress_violation(p, "%zu loads are under way and %" PRId64 " wait while nothing runs", stats.loading,
                         atomic_load(&p->asked));
    for (uint32_t id = 0; id < p->ids; id++)
        if (atomic_load(&p->id[id].loading) != 0)
            stress_violation(p, "key %" PRIu32 " is loaded while nothing runs", id);
    if (stats.used > stats.capacity && atomic_load(&p->allowance) == 0)
        stress_violation(p, "G4: used %zu, capacity %zu while nothing runs", stats.used, stats.capacity);
}

static void drop_all(struct phase *p)
{
    for (unsigned i = 0; i < p->lane_count; i++) {
        lane_drop_refs(&p->lanes[i]);
        lane_drop_keys(&p->lanes[i]);
    }
    for (int i = 0; i < BOARD; i++)
        brim_release(atomic_exchange(&p->board[i], NULL));
    for (int i = 0; i < SLOTS; i++)
        brim_slot_store(&p->slots[i], NULL);
}

void end_stale(struct phase *p)
{
    groups_drop_closed(p);
    frames_check_end(p);
    clock_check_end(p);
}

/* What waits in a queue counts until it is collected. */
static void empty_queue(struct phase *p)
{
    if (p->queue == NULL)
        return;
    brim_clear(p->cache);
    queue_collect_all(p);
}

void end_fill_whole(struct phase *p)
{
    struct key_bytes key;
    brim_ref *ref = NULL;
    drop_all(p);
    p->filling = true;
    watch_set_capacity(p, p->capacity);
    empty_queue(p);
    limits_check_floor(p);
    limits_lift(p);
    empty_queue(p);
    if (brim_pinned(p->cache) != 0)
        stress_violation(p, "%zu are pinned while nothing is held", brim_pinned(p->cache));
    key_bytes_make(&key, 4);
    struct value *v = value_new(p, 4, 0, 0, p->capacity, true);
    const brim_status status = brim_insert(p->cache, key.data, key.len, v, p->capacity, &ref);
    if (status != BRIM_OK) {
        stress_violation(p, "G5: with nothing held the whole capacity is %s", brim_strerror(status));
        value_refused(v);
        return;
    }
    value_taken(p, p->capacity);
    (void)value_check_ref(p, ref);
    if (brim_used(p->cache) != p->capacity || brim_count(p->cache) != 1)
        stress_violation(p, "G5: one value of all %zu, and used is %zu by %zu", p->capacity, brim_used(p->cache),
                         brim_count(p->cache));
    brim_release(ref);
    end_check(p);
}

/* ---- After brim_cache_free ------------------------------------------------------------------------------------- */

/* The ref that is looked at is what is left. */
static void use_left_ref(struct phase *p, brim_ref *ref)
{
    if (ref == NULL)
        return;
    (void)value_check_ref(p, ref);
    if (brim_ref_is_cached(ref))
        stress_violation(p, "G2: an entry is cached in a cache that is freed");
    brim_ref *copy = brim_ref_copy(ref);
    brim_key *key = brim_ref_key(ref);
    if (brim_key_is_valid(key))
        stress_violation(p, "G2: a key is valid though its cache is freed");
    brim_key_drop(key);
    brim_release(copy);
}

static void use_left_key(struct phase *p, struct known_key *k)
{
    brim_ref *ref = brim_key_find(k->key);
    if (ref != NULL || brim_key_is_valid(k->key))
        stress_violation(p, "G2: a key finds a value though its cache is freed");
    brim_release(ref);
    struct value *v = value_new(p, ID_ANONYMOUS, 0, 0, MIN_COST, true);
    const brim_status status = brim_key_replace(&k->key, v, MIN_COST);
    if (status != BRIM_INVALID)
        stress_violation(p, "G2: replace in a cache that is freed is %s", brim_strerror(status));
    if (status != BRIM_OK)
        value_refused(v);
    if (brim_key_remove(k->key))
        stress_violation(p, "G2: a key removes something though its cache is freed");
}

static void use_left_slot(struct phase *p, brim_slot *slot)
{
    brim_ref *ref = brim_slot_find(slot);
    struct known_key k = {.key = brim_slot_load(slot)};
    if (ref != NULL)
        stress_violation(p, "G2: a slot finds a value though its cache is freed");
    brim_release(ref);
    use_left_key(p, &k);
    brim_key_drop(k.key);
}

/* Whether anything is left that the cache's memory stands for. */
static bool use_left(struct phase *p)
{
    bool any = false;
    for (unsigned i = 0; i < p->lane_count; i++) {
        for (int j = 0; j < LANE_REFS; j++) {
            any = any || p->lanes[i].refs[j] != NULL;
            use_left_ref(p, p->lanes[i].refs[j]);
        }
        for (int j = 0; j < LANE_KEYS; j++)
            use_left_key(p, &p->lanes[i].keys[j]);
    }
    for (int i = 0; i < BOARD; i++) {
        brim_ref *ref = atomic_load(&p->board[i]);
        any = any || ref != NULL;
        use_left_ref(p, ref);
    }
    for (int i = 0; i < SLOTS; i++)
        use_left_slot(p, &p->slots[i]);
    return any;
}

void end_free(struct phase *p)
{
    struct guests *guests = p->shape->borrow ? guests_come(p) : NULL;
    struct left_loads *left = left_loads_claim(p);
    stress_beat();
    if ((p->number & 1) != 0)
        queue_drop(p);
    brim_cache_free(p->cache);
    p->cache = NULL;
    left_loads_end(left);
    if (use_left(p) && atomic_load(&p->gone) != 0)
        stress_violation(p, "G2: gone is called while refs are held");
    guests_go(guests);
    drop_all(p);
    groups_close(p);
    queue_collect_all(p);
    queue_drop(p);
}

static bool all_is_gone(const struct phase *p)
{
    bool all = atomic_load(&p->gone) != 0 && atomic_load(&p->created) == atomic_load(&p->destroyed);
    for (unsigned i = 0; i < KINDS; i++)
        all = all && atomic_load(&p->contexts[i].unused) != 0;
    return all;
}

void end_count(struct phase *p)
{
    const struct timespec rest = {.tv_nsec = 1000000};
    for (int waited = 0; waited < 2000 && !all_is_gone(p); waited++)
        nanosleep(&rest, NULL);
    const uint64_t created = atomic_load(&p->created), destroyed = atomic_load(&p->destroyed);
    if (created != destroyed)
        stress_violation(p, "G3: %" PRIu64 " values made, %" PRIu64 " destroyed", created, destroyed);
    if (atomic_load(&p->gone) != 1)
        stress_violation(p, "G2: gone is called %u times", atomic_load(&p->gone));
    for (unsigned i = 0; i < KINDS; i++)
        if (atomic_load(&p->contexts[i].unused) != 1)
            stress_violation(p, "unused of kind %s is called %u times", p->kinds[i].name,
                             atomic_load(&p->contexts[i].unused));
    if (atomic_load(&p->alive) != 0)
        stress_violation(p, "G4: %" PRId64 " bytes of charged values are left", atomic_load(&p->alive));
}
