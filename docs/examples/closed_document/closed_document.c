/* SPDX-License-Identifier: MIT
 * A document closes while one of its pages is being rendered on another thread.  Nothing of it is found any more, the
 * load publishes nothing, and brim_group_loads tells when the file that it reads may be closed.
 */
#include <brim.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct document {
    brim_cache *cache;
    brim_group *group;
    FILE *file;
    sem_t reading, closed;
};

static void destroy_page(void *value, size_t cost, void *arg)
{
    (void)cost, (void)arg;
    free(value);
}

static const brim_kind page_kind = {.size = sizeof page_kind, .name = "page", .destroy = destroy_page};

static void finish(brim_load *load, FILE *file)
{
    char *page = calloc(1, 16);
    if (page != NULL && fgets(page, 16, file) != NULL) {
        (void)brim_load_finish(load, page, 16, NULL); /* who asked has it, cached or not */
        return;
    }
    free(page);
    brim_load_fail(load, 1);
}

/* Makes a page; page 2 is slow, so that the document is closed meanwhile. */
static brim_status load_page(struct document *document, int number)
{
    brim_entry_options entry;
    brim_entry_options_init(&entry);
    entry.group = document->group;
    brim_claim_options options;
    brim_claim_options_init(&options);
    options.entry = &entry;
    brim_ref *ref;
    brim_load *load;
    const brim_status status = brim_claim_with(document->cache, BRIM_KEY(number), &options, &ref, &load);
    if (status == BRIM_CLAIMED && number == 2) {
        sem_post(&document->reading);
        sem_wait(&document->closed);
        printf("page 2 is %s\n", brim_load_is_wanted(load) ? "wanted" : "not wanted any more");
    }
    if (status == BRIM_CLAIMED)
        finish(load, document->file); /* within the load, so that the file is open */
    brim_release(ref);
    return status;
}

static void *render(void *document)
{
    (void)load_page(document, 2);
    return NULL;
}

static bool open_document(struct document *document, brim_cache *cache)
{
    document->cache = cache;
    document->group = brim_group_new(cache);
    document->file = tmpfile();
    return document->group != NULL && document->file != NULL && fputs("first\nsecond\n", document->file) >= 0 &&
           fseek(document->file, 0, SEEK_SET) == 0 && sem_init(&document->reading, 0, 0) == 0 &&
           sem_init(&document->closed, 0, 0) == 0;
}

static void close_document(struct document *document)
{
    brim_group_close(document->group);
    printf("document closed with %zu load under way\n", brim_group_loads(document->group));
    sem_post(&document->closed);
    while (brim_group_loads(document->group) > 0)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    printf("file closed with %zu\n", brim_group_loads(document->group)); /* and there will be no more */
    fclose(document->file);
    brim_group_drop(document->group);
}

int main(void)
{
    brim_options options;
    brim_options_init(&options, 1 << 20);
    options.kind = &page_kind;
    brim_cache *cache;
    if (brim_cache_new(&options, &cache) != BRIM_OK)
        return 1;
    struct document document;
    pthread_t thread;
    if (!open_document(&document, cache) || load_page(&document, 1) != BRIM_CLAIMED ||
        pthread_create(&thread, NULL, render, &document) != 0) {
        fputs("closed_document: no memory, no thread or no temporary file\n", stderr);
        exit(1);
    }
    sem_wait(&document.reading);
    printf("pages in the cache: %zu\n", brim_count(cache));
    close_document(&document);
    pthread_join(thread, NULL);
    const int first = 1;
    printf("page 1 is %s\n", brim_contains(cache, BRIM_KEY(first)) ? "found" : "not found");
    (void)brim_trim(cache, 0); /* what is stale goes with later writes, or now */
    printf("pages in the cache: %zu\n", brim_count(cache));
    brim_cache_free(cache);
    return 0;
}
