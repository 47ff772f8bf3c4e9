/* SPDX-License-Identifier: MIT */
#include "request.h"

#include <ctype.h>
#include <inttypes.h>

enum { SHOWN = 40 };

/* A word of the line; empty: there is none. */
struct word {
    const char *text;
    size_t length;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct word next_word(const char **at, const char *end)
{
    const char *p = *at;
    while (p < end && is_blank(*p))
        p++;
    struct word w = {p, 0};
    while (p < end && !is_blank(*p))
        p++;
    w.length = (size_t)(p - w.text);
    *at = p;
    return w;
}

/* As much of the word as a message should have, without what a terminal might obey. */
static const char *printable(struct word w, char shown[SHOWN + 4])
{
    size_t n = 0;
    for (; n < w.length && n < SHOWN; n++)
        shown[n] = isprint((unsigned char)w.text[n]) ? w.text[n] : '?';
    for (int dots = 0; w.length > SHOWN && dots < 3; dots++)
        shown[n++] = '.';
    shown[n] = '\0';
    return shown;
}

static uint64_t parse_number(const struct lines *l, struct word w, const char *what)
{
    char shown[SHOWN + 4];
    uint64_t n = 0;
    bool fits = true;
    for (size_t i = 0; i < w.length; i++) {
        if (!isdigit((unsigned char)w.text[i]))
            lines_fail(l, "the %s '%s' is not an unsigned decimal number", what, printable(w, shown));
        const unsigned digit = (unsigned)(w.text[i] - '0');
        fits = fits && n <= (UINT64_MAX - digit) / 10;
        n = n * 10 + digit;
    }
    if (!fits)
        lines_fail(l, "the %s %s is more than %" PRIu64, what, printable(w, shown), UINT64_MAX);
    return n;
}

bool request_parse(struct request *r, const struct lines *l)
{
    const char *at = l->text, *const end = l->text + l->length;
    const struct word key = next_word(&at, end);
    const struct word size = next_word(&at, end);
    const struct word work = next_word(&at, end);
    const struct word junk = next_word(&at, end);
    char shown[SHOWN + 4];
    if (key.length == 0 || key.text[0] == '#')
        return false;
    r->key = parse_number(l, key, "key");
    if (size.length == 0)
        lines_fail(l, "no size after the key");
    r->size = parse_number(l, size, "size");
    if (r->size > SIZE_MAX / 2)
        lines_fail(l, "the size %" PRIu64 " is more than %zu", r->size, SIZE_MAX / 2);
    r->has_work = work.length != 0;
    r->work = r->has_work ? parse_number(l, work, "work") : 0;
    if (junk.length != 0)
        lines_fail(l, "'%s' after key, size and work", printable(junk, shown));
    return true;
}
