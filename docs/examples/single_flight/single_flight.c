/* SPDX-License-Identifier: MIT
 * Eight threads ask for one slow thing at the same time.  It is made once; a ninth asks with a timeout and does not
 * wait for it; a claimed load is finished on another thread than that which claimed it.
 */
#include <brim.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 8 };

static sem_t loading, may_end;
static atomic_int made, given;

/* Slow: it ends when somebody has lost patience. */
static brim_status make_page(const void *key, size_t key_len, void *arg, void **value, size_t *cost)
{
    static char page[] = "a page"; /* static: values of no kind need no destructor */
    (void)key;
    (void)key_len;
    (void)arg;
    sem_post(&loading);
    sem_wait(&may_end);
    atomic_fetch_add(&made, 1);
    *value = page;
    *cost = sizeof page;
    return BRIM_OK;
}

static void *ask(void *cache)
{
    brim_ref *ref;
    if (brim_get(cache, BRIM_STR("page 1"), make_page, NULL, &ref) == BRIM_OK)
        atomic_fetch_add(&given, 1);
    brim_release(ref);
    return NULL;
}

/* For who cannot wait: five milliseconds for what another makes, and then a placeholder. */
static brim_status ask_briefly(brim_cache *cache)
{
    brim_claim_options options;
    brim_claim_options_init(&options);
    options.timeout_ms = 5;
    brim_ref *ref;
    const brim_status status = brim_get_with(cache, BRIM_STR("page 1"), &options, make_page, NULL, &ref);
    brim_release(ref);
    return status;
}

static void *finish(void *load)
{
    static char page[] = "another page";
    brim_load_begin(load); /* its time is measured from here, not from the claim */
    (void)brim_load_finish(load, page, sizeof page, NULL); /* cached or not, all who asked have it */
    return NULL;
}

/* A claim says whose job it is; the job may go to any thread. */
static brim_status load_elsewhere(brim_cache *cache)
{
    brim_ref *ref;
    brim_load *load;
    brim_status status = brim_claim(cache, BRIM_STR("page 2"), -1, &ref, &load);
    if (status != BRIM_CLAIMED)
        return status;
    pthread_t worker;
    if (pthread_create(&worker, NULL, finish, load) != 0) {
        brim_load_fail(load, 1); /* never forget a load: others wait for it */
        return BRIM_FAILED;
    }
    status = brim_claim(cache, BRIM_STR("page 2"), -1, &ref, &load); /* waits for the worker */
    if (status == BRIM_OK)
        printf("from the worker: %s\n", (const char *)brim_ref_value(ref));
    brim_release(ref);
    pthread_join(worker, NULL);
    return status;
}

int main(void)
{
    brim_options options;
    brim_options_init(&options, 1 << 20);
    brim_cache *cache;
    if (brim_cache_new(&options, &cache) != BRIM_OK || sem_init(&loading, 0, 0) != 0 || sem_init(&may_end, 0, 0) != 0)
        return 1;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, ask, cache) != 0) {
            fputs("no thread\n", stderr);
            exit(1);
        }
    }
    sem_wait(&loading);
    printf("in a hurry: %s\n", brim_strerror(ask_briefly(cache)));
    sem_post(&may_end);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("made %d time, given to %d threads\n", atomic_load(&made), atomic_load(&given));
    const brim_status status = load_elsewhere(cache);
    brim_cache_free(cache);
    return status == BRIM_OK ? 0 : 1;
}
