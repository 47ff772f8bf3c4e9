/* SPDX-License-Identifier: MIT
 * Before: a hash map with a mutex and an LRU list, as programs grow them.  after.c is the same over Brim.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 256, LIMIT = 64 * 1024, THREADS = 2, REQUESTS = 20000, NAMES = 100 };

struct thumb {
    char name[32];
    unsigned char *pixels;
    size_t size;
    int refs;                           /* the map's own included */
    struct thumb *next, *older, *newer; /* in its bucket and in the list */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of all that follows, and of the refs */
static struct thumb *buckets[BUCKETS], *oldest, *newest;
static size_t used;

static struct thumb **bucket(const char *name)
{
    unsigned hash = 5381;
    while (*name != 0)
        hash = hash * 33 + (unsigned char)*name++;
    return &buckets[hash % BUCKETS];
}

static void unref(struct thumb *t)
{
    if (--t->refs > 0)
        return;
    free(t->pixels);
    free(t);
}

static void list_remove(struct thumb *t)
{
    *(t->older != NULL ? &t->older->newer : &oldest) = t->newer;
    *(t->newer != NULL ? &t->newer->older : &newest) = t->older;
}

static void list_append(struct thumb *t)
{
    t->older = newest;
    t->newer = NULL;
    *(newest != NULL ? &newest->newer : &oldest) = t;
    newest = t;
}

static void evict(struct thumb *t)
{
    struct thumb **place = bucket(t->name);
    while (*place != t)
        place = &(*place)->next;
    *place = t->next;
    list_remove(t);
    used -= t->size; /* wrong while somebody holds it: its memory is still there */
    unref(t);        /* under the mutex, as long as that takes */
}

static struct thumb *find(const char *name)
{
    struct thumb *t = *bucket(name);
    while (t != NULL && strcmp(t->name, name) != 0)
        t = t->next;
    if (t != NULL) {
        list_remove(t);
        list_append(t);
        t->refs++;
    }
    return t;
}

static struct thumb *render(const char *name)
{
    struct thumb *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    t->size = 256 + strlen(name) * 64;
    t->pixels = malloc(t->size);
    if (t->pixels == NULL) {
        free(t);
        return NULL;
    }
    memset(t->pixels, name[strlen(name) - 1], t->size);
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
    if (other == NULL) {
        while (oldest != NULL && used + t->size > LIMIT)
            evict(oldest);
        struct thumb **place = bucket(name);
        t->refs = 2;
        t->next = *place;
        *place = t;
        list_append(t);
        used += t->size;
        other = t;
    } else {
        t->refs = 1;
        unref(t);
    }
    pthread_mutex_unlock(&mutex);
    return other;
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
    for (int i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, show, &sums[i]) != 0) {
            fputs("no thread\n", stderr);
            exit(1);
        }
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("shown: %zu %zu\nwithin the limit: %s\n", sums[0], sums[1], used <= LIMIT ? "yes" : "no");
    while (oldest != NULL)
        evict(oldest);
    return 0;
}
