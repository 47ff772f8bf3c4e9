/* SPDX-License-Identifier: MIT */
#ifndef RENDER_TEXTS_H
#define RENDER_TEXTS_H
#include <stddef.h>

#include "doc.h"

struct texts {
    struct doc *docs;
    size_t n;
};

/* One text a file; every file must be UTF-8, the whole not empty. */
struct texts texts_from_files(char **names, size_t n);
/* The Debian handbook in languages that DejaVu covers. */
struct texts texts_from_handbook(void);
void texts_free(struct texts *);
#endif
