/* SPDX-License-Identifier: MIT */
#include "cache/report.h"

#include <inttypes.h>
#include <stdarg.h>

#include "cache/cache.h"
#include "cache/emit.h"

/* From where on something is a problem: a share is one in so many. */
enum {
    FEW = 100,               /* of fewer events a share says little: they may be how it began */
    REFUSED_SHARE = 100,     /* of values offered: fewer are the giant that comes now and then */
    REDUNDANT_SHARE = 4,     /* of loads: with more room a quarter of the work were saved */
    HIT_SHARE = 4,           /* of look-ups: with fewer hits the memory were of more use elsewhere */
    TURNOVERS = 4,           /* times that as much as fits was evicted: before, it is still filling */
    SHARD_ENTRIES = 16,      /* each: with 64 nothing was missed more, with two 13 points (docs/DESIGN.md) */
    SHARD_ENTRIES_GOOD = 64, /* so many are advised */
    PINNED_SHARE = 2,        /* of the capacity: eviction has less than half to choose from */
    WAITING_SHARE = 4,       /* of the capacity, for however short a time */
    QUEUED_SHARE = 8,        /* of the capacity: it is as if that were smaller by so much */
    QUEUED_VALUES = 1024,    /* of whatever charge: a frame frees some hundreds */
    FAILED_LOADS = 10,       /* of fewer a share says little; they may take long */
    FAILED_SHARE = 4,        /* of all loads: fewer are what just does not exist */
    FRAMES_SHARE = 100,      /* of frames: fewer are a jump to another page */
    LOCK_WAITS = 1000,       /* fewer are no matter of time */
    LOCK_SHARE = 10,         /* of what came and went: fewer are two threads that happened to meet */
    FLOORS_QUARTERS = 3,     /* of the capacity: all that has no floor shares the last one */
    BYTES_CAPACITY = 1 << 20, /* costs look like bytes: in other units capacities are smaller */
    BYTES_COST = 16           /* and so are costs; values of so few bytes are no objects */
};

#define WAITING_NS UINT64_C(1000000000) /* a picture is drawn sixty times in it */

/* One sentence, written at once: it fits the buffer. */
struct sentence {
    const char *cache;
    struct emit out;
};

static void start(struct sentence *t)
{
    emit_put(&t->out, "cache ");
    emit_name(&t->out, t->cache);
    emit_put(&t->out, ": ");
}

/* True, for what is said is so. */
__attribute__((format(printf, 2, 3))) static bool end(struct sentence *t, const char *format, ...)
{
    char text[320];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    emit_put(&t->out, text);
    emit_put(&t->out, "\n");
    return true;
}

#define SAY(t, ...) (start(t), end((t), __VA_ARGS__))

/* ---- The problems: each says its sentence, if it is there */

static uint64_t evicted(const brim_stats *s)
{
    return s->left[BRIM_EVICTED];
}

static uint64_t offered(const brim_stats *s)
{
    return s->insertions + s->refused;
}

/* Half: with large values not much more may ever be used. */
static bool is_full(const brim_stats *s)
{
    return s->used >= s->capacity / 2 && s->count > 0;
}

/* True if ${part} is one in ${n} of ${whole}, or more, and not 0. */
static bool is_share(uint64_t part, uint64_t whole, unsigned n)
{
    return part > 0 && part >= whole / n;
}

static bool no_capacity(const struct report_facts *f, struct sentence *t)
{
    if (f->s.capacity > 0)
        return false;
    return SAY(t, "the capacity is 0, so nothing is admitted: set options.capacity, or call brim_set_capacity");
}

static bool over_capacity(const struct report_facts *f, struct sentence *t)
{
    uint64_t n = f->s.too_big > f->over_ceilings ? f->s.too_big - f->over_ceilings : 0;

    if (f->s.capacity == 0 || !is_share(n, offered(&f->s), REFUSED_SHARE))
        return false;
    return SAY(t,
               "%" PRIu64 " of %" PRIu64 " values were refused as larger than the capacity of %zu: raise it, or "
               "keep such values in parts or elsewhere",
               n, offered(&f->s), f->s.capacity);
}

static bool over_ceiling(const struct report_facts *f, struct sentence *t)
{
    if (f->s.capacity == 0 || !is_share(f->over_ceilings, offered(&f->s), REFUSED_SHARE))
        return false;
    start(t);
    emit_put(&t->out, f->ceiling_of_none ? "no kind" : "kind ");
    if (!f->ceiling_of_none)
        emit_name(&t->out, f->ceiling_kind);
    return end(t,
               ": %" PRIu64 " of the values offered were larger than its ceiling of %zu: raise it with "
               "brim_kind_set_limits",
               f->ceiling_refused, f->ceiling);
}

static bool full(const struct report_facts *f, struct sentence *t)
{
    uint64_t n = f->s.refused > f->s.too_big ? f->s.refused - f->s.too_big : 0;

    if (f->s.capacity == 0 || !is_share(n, offered(&f->s), REFUSED_SHARE))
        return false;
    return SAY(t,
               "%" PRIu64 " of %" PRIu64 " values were refused as FULL; of the capacity of %zu now %zu is held by "
               "refs, %zu reserved, and %zu waits for sections or in queues: let go sooner, or raise the capacity",
               n, offered(&f->s), f->s.capacity, f->s.pinned, f->s.reserved, f->s.waiting + f->s.queued);
}

static bool reloads(const struct report_facts *f, struct sentence *t)
{
    if (f->s.loads < FEW || !is_share(f->s.redundant_loads, f->s.loads, REDUNDANT_SHARE))
        return false;
    return SAY(t,
               "thrashing: %" PRIu64 " of %" PRIu64 " loads made again what had been evicted not long before: "
               "raise the capacity of %zu, or trim less",
               f->s.redundant_loads, f->s.loads, f->s.capacity);
}

static bool few_hits(const struct report_facts *f, struct sentence *t)
{
    uint64_t asked = f->s.hits + f->s.misses;

    if (asked < FEW || f->s.hits >= asked / HIT_SHARE || evicted(&f->s) < FEW ||
        evicted(&f->s) / TURNOVERS < f->s.count || !is_full(&f->s))
        return false;
    return SAY(t,
               "thrashing: %" PRIu64 " of %" PRIu64 " look-ups hit, and %" PRIu64 " entries were evicted where "
               "%zu fit: raise the capacity of %zu, or insert only what is asked for again",
               f->s.hits, asked, evicted(&f->s), f->s.count, f->s.capacity);
}

static bool thrashing(const struct report_facts *f, struct sentence *t)
{
    return reloads(f, t) || few_hits(f, t);
}

static bool many_shards(const struct report_facts *f, struct sentence *t)
{
    size_t good = 1;

    if (f->s.shards < 2 || evicted(&f->s) < FEW || !is_full(&f->s) ||
        f->s.count >= (size_t)SHARD_ENTRIES * f->s.shards)
        return false;
    while (good * 2 * SHARD_ENTRIES_GOOD <= f->s.count)
        good *= 2;
    return SAY(t,
               "%u shards share %zu entries, too few each to choose a victim from: set options.expected_cost to "
               "%zu, or options.shards to %zu",
               f->s.shards, f->s.count, f->s.used / f->s.count, good);
}

static bool pinned(const struct report_facts *f, struct sentence *t)
{
    if (f->s.capacity == 0 || f->s.pinned <= f->s.capacity / PINNED_SHARE)
        return false;
    return SAY(t,
               "refs hold %zu of the capacity of %zu, and eviction must do with the rest: release them sooner, or "
               "raise the capacity",
               f->s.pinned, f->s.capacity);
}

static bool long_sections(const struct report_facts *f, struct sentence *t)
{
    if (f->s.waiting_ns < WAITING_NS && !is_share(f->s.waiting, f->s.capacity, WAITING_SHARE))
        return false;
    return SAY(t,
               "%zu values, charged %zu of the capacity of %zu, wait for sections, of which %u are open, the "
               "oldest for %" PRIu64 ".%03" PRIu64 " s: end them sooner, or call brim_read_refresh within",
               f->s.waiting_values, f->s.waiting, f->s.capacity, f->s.sections, f->s.waiting_ns / 1000000000,
               f->s.waiting_ns / 1000000 % 1000);
}

static bool uncollected(const struct report_facts *f, struct sentence *t)
{
    if (!is_share(f->s.queued, f->s.capacity, QUEUED_SHARE) && f->s.queued_values < QUEUED_VALUES)
        return false;
    return SAY(t,
               "%zu values, charged %zu of the capacity of %zu, wait in queues: call brim_collect more often, or for "
               "more at a time",
               f->s.queued_values, f->s.queued, f->s.capacity);
}

static bool failures(const struct report_facts *f, struct sentence *t)
{
    uint64_t all = f->s.loads + f->s.load_failures;

    if (f->s.load_failures < FAILED_LOADS || !is_share(f->s.load_failures, all, FAILED_SHARE))
        return false;
    return SAY(t,
               "%" PRIu64 " of %" PRIu64 " loads failed: look at their reasons, and let NULL be the value of what "
               "does not exist",
               f->s.load_failures, all);
}

static bool large_frames(const struct report_facts *f, struct sentence *t)
{
    if (!is_share(f->s.frame_evictions, f->s.frame, FRAMES_SHARE))
        return false;
    return SAY(t,
               "%" PRIu64 " entries were evicted in a frame that had used them, in %" PRIu64 " frames: what one "
               "frame uses exceeds the capacity of %zu: raise it",
               f->s.frame_evictions, f->s.frame + 1, f->s.capacity);
}

static bool lock_waits(const struct report_facts *f, struct sentence *t)
{
    uint64_t calls = offered(&f->s);

    for (size_t i = 0; i < sizeof f->s.left / sizeof f->s.left[0]; i++)
        calls += f->s.left[i];
    if (f->s.lock_waits < LOCK_WAITS || !is_share(f->s.lock_waits, calls, LOCK_SHARE))
        return false;
    return SAY(t,
               "%" PRIu64 " calls waited for a mutex, for %" PRIu64 " ns on average, while %" PRIu64 " values came "
               "or went: set options.shards above %u",
               f->s.lock_waits, f->s.lock_wait_ns / f->s.lock_waits, calls, f->s.shards);
}

static bool large_floors(const struct report_facts *f, struct sentence *t)
{
    if (f->s.capacity == 0 || f->floors / FLOORS_QUARTERS <= f->s.capacity / 4)
        return false;
    return SAY(t,
               "floors of kinds keep %zu of the capacity of %zu from the others: lower them with "
               "brim_kind_set_limits, or raise the capacity",
               f->floors, f->s.capacity);
}

static bool much_uncharged(const struct report_facts *f, struct sentence *t)
{
    if (f->s.capacity == 0 || f->s.uncharged <= f->s.capacity)
        return false;
    return SAY(t,
               "values outside the capacity cost %zu, more than the capacity of %zu: raise it, so that they can be "
               "inserted, or release them sooner",
               f->s.uncharged, f->s.capacity);
}

static bool much_overhead(const struct report_facts *f, struct sentence *t)
{
    if (f->charge_overhead || f->s.capacity < BYTES_CAPACITY || !is_full(&f->s) ||
        f->s.used / f->s.count < BYTES_COST || f->s.overhead <= f->s.used)
        return false;
    return SAY(t,
               "the cache's own memory, %zu bytes, exceeds the %zu used by values of %zu on average: set "
               "options.charge_overhead, if costs are bytes, or cache larger things",
               f->s.overhead, f->s.used, f->s.used / f->s.count);
}

typedef bool problem(const struct report_facts *f, struct sentence *t);

static problem *const problems[] = {
    no_capacity,   over_capacity, over_ceiling, full,         thrashing,  many_shards,  pinned,
    long_sections, uncollected,   failures,     large_frames, lock_waits, large_floors, much_uncharged,
    much_overhead,
};

static int nowhere(void *arg, const char *text, size_t len)
{
    (void)arg;
    (void)text;
    (void)len;
    return 0;
}

size_t report_problems(const struct report_facts *f, brim_write *write, void *arg)
{
    struct sentence t = {.cache = f->name};
    size_t count = 0;

    emit_start(&t.out, write != NULL ? write : nowhere, arg);
    for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
        count += problems[i](f, &t);
        (void)emit_end(&t.out); /* who wants no more is told no more, and the rest still counted */
    }
    return count;
}

/* ---- Of a cache */

/* Limits, which are kept by kind. */
static void look_at_kind(struct report_facts *f, struct kind *k)
{
    uint64_t too_big = kind_sum(k, offsetof(struct kind_counts, too_big));
    size_t ceiling = atom_load_relaxed(&k->limit.ceiling); /* relaxed: statistics, as the floor */

    f->floors += atom_load_relaxed(&k->limit.floor);
    if (ceiling == 0)
        return;
    f->over_ceilings += too_big;
    if (too_big <= f->ceiling_refused)
        return;
    f->ceiling_refused = too_big;
    f->ceiling_of_none = k->user == NULL;
    f->ceiling_kind = k->user != NULL ? k->user->name : NULL;
    f->ceiling = ceiling;
}

size_t brim_report_problems(brim_cache *c, brim_write *write, void *arg)
{
    struct report_facts f = {.floors = 0};

    if (c == NULL)
        return 0;
    f.name = c->name;
    f.charge_overhead = c->charge_overhead;
    for (struct kind *k = atom_load_acquire(&c->kinds); k != NULL; k = shared_get(k->next))
        look_at_kind(&f, k);
    brim_stats_get(c, &f.s);
    return report_problems(&f, write, arg);
}
