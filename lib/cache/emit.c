/* SPDX-License-Identifier: MIT */
#include "cache/emit.h"

#include <inttypes.h>
#include <string.h>

#include "cache/cache.h"

/* ---- The table */

enum {
    COUNTER = 1,             /* else a gauge */
    BY_KIND = 2,             /* marked k in brim_stats */
    OF_KINDS = BY_KIND | 64, /* and 0 of all together */
    MAIN = 4,                /* text shows it of a cache also if it is 0 */
    SECONDS = 8,             /* nanoseconds in brim_stats */
    CAUSES = 16,             /* one for each brim_cause */
    AGES = 32,               /* a histogram of BRIM_AGES */
    MANY = CAUSES | AGES
};

/*
 * All of brim_stats but its size, in the order of the documents: member, flags, name in Prometheus, and what it is in
 * at most 37 characters, so that a line of text has 80.  Prometheus gets base units, and _total for what only grows;
 * amounts in the user's unit have no suffix, for nobody knows it.  brim_count would end as a histogram's part does.
 */
#define STATISTICS(X)                                                                                                \
    X(hits, COUNTER | BY_KIND | MAIN, "hits_total", "look-ups that found a value")                                   \
    X(misses, COUNTER | BY_KIND | MAIN, "misses_total", "look-ups that found none")                                  \
    X(insertions, COUNTER | BY_KIND | MAIN, "insertions_total", "values admitted")                                   \
    X(refused, COUNTER | BY_KIND, "refused_total", "values that were TOO_BIG or FULL")                               \
    X(too_big, COUNTER | BY_KIND, "too_big_total", "refused as larger than the limit")                               \
    X(left, COUNTER | BY_KIND | CAUSES, "left_total", "entries that left, by cause")                                 \
    X(eviction_age, COUNTER | BY_KIND | AGES, "eviction_age_seconds", "evictions by age since insertion")            \
    X(capacity, MAIN, "capacity", "charge that is allowed")                                                          \
    X(used, BY_KIND | MAIN, "used", "charge of values not yet destroyed")                                            \
    X(count, MAIN, "entries", "entries, stale ones included")                                                        \
    X(values, BY_KIND, "values", "values taken, not yet destroyed")                                                  \
    X(pinned, BY_KIND, "pinned", "charge of what refs hold")                                                         \
    X(reserved, 0, "reserved", "charge of reservations")                                                             \
    X(uncharged, BY_KIND, "uncharged", "cost of values outside the capacity")                                        \
    X(floor, OF_KINDS, "floor", "charge that others do not evict")                                                   \
    X(ceiling, OF_KINDS, "ceiling", "charge that is allowed of the kind")                                            \
    X(overhead, 0, "overhead_bytes", "bytes of the cache's own memory")                                              \
    X(remembering, 0, "remembering_bytes", "bytes in which eviction remembers")                                      \
    X(shards, 0, "shards", "shards")                                                                                 \
    X(sections, 0, "sections", "open sections")                                                                      \
    X(waiting, BY_KIND, "waiting", "charge of what waits for sections")                                              \
    X(waiting_values, 0, "waiting_values", "values that wait for sections")                                          \
    X(waiting_ns, SECONDS, "waiting_seconds", "how long some have been waiting")                                     \
    X(queued, BY_KIND, "queued", "charge of what waits in queues")                                                   \
    X(queued_values, BY_KIND, "queued_values", "values that wait in queues")                                         \
    X(loads, COUNTER | BY_KIND, "loads_total", "loads that gave a value")                                            \
    X(load_failures, COUNTER | BY_KIND, "load_failures_total", "loads that failed")                                  \
    X(redundant_loads, COUNTER | BY_KIND, "redundant_loads_total", "loads of what was evicted lately")               \
    X(load_waits, COUNTER | BY_KIND, "load_waits_total", "calls that waited for another load")                       \
    X(load_ns, COUNTER | BY_KIND | SECONDS, "load_seconds_total", "time spent loading")                              \
    X(loading, 0, "loading", "loads under way")                                                                      \
    X(frame, COUNTER, "frames_total", "frames begun")                                                                \
    X(frame_evictions, COUNTER, "frame_evictions_total", "evicted though the frame had used it")                     \
    X(lock_waits, COUNTER, "lock_waits_total", "calls that found a mutex taken")                                     \
    X(lock_wait_ns, COUNTER | SECONDS, "lock_wait_seconds_total", "time spent waiting for mutexes")

#define SIZE(field) sizeof(((brim_stats *)NULL)->field)

struct row {
    const char *name, *metric, *help;
    unsigned flags, offset, width, count; /* bytes of one, and how many there are */
};

#define ROW(field, flags, metric, help)                                                                              \
    {#field, metric, help, flags, offsetof(brim_stats, field), (flags) & MANY ? sizeof(uint64_t) : SIZE(field),      \
     (flags) & MANY ? SIZE(field) / sizeof(uint64_t) : 1},
static const struct row rows[] = {STATISTICS(ROW)}; /* NOLINT(bugprone-sizeof-expression): only for those of MANY */

enum { ROWS = sizeof rows / sizeof rows[0] };

/* Where nothing is padded: a member that the table lacks does not compile. */
#define ADD(field, flags, metric, help) +SIZE(field) /* NOLINT(bugprone-macro-parentheses): a summand */
_Static_assert(sizeof(size_t) != 8 || STATISTICS(ADD) + SIZE(size) == sizeof(brim_stats), "a row for each member");

static const char *const causes[] = {
    [BRIM_EVICTED] = "evicted",         [BRIM_REMOVED] = "removed", [BRIM_REPLACED] = "replaced",
    [BRIM_INVALIDATED] = "invalidated", [BRIM_EXPIRED] = "expired", [BRIM_CLEARED] = "cleared",
    [BRIM_FREED] = "freed",
};
_Static_assert(sizeof causes / sizeof causes[0] == SIZE(left) / sizeof(uint64_t), "a name for each cause");

static uint64_t value_of(const brim_stats *s, const struct row *r, unsigned i)
{
    const char *at = (const char *)s + r->offset + (size_t)i * r->width;
    uint64_t wide = 0;
    uint32_t narrow = 0;

    if (r->width == sizeof wide)
        memcpy(&wide, at, sizeof wide);
    else
        memcpy(&narrow, at, sizeof narrow);
    return wide + narrow;
}

/* Finds know no kind, so a kind's misses are others than the cache's, and make no ratio with its hits. */
static const char *help_of(const struct row *r, bool by_kind)
{
    return by_kind && r->offset == offsetof(brim_stats, misses) ? "gets and claims that found none" : r->help;
}

/* The end of age ${i}: of all but the last. */
static uint64_t age_end(unsigned i)
{
    return UINT64_C(1) << (27 + i);
}

unsigned emit_row_count(void)
{
    return ROWS;
}

bool emit_row_is_of(unsigned row, bool by_kind)
{
    return by_kind ? (rows[row].flags & BY_KIND) != 0 : (rows[row].flags & OF_KINDS) != OF_KINDS;
}

/* ---- Out */

void emit_start(struct emit *o, brim_write *write, void *arg)
{
    o->write = write;
    o->arg = arg;
    o->stopped = false;
    o->len = 0;
}

static void flush(struct emit *o)
{
    if (o->len > 0 && !o->stopped)
        o->stopped = o->write(o->arg, o->text, o->len) != 0;
    o->len = 0;
}

bool emit_end(struct emit *o)
{
    flush(o);
    return !o->stopped;
}

static void put_bytes(struct emit *o, const char *p, size_t n)
{
    while (n > 0) {
        size_t part = sizeof o->text - o->len < n ? sizeof o->text - o->len : n;

        memcpy(o->text + o->len, p, part);
        o->len += part;
        p += part;
        n -= part;
        if (o->len == sizeof o->text)
            flush(o);
    }
}

void emit_put(struct emit *o, const char *text)
{
    put_bytes(o, text, strlen(text));
}

static void put_number(struct emit *o, uint64_t n)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, n);
    emit_put(o, text);
}

/* Nanoseconds as seconds, to the last digit that is not 0. */
static void put_seconds(struct emit *o, uint64_t ns)
{
    char text[32];
    size_t n = (size_t)snprintf(text, sizeof text, "%" PRIu64 ".%09" PRIu64, ns / 1000000000, ns % 1000000000);

    while (text[n - 1] == '0')
        n--;
    put_bytes(o, text, text[n - 1] == '.' ? n - 1 : n);
}

/* ---- Names */

static const char *shown(const char *name)
{
    return name == NULL || name[0] == '\0' ? EMIT_UNNAMED : name;
}

/* The bytes of the UTF-8 character at ${p}; 0: there is none.  RFC 3629: no longer than it need be, no surrogates. */
static size_t utf8_length(const unsigned char *p)
{
    static const struct {
        unsigned char first, last, low, high, length; /* ${low} to ${high}: the second byte */
    } forms[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last)
            continue;
        if (forms[i].length > 1 && (p[1] < forms[i].low || p[1] > forms[i].high))
            return 0;
        for (size_t n = 2; n < forms[i].length; n++)
            if ((p[n] & 0xc0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static void put_hex(struct emit *o, const char *before, unsigned char byte)
{
    static const char digits[] = "0123456789abcdef";
    const char hex[] = {digits[byte >> 4], digits[byte & 15]};

    emit_put(o, before);
    put_bytes(o, hex, sizeof hex);
}

static void put_json_string(struct emit *o, const char *name)
{
    const unsigned char *p = (const unsigned char *)shown(name);

    emit_put(o, "\"");
    while (*p != '\0') {
        size_t n = utf8_length(p);

        if (*p == '"' || *p == '\\')
            emit_put(o, "\\");
        if (n == 0 || *p < 0x20)
            put_hex(o, "\\u00", *p);
        else
            put_bytes(o, (const char *)p, n);
        p += n == 0 ? 1 : n;
    }
    emit_put(o, "\"");
}

/* Prometheus refuses all of a document that is not UTF-8: other bytes become a backslash, x and two digits. */
static void put_label_value(struct emit *o, const char *name)
{
    const unsigned char *p = (const unsigned char *)shown(name);

    while (*p != '\0') {
        size_t n = utf8_length(p);

        if (n == 0)
            put_hex(o, "\\\\x", *p);
        else if (*p == '\n')
            emit_put(o, "\\n");
        else if (*p == '"' || *p == '\\')
            emit_put(o, *p == '"' ? "\\\"" : "\\\\");
        else
            put_bytes(o, (const char *)p, n);
        p += n == 0 ? 1 : n;
    }
}

void emit_name(struct emit *o, const char *name)
{
    const unsigned char *p = (const unsigned char *)shown(name);
    size_t room = 60, n;

    for (; *p != '\0'; p += n) {
        bool control = *p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0);

        n = utf8_length(p);
        if (n > room || room == 0)
            break;
        put_bytes(o, n == 0 || control ? "?" : (const char *)p, n == 0 || control ? 1 : n);
        n = n == 0 ? 1 : n;
        room -= n;
    }
    if (*p != '\0')
        emit_put(o, "...");
}

/* ---- Text */

static void text_line(struct emit *o, const struct emit_label *l, const char *name, const char *value,
                      const char *help)
{
    char line[128];

    (void)snprintf(line, sizeof line, "%s%-17s%20s%s%s\n", l->by_kind ? "    " : "  ", name, value,
                   help[0] != '\0' ? "  " : "", help);
    emit_put(o, line);
}

static void text_share(struct emit *o, const struct emit_label *l, const char *name, uint64_t part, uint64_t whole)
{
    double thousandths = whole == 0 ? 0 : (double)part / (double)whole * 1000;
    unsigned n = thousandths < 1e9 ? (unsigned)thousandths : 1000000000;
    char value[32];

    if (whole == 0)
        return;
    (void)snprintf(value, sizeof value, "%u.%u %%", n / 10, n % 10);
    text_line(o, l, name, value, "");
}

static void text_age(char *text, size_t size, unsigned i)
{
    bool last = i == BRIM_AGES - 1;
    uint64_t ms = age_end(last ? i - 1 : i) / 1000000;

    if (ms < 10000)
        (void)snprintf(text, size, "age < %u.%03u s", (unsigned)(ms / 1000), (unsigned)(ms % 1000));
    else
        (void)snprintf(text, size, "age %s %u s", last ? ">=" : "<", (unsigned)(ms / 1000));
}

static void text_name(char *text, size_t size, const struct row *r, unsigned i)
{
    if (r->flags & CAUSES)
        (void)snprintf(text, size, "%s %s", r->name, causes[i]);
    else if (r->flags & AGES)
        text_age(text, size, i);
    else
        (void)snprintf(text, size, "%s", r->name);
}

static void text_row(struct emit *o, const struct emit_label *l, const struct row *r, const brim_stats *s)
{
    const char *help = help_of(r, l->by_kind);
    char name[32], value[32];

    for (unsigned i = 0; i < r->count; i++) {
        uint64_t n = value_of(s, r, i);

        if (n == 0 && (l->by_kind || !(r->flags & MAIN)))
            continue;
        if (r->flags & SECONDS)
            (void)snprintf(value, sizeof value, "%" PRIu64 ".%03" PRIu64 " s", n / 1000000000, n / 1000000 % 1000);
        else
            (void)snprintf(value, sizeof value, "%" PRIu64, n);
        text_name(name, sizeof name, r, i);
        text_line(o, l, name, value, help);
        help = "";
    }
    if (r->offset == offsetof(brim_stats, misses) && !l->by_kind)
        text_share(o, l, "hit ratio", s->hits, s->hits + s->misses);
    if (r->offset == offsetof(brim_stats, used))
        text_share(o, l, "of the capacity", s->used, s->capacity);
}

void emit_text(struct emit *o, const struct emit_label *l, const brim_stats *s)
{
    emit_put(o, l->by_kind ? "  kind " : "cache ");
    emit_name(o, l->by_kind ? l->kind : l->cache);
    emit_put(o, "\n");
    for (unsigned i = 0; i < ROWS; i++)
        if (emit_row_is_of(i, l->by_kind))
            text_row(o, l, &rows[i], s);
}

/* ---- JSON */

static void json_row(struct emit *o, const struct row *r, const brim_stats *s)
{
    emit_put(o, ",\"");
    emit_put(o, r->name);
    emit_put(o, r->flags & CAUSES ? "\":{" : r->flags & AGES ? "\":[" : "\":");
    for (unsigned i = 0; i < r->count; i++) {
        emit_put(o, i > 0 ? "," : "");
        if (r->flags & CAUSES) {
            emit_put(o, "\"");
            emit_put(o, causes[i]);
            emit_put(o, "\":");
        }
        put_number(o, value_of(s, r, i));
    }
    emit_put(o, r->flags & CAUSES ? "}" : r->flags & AGES ? "]" : "");
}

void emit_json(struct emit *o, const struct emit_label *l, const brim_stats *s)
{
    emit_put(o, "\"name\":");
    put_json_string(o, l->by_kind ? l->kind : l->cache);
    for (unsigned i = 0; i < ROWS; i++)
        if (emit_row_is_of(i, l->by_kind))
            json_row(o, &rows[i], s);
}

/* ---- Prometheus: text format 0.0.4 */

/* Kinds have names of their own, so that the sum over a name counts nothing twice. */
static void put_metric(struct emit *o, const struct row *r, bool by_kind)
{
    emit_put(o, by_kind ? "brim_kind_" : "brim_");
    emit_put(o, r->metric);
}

void emit_family(struct emit *o, unsigned row, bool by_kind)
{
    const struct row *r = &rows[row];

    emit_put(o, "# HELP ");
    put_metric(o, r, by_kind);
    emit_put(o, " ");
    emit_put(o, help_of(r, by_kind));
    emit_put(o, "\n# TYPE ");
    put_metric(o, r, by_kind);
    emit_put(o, r->flags & AGES ? " histogram\n" : r->flags & COUNTER ? " counter\n" : " gauge\n");
}

static void put_named(struct emit *o, const char *label, const char *name, unsigned nr)
{
    emit_put(o, label);
    emit_put(o, "=\"");
    put_label_value(o, name);
    emit_put(o, "\"");
    if (nr > 1) {
        emit_put(o, ",");
        emit_put(o, label);
        emit_put(o, "_nr=\"");
        put_number(o, nr);
        emit_put(o, "\"");
    }
}

/* A sample's name and labels, as far as all samples of ${l} have them. */
static void put_sample(struct emit *o, const struct row *r, const char *suffix, const struct emit_label *l)
{
    put_metric(o, r, l->by_kind);
    emit_put(o, suffix);
    emit_put(o, "{");
    put_named(o, "cache", l->cache, l->cache_nr);
    if (l->by_kind) {
        emit_put(o, ",");
        put_named(o, "kind", l->kind, l->kind_nr);
    }
}

/*
 * A histogram without its _sum, which nobody knows; somebody would divide by a made-up one.  Prometheus, its Go and
 * Python parsers and OpenTelemetry's receiver take it so, and its users keep histogram_quantile, which wants `le' and
 * which counters with a label of our own would take from them.
 */
static void put_histogram(struct emit *o, const struct row *r, const struct emit_label *l, const brim_stats *s)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < BRIM_AGES; i++) {
        sum += value_of(s, r, i);
        put_sample(o, r, "_bucket", l);
        emit_put(o, ",le=\"");
        if (i < BRIM_AGES - 1)
            put_seconds(o, age_end(i));
        else
            emit_put(o, "+Inf");
        emit_put(o, "\"} ");
        put_number(o, sum);
        emit_put(o, "\n");
    }
    put_sample(o, r, "_count", l);
    emit_put(o, "} ");
    put_number(o, sum);
    emit_put(o, "\n");
}

void emit_samples(struct emit *o, unsigned row, const struct emit_label *l, const brim_stats *s)
{
    const struct row *r = &rows[row];

    if (r->flags & AGES) {
        put_histogram(o, r, l, s);
        return;
    }
    for (unsigned i = 0; i < r->count; i++) {
        put_sample(o, r, "", l);
        if (r->flags & CAUSES) {
            emit_put(o, ",cause=\"");
            emit_put(o, causes[i]);
            emit_put(o, "\"");
        }
        emit_put(o, "} ");
        if (r->flags & SECONDS)
            put_seconds(o, value_of(s, r, i));
        else
            put_number(o, value_of(s, r, i));
        emit_put(o, "\n");
    }
}

/* ---- Documents of caches */

/*
 * The next of a cache's kinds, from ${k} on; they are never taken from the list, new ones come before.  What has no
 * brim_kind has no figures of its own either: as differences of counts that are read one after the other they would
 * fall now and then, which Prometheus takes for a new start.
 */
static struct kind *named(struct kind *k)
{
    while (k != NULL && k->user == NULL)
        k = k->next;
    return k;
}

/* NOLINTNEXTLINE(bugprone-macro-parentheses): ${k} is a name, declared here */
#define EACH_KIND(c, k) struct kind *k = named(atom_load_acquire(&(c)->kinds)); k != NULL; k = named(shared_get(k->next))

static struct emit_label cache_label(brim_cache *const caches[], size_t at)
{
    struct emit_label l = {caches[at]->name, NULL, false, 1, 1};

    for (size_t i = 0; i < at; i++)
        l.cache_nr += strcmp(shown(caches[i]->name), shown(l.cache)) == 0;
    return l;
}

static struct emit_label kind_label(const struct emit_label *cache, struct kind *k)
{
    struct emit_label l = *cache;

    l.by_kind = true;
    l.kind = k->user->name;
    for (struct kind *older = named(k->next); older != NULL; older = named(older->next))
        l.kind_nr += strcmp(shown(older->user->name), shown(l.kind)) == 0;
    return l;
}

static void text_document(struct emit *o, brim_cache *const caches[], size_t n)
{
    brim_stats s;

    for (size_t i = 0; i < n && !o->stopped; i++) {
        struct emit_label l = cache_label(caches, i);

        emit_put(o, i > 0 ? "\n" : "");
        brim_stats_get(caches[i], &s);
        emit_text(o, &l, &s);
        for (EACH_KIND(caches[i], k)) {
            struct emit_label m = kind_label(&l, k);

            brim_stats_get_sized(caches[i], k->user, &s, sizeof s);
            emit_text(o, &m, &s);
        }
    }
}

static void json_cache(struct emit *o, brim_cache *c, const struct emit_label *l)
{
    const char *between = "";
    brim_stats s;

    emit_put(o, "{");
    brim_stats_get(c, &s);
    emit_json(o, l, &s);
    emit_put(o, ",\"kinds\":[");
    for (EACH_KIND(c, k)) {
        struct emit_label m = kind_label(l, k);

        emit_put(o, between);
        emit_put(o, "{");
        brim_stats_get_sized(c, k->user, &s, sizeof s);
        emit_json(o, &m, &s);
        emit_put(o, "}");
        between = ",";
    }
    emit_put(o, "]}");
}

static void json_document(struct emit *o, brim_cache *const caches[], size_t n)
{
    emit_put(o, "{\"caches\":[");
    for (size_t i = 0; i < n && !o->stopped; i++) {
        struct emit_label l = cache_label(caches, i);

        emit_put(o, i > 0 ? "," : "");
        json_cache(o, caches[i], &l);
    }
    emit_put(o, "]}\n");
}

/*
 * Prometheus wants all samples of a name together, so each cache and kind is met once a name.  The figures of the
 * first few are read once, so that what belongs together is of one moment; for all of any number a stack has no room.
 */
struct memory {
    unsigned count;
    const void *of[8]; /* caches and kinds */
    brim_stats stats[8];
    brim_stats other; /* of the last that found no place */
};

static const brim_stats *recall(struct memory *m, brim_cache *c, struct kind *k)
{
    const void *of = k != NULL ? (const void *)k : (const void *)c;
    brim_stats *s = &m->other;

    for (unsigned i = 0; i < m->count; i++)
        if (m->of[i] == of)
            return &m->stats[i];
    if (m->count < sizeof m->of / sizeof m->of[0]) {
        s = &m->stats[m->count];
        m->of[m->count++] = of;
    }
    brim_stats_get_sized(c, k != NULL ? k->user : NULL, s, sizeof *s);
    return s;
}

static void prometheus_caches(struct emit *o, unsigned row, brim_cache *const caches[], size_t n, struct memory *m)
{
    if (n > 0)
        emit_family(o, row, false);
    for (size_t i = 0; i < n && !o->stopped; i++) {
        struct emit_label l = cache_label(caches, i);

        emit_samples(o, row, &l, recall(m, caches[i], NULL));
    }
}

static void prometheus_kinds(struct emit *o, unsigned row, brim_cache *const caches[], size_t n, struct memory *m)
{
    bool begun = false;

    for (size_t i = 0; i < n && !o->stopped; i++) {
        struct emit_label l = cache_label(caches, i);

        for (EACH_KIND(caches[i], k)) {
            struct emit_label by = kind_label(&l, k);

            if (!begun)
                emit_family(o, row, true);
            begun = true;
            emit_samples(o, row, &by, recall(m, caches[i], k));
        }
    }
}

static void prometheus_document(struct emit *o, brim_cache *const caches[], size_t n)
{
    struct memory m;

    m.count = 0;
    for (unsigned row = 0; row < ROWS && !o->stopped; row++) {
        if (emit_row_is_of(row, false))
            prometheus_caches(o, row, caches, n, &m);
        if (emit_row_is_of(row, true))
            prometheus_kinds(o, row, caches, n, &m);
    }
}

brim_status brim_stats_emit(brim_cache *const caches[], size_t n, brim_format format, brim_write *write,
                            void *arg)
{
    struct emit o;

    if (caches == NULL || write == NULL || (unsigned)format > BRIM_PROMETHEUS)
        return BRIM_INVALID;
    for (size_t i = 0; i < n; i++)
        if (caches[i] == NULL)
            return BRIM_INVALID;
    emit_start(&o, write, arg);
    if (format == BRIM_TEXT)
        text_document(&o, caches, n);
    else if (format == BRIM_JSON)
        json_document(&o, caches, n);
    else
        prometheus_document(&o, caches, n);
    return emit_end(&o) ? BRIM_OK : BRIM_FAILED;
}

static int to_file(void *arg, const char *text, size_t len)
{
    return fwrite(text, 1, len, (FILE *)arg) != len;
}

brim_status brim_stats_write(brim_cache *c, FILE *file, brim_format format)
{
    brim_cache *const caches[] = {c};
    brim_status status;

    if (file == NULL)
        return BRIM_INVALID;
    status = brim_stats_emit(caches, 1, format, to_file, file);
    /* What lies in the file's buffer has not been taken yet. */
    return status == BRIM_OK && fflush(file) != 0 ? BRIM_FAILED : status;
}
