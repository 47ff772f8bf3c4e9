/* SPDX-License-Identifier: MIT */
#include "fault.h"
#include <errno.h>
#include <stdarg.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- Counting */

static struct {
    atomic_size_t calls, from, to, failed, blocks;
} fault = {.from = SIZE_MAX, .to = SIZE_MAX};

void fault_begin(size_t from, size_t to)
{
    atomic_store(&fault.calls, 0);
    atomic_store(&fault.failed, 0);
    atomic_store(&fault.to, to);
    atomic_store(&fault.from, from);
}

size_t fault_end(void)
{
    atomic_store(&fault.from, SIZE_MAX);
    return atomic_load(&fault.failed);
}

size_t fault_count(void) { return atomic_load(&fault.failed); }
size_t fault_calls(void) { return atomic_load(&fault.calls); }
size_t fault_blocks(void) { return atomic_load(&fault.blocks); }

static bool fails(void)
{
    size_t n = atomic_fetch_add(&fault.calls, 1) + 1;
    bool yes = n >= atomic_load(&fault.from) && n < atomic_load(&fault.to);

    atomic_fetch_add(&fault.failed, yes);
    return yes;
}

/* ---- Memory */

void *fault_malloc(size_t n);
int fault_posix_memalign(void **p, size_t align, size_t n);
void fault_free(void *p);

void *fault_malloc(size_t n)
{
    void *p = fails() ? NULL : malloc(n);

    atomic_fetch_add(&fault.blocks, p != NULL);
    return p;
}

int fault_posix_memalign(void **p, size_t align, size_t n)
{
    int error = fails() ? ENOMEM : posix_memalign(p, align, n);

    atomic_fetch_add(&fault.blocks, error == 0);
    return error;
}

void fault_free(void *p)
{
    atomic_fetch_sub(&fault.blocks, p != NULL);
    free(p);
}

static void *users_alloc(size_t n, size_t align, void *arg)
{
    void *p = NULL;

    (void)arg;
    return fault_posix_memalign(&p, align < sizeof p ? sizeof p : align, n) == 0 ? p : NULL;
}

static void users_free(void *p, size_t n, size_t align, void *arg)
{
    (void)n, (void)align, (void)arg;
    EXPECT(p != NULL);
    fault_free(p);
}

const brim_allocator fault_allocator = {sizeof(brim_allocator), users_alloc, users_free, NULL};

/* ---- What else can fail */

#define FAULT(name, error, parameters, arguments)                                                            \
    int fault_##name parameters;                                                                             \
    int fault_##name parameters                                                                              \
    {                                                                                                        \
        return fails() ? (error) : name arguments;                                                           \
    }

FAULT(pthread_mutexattr_init, ENOMEM, (pthread_mutexattr_t * a), (a))
FAULT(pthread_mutexattr_settype, EINVAL, (pthread_mutexattr_t * a, int type), (a, type))
FAULT(pthread_condattr_init, ENOMEM, (pthread_condattr_t * a), (a))
FAULT(pthread_condattr_setclock, EINVAL, (pthread_condattr_t * a, clockid_t clock), (a, clock))
FAULT(pthread_key_create, EAGAIN, (pthread_key_t * key, void (*end)(void *)), (key, end))
FAULT(pthread_setspecific, ENOMEM, (pthread_key_t key, const void *p), (key, p))
FAULT(pthread_atfork, ENOMEM, (void (*before)(void), void (*parent)(void), void (*child)(void)),
      (before, parent, child))
FAULT(fflush, EOF, (FILE * file), (file))

/* What was refused must not be used: it is none. */
static int refuse(void *what, size_t size)
{
    memset(what, 0xa5, size);
    return ENOMEM;
}

int fault_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a);
int fault_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a);

int fault_pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *a)
{
    return fails() ? refuse(m, sizeof(pthread_mutex_t)) : pthread_mutex_init(m, a);
}

int fault_pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *a)
{
    return fails() ? refuse(c, sizeof(pthread_cond_t)) : pthread_cond_init(c, a);
}

ssize_t fault_getrandom(void *p, size_t n, unsigned flags);
size_t fault_fwrite(const void *p, size_t size, size_t n, FILE *file);

ssize_t fault_getrandom(void *p, size_t n, unsigned flags)
{
    return fails() ? -1 : getrandom(p, n, flags);
}

size_t fault_fwrite(const void *p, size_t size, size_t n, FILE *file)
{
    return fails() ? 0 : fwrite(p, size, n, file);
}

/* ---- membarrier: the only system call that the library makes itself */

enum { BARRIERS_BEFORE_REFUSAL = 3, MEMBARRIER_PRIVATE_EXPEDITED = 1 << 3 };

static struct {
    atomic_int mode;
    atomic_size_t barriers, refusals;
} membarrier;

static __attribute__((constructor)) void read_environment(void)
{
    const char *mode = getenv("FAULT_MEMBARRIER"); /* NOLINT(concurrency-mt-unsafe): before main there is one thread */

    if (mode != NULL)
        fault_membarrier((enum fault_membarrier)strtol(mode, NULL, 10));
}

void fault_membarrier(enum fault_membarrier mode) { atomic_store(&membarrier.mode, (int)mode); }
size_t fault_membarriers(void) { return atomic_load(&membarrier.barriers); }
size_t fault_refusals(void) { return atomic_load(&membarrier.refusals); }

static bool refuses(long command)
{
    bool barrier = command == MEMBARRIER_PRIVATE_EXPEDITED;
    size_t n = atomic_fetch_add(&membarrier.barriers, barrier) + 1;
    int mode = atomic_load(&membarrier.mode);

    return mode == FAULT_MEMBARRIER_NEVER ||
           (mode == FAULT_MEMBARRIER_LATER && barrier && n > BARRIERS_BEFORE_REFUSAL);
}

long fault_syscall(long number, ...);

long fault_syscall(long number, ...)
{
    long command, flags, cpu;
    va_list args;

    va_start(args, number);
    command = va_arg(args, int);
    flags = va_arg(args, int);
    cpu = va_arg(args, int);
    va_end(args);
    EXPECT(number == SYS_membarrier);
    if (refuses(command) || fails()) {
        atomic_fetch_add(&membarrier.refusals, 1);
        errno = command == MEMBARRIER_PRIVATE_EXPEDITED ? EPERM : ENOSYS;
        return -1;
    }
    return syscall(number, command, flags, cpu);
}

/* ---- Time */

static _Atomic(int (*)(struct timespec *)) clock_instead;

void fault_clock(int (*clock)(struct timespec *)) { atomic_store(&clock_instead, clock); }

int fault_clock_gettime(clockid_t clock, struct timespec *t);
int fault_clock_nanosleep(clockid_t clock, int flags, const struct timespec *end, struct timespec *rest);

int fault_clock_gettime(clockid_t clock, struct timespec *t)
{
    int (*instead)(struct timespec *) = atomic_load(&clock_instead);

    return instead != NULL ? instead(t) : clock_gettime(clock, t);
}

static int64_t ns_until(const struct timespec *end)
{
    struct timespec now = {0, 0};

    (void)fault_clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)(end->tv_sec - now.tv_sec) * 1000000000 + (end->tv_nsec - now.tv_nsec);
}

/* On whatever clock there is.  One that stands is not waited for. */
int fault_clock_nanosleep(clockid_t clock, int flags, const struct timespec *end, struct timespec *rest)
{
    int64_t ns = ns_until(end);

    (void)clock, (void)flags, (void)rest;
    if (ns > 0) {
        struct timespec t = {ns / 1000000000, ns % 1000000000};
        (void)nanosleep(&t, NULL);
    }
    return 0;
}

/* ---- Threads */

static atomic_bool contended;
static _Thread_local bool returned_early;

void fault_contend(bool yes) { atomic_store(&contended, yes); }

int fault_pthread_mutex_trylock(pthread_mutex_t *m);
int fault_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int fault_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t);

int fault_pthread_mutex_trylock(pthread_mutex_t *m)
{
    return atomic_load(&contended) ? EBUSY : pthread_mutex_trylock(m);
}

/* Every other call, so that who waits does wait. */
static bool returns_early(void)
{
    returned_early = atomic_load(&contended) && !returned_early;
    return returned_early;
}

int fault_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    return returns_early() ? 0 : pthread_cond_wait(c, m);
}

int fault_pthread_cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *t)
{
    int64_t ns;
    struct timespec end;

    if (returns_early())
        return 0;
    if (atomic_load(&clock_instead) == NULL)
        return pthread_cond_timedwait(c, m, t);
    if ((ns = ns_until(t)) <= 0)
        return ETIMEDOUT;
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += (end.tv_nsec + ns) / 1000000000;
    end.tv_nsec = (end.tv_nsec + ns) % 1000000000;
    return pthread_cond_timedwait(c, m, &end);
}
