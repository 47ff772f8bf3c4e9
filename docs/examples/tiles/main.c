/* SPDX-License-Identifier: MIT */
/* brim-tiles: a map, or any SVG or page of a PDF, in tiles over HTTP, with Brim between those who ask and those who draw. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service.h"

enum { MAX_THREADS = 256 };

static const char HELP[] = "Usage: brim-tiles [OPTION]... [FILE]\n"
                           "Serves FILE, an SVG or PDF, or else a map of the world, as tiles of 256 by 256\n"
                           "pixels at /tile/ZOOM/X/Y.png, and a page to look at them at /, on this machine\n"
                           "only.\n"
                           "Statistics are at /stats, for Prometheus, and at /stats.json.  SIGHUP, or POST\n"
                           "to /reload, reads FILE again; SIGINT and SIGTERM end it.\n"
                           "\n"
                           "  -P, --page N          of a PDF (default 1)\n"
                           "  -p, --port N          where to listen; 0: any that is free (default 8080)\n"
                           "  -c, --capacity BYTES  of the cache; K, M and G may follow (default 16M)\n"
                           "  -t, --threads N       that draw, 1 to 256 (default: the cores)\n"
                           "  -j, --json FILE       the statistics as JSON too, in the end; -: to standard\n"
                           "                        output, all else to standard error\n"
                           "  -h, --help\n"
                           "  -V, --version\n"
                           "\n"
                           "Where standard error is a terminal, a line there says how it goes.\n"
                           "\n"
                           "Exit status: 0; 1 when it cannot start or write; 2 on bad input.\n";

static _Noreturn void leave(int status, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    fputs("brim-tiles: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(status);
}

static _Noreturn void say(const char *text) {
    if (fputs(text, stdout) == EOF || fflush(stdout) != 0)
        leave(1, "cannot write to standard output: %s", strerror(errno));
    exit(0);
}

static size_t parse_number(const char *what, const char *text, size_t least, size_t most, bool bytes) {
    static const char units[] = "KMG";
    char *end;
    unsigned long long n;
    const char *unit;
    unsigned shift = 0;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (bytes && *end != 0 && (unit = strchr(units, toupper((unsigned char)*end))) != NULL) {
        shift = 10 * (unsigned)(unit - units + 1);
        end++;
    }
    if (!isdigit((unsigned char)*text) || *end != 0 || errno != 0 || n > most >> shift || n << shift < least)
        leave(2, "%s must be a number from %zu to %zu%s, not '%s'", what, least, most,
              bytes ? ", K, M or G may follow" : "", text);
    return (size_t)(n << shift);
}

static unsigned cores(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 2;

    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : (unsigned)n;
}

static _Noreturn void refuse(const char *argument) {
    if (strncmp(argument, "--", 2) == 0)
        leave(2, "unknown or wrongly used option '%s' (--help lists them)", argument);
    leave(2, "unknown option '-%c' (--help lists them)", optopt);
}

static struct options parse(int argc, char **argv) {
    static const struct option all[] = {{"page", required_argument, NULL, 'P'},
                                        {"port", required_argument, NULL, 'p'},
                                        {"capacity", required_argument, NULL, 'c'},
                                        {"threads", required_argument, NULL, 't'},
                                        {"json", required_argument, NULL, 'j'},
                                        {"help", no_argument, NULL, 'h'},
                                        {"version", no_argument, NULL, 'V'},
                                        {NULL, 0, NULL, 0}};
    struct options o = {.page = 1, .port = 8080, .capacity = (size_t)16 << 20, .threads = cores()};
    char version[64];
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, ":P:p:c:t:j:hV", all, NULL)) != -1)
        switch (c) {
        case 'P':
            o.page = (int)parse_number("--page", optarg, 1, INT_MAX, false);
            break;
        case 'p':
            o.port = (uint16_t)parse_number("--port", optarg, 0, UINT16_MAX, false);
            break;
        case 'c':
            o.capacity = parse_number("--capacity", optarg, 1, SIZE_MAX / 2, true);
            break;
        case 't':
            o.threads = (unsigned)parse_number("--threads", optarg, 1, MAX_THREADS, false);
            break;
        case 'j':
            o.json = optarg;
            break;
        case 'h':
            say(HELP);
        case 'V':
            snprintf(version, sizeof version, "brim-tiles (Brim) %s\n", brim_version());
            say(version);
        case ':':
            leave(2, "option '%s' needs a value (--help lists them)", argv[optind - 1]);
        default:
            refuse(argv[optind - 1]);
        }
    if (argc - optind > 1)
        leave(2, "one file at a time, not also '%s'", argv[optind + 1]);
    o.path = argv[optind];
    return o;
}

/* Blocked before any thread is made, so that only this one takes them. */
static sigset_t block_signals(void) {
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return set;
}

static void clear_line(bool terminal) {
    if (terminal)
        fputs("\r\033[K", stderr);
}

/* On a terminal a line is written anew each second. */
static void serve(struct service *s, const sigset_t *set) {
    bool terminal = isatty(STDERR_FILENO) == 1;
    const struct timespec second = {.tv_sec = 1};
    char text[256];

    for (;;) {
        int sig = terminal ? sigtimedwait(set, NULL, &second) : sigwaitinfo(set, NULL);

        clear_line(terminal);
        if (sig == SIGINT || sig == SIGTERM)
            return;
        if (sig == SIGHUP && !service_reload(s, text, sizeof text))
            fprintf(stderr, "brim-tiles: not reloaded: %s\n", text);
        if (terminal) {
            service_progress(s, text, sizeof text);
            fputs(text, stderr);
        }
    }
}

/* Standard output is JSON's alone, if it goes there: what is printed besides goes where errors go. */
static FILE *open_json(const char *path) {
    int fd;

    if (strcmp(path, "-") != 0)
        return fopen(path, "w");
    fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return fd >= 0 && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0 ? fdopen(fd, "w") : NULL;
}

int main(int argc, char **argv) {
    struct options o = parse(argc, argv);
    sigset_t set = block_signals();
    FILE *json = NULL;
    struct service *s;
    char why[256];
    bool bad_input, good;

    if (o.json != NULL && (json = open_json(o.json)) == NULL)
        leave(2, "%s: %s", o.json, strerror(errno));
    s = service_start(&o, why, sizeof why, &bad_input);
    if (s == NULL)
        leave(bad_input ? 2 : 1, "%s", why);
    printf("http://127.0.0.1:%u/\n", (unsigned)service_port(s));
    fflush(stdout);
    serve(s, &set);
    service_stop(s);
    good = service_stats(s, stdout, BRIM_TEXT) && fflush(stdout) == 0;
    if (json != NULL)
        good = service_stats(s, json, BRIM_JSON) && fclose(json) == 0 && good;
    service_free(s);
    if (!good)
        leave(1, "cannot write the statistics");
    return 0;
}
