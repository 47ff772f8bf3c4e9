/* SPDX-License-Identifier: MIT */
#include "publish.h"

#include "fail.h"
#include "top/brim_publish.h"

#include <pthread.h>
#include <stdbool.h>

enum { MAX_CACHES = 16, PERIOD_NS = 250000000 };

static struct {
    bool begun;
    brim_publisher publisher;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop;                          /* under the lock, as the next two */
    brim_cache *caches[MAX_CACHES];
    size_t count;
} publishing = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Figures that cannot be shown now are shown the next time. */
static void *publish_all(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&publishing.lock);
    while (!publishing.stop) {
        struct timespec until;
        (void)brim_publish(&publishing.publisher, publishing.caches, publishing.count);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += PERIOD_NS;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait(&publishing.changed, &publishing.lock, &until);
    }
    pthread_mutex_unlock(&publishing.lock);
    return NULL;
}

void publish_begin(void)
{
    if (brim_publish_open(&publishing.publisher, "brim-bench") != 0)
        bench_fail("--publish: %s", strerror(errno));
    const int error = pthread_create(&publishing.thread, NULL, publish_all, NULL);
    if (error != 0)
        bench_fail("--publish: cannot start a thread: %s", strerror(error));
    publishing.begun = true;
}

void publish_end(void)
{
    if (!publishing.begun)
        return;
    pthread_mutex_lock(&publishing.lock);
    publishing.stop = true;
    pthread_cond_signal(&publishing.changed);
    pthread_mutex_unlock(&publishing.lock);
    pthread_join(publishing.thread, NULL);
    brim_publish_close(&publishing.publisher);
    publishing.begun = false;
}

void publish_add(brim_cache *cache)
{
    if (!publishing.begun)
        return;
    pthread_mutex_lock(&publishing.lock);
    if (publishing.count < MAX_CACHES)
        publishing.caches[publishing.count++] = cache;
    pthread_mutex_unlock(&publishing.lock);
}

void publish_remove(brim_cache *cache)
{
    if (!publishing.begun)
        return;
    pthread_mutex_lock(&publishing.lock);
    for (size_t i = 0; i < publishing.count; i++)
        if (publishing.caches[i] == cache)
            publishing.caches[i--] = publishing.caches[--publishing.count];
    pthread_mutex_unlock(&publishing.lock);
}
