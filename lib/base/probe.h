/* SPDX-License-Identifier: MIT
 *
 * Static probes (USDT) of provider `brim', for bpftrace, perf, SystemTap and gdb: docs/TRACING.md.  One costs a nop, and a
 * note in a section that is not loaded; its arguments are what registers or memory hold already.  They are there where
 * <sys/sdt.h> is, unless BRIM_NO_PROBES is defined.  Not in builds that stop at every atomic operation, where reading an
 * argument would be one more.
 *
 * PROBE_NO_KEY with length 0 is an unknown key: the look-up was by handle, and ${ref} says of what.
 */
#ifndef BRIM_BASE_PROBE_H
#define BRIM_BASE_PROBE_H

#if !defined(BRIM_NO_PROBES) && !defined(BRIM_RELACY) && !defined(BRIM_YIELD) && !defined(BRIM_INTERFERE) &&         \
    defined(__has_include)
#if __has_include(<sys/sdt.h>)
#define PROBES_ARE_THERE 1
#endif
#endif

#ifdef PROBES_ARE_THERE
#ifdef __clang__
#define STAP_SDT_ARG_CONSTRAINT nr /* where it may, clang stores arguments first: a nop would not be all */
#endif
#include <sys/sdt.h>
#define PROBE(n, name, ...) STAP_PROBE##n(brim, name, __VA_ARGS__)
#else
/* Never called: so that arguments are used, and not evaluated. */
static inline void probe_takes(int n, ...)
{
    (void)n;
}
#define PROBE(n, name, ...)                                                                                          \
    do {                                                                                                             \
        if (0)                                                                                                       \
            probe_takes(n, __VA_ARGS__);                                                                             \
    } while (0)
#endif

#define PROBE_NO_KEY ((const void *)0)

/* A look-up found a value, or did not. */
#define PROBE_HIT(cache, key, key_len, ref) PROBE(4, hit, cache, key, key_len, ref)
#define PROBE_MISS(cache, key, key_len) PROBE(3, miss, cache, key, key_len)

/* An entry has left, for ${cause}, a brim_cause; the first of them is eviction.  ${charge}: its cost, and its overhead. */
#define PROBE_EVICT(cache, key, key_len, charge, cause) PROBE(5, evict, cache, key, key_len, charge, cause)

/*
 * A load was claimed; ${by_loader}: by a get.  It has been made, with BRIM_OK, and is about to be published; or has
 * failed, with BRIM_FAILED, for ${reason}.  ${ns}: the work; 0: a claimed load whose beginning nobody told.
 */
#define PROBE_LOAD_BEGIN(cache, key, key_len, by_loader) PROBE(4, load__begin, cache, key, key_len, by_loader)
#define PROBE_LOAD_END(cache, key, key_len, status, ns, cost, reason)                                                \
    PROBE(7, load__end, cache, key, key_len, status, ns, cost, reason)

#endif
