// SPDX-License-Identifier: MIT
// leveldb::Cache over Brim, for leveldb::Options::block_cache.  LevelDB is built without RTTI; what includes this has
// to be, too.
#pragma once
#include <atomic>
#include <brim.h>
#include <cstdio>
#include <cstdlib>
#include <leveldb/cache.h>
#include <memory>

class BrimLevelDBCache final : public leveldb::Cache
{
  public:
    using Deleter = void(const leveldb::Slice &key, void *value);

    // NULL: no memory.
    static std::unique_ptr<BrimLevelDBCache> make(std::size_t capacity)
    {
        brim_options options;
        brim_options_init(&options, capacity);
        options.name = "leveldb";
        options.kind = &kind;
        options.expected_cost = 4096; // a block
        brim_cache *cache;
        if (brim_cache_new(&options, &cache) != BRIM_OK)
            return nullptr;
        return std::unique_ptr<BrimLevelDBCache>(new BrimLevelDBCache(cache));
    }
    ~BrimLevelDBCache() override { brim_cache_free(cache_); }

    // LevelDB wants a handle in every case: what is too large, or finds all else held, is the handle's own.
    Handle *Insert(const leveldb::Slice &key, void *value, std::size_t charge, Deleter *deleter) override
    {
        item *const made = new item{value, deleter};
        brim_ref *ref;
        const brim_status status =
            brim_insert_or_wrap(cache_, key.data(), key.size(), made, charge, nullptr, &ref);
        if (ref == nullptr) { // no memory, which LevelDB's own cache does not survive either
            std::fprintf(stderr, "BrimLevelDBCache: %s\n", brim_strerror(status));
            std::abort();
        }
        return handle_of(ref);
    }
    Handle *Lookup(const leveldb::Slice &key) override
    {
        return handle_of(brim_find(cache_, key.data(), key.size()));
    }
    void Release(Handle *handle) override { brim_release(ref_of(handle)); }
    void *Value(Handle *handle) override { return static_cast<item *>(brim_ref_value(ref_of(handle)))->value; }
    void Erase(const leveldb::Slice &key) override { (void)brim_remove(cache_, key.data(), key.size()); }
    std::uint64_t NewId() override { return last_id_.fetch_add(1, std::memory_order_relaxed) + 1; }
    void Prune() override { (void)brim_trim(cache_, 0); }
    std::size_t TotalCharge() const override { return brim_used(cache_); }

    brim_stats stats() const
    {
        brim_stats filled;
        brim_stats_get(cache_, &filled);
        return filled;
    }

  private:
    struct item { // each value has its own deleter, and wants its key
        void *value;
        Deleter *destroy;
    };

    explicit BrimLevelDBCache(brim_cache *cache) : cache_(cache) {}

    static Handle *handle_of(brim_ref *ref) { return reinterpret_cast<Handle *>(ref); }
    static brim_ref *ref_of(Handle *handle) { return reinterpret_cast<brim_ref *>(handle); }

    static void destroy(const void *key, std::size_t key_len, void *value, std::size_t, void *)
    {
        const std::unique_ptr<item> gone(static_cast<item *>(value));
        gone->destroy(leveldb::Slice(static_cast<const char *>(key), key_len), gone->value);
    }
    static constexpr brim_kind make_kind()
    {
        brim_kind made{};
        made.size = sizeof made;
        made.name = "block";
        made.destroy_entry = destroy;
        return made;
    }
    static const brim_kind kind;

    brim_cache *const cache_;
    std::atomic<std::uint64_t> last_id_{0};
};

inline const brim_kind BrimLevelDBCache::kind = BrimLevelDBCache::make_kind();
