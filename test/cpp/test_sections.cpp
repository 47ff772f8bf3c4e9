/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <string>
#include <vector>

using test::ints, test::make, test::sized, test::tracked;

static brim::options borrowing(std::size_t capacity)
{
    brim::options o = sized(capacity);
    o.borrow = true;
    return o;
}

TEST(sections_keep_what_they_lent)
{
    auto cache = ints::make(borrowing(100));
    CHECK(cache.insert(1, make(7), 10) == brim::status::ok);
    brim::key<tracked> key = cache.find(1).key();
    {
        auto section = cache.read();
        CHECK(section && section.status() == brim::status::ok);
        const tracked *const value = section.peek(1);
        CHECK(value && value->n == 7 && section.peek(key) == value && !section.peek(2));
        CHECK(cache.remove(1) && tracked::alive == 1 && value->n == 7 && cache.stats().waiting_values == 1);
        CHECK(!section.peek(1) && !section.peek(key));
    }
    CHECK(tracked::alive == 0 && cache.stats().sections == 0);
}

TEST(sections_end_and_refresh)
{
    auto cache = ints::make(borrowing(100));
    CHECK(cache.insert(1, make(1), 10) == brim::status::ok && cache.insert(2, make(2), 10) == brim::status::ok);
    ints::section section = cache.read();
    CHECK(section.peek(1) && cache.remove(1) && tracked::alive == 2);
    section.refresh();
    CHECK(tracked::alive == 1 && section && section.peek(2));
    ints::section moved = std::move(section);
    CHECK(!section && moved && cache.stats().sections == 1 && moved.c() == cache.c());
    section.refresh();
    section.end();
    CHECK(!section.peek(2) && !section.peek(cache.find(2).key()) && !section.borrow(2));
    moved = cache.read();
    CHECK(moved && cache.stats().sections == 1);
    moved.end();
    CHECK(!moved && cache.stats().sections == 0);
}

TEST(sections_borrow)
{
    auto cache = ints::make(borrowing(100));
    CHECK(cache.insert(1, make(7), 10) == brim::status::ok && cache.insert(2, nullptr, 1) == brim::status::ok);
    ints::ref held;
    {
        const ints::section section = cache.read();
        const brim::borrowed<tracked> b = section.borrow(1);
        CHECK(b && b->n == 7 && b.cost() == 10 && b.is_cached() && brim::key_bytes<int>::unpack(b.bytes()) == 1);
        CHECK(section.borrow(2) && !section.borrow(2).get() && !section.borrow(3));
        CHECK(!section.borrow(3).hold());
        held = b.hold();
        CHECK(cache.remove(1) && !b.is_cached());
    }
    CHECK(held->n == 7 && tracked::alive == 1);
}

TEST(sections_peek_many)
{
    auto cache = ints::make(borrowing(1000));
    std::vector<int> keys;
    for (int i = 0; i < 40; i++) {
        keys.push_back(i);
        if (i % 2 == 0)
            CHECK(cache.insert(i, make(i), 1) == brim::status::ok);
    }
    std::vector<tracked *> values(40);
    const ints::section section = cache.read();
    CHECK(section.peek_many(keys.data(), keys.size(), values.data()) == 20);
    for (std::size_t i = 0; i < 40; i++)
        CHECK(i % 2 == 0 ? values[i] && values[i]->n == static_cast<int>(i) : !values[i]);
    const std::pair<int, int> pairs[] = {{4, 0}, {5, 0}, {6, 0}};
    CHECK(section.peek_many(&pairs[0].first, 3, values.data(), sizeof pairs[0]) == 2 && values[2]->n == 6);
#if defined(__cpp_lib_span)
    CHECK(section.peek_many(keys, values) == 20);
    CHECK(section.peek_many(std::span(keys).first(3), values) == 2);
#endif
    auto names = brim::cache<std::string, tracked>::make(borrowing(100));
    CHECK(names.insert("a", make(1), 1) == brim::status::ok);
    const auto reading = names.read();
    const std::string_view two[] = {"b", "a"};
    CHECK(reading.peek_many(two, 2, values.data()) == 1 && !values[0] && values[1]->n == 1);
}

TEST(sections_unsupported)
{
    auto cache = ints::make(sized(100));
    const auto section = cache.read();
    CHECK(!section && section.status() == brim::status::unsupported && !section.peek(1));
    CHECK(ints().read().status() == brim::status::invalid);
}

TEST(sections_of_several_kinds)
{
    static const brim::kind<tracked> some("some"), other("other");
    auto cache = brim::cache<int, void>::make(borrowing(100));
    CHECK(cache.insert(1, some, make(3), 1) == brim::status::ok);
    const auto section = cache.read();
    CHECK(section.borrow(1).as(some)->n == 3 && !section.borrow(1).as(other) && !section.borrow(2).as(some));
}

TEST(sections_outlive_their_cache)
{
    ints::section section;
    const tracked *value;
    {
        auto cache = ints::make(borrowing(100));
        CHECK(cache.insert(1, make(7), 10) == brim::status::ok);
        section = cache.read();
        value = section.peek(1);
    }
    CHECK(value->n == 7 && tracked::alive == 1);
    section.end();
    CHECK(tracked::alive == 0);
}
