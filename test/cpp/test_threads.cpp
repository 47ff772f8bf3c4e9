/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <thread>
#include <vector>

using test::make, test::tracked;

namespace
{

enum { THREADS = 4, KEYS = 64, ROUNDS = 4000 };

struct shared_state {
    brim::cache<int, const tracked> cache;
    brim::slot<const tracked> slot;
    brim::group group;
    std::atomic<int> told{0}, pending{0}, loads{0};
};

void once(shared_state &s, unsigned draw)
{
    const int key = static_cast<int>(draw % KEYS);
    const auto load = [&](int k) {
        s.loads++;
        return brim::loaded(make(k), 10);
    };
    switch (draw / KEYS % 10) {
    case 0:
        s.cache.remove(key);
        break;
    case 1:
        (void)s.cache.insert(key, make(key), 10);
        break;
    case 2:
        if (const auto section = s.cache.read())
            if (const tracked *const value = section.peek(key))
                CHECK(value->n == key);
        break;
    case 3:
        s.slot.store(s.cache.find(key).key());
        break;
    case 4:
        if (const auto ref = s.slot.find())
            CHECK(ref->n >= 0 && ref->n < KEYS);
        break;
    case 5: {
        auto claim = s.cache.claim_async(key, [&s](brim::ref<const tracked> ref, int reason) {
            CHECK(ref ? reason == 0 : reason != 0);
            s.told++;
        });
        s.pending += claim.status == brim::status::pending;
        if (claim.load)
            (void)claim.load.finish(make(key), 10);
        break;
    }
    case 6: {
        brim::entry_options options;
        options.groups = s.group;
        (void)s.cache.insert(key, make(key), 10, options);
        if (draw % 64 == 0)
            s.group.invalidate();
        break;
    }
    default:
        if (const auto ref = s.cache.get(key, load))
            CHECK(ref->n == key);
    }
}

} // namespace

TEST(threads_everything_at_once)
{
    brim::options o;
    o.capacity = KEYS * 10 / 2;
    o.borrow = true;
    shared_state s;
    s.cache = brim::cache<int, const tracked>::make(o);
    s.group = s.cache.make_group();
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < THREADS; t++)
        threads.emplace_back([&s, t] {
            unsigned draw = t + 1;
            for (int i = 0; i < ROUNDS; i++) {
                draw = draw * 1664525u + 1013904223u;
                once(s, draw >> 8);
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    CHECK(s.cache.drain() == brim::status::ok && s.told == s.pending && s.loads > 0);
    CHECK(s.cache.used() <= o.capacity && s.cache.pinned() == 0);
}

/* However many ask, one loads; copies of a ref go from thread to thread. */
TEST(threads_one_load_for_all)
{
    brim::options o;
    o.capacity = 1000;
    brim::cache<int, const tracked> cache = brim::cache<int, const tracked>::make(o);
    std::atomic<int> loads{0};
    std::vector<brim::ref<const tracked>> refs(THREADS);
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < THREADS; t++)
        threads.emplace_back([&, t] {
            refs[t] = cache.get(1, [&] {
                loads++;
                return brim::loaded(make(5), 10);
            });
        });
    for (std::thread &thread : threads)
        thread.join();
    CHECK(loads == 1);
    cache = {};
    for (unsigned t = 0; t < THREADS; t++)
        threads[t] = std::thread([ref = std::move(refs[t])] { CHECK(ref->n == 5); });
    for (std::thread &thread : threads)
        thread.join();
}
