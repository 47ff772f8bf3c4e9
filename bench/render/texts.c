/* SPDX-License-Identifier: MIT */
#include "texts.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "diag.h"
#include "html.h"
#include "must.h"
#include "plain.h"
#include "readfile.h"
#include "untranslated.h"
#include "utf8.h"

enum { MAX_FILE = 64 << 20 };

static const char HANDBOOK[] = "/usr/share/doc/debian-handbook/html";
/* English first: the others are not translated everywhere. */
static const char *const LANGUAGES[] = {"en-US", "de-DE", "fr-FR", "es-ES", "it-IT", "pl-PL", "cs-CZ",
                                        "ru-RU", "el-GR", "vi-VN", "pt-BR", "tr-TR", "nb-NO"};
enum { N_LANGUAGES = sizeof LANGUAGES / sizeof *LANGUAGES };

void texts_read(struct doc *d, const char *name, const char *data, size_t len) {
    size_t bad = utf8_bad((const unsigned char *)data, len);
    size_t skip = len >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

    if (bad < len)
        die("%s: not UTF-8 text at byte %zu", name, bad);
    if (html_looks_like(data + skip, len - skip))
        html_read(d, name, data + skip, len - skip);
    else
        plain_read(d, data + skip, len - skip);
}

static void read_into(struct doc *d, const char *path) {
    size_t len;
    char *data = readfile(path, MAX_FILE, &len);

    if (!data)
        die("cannot read %s: %s", path, strerror(errno));
    texts_read(d, path, data, len);
    free(data);
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

struct texts texts_from_files(char **names, size_t n) {
    struct texts t = {must_alloc(n, sizeof *t.docs), n};

    for (size_t i = 0; i < n; i++) {
        doc_init(&t.docs[i], base_name(names[i]), "en");
        read_into(&t.docs[i], names[i]);
        if (!t.docs[i].n_blocks)
            die("%s: no text in it", names[i]);
    }
    return t;
}

static int is_chapter(const struct dirent *e) {
    size_t len = strlen(e->d_name);

    return len > 5 && strcmp(e->d_name + len - 5, ".html") == 0 && strcmp(e->d_name, "index.html") != 0;
}

static void read_language(struct doc *d, const char *dir, const struct original *english) {
    struct dirent **files;
    int n = scandir(dir, &files, is_chapter, alphasort);

    if (n < 0)
        die("cannot read %s: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        char *path = must_print("%s/%s", dir, files[i]->d_name);
        size_t first = d->n_blocks;
        read_into(d, path);
        untranslated_drop(d, first, english);
        free(path);
        free(files[i]);
    }
    free(files);
}

struct texts texts_from_handbook(void) {
    struct original english = {0};
    struct texts t = {must_alloc(N_LANGUAGES, sizeof *t.docs), 0};

    for (size_t i = 0; i < N_LANGUAGES; i++) {
        char *dir = must_print("%s/%s", HANDBOOK, LANGUAGES[i]);
        struct doc *d = &t.docs[t.n];
        struct stat st;
        if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode)) {
            doc_init(d, LANGUAGES[i], LANGUAGES[i]);
            read_language(d, dir, &english);
            if (i == 0)
                original_learn(&english, d);
            if (d->n_blocks)
                t.n++;
            else
                doc_free(d);
        }
        free(dir);
    }
    original_forget(&english);
    if (!t.n)
        die("no text: %s is not there (install debian-handbook or use --text)", HANDBOOK);
    return t;
}

void texts_free(struct texts *t) {
    for (size_t i = 0; i < t->n; i++)
        doc_free(&t->docs[i]);
    free(t->docs);
}
