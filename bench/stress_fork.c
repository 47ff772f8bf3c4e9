/* SPDX-License-Identifier: MIT */
#include "stress_fork.h"

#include "stress_value.h"

#include <brim_debug.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHILD_WELL = 42, CHILD_WRONG = 43, CHILD_OPERATIONS = 500, CHILD_PATIENCE = 100 };

/*
 * A key that anybody may write.  Nothing that could wait: what others have claimed stays claimed, and what they had
 * locked of the harness's own stays locked.
 */
static void use_one(struct phase *p, struct rng *rng)
{
    struct key_bytes key;
    const uint64_t id = 4 * (uint64_t)rng_below(rng, p->ids / 4);
    brim_ref *ref = NULL;
    key_bytes_make(&key, id);
    switch (rng_below(rng, 4)) {
    case 0: {
        struct value *v = value_new(p, id, 0, 0, MIN_COST, true);
        if (brim_insert(p->cache, key.data, key.len, v, MIN_COST, &ref) == BRIM_OK)
            value_taken(p, MIN_COST);
        else
            value_refused(v);
        break;
    }
    case 1:
        (void)brim_remove(p->cache, key.data, key.len);
        break;
    default:
        ref = brim_find(p->cache, key.data, key.len);
    }
    if (ref != NULL && value_check_ref(p, ref)->id != id)
        stress_violation(p, "G11: in a child key %d gives a value of another", (int)id);
    brim_release(ref);
}

static _Noreturn void child_run(struct phase *p, struct rng rng)
{
    const uint64_t before = stress_violations();
    (void)alarm(CHILD_PATIENCE);        /* who blocks there for ever is ended by a signal */
    for (int i = 0; i < CHILD_OPERATIONS; i++)
        use_one(p, &rng);
    if (!brim_check(p->cache, stderr))
        stress_violation(p, "G12: brim_check in a child");
    brim_cache_free(p->cache);
    _exit(stress_violations() == before ? CHILD_WELL : CHILD_WRONG);
}

static void fork_once(struct phase *p, const struct rng *rng)
{
    int status = 0;
    const pid_t child = fork();
    if (child < 0)
        return;                         /* no memory, or too many processes: not the cache's fault, and told as an event that is missing */
    if (child == 0)
        child_run(p, *rng);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        stress_violation(p, "G12: a child of fork is ended by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != CHILD_WELL)
        stress_violation(p, "G12: a child of fork ends with %d", WEXITSTATUS(status));
    phase_event(p, EVENT_FORKED);
}

void *fork_run(void *phase)
{
    struct phase *p = phase;
    struct rng rng = {.state = rng_mix(p->seed + p->number) + 7};
    while (!atomic_load_explicit(&p->stop, memory_order_relaxed)) {
        const struct timespec rest = {.tv_nsec = 20000000 + rng_below(&rng, 16) * 10000000};
        nanosleep(&rest, NULL);
        fork_once(p, &rng);
    }
    return NULL;
}
