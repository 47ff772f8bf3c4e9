/* SPDX-License-Identifier: MIT */
/* brim-render: a text renderer on many threads, and what a glyph cache is worth to it. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "cli.h"
#include "diag.h"
#include "must.h"
#include "outfile.h"
#include "png_write.h"
#include "progress.h"
#include "report.h"
#include "texts.h"

static struct fonts *open_fonts(const struct font_files *files, unsigned threads) {
    struct fonts *fonts = must_alloc(threads, sizeof *fonts);

    for (unsigned i = 0; i < threads; i++)
        fonts_open(&fonts[i], files);
    return fonts;
}

static void close_fonts(struct fonts *fonts, unsigned threads) {
    for (unsigned i = 0; i < threads; i++)
        fonts_close(&fonts[i]);
    free(fonts);
}

/* The texts are read before this: bad input leaves no trace. */
static outfile *open_outputs(const struct cli *c) {
    outfile_make_dir(c->out);
    return c->json ? outfile_open(c->json) : NULL;
}

static void set_pages(struct plan *plan, const struct texts *texts, const struct cli *c,
                      struct fonts *fonts) {
    plan_make(plan, texts, c->pages, fonts, c->threads);
    printf("%zu pages with %zu glyphs, %zu %s, %u threads\n", plan->n, plan->glyphs, texts->n,
           texts->n == 1 ? "text" : "texts", c->threads);
    cli_flush_stdout();
}

/* The pages appear only when the JSON is safely written too. */
static void show(const struct bench *b, const struct cli *c, outfile *json) {
    size_t pictures;

    if (json) {
        report_json(b, outfile_stream(json));
        outfile_finish(json);
    }
    pictures = png_write_pages(c->out, b->reference, b->plan->n);
    if (json)
        outfile_commit(json);
    report_table(b, stdout);
    printf("first %zu pages: %s/page-*.png\n", pictures, c->out);
    cli_flush_stdout();
}

int main(int argc, char **argv) {
    struct cli c;
    struct font_files files;
    struct texts texts;
    struct plan plan;
    struct bench bench = {.plan = &plan};
    outfile *json;

    outfile_guard();
    cli_parse(&c, argc, argv);
    font_files_read(&files, c.fonts);
    progress_begin(1 + BENCH_STEPS);
    progress_step("setting");
    texts = c.n_texts ? texts_from_files(c.texts, c.n_texts) : texts_from_handbook();
    bench.fonts = open_fonts(&files, c.threads);
    json = open_outputs(&c);
    set_pages(&plan, &texts, &c, bench.fonts);
    texts_free(&texts);
    bench.reference = reference_new(plan.n);
    bench_run_all(&bench, c.threads, c.capacity, c.small);
    progress_end();
    show(&bench, &c, json);
    reference_free(bench.reference);
    plan_free(&plan);
    close_fonts(bench.fonts, c.threads);
    font_files_free(&files);
    free(c.texts);
    return bench.different || bench.broken ? EXIT_DIFFERENT : EXIT_SUCCESS;
}
