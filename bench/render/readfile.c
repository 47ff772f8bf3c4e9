/* SPDX-License-Identifier: MIT */
#include "readfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "must.h"

static char *read_all(FILE *f, size_t max, size_t *len) {
    size_t cap = 0, n = 0, got;
    char *data = NULL;

    do {
        data = must_grow(data, &cap, n + 65536 + 1, 1);
        got = fread(data + n, 1, 65536, f);
        n += got;
    } while (got == 65536 && n <= max);
    if (n > max)
        errno = EFBIG;
    if (n > max || ferror(f)) {
        free(data);
        return NULL;
    }
    data[n] = '\0';
    *len = n;
    return data;
}

char *readfile(const char *path, size_t max, size_t *len) {
    FILE *f = fopen(path, "rb");
    char *data;
    int reason;

    if (!f)
        return NULL;
    data = read_all(f, max, len);
    reason = errno;
    fclose(f);
    errno = reason;
    return data;
}
