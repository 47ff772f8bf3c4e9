// SPDX-License-Identifier: MIT
// RocksDB's HyperClockCache and LRUCache, which share an interface.
#include "peer.h"

#include <cstdio>
#include <cstdlib>
#include <rocksdb/cache.h>
#include <rocksdb/version.h>

namespace {

using Shared = std::shared_ptr<rocksdb::Cache>;

// Without a handle out it never fails: what is refused is destroyed.
inline bool insert_value(rocksdb::Cache *cache, const rocksdb::Slice &key, bench_value *value,
                         rocksdb::Cache::DeleterFn destroy)
{
    return cache->Insert(key, value, BENCH_VALUE_BYTES, destroy).ok();
}

#define DATABASE rocksdb
#define CACHE_OF(w) (static_cast<Shared *>((w)->cache)->get())
#include "handles.h"

void *open_hyperclock(size_t capacity, size_t, unsigned)
{
    const rocksdb::HyperClockCacheOptions options(capacity, BENCH_VALUE_BYTES, PEER_SHARD_BITS, false, nullptr,
                                                  rocksdb::kDontChargeCacheMetadata);
    return new Shared(options.MakeSharedCache());
}

void *open_lru(size_t capacity, size_t, unsigned)
{
    rocksdb::LRUCacheOptions options;
    options.capacity = capacity;
    options.num_shard_bits = PEER_SHARD_BITS;
    options.strict_capacity_limit = false;
    options.metadata_charge_policy = rocksdb::kDontChargeCacheMetadata;
    return new Shared(rocksdb::NewLRUCache(options));
}

void close_cache(void *cache) { delete static_cast<Shared *>(cache); }

void version(char *text, size_t size)
{
    std::snprintf(text, size, "RocksDB %s", rocksdb::GetRocksVersionAsString().c_str());
}

using open_function = void *(size_t, size_t, unsigned);

constexpr peer rocksdb_peer(const char *name, const char *note, bool loses, open_function *open)
{
    return {name, note, PEER_ALL, loses,  version,   open,    close_cache, nullptr,
            nullptr, nullptr, hold, let_go, put_value, look_up, PEER_LOOPS};
}

} // namespace

const peer peer_rocksdb_hyperclock = rocksdb_peer("rocksdb hyperclock", "does not overwrite, loses some inserts", true, open_hyperclock);
const peer peer_rocksdb_lru = rocksdb_peer("rocksdb lru", nullptr, false, open_lru);
