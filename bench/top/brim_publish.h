/* SPDX-License-Identifier: MIT
 *
 * For a program that wants to be looked at by brim-top: copy this file into it.  C11 or C++, POSIX.  Brim itself
 * starts no thread and keeps no file open; so the program says when, as from a timer, once a second:
 *
 *   brim_publisher publisher;
 *   brim_publish_open(&publisher, "my-program");
 *   ...
 *   brim_publish(&publisher, caches, n);   // now and then; from one thread at a time, while the caches live
 *   ...
 *   brim_publish_close(&publisher);
 *
 * It writes $XDG_RUNTIME_DIR/brim/PID.json, or, without that variable, /tmp/brim-UID/PID.json, under another name
 * first, so that readers find all of it or the one before.  The directory is this user's alone.  A file that a
 * program left which did not end well, brim-top knows by its process: nobody need remove it.  No file stays open.
 */
#ifndef BRIM_PUBLISH_H
#define BRIM_PUBLISH_H
#include <brim.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef struct brim_publisher {
    char path[512], temporary[520]; /* empty: nothing is published */
    char program[64];
    long pid;                       /* who opened it: the child of a fork is another */
} brim_publisher;

/* Where programs publish.  0, or -1 if its name is too long. */
static inline int brim_publish_directory(char *path, size_t size)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int n;

    if (runtime != NULL && runtime[0] == '/')
        n = snprintf(path, size, "%s/brim", runtime);
    else
        n = snprintf(path, size, "/tmp/brim-%lu", (unsigned long)getuid());
    return n > 0 && (size_t)n < size ? 0 : -1;
}

/* A directory of ours that nobody else may write to; else somebody could lead us elsewhere. */
static inline int brim_publish_is_safe(const char *directory)
{
    struct stat st;

    return lstat(directory, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == getuid() && (st.st_mode & 022) == 0;
}

/*
 * brim_publish_open(p, program):
 * Prepare to publish as ${program}.  0, or -1 with errno; then the other two do nothing.
 */
static inline int brim_publish_open(brim_publisher *p, const char *program)
{
    char directory[400];

    memset(p, 0, sizeof *p);
    if (brim_publish_directory(directory, sizeof directory) != 0) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return -1;
    if (!brim_publish_is_safe(directory)) {
        errno = EPERM;
        return -1;
    }
    p->pid = (long)getpid();
    (void)snprintf(p->program, sizeof p->program, "%s", program);
    (void)snprintf(p->path, sizeof p->path, "%s/%ld.json", directory, p->pid);
    (void)snprintf(p->temporary, sizeof p->temporary, "%s.new", p->path);
    return 0;
}

static inline int brim_publish_write(void *file, const char *text, size_t len)
{
    return fwrite(text, 1, len, (FILE *)file) == len ? 0 : -1;
}

static inline int brim_publish_string(FILE *file, const char *text, size_t len)
{
    (void)putc('"', file);
    for (size_t i = 0; i < len && text[i] != '\0'; i++) {
        if ((unsigned char)text[i] < 0x20)
            (void)fprintf(file, "\\u%04x", (unsigned)(unsigned char)text[i]);
        else if (text[i] == '"' || text[i] == '\\')
            (void)fprintf(file, "\\%c", text[i]);
        else
            (void)putc(text[i], file);
    }
    return putc('"', file) == EOF ? -1 : 0;
}

struct brim_publish_problems {
    FILE *file;
    const char *between;
};

static inline int brim_publish_problem(void *arg, const char *text, size_t len)
{
    struct brim_publish_problems *problems = (struct brim_publish_problems *)arg;

    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\0'))
        len--;
    (void)fputs(problems->between, problems->file);
    problems->between = ",";
    return brim_publish_string(problems->file, text, len);
}

static inline void brim_publish_document(const brim_publisher *p, FILE *file, brim_cache *const caches[], size_t n)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)fprintf(file, "{\"pid\":%ld,\"program\":", p->pid);
    (void)brim_publish_string(file, p->program, strlen(p->program));
    (void)fprintf(file, ",\"time_ns\":%lld,\"problems\":[", (long long)now.tv_sec * 1000000000 + now.tv_nsec);
    for (size_t i = 0; i < n; i++) {
        struct brim_publish_problems problems = {file, ""};

        (void)fputs(i > 0 ? ",[" : "[", file);
        (void)brim_report_problems(caches[i], brim_publish_problem, &problems);
        (void)putc(']', file);
    }
    (void)fputs("],\"statistics\":", file);
    (void)brim_stats_emit(caches, n, BRIM_JSON, brim_publish_write, file);
    (void)fputs("}\n", file);
}

/*
 * brim_publish(p, caches, n):
 * Write what ${n} ${caches} are now.  0, or -1 with errno; what was written before stays then.
 */
static inline int brim_publish(brim_publisher *p, brim_cache *const caches[], size_t n)
{
    int fd, failed, error;
    FILE *file;

    if (p->path[0] == '\0' || p->pid != (long)getpid())
        return 0;
    (void)unlink(p->temporary);
    fd = open(p->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    file = fdopen(fd, "w");
    if (file == NULL) {
        (void)close(fd);
        return -1;
    }
    brim_publish_document(p, file, caches, n);
    failed = ferror(file) != 0;
    failed |= fclose(file) != 0;
    if (!failed && rename(p->temporary, p->path) == 0)
        return 0;
    error = errno;
    (void)unlink(p->temporary);
    errno = error;
    return -1;
}

/*
 * brim_publish_close(p):
 * Take the file away.
 */
static inline void brim_publish_close(brim_publisher *p)
{
    if (p->path[0] != '\0' && p->pid == (long)getpid())
        (void)unlink(p->path);
    p->path[0] = '\0';
}

#endif
