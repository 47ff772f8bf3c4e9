/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include "latency.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { BAR_WIDTH = 40 };
static const double worth_showing = 2;   /* seconds */

static struct {
    const char *what;
    double expected;
    uint64_t started, shown;
    bool terminal, drawn;
    bool silent;                        /* elsewhere than on a terminal */
} progress;

void progress_begin(const char *what, double expected_seconds)
{
    progress.what = what;
    progress.expected = expected_seconds;
    progress.started = progress.shown = latency_now();
    progress.terminal = isatty(STDERR_FILENO) == 1;
    progress.drawn = false;
    progress.silent = false;
}

void progress_begin_bar(const char *what)
{
    progress_begin(what, 0);
    progress.silent = true;
}

static void draw_bar(double share)
{
    char bar[BAR_WIDTH + 1];
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < (int)(share * (double)BAR_WIDTH) ? '#' : '.';
    bar[BAR_WIDTH] = '\0';
    fprintf(stderr, "\r%s [%s] %3d %%", progress.what, bar, (int)(share * 100));
    fflush(stderr);
}

void progress_update(double share)
{
    if (progress.silent && !progress.terminal)
        return;
    const uint64_t now = latency_now();
    const double elapsed = (double)(now - progress.started) * 1e-9;
    const double since = (double)(now - progress.shown) * 1e-9;
    if (progress.expected <= worth_showing && elapsed <= worth_showing)
        return;
    if (since < (progress.terminal ? 0.1 : worth_showing))
        return;
    if (share > 1)
        share = 1;
    progress.shown = now;
    progress.drawn = true;
    if (progress.terminal)
        draw_bar(share);
    else
        fprintf(stderr, "brim-bench: %s: %d %%\n", progress.what, (int)(share * 100));
}

void progress_end(void)
{
    if (progress.drawn && progress.terminal)
        fputs("\r\033[K", stderr);
    progress.drawn = false;
}
