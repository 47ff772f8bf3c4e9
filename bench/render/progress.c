/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "must.h"

enum { BAR = 40 };
static const uint64_t PATIENCE_NS = 2000000000u;

/* The main thread's alone. */
static struct {
    bool terminal, shown;
    unsigned steps, done;
    const char *what;
    uint64_t began;
} bar;

void progress_begin(unsigned steps) {
    bar.terminal = isatty(STDERR_FILENO) != 0;
    bar.steps = steps;
    bar.done = 0;
    bar.began = now_ns();
}

bool progress_is_bar(void) { return bar.terminal; }

void progress_step(const char *what) {
    bar.what = what;
    if (bar.done < bar.steps)
        bar.done++;
    progress_within(0);
}

void progress_within(double part) {
    static const char full[] = "########################################";
    double share;
    int filled;

    if (!bar.terminal || now_ns() - bar.began < PATIENCE_NS)
        return;
    share = ((double)bar.done - 1 + (part < 1 ? part : 1)) / (double)bar.steps;
    filled = (int)(share * (double)BAR);
    fprintf(stderr, "\r[%.*s%*s] %3d%% %-20s", filled, full, BAR - filled, "", (int)(share * 100), bar.what);
    bar.shown = true;
}

void progress_end(void) {
    if (bar.shown)
        fprintf(stderr, "\r%*s\r", BAR + 30, "");
    bar.shown = false;
}
