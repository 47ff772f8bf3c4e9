/* SPDX-License-Identifier: MIT
 * Before: a hash map with a mutex and an LRU list, as programs grow them.  after.c is the same over Brim.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { BUCKETS = 256, LIMIT = 64 * 1024, THREADS = 2, REQUESTS = 20000, NAMES = 100 };

struct thumb {
    LIST_ENTRY(thumb) in_bucket;
    TAILQ_ENTRY(thumb) in_list;
    int refs; /* the map's own included */
    char name[32];
    size_t size;
    unsigned char pixels[];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of all that follows, and of the refs */
static LIST_HEAD(, thumb) buckets[BUCKETS];
static TAILQ_HEAD(list, thumb) list = TAILQ_HEAD_INITIALIZER(list); /* the oldest first */
static size_t used;

static unsigned bucket(const char *name)
{
    unsigned hash = 5381;
    while (*name != 0)
        hash = hash * 33 + (unsigned char)*name++;
    return hash % BUCKETS;
}

static void unref(struct thumb *t)
{
    if (--t->refs == 0)
        free(t);
}

static void evict(struct thumb *t)
{
    LIST_REMOVE(t, in_bucket);
    TAILQ_REMOVE(&list, t, in_list);
    used -= t->size; /* wrong while somebody holds it: its memory is still there */
    unref(t);        /* under the mutex, as long as that takes */
}

static struct thumb *find(const char *name)
{
    struct thumb *t = LIST_FIRST(&buckets[bucket(name)]);
    while (t != NULL && strcmp(t->name, name) != 0)
        t = LIST_NEXT(t, in_bucket);
    if (t != NULL) {
        TAILQ_REMOVE(&list, t, in_list);
        TAILQ_INSERT_TAIL(&list, t, in_list);
        t->refs++;
    }
    return t;
}

static struct thumb *render(const char *name)
{
    const size_t size = 256 + strlen(name) * 64;
    struct thumb *t = malloc(sizeof *t + size);
    if (t == NULL)
        return NULL;
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    t->size = size;
    t->refs = 1;
    memset(t->pixels, name[strlen(name) - 1], size);
    return t;
}

static struct thumb *thumb_get(const char *name)
{
    pthread_mutex_lock(&mutex);
    struct thumb *t = find(name);
    pthread_mutex_unlock(&mutex);
    if (t != NULL || (t = render(name)) == NULL) /* perhaps several threads at once render the same */
        return t;
    pthread_mutex_lock(&mutex);
    struct thumb *other = find(name);
    if (other != NULL) {
        unref(t);
        t = other;
    } else {
        while (!TAILQ_EMPTY(&list) && used + t->size > LIMIT)
            evict(TAILQ_FIRST(&list));
        LIST_INSERT_HEAD(&buckets[bucket(name)], t, in_bucket);
        TAILQ_INSERT_TAIL(&list, t, in_list);
        t->refs++;
        used += t->size;
    }
    pthread_mutex_unlock(&mutex);
    return t;
}

static void thumb_release(struct thumb *t)
{
    pthread_mutex_lock(&mutex);
    unref(t);
    pthread_mutex_unlock(&mutex);
}

static void *show(void *arg)
{
    size_t *const sum = arg;
    for (unsigned i = 0; i < REQUESTS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "picture %u", i * 7919 % NAMES);
        struct thumb *t = thumb_get(name);
        if (t == NULL)
            return NULL;
        *sum += t->pixels[t->size - 1];
        thumb_release(t);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    size_t sums[THREADS] = {0};
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, show, &sums[i]) != 0)
            exit(1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("shown: %zu %zu\nwithin the limit: %s\n", sums[0], sums[1], used <= LIMIT ? "yes" : "no");
    while (!TAILQ_EMPTY(&list))
        evict(TAILQ_FIRST(&list));
    return 0;
}
