/* SPDX-License-Identifier: MIT
 *
 * Texts as brim-render reads them, plain or HTML: what comes of one must be a document that can be set, blocks of
 * spans of well-formed UTF-8; one that is refused must end with one message.
 */
#include "../../bench/render/texts.h"
#include "../../bench/render/utf8.h"
#include "attempt.h"

#include <libxml/HTMLparser.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 14 };

struct text {
    const char *data;
    size_t len;
};

static void check_block(const struct doc *d, const struct block *b)
{
    if (b->count == 0 || b->first + b->count > d->n_spans)
        wrong("spans %zu to %zu of %zu", b->first, b->first + b->count, d->n_spans);
    if (b->level < 0 || b->level > 6 || (b->kind == BLOCK_HEADING && b->level == 0) || b->indent < 0 || b->indent > 8)
        wrong("level %d, indent %d", b->level, b->indent);
}

static void check_span(const struct doc *d, const struct span *s)
{
    if (s->len == 0 || s->start + s->len > d->len || s->face >= FACE_COUNT)
        wrong("text %zu to %zu of %zu", s->start, s->start + s->len, d->len);
    if (memchr(d->text + s->start, '\n', s->len) != NULL)
        wrong("a line feed in a span");
}

static void read_text(void *arg)
{
    struct text *t = arg;
    struct doc d;
    size_t spans = 0;

    doc_init(&d, "text", "en");
    texts_read(&d, "text", t->data, t->len);
    if (d.open)
        wrong("a block is open");
    for (size_t i = 0; i < d.n_blocks; i++) {
        check_block(&d, &d.blocks[i]);
        if (d.blocks[i].first != spans)
            wrong("a gap before block %zu", i);
        spans += d.blocks[i].count;
    }
    if (spans != d.n_spans)
        wrong("spans of no block");
    for (size_t i = 0; i < d.n_spans; i++)
        check_span(&d, &d.spans[i]);
    if (d.len > 0 && utf8_bad((const unsigned char *)d.text, d.len) != d.len)
        wrong("not UTF-8");
    doc_free(&d);
    xmlResetLastError();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool begun;
    char text[MOST + 1];
    struct text t = {text, size};
    const char *out, *err;
    int status;

    if (size > MOST)
        return 0;
    if (!begun)
        xmlInitParser();
    begun = true;
    memcpy(text, data, size);
    text[size] = '\0'; /* as readfile leaves it */
    status = attempt(read_text, &t, &out, &err);
    if (out[0] != '\0' || (status != RETURNED && status != 2))
        wrong("status %d, printed '%s'", status, out);
    if (status == 2)
        expect_message(err, "brim-render: ");
    else if (err[0] != '\0')
        wrong("printed '%s'", err);
    return 0;
}
