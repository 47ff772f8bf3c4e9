/* SPDX-License-Identifier: MIT */
#include "html.h"

#include <libxml/HTMLparser.h>
#include <limits.h>
#include <string.h>
#include <strings.h>

#include "diag.h"

/* What the elements around the current node ask for: how many of each. */
struct walk {
    struct doc *doc;
    int bold, oblique, mono, pre, heading, level, lists;
    bool bullet, tight; /* the next block begins an item; continues a <pre> */
};

static bool is_one_of(const char *name, const char *const *names) {
    for (; *names; names++)
        if (strcasecmp(name, *names) == 0)
            return true;
    return false;
}

static bool is_block(const char *name) {
    static const char *const names[] = {"p",       "div",     "h1", "h2", "h3",      "h4",         "h5",
                                        "h6",      "ul",      "ol", "li", "dl",      "dt",         "dd",
                                        "pre",     "table",   "tr", "td", "th",      "blockquote", "body",
                                        "section", "article", "br", "hr", "caption", NULL};
    return is_one_of(name, names);
}

static bool has_attribute(xmlNode *node, const char *name, const char *prefix) {
    xmlChar *value = xmlGetProp(node, BAD_CAST name);
    bool yes = value && strncmp((const char *)value, prefix, strlen(prefix)) == 0;

    xmlFree(value);
    return yes;
}

static bool is_skipped(xmlNode *node) {
    static const char *const names[] = {"head", "script", "style", "noscript", "svg", NULL};
    const char *name = (const char *)node->name;

    return is_one_of(name, names) || has_attribute(node, "class", "docnav") ||
           has_attribute(node, "id", "banner") ||
           (strcasecmp(name, "p") == 0 && has_attribute(node, "id", "title"));
}

static void change_style(struct walk *w, const char *name, int by) {
    static const char *const bold[] = {"b", "strong", "th", "dt", NULL};
    static const char *const oblique[] = {"i", "em", "cite", "var", "dfn", NULL};
    static const char *const mono[] = {"code", "pre", "tt", "kbd", "samp", NULL};
    static const char *const lists[] = {"ul", "ol", "dd", "blockquote", NULL};

    w->bold += is_one_of(name, bold) ? by : 0;
    w->oblique += is_one_of(name, oblique) ? by : 0;
    w->mono += is_one_of(name, mono) ? by : 0;
    w->lists += is_one_of(name, lists) ? by : 0;
    w->pre += strcasecmp(name, "pre") == 0 ? by : 0;
    if ((name[0] == 'h' || name[0] == 'H') && name[1] >= '1' && name[1] <= '6' && !name[2]) {
        w->heading += by;
        w->level = name[1] - '0';
    }
}

static enum face face_of(const struct walk *w) {
    bool bold = w->bold > 0 || w->heading > 0;

    if (w->mono > 0)
        return bold ? FACE_MONO_BOLD : FACE_MONO;
    if (w->oblique > 0)
        return bold ? FACE_BOLD_OBLIQUE : FACE_OBLIQUE;
    return bold ? FACE_BOLD : FACE_REGULAR;
}

static void open_block(struct walk *w) {
    struct block b = {.kind = BLOCK_PARA, .indent = w->lists < 8 ? w->lists : 8, .level = w->level};

    if (w->pre > 0) {
        b.kind = BLOCK_PRE;
        b.tight = w->tight;
    } else if (w->heading > 0) {
        b.kind = BLOCK_HEADING;
    }
    doc_open(w->doc, b);
    if (w->bullet)
        doc_verbatim(w->doc, FACE_REGULAR, "\xE2\x80\xA2 ", 4);
    w->bullet = false;
}

static void add_words(struct walk *w, const char *s, size_t len) {
    if (!w->doc->open && strspn(s, " \t\r\n\f\v") == len)
        return;
    if (!w->doc->open)
        open_block(w);
    doc_words(w->doc, face_of(w), s, len);
}

/* A piece of one line of a <pre>, tabs widened. */
static void add_line(struct walk *w, const char *s, size_t len) {
    while (len > 0) {
        const char *tab = memchr(s, '\t', len);
        size_t n = tab ? (size_t)(tab - s) : len;
        if (!w->doc->open)
            open_block(w);
        doc_verbatim(w->doc, face_of(w), s, n);
        if (tab)
            doc_verbatim(w->doc, face_of(w), "    ", 4);
        s += n + (tab != NULL);
        len -= n + (tab != NULL);
    }
}

static void add_verbatim(struct walk *w, const char *s, size_t len) {
    while (len > 0) {
        const char *newline = memchr(s, '\n', len);
        size_t n = newline ? (size_t)(newline - s) : len;
        size_t shown = n > 0 && s[n - 1] == '\r' ? n - 1 : n;
        add_line(w, s, shown);
        if (newline) {
            doc_close(w->doc);
            w->tight = true;
        }
        s += n + (newline != NULL);
        len -= n + (newline != NULL);
    }
}

/* True: its children are to be walked. */
static bool enter(struct walk *w, xmlNode *node) {
    const char *name = (const char *)node->name;

    if (node->type == XML_TEXT_NODE || node->type == XML_CDATA_SECTION_NODE) {
        const char *s = (const char *)node->content;
        if (s && w->pre > 0)
            add_verbatim(w, s, strlen(s));
        else if (s)
            add_words(w, s, strlen(s));
        return false;
    }
    if (node->type != XML_ELEMENT_NODE || is_skipped(node))
        return false;
    if (is_block(name)) {
        doc_close(w->doc);
        w->tight = false;
        w->bullet = w->bullet || strcasecmp(name, "li") == 0;
    }
    change_style(w, name, 1);
    return true;
}

static void leave(struct walk *w, xmlNode *node) {
    const char *name = (const char *)node->name;

    if (is_block(name)) {
        doc_close(w->doc);
        w->tight = false;
        if (strcasecmp(name, "li") == 0)
            w->bullet = false;
    }
    change_style(w, name, -1);
}

/* Not recursive: a file may nest its elements as deep as it likes. */
static void walk_tree(struct walk *w, xmlNode *root) {
    xmlNode *node = root;

    while (node) {
        if (enter(w, node)) {
            if (node->children) {
                node = node->children;
                continue;
            }
            leave(w, node);
        }
        while (node != root && !node->next) {
            node = node->parent;
            leave(w, node);
        }
        node = node == root ? NULL : node->next;
    }
    doc_close(w->doc);
}

bool html_looks_like(const char *text, size_t len) {
    static const char *const starts[] = {"<!doctype", "<?xml", "<html", "<head", "<body", "<!--", NULL};
    size_t at = 0;

    while (at < len && strchr(" \t\r\n", text[at]))
        at++;
    for (const char *const *s = starts; *s; s++)
        if (len - at >= strlen(*s) && strncasecmp(text + at, *s, strlen(*s)) == 0)
            return true;
    return false;
}

void html_read(struct doc *d, const char *name, const char *text, size_t len) {
    int options = HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET;
    struct walk w = {.doc = d};
    htmlDocPtr tree;

    if (len > INT_MAX)
        die("%s: too large", name);
    tree = htmlReadMemory(text, (int)len, NULL, "UTF-8", options);
    if (!tree)
        die("%s: not HTML that can be read", name);
    walk_tree(&w, xmlDocGetRootElement(tree));
    xmlFreeDoc(tree);
}
