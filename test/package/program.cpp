/* SPDX-License-Identifier: MIT
 *
 * A program in C++ that finds Brim where it was installed.
 */
#include <brim.h>
#include <brim_debug.h>
#if __has_include(<brim.hpp>)
#include <brim.hpp>
#endif
#include <cstdio>

int main()
{
    brim_cache *cache = nullptr;

    if (brim_cache_new(nullptr, &cache) != BRIM_OK || !brim_check(cache, nullptr))
        return 1;
    std::printf("brim %s from C++\n", brim_version());
    brim_cache_free(cache);
    return 0;
}
