/* SPDX-License-Identifier: MIT
 *
 * What the blocks of docs/CPP.md stand in: test/cpp/blocks.sh.
 */
#include <brim.hpp>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

struct tile {
    std::vector<unsigned char> pixels;
};
struct glyph {
    int advance;
};
struct texture {
    unsigned name;
};
struct texture_delete {
    void operator()(texture *t) const { delete t; }
};
struct viewer {
    void redraw(brim::ref<tile> t);
    void forget(int reason);
    bool closed() const;
};

constexpr std::size_t tile_bytes = 256 * 256;
std::unique_ptr<tile> render(std::uint64_t id);
std::unique_ptr<tile> read_tile(std::uint64_t id);
brim::loaded<tile> load(std::uint64_t id);
void blit(const tile &t, int x, int y);
void draw_placeholder(int x, int y);
void keep_for_later(std::unique_ptr<tile> t);
