/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <cstdio>
#include <map>
#include <string>

namespace
{
std::atomic<int> failures;

std::map<std::string, void (*)()> &tests()
{
    static std::map<std::string, void (*)()> all;
    return all;
}
} // namespace

namespace test
{

std::atomic<int> tracked::alive;

void fail(const char *file, int line, const char *what)
{
    failures++;
    std::fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
}

registered::registered(const char *name, void (*run)())
{
    tests().emplace(name, run);
}

} // namespace test

/* With an argument: only tests whose name begins with it. */
int main(int argc, char **argv)
{
    int ran = 0;
    for (const auto &[name, run] : tests()) {
        if (argc > 1 && name.rfind(argv[1], 0) != 0)
            continue;
        const int before = failures;
        ran++;
        run();
        if (test::tracked::alive != 0)
            test::fail(name.c_str(), 0, "every value is destroyed, once");
        test::tracked::alive = 0;
        if (failures != before)
            std::fprintf(stderr, "FAIL %s\n", name.c_str());
    }
    std::printf("%d tests, %d failures\n", ran, failures.load());
    return failures != 0 || ran == 0;
}
