/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct job {
    struct job *next;
    brim_load *load;
    struct place place;
};

struct pool {
    pthread_mutex_t mutex; /* of first, last, ended */
    pthread_cond_t more;
    struct job *first, **last;
    bool ended;
    atomic_ullong given_up;
    struct document *(*current)(void *);
    void *arg;
    unsigned n;
    pthread_t threads[];
};

static struct job *take(struct pool *p) {
    struct job *job;

    pthread_mutex_lock(&p->mutex);
    while (p->first == NULL && !p->ended)
        pthread_cond_wait(&p->more, &p->mutex);
    job = p->first;
    if (job != NULL) {
        p->first = job->next;
        if (p->first == NULL)
            p->last = &p->first;
    }
    pthread_mutex_unlock(&p->mutex);
    return job;
}

static bool has_ended(struct pool *p) {
    pthread_mutex_lock(&p->mutex);
    bool ended = p->ended;
    pthread_mutex_unlock(&p->mutex);
    return ended;
}

/* Everybody who asked for it has the tile by the end of brim_load_finish, cached or not. */
static void draw(struct pool *p, struct painter *painter, const struct job *job) {
    struct document *d = p->current(p->arg);
    struct tile *tile;

    brim_load_begin(job->load);
    tile = painter_draw(painter, d, job->place);
    document_drop(d);
    if (tile != NULL)
        brim_load_finish(job->load, tile, sizeof *tile + tile->len, NULL);
    else
        brim_load_fail(job->load, BRIM_FAILED);
}

static void *work(void *arg) {
    struct pool *p = arg;
    struct painter painter = {0};
    struct job *job;

    while ((job = take(p)) != NULL) {
        if (has_ended(p)) {
            brim_load_fail(job->load, BRIM_CANCELED);
        } else if (!brim_load_is_wanted(job->load)) {
            /* Who asks at this very moment is told to ask again. */
            atomic_fetch_add(&p->given_up, 1);
            brim_load_fail(job->load, BRIM_CANCELED);
        } else {
            draw(p, &painter, job);
        }
        free(job);
    }
    painter_end(&painter);
    return NULL;
}

struct pool *pool_new(unsigned threads, struct document *(*current)(void *), void *arg) {
    struct pool *p = calloc(1, sizeof *p + threads * sizeof p->threads[0]);

    if (p == NULL)
        return NULL;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->more, NULL);
    p->last = &p->first;
    atomic_init(&p->given_up, 0);
    p->current = current;
    p->arg = arg;
    for (; p->n < threads; p->n++)
        if (pthread_create(&p->threads[p->n], NULL, work, p) != 0) {
            pool_end(p);
            pool_free(p);
            return NULL;
        }
    return p;
}

void pool_add(struct pool *p, brim_load *load, struct place place) {
    struct job *job = malloc(sizeof *job);
    bool taken = false;

    if (job == NULL) {
        brim_load_fail(load, BRIM_NOMEM);
        return;
    }
    *job = (struct job){.load = load, .place = place};
    pthread_mutex_lock(&p->mutex);
    if (!p->ended) {
        *p->last = job;
        p->last = &job->next;
        taken = true;
        pthread_cond_signal(&p->more);
    }
    pthread_mutex_unlock(&p->mutex);
    if (!taken) {
        free(job);
        brim_load_fail(load, BRIM_CANCELED);
    }
}

void pool_end(struct pool *p) {
    pthread_mutex_lock(&p->mutex);
    p->ended = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->mutex);
    for (unsigned i = 0; i < p->n; i++)
        pthread_join(p->threads[i], NULL);
}

void pool_free(struct pool *p) {
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

uint64_t pool_given_up(struct pool *p) { return atomic_load(&p->given_up); }
