/* SPDX-License-Identifier: MIT */
#include "report.h"

#include "fail.h"
#include "machine.h"

#include <brim.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define BENCH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define BENCH_SANITIZED 1
#endif
#endif

static void warn_about_build(void)
{
    const char *version = brim_version();
#ifndef NDEBUG
    fputs("brim-bench: WARNING: built with assertions; the figures mean little\n", stderr);
#endif
#ifndef __OPTIMIZE__
    fputs("brim-bench: WARNING: built without optimisation; the figures mean little\n", stderr);
#endif
#ifdef BENCH_SANITIZED
    fputs("brim-bench: WARNING: built with a sanitizer; the figures mean little\n", stderr);
#endif
    if (strcasestr(version, "assert") != NULL || strcasestr(version, "debug") != NULL ||
        strcasestr(version, "check") != NULL)
        fprintf(stderr, "brim-bench: WARNING: the library is a checking build (%s); the figures mean little\n",
                version);
}

void report_build(void)
{
    struct machine m;
    machine_look(&m);
    printf("library         brim %s\n", brim_version());
    printf("compiler        %s\n", m.compiler);
    printf("allocator       %s\n", m.allocator);
    printf("processor       %ld x %s\n", m.processors, m.processor);
    fflush(stdout);
    warn_about_build();
}

/* Devices and pipes are written in place: renaming would put a file where they were. */
static bool is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static void fail_json(const char *path)
{
    bench_fail("--json: cannot write '%s': %s", path, strerror(errno));
}

/* An open temporary file beside the target, and its name. */
static int open_temporary(const char *path, char **name)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        errno = EISDIR;
        fail_json(path);
    }
    if (asprintf(name, "%s.XXXXXX", path) < 0)
        bench_fail("out of memory");
    const int fd = mkstemp(*name);
    if (fd < 0)
        fail_json(path);
    return fd;
}

/* Standard output is the JSON's alone: what is said besides goes where errors go. */
static FILE *result;

static void keep_standard_output(void)
{
    const int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    result = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (result == NULL || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        bench_fail("--json: cannot write to standard output: %s", strerror(errno));
}

void report_json_probe(const char *path)
{
    char *name;
    if (path == NULL)
        return;
    if (strcmp(path, "-") == 0) {
        keep_standard_output();
        return;
    }
    if (is_special(path)) {
        if (access(path, W_OK) != 0)
            fail_json(path);
        return;
    }
    close(open_temporary(path, &name));
    unlink(name);
    free(name);
}

static bool dump_text(json_t *object, FILE *f)
{
    const bool written = json_dumpf(object, f, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) == 0 &&
                         fputc('\n', f) != EOF;
    return (fclose(f) == 0) && written;
}

static void replace_file(const char *path, json_t *object)
{
    char *name;
    const int fd = open_temporary(path, &name);
    const mode_t mask = umask(0);
    umask(mask);
    FILE *f = fdopen(fd, "w");
    if (f == NULL || fchmod(fd, 0666 & ~mask) != 0 || !dump_text(object, f) || rename(name, path) != 0) {
        const int reason = errno;
        unlink(name);
        errno = reason;
        fail_json(path);
    }
    free(name);
}

void report_json_write(const char *path, json_t *object)
{
    if (object == NULL)
        bench_fail("out of memory");
    if (result != NULL) {
        if (!dump_text(object, result))
            fail_json("-");
    } else if (path != NULL && is_special(path)) {
        FILE *f = fopen(path, "we");
        if (f == NULL || !dump_text(object, f))
            fail_json(path);
    } else if (path != NULL) {
        replace_file(path, object);
    }
    json_decref(object);
}
