// SPDX-License-Identifier: MIT
// QPixmapCache's interface for QImage, over Brim, for any thread.  Where it says more than QPixmapCache:
//
//   Threads   All of it may be called at once, also on one and the same Key, which is a slot.
//   Limit     Bytes are charged, not kilobytes.  An image that was found shares its pixels, and keeps them when it
//             has been evicted; as with QPixmapCache, that counts no more.  Hold a brim_ref where it should.
//   replace   gives the key of the new image to the Key that it was called on; other copies become invalid.  A find
//             by that Key at the same moment may miss.
//   Keys      may outlive the cache, also as static variables: they are invalid then.
#pragma once
#include <QImage>
#include <QString>
#include <brim.h>
#include <climits>
#include <new>
#include <utility>

class ImageCache
{
  public:
    class Key
    {
      public:
        Key() noexcept = default;
        Key(const Key &other) noexcept { brim_slot_init(&slot, brim_slot_load(&other.slot)); }
        Key(Key &&other) noexcept { brim_slot_init(&slot, brim_slot_exchange(&other.slot, nullptr)); }
        ~Key() { brim_slot_store(&slot, nullptr); }
        Key &operator=(const Key &other) noexcept
        {
            brim_slot_store(&slot, brim_slot_load(&other.slot)); // also right for itself: the copy counts
            return *this;
        }
        Key &operator=(Key &&other) noexcept
        {
            brim_slot_store(&slot, brim_slot_exchange(&other.slot, nullptr));
            return *this;
        }
        void swap(Key &other) noexcept // between threads not one step, but nothing is lost or counted twice
        {
            brim_slot_store(&other.slot, brim_slot_exchange(&slot, brim_slot_load(&other.slot)));
        }
        bool operator==(const Key &other) const noexcept
        {
            brim_key *const a = brim_slot_load(&slot), *const b = brim_slot_load(&other.slot);
            const bool equal = brim_key_equal(a, b);
            brim_key_drop(a);
            brim_key_drop(b);
            return equal;
        }
        bool operator!=(const Key &other) const noexcept { return !(*this == other); }
        bool isValid() const noexcept
        {
            brim_key *const key = brim_slot_load(&slot);
            const bool valid = brim_key_is_valid(key);
            brim_key_drop(key);
            return valid;
        }

      private:
        friend class ImageCache;
        mutable brim_slot slot = BRIM_SLOT_INIT; // mutable: counting a copy is no change of it
    };

    static int cacheLimit() { return static_cast<int>(brim_capacity(cache()) / 1024); }
    static void setCacheLimit(int kilobytes)
    {
        (void)brim_set_capacity(cache(), kilobytes > 0 ? static_cast<std::size_t>(kilobytes) * 1024 : 0);
    }

    // True: *image is it; false: there is none, and *image is left alone.
    static bool find(const QString &key, QImage *image)
    {
        return give(brim_find(cache(), key.constData(), bytes(key)), image);
    }
    static bool find(const Key &key, QImage *image) { return give(brim_slot_find(&key.slot), image); }

    // False: it exceeds the limit; then there is none under this key, as with QPixmapCache.
    static bool insert(const QString &key, const QImage &image)
    {
        brim_entry_options options;
        brim_entry_options_init(&options);
        options.drop_old = true;
        QImage *const copy = new (std::nothrow) QImage(image);
        return copy != nullptr && kept(copy, brim_insert_with(cache(), key.constData(), bytes(key), copy, cost(image),
                                                              &options, nullptr));
    }
    // An invalid key: it exceeds the limit.
    static Key insert(const QImage &image)
    {
        Key made;
        brim_key *key = nullptr;
        QImage *const copy = new (std::nothrow) QImage(image);
        if (copy != nullptr && kept(copy, brim_insert_anonymous(cache(), copy, cost(image), nullptr, &key, nullptr)))
            brim_slot_store(&made.slot, key);
        return made;
    }
    // False: the key was not valid any more, or the image exceeds the limit; then there is none under this key.
    static bool replace(const Key &key, const QImage &image)
    {
        brim_entry_options options;
        brim_entry_options_init(&options);
        options.drop_old = true;
        brim_key *const old = brim_slot_load(&key.slot), *changed = brim_key_copy(old);
        QImage *const copy = new (std::nothrow) QImage(image);
        const bool done = copy != nullptr && kept(copy, brim_key_replace_with(&changed, copy, cost(image), &options,
                                                                              nullptr));
        if (!done || !brim_slot_compare_exchange(&key.slot, old, changed))
            brim_key_drop(changed); // somebody has assigned to key meanwhile: that is the later one
        brim_key_drop(old);
        return done;
    }

    static void remove(const QString &key) { (void)brim_remove(cache(), key.constData(), bytes(key)); }
    static void remove(const Key &key)
    {
        brim_key *const copy = brim_slot_load(&key.slot);
        (void)brim_key_remove(copy);
        brim_key_drop(copy);
    }
    static void clear() { brim_clear(cache()); }

    // Brim's own, for what QPixmapCache does not have: loaders, statistics, groups.  Made at the first use.
    static brim_cache *cache()
    {
        static const owner only;
        return only.cache;
    }

  private:
    static constexpr int default_limit = 10240; // QPixmapCache's

    struct owner {
        owner()
        {
            brim_options options;
            brim_options_init(&options, static_cast<std::size_t>(default_limit) * 1024);
            options.name = "images";
            options.kind = &kind;
            if (brim_cache_new(&options, &cache) != BRIM_OK)
                qFatal("ImageCache: no memory");
        }
        ~owner() { brim_cache_free(cache); }
        owner(const owner &) = delete;
        owner &operator=(const owner &) = delete;
        brim_cache *cache = nullptr;
    };

    static void destroy(void *value, std::size_t, void *) { delete static_cast<QImage *>(value); }
    static constexpr brim_kind make_kind()
    {
        brim_kind made{};
        made.size = sizeof made;
        made.name = "QImage";
        made.destroy = destroy;
        return made;
    }
    static const brim_kind kind;

    static std::size_t bytes(const QString &key) { return static_cast<std::size_t>(key.size()) * sizeof(QChar); }
    static std::size_t cost(const QImage &image)
    {
        return sizeof image + static_cast<std::size_t>(image.sizeInBytes());
    }
    // What the cache did not take is still ours.
    static bool kept(QImage *copy, brim_status status)
    {
        if (status != BRIM_OK)
            delete copy;
        return status == BRIM_OK;
    }
    static bool give(brim_ref *ref, QImage *image)
    {
        if (ref != nullptr && image != nullptr)
            *image = *static_cast<const QImage *>(brim_ref_value(ref)); // shares the pixels
        brim_release(ref);
        return ref != nullptr;
    }
};

inline const brim_kind ImageCache::kind = ImageCache::make_kind();
