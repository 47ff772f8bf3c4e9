/* SPDX-License-Identifier: MIT */
#include "utf8.h"

#include <stdint.h>

/* Length of the well-formed sequence at s, 0 if there is none: no overlong forms, no surrogates, at most
 * U+10FFFF. */
static size_t sequence(const unsigned char *s, size_t left) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    uint32_t c;

    if (n == 1)
        return s[0] != 0;
    if (n == 0 || n > left)
        return 0;
    c = s[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3Fu);
    }
    return c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? 0 : n;
}

size_t utf8_bad(const unsigned char *s, size_t len) {
    size_t at = 0;

    while (at < len) {
        size_t n = sequence(s + at, len - at);
        if (!n)
            return at;
        at += n;
    }
    return len;
}
