// SPDX-License-Identifier: MIT
// Qt's QCache under a mutex, in shards.  It owns its objects, so these are shared pointers: a value outlives its
// eviction.  Not in `pinned': its capacity does not count what is held.
#include "peer.h"

#include <QCache>
#include <QMutex>
#include <QSharedData>
#include <cstdio>
#include <cstdlib>
#include <memory>

namespace {


struct Key {
    bench_key bytes;
};

inline uint mix(const Key &key)
{
    return uint(((key.bytes.word[0] ^ key.bytes.word[1]) * 0x9E3779B97F4A7C15u) >> 32);
}

inline bool operator==(const Key &a, const Key &b)
{
    return a.bytes.word[0] == b.bytes.word[0] && a.bytes.word[1] == b.bytes.word[1];
}

inline uint qHash(const Key &key, uint seed) { return mix(key) ^ seed; }

struct Item : QSharedData {
    explicit Item(bench_value *v) : value(v) {}
    ~Item() { std::free(value); }
    bench_value *const value;
};
using Pointer = QExplicitlySharedDataPointer<Item>;
using peer_token = Pointer;

struct alignas(64) Shard {
    QMutex mutex;
    QCache<Key, Pointer> cache;
};

struct Shards {
    Shard shard[PEER_SHARDS];
};

inline Shard &shard_of(const worker *w, const Key &key)
{
    return static_cast<Shards *>(w->cache)->shard[mix(key) >> (32 - PEER_SHARD_BITS)];
}

inline const bench_value *peer_find(worker *w, const bench_key *key, peer_token *token)
{
    const Key k{*key};
    Shard &shard = shard_of(w, k);
    const QMutexLocker locker(&shard.mutex);
    const Pointer *found = shard.cache.object(k);
    if (found == nullptr)
        return nullptr;
    *token = *found;
    return (*token)->value;
}

// The token's destructor does it.
inline void peer_release(worker *, peer_token *) {}

inline bool peer_put(worker *w, const bench_key *key, bench_value *value)
{
    const Key k{*key};
    Shard &shard = shard_of(w, k);
    auto pointer = std::make_unique<Pointer>(new Item(value));
    const QMutexLocker locker(&shard.mutex);
    shard.cache.insert(k, pointer.release(), BENCH_VALUE_BYTES);   // refused, it is deleted
    return true;
}

inline bool peer_erase(worker *w, const bench_key *key)
{
    const Key k{*key};
    Shard &shard = shard_of(w, k);
    const QMutexLocker locker(&shard.mutex);
    return shard.cache.remove(k);
}

#include "batches.h"

void *open_shards(size_t capacity, size_t, unsigned)
{
    auto *shards = new Shards;
    for (Shard &shard : shards->shard)
        shard.cache.setMaxCost(int(capacity / PEER_SHARDS));
    return shards;
}

void close_shards(void *cache) { delete static_cast<Shards *>(cache); }

void version(char *text, size_t size) { std::snprintf(text, size, "Qt %s", qVersion()); }

} // namespace

const peer peer_qt_qcache = {"qt qcache",
                             "64 x (QMutex, QCache of shared pointers)",
                             PEER_BOUNDED,
                             false,
                             version,
                             open_shards,
                             close_shards,
                             nullptr,
                             nullptr,
                             nullptr,
                             nullptr,
                             nullptr,
                             put_value,
                             look_up,
                             PEER_LOOPS};
