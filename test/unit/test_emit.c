/* SPDX-License-Identifier: MIT
 *
 * cache/emit: what each format makes of made-up figures, and that documents of real caches are well-formed.
 */
#include <ctype.h>
#include <inttypes.h>
#include <regex.h>
#include "cache/emit.h"
#include "support/support.h"
#include "unit/interfere.h"

/* ---- A sink: keeps what is written; wants no more after ${wants} calls */

static char got[1 << 20];
static size_t len;
static unsigned calls, wants;

static int keep(void *arg, const char *text, size_t n)
{
    ck_assert_ptr_eq(arg, got);
    ck_assert_uint_gt(n, 0);
    ck_assert_uint_lt(len + n, sizeof got);
    memcpy(got + len, text, n);
    len += n;
    got[len] = '\0';
    return ++calls >= wants;
}

static struct emit o;

static void start(void)
{
    len = calls = 0;
    wants = UINT32_MAX;
    got[0] = '\0';
    emit_start(&o, keep, got);
}

static void end(void)
{
    ck_assert(emit_end(&o));
}

#define HAS(text) ck_assert_msg(strstr(got, (text)) != NULL, "no %s in: %.20000s", (text), got)
#define HAS_NOT(text) ck_assert_msg(strstr(got, (text)) == NULL, "%s in: %.20000s", (text), got)

static unsigned times(const char *text)
{
    unsigned n = 0;

    for (const char *p = got; (p = strstr(p, text)) != NULL; p++)
        n++;
    return n;
}

START_TEST(written_when_the_buffer_is_full)
{
    char text[sizeof o.text];

    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    start();
    emit_put(&o, text);
    ck_assert_uint_eq(calls, 0);
    emit_put(&o, "yz");
    ck_assert_uint_eq(calls, 1);
    ck_assert_uint_eq(len, sizeof o.text);
    end();
    ck_assert_uint_eq(calls, 2);
    ck_assert_str_eq(got + sizeof text - 1, "yz");
}
END_TEST

static const struct emit_label plain = {"c", NULL, false, 1, 1};
static const struct emit_label kind = {"c", "k", true, 1, 1};

static brim_stats figures(void)
{
    brim_stats s;

    memset(&s, 0, sizeof s);
    s.size = sizeof s;
    s.hits = 900;
    s.misses = 100;
    s.capacity = 1000;
    s.used = 333;
    s.count = 12;
    s.left[BRIM_EVICTED] = 7;
    s.left[BRIM_FREED] = 8;
    s.shards = 4;
    s.sections = 5;
    s.waiting_ns = 1500000000;
    s.load_ns = 60000000001;
    s.eviction_age[0] = 1;
    s.eviction_age[3] = 2;
    s.eviction_age[6] = 5;
    s.eviction_age[7] = 6;
    s.eviction_age[BRIM_AGES - 1] = 4;
    return s;
}

/* ---- Text */

static void lines_fit(void)
{
    for (char *p = got, *q; *p != '\0'; p = q + 1) {
        q = strchr(p, '\n');
        ck_assert_ptr_nonnull(q);
        ck_assert_msg(q - p <= 80, "%.*s", (int)(q - p), p);
    }
}

START_TEST(text_says_what_matters)
{
    brim_stats s = figures();

    start();
    emit_text(&o, &plain, &s);
    end();
    HAS("cache c\n");
    HAS("  hits                              900  look-ups that found a value\n");
    HAS("  misses                            100  look-ups that found none\n"
        "  hit ratio                      90.0 %\n");
    HAS("  used                              333  charge of values not yet destroyed\n"
        "  of the capacity                33.3 %\n");
    ck_assert_uint_eq(times("%"), 2);
    HAS("  insertions                          0  "); /* always */
    HAS_NOT("redundant_loads");                         /* 0, and of lesser importance */
    HAS("  left evicted                        7  entries that left, by cause\n");
    HAS("  left freed                          8\n");
    HAS_NOT("left cleared");
    HAS("  waiting_ns                    1.500 s  ");
    HAS("  age < 0.134 s                       1  ");
    HAS("  age < 1.073 s                       2\n");
    HAS("  age < 8.589 s                       5\n");
    HAS("  age < 17 s                          6\n"); /* from ten on, whole ones */
    HAS("  age >= 2199 s                       4\n");
    lines_fit();
}
END_TEST

START_TEST(text_of_a_kind_is_what_is_kept_by_kind)
{
    brim_stats s = figures();

    start();
    emit_text(&o, &kind, &s);
    end();
    HAS("  kind k\n");
    HAS("    hits                              900  look-ups");
    HAS("    misses                            100  gets and claims that found none\n");
    HAS_NOT("hit ratio");
    HAS_NOT("insertions"); /* 0 */
    HAS_NOT("shards");
    HAS_NOT("waiting_ns");
}
END_TEST

START_TEST(text_of_nothing)
{
    brim_stats s;

    memset(&s, 0, sizeof s);
    start();
    emit_text(&o, &plain, &s);
    end();
    HAS("  used ");
    HAS_NOT("%"); /* no ratio of nothing */
    s.used = SIZE_MAX / 2;
    s.capacity = 1;
    start();
    emit_text(&o, &plain, &s);
    end();
    HAS("100000000.0 %"); /* no more, however absurd */
}
END_TEST

START_TEST(shares_of_any_numbers)
{
    brim_stats s = figures();

    s.hits = 1; /* few and odd */
    s.misses = 2;
    s.used = s.capacity = SIZE_MAX;
    start();
    emit_text(&o, &plain, &s);
    end();
    HAS("  hit ratio                      33.3 %\n");
    HAS("  of the capacity               100.0 %\n");
}
END_TEST

START_TEST(text_has_80_columns_at_most)
{
    struct emit_label l = plain;
    char name[300];
    brim_stats s;

    memset(&s, 255, sizeof s);
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    l.cache = l.kind = name;
    start();
    emit_text(&o, &l, &s);
    l.by_kind = true;
    emit_text(&o, &l, &s);
    end();
    HAS("xxx...\n");
    HAS("    hits             18446744073709551615  look-ups");
    lines_fit();
}
END_TEST

#define FIFTY_NINE "123456789 123456789 123456789 123456789 123456789 123456789"
#define SIXTY FIFTY_NINE " "

START_TEST(names_do_nothing_to_a_terminal)
{
    static const struct { const char *name, *shown; } of[] = {
        {NULL, "default"}, {"", "default"}, {"caf\xc3\xa9", "caf\xc3\xa9"}, {"a\x1b[1mb\n", "a?[1mb?"},
        {"\xc2\x9b" "1m\x7f", "?1m?"}, {"\xff\xc3", "??"},
        {"\xc2\xa0" "\xc2\xa2", "\xc2\xa0" "\xc2\xa2"}, {SIXTY, SIXTY}, {SIXTY "\xff", SIXTY "..."},
        {"." SIXTY, ".123456789 123456789 123456789 123456789 123456789 123456789..."},
        {FIFTY_NINE "\xc3\xa9", FIFTY_NINE "..."}, {FIFTY_NINE "\xc3\xa9z", FIFTY_NINE "..."}, /* a whole character */
    };

    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        start();
        emit_name(&o, of[i].name);
        end();
        ck_assert_str_eq(got, of[i].shown);
    }
}
END_TEST

/* ---- JSON */

static const char *skip_value(const char *p);

static const char *skip_string(const char *p)
{
    ck_assert_int_eq(*p, '"');
    for (p++; *p != '"'; p++) {
        ck_assert_msg((unsigned char)*p >= 0x20, "%.40s", p);
        if (*p != '\\')
            continue;
        p++;
        ck_assert_msg(*p == 'u' || *p == '"' || *p == '\\', "%.40s", p);
        for (int i = 0; *p == 'u' && i < 4; i++)
            ck_assert(isxdigit((unsigned char)p[i + 1]));
    }
    return p + 1;
}

static const char *skip_members(const char *p, char closed)
{
    for (p++;; p++) {
        if (closed == '}') {
            p = skip_string(p);
            ck_assert_int_eq(*p++, ':');
        }
        p = skip_value(p);
        if (*p == closed)
            return p + 1;
        ck_assert_msg(*p == ',', "%.40s", p);
    }
}

static const char *skip_value(const char *p)
{
    if (*p == '{' || *p == '[') {
        char closed = *p == '{' ? '}' : ']';
        return p[1] == closed ? p + 2 : skip_members(p, closed);
    }
    if (*p == '"')
        return skip_string(p);
    ck_assert_msg(isdigit((unsigned char)*p), "%.40s", p);
    ck_assert(*p != '0' || !isdigit((unsigned char)p[1]));
    return p + strspn(p, "0123456789");
}

static void is_json(void)
{
    ck_assert_str_eq(skip_value(got), "\n");
}

START_TEST(json_has_every_member)
{
    brim_stats s = figures();
    unsigned char *bytes = (unsigned char *)&s;
    char text[32];

    /* Each eight bytes a number of its own, but for the two that are of four. */
    for (size_t i = offsetof(brim_stats, hits); i + 8 <= sizeof s; i += 8) {
        uint64_t n = 1000000000 + i;
        memcpy(bytes + i, &n, sizeof n);
    }
    s.shards = 2000000000;
    s.sections = 2000000001;
    start();
    emit_json(&o, &plain, &s);
    HAS_NOT("ceiling"); /* of kinds alone */
    emit_json(&o, &kind, &s);
    end();
    HAS("\"shards\":2000000000,\"sections\":2000000001,");
    for (size_t i = offsetof(brim_stats, hits); i + 8 <= sizeof s; i += 8) {
        (void)snprintf(text, sizeof text, "%zu", 1000000000 + i);
        if (i != offsetof(brim_stats, shards))
            HAS(text);
    }
}
END_TEST

START_TEST(json_of_a_kind)
{
    brim_stats s = figures();

    start();
    emit_json(&o, &kind, &s);
    end();
    HAS("\"name\":\"k\",\"hits\":900,\"misses\":100,");
    HAS("\"left\":{\"evicted\":7,\"removed\":0,\"replaced\":0,\"invalidated\":0,\"expired\":0,\"cleared\":0,"
        "\"freed\":8}");
    HAS("\"eviction_age\":[1,0,0,2,0,0,5,6,0,0,0,0,0,0,0,4],");
    HAS_NOT("capacity");
}
END_TEST

START_TEST(json_strings_are_escaped)
{
    static const struct { const char *name, *shown; } of[] = {
        {NULL, "default"},
        {"a\"b\\c/", "a\\\"b\\\\c/"},
        {"\x01\n\x1f\x7f", "\\u0001\\u000a\\u001f\x7f"},
        {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
        {"\xe9", "\\u00e9"},                                     /* Latin-1 */
        {"\xc3", "\\u00c3"},                                     /* cut off */
        {"\xe2\x82", "\\u00e2\\u0082"},
        {"\xc0\xaf", "\\u00c0\\u00af"},                          /* longer than need be */
        {"\xe0\x80\xaf", "\\u00e0\\u0080\\u00af"},
        {"\xed\xa0\x80", "\\u00ed\\u00a0\\u0080"},               /* a surrogate */
        {"\xf4\x90\x80\x80", "\\u00f4\\u0090\\u0080\\u0080"},    /* above all characters */
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
        {"\xf0\x9f\x98", "\\u00f0\\u009f\\u0098"},
        {"\xf0\x9f\x98z", "\\u00f0\\u009f\\u0098z"},        /* the last byte is of another */
    };
    brim_stats s = figures();
    struct emit_label l = plain;
    char text[80];

    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        l.cache = of[i].name;
        start();
        emit_json(&o, &l, &s);
        end();
        (void)snprintf(text, sizeof text, "\"name\":\"%s\",", of[i].shown);
        ck_assert_msg(strncmp(got, text, strlen(text)) == 0, "%s: %.80s", text, got);
    }
}
END_TEST

START_TEST(bytes_that_begin_no_character)
{
    brim_stats s = figures();
    struct emit_label l = plain;
    char name[] = "?\x80\x80\x80", text[80];

    l.cache = name;
    for (unsigned byte = 0x80; byte <= 0xff; byte += byte == 0xc1 ? 0xf5 - 0xc1 : 1) {
        name[0] = (char)byte;
        start();
        emit_json(&o, &l, &s);
        end();
        (void)snprintf(text, sizeof text, "\"name\":\"\\u00%x\\u0080\\u0080\\u0080\",", byte);
        ck_assert_msg(strncmp(got, text, strlen(text)) == 0, "%s: %.80s", text, got);
    }
}
END_TEST

/* ---- Prometheus */

/* Made-up figures of one cache or kind. */
static void prometheus(const struct emit_label *l, const brim_stats *s)
{
    start();
    for (unsigned row = 0; row < emit_row_count(); row++) {
        if (!emit_row_is_of(row, l->by_kind))
            continue;
        emit_family(&o, row, l->by_kind);
        emit_samples(&o, row, l, s);
    }
    end();
}

START_TEST(prometheus_samples)
{
    brim_stats s = figures();

    prometheus(&plain, &s);
    HAS("# HELP brim_hits_total look-ups that found a value\n# TYPE brim_hits_total counter\n"
        "brim_hits_total{cache=\"c\"} 900\n");
    HAS("# HELP brim_misses_total look-ups that found none\n");
    HAS("# TYPE brim_used gauge\nbrim_used{cache=\"c\"} 333\n");
    HAS("\nbrim_left_total{cache=\"c\",cause=\"evicted\"} 7\n");
    HAS("\nbrim_left_total{cache=\"c\",cause=\"freed\"} 8\n");
    HAS("\nbrim_entries{cache=\"c\"} 12\n");
    HAS("\nbrim_shards{cache=\"c\"} 4\n");
    HAS("\nbrim_sections{cache=\"c\"} 5\n");
    HAS("\nbrim_waiting_seconds{cache=\"c\"} 1.5\n");
    HAS("# TYPE brim_load_seconds_total counter\nbrim_load_seconds_total{cache=\"c\"} 60.000000001\n");
    HAS("\nbrim_lock_wait_seconds_total{cache=\"c\"} 0\n");
    prometheus(&kind, &s);
    HAS("# TYPE brim_kind_used gauge\nbrim_kind_used{cache=\"c\",kind=\"k\"} 333\n");
    HAS("# HELP brim_kind_misses_total gets and claims that found none\n");
    HAS("\nbrim_kind_floor{cache=\"c\",kind=\"k\"} 0\n");
    HAS_NOT("shards");
}
END_TEST

START_TEST(prometheus_histogram)
{
    brim_stats s = figures();

    prometheus(&plain, &s);
    HAS("# TYPE brim_eviction_age_seconds histogram\n"
        "brim_eviction_age_seconds_bucket{cache=\"c\",le=\"0.134217728\"} 1\n"
        "brim_eviction_age_seconds_bucket{cache=\"c\",le=\"0.268435456\"} 1\n");
    HAS("\nbrim_eviction_age_seconds_bucket{cache=\"c\",le=\"1.073741824\"} 3\n");
    HAS("\nbrim_eviction_age_seconds_bucket{cache=\"c\",le=\"2199.023255552\"} 14\n"
        "brim_eviction_age_seconds_bucket{cache=\"c\",le=\"+Inf\"} 18\n"
        "brim_eviction_age_seconds_count{cache=\"c\"} 18\n#");
}
END_TEST

START_TEST(prometheus_seconds)
{
    brim_stats s = figures();

    s.waiting_ns = UINT64_MAX;
    s.load_ns = 1;
    s.lock_wait_ns = 20000000000;
    prometheus(&plain, &s);
    HAS("\nbrim_waiting_seconds{cache=\"c\"} 18446744073.709551615\n");
    HAS("\nbrim_load_seconds_total{cache=\"c\"} 0.000000001\n");
    HAS("\nbrim_lock_wait_seconds_total{cache=\"c\"} 20\n");
}
END_TEST

START_TEST(prometheus_labels_are_escaped)
{
    struct emit_label l = {"a\"b\\c\nd\xff\xc3\xa9", "", true, 2, 3};
    brim_stats s = figures();

    prometheus(&l, &s);
    HAS("\nbrim_kind_used{cache=\"a\\\"b\\\\c\\nd\\\\xff\xc3\xa9\",cache_nr=\"2\","
        "kind=\"default\",kind_nr=\"3\"} 333\n");
}
END_TEST

/* ---- Documents of real caches */

enum { CACHES = 4, KINDS = 12 };

static brim_cache *caches[CACHES];
static brim_kind kinds[KINDS];

/* Two without a name, two of one name; kinds with one name, none, and more of them than are remembered. */
static void make_caches(void)
{
    static const char *const names[CACHES] = {NULL, "one\"name", "", "one\"name"};
    static const char *const kind_names[4] = {"same", NULL, "same", "other\n"};
    brim_entry_options e;

    for (unsigned i = 0; i < CACHES; i++) {
        brim_options op = value_options(100);

        op.name = names[i];
        op.kind = i == 2 ? NULL : &value_kind;
        caches[i] = make_cache(&op);
    }
    brim_entry_options_init(&e);
    for (unsigned i = 0; i < KINDS; i++) {
        kinds[i] = value_kind;
        kinds[i].name = kind_names[i % 4];
        e.kind = &kinds[i];
        ck_assert_int_eq(brim_insert_with(caches[1], BRIM_KEY(i), value_new(i, 3), 3, &e, NULL), BRIM_OK);
    }
    ck_assert_int_eq(put(caches[0], 1, 1, 5), BRIM_OK);
    ck_assert_uint_eq(found_id(caches[0], 1), 1);
}

static void free_caches(void)
{
    for (unsigned i = 1; i < CACHES; i++)
        brim_cache_free(caches[i]);
    finish(caches[0]);
}

static void document(brim_format format)
{
    start();
    ck_assert_int_eq(brim_stats_emit(caches, CACHES, format, keep, got), BRIM_OK);
    ck_assert_uint_gt(calls, 1); /* through a small buffer */
}

START_TEST(a_document_of_text)
{
    make_caches();
    document(BRIM_TEXT);
    lines_fit();
    ck_assert_uint_eq(times("cache one\"name\n"), 2);
    ck_assert_uint_eq(times("cache default\n"), 2);
    ck_assert_uint_eq(times("  kind same\n"), KINDS / 2);
    HAS("  kind other?\n");
    free_caches();
}
END_TEST

START_TEST(a_document_of_json)
{
    make_caches();
    document(BRIM_JSON);
    is_json();
    HAS("{\"caches\":[{\"name\":\"default\",\"hits\":1,");
    HAS("\"kinds\":[{\"name\":\"other\\u000a\",");
    ck_assert_uint_eq(times("\"name\":\"one\\\"name\","), 2);
    ck_assert_uint_eq(times("\"name\":\"same\","), KINDS / 2);
    ck_assert_uint_eq(times("\"kinds\":["), CACHES);
    ck_assert_uint_eq(times("\"kinds\":[]"), 1); /* what has no kind is no kind */
    free_caches();
}
END_TEST

/* The samples' lines, without their values; asserts the form of each line, and that names stay together. */
static char *series[20000];
static size_t series_count;

/* The name that a sample belongs to is that of the TYPE before it. */
static void check_sample(char *line, const char *type_line)
{
    char name[100];
    int n = 0;

    ck_assert_int_eq(sscanf(type_line, "# TYPE %99s %n", name, &n), 1);
    ck_assert_msg(strncmp(line, name, strlen(name)) == 0, "%s after %s", line, type_line);
    if (strcmp(type_line + n, "counter") == 0)
        ck_assert_msg(strcmp(name + strlen(name) - 6, "_total") == 0, "%s", name);
    else
        ck_assert_msg(strcmp(name + strlen(name) - 6, "_total") != 0, "%s", name);
    *strrchr(line, ' ') = '\0';
    series[series_count++] = line;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

#define NAME "[a-z_]+"
#define LABEL "[a-z_]+=\"([^\"\\\\]|\\\\[\\\\n\"])*\""

static void check_prometheus(void)
{
    char *type_line = NULL, *next, *types[200];
    size_t types_count = 0;
    regex_t help, type, sample;

    ck_assert_int_eq(regcomp(&help, "^# HELP " NAME " [^\\]+$", REG_EXTENDED | REG_NOSUB), 0);
    ck_assert_int_eq(regcomp(&type, "^# TYPE " NAME " (counter|gauge|histogram)$", REG_EXTENDED | REG_NOSUB), 0);
    ck_assert_int_eq(regcomp(&sample, "^" NAME "\\{(" LABEL ",)*" LABEL "\\} [0-9]+(\\.[0-9]*[1-9])?$",
                             REG_EXTENDED | REG_NOSUB), 0);
    series_count = 0;
    for (char *line = got; *line != '\0'; line = next) {
        next = strchr(line, '\n');
        ck_assert_ptr_nonnull(next);
        *next++ = '\0';
        if (regexec(&type, line, 0, NULL, 0) == 0)
            types[types_count++] = type_line = line;
        else if (regexec(&sample, line, 0, NULL, 0) == 0)
            check_sample(line, type_line);
        else
            ck_assert_msg(regexec(&help, line, 0, NULL, 0) == 0, "%s", line);
    }
    regfree(&help);
    regfree(&type);
    regfree(&sample);
    qsort(types, types_count, sizeof types[0], compare);
    for (size_t i = 1; i < types_count; i++) /* once a name */
        ck_assert_str_ne(types[i - 1], types[i]);
    qsort(series, series_count, sizeof series[0], compare);
    for (size_t i = 1; i < series_count; i++)
        ck_assert_str_ne(series[i - 1], series[i]);
}

static bool has_series(const char *text)
{
    return bsearch(&text, series, series_count, sizeof series[0], compare) != NULL;
}

START_TEST(a_document_for_prometheus)
{
    make_caches();
    document(BRIM_PROMETHEUS);
    HAS("\nbrim_hits_total{cache=\"default\"} 1\nbrim_hits_total{cache=\"one\\\"name\"} 0\n");
    HAS("\nbrim_kind_used{cache=\"one\\\"name\",kind=\"other\\n\",kind_nr=\"3\"} 3\n");
    HAS_NOT("brim_kind_capacity"); /* of caches alone */
    check_prometheus();
    ck_assert_uint_gt(series_count, emit_row_count() * CACHES);
    ck_assert(!has_series("brim_floor{cache=\"default\"}"));
    ck_assert(has_series("brim_used{cache=\"default\",cache_nr=\"2\"}"));
    ck_assert(has_series("brim_used{cache=\"one\\\"name\",cache_nr=\"2\"}"));
    ck_assert(has_series("brim_kind_used{cache=\"default\",kind=\"value\"}"));
    ck_assert(has_series("brim_kind_used{cache=\"one\\\"name\",kind=\"same\"}"));
    ck_assert(has_series("brim_kind_used{cache=\"one\\\"name\",kind=\"same\",kind_nr=\"6\"}"));
    free_caches();
}
END_TEST

START_TEST(documents_of_no_cache)
{
    make_caches();
    start();
    ck_assert_int_eq(brim_stats_emit(caches, 0, BRIM_PROMETHEUS, keep, got), BRIM_OK);
    ck_assert_int_eq(brim_stats_emit(caches, 0, BRIM_TEXT, keep, got), BRIM_OK);
    ck_assert_uint_eq(len, 0);
    ck_assert_int_eq(brim_stats_emit(caches, 0, BRIM_JSON, keep, got), BRIM_OK);
    ck_assert_str_eq(got, "{\"caches\":[]}\n");
    free_caches();
}
END_TEST

START_TEST(who_wants_no_more_gets_no_more)
{
    make_caches();
    for (int format = BRIM_TEXT; format <= BRIM_PROMETHEUS; format++) {
        for (unsigned most = 1; most <= 3; most++) {
            start();
            wants = most;
            ck_assert_int_eq(brim_stats_emit(caches, CACHES, (brim_format)format, keep, got), BRIM_FAILED);
            ck_assert_uint_eq(calls, most);
        }
    }
    free_caches();
}
END_TEST

static brim_cache *pair[2];
static brim_kind pair_kinds[2];

static void make_pair(const char *name, const char *kind_name)
{
    for (unsigned i = 0; i < 2; i++) {
        brim_options op = value_options(100);

        pair_kinds[i] = value_kind;
        pair_kinds[i].name = i == 0 ? kind_name : "k";
        op.name = i == 0 ? name : "b";
        op.kind = &pair_kinds[i];
        pair[i] = make_cache(&op);
        ck_assert_int_eq(put(pair[i], 1, 1, 5), BRIM_OK);
    }
}

static void free_pair(void)
{
    brim_cache_free(pair[0]);
    finish(pair[1]);
}

/* Meanwhile the caches change. */
static int keep_and_change(void *arg, const char *text, size_t n)
{
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(put(pair[i], 2 + calls, 1, 5), BRIM_OK);
    return keep(arg, text, n);
}

START_TEST(figures_of_a_few_caches_are_of_one_moment)
{
    make_pair("a", "k");
    start();
    ck_assert_int_eq(brim_stats_emit(pair, 2, BRIM_PROMETHEUS, keep_and_change, got), BRIM_OK);
    ck_assert_uint_gt(brim_count(pair[1]), 10);
    HAS("\nbrim_entries{cache=\"a\"} 1\nbrim_entries{cache=\"b\"} 1\n");
    HAS("\nbrim_kind_used{cache=\"a\",kind=\"k\"} 5\nbrim_kind_used{cache=\"b\",kind=\"k\"} 5\n");
    free_pair();
}
END_TEST

#ifdef BRIM_INTERFERE
static int wants_none(void *arg, const char *text, size_t n)
{
    (void)text;
    (void)n;
    atom_interfere(*(unsigned *)arg, interfere_by_nothing, NULL);
    return 1;
}

/* How much is done for the document of the first ${n} after the first write, which wants no more. */
static unsigned operations_in_vain(size_t n, brim_format format)
{
    for (unsigned after = 0;; after++) {
        ck_assert_int_eq(brim_stats_emit(pair, n, format, wants_none, &after), BRIM_FAILED);
        if (!atom_has_interfered())
            return after;
    }
}

/* It ends in what is written of the first, so that the second is not asked: neither of it, nor of its kind. */
START_TEST(who_wants_no_more_has_no_cache_asked)
{
    char name[600];

    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    for (int of_kind = 0; of_kind <= 1; of_kind++) {
        make_pair(of_kind ? "a" : name, of_kind ? name : "k");
        for (int format = BRIM_TEXT; format <= BRIM_PROMETHEUS; format++)
            ck_assert_uint_eq(operations_in_vain(2, (brim_format)format), operations_in_vain(1, (brim_format)format));
        free_pair();
    }
}
END_TEST
#endif

START_TEST(a_file)
{
    FILE *f;

    make_caches();
    for (int format = BRIM_TEXT; format <= BRIM_PROMETHEUS; format++) {
        start();
        ck_assert_int_eq(brim_stats_emit(&caches[1], 1, (brim_format)format, keep, got), BRIM_OK);
        f = tmpfile();
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(brim_stats_write(caches[1], f, (brim_format)format), BRIM_OK);
        ck_assert_int_eq(ftell(f), (long)len);
        fclose(f);
    }
    f = fopen("/dev/full", "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(brim_stats_write(caches[0], f, BRIM_JSON), BRIM_FAILED);
    ck_assert_int_eq(brim_stats_write(caches[1], f, BRIM_JSON), BRIM_FAILED); /* more than a buffer */
    fclose(f);
    free_caches();
}
END_TEST

/* What its user wrote before lies in its buffer still. */
START_TEST(a_file_that_gets_no_document_is_left_alone)
{
    FILE *f = fopen("/dev/full", "w");

    make_caches();
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs("before", f), 0);
    ck_assert_int_eq(brim_stats_write(caches[0], f, (brim_format)3), BRIM_INVALID);
    ck_assert_int_eq(ferror(f), 0);
    fclose(f);
    free_caches();
}
END_TEST

START_TEST(arguments_that_are_none)
{
    brim_cache *with_a_hole[2];

    make_caches();
    with_a_hole[0] = caches[0];
    with_a_hole[1] = NULL;
    start();
    ck_assert_int_eq(brim_stats_emit(NULL, 0, BRIM_TEXT, keep, got), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_emit(with_a_hole, 2, BRIM_TEXT, keep, got), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_emit(caches, CACHES, BRIM_TEXT, NULL, got), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_emit(caches, CACHES, (brim_format)3, keep, got), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_write(NULL, stdout, BRIM_TEXT), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_write(caches[0], NULL, BRIM_TEXT), BRIM_INVALID);
    ck_assert_int_eq(brim_stats_write(caches[0], stdout, (brim_format)-1), BRIM_INVALID);
    ck_assert_uint_eq(calls, 0);
    free_caches();
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("emit");

    tcase_add_test(tc, written_when_the_buffer_is_full);
    tcase_add_test(tc, text_says_what_matters);
    tcase_add_test(tc, text_of_a_kind_is_what_is_kept_by_kind);
    tcase_add_test(tc, text_of_nothing);
    tcase_add_test(tc, shares_of_any_numbers);
    tcase_add_test(tc, text_has_80_columns_at_most);
    tcase_add_test(tc, names_do_nothing_to_a_terminal);
    tcase_add_test(tc, json_has_every_member);
    tcase_add_test(tc, json_of_a_kind);
    tcase_add_test(tc, json_strings_are_escaped);
    tcase_add_test(tc, bytes_that_begin_no_character);
    tcase_add_test(tc, prometheus_samples);
    tcase_add_test(tc, prometheus_histogram);
    tcase_add_test(tc, prometheus_seconds);
    tcase_add_test(tc, prometheus_labels_are_escaped);
    tcase_add_test(tc, a_document_of_text);
    tcase_add_test(tc, a_document_of_json);
    tcase_add_test(tc, a_document_for_prometheus);
    tcase_add_test(tc, documents_of_no_cache);
    tcase_add_test(tc, who_wants_no_more_gets_no_more);
    tcase_add_test(tc, figures_of_a_few_caches_are_of_one_moment);
#ifdef BRIM_INTERFERE
    tcase_add_test(tc, who_wants_no_more_has_no_cache_asked);
#endif
    tcase_add_test(tc, a_file);
    tcase_add_test(tc, a_file_that_gets_no_document_is_left_alone);
    tcase_add_test(tc, arguments_that_are_none);
    return suite_run(tc);
}
