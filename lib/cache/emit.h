/* SPDX-License-Identifier: MIT
 *
 * Statistics as text: the table of them all, and what each format makes of one set of figures.  Nothing is allocated:
 * what is written goes through a small buffer.  No floating point is printed, as its decimal point is the locale's.
 */
#ifndef BRIM_CACHE_EMIT_H
#define BRIM_CACHE_EMIT_H

#include "brim.h"

struct emit {
    brim_write *write;
    void *arg;
    bool stopped; /* ${write} wanted no more: what follows is dropped */
    size_t len;   /* of what waits in ${text} */
    char text[512];
};

/* Whose figures.  A name that is NULL or empty is shown as EMIT_UNNAMED. */
struct emit_label {
    const char *cache, *kind;
    bool by_kind;               /* of ${kind} alone */
    unsigned cache_nr, kind_nr; /* 1: the first of its name, 2: the second */
};

#define EMIT_UNNAMED "default"

/*
 * emit_start(o, write, arg), emit_end(o):
 * Begin; write what is left.  False: ${write} wanted no more.
 */
void emit_start(struct emit *o, brim_write *write, void *arg);
bool emit_end(struct emit *o);

/*
 * emit_put(o, text), emit_name(o, name):
 * Write ${text}; a name as it is fit for a line: without control characters, in at most 63 bytes.
 */
void emit_put(struct emit *o, const char *text);
void emit_name(struct emit *o, const char *name);

/*
 * emit_text(o, l, s):
 * Lines of up to 80 columns: what is not 0, and of a cache what matters in any case.
 */
void emit_text(struct emit *o, const struct emit_label *l, const brim_stats *s);

/*
 * emit_json(o, l, s):
 * The members of an object, without its braces.
 */
void emit_json(struct emit *o, const struct emit_label *l, const brim_stats *s);

/*
 * emit_row_count(), emit_row_is_of(row, by_kind):
 * How many rows the table has; whether row ${row} is one of kinds, or of a cache as a whole.
 */
unsigned emit_row_count(void);
bool emit_row_is_of(unsigned row, bool by_kind);

/*
 * emit_family(o, row, by_kind), emit_samples(o, row, l, s):
 * Prometheus: what comes once before all samples of a name; the samples of one cache or kind.
 */
void emit_family(struct emit *o, unsigned row, bool by_kind);
void emit_samples(struct emit *o, unsigned row, const struct emit_label *l, const brim_stats *s);

#endif
