/* SPDX-License-Identifier: MIT */
#include "cache/pins.h"

#include <inttypes.h>

#include "brim_debug.h"

#ifndef BRIM_TRACE_REFS

void brim_dump_refs(brim_cache *c, FILE *file)
{
    if (c != NULL && file != NULL)
        fputs("refs are not traced in this build of Brim: see BRIM_TRACE_REFS\n", file);
}

#else

#include <dlfcn.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/debug.h"

enum { BUCKETS = 4096 };

struct pin {
    struct pin *next;
    const struct brim_cache *cache;
    const void *what; /* the ref, or the load */
    const void *site;
    uint64_t since;
    unsigned thread;
    bool load;
};

static LOCK_READY(lock, RANK_PINS);
static struct pin *bucket[BUCKETS] GUARDED_BY(rank_pins);
static bool lossy GUARDED_BY(rank_pins); /* one could not be noted for lack of memory: from then on nothing is called misuse */

struct lock *pins_lock(void)
{
    return &lock;
}

static void acquire(void) LOCKS(rank_pins)
{
    lock_acquire(&lock);
}

static void release(void) UNLOCKS(rank_pins)
{
    lock_release(&lock);
}

static struct pin **bucket_of_locked(const void *what) REQUIRES(rank_pins)
{
    return &bucket[((uintptr_t)what >> 4) * 0x9E3779B97F4A7C15u >> 52];
}

void pins_note(const struct brim_cache *c, const void *what, bool load, const void *site)
{
    struct pin *p = malloc(sizeof *p), **at;

    acquire();
    at = bucket_of_locked(what);
    if (p == NULL) {
        lossy = true;
    } else {
        *p = (struct pin){*at, c, what, site, clock_now(), thread_self()->number, load};
        *at = p;
    }
    release();
}

/* The latest of the same thread, else the latest: refs of one entry cannot be told apart. */
static struct pin **choose_locked(const void *what) REQUIRES(rank_pins)
{
    unsigned self = thread_self()->number;
    struct pin **any = NULL;

    for (struct pin **at = bucket_of_locked(what); *at != NULL; at = &(*at)->next) {
        if ((*at)->what != what)
            continue;
        if ((*at)->thread == self)
            return at;
        if (any == NULL)
            any = at;
    }
    return any;
}

bool pins_forget(const void *what, const char *misuse)
{
    struct pin **at, *p = NULL;
    bool known;

    acquire();
    at = choose_locked(what);
    if (at != NULL) {
        p = *at;
        *at = p->next;
    }
    known = p != NULL || lossy;
    release();
    free(p);
    if (!known)
        debug_message(misuse);
    return known;
}

/* ---- Dump */

static void write_key(FILE *file, const struct entry *e)
{
    size_t len;
    const unsigned char *key = entry_key(e, &len);

    for (size_t i = 0; i < len && i < 32; i++)
        fprintf(file, "%02x", key[i]);
    fprintf(file, "%s (%zu bytes)", len > 32 ? "..." : "", len);
}

static void write_site(FILE *file, const void *site)
{
    Dl_info info;

    if (dladdr(site, &info) == 0) {
        fprintf(file, "%p\n", site);
        return;
    }
    fprintf(file, "%s+0x%zx", info.dli_fname, (size_t)((const char *)site - (const char *)info.dli_fbase));
    fprintf(file, info.dli_sname != NULL ? " (%s)\n" : "\n", info.dli_sname);
}

static void write_pin(FILE *file, const struct pin *p, uint64_t now)
{
    uint64_t ms = (now - p->since) / 1000000;

    if (p->load) {
        fprintf(file, "load %p", p->what);
    } else {
        const struct entry *e = entry_of_ref(p->what);

        fprintf(file, "ref %p cost %zu%s key ", p->what, cache_entry_cost(e), entry_is_linked(e) ? "" : " left");
        write_key(file, e);
    }
    fprintf(file, " thread %u for %" PRIu64 ".%03" PRIu64 " s from ", p->thread, ms / 1000, ms % 1000);
    write_site(file, p->site);
}

void brim_dump_refs(brim_cache *c, FILE *file)
{
    uint64_t now = clock_now();
    size_t n = 0;

    if (c == NULL || file == NULL)
        return;
    acquire();
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (const struct pin *p = bucket[i]; p != NULL; p = p->next) {
            if (p->cache != c)
                continue;
            write_pin(file, p, now > p->since ? now : p->since);
            n++;
        }
    }
    fprintf(file, "%zu refs and loads are out\n", n);
    release();
}

#endif
