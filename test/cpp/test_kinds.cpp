/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <string>
#include <vector>

using test::make, test::sized, test::tracked;

namespace
{

/* A deleter with state, as of objects that belong to a context. */
struct context {
    int freed = 0;
};
struct texture {
    int id;
};
struct texture_delete {
    context *owner = nullptr;
    void operator()(texture *t) const
    {
        owner->freed++;
        delete t;
    }
};

/* Deleters that want to know more. */
std::size_t last_cost;
std::string last_key;
struct cost_delete {
    void operator()(tracked *t) const { delete t; }
    void operator()(tracked *t, std::size_t cost) const
    {
        last_cost = cost;
        delete t;
    }
};
struct key_delete {
    std::string *where = &last_key;
    void operator()(tracked *t) { delete t; }
    void operator()(tracked *t, std::string_view key, std::size_t cost)
    {
        *where = std::string(key);
        last_cost = cost;
        delete t;
    }
};
struct stateless_key_delete {
    void operator()(tracked *t) const { delete t; }
    void operator()(tracked *t, std::string_view key, std::size_t) const
    {
        last_key = std::string(key);
        delete t;
    }
};

struct note {
    std::string *log;
    int *unused_calls;
    void operator()(std::string_view key, const tracked *t, std::size_t cost, brim::cause why) const
    {
        *log += std::string(key) + ":" + std::to_string(t->n) + ":" + std::to_string(cost) + ":" +
                std::to_string(static_cast<int>(why)) + " ";
    }
    void unused() const { ++*unused_calls; }
};

struct image {
    tracked body{1};
};
struct glyph {
    tracked body{2};
};
const brim::kind<image> images("image");
const brim::kind<glyph> glyphs("glyph");
using mixed = brim::cache<int, void>;

} // namespace

TEST(kinds_deleter_with_state)
{
    context gpu;
    const brim::kind<texture, texture_delete> textures("texture", {}, texture_delete{&gpu});
    {
        auto cache = brim::cache<int, texture, texture_delete>::make(sized(100), textures);
        using pointer = std::unique_ptr<texture, texture_delete>;
        CHECK(cache.insert(1, pointer(new texture{1}, {&gpu}), 10) == brim::status::ok);
        CHECK(cache.get(2, [&] { return brim::loaded(pointer(new texture{2}, {&gpu}), 10); })->id == 2);
        CHECK(cache.find(1).kind() == textures.c());
    }
    CHECK(gpu.freed == 2);
}

TEST(kinds_deleters_that_want_more)
{
    {
        auto cache = brim::cache<std::string, tracked, cost_delete>::make(sized(100));
        CHECK(cache.insert("a", std::unique_ptr<tracked, cost_delete>(new tracked(1)), 12) == brim::status::ok);
    }
    CHECK(last_cost == 12);
    const brim::kind<tracked, key_delete> kind("keyed");
    {
        auto cache = brim::cache<std::string, tracked, key_delete>::make(sized(100), kind);
        CHECK(cache.insert("name", std::unique_ptr<tracked, key_delete>(new tracked(1)), 13) == brim::status::ok);
    }
    CHECK(last_key == "name" && last_cost == 13);
    {
        auto cache = brim::cache<std::string, tracked, stateless_key_delete>::make(sized(100));
        CHECK(cache.insert("other", std::unique_ptr<tracked, stateless_key_delete>(new tracked(1)), 13) ==
              brim::status::ok);
    }
    CHECK(last_key == "other");
}

TEST(kinds_unowned)
{
    tracked mine(5);
    {
        auto cache = brim::cache<int, tracked, brim::unowned>::make(sized(100));
        CHECK(cache.insert(1, std::unique_ptr<tracked, brim::unowned>(&mine), 1) == brim::status::ok);
        CHECK(cache.find(1).get() == &mine && cache.find(1).kind()->destroy == nullptr);
    }
    CHECK(tracked::alive == 1);
}

TEST(kinds_listener)
{
    std::string log;
    int unused = 0;
    const auto kind = brim::make_kind<tracked>("noted", {}, note{&log, &unused});
    {
        auto cache = brim::cache<std::string, tracked>::make(sized(20), kind);
        CHECK(cache.insert("a", make(1), 10) == brim::status::ok &&
              cache.insert("a", make(2), 5) == brim::status::ok);
        CHECK(log == "a:1:10:2 ");
        CHECK(cache.remove("a") && log == "a:1:10:2 a:2:5:1 ");
        CHECK(cache.insert("b", make(3), 20) == brim::status::ok &&
              cache.insert("c", make(4), 20) == brim::status::ok);
        CHECK(log == "a:1:10:2 a:2:5:1 b:3:20:0 " && unused == 0);
    }
    CHECK(log == "a:1:10:2 a:2:5:1 b:3:20:0 c:4:20:6 " && unused == 1);

    std::vector<brim::cause> causes;
    const auto with_lambda =
        brim::make_kind<tracked>("lambda", {}, [&causes](std::string_view, tracked *, std::size_t, brim::cause why) {
            causes.push_back(why);
        });
    auto cache = brim::cache<int, tracked>::make(sized(20), with_lambda);
    CHECK(cache.insert(1, make(1), 1) == brim::status::ok);
    cache.clear();
    CHECK(causes.size() == 1 && causes[0] == brim::cause::cleared);
}

TEST(kinds_three_in_one_cache)
{
    auto cache = mixed::make(sized(1000));
    CHECK(cache.insert(1, images, std::make_unique<image>(), 10) == brim::status::ok);
    CHECK(cache.insert_and_hold(2, glyphs, std::make_unique<glyph>(), 5)->body.n == 2);
    const brim::ref<image> one = cache.find(1).as(images);
    CHECK(one && one->body.n == 1);
    CHECK(!cache.find(1).as(glyphs) && !cache.find(9).as(images));
    const brim::ref<void> some = cache.find(2);
    CHECK(some.as(glyphs)->body.n == 2 && !some.as(images) && some);
    CHECK(cache.pinned() == 15);

    const auto got = cache.get(3, glyphs, [] { return brim::loaded(std::make_unique<glyph>(), 5); });
    CHECK(got && got->body.n == 2 && got.kind() == glyphs.c());
    const auto wrong = cache.get(3, images, [] { return brim::loaded(std::make_unique<image>(), 5); });
    CHECK(!wrong && wrong.status() == brim::status::invalid);
    CHECK(cache.claim(3, images).status == brim::status::invalid && cache.claim(3, glyphs).ref->body.n == 2);
    auto claimed = cache.claim(4, images);
    CHECK(claimed.load && claimed.load.finish(std::make_unique<image>(), 7, {}) == brim::status::ok);
    CHECK(cache.find(4).as(images) && cache.stats(images).used == 17 && cache.stats(glyphs).used == 10);

    brim::key<image> key = cache.insert_anonymous(images, std::make_unique<image>(), 10);
    CHECK(mixed::replace(key, images, std::make_unique<image>(), 9, {}) == brim::status::ok);
    CHECK(mixed::replace_and_hold(key, images, std::make_unique<image>(), 8, {}).cost() == 8);
    CHECK(cache.wrap(glyphs, std::make_unique<glyph>(), 1)->body.n == 2);
    CHECK(cache.insert_or_wrap(5, glyphs, std::make_unique<glyph>(), 10000)->body.n == 2);
    CHECK(cache.insert_anonymous_and_hold(glyphs, std::make_unique<glyph>(), 1)->body.n == 2);
    brim::key<glyph> three = got.key();
    CHECK(cache.remove(3));
    CHECK(mixed::get(three, glyphs, [](int k) {
              CHECK(k == 3);
              return brim::loaded(std::make_unique<glyph>(), 5);
          }).kind() == glyphs.c());
    const int keys[] = {1, 77};
    brim::claim<image> claims[2];
    CHECK(cache.claim_many(keys, 2, images, claims) == 1 && claims[0].ref && claims[1].load);
    CHECK(cache.trim(images, 0) > 0 && cache.set_limits(glyphs, 0, 10) == brim::status::ok);
    CHECK(cache.stats(glyphs).ceiling == 10);
}

TEST(kinds_of_one_type_in_one_cache)
{
    brim::kind_options limits;
    limits.ceiling = 15;
    limits.floor = 5;
    const brim::kind<tracked> own("own"), small("small", limits);
    auto cache = brim::cache<int, tracked>::make(sized(100), own);
    for (int i = 0; i < 4; i++)
        CHECK(cache.insert(i, small, make(i), 5) == brim::status::ok);
    CHECK(cache.insert(10, make(1), 5) == brim::status::ok && cache.find(10).kind() == own.c());
    CHECK(cache.stats(small).used == 15 && cache.stats(small).floor == 5 && cache.stats(own).used == 5);
    brim::load_options options;
    options.expected_cost = 5;
    CHECK(cache
              .get(
                  11, small, [] { return brim::loaded(make(1), 5); }, options)
              .kind() == small.c());
}
