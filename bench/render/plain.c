/* SPDX-License-Identifier: MIT */
#include "plain.h"

#include <string.h>

static bool is_blank(const char *line, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r' && line[i] != '\f' && line[i] != '\v')
            return false;
    return true;
}

void plain_read(struct doc *d, const char *text, size_t len) {
    const char *end = text + len;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t n = newline ? (size_t)(newline - text) : (size_t)(end - text);
        if (is_blank(text, n)) {
            doc_close(d);
        } else {
            if (!d->open)
                doc_open(d, (struct block){.kind = BLOCK_PARA});
            doc_words(d, FACE_REGULAR, text, n);
            doc_words(d, FACE_REGULAR, "\n", 1);
        }
        text += n + (newline != NULL);
    }
    doc_close(d);
}
