// SPDX-License-Identifier: MIT
// A real database with Brim as its block cache: ten thousand records are written, and read twice, the second time by
// four threads; then through caches that are much too small.
#include "brim_leveldb.hpp"
#include <filesystem>
#include <leveldb/db.h>
#include <string>
#include <thread>
#include <vector>

static constexpr int records = 10000;

static std::string key_of(int i)
{
    char text[16];
    std::snprintf(text, sizeof text, "key %06d", i);
    return text;
}

static std::string value_of(int i) // half of it can be compressed
{
    std::string value(400, 'x');
    auto random = static_cast<unsigned>(i);
    for (int j = 0; j < 200; j++) {
        random = random * 1664525 + 1013904223;
        value[static_cast<std::size_t>(j)] = static_cast<char>(random >> 24);
    }
    return value;
}

static leveldb::DB *open(const std::string &path, leveldb::Cache *cache)
{
    leveldb::Options options;
    options.create_if_missing = true;
    options.max_file_size = 1 << 20; // so that there are several tables
    options.block_cache = cache; // stays ours, and must outlive the database.  Only compressed blocks come to it
    leveldb::DB *db = nullptr;
    const leveldb::Status status = leveldb::DB::Open(options, path, &db);
    if (!status.ok())
        std::fprintf(stderr, "leveldb: %s\n", status.ToString().c_str());
    return db;
}

static bool write_all(leveldb::DB *db)
{
    for (int i = 0; i < records; i++)
        if (!db->Put({}, key_of(i), value_of(i)).ok())
            return false;
    db->CompactRange(nullptr, nullptr); // to tables: what is in memory passes by the cache
    return true;
}

static int read_all(leveldb::DB *db)
{
    int right = 0;
    std::string value;
    for (int i = 0; i < records; i++)
        right += db->Get({}, key_of(i), &value).ok() && value == value_of(i);
    return right;
}

static void read_twice(leveldb::DB *db, const BrimLevelDBCache &cache)
{
    const int right = read_all(db);
    const brim_stats first = cache.stats();
    std::printf("one thread: %d records; each block read once: %s\n", right,
                first.misses == first.insertions && first.insertions == first.count ? "yes" : "no");
    std::vector<std::thread> threads;
    std::atomic<int> all{0};
    for (int i = 0; i < 4; i++)
        threads.emplace_back([db, &all] { all += read_all(db); });
    for (std::thread &thread : threads)
        thread.join();
    const brim_stats second = cache.stats();
    std::printf("four threads: %d records, %llu hits, %llu misses\n", all.load(),
                static_cast<unsigned long long>(second.hits - first.hits),
                static_cast<unsigned long long>(second.misses - first.misses));
}

static bool read_with(const std::string &path, std::size_t capacity)
{
    const auto cache = BrimLevelDBCache::make(capacity);
    if (!cache)
        return false;
    const std::unique_ptr<leveldb::DB> db(open(path, cache.get()));
    if (!db)
        return false;
    const int right = read_all(db.get());
    std::printf("with %zu KiB: %d records; within the limit: %s\n", capacity >> 10, right,
                cache->TotalCharge() <= capacity ? "yes" : "no");
    return true;
}

static bool run(const std::string &path)
{
    const auto large = BrimLevelDBCache::make(8 << 20);
    if (!large)
        return false;
    std::unique_ptr<leveldb::DB> db(open(path, large.get()));
    if (!db || !write_all(db.get()))
        return false;
    db.reset(); // and open it anew, so that nothing is compacted while it is read
    db.reset(open(path, large.get()));
    if (!db)
        return false;
    read_twice(db.get(), *large);
    large->Prune();
    std::printf("after Prune: %zu bytes\n", large->TotalCharge());

    db.reset();
    return read_with(path, 64 << 10) && read_with(path, 1 << 10); // the latter for not one block
}

int main()
{
    char path[] = "/tmp/brim-leveldb-XXXXXX";
    if (mkdtemp(path) == nullptr) {
        std::perror(path);
        return 1;
    }
    const bool done = run(path);
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
    return done ? 0 : 1;
}
