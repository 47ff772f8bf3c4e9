/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include "fail.h"

#include <stdlib.h>
#include <string.h>

double row_number(const json_t *object, const char *member)
{
    return json_number_value(json_object_get(object, member));
}

const char *sort_name(enum sort sort)
{
    static const char *const names[] = {
        [SORT_USED] = "used", [SORT_FINDS] = "finds", [SORT_EVICTIONS] = "evictions", [SORT_NAME] = "name"};
    return names[sort];
}

static const char *name_of(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    return name != NULL ? name : "?";
}

static double evicted(const json_t *object)
{
    return row_number(json_object_get(object, "left"), "evicted");
}

/* A second; negative: unknown, or the counter began anew. */
static double rate(double now, double before, double seconds)
{
    return seconds > 0 && now >= before ? (now - before) / seconds : -1;
}

static void take_rates(struct row *r, const json_t *before, double seconds)
{
    const double hits = row_number(r->now, "hits"), misses = r->is_kind ? 0 : row_number(r->now, "misses");
    const double old_hits = row_number(before, "hits"), old_misses = r->is_kind ? 0 : row_number(before, "misses");
    r->finds = rate(hits + misses, old_hits + old_misses, seconds);
    r->inserts = rate(row_number(r->now, "insertions"), row_number(before, "insertions"), seconds);
    r->evictions = rate(evicted(r->now), evicted(before), seconds);
    r->loads = rate(row_number(r->now, "loads"), row_number(before, "loads"), seconds);
    if (!r->is_kind && r->finds > 0 && hits >= old_hits)
        r->hit_ratio_now = (hits - old_hits) / (hits + misses - old_hits - old_misses);
}

/* ${before}: the same one in the document before; NULL: there is none. */
static void take_row(struct row *r, const json_t *before)
{
    const double finds = row_number(r->now, "hits") + row_number(r->now, "misses");
    r->name = name_of(r->now);
    r->used = row_number(r->now, "used");
    r->entries = row_number(r->now, r->is_kind ? "values" : "count");
    r->held = row_number(r->now, "pinned");
    r->loading = r->is_kind ? -1 : row_number(r->now, "loading");
    r->hit_ratio = !r->is_kind && finds > 0 ? row_number(r->now, "hits") / finds : -1;
    r->hit_ratio_now = r->finds = r->inserts = r->evictions = r->loads = -1;
    if (before != NULL && strcmp(name_of(before), r->name) == 0)
        take_rates(r, before, r->target->now_time - r->target->before_time);
}

static struct row *new_row(struct rows *rows, const struct target *t, size_t cache, const json_t *now)
{
    struct row *more = realloc(rows->at, (rows->count + 1) * sizeof *more);
    if (more == NULL)
        top_fail("out of memory");
    rows->at = more;
    more = &rows->at[rows->count++];
    *more = (struct row){.target = t, .cache = cache, .now = now};
    return more;
}

/* Kinds may be more than before, the new ones first: they are told apart by their names, and by their order from the end. */
static const json_t *kind_before(const json_t *before, const json_t *kinds, size_t i)
{
    const json_t *list = json_object_get(before, "kinds");
    const size_t from_end = json_array_size(kinds) - i;
    return json_array_size(list) >= from_end ? json_array_get(list, json_array_size(list) - from_end) : NULL;
}

static void add_cache(struct rows *rows, const struct target *t, size_t cache)
{
    const json_t *now = json_array_get(target_caches(t->now), cache);
    const json_t *before = json_array_get(target_caches(t->before), cache);
    const json_t *kinds = json_object_get(now, "kinds");
    struct row *r = new_row(rows, t, cache, now);
    r->problems = json_array_size(target_problems(t, cache));
    r->limit = row_number(now, "capacity");
    take_row(r, before);
    for (size_t i = 0; i < json_array_size(kinds); i++) {
        r = new_row(rows, t, cache, json_array_get(kinds, i));
        r->is_kind = true;
        r->limit = row_number(r->now, "ceiling");
        if (r->limit <= 0)
            r->limit = row_number(now, "capacity");
        take_row(r, kind_before(before, kinds, i));
    }
}

/* ---- Order */

static double key_of(const struct row *r, enum sort sort)
{
    return sort == SORT_USED ? r->used : sort == SORT_FINDS ? r->finds : r->evictions;
}

static bool goes_before(const struct row *a, const struct row *b, enum sort sort)
{
    if (sort == SORT_NAME)
        return strcmp(a->name, b->name) < 0;
    return key_of(a, sort) > key_of(b, sort);
}

static size_t block_end(const struct rows *rows, size_t i)
{
    do
        i++;
    while (i < rows->count && rows->at[i].is_kind);
    return i;
}

/* Of few: a cache with its kinds is taken out and put behind those that go before it or are equal. */
static void sort_caches(struct rows *rows, enum sort sort)
{
    struct row *sorted = top_alloc(rows->count, sizeof *sorted);
    size_t n = 0;
    for (size_t from = 0; from < rows->count;) {
        const size_t end = block_end(rows, from);
        size_t at = n;
        for (size_t i = n; i-- > 0;)
            if (!sorted[i].is_kind && goes_before(&rows->at[from], &sorted[i], sort))
                at = i;
        memmove(sorted + at + (end - from), sorted + at, (n - at) * sizeof *sorted);
        memcpy(sorted + at, rows->at + from, (end - from) * sizeof *sorted);
        n += end - from;
        from = end;
    }
    free(rows->at);
    rows->at = sorted;
}

void rows_make(struct rows *rows, const struct targets *all, enum sort sort)
{
    *rows = (struct rows){0};
    for (size_t i = 0; i < all->count; i++)
        for (size_t c = 0; c < json_array_size(target_caches(all->at[i].now)); c++)
            add_cache(rows, &all->at[i], c);
    sort_caches(rows, sort);
}

void rows_free(struct rows *rows)
{
    free(rows->at);
    *rows = (struct rows){0};
}
