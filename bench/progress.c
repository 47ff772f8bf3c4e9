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
} progress;

void progress_begin(const char *what, double expected_seconds)
{
    progress.what = what;
    progress.expected = expected_seconds;
    progress.started = progress.shown = latency_now();
    progress.terminal = isatty(STDERR_FILENO) == 1;
    progress.drawn = false;
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
    if (!progress.terminal)
        return;
    const uint64_t now = latency_now();
    const double elapsed = (double)(now - progress.started) * 1e-9;
    const double since = (double)(now - progress.shown) * 1e-9;
    if (progress.expected <= worth_showing && elapsed <= worth_showing)
        return;
    if (since < 0.1)
        return;
    if (share > 1)
        share = 1;
    progress.shown = now;
    progress.drawn = true;
    draw_bar(share);
}

void progress_end(void)
{
    if (progress.drawn)
        fputs("\r\033[K", stderr);
    progress.drawn = false;
}
