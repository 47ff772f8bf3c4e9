/* SPDX-License-Identifier: MIT
 *
 * Tests of include/brim.hpp: TEST(name) { CHECK(...); }, in as many files as there are topics, and one program of
 * them.
 */
#ifndef TEST_CPP_HARNESS_H
#define TEST_CPP_HARNESS_H
#include <atomic>
#include <brim.hpp>

namespace test {

/* Counts a failure, and goes on; on any thread. */
void fail(const char *file, int line, const char *what);

/* Tests run in the order of their names. */
struct registered {
    registered(const char *name, void (*run)());
};

/* A value that knows how many of it there are. */
struct tracked {
    explicit tracked(int number = 0) : n(number) { alive++; }
    tracked(const tracked &) = delete;
    tracked &operator=(const tracked &) = delete;
    ~tracked() { alive--; }
    int n;
    static std::atomic<int> alive;
};

inline std::unique_ptr<tracked> make(int n)
{
    return std::make_unique<tracked>(n);
}

inline brim::options sized(std::size_t capacity)
{
    brim::options o;
    o.capacity = capacity;
    return o;
}

using ints = brim::cache<int, tracked>;

} // namespace test

#define TEST(name)                                                                                           \
    static void name();                                                                                      \
    static const test::registered name##_registered(#name, name);                                            \
    static void name()
#define CHECK(condition) ((condition) ? void() : test::fail(__FILE__, __LINE__, #condition))
#endif
