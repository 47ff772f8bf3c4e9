/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <array>
#include <string>
#include <vector>

using test::make, test::sized, test::tracked;

namespace
{

struct glyph_key {
    std::uint32_t font, glyph;
};
struct serial {
    explicit serial(int n) : number(n) {}
    int number;
};
enum class level : unsigned char { low, high };

/* With padding, and a string: not its bytes. */
struct page_key {
    std::string document;
    int page;
};

/* Not its bytes either, but packed into an array; never unpacked. */
struct point_key {
    float x, y;
};

} // namespace

template <> struct brim::key_bytes<page_key> {
    static std::string pack(const page_key &key)
    {
        std::string bytes(reinterpret_cast<const char *>(&key.page), sizeof key.page);
        return bytes += key.document;
    }
    static page_key unpack(std::string_view bytes)
    {
        page_key key{std::string(bytes.substr(sizeof(int))), 0};
        std::memcpy(&key.page, bytes.data(), sizeof key.page);
        return key;
    }
};

template <> struct brim::key_bytes<point_key> {
    static std::array<char, 8> pack(const point_key &key) noexcept
    {
        std::array<char, 8> bytes;
        std::memcpy(bytes.data(), &key.x, 4);
        std::memcpy(bytes.data() + 4, &key.y, 4);
        return bytes;
    }
};

TEST(keys_that_are_their_bytes)
{
    auto cache = brim::cache<glyph_key, tracked>::make(sized(100));
    CHECK(cache.insert({1, 2}, make(12), 1) == brim::status::ok);
    CHECK(cache.find({1, 2})->n == 12 && !cache.find({2, 1}));
    CHECK(cache.remove({1, 2}));
    const auto got = cache.get(
        {3, 4}, [](const glyph_key &k) { return brim::loaded(make(static_cast<int>(k.font * 10 + k.glyph)), 1); });
    CHECK(got->n == 34 && brim::key_bytes<glyph_key>::unpack(got.bytes()).glyph == 4);
    auto levels = brim::cache<level, tracked>::make(sized(100));
    CHECK(levels.insert(level::high, make(1), 1) == brim::status::ok && levels.find(level::high) &&
          !levels.find(level::low));
    auto arrays = brim::cache<std::array<int, 3>, tracked>::make(sized(100));
    CHECK(arrays.insert({1, 2, 3}, make(1), 1) == brim::status::ok && arrays.contains({1, 2, 3}));
    auto serials = brim::cache<serial, tracked>::make(sized(100));
    brim::key<tracked> handle = serials.insert_and_hold(serial(8), make(1), 1).key();
    CHECK(serials.remove(serial(8)));
    CHECK(serials.get(handle, [](const serial &k) { return brim::loaded(make(k.number), 1); })->n == 8);
    const int here = 0;
    auto pointers = brim::cache<const int *, tracked>::make(sized(100));
    CHECK(pointers.insert(&here, make(1), 1) == brim::status::ok && pointers.contains(&here));
}

TEST(keys_that_are_strings)
{
    auto cache = brim::cache<std::string, tracked>::make(sized(100));
    const std::string name = "a name that is longer than any small string";
    CHECK(cache.insert(name, make(1), 1) == brim::status::ok);
    CHECK(cache.insert("", make(2), 1) == brim::status::ok);
    CHECK(cache.find(name)->n == 1 && cache.find(std::string_view(name))->n == 1 && cache.find("")->n == 2);
    CHECK(cache.find(name).bytes() == name && cache.find("").bytes().data() != nullptr);
    CHECK(!cache.find("nothing") && cache.contains(name.c_str()));
    const auto got =
        cache.get("seven", [](std::string_view k) { return brim::loaded(make(static_cast<int>(k.size())), 1); });
    CHECK(got->n == 5);

    std::vector<std::string> names{name, "nothing", "seven"};
    for (int i = 0; i < 40; i++)
        names.push_back(i % 3 == 0 ? "seven" : "none");
    std::vector<brim::ref<tracked>> refs(names.size());
    CHECK(cache.find_many(names.data(), names.size(), refs.data()) == 2 + 14);
    CHECK(refs[0]->n == 1 && !refs[1] && refs[2]->n == 5 && refs[42]->n == 5 && !refs[41]);
    const char *const literals[] = {"seven", "none"};
    CHECK(cache.find_many(literals, 2, refs.data()) == 1);
#if defined(__cpp_lib_span)
    CHECK(cache.find_many(names, refs) == 2 + 14);
#endif
    auto views = brim::cache<std::string_view, tracked>::make(sized(100));
    CHECK(views.insert("x", make(1), 1) == brim::status::ok && views.contains(std::string("x")));
}

TEST(keys_that_are_packed)
{
    auto cache = brim::cache<page_key, tracked>::make(sized(100));
    const page_key keys[] = {{"book", 1}, {"book", 2}, {"a document with a long name", 3}};
    for (const page_key &k : keys)
        CHECK(cache.insert(k, make(k.page), 1) == brim::status::ok);
    CHECK(cache.find(keys[2])->n == 3 && !cache.find({"book", 3}));
    brim::ref<tracked> refs[3];
    CHECK(cache.remove(keys[0]) && cache.find_many(keys, 3, refs) == 2 && !refs[0] && refs[1]->n == 2);
    brim::key<tracked> handle = refs[2].key();
    CHECK(cache.remove(keys[2]));
    const auto again = cache.get(handle, [](const page_key &k) {
        CHECK(k.document == "a document with a long name");
        return brim::loaded(make(k.page + 10), 1);
    });
    CHECK(again->n == 13 && handle.find()->n == 13);

    auto points = brim::cache<point_key, tracked>::make(sized(100));
    CHECK(points.insert({1, 2}, make(1), 1) == brim::status::ok && points.contains({1, 2}) &&
          !points.contains({2, 1}));
    brim::key<tracked> point = points.find({1, 2}).key();
    CHECK(points.remove({1, 2}));
    CHECK(
        points
            .get(point, [](std::string_view bytes) { return brim::loaded(make(static_cast<int>(bytes.size())), 1); })
            ->n == 8);
}
