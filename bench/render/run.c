/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "canvas.h"
#include "diag.h"
#include "must.h"
#include "progress.h"

struct job {
    struct store *store;
    const struct plan *plan;
    struct reference *reference;
    enum run_check check;
    unsigned threads;
    size_t end;         /* pages to draw, all passes together */
    atomic_size_t next; /* page that is taken next */
    pthread_barrier_t start;
};

struct worker {
    struct artist artist; /* first */
    struct job *job;
    struct fonts *fonts;
    uint8_t *canvas;
    pthread_t thread;
    uint64_t began, ended;
    struct run_result result;
    const char *error;
};

/* On the thread of the worker that asked first, which is this one. */
static struct glyph *draw(struct artist *artist, struct glyph_key key) {
    struct worker *w = (struct worker *)artist;
    bool timed = w->job->check == RUN_PIXELS;
    uint64_t ran = timed ? processor_ns() : 0;
    struct glyph *g = glyph_draw(w->fonts, key);

    if (timed)
        w->result.raster_ns += processor_ns() - ran;
    w->result.drawn++;
    return g;
}

static const char *draw_page(struct worker *w, const struct page *p) {
    struct store *s = w->job->store;

    canvas_clear(w->canvas);
    for (size_t i = 0; i < p->count; i++) {
        const struct placed *at = &p->glyphs[i];
        struct lease lease;
        const char *error = s->get(s, at->key, &w->artist, &lease);
        if (error)
            return error; /* cppcheck-suppress returnDanglingLifetime ; a string of the store's, not in the lease */
        canvas_ink(w->canvas, lease.glyph, at->x, at->y);
        s->release(s, lease);
    }
    w->result.lookups += p->count;
    w->result.pages++;
    return NULL;
}

static void check_page(struct worker *w, size_t taken, size_t page) {
    struct job *job = w->job;
    size_t used = job->store->used(job->store);

    if (job->check == RUN_RECORD && taken == page)
        reference_record(job->reference, page, w->canvas);
    else if (job->check == RUN_PIXELS)
        w->result.different += !reference_equals(job->reference, page, w->canvas);
    else
        w->result.different += !reference_agrees(job->reference, page, w->canvas);
    if (used > w->result.peak)
        w->result.peak = used;
}

/* A picture is as many pages as there are threads to draw them. */
static void begin_page(const struct job *job, size_t taken) {
    if (job->store->next_frame && taken % job->threads == 0)
        job->store->next_frame(job->store);
}

static void *work(void *arg) {
    struct worker *w = arg;
    struct job *job = w->job;
    size_t taken;

    pthread_barrier_wait(&job->start);
    w->began = now_ns();
    while (!w->error && (taken = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed)) < job->end) {
        size_t page = taken % job->plan->n;
        begin_page(job, taken);
        w->error = draw_page(w, &job->plan->pages[page]);
        if (!w->error)
            check_page(w, taken, page);
    }
    w->ended = now_ns();
    return NULL;
}

static void wait_for(struct worker *w) {
    struct timespec until;

    while (progress_is_bar()) {
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_timedjoin_np(w->thread, NULL, &until) == 0)
            return;
        progress_within((double)atomic_load(&w->job->next) / (double)w->job->end);
    }
    pthread_join(w->thread, NULL);
}

static struct run_result sum_up(const struct worker *w, unsigned threads) {
    uint64_t began = w->began, ended = w->ended;
    struct run_result r = {0};

    for (unsigned i = 0; i < threads; i++) {
        if (w[i].error)
            die("%s", w[i].error);
        began = w[i].began < began ? w[i].began : began;
        ended = w[i].ended > ended ? w[i].ended : ended;
        r.pages += w[i].result.pages;
        r.lookups += w[i].result.lookups;
        r.drawn += w[i].result.drawn;
        r.different += w[i].result.different;
        r.raster_ns += w[i].result.raster_ns;
        r.peak = w[i].result.peak > r.peak ? w[i].result.peak : r.peak;
    }
    r.seconds = (double)(ended - began) / 1e9;
    return r;
}

static void start(struct worker *w, struct job *job, struct fonts *fonts, unsigned index) {
    int reason;

    w->artist.draw = draw;
    w->job = job;
    w->fonts = fonts;
    w->canvas = must_alloc(1, PAGE_BYTES);
    reason = pthread_create(&w->thread, NULL, work, w);
    if (reason)
        die("cannot start thread %u: %s", index + 1, strerror(reason));
}

struct run_result run_passes(struct store *store, const struct plan *plan, struct reference *reference,
                             struct fonts *fonts, unsigned threads, size_t passes, enum run_check check) {
    struct job job = {.store = store,
                      .plan = plan,
                      .reference = reference,
                      .check = check,
                      .threads = threads,
                      .end = plan->n * passes};
    struct worker *workers = must_alloc(threads, sizeof *workers);
    struct run_result result;

    pthread_barrier_init(&job.start, NULL, threads);
    for (unsigned i = 0; i < threads; i++)
        start(&workers[i], &job, &fonts[i], i);
    for (unsigned i = 0; i < threads; i++)
        wait_for(&workers[i]);
    pthread_barrier_destroy(&job.start);
    result = sum_up(workers, threads);
    for (unsigned i = 0; i < threads; i++)
        free(workers[i].canvas);
    free(workers);
    return result;
}
