// SPDX-License-Identifier: MIT
// LevelDB's sharded LRU cache.
#include "peer.h"

#include <cstdio>
#include <cstdlib>
#include <leveldb/cache.h>
#include <leveldb/db.h>

namespace {

inline bool insert_value(leveldb::Cache *cache, const leveldb::Slice &key, bench_value *value,
                         void (*destroy)(const leveldb::Slice &, void *))
{
    cache->Release(cache->Insert(key, value, BENCH_VALUE_BYTES, destroy));
    return true;
}

#define DATABASE leveldb
#define CACHE_OF(w) static_cast<leveldb::Cache *>((w)->cache)
#include "handles.h"

void *open_cache(size_t capacity, size_t, unsigned) { return leveldb::NewLRUCache(capacity); }

void close_cache(void *cache) { delete static_cast<Cache *>(cache); }

void version(char *text, size_t size)
{
    std::snprintf(text, size, "LevelDB %d.%d", leveldb::kMajorVersion, leveldb::kMinorVersion);
}

} // namespace

const peer peer_leveldb = {"leveldb", "16 shards", PEER_ALL, false,  version,   open_cache, close_cache, nullptr,
                           nullptr,   nullptr,     hold,     let_go, put_value, look_up,    PEER_LOOPS};
