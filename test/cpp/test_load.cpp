/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <pthread.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;
using test::ints, test::make, test::sized, test::tracked;

TEST(load_get)
{
    auto cache = ints::make(sized(100));
    int calls = 0;
    const auto with_key = [&](int key) {
        calls++;
        return brim::loaded(make(key * 2), 10);
    };
    CHECK(cache.get(4, with_key)->n == 8 && cache.get(4, with_key)->n == 8 && calls == 1);
    CHECK(cache.get(5, [n = std::make_unique<int>(3)]() mutable { return brim::loaded(make(*n), 10); })->n == 3);
    const auto failed = cache.get(6, []() -> brim::loaded<tracked> { return brim::status::nomem; });
    CHECK(!failed && failed.status() == brim::status::failed);
    const auto impossible = cache.get(6, []() -> brim::loaded<tracked> { return brim::status::ok; });
    CHECK(!impossible && impossible.status() == brim::status::failed);
    const auto nothing = cache.get(7, [] { return brim::loaded(std::unique_ptr<tracked>(), 1); });
    CHECK(nothing && !nothing.get() && cache.contains(7));
    const auto large = cache.get(8, [] { return brim::loaded(make(8), 1000); });
    CHECK(large && large->n == 8 && !large.is_cached());
}

TEST(load_get_with_options)
{
    auto cache = ints::make(sized(100));
    int reason = -1;
    brim::load_options options;
    options.reason = &reason;
    options.expected_cost = 10;
    const brim::group group = cache.make_group();
    options.entry.groups = group;
    const auto fail = []() -> brim::loaded<tracked> { return brim::status::nomem; };
    CHECK(cache.get(1, fail, options).status() == brim::status::failed && reason == BRIM_NOMEM);
    CHECK(cache.get(
                   1, [] { return brim::loaded(make(1), 10); }, options)
                  ->n == 1 &&
          reason == 0);

    brim::claim<tracked> claimed = cache.claim(2);
    options.timeout = 0ms;
    CHECK(cache.get(2, fail, options).status() == brim::status::pending);
    options.timeout = 1ms;
    CHECK(cache.get(2, fail, options).status() == brim::status::timeout);
}

TEST(load_of_a_key)
{
    auto cache = ints::make(sized(100));
    brim::key<tracked> key = cache.insert_and_hold(3, make(1), 10).key();
    CHECK(ints::get(key, [](int k) { return brim::loaded(make(k), 10); })->n == 1);
    CHECK(cache.remove(3));
    CHECK(ints::get(key, [](int k) { return brim::loaded(make(k), 10); })->n == 3);
    CHECK(key.is_valid() && key.find()->n == 3);
    brim::key<tracked> none;
    CHECK(ints::get(none, [] { return brim::loaded(make(1), 10); }).status() == brim::status::invalid);
}

TEST(load_in_a_loader)
{
    auto cache = ints::make(sized(100));
    CHECK(!brim::this_load::is_wanted() && brim::this_load::asked() == 0);
    cache.next_frame();
    CHECK(cache.get(1, [&] {
        CHECK(brim::this_load::is_wanted() && brim::this_load::asked() == 1);
        CHECK(cache.get(1, [] { return brim::loaded(make(1), 1); }).status() == brim::status::deadlock);
        CHECK(cache.cancel_load(1) && !brim::this_load::is_wanted());
        return brim::loaded(make(1), 1);
    }));
    CHECK(!cache.cancel_load(1));
}

TEST(load_claim)
{
    auto cache = ints::make(sized(100));
    auto [status, ref, load] = cache.claim(1);
    CHECK(status == brim::status::claimed && !ref && load && load.is_wanted() && load.asked() == 0);
    CHECK(cache.claim(1, 0ms).status == brim::status::pending);
    CHECK(cache.claim(1, 1ms).status == brim::status::timeout);
    load.begin();
    std::unique_ptr<tracked> value = make(1);
    CHECK(load.finish(std::move(value), 10) == brim::status::ok && !load && !value);
    CHECK(load.finish(make(2), 10) == brim::status::invalid);
    const brim::claim<tracked> hit = cache.claim(1);
    CHECK(hit.status == brim::status::ok && hit.ref->n == 1 && !hit.load);
    CHECK(cache.claim(2).load.finish_and_hold(make(2), 10)->n == 2);
    const auto large = cache.claim(3).load.finish_and_hold(make(3), 1000);
    CHECK(large && large.status() == brim::status::too_big && large->n == 3);
    ints none;
    CHECK(none.claim(1).status == brim::status::invalid);
}

TEST(load_finish_with)
{
    auto cache = ints::make(sized(100));
    brim::load<tracked> load = cache.claim(1).load;
    brim::entry_options options;
    options.priority = static_cast<brim::priority>(5);
    std::unique_ptr<tracked> value = make(1);
    CHECK(load.finish(std::move(value), 10, options) == brim::status::invalid && load && value);
    options.priority = brim::priority::high;
    CHECK(load.finish(std::move(value), 10, options) == brim::status::ok && !load && !value);
    CHECK(cache.claim(2).load.finish_and_hold(make(2), 10, options)->n == 2);
}

TEST(load_fails_when_forgotten)
{
    auto cache = ints::make(sized(100));
    int reason = 0;
    {
        brim::load<tracked> load = cache.claim(1).load;
        CHECK(cache.claim_async(1, [&](ints::ref r, int why) { reason = r ? 0 : why; }).status ==
              brim::status::pending);
        CHECK(reason == 0);
    }
    CHECK(reason == BRIM_FAILED && cache.stats().load_failures == 1 && cache.stats().loading == 0);
    brim::load<tracked> moved = cache.claim(1).load;
    moved = cache.claim(2).load;
    CHECK(cache.stats().loading == 1);
    brim::load<tracked> adopted = brim::load<tracked>::adopt(moved.detach());
    CHECK(!moved && adopted && cache.stats().loading == 1);
}

TEST(load_fail)
{
    auto cache = ints::make(sized(100));
    int reason = 0;
    brim::load_options options;
    options.reason = &reason;
    cache.claim(1).load.fail();
    CHECK(cache.claim(1).load);
    brim::load<tracked> load = cache.claim(1).load;
    load.fail_for(77, 1h);
    CHECK(!load && cache.claim(1, options).status == brim::status::failed && reason == 77);
    load = cache.claim(2).load;
    load.fail(78);
    CHECK(!load && cache.claim(2, options).load && reason == 0);
}

TEST(load_claim_many)
{
    auto cache = ints::make(sized(1000));
    std::vector<int> keys;
    for (int i = 0; i < 40; i++)
        keys.push_back(i);
    keys.push_back(39);
    for (int i = 0; i < 40; i += 2)
        CHECK(cache.insert(i, make(i), 1) == brim::status::ok);
    cache.claim(1).load.fail_for(55, 1h);
    int reason = 0;
    brim::load_options options;
    options.reason = &reason;
    std::vector<brim::claim<tracked>> claims(keys.size());
    CHECK(cache.claim_many(keys.data(), keys.size(), claims.data(), options) == 20);
    CHECK(claims[1].status == brim::status::failed && reason == 55);
    CHECK(claims[40].status == brim::status::pending);
    for (std::size_t i = 2; i < 40; i++)
        CHECK(i % 2 == 0 ? claims[i].ref->n == static_cast<int>(i) : static_cast<bool>(claims[i].load));
    CHECK(claims[39].load.finish(make(39), 1) == brim::status::ok);
    CHECK(cache.claim_many(&keys[39], 2, claims.data()) == 2 && claims[1].ref->n == 39);
    auto names = brim::cache<std::string, tracked>::make(sized(100));
    const std::string two[] = {"a", "b"};
    CHECK(names.claim_many(two, 2, claims.data()) == 0 && claims[0].load && claims[1].load);
#if defined(__cpp_lib_span)
    CHECK(cache.claim_many(std::span(keys).first(3), claims) == 2);
#endif
}

TEST(load_async)
{
    auto cache = ints::make(sized(100));
    CHECK(cache.insert(9, make(9), 1) == brim::status::ok);
    const auto never = [](ints::ref, int) { CHECK(false); };
    CHECK(cache.claim_async(9, never).ref->n == 9);
    auto first = cache.claim_async(1, never);
    CHECK(first.status == brim::status::claimed && first.load && !first.wait);

    static int told;
    told = 0;
    const auto owned = std::make_shared<int>(1);
    const auto large = [owned, some = std::string("captured")](ints::ref r, int reason) {
        told += r && r->n == 1 && reason == 0 && some == "captured";
    };
    int *const sum = &told;
    CHECK(cache.claim_async(1, large).status == brim::status::pending);
    CHECK(cache.claim_async(1, [sum](ints::ref r, int) { *sum += r->n; }).status == brim::status::pending);
    auto canceled = cache.claim_async(1, [owned](ints::ref, int) { CHECK(false); });
    CHECK(owned.use_count() == 4 && canceled.wait.cancel() && !canceled.wait && owned.use_count() == 3);
    CHECK(!canceled.wait.cancel());
    auto trivial = cache.claim_async(1, never);
    brim::wait moved = std::move(trivial.wait);
    CHECK(!trivial.wait && moved && moved.cancel());
    CHECK(first.load.finish(make(1), 10) == brim::status::ok);
    CHECK(told == 2 && owned.use_count() == 2);

    auto failing = cache.claim_async(2, never);
    int reason = 0;
    auto late = cache.claim_async(2, [&](ints::ref r, int why) { reason = r ? 0 : why; });
    failing.load.fail(66);
    CHECK(reason == 66 && !late.wait.cancel());

    static const brim::kind<tracked> kind("async");
    CHECK(cache.claim_async(3, kind, never).load.finish(make(3), 1, {}) == brim::status::ok);
    CHECK(cache.find(3).kind() == kind.c());
}

#if defined(__cpp_exceptions)
TEST(load_exceptions_reach_the_caller_alone)
{
    auto cache = ints::make(sized(100));
    int reason = 0;
    std::string caught;
    try {
        (void)cache.get(1, [&]() -> brim::loaded<tracked> {
            const auto other = cache.claim_async(1, [&](ints::ref r, int why) { reason = r ? 0 : why; });
            CHECK(other.status == brim::status::pending);
            throw std::runtime_error("no such tile");
        });
    } catch (const std::runtime_error &e) {
        caught = e.what();
    }
    CHECK(caught == "no such tile" && reason == BRIM_FAILED);
    CHECK(!cache.contains(1) && cache.get(1, [] { return brim::loaded(make(1), 1); }));

    /* Through a loader in a loader. */
    caught.clear();
    try {
        (void)cache.get(2, [&] {
            const auto inner = cache.get(3, []() -> brim::loaded<tracked> { throw std::string("inner"); });
            return brim::loaded(make(inner ? 1 : 0), 1);
        });
    } catch (const std::string &e) {
        caught = e;
    }
    CHECK(caught == "inner" && cache.stats().loading == 0);

    brim::key<tracked> key = cache.find(1).key();
    CHECK(cache.remove(1));
    caught.clear();
    try {
        (void)ints::get(key, []() -> brim::loaded<tracked> { throw std::string("by key"); });
    } catch (const std::string &e) {
        caught = e;
    }
    CHECK(caught == "by key" && key);
}

/* The unwinding of a canceled thread goes through Brim, which expects it, and ends destructors on its way. */
TEST(load_cancellation_of_a_thread)
{
    static std::atomic<int> ended;
    struct counter {
        ~counter() { ended++; }
    };
    ended = 0;
    static auto cache = ints::make(sized(100));
    pthread_t thread;
    void *result = nullptr;
    const auto run = [](void *) -> void * {
        (void)cache.get(1, []() -> brim::loaded<tracked> {
            const counter local{};
            for (;;)
                usleep(1000);
        });
        return nullptr;
    };
    CHECK(pthread_create(&thread, nullptr, run, nullptr) == 0);
    while (cache.stats().loading == 0)
        std::this_thread::yield();
    CHECK(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED && ended == 1 && cache.stats().load_failures == 1);
    CHECK(cache.get(1, [] { return brim::loaded(make(1), 1); })->n == 1);
    cache.clear();
}
#endif
