/* SPDX-License-Identifier: MIT
 * After: before.c over Brim.  No mutex, no list, no count; a picture is rendered once, and what is held is charged.
 */
#include <brim.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIMIT = 64 * 1024, THREADS = 2, REQUESTS = 20000, NAMES = 100 };

struct thumb {
    unsigned char *pixels;
    size_t size;
};

static void destroy(void *value, size_t cost, void *arg)
{
    (void)cost;
    (void)arg;
    struct thumb *t = value;
    free(t->pixels);
    free(t);
}

static const brim_kind thumb_kind = {.size = sizeof thumb_kind, .name = "thumb", .destroy = destroy};

static brim_status render(const void *name, size_t len, void *arg, void **value, size_t *cost)
{
    (void)arg;
    struct thumb *t = malloc(sizeof *t);
    if (t == NULL)
        return BRIM_NOMEM;
    t->size = 256 + len * 64;
    t->pixels = malloc(t->size);
    if (t->pixels == NULL) {
        free(t);
        return BRIM_NOMEM;
    }
    memset(t->pixels, ((const char *)name)[len - 1], t->size);
    *value = t;
    *cost = t->size;
    return BRIM_OK;
}

static brim_cache *cache;

static brim_ref *thumb_get(const char *name)
{
    brim_ref *ref;
    return brim_get(cache, BRIM_STR(name), render, NULL, &ref) == BRIM_OK ? ref : NULL;
}

static void *show(void *arg)
{
    size_t *const sum = arg;
    for (unsigned i = 0; i < REQUESTS; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "picture %u", i * 7919 % NAMES);
        brim_ref *ref = thumb_get(name);
        if (ref == NULL)
            return NULL;
        const struct thumb *t = brim_ref_value(ref);
        *sum += t->pixels[t->size - 1];
        brim_release(ref);
    }
    return NULL;
}

int main(void)
{
    brim_options options;
    brim_options_init(&options, LIMIT);
    options.kind = &thumb_kind;
    if (brim_cache_new(&options, &cache) != BRIM_OK)
        return 1;
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
    printf("shown: %zu %zu\nwithin the limit: %s\n", sums[0], sums[1], brim_used(cache) <= LIMIT ? "yes" : "no");
    brim_cache_free(cache);
    return 0;
}
