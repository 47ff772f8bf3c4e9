/* SPDX-License-Identifier: MIT
 *
 * What must not compile: each line with a WRONG(n) by itself, and for the reason that it gives.  Without, all of it
 * must. test/cpp/refused.sh.
 */
#include <brim.hpp>
#include <utility>

struct tile {
    int x;
};
struct padded {
    char a;
    int b;
};
using tiles = brim::cache<int, tile>;
using mixed = brim::cache<int, void>;

#if !defined(CASE)
#define CASE 0
#endif

void all(tiles &cache, mixed &several, const brim::kind<padded> &other, std::unique_ptr<tile> tile_value);
void all(tiles &cache, mixed &several, const brim::kind<padded> &other, std::unique_ptr<tile> tile_value)
{
    brim::ref<tile> ref = cache.find(1);
    brim::ref<void> some = ref;
    brim::load<tile> load = cache.claim(1).load;
    tiles::section section = cache.read();
    brim::queue queue = brim::queue::make();
    brim::slot<tile> slot;
    brim::entry_options options;
    (void)some, (void)slot, (void)queue, (void)several, (void)other, (void)tile_value, (void)options;
#if CASE == 1 // deleted|protected
    tiles copy = cache;
#elif CASE == 2 // deleted
    brim::load<tile> copy = load;
#elif CASE == 3 // deleted
    tiles::section copy = section;
#elif CASE == 4 // deleted
    brim::queue copy = queue;
#elif CASE == 5 // deleted
    brim::slot<tile> moved = std::move(slot);
#elif CASE == 6 // deleted
    brim::claim<tile> claim = cache.claim(2), copy = claim;
#elif CASE == 7 // no matching|cannot bind|cannot convert|no viable
    (void)cache.insert(1, tile_value, 1);
#elif CASE == 8 // ignoring return
    cache.insert(1, std::move(tile_value), 1);
#elif CASE == 9 // ignoring return
    cache.get(1, [] { return brim::loaded(std::make_unique<tile>(), 1); });
#elif CASE == 10 // ignoring return
    cache.find(1);
#elif CASE == 11 // K is not its bytes
    (void)brim::cache<padded, tile>().find({1, 2});
#elif CASE == 12 // K is not its bytes
    (void)brim::cache<double, tile>().find(1.0);
#elif CASE == 13 // K is not its bytes
    (void)brim::cache<const char *, tile>().find("");
#elif CASE == 14 // a cache of several kinds
    (void)several.get(1, [] { return brim::loaded(std::make_unique<tile>(), 1); });
#elif CASE == 15 // a kind of other values
    (void)cache.insert(1, other, std::make_unique<padded>(), 1);
#elif CASE == 16 // never holds a value of that kind
    (void)ref.as(other);
#elif CASE == 17 // no match|no viable
    ref = some;
#elif CASE == 18 // no viable|no match
    options.groups = cache.make_group();
#elif CASE == 19 // a Deleter with state
    (void)brim::cache<int, tile, void (*)(tile *)>::make({100});
#elif CASE == 20 // conver|no viable
    (void)cache.get(1, [] { return 3; });
#elif CASE != 0
#error "no such case"
#endif
}
