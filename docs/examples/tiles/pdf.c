/* SPDX-License-Identifier: MIT */
#include "pdf.h"

#include <stdio.h>
#include <string.h>

bool pdf_is(const unsigned char *bytes, size_t len) { return len >= 5 && memcmp(bytes, "%PDF-", 5) == 0; }

#ifdef TILES_PDF
#include <poppler.h>

static void tell_why(GError *error, char *why, size_t why_size) {
    if (g_error_matches(error, POPPLER_ERROR, POPPLER_ERROR_ENCRYPTED))
        snprintf(why, why_size, "it is encrypted");
    else
        snprintf(why, why_size, "it is no PDF that can be read: %s", error->message);
    g_error_free(error);
}

void *pdf_open(const unsigned char *bytes, size_t len, int page, char *why, size_t why_size) {
    GError *error = NULL;
    GBytes *whole = g_bytes_new_static(bytes, len);
    PopplerDocument *document = poppler_document_new_from_bytes(whole, NULL, &error);
    PopplerPage *found = NULL;

    g_bytes_unref(whole);
    if (document == NULL) {
        tell_why(error, why, why_size);
        return NULL;
    }
    if (page <= poppler_document_get_n_pages(document))
        found = poppler_document_get_page(document, page - 1);
    if (found == NULL)
        snprintf(why, why_size, "it has no page %d that can be read; its pages are %d", page,
                 poppler_document_get_n_pages(document));
    g_object_unref(document); /* the page has its own count */
    return found;
}

void pdf_size(void *page, double *width, double *height) { poppler_page_get_size(page, width, height); }

void pdf_draw(void *page, cairo_t *cairo) { poppler_page_render(page, cairo); }

#else

void *pdf_open(const unsigned char *bytes, size_t len, int page, char *why, size_t why_size) {
    (void)bytes;
    (void)len;
    (void)page;
    snprintf(why, why_size, "it is a PDF, and this brim-tiles was built without poppler-glib");
    return NULL;
}

void pdf_size(void *page, double *width, double *height) {
    (void)page;
    *width = *height = 0;
}

void pdf_draw(void *page, cairo_t *cairo) {
    (void)page;
    (void)cairo;
}
#endif
