/* SPDX-License-Identifier: MIT
 * Textures may be destroyed only by the thread that has the context, but any thread may evict one.  A queue brings
 * them home: what leaves waits there, charged, until its owner collects.
 */
#include <brim.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TEXTURE = 4096, CAPACITY = 16 * TEXTURE, WORKERS = 2, EACH = 500 };

/* As glGenTextures and glDeleteTextures: the second only on the thread of the context. */
static pthread_t context_thread;
static atomic_int live, wrong_thread, working = WORKERS;

static void delete_texture(void *value, size_t cost, void *arg)
{
    (void)cost;
    (void)arg;
    if (!pthread_equal(pthread_self(), context_thread))
        atomic_fetch_add(&wrong_thread, 1);
    atomic_fetch_sub(&live, 1);
    free(value);
}

struct job {
    brim_cache *cache;
    uint64_t first;
};

/* Decodes on its own thread.  FULL: what could go waits in the queue, so wait for the owner. */
static void *work(void *arg)
{
    const struct job *job = arg;
    for (uint64_t id = job->first; id < job->first + EACH; id++) {
        void *texture = malloc(TEXTURE);
        if (texture == NULL)
            break;
        atomic_fetch_add(&live, 1);
        brim_status status;
        while ((status = brim_insert(job->cache, BRIM_KEY(id), texture, TEXTURE, NULL)) == BRIM_FULL)
            (void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        if (status != BRIM_OK) {
            atomic_fetch_sub(&live, 1);
            free(texture);
            break;
        }
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

int main(void)
{
    context_thread = pthread_self();
    brim_queue *queue = brim_queue_new();
    if (queue == NULL)
        return 1;
    const brim_kind kind = {.size = sizeof kind, .name = "texture", .destroy = delete_texture, .queue = queue};
    brim_options options;
    brim_options_init(&options, CAPACITY);
    options.kind = &kind;
    brim_cache *cache;
    if (brim_cache_new(&options, &cache) != BRIM_OK) {
        brim_queue_drop(queue);
        return 1;
    }
    struct job jobs[WORKERS];
    pthread_t threads[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        jobs[i] = (struct job){cache, (uint64_t)i * EACH};
        if (pthread_create(&threads[i], NULL, work, &jobs[i]) != 0) {
            fputs("no thread\n", stderr);
            exit(1);
        }
    }
    while (atomic_load(&working) > 0) { /* once a frame, a few at a time, so that the frame is not late */
        (void)brim_collect(queue, 32);
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    for (int i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    printf("within the limit: %s\n", brim_used(cache) <= CAPACITY ? "yes" : "no");

    brim_cache_free(cache); /* on this thread or another: what it lets go waits in the queue as well */
    brim_queue_drop(queue); /* and is destroyed here, on the thread of the context */
    printf("alive: %d, destroyed on a wrong thread: %d\n", atomic_load(&live), atomic_load(&wrong_thread));
    return 0;
}
