/* SPDX-License-Identifier: MIT */
#include "terminal.h"

#include "fail.h"

#include <math.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PAIR_WELL = 1, PAIR_FULL = 2, PAIR_PROBLEM = 3 };
enum { DETAIL_LINES = 4 };
static const double shortest = 0.1, longest = 60;

struct screen {
    struct targets *targets;
    struct look *look;
    struct rows rows;
    size_t chosen, first;               /* rows: the chosen one, and the topmost to be seen */
    bool colors;
};

static volatile sig_atomic_t ending;

static void on_signal(int number)
{
    (void)number;
    ending = 1;
}

static void begin_colors(struct screen *s)
{
    const char *no_color = getenv("NO_COLOR");
    s->colors = (no_color == NULL || no_color[0] == '\0') && has_colors() && start_color() == OK;
    if (!s->colors)
        return;
    (void)use_default_colors();
    (void)init_pair(PAIR_WELL, COLOR_GREEN, -1);
    (void)init_pair(PAIR_FULL, COLOR_YELLOW, -1);
    (void)init_pair(PAIR_PROBLEM, COLOR_RED, -1);
}

static void begin(struct screen *s)
{
    const struct sigaction action = {.sa_handler = on_signal}; /* no restart: getch is to return */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    if (newterm(NULL, stdout, stdin) == NULL)
        top_fail("this terminal, TERM=%s, is not known; --once needs none",
                 getenv("TERM") != NULL ? getenv("TERM") : "");
    (void)cbreak();
    (void)noecho();
    (void)keypad(stdscr, TRUE);
    (void)curs_set(0);
    (void)set_escdelay(50);
    begin_colors(s);
}

/* ---- Drawing */

static attr_t attributes_of(const struct screen *s, const struct line *line)
{
    switch (line->style) {
    case STYLE_TITLE: return A_BOLD;
    case STYLE_HEAD: return A_REVERSE;
    case STYLE_CACHE: return A_BOLD | (line->row == s->chosen ? A_REVERSE : 0);
    case STYLE_KIND: return line->row == s->chosen ? A_REVERSE : A_NORMAL;
    case STYLE_PROBLEM: return s->colors ? (attr_t)COLOR_PAIR(PAIR_PROBLEM) : A_BOLD;
    default: return A_NORMAL;
    }
}

static void draw_line(const struct screen *s, int y, const struct line *line)
{
    const attr_t attributes = attributes_of(s, line);
    attrset((int)attributes);
    (void)mvaddstr(y, 0, line->text);
    attrset((int)A_NORMAL);
    const char *bar = strchr(line->text, '['), *end = bar != NULL ? strchr(bar, ']') : NULL;
    if (!s->colors || end == NULL || (line->style != STYLE_CACHE && line->style != STYLE_KIND))
        return;
    int column = 0, row = 0;
    getyx(stdscr, row, column);
    (void)row;
    /* From the line's end: names may have characters of any width, what is behind them has not. */
    const int behind = (int)strlen(bar);
    if (column - behind >= 0)
        (void)mvchgat(y, column - behind + 1, (int)(end - bar) - 1, attributes,
                      line->full >= 0.9 ? PAIR_FULL : PAIR_WELL, NULL);
}

static void draw_view(const struct screen *s, const struct view *v, size_t from, size_t count, int y)
{
    for (size_t i = from; i < from + count && i < v->count && y < LINES; i++)
        draw_line(s, y++, &v->at[i]);
}

/* Title, table, details; at the bottom what is wrong and the keys.  The table gives way first, and scrolls. */
static void draw(struct screen *s)
{
    struct view title = {0}, table = {0}, details = {0}, errors = {0};
    s->look->columns = COLS;
    if (s->chosen >= s->rows.count)
        s->chosen = s->rows.count > 0 ? s->rows.count - 1 : 0;
    view_title(&title, s->look, s->targets, &s->rows);
    view_table(&table, s->look, &s->rows);
    if (s->rows.count > 0)
        view_details(&details, s->look, &s->rows.at[s->chosen]);
    view_errors(&errors, s->look, s->targets);
    const size_t lines = (size_t)LINES, fixed = 3; /* title, head, keys */
    const size_t below = errors.count + details.count + 1;
    const bool roomy = lines >= fixed + below + 3;
    const size_t room = lines > fixed + (roomy ? below : 0) ? lines - fixed - (roomy ? below : 0) : 1;
    if (s->chosen < s->first)
        s->first = s->chosen;
    if (s->chosen >= s->first + room)
        s->first = s->chosen - room + 1;
    const size_t shown = table.count - 1 - s->first < room ? table.count - 1 - s->first : room;
    (void)erase();
    draw_view(s, &title, 0, 1, 0);
    draw_view(s, &table, 0, 1, 1);
    draw_view(s, &table, 1 + s->first, shown, 2);
    if (roomy) {
        draw_view(s, &details, 0, details.count, (int)(3 + shown));
        draw_view(s, &errors, 0, errors.count, (int)(3 + shown + details.count));
    }
    static const char keys[] = "q quit  p pause  s sort  + - interval  up down choose";
    if (LINES > 2)
        (void)mvaddnstr(LINES - 1, 0, keys, COLS > 1 ? COLS - 1 : 0);
    (void)refresh();
    view_free(&title);
    view_free(&table);
    view_free(&details);
    view_free(&errors);
}

/* ---- Keys */

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void read_again(struct screen *s)
{
    rows_free(&s->rows);
    targets_read(s->targets);
    rows_make(&s->rows, s->targets, s->look->sort);
}

static void sort_again(struct screen *s)
{
    s->look->sort = (enum sort)((s->look->sort + 1) % SORTS);
    rows_free(&s->rows);
    rows_make(&s->rows, s->targets, s->look->sort);
}

/* False: it is the end. */
static bool take_key(struct screen *s, int key)
{
    const size_t page = LINES > 4 ? (size_t)LINES - 4 : 1;
    struct look *look = s->look;
    switch (key) {
    case 'q':
    case 'Q': return false;
    case 'p': look->paused = !look->paused; break;
    case 's': sort_again(s); break;
    case '+': look->interval = fmin(look->interval * 2, longest); break;
    case '-': look->interval = fmax(look->interval / 2, shortest); break;
    case 'j':
    case KEY_DOWN: s->chosen++; break;
    case 'k':
    case KEY_UP: s->chosen -= s->chosen > 0 ? 1 : 0; break;
    case KEY_NPAGE: s->chosen += page; break;
    case KEY_PPAGE: s->chosen -= s->chosen > page ? page : s->chosen; break;
    case KEY_HOME: s->chosen = 0; break;
    case KEY_END: s->chosen = s->rows.count; break;
    default: break;
    }
    return true;
}

/* Also where nobody sent SIGHUP: getch would return at once for ever. */
static bool is_gone(void)
{
    struct termios t;
    return tcgetattr(STDIN_FILENO, &t) != 0;
}

int terminal_run(struct targets *targets, struct look *look)
{
    struct screen s = {.targets = targets, .look = look};
    double next = seconds_now() + fmin(look->interval, 0.3); /* the first figures by second come soon */
    begin(&s);
    rows_make(&s.rows, targets, look->sort);
    bool more = true;
    while (more && !ending && !is_gone()) {
        draw(&s);
        const double left = next - seconds_now();
        timeout(look->paused ? 1000 : left > 0 ? (int)(left * 1000) + 1 : 0);
        const int key = getch();
        more = take_key(&s, key);
        if (key == ERR && !look->paused && !ending && seconds_now() >= next) {
            read_again(&s);
            next = seconds_now() + look->interval;
        } else if (key == '+' || key == '-') {
            next = seconds_now() + look->interval;
        }
    }
    (void)endwin();
    rows_free(&s.rows);
    return EXIT_SUCCESS;
}
