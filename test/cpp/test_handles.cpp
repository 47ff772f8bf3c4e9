/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <vector>

using test::ints, test::make, test::sized, test::tracked;

static_assert(sizeof(brim::ref<tracked>) == sizeof(void *));
static_assert(sizeof(brim::key<tracked>) == sizeof(void *));
static_assert(sizeof(brim::slot<tracked>) == sizeof(void *));
static_assert(sizeof(brim::borrowed<tracked>) == sizeof(void *));
static_assert(sizeof(brim::section<int, tracked>) == sizeof(void *));
static_assert(sizeof(brim::group) == sizeof(void *));
static_assert(sizeof(brim::queue) == sizeof(void *));
static_assert(sizeof(ints) == sizeof(void *));
static_assert(std::is_trivially_copyable_v<brim::borrowed<tracked>>);

/* Counted: copied and moved; the others are moved alone, or not at all. */
template <class H> inline constexpr bool counted = std::is_nothrow_copy_constructible_v<H>
    &&std::is_nothrow_copy_assignable_v<H> &&std::is_nothrow_move_constructible_v<H>
        &&std::is_nothrow_move_assignable_v<H> &&std::is_nothrow_default_constructible_v<H>;
template <class H> inline constexpr bool moved =
    !std::is_copy_constructible_v<H> && !std::is_copy_assignable_v<H> && std::is_nothrow_move_constructible_v<H> &&
    std::is_nothrow_move_assignable_v<H> && std::is_nothrow_default_constructible_v<H>;
template <class H> inline constexpr bool stays =
    !std::is_copy_constructible_v<H> && !std::is_move_constructible_v<H>;
static_assert(counted<brim::ref<tracked>> && counted<brim::key<tracked>> && counted<brim::group>);
static_assert(moved<ints> && moved<brim::section<int, tracked>> && moved<brim::load<tracked>> && moved<brim::wait> &&
              moved<brim::queue>);
static_assert(stays<brim::slot<tracked>> && stays<brim::kind<tracked>>);
static_assert(std::is_convertible_v<brim::ref<tracked>, brim::ref<const tracked>>);
static_assert(std::is_convertible_v<brim::ref<tracked>, brim::ref<void>>);
static_assert(!std::is_convertible_v<brim::ref<const tracked>, brim::ref<tracked>>);
static_assert(!std::is_convertible_v<brim::ref<void>, brim::ref<tracked>>);

/* The options do not count groups: a temporary would be gone when they are used. */
static_assert(std::is_constructible_v<brim::groups, brim::group &> &&
              std::is_constructible_v<brim::groups, const brim::group &, brim::group &>);
static_assert(!std::is_constructible_v<brim::groups, brim::group> &&
              !std::is_constructible_v<brim::groups, brim::group &, brim::group>);

/* A pointer of another type than was stored would be adjusted wrongly. */
struct base {
    virtual ~base() = default;
};
struct derived : base {
};
static_assert(!std::is_convertible_v<brim::ref<derived>, brim::ref<base>>);

TEST(handles_ref_is_counted)
{
    auto cache = ints::make(sized(100));
    brim::ref<tracked> a = cache.insert_and_hold(1, make(7), 10);
    CHECK(a && a->n == 7 && (*a).n == 7 && a.get()->n == 7);
    CHECK(a.cost() == 10 && a.is_cached() && a.kind() != nullptr);
    CHECK(a.bytes().size() == sizeof(int) && brim::key_bytes<int>::unpack(a.bytes()) == 1);
    CHECK(cache.pinned() == 10);

    brim::ref<tracked> b = a;
    a.reset();
    CHECK(!a && a.get() == nullptr && a.cost() == 0 && a.bytes().empty() && !a.is_cached());
    CHECK(cache.remove(1) && !b.is_cached());
    CHECK(tracked::alive == 1 && b->n == 7);

    brim::ref<tracked> c = std::move(b);
    CHECK(!b && c);
    brim::ref<tracked> &self = c;
    c = self;
    CHECK(c->n == 7);
    c = std::move(self);
    CHECK(c && c->n == 7);
    b = c;
    c = nullptr;
    CHECK(tracked::alive == 1);
    swap(b, c);
    CHECK(!b && c);
    brim::ref<const tracked> constant = std::move(c);
    brim::ref<const void> anything = constant;
    constant = {};
    CHECK(tracked::alive == 1 && !c);
    anything = {};
    CHECK(tracked::alive == 0);
}

TEST(handles_ref_detach_adopt)
{
    auto cache = ints::make(sized(100));
    brim::ref<tracked> a = cache.insert_and_hold(1, make(7), 10);
    brim_ref *const c = a.detach();
    CHECK(!a && brim_ref_cost(c) == 10);
    a = brim::ref<tracked>::adopt(c);
    CHECK(a.c() == c && cache.pinned() == 10);
}

TEST(handles_ref_reset_with)
{
    auto cache = ints::make(sized(100));
    brim::ref<tracked> a = cache.insert_and_hold(1, make(7), 10);
    brim::ref<tracked> b = a;
    CHECK(!a.reset(brim::remove_if_last) && !a && cache.contains(1));
    CHECK(b.reset(brim::not_useful | brim::remove_if_last) && !b && !cache.contains(1));
    CHECK(tracked::alive == 0);
}

TEST(handles_ref_set_cost)
{
    auto cache = ints::make(sized(100));
    brim::ref<tracked> a = cache.insert_and_hold(1, make(7), 10);
    CHECK(a.set_cost(60) == brim::status::ok && a.cost() == 60 && cache.used() == 60);
    CHECK(a.set_cost(101) == brim::status::full && a.cost() == 60);
    CHECK(brim::ref<tracked>().set_cost(1) == brim::status::invalid);
}

TEST(handles_refs_outlive_their_cache)
{
    brim::ref<tracked> ref;
    brim::key<tracked> key;
    {
        auto cache = ints::make(sized(100));
        ref = cache.insert_and_hold(1, make(7), 10);
        key = ref.key();
    }
    CHECK(ref->n == 7 && !key.is_valid() && !key.find());
    ref.reset();
    CHECK(tracked::alive == 0);
}

TEST(handles_refs_released_together)
{
    auto cache = ints::make(sized(100));
    std::vector<brim::ref<tracked>> refs(3);
    refs[0] = cache.insert_and_hold(1, make(1), 10);
    refs[2] = cache.insert_and_hold(2, make(2), 10);
    CHECK(cache.pinned() == 20);
    brim::release_many(refs.data(), refs.size());
    CHECK(cache.pinned() == 0 && !refs[0] && !refs[1] && !refs[2]);
    brim::release_many(refs.data(), 0);
    brim::release_many<tracked>(nullptr, 0);
}

TEST(handles_key_names_one_value)
{
    auto cache = ints::make(sized(100));
    brim::key<tracked> a = cache.insert_and_hold(1, make(7), 10).key();
    brim::key<tracked> b = a;
    CHECK(a && a == b && !(a != b) && a.is_valid());
    CHECK(a.find()->n == 7 && brim::key_bytes<int>::unpack(a.bytes()) == 1);
    CHECK(cache.insert(1, make(8), 10) == brim::status::ok);
    CHECK(!a.is_valid() && !a.find() && !a.remove());
    const brim::key<tracked> second = cache.find(1).key();
    CHECK(second != a);
    b = second;
    CHECK(b == second && b.is_valid());
    brim::key<tracked> &self = b;
    b = self;
    b = std::move(self);
    CHECK(b == second);
    swap(a, b);
    CHECK(a == second && b != second);
    CHECK(a.remove() && !cache.contains(1));
    const brim::key<const tracked> constant = std::move(a);
    CHECK(!a && constant && a == nullptr);
    CHECK(brim::key<tracked>::adopt(b.detach()) != second && !b);
}

TEST(handles_keys_find_many)
{
    auto cache = ints::make(sized(100));
    std::vector<brim::key<tracked>> keys(3);
    keys[0] = cache.insert_anonymous(make(1), 10);
    keys[2] = cache.insert_anonymous(make(3), 10);
    std::vector<brim::ref<tracked>> refs(3);
    for (int again = 0; again < 2; again++) {
        CHECK(brim::find_many(keys.data(), keys.size(), refs.data()) == 2);
        CHECK(refs[0]->n == 1 && !refs[1] && refs[2]->n == 3 && cache.pinned() == 20);
    }
}

TEST(handles_slot)
{
    auto cache = ints::make(sized(100));
    const brim::key<tracked> one = cache.insert_anonymous(make(1), 10), two = cache.insert_anonymous(make(2), 10);
    brim::slot<tracked> empty, slot{brim::key<tracked>(one)};
    CHECK(!empty.find() && !empty.load());
    CHECK(slot.find()->n == 1 && slot.load() == one);
    slot.store(two);
    CHECK(slot.find()->n == 2);
    CHECK(slot.exchange(one) == two && slot.load() == one);
    brim::key<tracked> desired = two;
    CHECK(!slot.compare_exchange(two, std::move(desired)) && desired == two);
    CHECK(slot.compare_exchange(one, std::move(desired)) && !desired && slot.load() == two);
    CHECK(brim_slot_find(slot.c()) == slot.find().c());
    brim_release(slot.find().c()); // that of the line before
}

TEST(handles_group)
{
    auto cache = ints::make(sized(1000));
    brim::group document = cache.make_group(), font = cache.make_group();
    CHECK(document && font);
    brim::entry_options options;
    options.groups = {document, font};
    CHECK(cache.insert(1, make(1), 10, options) == brim::status::ok);
    options.groups = font;
    CHECK(cache.insert(2, make(2), 10, options) == brim::status::ok);
    const brim::group other = cache.make_group();
    options.groups = {document, font, document, other};
    CHECK(cache.insert(3, make(3), 10, options) == brim::status::ok);
    document.invalidate();
    CHECK(!cache.contains(1) && cache.contains(2) && !cache.contains(3));
    CHECK(cache.insert(1, make(1), 10, options) == brim::status::ok);
    brim::group copy = document;
    CHECK(copy.c() == document.c());
    document = {};
    copy.close();
    std::unique_ptr<tracked> value = make(4);
    CHECK(cache.insert(4, std::move(value), 10, options) == brim::status::canceled && value);
    CHECK(copy.loads() == 0);
    copy = font;
    brim::group moved = std::move(copy);
    CHECK(!copy && moved && brim::group::adopt(moved.detach()) && !moved);
}

TEST(handles_queue)
{
    brim::queue queue = brim::queue::make();
    CHECK(queue && !brim::queue() && brim::queue().collect() == 0);
    brim::kind_options options;
    options.queue = &queue;
    const brim::kind<tracked> kind("queued", options);
    auto cache = ints::make(sized(100), kind);
    for (int i = 0; i < 3; i++)
        CHECK(cache.insert(i, make(i), 10) == brim::status::ok && cache.remove(i));
    CHECK(tracked::alive == 3 && cache.stats().queued_values == 3);
    CHECK(queue.collect(1) == 1 && tracked::alive == 2);
    CHECK(queue.collect() == 2 && tracked::alive == 0);
    CHECK(cache.insert(1, make(1), 10) == brim::status::ok && cache.remove(1));
    brim::queue other = std::move(queue);
    CHECK(!queue && other && tracked::alive == 1);
    other = {};
    CHECK(tracked::alive == 0);
    queue = brim::queue::adopt(brim::queue::make().detach());
    CHECK(queue.c() != nullptr);
}
