/* SPDX-License-Identifier: MIT */
#include "view.h"

#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>
#include <wctype.h>

enum { MOST_COLUMNS = 1000, NARROW_NAME = 8, WIDE_NAME = 30, NAME = 10, BAR = 7, WIDE_BAR = 40 };

/* ---- Text of a width.  What cannot be shown is a question mark. */

static int width_of(wchar_t c)
{
    const int width = wcwidth(c);
    return width > 0 && iswprint((wint_t)c) ? width : -1;
}

/* Appends ${text}, cut after ${columns}; returns how many it took. */
static int put_text(FILE *out, const char *text, int columns)
{
    mbstate_t state = {0};
    int taken = 0;
    while (*text != '\0') {
        wchar_t c = 0;
        size_t n = mbrtowc(&c, text, strlen(text), &state);
        const bool shown = n != 0 && n < (size_t)-2 && width_of(c) > 0;
        const int width = shown ? width_of(c) : 1;
        if (n == 0 || n >= (size_t)-2) {
            n = 1;
            memset(&state, 0, sizeof state);
        }
        if (taken + width > columns)
            break;
        if (shown)
            (void)fwrite(text, 1, n, out);
        else
            (void)fputc('?', out);
        taken += width;
        text += n;
    }
    return taken;
}

static void put_spaces(FILE *out, int n)
{
    (void)fprintf(out, "%*s", n > 0 ? n : 0, "");
}

static struct line *new_line(struct view *v, enum style style, char *text)
{
    struct line *more = realloc(v->at, (v->count + 1) * sizeof *more);
    if (more == NULL || text == NULL)
        top_fail("out of memory");
    v->at = more;
    more = &v->at[v->count++];
    more->text = text;
    more->style = style;
    return more;
}

__attribute__((format(printf, 4, 5))) static void add_line(struct view *v, const struct look *look, enum style style,
                                                           const char *format, ...)
{
    char *whole = NULL, *cut = NULL;
    size_t size;
    va_list args;
    va_start(args, format);
    const int n = vasprintf(&whole, format, args);
    va_end(args);
    FILE *out = n >= 0 ? open_memstream(&cut, &size) : NULL;
    if (out == NULL)
        top_fail("out of memory");
    (void)put_text(out, whole, look->columns);
    (void)fclose(out);
    free(whole);
    (void)new_line(v, style, cut);
}

/* As many lines as it takes, broken between words. */
static void add_wrapped(struct view *v, const struct look *look, const char *text)
{
    const int room = look->columns > 24 ? look->columns - 4 : 20;
    for (const char *begin = "  ! "; *text != '\0'; begin = "    ") {
        int n = (int)strnlen(text, (size_t)room + 1);
        if (n > room)
            for (n = room; n > 1 && text[n] != ' ';)
                n--;
        if (n == 1)
            n = room;                   /* a word that is longer */
        add_line(v, look, STYLE_PROBLEM, "%s%.*s", begin, n, text);
        text += n;
        text += strspn(text, " ");
    }
}

/* ---- Numbers */

enum { NUMBER = 24 };

/* At most 6 characters: 812, 1.25Mi.  Capacities are bytes, mostly. */
static const char *size_text(double n, char *text)
{
    static const char *const units[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};
    size_t unit = 0;
    for (; n >= 999.5 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        n /= 1024;
    const int digits = unit == 0 || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;
    (void)snprintf(text, NUMBER, "%.*f%s", digits, n, units[unit]);
    return text;
}

/* At most 5: 812, 1.25k. */
static const char *count_text(double n, char *text)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};
    size_t unit = 0;
    if (n < 0)
        return "-";
    for (; n >= 999.5 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        n /= 1000;
    const int digits = unit == 0 || n >= 99.95 ? 0 : n >= 9.995 ? 1 : 2;
    (void)snprintf(text, NUMBER, "%.*f%s", digits, n, units[unit]);
    return text;
}

/* At most 4, never 100 if it is less. */
static const char *percent_text(double share, char *text)
{
    if (share < 0)
        return "-";
    if (share >= 1)
        return "100";
    (void)snprintf(text, NUMBER, "%.1f", (double)(int)(share * 1000) / 10);
    return text;
}

static const char *seconds_text(double s, char *text)
{
    if (s < 1e-3)
        (void)snprintf(text, NUMBER, "%.0f us", s * 1e6);
    else if (s < 1)
        (void)snprintf(text, NUMBER, "%.1f ms", s * 1e3);
    else
        (void)snprintf(text, NUMBER, "%.1f s", s);
    return text;
}

/* ---- The table */

enum column { USED, OF, ENTRIES, HIT, NOW, FINDS, INSERTS, EVICTED, LOADING, HELD, COLUMNS };

static const struct {
    const char *title;
    int width;
    int drop;                           /* on a narrow terminal the highest go first */
} columns[] = {
    [USED] = {"USED", 6, 0},    [OF] = {"OF", 6, 3},        [ENTRIES] = {"ENTR", 5, 4},  [HIT] = {"HIT%", 4, 0},
    [NOW] = {"NOW%", 4, 5},     [FINDS] = {"FIND/s", 6, 1}, [INSERTS] = {"INS/s", 5, 6}, [EVICTED] = {"EVIC/s", 6, 2},
    [LOADING] = {"LOAD", 4, 7}, [HELD] = {"HELD", 6, 8},
};

struct layout {
    bool has[COLUMNS];
    int name, bar;                      /* bar 0: none */
};

static int width_needed(const struct layout *l)
{
    int width = l->name + (l->bar > 0 ? l->bar + 1 : 0);
    for (int i = 0; i < COLUMNS; i++)
        width += l->has[i] ? columns[i].width + 1 : 0;
    return width;
}

static void drop_one(struct layout *l)
{
    int last = -1;
    for (int i = 0; i < COLUMNS; i++)
        if (l->has[i] && (last < 0 || columns[i].drop > columns[last].drop))
            last = i;
    if (last >= 0)
        l->has[last] = false;
}

/* Eighty have all of it; more give room to names, and then to bars. */
static struct layout layout_for(int width)
{
    struct layout l = {.name = NAME, .bar = BAR};
    for (int i = 0; i < COLUMNS; i++)
        l.has[i] = true;
    if (width_needed(&l) > width)
        l.name = NARROW_NAME;
    while (width_needed(&l) > width && l.bar > 4)
        l.bar--;
    for (int i = 0; width_needed(&l) > width && i < COLUMNS; i++)
        drop_one(&l);
    if (width_needed(&l) > width)
        l.bar = 0;
    if (width_needed(&l) > width)
        l.name = width;
    while (width_needed(&l) < width && l.name < WIDE_NAME)
        l.name++;
    while (width_needed(&l) < width && l.bar > 0 && l.bar < WIDE_BAR)
        l.bar++;
    return l;
}

static void put_bar(FILE *out, double share, int width)
{
    const int inside = width - 2;
    int full = (int)(share * inside + 0.5);
    full = full > inside ? inside : full < 0 ? 0 : full;
    (void)fputs(" [", out);
    for (int i = 0; i < inside; i++)
        (void)fputc(i < full ? '#' : '.', out);
    (void)fputc(']', out);
}

static const char *cell(const struct row *r, enum column c, char *text)
{
    switch (c) {
    case USED: return size_text(r->used, text);
    case OF: return size_text(r->limit, text);
    case ENTRIES: return count_text(r->entries, text);
    case HIT: return percent_text(r->hit_ratio, text);
    case NOW: return percent_text(r->hit_ratio_now, text);
    case FINDS: return count_text(r->finds, text);
    case INSERTS: return count_text(r->inserts, text);
    case EVICTED: return count_text(r->evictions, text);
    case LOADING: return count_text(r->loading, text);
    default: return size_text(r->held, text);
    }
}

static void put_cells(FILE *out, const struct layout *l, const struct row *r)
{
    char text[NUMBER];
    for (int i = 0; i < COLUMNS; i++)
        if (l->has[i])
            (void)fprintf(out, " %*s", columns[i].width,
                          r != NULL ? cell(r, (enum column)i, text) : columns[i].title);
}

static void add_row(struct view *v, const struct layout *l, const struct row *r, size_t number)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        top_fail("out of memory");
    const double full = r->limit > 0 ? r->used / r->limit : 0;
    const char *mark = r->is_kind ? "  " : r->problems > 0 ? "!" : "";
    (void)fputs(mark, out);
    const int before = (int)strlen(mark);
    put_spaces(out, l->name - before - put_text(out, r->name, l->name - before));
    if (l->bar > 0)
        put_bar(out, full, l->bar);
    put_cells(out, l, r);
    (void)fclose(out);
    struct line *line = new_line(v, r->is_kind ? STYLE_KIND : STYLE_CACHE, text);
    line->row = number;
    line->full = full;
}

void view_table(struct view *v, const struct look *look, const struct rows *rows)
{
    const struct layout l = layout_for(look->columns < MOST_COLUMNS ? look->columns : MOST_COLUMNS);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        top_fail("out of memory");
    put_spaces(out, l.name - put_text(out, "CACHE kind", l.name));
    if (l.bar > 0)
        put_spaces(out, l.bar + 1);
    put_cells(out, &l, NULL);
    (void)fclose(out);
    (void)new_line(v, STYLE_HEAD, text);
    for (size_t i = 0; i < rows->count; i++)
        add_row(v, &l, &rows->at[i], i);
    if (rows->count == 0)
        add_line(v, look, STYLE_PLAIN, "No cache is to be seen.");
}

/* ---- What is above and below */

static const char *pid_text(const struct target *t, char *text)
{
    (void)snprintf(text, NUMBER, " (%ld)", t->pid);
    return t->pid > 0 ? text : "";
}

void view_title(struct view *v, const struct look *look, const struct targets *all, const struct rows *rows)
{
    size_t caches = 0, running = 0, shown = 0;
    char clock[16] = "";
    const time_t now = time(NULL);
    struct tm tm;
    if (localtime_r(&now, &tm) != NULL)
        (void)strftime(clock, sizeof clock, "%H:%M:%S", &tm);
    for (size_t i = 0; i < rows->count; i++)
        caches += rows->at[i].is_kind ? 0 : 1;
    for (size_t i = 0; i < all->count; i++) {
        running += all->at[i].now != NULL && !all->at[i].ended ? 1 : 0;
        shown = all->at[i].now != NULL ? i : shown;
    }
    if (running == 1 && all->at[shown].now != NULL && all->at[shown].pid > 0)
        add_line(v, look, STYLE_TITLE, "brim-top %s  %s (%ld), %zu %s  every %g s, by %s%s", clock,
                 target_program(&all->at[shown]), all->at[shown].pid, caches, caches == 1 ? "cache" : "caches",
                 look->interval, sort_name(look->sort), look->paused ? "  PAUSED" : "");
    else
        add_line(v, look, STYLE_TITLE, "brim-top %s  %zu %s, %zu %s  every %g s, by %s%s", clock, running,
                 running == 1 ? "program" : "programs", caches, caches == 1 ? "cache" : "caches", look->interval,
                 sort_name(look->sort), look->paused ? "  PAUSED" : "");
}

void view_details(struct view *v, const struct look *look, const struct row *r)
{
    char a[NUMBER], b[NUMBER], c[NUMBER], d[NUMBER], e[NUMBER], f[NUMBER];
    const json_t *o = r->now, *problems = target_problems(r->target, r->cache);
    const double loads = row_number(o, "loads");
    add_line(v, look, STYLE_PLAIN, "%s%s: %s%s%s", r->name, r->is_kind ? ", a kind" : "", target_program(r->target),
             pid_text(r->target, a), r->target->ended ? ", which has ended" : "");
    add_line(v, look, STYLE_PLAIN, "  finds %s hit, %s missed; inserted %s, refused %s; evicted %s",
             count_text(row_number(o, "hits"), a), count_text(row_number(o, "misses"), b),
             count_text(row_number(o, "insertions"), c), count_text(row_number(o, "refused"), d),
             count_text(row_number(json_object_get(o, "left"), "evicted"), e));
    add_line(v, look, STYLE_PLAIN, "  loads %s (%s/s), failed %s, waited for %s; mean %s", count_text(loads, a),
             count_text(r->loads, b), count_text(row_number(o, "load_failures"), c),
             count_text(row_number(o, "load_waits"), d),
             loads > 0 ? seconds_text(row_number(o, "load_ns") * 1e-9 / loads, e) : "-");
    add_line(v, look, STYLE_PLAIN, "  charge held %s, reserved %s, waiting %s, queued %s; overhead %s",
             size_text(r->held, a), size_text(row_number(o, "reserved"), b), size_text(row_number(o, "waiting"), c),
             size_text(row_number(o, "queued"), d), size_text(row_number(o, "overhead"), f));
    for (size_t i = 0; !r->is_kind && i < json_array_size(problems); i++) {
        const char *text = json_string_value(json_array_get(problems, i));
        add_wrapped(v, look, text != NULL ? text : "?");
    }
}

void view_errors(struct view *v, const struct look *look, const struct targets *all)
{
    char pid[NUMBER];
    for (size_t i = 0; i < all->count; i++) {
        const struct target *t = &all->at[i];
        if (t->ended)
            add_line(v, look, STYLE_PROBLEM, "%s%s has ended", target_program(t), pid_text(t, pid));
        else if (t->error[0] != '\0')
            add_line(v, look, STYLE_PROBLEM, "%s", t->error);
    }
}

void view_free(struct view *v)
{
    for (size_t i = 0; i < v->count; i++)
        free(v->at[i].text);
    free(v->at);
    *v = (struct view){0};
}
