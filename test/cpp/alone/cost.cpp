/* SPDX-License-Identifier: MIT
 *
 * The same work through brim.h and through brim.hpp, for test/cpp/cost.sh to compare: NAME_c and NAME_cpp.
 */
#include <brim.hpp>
#include <cstdio>
#include <cstdlib>

#define MEASURED extern "C" __attribute__((noinline, used)) unsigned long

namespace
{

constexpr std::uint64_t entries = 1000;
constexpr std::size_t batch = 16;

struct tile {
    unsigned long x;
};
using tiles = brim::cache<std::uint64_t, tile>;

std::unique_ptr<tile> make(std::uint64_t key)
{
    return std::make_unique<tile>(tile{static_cast<unsigned long>(key)});
}

brim_status load_c(const void *key, std::size_t, void *, void **value, std::size_t *cost)
{
    *value = make(*static_cast<const std::uint64_t *>(key)).release();
    *cost = 1;
    return BRIM_OK;
}

} // namespace

MEASURED find_release_c(brim_cache *cache)
{
    unsigned long sum = 0;
    for (std::uint64_t key = 0; key < entries; key++) {
        brim_ref *const ref = brim_find(cache, BRIM_KEY(key));
        if (ref) {
            sum += static_cast<const tile *>(brim_ref_value(ref))->x;
            brim_release(ref);
        }
    }
    return sum;
}
MEASURED find_release_cpp(const tiles &cache)
{
    unsigned long sum = 0;
    for (std::uint64_t key = 0; key < entries; key++)
        if (const auto ref = cache.find(key))
            sum += ref->x;
    return sum;
}

MEASURED peek_c(brim_cache *cache)
{
    unsigned long sum = 0;
    if (brim_read_begin(cache) != BRIM_OK)
        return 0;
    for (std::uint64_t key = 0; key < entries; key++)
        if (const tile *const t = static_cast<const tile *>(brim_peek(cache, BRIM_KEY(key))))
            sum += t->x;
    brim_read_end(cache);
    return sum;
}
MEASURED peek_cpp(const tiles &cache)
{
    unsigned long sum = 0;
    if (const auto section = cache.read())
        for (std::uint64_t key = 0; key < entries; key++)
            if (const tile *const t = section.peek(key))
                sum += t->x;
    return sum;
}

MEASURED get_hit_c(brim_cache *cache)
{
    unsigned long sum = 0;
    for (std::uint64_t key = 0; key < entries; key++) {
        brim_ref *ref;
        if (brim_get(cache, BRIM_KEY(key), load_c, nullptr, &ref) == BRIM_OK) {
            sum += static_cast<const tile *>(brim_ref_value(ref))->x;
            brim_release(ref);
        }
    }
    return sum;
}
MEASURED get_hit_cpp(tiles &cache)
{
    unsigned long sum = 0;
    for (std::uint64_t key = 0; key < entries; key++)
        if (const auto ref = cache.get(key, [](std::uint64_t k) { return brim::loaded(make(k), 1); }))
            sum += ref->x;
    return sum;
}

MEASURED find_many_c(brim_cache *cache)
{
    unsigned long sum = 0;
    std::uint64_t keys[batch];
    brim_ref *refs[batch];
    for (std::uint64_t key = 0; key + batch <= entries; key += batch) {
        for (std::size_t i = 0; i < batch; i++)
            keys[i] = key + i;
        sum += brim_find_fixed(cache, keys, sizeof keys[0], sizeof keys[0], batch, refs);
        brim_release_many(refs, batch);
    }
    return sum;
}
MEASURED find_many_cpp(const tiles &cache)
{
    unsigned long sum = 0;
    std::uint64_t keys[batch];
    brim::ref<tile> refs[batch];
    for (std::uint64_t key = 0; key + batch <= entries; key += batch) {
        for (std::size_t i = 0; i < batch; i++)
            keys[i] = key + i;
        sum += cache.find_many(keys, batch, refs);
    }
    return sum;
}

MEASURED insert_remove_c(brim_cache *cache)
{
    unsigned long sum = 0;
    for (std::uint64_t key = entries; key < 2 * entries; key++) {
        tile *const t = make(key).release();
        if (brim_insert(cache, BRIM_KEY(key), t, 1, nullptr) != BRIM_OK)
            delete t;
        sum += brim_remove(cache, BRIM_KEY(key));
    }
    return sum;
}
MEASURED insert_remove_cpp(tiles &cache)
{
    unsigned long sum = 0;
    for (std::uint64_t key = entries; key < 2 * entries; key++) {
        (void)cache.insert(key, make(key), 1);
        sum += cache.remove(key);
    }
    return sum;
}

int main()
{
    brim::options options;
    options.capacity = 1 << 20;
    options.borrow = true;
    options.seed = 1;
    tiles cache = tiles::make(options);
    for (std::uint64_t key = 0; key < entries; key++)
        if (cache.insert(key, make(key), 1) != brim::status::ok)
            return EXIT_FAILURE;
    bool same = true;
#define BOTH(name) same &= name##_c(cache.c()) == name##_cpp(cache)
    for (int round = 0; round < 10; round++) {
        BOTH(find_release);
        BOTH(peek);
        BOTH(get_hit);
        BOTH(find_many);
        BOTH(insert_remove);
    }
    std::printf("%s\n", same ? "the same answers" : "other answers");
    return same ? EXIT_SUCCESS : EXIT_FAILURE;
}
