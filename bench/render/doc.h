/* SPDX-License-Identifier: MIT */
#ifndef RENDER_DOC_H
#define RENDER_DOC_H
#include <stdbool.h>
#include <stddef.h>

enum face { FACE_REGULAR, FACE_BOLD, FACE_OBLIQUE, FACE_BOLD_OBLIQUE, FACE_MONO, FACE_MONO_BOLD, FACE_COUNT };
enum block_kind { BLOCK_PARA, BLOCK_HEADING, BLOCK_PRE };

struct span {
    size_t start, len;
    enum face face;
}; /* text[start, start + len) */
struct block {
    enum block_kind kind;
    int level;           /* of a heading: 1 to 6 */
    int indent;          /* depth of lists */
    bool tight;          /* follows the block before it without a gap */
    size_t first, count; /* spans */
};

/* A text as blocks of spans.  Written by one thread, then read by all. */
struct doc {
    char *label, *language; /* language: BCP 47, for HarfBuzz */
    char *text;
    size_t len, cap;
    struct span *spans;
    size_t n_spans, cap_spans;
    struct block *blocks;
    size_t n_blocks, cap_blocks;
    bool open, space; /* while building: a block is open; a space is due before its next word */
};

void doc_init(struct doc *, const char *label, const char *language);
void doc_open(struct doc *, struct block);                          /* closes the one that is open */
void doc_close(struct doc *);                                       /* an empty block leaves nothing */
void doc_words(struct doc *, enum face, const char *s, size_t len); /* runs of white space become one space */
void doc_verbatim(struct doc *, enum face, const char *s, size_t len); /* no newline in it */
bool doc_has_text(const struct doc *);                                 /* the open block */
void doc_free(struct doc *);
#endif
