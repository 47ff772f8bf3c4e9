/* SPDX-License-Identifier: MIT */
/*
 * How a tile is answered.  The thread that has read the request claims the tile's load and never waits: a hit
 * is answered at once, out of the cache's own memory.  Who gets CLAIMED gives the load to the pool, and then
 * waits for it as all others do: his connection is suspended, which takes no thread.  Two things must come
 * before it is resumed: that it has been suspended, and the end of the load, or of the connection; they may
 * come in any order (`arrive').  When a connection has gone, its wait is canceled; when all of a load have
 * gone, the pool does not draw it.
 */
#include "service.h"

#include <inttypes.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "document.h"
#include "pool.h"
#include "watch.h"

/* page.html, put in by the linker. */
extern const unsigned char _binary_page_html_start[], _binary_page_html_end[];

enum { TRIES = 16, SERVING_THREADS = 2, IDLE_SECONDS = 30 };

enum answer { HIT, SHARED, DRAWN, ANSWERS };
static const struct {
    const char *name, *cache_status; /* of RFC 9211 */
} ANSWER[ANSWERS] = {
    {"hit", "brim; hit"}, {"shared", "brim; fwd=miss; collapsed"}, {"drawn", "brim; fwd=miss"}};

struct service {
    brim_cache *cache;
    brim_group *group;     /* all tiles of the document */
    pthread_mutex_t mutex; /* of document */
    struct document *document;
    const char *path;
    int page;
    struct pool *pool;
    struct watch *watch;
    struct MHD_Daemon *daemon;
    atomic_bool stopping;
    atomic_ullong answers[ANSWERS], answer_ns[ANSWERS], gone, failed, reloads, waiting;
};

/* One tile that is asked for. */
struct request {
    struct watched watched; /* first: the watch gives it back */
    struct service *service;
    struct MHD_Connection *connection;
    struct place place;
    uint64_t begun;
    unsigned asked; /* how often */
    enum answer answer;
    bool waiting; /* suspended, or about to go on */
    atomic_uint arrived;
    /* Written by whoever lets it go on, before he arrives. */
    bool gone;
    brim_ref *ref;
    int reason;
    brim_wait *wait;
};

static uint64_t now_ns(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void destroy_tile(void *value, size_t cost, void *arg) {
    (void)cost;
    (void)arg;
    free(value);
}

static const brim_kind TILE = {.size = sizeof TILE, .name = "tile", .destroy = destroy_tile};

/* ---- The document */

static struct document *current_document(void *arg) {
    struct service *s = arg;

    pthread_mutex_lock(&s->mutex);
    struct document *d = document_copy(s->document);
    pthread_mutex_unlock(&s->mutex);
    return d;
}

/* First the new document, then the invalidation: a load claimed after it draws the new one, and none before
 * is found. */
bool service_reload(struct service *s, char *why, size_t why_size) {
    struct document *old, *d = document_read(s->path, s->page, why, why_size);

    if (d == NULL)
        return false;
    pthread_mutex_lock(&s->mutex);
    old = s->document;
    s->document = d;
    pthread_mutex_unlock(&s->mutex);
    brim_group_invalidate(s->group);
    document_drop(old);
    atomic_fetch_add(&s->reloads, 1);
    return true;
}

/* ---- Answers */

static enum MHD_Result send_it(struct MHD_Connection *c, unsigned status, struct MHD_Response *response,
                               const char *type) {
    enum MHD_Result sent;

    if (response == NULL)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    /* Not in the browser's cache: it is Brim's that is to be seen. */
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    sent = MHD_queue_response(c, status, response);
    MHD_destroy_response(response);
    return sent;
}

static enum MHD_Result send_text(struct MHD_Connection *c, unsigned status, const char *text) {
    return send_it(
        c, status,
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY),
        "text/plain; charset=utf-8");
}

static void release(void *ref) { brim_release(ref); }

/* The bytes go out of the cache's own memory, which the ref holds until the last is sent. */
static enum MHD_Result send_tile(struct request *r) {
    struct service *s = r->service;
    struct tile *tile = brim_ref_value(r->ref);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(tile->len, tile->png, release, r->ref);

    if (response == NULL)
        return MHD_NO;
    r->ref = NULL;
    MHD_add_response_header(response, "Cache-Status", ANSWER[r->answer].cache_status);
    atomic_fetch_add(&s->answers[r->answer], 1);
    atomic_fetch_add(&s->answer_ns[r->answer], now_ns() - r->begun);
    return send_it(r->connection, MHD_HTTP_OK, response, "image/png");
}

/* ---- Tiles */

static void arrive(struct request *r) {
    if (atomic_fetch_add(&r->arrived, 1) == 1)
        MHD_resume_connection(r->connection);
}

static void done(brim_ref *ref, int reason, void *arg) {
    struct request *r = arg;

    r->ref = ref;
    r->reason = reason;
    arrive(r);
}

/* Either this or `done' happens: brim_wait_cancel says which. */
static void gone(struct watched *w) {
    struct request *r = (struct request *)w;

    if (brim_wait_cancel(r->wait)) {
        r->gone = true;
        atomic_fetch_add(&r->service->gone, 1);
        arrive(r);
    }
}

static void suspend(struct request *r) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

    r->waiting = true;
    atomic_fetch_add(&r->service->waiting, 1);
    MHD_suspend_connection(r->connection);
    watch_add(r->service->watch, &r->watched, info->connect_fd);
    arrive(r);
}

/* ${*ref} is not r->ref, which `done' may have written before this returns. */
static brim_status claim(struct request *r, brim_ref **ref, brim_load **load) {
    brim_entry_options entry;
    brim_claim_options options;

    brim_entry_options_init(&entry);
    entry.group = r->service->group;
    brim_claim_options_init(&options);
    options.entry = &entry;
    return brim_claim_async(r->service->cache, BRIM_KEY(r->place), &options, done, r, ref, load, &r->wait);
}

/*
 * The load is given to the pool only when we wait for it: so it has somebody who waits from its beginning,
 * and is not wanted any more when he and all others have gone.
 */
static enum MHD_Result ask(struct request *r) {
    brim_load *load, *mine = NULL;
    brim_ref *ref;
    brim_status status;

    if (r->asked++ == TRIES || atomic_load(&r->service->stopping)) {
        atomic_fetch_add(&r->service->failed, 1);
        return send_text(r->connection, MHD_HTTP_SERVICE_UNAVAILABLE, "not now\n");
    }
    r->gone = false;
    r->reason = 0;
    atomic_store(&r->arrived, 0);
    status = claim(r, &ref, &load);
    if (r->asked == 1)
        r->answer = status == BRIM_OK ? HIT : status == BRIM_CLAIMED ? DRAWN : SHARED;
    if (status == BRIM_CLAIMED) {
        mine = load;
        status = claim(r, &ref, &load);
    }
    if (mine != NULL)
        pool_add(r->service->pool, mine, r->place);
    if (status == BRIM_PENDING) {
        suspend(r);
        return MHD_YES;
    }
    if (status == BRIM_OK) {
        r->ref = ref;
        return send_tile(r);
    }
    atomic_fetch_add(&r->service->failed, 1);
    return send_text(r->connection, MHD_HTTP_INTERNAL_SERVER_ERROR, brim_strerror(status));
}

static void end_waiting(struct request *r) {
    if (r->waiting) {
        watch_remove(r->service->watch, &r->watched);
        atomic_fetch_sub(&r->service->waiting, 1);
        r->waiting = false;
    }
}

/* What was waited for has come. */
static enum MHD_Result go_on(struct request *r) {
    end_waiting(r);
    if (r->gone)
        return MHD_NO;
    if (r->ref != NULL)
        return send_tile(r);
    if (r->reason == BRIM_CANCELED)
        return ask(r);
    atomic_fetch_add(&r->service->failed, 1);
    return send_text(r->connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "it cannot be drawn\n");
}

/* A number below ${limit}, as it would be printed: each tile has one address. */
static bool parse_number(const char **text, uint32_t limit, char end, uint32_t *out) {
    const char *p = *text;
    uint32_t n = 0;

    do {
        if (*p < '0' || *p > '9' || (n == 0 && p > *text))
            return false;
        n = 10 * n + (uint32_t)(*p++ - '0');
        if (n >= limit)
            return false;
    } while (*p != end);
    *text = p + 1;
    *out = n;
    return true;
}

static bool parse_place(const char *url, struct place *place) {
    static const char prefix[] = "/tile/";

    if (strncmp(url, prefix, sizeof prefix - 1) != 0)
        return false;
    url += sizeof prefix - 1;
    return parse_number(&url, MAX_ZOOM + 1, '/', &place->zoom) &&
           parse_number(&url, UINT32_C(1) << place->zoom, '/', &place->x) &&
           parse_number(&url, UINT32_C(1) << place->zoom, '.', &place->y) && strcmp(url, "png") == 0;
}

/* ---- Statistics */

static int write_file(void *arg, const char *text, size_t len) {
    return fwrite(text, 1, len, arg) == len ? 0 : -1;
}

/* This server's own. */
struct numbers {
    uint64_t answers[ANSWERS], waiting, gone, failed, given_up, reloads;
    double seconds[ANSWERS];
};

static struct numbers read_numbers(struct service *s) {
    struct numbers n = {.waiting = atomic_load(&s->waiting),
                        .gone = atomic_load(&s->gone),
                        .failed = atomic_load(&s->failed),
                        .given_up = pool_given_up(s->pool),
                        .reloads = atomic_load(&s->reloads)};

    for (int i = 0; i < ANSWERS; i++) {
        n.answers[i] = atomic_load(&s->answers[i]);
        n.seconds[i] = (double)atomic_load(&s->answer_ns[i]) / 1e9;
    }
    return n;
}

static void write_text(const struct numbers *n, FILE *f) {
    for (int i = 0; i < ANSWERS; i++)
        fprintf(f, "tiles %-10s %8" PRIu64 "   %8.3f ms each\n", ANSWER[i].name, n->answers[i],
                n->answers[i] ? 1e3 * n->seconds[i] / (double)n->answers[i] : 0);
    fprintf(f,
            "connections gone %8" PRIu64 "   loads given up %" PRIu64 "   failed %" PRIu64
            "   reloads %" PRIu64 "\n\n",
            n->gone, n->given_up, n->failed, n->reloads);
}

static void write_json(const struct numbers *n, FILE *f) {
    fprintf(f,
            "{\"waiting\":%" PRIu64 ",\"gone\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"given_up\":%" PRIu64
            ",\"reloads\":%" PRIu64,
            n->waiting, n->gone, n->failed, n->given_up, n->reloads);
    for (int i = 0; i < ANSWERS; i++)
        fprintf(f, ",\"%s\":{\"count\":%" PRIu64 ",\"seconds\":%.9f}", ANSWER[i].name, n->answers[i],
                n->seconds[i]);
    fprintf(f, ",\"max_zoom\":%d}", MAX_ZOOM);
}

static void write_prometheus(const struct numbers *n, FILE *f) {
    fputs("# TYPE tiles_answer_seconds summary\n", f);
    for (int i = 0; i < ANSWERS; i++)
        fprintf(f,
                "tiles_answer_seconds_sum{answer=\"%s\"} %.9f\n"
                "tiles_answer_seconds_count{answer=\"%s\"} %" PRIu64 "\n",
                ANSWER[i].name, n->seconds[i], ANSWER[i].name, n->answers[i]);
    fprintf(f, "# TYPE tiles_waiting gauge\ntiles_waiting %" PRIu64 "\n", n->waiting);
    fprintf(f, "# TYPE tiles_gone_total counter\ntiles_gone_total %" PRIu64 "\n", n->gone);
    fprintf(f, "# TYPE tiles_failed_total counter\ntiles_failed_total %" PRIu64 "\n", n->failed);
    fprintf(f, "# TYPE tiles_given_up_total counter\ntiles_given_up_total %" PRIu64 "\n", n->given_up);
    fprintf(f, "# TYPE tiles_reloads_total counter\ntiles_reloads_total %" PRIu64 "\n", n->reloads);
}

bool service_stats(struct service *s, FILE *f, brim_format format) {
    struct numbers n = read_numbers(s);

    if (format == BRIM_TEXT)
        write_text(&n, f);
    else if (format == BRIM_PROMETHEUS)
        write_prometheus(&n, f);
    else {
        fputs("{\"tiles\":", f);
        write_json(&n, f);
        fputs(",\"brim\":", f);
    }
    if (brim_stats_emit(&s->cache, 1, format, write_file, f) != BRIM_OK)
        return false;
    if (format == BRIM_JSON)
        fputs("}\n", f);
    return ferror(f) == 0;
}

void service_progress(struct service *s, char *text, size_t size) {
    struct numbers n = read_numbers(s);
    uint64_t all = n.answers[HIT] + n.answers[SHARED] + n.answers[DRAWN];

    snprintf(text, size, "%" PRIu64 " tiles, %" PRIu64 " %% hits; %" PRIu64 " wait; %zu of %zu KiB used", all,
             all != 0 ? 100 * n.answers[HIT] / all : 0, n.waiting, brim_used(s->cache) >> 10,
             brim_capacity(s->cache) >> 10);
}

static enum MHD_Result send_stats(struct service *s, struct MHD_Connection *c, brim_format format,
                                  const char *type) {
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    bool good = f != NULL && service_stats(s, f, format);

    if ((f != NULL && fclose(f) != 0) || !good) {
        free(text);
        return MHD_NO;
    }
    return send_it(c, MHD_HTTP_OK, MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE), type);
}

/* ---- Requests */

static enum MHD_Result answer_get(struct service *s, struct MHD_Connection *c, const char *url, void **slot) {
    struct place place;
    struct request *r;

    if (strcmp(url, "/") == 0)
        return send_it(c, MHD_HTTP_OK,
                       MHD_create_response_from_buffer(
                           (size_t)(_binary_page_html_end - _binary_page_html_start),
                           (void *)(uintptr_t)_binary_page_html_start, MHD_RESPMEM_PERSISTENT),
                       "text/html; charset=utf-8");
    if (strcmp(url, "/stats") == 0)
        return send_stats(s, c, BRIM_PROMETHEUS, "text/plain; version=0.0.4");
    if (strcmp(url, "/stats.json") == 0)
        return send_stats(s, c, BRIM_JSON, "application/json");
    if (strcmp(url, "/favicon.ico") == 0)
        return send_text(c, MHD_HTTP_NO_CONTENT, "");
    if (!parse_place(url, &place))
        return send_text(c, MHD_HTTP_NOT_FOUND, "not found\n");
    r = calloc(1, sizeof *r);
    if (r == NULL)
        return MHD_NO;
    *slot = r;
    r->service = s;
    r->connection = c;
    r->place = place;
    r->begun = now_ns();
    return ask(r);
}

static enum MHD_Result answer_reload(struct service *s, struct MHD_Connection *c) {
    char why[256], text[300];

    if (service_reload(s, why, sizeof why))
        return send_text(c, MHD_HTTP_OK, "reloaded\n");
    snprintf(text, sizeof text, "not reloaded: %s\n", why);
    return send_text(c, MHD_HTTP_INTERNAL_SERVER_ERROR, text);
}

/* What stands in the place of a request from the first call, when nothing may be answered yet, until there is
 * one. */
static struct request headers_seen;

static enum MHD_Result handle(void *arg, struct MHD_Connection *c, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_len, void **slot) {
    struct request *r = *slot;
    bool reads = strcmp(method, MHD_HTTP_METHOD_GET) == 0 || strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;

    (void)version;
    (void)upload;
    if (r == NULL) {
        *slot = &headers_seen;
        return MHD_YES;
    }
    if (*upload_len != 0) {
        *upload_len = 0;
        return MHD_YES;
    }
    if (r != &headers_seen)
        return go_on(r);
    if (reads)
        return answer_get(arg, c, url, slot);
    if (strcmp(method, MHD_HTTP_METHOD_POST) == 0 && strcmp(url, "/reload") == 0)
        return answer_reload(arg, c);
    return send_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "no such method here\n");
}

static void completed(void *arg, struct MHD_Connection *c, void **slot, enum MHD_RequestTerminationCode why) {
    struct request *r = *slot;

    (void)arg;
    (void)c;
    (void)why;
    if (r == NULL || r == &headers_seen)
        return;
    /* The server may end between the end of a wait and its answer. */
    end_waiting(r);
    brim_release(r->ref);
    free(r);
}

/* ---- Begin and end */

static bool open_cache(struct service *s, size_t capacity) {
    brim_options options;

    brim_options_init(&options, capacity);
    options.name = "tiles";
    options.kind = &TILE;
    options.objective = BRIM_WORK; /* how long a tile takes has little to do with its size */
    options.expected_cost = 12 << 10;
    options.charge_overhead = true;
    if (brim_cache_new(&options, &s->cache) != BRIM_OK)
        return false;
    s->group = brim_group_new(s->cache);
    return s->group != NULL;
}

/* Addresses are compared as they were sent: each tile has one, and none ends at a %00. */
static size_t leave_escaped(void *arg, struct MHD_Connection *c, char *text) {
    (void)arg;
    (void)c;
    return strlen(text);
}

static struct MHD_Daemon *listen_at(struct service *s, uint16_t port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, port, NULL, NULL, handle, s,
        MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)SERVING_THREADS, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL, MHD_OPTION_UNESCAPE_CALLBACK,
        leave_escaped, NULL, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS, MHD_OPTION_END);
}

struct service *service_start(const struct options *options, char *why, size_t why_size, bool *bad_input) {
    struct service *s = calloc(1, sizeof *s);

    *bad_input = false;
    if (s == NULL) {
        snprintf(why, why_size, "no memory");
        return NULL;
    }
    pthread_mutex_init(&s->mutex, NULL);
    s->path = options->path;
    s->page = options->page;
    s->document = document_read(s->path, s->page, why, why_size);
    if (s->document == NULL) {
        *bad_input = true;
        service_free(s);
        return NULL;
    }
    snprintf(why, why_size, "no memory, or no thread");
    if (open_cache(s, options->capacity) && (s->watch = watch_new(gone)) != NULL &&
        (s->pool = pool_new(options->threads, current_document, s)) != NULL) {
        snprintf(why, why_size, "cannot listen at port %u", (unsigned)options->port);
        s->daemon = listen_at(s, options->port);
        if (s->daemon != NULL)
            return s;
    }
    service_stop(s);
    service_free(s);
    return NULL;
}

uint16_t service_port(const struct service *s) {
    return MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

/* The pool's end lets all go on who wait, which must be so before the server ends. */
void service_stop(struct service *s) {
    atomic_store(&s->stopping, true);
    if (s->pool != NULL)
        pool_end(s->pool);
    if (s->daemon != NULL)
        MHD_stop_daemon(s->daemon);
    if (s->watch != NULL)
        watch_free(s->watch);
}

void service_free(struct service *s) {
    if (s->pool != NULL)
        pool_free(s->pool);
    brim_group_drop(s->group);
    if (s->cache != NULL)
        brim_cache_free(s->cache);
    document_drop(s->document);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}
