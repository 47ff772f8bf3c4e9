/* SPDX-License-Identifier: MIT */
#include "document.h"

#include <librsvg/rsvg.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pdf.h"

/* world.svg, put in by the linker. */
extern const unsigned char _binary_world_svg_start[], _binary_world_svg_end[];

struct document {
    atomic_uint counts;
    char *text; /* NULL: built in */
    const unsigned char *bytes;
    size_t len;
    bool pdf;
    int page;
    double width, height; /* in its own pixels */
};

/* Of librsvg, or a page of poppler. */
static void *open_handle(const struct document *d, char *why, size_t why_size) {
    GError *error = NULL;
    RsvgHandle *handle;

    if (d->pdf)
        return pdf_open(d->bytes, d->len, d->page, why, why_size);
    if (d->page != 1) {
        snprintf(why, why_size, "it is no PDF, and has no page %d", d->page);
        return NULL;
    }
    handle = rsvg_handle_new_from_data(d->bytes, d->len, &error);
    if (handle == NULL) {
        snprintf(why, why_size, "%s", error->message);
        g_error_free(error);
    }
    return handle;
}

/* What has no size in pixels has a viewBox, or else is a square. */
static void measure_svg(struct document *d, RsvgHandle *handle) {
    gboolean has_width, has_height, has_box;
    RsvgLength width, height;
    RsvgRectangle box = {0, 0, 0, 0};

    if (!rsvg_handle_get_intrinsic_size_in_pixels(handle, &d->width, &d->height)) {
        rsvg_handle_get_intrinsic_dimensions(handle, &has_width, &width, &has_height, &height, &has_box,
                                             &box);
        d->width = has_box ? box.width : 1;
        d->height = has_box ? box.height : 1;
    }
}

static void measure(struct document *d, void *handle) {
    if (d->pdf)
        pdf_size(handle, &d->width, &d->height);
    else
        measure_svg(d, handle);
}

static bool read_file(struct document *d, const char *path, char *why, size_t why_size) {
    GError *error = NULL;
    gsize len;

    if (!g_file_get_contents(path, &d->text, &len, &error)) {
        snprintf(why, why_size, "%s", error->message);
        g_error_free(error);
        return false;
    }
    d->bytes = (const unsigned char *)d->text;
    d->len = len;
    d->pdf = pdf_is(d->bytes, len);
    return true;
}

struct document *document_read(const char *path, int page, char *why, size_t why_size) {
    struct document *d = calloc(1, sizeof *d);
    void *handle = NULL;

    if (d == NULL) {
        snprintf(why, why_size, "no memory");
        return NULL;
    }
    atomic_init(&d->counts, 1);
    d->page = page;
    d->bytes = _binary_world_svg_start;
    d->len = (size_t)(_binary_world_svg_end - _binary_world_svg_start);
    if (path == NULL || read_file(d, path, why, why_size))
        handle = open_handle(d, why, why_size);
    if (handle != NULL) {
        measure(d, handle);
        g_object_unref(handle);
        if (d->width > 0 && d->height > 0)
            return d;
        snprintf(why, why_size, "it is empty");
    }
    document_drop(d);
    return NULL;
}

struct document *document_copy(struct document *d) {
    atomic_fetch_add(&d->counts, 1);
    return d;
}

void document_drop(struct document *d) {
    if (d != NULL && atomic_fetch_sub(&d->counts, 1) == 1) {
        g_free(d->text);
        free(d);
    }
}

/* The thread's handle of ${d}: made anew when the document is another than the last time. */
static void *handle_of(struct painter *p, struct document *d) {
    char why[128];

    if (p->document != d) {
        painter_end(p);
        p->handle = open_handle(d, why, sizeof why);
        p->document = document_copy(d);
    }
    return p->handle;
}

void painter_end(struct painter *p) {
    if (p->handle != NULL)
        g_object_unref(p->handle);
    document_drop(p->document);
    *p = (struct painter){0};
}

struct growing {
    struct tile *tile;
    size_t room;
};

static cairo_status_t grow(void *arg, const unsigned char *data, unsigned n) {
    struct growing *g = arg;
    size_t len = g->tile != NULL ? g->tile->len : 0;

    if (g->tile == NULL || g->room - len < n) {
        size_t room = 2 * (len + n) + 1024;
        struct tile *more = realloc(g->tile, sizeof *more + room);

        if (more == NULL)
            return CAIRO_STATUS_NO_MEMORY;
        g->tile = more;
        g->room = room;
    }
    memcpy(g->tile->png + len, data, n);
    g->tile->len = len + n;
    return CAIRO_STATUS_SUCCESS;
}

static struct tile *to_png(cairo_surface_t *surface) {
    struct growing g = {0};
    struct tile *fitting;

    if (cairo_surface_write_to_png_stream(surface, grow, &g) != CAIRO_STATUS_SUCCESS) {
        free(g.tile);
        return NULL;
    }
    fitting = realloc(g.tile, sizeof *g.tile + g.tile->len);
    return fitting != NULL ? fitting : g.tile;
}

static bool draw(void *handle, const struct document *d, struct place place, cairo_t *cairo) {
    double tile = TILE_PIXELS, side = ldexp(tile, (int)place.zoom), scale = side / fmax(d->width, d->height);
    double width = d->width * scale, height = d->height * scale;
    RsvgRectangle all = {.x = (side - width) / 2 - (double)place.x * tile,
                         .y = (side - height) / 2 - (double)place.y * tile,
                         .width = width,
                         .height = height};

    cairo_set_source_rgb(cairo, 1, 1, 1);
    cairo_paint(cairo);
    if (d->pdf) {
        cairo_translate(cairo, all.x, all.y);
        cairo_scale(cairo, scale, scale);
        cairo_rectangle(cairo, 0, 0, d->width, d->height);
        cairo_clip(cairo);
        pdf_draw(handle, cairo);
        return cairo_status(cairo) == CAIRO_STATUS_SUCCESS;
    }
    return rsvg_handle_render_document(handle, cairo, &all, NULL) &&
           cairo_status(cairo) == CAIRO_STATUS_SUCCESS;
}

struct tile *painter_draw(struct painter *p, struct document *d, struct place place) {
    void *handle = handle_of(p, d);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, TILE_PIXELS, TILE_PIXELS);
    cairo_t *cairo = cairo_create(surface);
    struct tile *tile = NULL;

    if (handle != NULL && draw(handle, d, place, cairo))
        tile = to_png(surface);
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    return tile;
}
