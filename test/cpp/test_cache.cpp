/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <cstdio>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using test::ints, test::make, test::sized, test::tracked;

TEST(cache_insert_takes_what_it_keeps)
{
    auto cache = ints::make(sized(100));
    CHECK(cache && cache.status() == brim::status::ok);
    std::unique_ptr<tracked> value = make(1);
    CHECK(cache.insert(1, std::move(value), 101) == brim::status::too_big && value);
    CHECK(cache.insert(1, std::move(value), 100) == brim::status::ok && !value);
    const brim::ref<tracked> held = cache.find(1);
    CHECK(held->n == 1 && cache.contains(1) && !cache.find(2) && !cache.contains(2));
    value = make(2);
    CHECK(cache.insert(2, std::move(value), 1) == brim::status::full && value);
    const auto refused = cache.insert_and_hold(2, std::move(value), 1);
    CHECK(!refused && refused.status() == brim::status::full && value);
    CHECK(cache.remove(1) && !cache.remove(1));
}

TEST(cache_insert_with_options)
{
    auto cache = ints::make(sized(100));
    brim::entry_options once;
    once.only_if_absent = true;
    CHECK(cache.insert(1, make(1), 10, once) == brim::status::ok);
    std::unique_ptr<tracked> value = make(2);
    CHECK(cache.insert(1, std::move(value), 10, once) == brim::status::exists && value);
    const auto there = cache.insert_and_hold(1, std::move(value), 10, once);
    CHECK(there && there.status() == brim::status::exists && there->n == 1 && value);
    brim::entry_options drop;
    drop.drop_old = true;
    CHECK(cache.insert(1, std::move(value), 1000, drop) == brim::status::too_big && !cache.contains(1));
    brim::entry_options bad;
    bad.priority = static_cast<brim::priority>(2);
    CHECK(cache.insert(1, std::move(value), 10, bad) == brim::status::invalid);
    bad.priority = brim::priority::low;
    bad.work = 5ms;
    CHECK(cache.insert(1, std::move(value), 10, bad) == brim::status::ok);
}

TEST(cache_insert_or_wrap)
{
    auto cache = ints::make(sized(100));
    brim::entry_options once;
    once.only_if_absent = true;
    CHECK(cache.insert_or_wrap(1, make(1), 10).status() == brim::status::ok && cache.contains(1));
    const auto wrapped = cache.insert_or_wrap(2, make(2), 1000);
    CHECK(wrapped && wrapped.status() == brim::status::too_big && !wrapped.is_cached() && wrapped->n == 2);
    std::unique_ptr<tracked> value = make(3);
    const auto there = cache.insert_or_wrap(1, std::move(value), 10, once);
    CHECK(there.status() == brim::status::exists && there->n == 1 && !value && tracked::alive == 2);
    const auto outside = cache.wrap(make(4), 10);
    CHECK(outside && outside->n == 4 && !outside.is_cached() && outside.bytes().data() == nullptr);
    ints none;
    value = make(5);
    CHECK(none.wrap(std::move(value), 10).status() == brim::status::invalid && value);
    CHECK(none.insert_or_wrap(1, std::move(value), 10).status() == brim::status::invalid && value);
}

TEST(cache_anonymous)
{
    auto cache = ints::make(sized(100));
    const brim::key<tracked> key = cache.insert_anonymous(make(1), 10);
    CHECK(key.find()->n == 1 && key.bytes().data() == nullptr);
    const auto ref = cache.insert_anonymous_and_hold(make(2), 10);
    CHECK(ref->n == 2 && ref.key().find()->n == 2 && cache.count() == 2);
    std::unique_ptr<tracked> value = make(3);
    CHECK(!cache.insert_anonymous(std::move(value), 1000) && value);
    CHECK(!cache.insert_anonymous_and_hold(std::move(value), 1000) && value);
}

TEST(cache_replace)
{
    auto cache = ints::make(sized(100));
    brim::key<tracked> key = cache.insert_and_hold(1, make(1), 10).key();
    const brim::key<tracked> old = key;
    CHECK(ints::replace(key, make(2), 10) == brim::status::ok);
    CHECK(key.find()->n == 2 && !old.is_valid() && cache.find(1)->n == 2);
    CHECK(ints::replace(key, make(3), 20, {}) == brim::status::ok && cache.used() == 20);
    CHECK(ints::replace_and_hold(key, make(4), 10, {})->n == 4);
    std::unique_ptr<tracked> value = make(5);
    CHECK(ints::replace(key, std::move(value), 1000) == brim::status::too_big && value && key.find()->n == 4);
    CHECK(cache.remove(1));
    CHECK(ints::replace(key, std::move(value), 10) == brim::status::invalid && value);
    CHECK(ints::replace_and_hold(key, std::move(value), 10, {}).status() == brim::status::invalid && value);
}

TEST(cache_null_values)
{
    auto cache = ints::make(sized(100));
    CHECK(cache.insert(1, nullptr, 1) == brim::status::ok);
    const brim::ref<tracked> nothing = cache.find(1);
    CHECK(nothing && nothing.get() == nullptr && nothing.cost() == 1);
}

TEST(cache_empty_one)
{
    ints cache;
    CHECK(!cache && cache.c() == nullptr && !cache.find(1) && !cache.contains(1) && !cache.remove(1));
    std::unique_ptr<tracked> value = make(1);
    CHECK(cache.insert(1, std::move(value), 1) == brim::status::invalid && value);
    CHECK(!cache.make_group() && cache.used() == 0 && cache.stats().hits == 0 &&
          cache.drain() == brim::status::invalid);
    auto made = ints::make(sized(SIZE_MAX));
    CHECK(!made && made.status() == brim::status::invalid);
    cache = ints::make(sized(100));
    CHECK(cache.insert(1, std::move(value), 1) == brim::status::ok);
    ints other = std::move(cache);
    CHECK(!cache && other.find(1)->n == 1);
    other = ints();
    CHECK(tracked::alive == 0);
    other = ints::adopt(ints::make(sized(100)).detach());
    CHECK(other.capacity() == 100);
}

struct pixel_base {
    virtual ~pixel_base() { ended++; }
    static int ended;
};
int pixel_base::ended;
struct pixel : pixel_base {
    int value = 3;
};

TEST(cache_of_a_base_class)
{
    {
        auto cache = brim::cache<int, pixel_base>::make(sized(100));
        CHECK(cache.insert(1, std::make_unique<pixel>(), 10) == brim::status::ok);
        const auto got = cache.get(2, [] { return brim::loaded(std::make_unique<pixel>(), 10); });
        CHECK(got && static_cast<pixel *>(got.get())->value == 3);
    }
    CHECK(pixel_base::ended == 2);
}

TEST(cache_of_const)
{
    auto cache = brim::cache<int, const tracked>::make(sized(100));
    CHECK(cache.insert(1, std::make_unique<const tracked>(4), 10) == brim::status::ok);
    const brim::ref<const tracked> r = cache.find(1);
    CHECK(r->n == 4);
    CHECK(cache.get(2, [] { return brim::loaded(make(5), 10); })->n == 5);
}

static std::atomic<int> ended;
TEST(cache_options)
{
    static std::uint64_t time;
    ended = 0;
    brim::options o;
    o.capacity = 1000;
    o.name = "named";
    o.shards = 2;
    o.expected_cost = 10;
    o.max_entries = 3;
    o.objective = brim::objective::hits;
    o.hash = brim::hash::strong;
    o.seed = 5;
    o.charge_overhead = true;
    o.protect_frame = true;
    o.now = [](void *arg) { return *static_cast<std::uint64_t *>(arg); };
    o.now_arg = &time;
    o.gone = [](void *arg) { ++*static_cast<std::atomic<int> *>(arg); };
    o.gone_arg = &ended;
    {
        auto cache = ints::make(o);
        CHECK(cache.stats().shards == 2);
        brim::entry_options entry;
        entry.max_age = 1us;
        CHECK(cache.insert(1, make(1), 10, entry) == brim::status::ok && cache.used() > 10);
        entry = {};
        entry.max_idle = 2us;
        CHECK(cache.insert(2, make(2), 10, entry) == brim::status::ok);
        CHECK(cache.contains(1) && cache.contains(2));
        time += 1500;
        CHECK(!cache.contains(1) && cache.contains(2));
        time += 1500;
        CHECK(!cache.contains(2));
        entry = {};
        entry.max_age = -1ns;
        CHECK(cache.insert(3, make(3), 10, entry) == brim::status::ok);
        time += 1;
        CHECK(!cache.contains(3));
        for (int i = 0; i < 10; i++)
            CHECK(cache.insert(i, make(i), 10) == brim::status::ok);
        CHECK(cache.count() <= 3);
    }
    CHECK(ended == 1);
}

TEST(cache_options_reach_the_library)
{
    brim::options o;
    o.capacity = 100;
    o.shards = 65537;
    CHECK(ints::make(o).status() == brim::status::invalid);
    o.shards = 0;
    o.objective = static_cast<brim::objective>(9);
    CHECK(ints::make(o).status() == brim::status::invalid);
    o.objective = brim::objective::work;
    o.hash = static_cast<brim::hash>(9);
    CHECK(ints::make(o).status() == brim::status::invalid);
    o.hash = brim::hash::fast;
    brim_allocator none = {};
    o.allocator = &none;
    CHECK(ints::make(o).status() == brim::status::invalid);
    const brim_options c = brim::detail::c_options(o, nullptr);
    CHECK(c.allocator == &none && c.objective == BRIM_WORK && c.capacity == 100);
}

struct frozen {
    using duration = std::chrono::microseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<frozen>;
    static constexpr bool is_steady = true;
    static time_point now() { return time_point(duration(ticks)); }
    static long ticks;
};
long frozen::ticks = 5;

TEST(cache_clock_of_chrono)
{
    brim::options o = sized(100);
    o.now = brim::now<frozen>;
    CHECK(brim::now<frozen>(nullptr) == 5000);
    auto cache = ints::make(o);
    brim::entry_options entry;
    entry.max_age = 10us;
    CHECK(cache.insert(1, make(1), 10, entry) == brim::status::ok);
    frozen::ticks += 9;
    CHECK(cache.contains(1));
    frozen::ticks += 2;
    CHECK(!cache.contains(1));
}

TEST(cache_timeouts)
{
    using brim::detail::milliseconds;
    CHECK(milliseconds(brim::forever) == -1 && milliseconds(0ms) == 0 && milliseconds(2s) == 2000);
    CHECK(milliseconds(std::chrono::milliseconds::max()) == -1 && milliseconds(std::chrono::hours(24 * 365)) == -1);
}

TEST(cache_bounds)
{
    auto cache = ints::make(sized(100));
    for (int i = 0; i < 10; i++)
        CHECK(cache.insert(i, make(i), 10) == brim::status::ok);
    CHECK(cache.used() == 100 && cache.count() == 10 && cache.capacity() == 100);
    CHECK(cache.set_capacity(50) == brim::status::ok && cache.capacity() == 50 && cache.used() == 50);
    CHECK(cache.reserve(20) == brim::status::ok && cache.used() <= 50 && cache.stats().reserved == 20);
    CHECK(cache.reserve(51) == brim::status::full);
    cache.unreserve(20);
    CHECK(cache.trim(20) > 0 && cache.used() <= 20);
    CHECK(cache.trim_own_kind(10) > 0 && cache.used() <= 10);
    CHECK(cache.next_frame() == 1 && cache.frame() == 1);
    CHECK(cache.trim_unused_since(1) == 10 && cache.count() == 0);
    CHECK(cache.insert(1, make(1), 10) == brim::status::ok && cache.idle() == 0);
    CHECK(cache.idle() == 10);
    CHECK(cache.insert(1, make(1), 10) == brim::status::ok);
    cache.clear();
    CHECK(cache.count() == 0 && cache.drain(1s) == brim::status::ok);
    CHECK(cache.set_own_limits(0, 20) == brim::status::ok && cache.set_own_limits(30, 20) == brim::status::invalid);
    for (int i = 0; i < 3; i++)
        CHECK(cache.insert(i, make(i), 10) == brim::status::ok);
    CHECK(cache.used() == 20);
}

TEST(cache_find_many)
{
    auto cache = ints::make(sized(1000));
    std::vector<int> keys(40);
    for (int i = 0; i < 40; i++) {
        keys[static_cast<std::size_t>(i)] = i;
        if (i % 2 == 0)
            CHECK(cache.insert(i, make(i), 1) == brim::status::ok);
    }
    std::vector<ints::ref> refs(40);
    for (int again = 0; again < 2; again++) {
        CHECK(cache.find_many(keys.data(), keys.size(), refs.data()) == 20);
        for (std::size_t i = 0; i < 40; i++)
            CHECK(i % 2 == 0 ? refs[i] && refs[i]->n == static_cast<int>(i) : !refs[i]);
        CHECK(cache.pinned() == 20);
    }
    struct glyph {
        float x;
        int id;
    } glyphs[2] = {{0, 4}, {0, 5}};
    CHECK(cache.find_many(&glyphs[0].id, 2, refs.data(), sizeof *glyphs) == 1 && refs[0]->n == 4 && !refs[1]);
#if defined(__cpp_lib_span)
    CHECK(cache.find_many(keys, refs) == 20);
    CHECK(cache.find_many(std::span(keys).first(3), refs) == 2);
    CHECK(cache.find_many(keys, std::span(refs).first(5)) == 3);
#endif
}

TEST(cache_walks)
{
    auto cache = ints::make(sized(1000));
    for (int i = 0; i < 10; i++)
        CHECK(cache.insert(i, make(i), 1) == brim::status::ok);
    int sum = 0;
    CHECK(cache.for_each([&](const ints::ref &r) { sum += r->n; }) == 10 && sum == 45);
    int seen = 0;
    CHECK(cache.for_each([&](const ints::ref &) { return ++seen < 4; }) == 4 && seen == 4);
    ints::ref kept;
    CHECK(cache.remove_if([&](const ints::ref &r) {
        if (r->n == 3)
            kept = r;
        return r->n % 2 == 1;
    }) == 5);
    CHECK(cache.count() == 5 && !cache.contains(3) && kept->n == 3 && cache.pinned() == 1);
    std::vector<int> few;
    const auto collect = [&few](const ints::ref &r) { few.push_back(r->n); };
    CHECK(cache.for_each(collect) == 5 && few.size() == 5);
}

TEST(cache_statistics)
{
    auto cache = ints::make(sized(1000)), other = ints::make(sized(10));
    CHECK(cache.insert(1, make(1), 10) == brim::status::ok);
    CHECK(cache.find(1) && !cache.find(2));
    const brim::stats s = cache.stats();
    CHECK(s.hits == 1 && s.misses == 1 && s.used == 10 && s.capacity == 1000);

    std::FILE *const file = std::tmpfile();
    CHECK(cache.write_stats(file, brim::format::json) == brim::status::ok && std::ftell(file) > 0);
    CHECK(cache.write_stats(nullptr, brim::format::json) == brim::status::invalid);
    std::fclose(file);

    std::string text;
    const auto append = [&](std::string_view part) { text += part; };
    CHECK(brim::emit_stats({cache.c(), other.c()}, brim::format::prometheus, append) == brim::status::ok);
    CHECK(text.find("brim_hits") != std::string::npos);
    int parts = 0;
    brim_cache *const both[] = {cache.c(), other.c()};
    CHECK(brim::emit_stats(both, 2, brim::format::text, [&](std::string_view) { return ++parts < 2; }) ==
          brim::status::failed);
    CHECK(parts == 2);

    CHECK(cache.report_problems() == 0);
    CHECK(other.insert(1, make(1), 1000) == brim::status::too_big);
    text.clear();
    const std::size_t problems = other.report_problems(append);
    CHECK(problems > 0 && problems == other.report_problems() && !text.empty());
}

TEST(cache_words)
{
    CHECK(std::string(brim::describe(brim::status::full)) == brim_strerror(BRIM_FULL));
    CHECK(std::string(brim::version()) == brim_version());
}

#if defined(__cpp_exceptions)
TEST(cache_walks_pass_on_exceptions)
{
    auto cache = ints::make(sized(1000));
    for (int i = 0; i < 300; i++)
        CHECK(cache.insert(i, make(i), 1) == brim::status::ok);
    int calls = 0, caught = 0;
    try {
        cache.for_each([&](const ints::ref &) {
            if (++calls == 3)
                throw calls;
        });
    } catch (int n) {
        caught = n;
    }
    CHECK(calls == 3 && caught == 3 && cache.pinned() == 0);
    calls = caught = 0;
    try {
        cache.remove_if([&](const ints::ref &) {
            if (++calls == 3)
                throw calls;
            return true;
        });
    } catch (int n) {
        caught = n;
    }
    CHECK(calls == 3 && caught == 3 && cache.count() == 298 && cache.pinned() == 0);
    calls = caught = 0;
    const auto fail = [&](std::string_view) { throw ++calls; };
    try {
        (void)brim::emit_stats({cache.c()}, brim::format::text, fail);
    } catch (int n) {
        caught = n;
    }
    CHECK(calls == 1 && caught == 1);
    auto small = ints::make(sized(10));
    CHECK(small.insert(1, make(1), 1000) == brim::status::too_big && small.report_problems() > 0);
    caught = 0;
    try {
        small.report_problems(fail);
    } catch (int n) {
        caught = n;
    }
    CHECK(calls == 2 && caught == 2);
}
#endif
