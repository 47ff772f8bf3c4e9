/* SPDX-License-Identifier: MIT */
#include "target.h"

#include "brim_publish.h"
#include "fail.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <time.h>

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static const json_t *statistics(const json_t *document)
{
    const json_t *inner = json_object_get(document, "statistics");
    return inner != NULL ? inner : document;
}

json_t *target_caches(const json_t *document)
{
    return document != NULL ? json_object_get(statistics(document), "caches") : NULL;
}

json_t *target_problems(const struct target *t, size_t cache)
{
    return json_array_get(json_object_get(t->now, "problems"), cache);
}

const char *target_program(const struct target *t)
{
    const char *name = json_string_value(json_object_get(t->now, "program"));
    return name != NULL ? name : t->place;
}

/* ---- Documents */

static bool is_list_of_objects(const json_t *list)
{
    size_t i;
    json_t *one;
    if (!json_is_array(list))
        return false;
    json_array_foreach(list, i, one) if (!json_is_object(one)) return false;
    return true;
}

static bool is_document(const json_t *document)
{
    const json_t *caches = target_caches(document);
    size_t i;
    json_t *cache;
    if (!is_list_of_objects(caches))
        return false;
    json_array_foreach(caches, i, cache)
    {
        const json_t *kinds = json_object_get(cache, "kinds");
        if (!json_is_string(json_object_get(cache, "name")) || !json_is_integer(json_object_get(cache, "capacity")) ||
            (kinds != NULL && !is_list_of_objects(kinds)))
            return false;
    }
    return true;
}

/* The same as before, if the program has not published since: then it is no new one. */
static void take_document(struct target *t, json_t *document)
{
    const json_t *stamp = json_object_get(document, "time_ns");
    const double time = json_is_integer(stamp) ? (double)json_integer_value(stamp) * 1e-9 : now_seconds();
    const long pid = (long)json_integer_value(json_object_get(document, "pid"));
    if (pid > 0)
        t->pid = pid;
    if (t->now != NULL && json_equal(stamp, json_object_get(t->now, "time_ns")) == 1) {
        json_decref(document);
        return;
    }
    json_decref(t->before);
    t->before = t->now;
    t->before_time = t->now_time;
    t->now = document;
    t->now_time = time;
}

static bool is_alive(long pid)
{
    return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

static void read_target(struct target *t)
{
    json_error_t where;
    size_t len = 0;
    if (t->ended)
        return;
    t->error[0] = '\0';
    if (t->pid > 0 && !source_is_http(t->place) && !is_alive(t->pid)) {
        t->ended = true;
        return;
    }
    char *text = source_read(t->place, &len, t->error);
    if (text == NULL) {
        if (t->pid > 0 && t->now == NULL && access(t->place, F_OK) != 0)
            snprintf(t->error, sizeof t->error, "process %ld publishes nothing (%.150s)", t->pid, t->place);
        return;
    }
    json_t *document = json_loadb(text, len, 0, &where);
    free(text);
    if (document == NULL) {
        snprintf(t->error, sizeof t->error, "%.120s: not JSON: %.80s", t->place, where.text);
    } else if (!is_document(document)) {
        snprintf(t->error, sizeof t->error, "%.150s: no statistics of Brim", t->place);
        json_decref(document);
    } else {
        take_document(t, document);
    }
}

/* ---- Which */

static struct target *target_of(struct targets *all, const char *place)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->at[i].place, place) == 0)
            return &all->at[i];
    struct target *more = realloc(all->at, (all->count + 1) * sizeof *more);
    if (more == NULL)
        top_fail("out of memory");
    all->at = more;
    more = &all->at[all->count++];
    *more = (struct target){.place = top_copy(place)};
    return more;
}

/* 0: it is no number. */
static long number_of(const char *text, const char *end)
{
    char *stop;
    errno = 0;
    const long n = isdigit((unsigned char)text[0]) ? strtol(text, &stop, 10) : 0;
    return n > 0 && errno == 0 && strcmp(stop, end) == 0 ? n : 0;
}

/* PID.json of those that run.  Of who has ended, that is what is left. */
static void look_in(struct targets *all, const char *directory)
{
    DIR *d = opendir(directory);
    if (d == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(d)) != NULL;) {
        const long pid = number_of(entry->d_name, ".json");
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (pid > 0 && is_alive(pid))
            target_of(all, path)->pid = pid;
    }
    closedir(d);
}

static void find_asked(struct targets *all, const char *asked)
{
    char directory[512], path[640];
    struct stat st;
    const long pid = number_of(asked, "");
    if (brim_publish_directory(directory, sizeof directory) != 0)
        top_fail("XDG_RUNTIME_DIR is too long");
    if (pid > 0) {
        snprintf(path, sizeof path, "%s/%ld.json", directory, pid);
        target_of(all, path)->pid = pid;
    } else if (!source_is_http(asked) && stat(asked, &st) == 0 && S_ISDIR(st.st_mode)) {
        look_in(all, asked);
    } else {
        (void)target_of(all, asked);
    }
}

void targets_read(struct targets *all)
{
    char directory[512];
    for (size_t i = 0; i < all->asked_count; i++)
        find_asked(all, all->asked[i]);
    if (all->asked_count == 0 && brim_publish_directory(directory, sizeof directory) == 0 &&
        brim_publish_is_safe(directory))
        look_in(all, directory);
    for (size_t i = 0; i < all->count; i++)
        read_target(&all->at[i]);
}

void targets_free(struct targets *all)
{
    for (size_t i = 0; i < all->count; i++) {
        json_decref(all->at[i].now);
        json_decref(all->at[i].before);
        free(all->at[i].place);
    }
    free(all->at);
}
