/* SPDX-License-Identifier: MIT
 *
 * membarrier(2) refused, from the start or later: the library notices, asks no more, and nothing goes before its
 * readers are done.  `make refused' runs the tests of sections in the same way.  Each try is a process of its own.
 */
#include "support/fault.h"
#include <errno.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_OK = 42, KEYS = 8, READERS = 2, ROUNDS = 20000 };

static brim_cache *cache;
static atomic_bool stop;
static atomic_ullong hits;

/* A value is freed by its destructor: whoever reads it then reads what its next owner has written. */
typedef struct box { atomic_uint_fast64_t key; } box;

static void destroy_box(void *p, size_t cost, void *arg)
{
    (void)cost, (void)arg;
    atomic_store(&((box *)p)->key, UINT64_MAX);
    free(p);
}

static const brim_kind box_kind = {.size = sizeof(brim_kind), .destroy = destroy_box};

static void read_boxes(unsigned id)
{
    uint64_t state = id + 1;

    while (!atomic_load(&stop)) {
        uint64_t key = random_next(&state) % KEYS;
        box *b;

        EXPECT(brim_read_begin(cache) == BRIM_OK);
        b = brim_peek(cache, BRIM_KEY(key));
        for (int i = 0; b != NULL && i < 20; i++)
            EXPECT(atomic_load(&b->key) == key);
        atomic_fetch_add(&hits, b != NULL);
        brim_read_end(cache);
    }
}

static void replace_boxes(void)
{
    uint64_t state = 99;

    for (int i = 0; i < SCALED(ROUNDS); i++) {
        uint64_t key = random_next(&state) % KEYS;
        box *b = malloc(sizeof *b);

        if (b == NULL)
            abort();
        atomic_init(&b->key, key);
        EXPECT(brim_insert(cache, BRIM_KEY(key), b, 1, NULL) == BRIM_OK);
        if (i % 8 == 0)
            (void)brim_remove(cache, BRIM_KEY(key));
        if (i % 500 == 0)
            (void)sched_yield();
    }
    atomic_store(&stop, true);
}

static void role(unsigned id, void *arg)
{
    (void)arg;
    if (id < READERS)
        read_boxes(id);
    else
        replace_boxes();
}

/* As many barriers as there should be; in checking builds the library does without. */
static bool asked_as_it_should(enum fault_membarrier mode)
{
#ifdef BRIM_YIELD
    (void)mode;
    return fault_membarriers() == 0 && fault_refusals() == 0;
#else
    switch (mode) {
    case FAULT_MEMBARRIER_NEVER: return fault_membarriers() == 0 && fault_refusals() == 1;
    case FAULT_MEMBARRIER_LATER: /* who was about to ask may still do so */
        return fault_membarriers() > 3 && fault_refusals() >= 1 && fault_refusals() <= READERS + 1;
    default: return fault_refusals() == 0 && fault_membarriers() > 10;
    }
#endif
}

static void child(enum fault_membarrier mode)
{
    brim_options o;

    (void)alarm(100);
    fault_membarrier(mode);
    brim_options_init(&o, 2 * ROUNDS); /* also if a reader sleeps in its section */
    o.kind = &box_kind;
    o.borrow = true;
    o.shards = 1;
    if (brim_cache_new(&o, &cache) != BRIM_OK)
        _exit(1);
    crew_do(READERS + 1, role, NULL);
    if (in_trouble() || atomic_load(&hits) == 0)
        _exit(2);
    if (!asked_as_it_should(mode)) {
        (void)fprintf(stderr, "%zu barriers, %zu refused\n", fault_membarriers(), fault_refusals());
        _exit(3);
    }
    if (brim_drain(cache, -1) != BRIM_OK || !brim_check(cache, stderr))
        _exit(4);
    brim_cache_free(cache);
    _exit(CHILD_OK);
}

START_TEST(test_membarrier_works_or_is_refused)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        child((enum fault_membarrier)_i);
    ck_assert_int_gt(pid, 0);
    while (waitpid(pid, &status, 0) < 0)
        ck_assert_int_eq(errno, EINTR);
    ck_assert_msg(WIFEXITED(status), "ended by signal %d", WTERMSIG(status));
    ck_assert_int_eq(WEXITSTATUS(status), CHILD_OK);
}
END_TEST

int main(void)
{
    TCase *tc = suite_case("membarrier_refused");

    tcase_add_loop_test(tc, test_membarrier_works_or_is_refused, FAULT_MEMBARRIER_WORKS, FAULT_MEMBARRIER_LATER + 1);
    return suite_run(tc);
}
