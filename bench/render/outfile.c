/* SPDX-License-Identifier: MIT */
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "diag.h"
#include "must.h"

struct outfile {
    outfile *next;
    FILE *stream;
    char *path, *temp; /* temp NULL: written directly */
};

static outfile
    *unfinished; /* the main thread's; changed while signals are blocked and no other thread runs */

static void on_signal(int number) {
    outfile_discard_all();
    signal(number, SIG_DFL);
    raise(number);
}

/* Blocks the signals that end the program; returns what was blocked before. */
static sigset_t hold_signals(void) {
    sigset_t ending, before;

    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ending, &before);
    return before;
}

void outfile_guard(void) {
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
    signal(SIGPIPE, SIG_IGN);
}

static _Noreturn void fail(const outfile *o) { die("cannot write %s: %s", o->path, strerror(errno)); }

static void open_temp(outfile *o) {
    mode_t mask = umask(0);
    int fd;

    umask(mask);
    o->temp = must_print("%s.XXXXXX", o->path);
    fd = mkstemp(o->temp);
    if (fd < 0) {
        int reason = errno;
        free(o->temp);
        o->temp = NULL;
        errno = reason;
        fail(o);
    }
    if (fchmod(fd, 0666 & ~mask) != 0 || !(o->stream = fdopen(fd, "wb")))
        fail(o);
}

/* Standard output is its alone: what is printed besides goes where errors go. */
static void open_stdout(outfile *o) {
    int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    if (fd < 0 || !(o->stream = fdopen(fd, "wb")) || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        fail(o);
}

outfile *outfile_open(const char *path) {
    outfile *o = must_alloc(1, sizeof *o);
    char *real = realpath(path, NULL);
    sigset_t before = hold_signals();
    struct stat st;

    o->path = real ? real : must_print("%s", path);
    o->next = unfinished;
    unfinished = o;
    if (strcmp(path, "-") == 0) {
        open_stdout(o);
    } else if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        if (!(o->stream = fopen(path, "wb")))
            fail(o);
    } else {
        open_temp(o);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return o;
}

FILE *outfile_stream(outfile *o) { return o->stream; }

void outfile_finish(outfile *o) {
    FILE *stream = o->stream;
    int bad = ferror(stream);

    o->stream = NULL;
    if (fclose(stream) != 0 || bad)
        fail(o);
}

static void forget(outfile *o) {
    outfile **link = &unfinished;

    while (*link != o)
        link = &(*link)->next;
    *link = o->next;
    free(o->temp);
    free(o->path);
    free(o);
}

void outfile_commit(outfile *o) {
    sigset_t before = hold_signals();

    if (o->temp && rename(o->temp, o->path) != 0)
        fail(o);
    forget(o);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void outfile_discard_all(void) {
    for (outfile *o = unfinished; o; o = o->next)
        if (o->temp)
            unlink(o->temp);
}

void outfile_make_dir(const char *path) {
    char *part = must_print("%s", path);
    struct stat st;

    for (char *p = part; *p; p++)
        if (*p == '/' && p != part) {
            *p = '\0';
            mkdir(part, 0777);
            *p = '/';
        }
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        die("cannot make %s: %s", path, strerror(errno));
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        die("cannot write in %s: %s", path, strerror(ENOTDIR));
    if (access(path, W_OK | X_OK) != 0)
        die("cannot write in %s: %s", path, strerror(errno));
    free(part);
}
