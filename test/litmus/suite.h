/* SPDX-License-Identifier: MIT
 *
 * A test suite whose type Relacy need not know: most of what there is to compile of a harness is Relacy's simulation, which
 * is compiled for suites of each number of threads, once for all harnesses (suite.cpp).
 */
#ifndef BRIM_TEST_LITMUS_SUITE_H
#define BRIM_TEST_LITMUS_SUITE_H

#include <relacy/relacy.hpp>

struct litmus_suite {
    const char *name;
    unsigned threads;
    size_t size;
    void (*make)(void *self), (*before)(void *self), (*thread)(void *self, unsigned i), (*after)(void *self),
        (*end)(void *self);
};

/* Whether no schedule failed. */
bool litmus_simulate_suite(rl::test_params &p, const litmus_suite &suite);

#endif
