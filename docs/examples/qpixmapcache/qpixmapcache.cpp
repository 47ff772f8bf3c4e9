// SPDX-License-Identifier: MIT
// The same calls give the same answers on QPixmapCache and on ImageCache; and then what only the latter can: many
// threads find, insert, replace and remove, and copy, assign and destroy keys that all of them share.
#include "image_cache.hpp"
#include <QGuiApplication>
#include <QPixmap>
#include <QPixmapCache>
#include <QStringList>
#include <array>
#include <atomic>
#include <cstdio>
#include <thread>
#include <type_traits>
#include <vector>

static ImageCache::Key outlives_the_cache; // made before it, so destroyed after it

template <class Image> static Image square(int side)
{
    QImage image(side, side, QImage::Format_RGB32);
    image.fill(Qt::red);
    if constexpr (std::is_same_v<Image, QPixmap>)
        return QPixmap::fromImage(image);
    else
        return image;
}

// Everything in the interface, and what it answers.
template <class Cache, class Image> static QStringList answers()
{
    QStringList said;
    const auto say = [&said](const char *what, int answer) {
        said += QString::fromLatin1("%1: %2").arg(QLatin1String(what)).arg(answer);
    };
    const Image small = square<Image>(64), other = square<Image>(65), huge = square<Image>(1024);
    Image found;
    typename Cache::Key key, copy;

    say("default limit", Cache::cacheLimit());
    Cache::setCacheLimit(1024);
    say("limit", Cache::cacheLimit());
    say("an empty key is valid", key.isValid());
    say("empty keys are equal", key == copy);
    say("find by an empty key", Cache::find(key, &found));
    key = Cache::insert(small);
    copy = key;
    say("inserted", key.isValid() && copy.isValid());
    say("copies are equal", copy == key && !(copy != key));
    say("found", Cache::find(copy, &found) ? found.width() : 0);
    say("another's key is equal", Cache::insert(small) == key);
    say("replace", Cache::replace(key, other));
    say("found", Cache::find(key, &found) ? found.width() : 0);
    say("older copies are valid", copy.isValid());
    say("replace by an older copy", Cache::replace(copy, small));
    say("too large", Cache::insert(huge).isValid());
    say("replace by what is too large", Cache::replace(key, huge));
    say("valid after that", key.isValid());

    const QString name = QStringLiteral("a name");
    say("find by a name", Cache::find(name, &found));
    say("insert", Cache::insert(name, small));
    say("insert again", Cache::insert(name, other));
    say("found", Cache::find(name, &found) ? found.width() : 0);
    say("too large", Cache::insert(name, huge));
    say("find by a name", Cache::find(name, &found));
    say("insert", Cache::insert(name, small));
    Cache::remove(name);
    say("removed", !Cache::find(name, &found));
    say("what was found stays as it was", found.width());
    key = Cache::insert(small);
    Cache::remove(key);
    say("removed", !key.isValid());
    key = Cache::insert(small);
    (void)Cache::insert(name, small);
    Cache::clear();
    say("cleared", !key.isValid() && !Cache::find(name, &found));
    return said;
}

// The width tells whose image it is.
static bool is_of(const QImage &image, std::size_t i) { return image.width() == static_cast<int>(i) + 1; }

static void use(std::array<ImageCache::Key, 8> &keys, unsigned random, std::atomic<unsigned> &wrong)
{
    const auto check = [&wrong](bool right) { wrong += right ? 0 : 1; };
    for (unsigned step = 0; step < 2000; step++) {
        random = random * 1664525U + 1013904223U;
        const std::size_t i = random >> 16 & 7;
        const QString name = QString::number(i);
        const QImage image(static_cast<int>(i) + 1, 16, QImage::Format_RGB32);
        QImage found;
        switch (random >> 24 & 7) {
        case 0:
            keys[i] = ImageCache::insert(image);
            break;
        case 1:
            (void)ImageCache::replace(keys[i], image); // or another thread has removed it
            break;
        case 2:
            (void)ImageCache::insert(name, image);
            break;
        case 3:
            if (step % 16 == 0)
                ImageCache::remove(keys[i]);
            else if (step % 16 == 1)
                ImageCache::remove(name);
            break;
        case 4:
            check(!ImageCache::find(name, &found) || is_of(found, i));
            break;
        default:
            const ImageCache::Key copy(keys[i]);
            ImageCache::Key moved(copy), assigned;
            assigned = std::move(moved);
            assigned.swap(moved);
            check(moved == copy);
            check(!ImageCache::find(moved, &found) || is_of(found, i));
            if (step % 16 == 0)
                keys[i] = copy;
        }
    }
}

int main(int argc, char **argv)
{
    qputenv("QT_QPA_PLATFORM", "offscreen"); // QPixmap needs an application; ImageCache needs none
    const QGuiApplication application(argc, argv);
    const QStringList before = answers<QPixmapCache, QPixmap>(), after = answers<ImageCache, QImage>();
    for (int i = 0; i < before.size(); i++)
        if (before[i] != after[i])
            std::printf("QPixmapCache says %s, ImageCache %s\n", qPrintable(before[i]), qPrintable(after[i]));
    std::printf("%d answers, %s\n", int(before.size()), before == after ? "all alike" : "not alike");

    std::array<ImageCache::Key, 8> keys;
    std::atomic<unsigned> wrong{0};
    ImageCache::setCacheLimit(4); // so small that images leave all the time
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < 4; i++)
        threads.emplace_back([&keys, &wrong, i] { use(keys, i, wrong); });
    for (std::thread &thread : threads)
        thread.join();
    std::printf("four threads: %u wrong answers\n", wrong.load());

    for (int i = 0; i < 20000; i++)
        (void)ImageCache::insert(square<QImage>(4)); // and its key ends at once
    ImageCache::clear();
    brim_stats stats;
    brim_stats_get(ImageCache::cache(), &stats);
    std::printf("left after clear: %zu images, %zu bytes; the cache's own memory is small: %s\n", stats.values,
                stats.used, stats.overhead < 1 << 20 ? "yes" : "no");
    outlives_the_cache = ImageCache::insert(square<QImage>(4));
    return before == after && wrong == 0 && outlives_the_cache.isValid() ? 0 : 1;
}
