/* SPDX-License-Identifier: MIT */
#include "png_write.h"

#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "must.h"
#include "outfile.h"
#include "page.h"

enum { MAX_PICTURES = 12 };

static void on_error(png_struct *png, const char *message) {
    const char *path = png_get_error_ptr(png);

    die("cannot write %s: %s", path, errno ? strerror(errno) : message);
}

static void on_warning(png_struct *png, const char *message) { (void)png, (void)message; }

static outfile *write_page(const char *path, const uint8_t *pixels) {
    outfile *o = outfile_open(path);
    png_struct *png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, (void *)(uintptr_t)path, on_error, on_warning);
    png_info *info = png ? png_create_info_struct(png) : NULL;

    if (!info)
        die_no_memory();
    errno = 0;
    png_init_io(png, outfile_stream(o));
    png_set_IHDR(png, info, PAGE_WIDTH, PAGE_HEIGHT, 8, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int y = 0; y < PAGE_HEIGHT; y++)
        png_write_row(png, pixels + (size_t)y * PAGE_WIDTH);
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    outfile_finish(o);
    return o;
}

size_t png_write_pages(const char *dir, const struct reference *reference, size_t pages) {
    outfile *files[MAX_PICTURES];
    size_t n = 0;

    for (; n < pages && n < MAX_PICTURES; n++) {
        char *path = must_print("%s/page-%03zu.png", dir, n + 1);
        files[n] = write_page(path, reference_pixels(reference, n));
        free(path);
    }
    for (size_t i = 0; i < n; i++)
        outfile_commit(files[i]);
    return n;
}
