/* SPDX-License-Identifier: MIT */
#include "doc.h"

#include <stdlib.h>
#include <string.h>

#include "must.h"

void doc_init(struct doc *d, const char *label, const char *language) {
    *d = (struct doc){.label = must_print("%s", label), .language = must_print("%s", language)};
}

void doc_open(struct doc *d, struct block b) {
    doc_close(d);
    b.first = d->n_spans;
    b.count = 0;
    d->blocks = must_grow(d->blocks, &d->cap_blocks, d->n_blocks + 1, sizeof *d->blocks);
    d->blocks[d->n_blocks++] = b;
    d->open = true;
    d->space = false;
}

bool doc_has_text(const struct doc *d) { return d->open && d->n_spans > d->blocks[d->n_blocks - 1].first; }

void doc_close(struct doc *d) {
    struct block *b;

    if (!d->open)
        return;
    d->open = false;
    b = &d->blocks[d->n_blocks - 1];
    b->count = d->n_spans - b->first;
    if (!b->count)
        d->n_blocks--;
}

void doc_verbatim(struct doc *d, enum face face, const char *s, size_t len) {
    struct span *last = doc_has_text(d) ? &d->spans[d->n_spans - 1] : NULL;

    if (!len)
        return;
    d->text = must_grow(d->text, &d->cap, d->len + len, 1);
    memcpy(d->text + d->len, s, len);
    if (last && last->face == face) {
        last->len += len;
    } else {
        d->spans = must_grow(d->spans, &d->cap_spans, d->n_spans + 1, sizeof *d->spans);
        d->spans[d->n_spans++] = (struct span){d->len, len, face};
    }
    d->len += len;
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void doc_words(struct doc *d, enum face face, const char *s, size_t len) {
    size_t at = 0;

    while (at < len) {
        size_t from;
        if (is_space(s[at])) {
            d->space = doc_has_text(d);
            at++;
            continue;
        }
        if (d->space)
            doc_verbatim(d, d->spans[d->n_spans - 1].face, " ", 1);
        d->space = false;
        for (from = at; at < len && !is_space(s[at]); at++)
            ;
        doc_verbatim(d, face, s + from, at - from);
    }
}

void doc_free(struct doc *d) {
    free(d->label);
    free(d->language);
    free(d->text);
    free(d->spans);
    free(d->blocks);
}
