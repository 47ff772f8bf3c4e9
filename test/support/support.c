/* SPDX-License-Identifier: MIT */
#include "support.h"
#include <stdarg.h>
#include <limits.h>

#define MAGIC_LIVE UINT64_C(0x6272696d76616c75)
#define MAGIC_DEAD UINT64_C(0xdeaddeaddeaddead)
#define MAGIC_BLOCK UINT64_C(0x6272696d68656170)

/* ---- Trouble ---- */

static pthread_mutex_t trouble_mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint trouble_count;
static char trouble_text[512];

void trouble(const char *file, int line, const char *format, ...)
{
    va_list args;
    int n;

    pthread_mutex_lock(&trouble_mutex);
    if (atomic_fetch_add(&trouble_count, 1) == 0) {
        n = snprintf(trouble_text, sizeof trouble_text, "%s:%d: ", file, line);
        va_start(args, format);
        if (n > 0 && (size_t)n < sizeof trouble_text)
            (void)vsnprintf(trouble_text + n, sizeof trouble_text - (size_t)n, format, args);
        va_end(args);
    }
    pthread_mutex_unlock(&trouble_mutex);
}

bool in_trouble(void)
{
    return atomic_load(&trouble_count) != 0;
}

void no_trouble(void)
{
    unsigned count = atomic_exchange(&trouble_count, 0);

    ck_assert_msg(count == 0, "%u times, first: %s", count, trouble_text);
}

/* ---- Values ---- */

static _Atomic(value *) all_values;
static atomic_size_t made, destroyed, discarded;
const brim_kind value_kind = { .size = sizeof(brim_kind), .name = "value", .destroy = value_destroy };

value *value_new(uint64_t id, size_t cost)
{
    value *v = malloc(sizeof *v);

    if (v == NULL)
        abort();
    v->magic = MAGIC_LIVE;
    v->id = id;
    v->cost = cost;
    atomic_init(&v->destroyed, 0);
    v->next = atomic_load(&all_values);
    while (!atomic_compare_exchange_weak(&all_values, &v->next, v))
        ;
    atomic_fetch_add(&made, 1);
    return v;
}

static void value_end(value *v, atomic_size_t *counter)
{
    if (v->magic != MAGIC_LIVE || atomic_fetch_add(&v->destroyed, 1) != 0) {
        trouble(__FILE__, __LINE__, "value %llu destroyed twice, or never a value", (unsigned long long)v->id);
        return;
    }
    v->magic = MAGIC_DEAD;
    atomic_fetch_add(counter, 1);
}

void value_discard(value *v)
{
    value_end(v, &discarded);
}

void value_destroy(void *p, size_t cost, void *arg)
{
    value *v = p;

    (void)arg;
    if (v == NULL) {
        trouble(__FILE__, __LINE__, "a NULL value was destroyed");
        return;
    }
    EXPECT_MSG(v->cost == cost, "value %llu of cost %zu destroyed with cost %zu", (unsigned long long)v->id, v->cost, cost);
    value_end(v, &destroyed);
}

bool value_alive(const value *v, uint64_t id)
{
    return v != NULL && v->magic == MAGIC_LIVE && v->id == id && atomic_load(&v->destroyed) == 0;
}

size_t values_made(void) { return atomic_load(&made); }
size_t values_live(void) { return atomic_load(&made) - atomic_load(&destroyed) - atomic_load(&discarded); }
size_t values_destroyed(void) { return atomic_load(&destroyed); }

void values_start(void)
{
    value *v = atomic_exchange(&all_values, NULL), *next;

    for (; v != NULL; v = next) {
        next = v->next;
        free(v);
    }
    atomic_store(&made, 0);
    atomic_store(&destroyed, 0);
    atomic_store(&discarded, 0);
}

/* ---- Heap ---- */

typedef struct block { uint64_t magic; size_t n, align; void *base; } block;

static void *heap_alloc(size_t n, size_t align, void *arg)
{
    heap *h = arg;
    size_t call = atomic_fetch_add(&h->calls, 1) + 1, lead, live, peak;
    void *base;
    block *b;

    if (h->hook != NULL)
        h->hook(h->hook_arg);
    if (call >= atomic_load(&h->fail_from) && call < atomic_load(&h->fail_to)) {
        atomic_fetch_add(&h->failed, 1);
        return NULL;
    }
    EXPECT_MSG(align != 0 && (align & (align - 1)) == 0, "alignment %zu", align);
    if (align < sizeof(block))
        align = sizeof(block);
    lead = align;
    if (n > SIZE_MAX / 4 || posix_memalign(&base, align, lead + n) != 0)
        return NULL;
    b = (block *)(void *)((char *)base + lead - sizeof *b);
    *b = (block){ MAGIC_BLOCK, n, align, base };
    live = atomic_fetch_add(&h->live, n) + n;
    peak = atomic_load(&h->bytes_peak);
    while (peak < live && !atomic_compare_exchange_weak(&h->bytes_peak, &peak, live))
        ;
    atomic_fetch_add(&h->blocks, 1);
    return (char *)base + lead;
}

static void heap_free(void *p, size_t n, size_t align, void *arg)
{
    heap *h = arg;
    block *b;

    if (h->hook != NULL)
        h->hook(h->hook_arg);
    if (p == NULL) {
        trouble(__FILE__, __LINE__, "NULL was given back to the allocator");
        return;
    }
    b = (block *)(void *)((char *)p - sizeof *b);
    if (align < sizeof(block))
        align = sizeof(block);
    EXPECT_MSG(b->magic == MAGIC_BLOCK && b->n == n && b->align == align, "block of %zu, %zu given back as %zu, %zu", b->n, b->align, n, align);
    b->magic = 0;
    atomic_fetch_sub(&h->live, b->n);
    atomic_fetch_sub(&h->blocks, 1);
    free(b->base);
}

void heap_init(heap *h)
{
    memset(h, 0, sizeof *h);
    h->allocator = (brim_allocator){ sizeof(brim_allocator), heap_alloc, heap_free, h };
}

void heap_fail(heap *h, size_t from, size_t to)
{
    size_t now = atomic_load(&h->calls);

    atomic_store(&h->failed, 0);
    atomic_store(&h->fail_to, 0);
    atomic_store(&h->fail_from, from > SIZE_MAX - now ? SIZE_MAX : from + now);
    atomic_store(&h->fail_to, to > SIZE_MAX - now ? SIZE_MAX : to + now);
}

/* ---- Threads ---- */

static void *crew_main(void *p)
{
    crew_member *m = p;

    pthread_barrier_wait(&m->crew->start);
    m->crew->run(m->id, m->crew->arg);
    return NULL;
}

void crew_start(crew *c, unsigned count, crew_run *run, void *arg)
{
    ck_assert_uint_le(count, CREW_MAX);
    c->run = run;
    c->arg = arg;
    c->count = count;
    ck_assert_int_eq(pthread_barrier_init(&c->start, NULL, count), 0);
    for (unsigned i = 0; i < count; i++) {
        c->members[i] = (crew_member){ c, i };
        ck_assert_int_eq(pthread_create(&c->threads[i], NULL, crew_main, &c->members[i]), 0);
    }
}

void crew_join(crew *c)
{
    for (unsigned i = 0; i < c->count; i++)
        ck_assert_int_eq(pthread_join(c->threads[i], NULL), 0);
    pthread_barrier_destroy(&c->start);
}

void crew_do(unsigned count, crew_run *run, void *arg)
{
    crew c;

    crew_start(&c, count, run, arg);
    crew_join(&c);
}

void run_on_stack(size_t stack_bytes, crew_run *run, void *arg)
{
    crew c = { .run = run, .arg = arg, .count = 1 };
    pthread_attr_t attr;

    c.members[0] = (crew_member){ &c, 0 };
    ck_assert_int_eq(pthread_barrier_init(&c.start, NULL, 1), 0);
    ck_assert_int_eq(pthread_attr_init(&attr), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attr, stack_bytes), 0);
    ck_assert_int_eq(pthread_create(&c.threads[0], &attr, crew_main, &c.members[0]), 0);
    pthread_attr_destroy(&attr);
    crew_join(&c);
}

void gate_init(gate *g)
{
    pthread_mutex_init(&g->mutex, NULL);
    pthread_cond_init(&g->changed, NULL);
    g->reached = g->open = false;
}

void gate_stop_here(gate *g)
{
    pthread_mutex_lock(&g->mutex);
    g->reached = true;
    pthread_cond_broadcast(&g->changed);
    while (!g->open)
        pthread_cond_wait(&g->changed, &g->mutex);
    pthread_mutex_unlock(&g->mutex);
}

void gate_wait_reached(gate *g)
{
    pthread_mutex_lock(&g->mutex);
    while (!g->reached)
        pthread_cond_wait(&g->changed, &g->mutex);
    pthread_mutex_unlock(&g->mutex);
}

void gate_open(gate *g)
{
    pthread_mutex_lock(&g->mutex);
    g->open = true;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->mutex);
}

void gate_destroy(gate *g)
{
    pthread_mutex_destroy(&g->mutex);
    pthread_cond_destroy(&g->changed);
}

static void *worker_main(void *p)
{
    worker *w = p;

    pthread_mutex_lock(&w->mutex);
    while (!w->ends || w->run != NULL) {
        if (w->run == NULL) {
            pthread_cond_wait(&w->changed, &w->mutex);
            continue;
        }
        pthread_mutex_unlock(&w->mutex);
        w->run(w->arg);
        pthread_mutex_lock(&w->mutex);
        w->run = NULL;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

void worker_start(worker *w)
{
    memset(w, 0, sizeof *w);
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->changed, NULL);
    ck_assert_int_eq(pthread_create(&w->thread, NULL, worker_main, w), 0);
}

void worker_begin(worker *w, worker_run *run, void *arg)
{
    pthread_mutex_lock(&w->mutex);
    w->run = run;
    w->arg = arg;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mutex);
}

void worker_wait(worker *w)
{
    pthread_mutex_lock(&w->mutex);
    while (w->run != NULL)
        pthread_cond_wait(&w->changed, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
}

void worker_do(worker *w, worker_run *run, void *arg)
{
    worker_begin(w, run, arg);
    worker_wait(w);
}

void worker_end(worker *w)
{
    pthread_mutex_lock(&w->mutex);
    w->ends = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->mutex);
    ck_assert_int_eq(pthread_join(w->thread, NULL), 0);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->changed);
}

/* ---- Caches ---- */

brim_options value_options(size_t capacity)
{
    brim_options o;

    brim_options_init(&o, capacity);
    o.kind = &value_kind;
    return o;
}

brim_cache *make_cache(const brim_options *o)
{
    brim_cache *c = NULL;

    ck_assert_int_eq(brim_cache_new(o, &c), BRIM_OK);
    ck_assert_ptr_nonnull(c);
    return c;
}

brim_cache *make_value_cache(size_t capacity)
{
    brim_options o = value_options(capacity);

    return make_cache(&o);
}

brim_options borrow_options(size_t capacity)
{
    brim_options o = value_options(capacity);

    o.borrow = true;
    return o;
}

brim_cache *make_borrow_cache(size_t capacity)
{
    brim_options o = borrow_options(capacity);

    return make_cache(&o);
}

void settle_cache(brim_cache *c)
{
    brim_status s = brim_drain(c, 30000);

    EXPECT_MSG(s == BRIM_OK, "brim_drain: status %d", (int)s);
}

brim_stats stats_of(brim_cache *c)
{
    brim_stats stats;

    brim_stats_get(c, &stats);
    return stats;
}

brim_status put_ref(brim_cache *c, uint64_t key, uint64_t id, size_t cost, brim_ref **out)
{
    value *v = value_new(id, cost);
    brim_status s = brim_insert(c, BRIM_KEY(key), v, cost, out);

    if (s != BRIM_OK)
        value_discard(v);
    return s;
}

brim_status put(brim_cache *c, uint64_t key, uint64_t id, size_t cost)
{
    return put_ref(c, key, id, cost, NULL);
}

bool has(brim_cache *c, uint64_t key)
{
    return brim_contains(c, BRIM_KEY(key));
}

uint64_t id_of(const brim_ref *r)
{
    const value *v = brim_ref_value(r);

    EXPECT(v != NULL && v->magic == MAGIC_LIVE);
    return v != NULL ? v->id : 0;
}

uint64_t found_id(brim_cache *c, uint64_t key)
{
    brim_ref *r = brim_find(c, BRIM_KEY(key));
    uint64_t id;

    if (r == NULL)
        return UINT64_MAX;
    id = id_of(r);
    brim_release(r);
    return id;
}

void finish(brim_cache *c)
{
    ck_assert(brim_check(c, stderr));
    brim_cache_free(c);
    ck_assert_uint_eq(values_live(), 0);
    no_trouble();
}

/* ---- Suites ---- */

static const char *suite_name;

TCase *suite_case(const char *name)
{
    TCase *tc = tcase_create(name);

    suite_name = name;
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, values_start, no_trouble);
    return tc;
}

int suite_run(TCase *tc)
{
    Suite *suite = suite_create(suite_name);
    SRunner *runner;
    int failed;

    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    values_start();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
