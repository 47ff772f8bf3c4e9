// SPDX-License-Identifier: MIT
// oneTBB's concurrent_hash_map: no cache, for it has no bound, but what a look-up costs there.
#include "peer.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <tbb/concurrent_hash_map.h>
#include <tbb/version.h>

namespace {


struct Compare {
    static size_t hash(const bench_key &key)
    {
        const uint64_t product = (key.word[0] ^ key.word[1]) * 0x9E3779B97F4A7C15u;
        return product ^ (product >> 32);
    }
    static bool equal(const bench_key &a, const bench_key &b)
    {
        return a.word[0] == b.word[0] && a.word[1] == b.word[1];
    }
};

// The C library's malloc, as all peers have.
using Allocator = std::allocator<std::pair<const bench_key, bench_value *>>;
using Map = tbb::concurrent_hash_map<bench_key, bench_value *, Compare, Allocator>;
using peer_token = Map::const_accessor;

inline Map *map_of(const worker *w) { return static_cast<Map *>(w->cache); }

inline const bench_value *peer_find(worker *w, const bench_key *key, peer_token *token)
{
    return map_of(w)->find(*token, *key) ? (*token)->second : nullptr;
}

inline void peer_release(worker *, peer_token *token) { token->release(); }

inline bool peer_put(worker *w, const bench_key *key, bench_value *value)
{
    bench_value *old = nullptr;
    {
        Map::accessor place;
        if (!map_of(w)->insert(place, *key))
            old = place->second;
        place->second = value;
    }
    std::free(old);
    return true;
}

inline bool peer_erase(worker *w, const bench_key *key)
{
    Map::accessor place;
    if (!map_of(w)->find(place, *key))
        return false;
    bench_value *value = place->second;
    map_of(w)->erase(place);
    std::free(value);
    return true;
}

#include "batches.h"

void *open_map(size_t, size_t, unsigned) { return new Map; }

void close_map(void *cache)
{
    auto *map = static_cast<Map *>(cache);
    for (const auto &pair : *map)
        std::free(pair.second);
    delete map;
}

void version(char *text, size_t size)
{
    std::snprintf(text, size, "oneTBB %d.%d", TBB_VERSION_MAJOR, TBB_VERSION_MINOR);
}

} // namespace

const peer peer_onetbb = {"onetbb", "concurrent_hash_map: no bound", PEER_FITTING, false,   version,
                          open_map, close_map,                       nullptr,      nullptr, nullptr,
                          nullptr,  nullptr,                         put_value,    look_up, PEER_LOOPS};
