// SPDX-License-Identifier: MIT
// LevelDB's cache and RocksDB's have one interface in two namespaces.  Define DATABASE (the namespace) and
// CACHE_OF(w), and insert_value(cache, key, value), before this is included.
using DATABASE::Cache;
using DATABASE::Slice;
using peer_token = Cache::Handle *;

inline Slice slice_of(const bench_key *key) { return Slice(reinterpret_cast<const char *>(key), sizeof *key); }

void destroy(const Slice &, void *value) { std::free(value); }

inline const bench_value *peer_find(worker *w, const bench_key *key, peer_token *token)
{
    Cache *cache = CACHE_OF(w);
    *token = cache->Lookup(slice_of(key));
    return *token != nullptr ? static_cast<const bench_value *>(cache->Value(*token)) : nullptr;
}

inline void peer_release(worker *w, peer_token *token) { CACHE_OF(w)->Release(*token); }

inline bool peer_put(worker *w, const bench_key *key, bench_value *value)
{
    return insert_value(CACHE_OF(w), slice_of(key), value, destroy);
}

inline bool peer_erase(worker *w, const bench_key *key)
{
    CACHE_OF(w)->Erase(slice_of(key));
    return true;
}

void *hold(worker *w, uint64_t index)
{
    const bench_key key = item_key(index);
    return CACHE_OF(w)->Lookup(slice_of(&key));
}

void let_go(worker *w, void *held) { CACHE_OF(w)->Release(static_cast<Cache::Handle *>(held)); }

#include "batches.h"
