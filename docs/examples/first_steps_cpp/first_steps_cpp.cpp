// SPDX-License-Identifier: MIT
// first_steps.c in C++: a cache of tiles, with a lambda as loader and handles that end by themselves.
#include <brim.hpp>
#include <cstdio>
#include <vector>

struct tile {
    std::vector<unsigned char> pixels;
};

using tile_cache = brim::cache<std::uint64_t, const tile>; // what many threads look at is best const

// The lambda runs when the tile is not there, once, however many threads ask for it.
static brim::loaded<const tile> render(std::uint64_t id)
{
    auto made = std::make_unique<tile>();
    made->pixels.assign(64 * 64, static_cast<unsigned char>(id));
    std::printf("rendered tile %llu\n", static_cast<unsigned long long>(id));
    const std::size_t cost = made->pixels.size();
    return {std::move(made), cost};
}

static brim::status draw(tile_cache &tiles, std::uint64_t id)
{
    const auto t = tiles.get(id, render);
    if (!t)
        return t.status();
    std::printf("drew tile %llu in colour %d\n", static_cast<unsigned long long>(id), t->pixels[0]);
    return brim::status::ok; // the ref lets go
}

int main()
{
    brim::options options;
    options.capacity = 1 << 20; // bytes, as are the costs
    options.name = "tiles";
    auto made = tile_cache::make(options);
    if (!made) {
        std::fprintf(stderr, "first_steps_cpp: %s\n", brim::describe(made.status()));
        return 1;
    }
    tile_cache tiles = std::move(made);
    for (const std::uint64_t id : {7U, 7U}) // the first renders it, the second finds it
        if (const brim::status status = draw(tiles, id); status != brim::status::ok) {
            std::fprintf(stderr, "first_steps_cpp: %s\n", brim::describe(status));
            return 1;
        }
    std::printf("tile 8 is %s\n", tiles.find(8) ? "there" : "not there"); // never loads
    const brim::stats now = tiles.stats();
    std::printf("%llu hit, %llu misses, %zu of %zu bytes used, %zu held\n",
                static_cast<unsigned long long>(now.hits), static_cast<unsigned long long>(now.misses), now.used,
                now.capacity, now.pinned);
    return 0;
}
