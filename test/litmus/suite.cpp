// SPDX-License-Identifier: MIT
#include "suite.h"

#include <cstdlib>

static const litmus_suite *suite; // the running one
static void *self;

template <int THREADS> struct suite_of : rl::test_suite<suite_of<THREADS>, THREADS> {
    suite_of()
    {
        suite->make(self);
    }
    ~suite_of()
    {
        suite->end(self);
    }
    void before()
    {
        suite->before(self);
    }
    void thread(unsigned i)
    {
        suite->thread(self, i);
    }
    void after()
    {
        suite->after(self);
    }
};

bool litmus_simulate_suite(rl::test_params &p, const litmus_suite &s)
{
    suite = &s;
    self = (::malloc)(s.size); // not Relacy's
    if (self == NULL)
        std::abort();
    // What fails is not ended: its memory stays, as Relacy's own does.
    bool passed = s.threads == 2 ? rl::simulate<suite_of<2>>(p) : rl::simulate<suite_of<3>>(p);
    if (passed)
        (::free)(self);
    return passed;
}
