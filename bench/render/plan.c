/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "layout.h"
#include "must.h"

static const unsigned ZOOMS[] = {13, 10, 17, 24};
enum { N_ZOOMS = sizeof ZOOMS / sizeof *ZOOMS };

/* Layouts, one a text and zoom, that threads take one after the other. */
struct work {
    struct layout_order *orders;
    size_t n;
    atomic_size_t next;
};

struct worker {
    struct work *work;
    struct fonts *fonts;
    pthread_t thread;
};

static void *lay_out(void *arg) {
    struct worker *w = arg;
    size_t i;

    while ((i = atomic_fetch_add(&w->work->next, 1)) < w->work->n)
        layout_run(w->fonts, &w->work->orders[i]);
    return NULL;
}

static void run_workers(struct work *work, struct fonts *fonts, unsigned threads) {
    struct worker *workers = must_alloc(threads, sizeof *workers);
    int reason;

    for (unsigned i = 0; i < threads; i++) {
        workers[i] = (struct worker){.work = work, .fonts = &fonts[i]};
        if ((reason = pthread_create(&workers[i].thread, NULL, lay_out, &workers[i])) != 0)
            die("cannot start thread %u: %s", i + 1, strerror(reason));
    }
    for (unsigned i = 0; i < threads; i++)
        pthread_join(workers[i].thread, NULL);
    free(workers);
}

/* HarfBuzz keeps a list of the languages it has met; after this it only reads it. */
static void name_languages(const struct texts *t) {
    hb_language_get_default();
    hb_language_from_string("en", -1);
    for (size_t i = 0; i < t->n; i++)
        hb_language_from_string(t->docs[i].language, -1);
}

/* Which layout page i belongs to. */
static size_t order_of(size_t i, size_t texts) { return i % texts * N_ZOOMS + (i + i / texts) % N_ZOOMS; }

static void deal_pages(struct plan *p, struct work *work, size_t texts) {
    for (size_t i = 0; i < p->n; i++)
        work->orders[order_of(i, texts)].n++;
    for (size_t i = 0; i < work->n; i++) {
        work->orders[i].pages = must_alloc(work->orders[i].n, sizeof(struct page *));
        work->orders[i].numbers = must_alloc(work->orders[i].n, sizeof(size_t));
        work->orders[i].n = 0;
    }
    for (size_t i = 0; i < p->n; i++) {
        struct layout_order *o = &work->orders[order_of(i, texts)];
        o->numbers[o->n] = i;
        o->pages[o->n++] = &p->pages[i];
    }
}

void plan_make(struct plan *p, const struct texts *t, size_t pages, struct fonts *fonts, unsigned threads) {
    struct work work = {.n = t->n * N_ZOOMS};

    name_languages(t);
    *p = (struct plan){.pages = must_alloc(pages, sizeof *p->pages), .n = pages};
    work.orders = must_alloc(work.n, sizeof *work.orders);
    for (size_t i = 0; i < work.n; i++) {
        work.orders[i].doc = &t->docs[i / N_ZOOMS];
        work.orders[i].size = ZOOMS[i % N_ZOOMS];
        work.orders[i].share = (double)(i % N_ZOOMS) / (double)N_ZOOMS;
    }
    deal_pages(p, &work, t->n);
    run_workers(&work, fonts, threads);
    for (size_t i = 0; i < work.n; i++) {
        free(work.orders[i].pages);
        free(work.orders[i].numbers);
    }
    free(work.orders);
    for (size_t i = 0; i < pages; i++)
        p->glyphs += p->pages[i].count;
}

void plan_free(struct plan *p) {
    for (size_t i = 0; i < p->n; i++)
        free(p->pages[i].glyphs);
    free(p->pages);
}
