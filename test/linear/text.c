/* SPDX-License-Identifier: MIT */
#include "linear/text.h"

#include "linear/must.h"

#include <inttypes.h>
#include <string.h>

const char *what_name(enum what what)
{
    static const char *const names[] = {
#define LINEAR_WHAT_NAME(id, name, changes) name,
        LINEAR_WHATS(LINEAR_WHAT_NAME)
    };

    return names[what];
}

const char *model_name(enum model m)
{
    return m == MODEL_EXACT ? "exact" : "eviction";
}

static enum what what_named(const char *name)
{
    unsigned what = 0;

    while (what < WHATS && strcmp(name, what_name((enum what)what)) != 0)
        what++;
    if (what == WHATS)
        must_fail("what is '%s'?", name);
    return (enum what)what;
}

void print_history(FILE *f, const struct history *h)
{
    fprintf(f, "# %8s %8s %6s %3s  %-20s %7s %7s %7s\n", "called", "returned", "thread", "key", "what", "a", "b",
            "result");
    for (size_t i = 0; i < h->count; i++) {
        const struct op *op = &h->op[i];

        fprintf(
            f, "%10" PRIu64 " %8" PRIu64 " %6" PRIu32 " %3" PRIu32 "  %-20s %7" PRIu32 " %7" PRIu32 " %7" PRIu32 "\n",
            op->called, op->returned, op->thread, op->key, what_name(op->what), op->a, op->b, op->result);
    }
}

void save_history(FILE *f, enum model m, const struct history *h)
{
    fprintf(f, "model %s\n", model_name(m));
    print_history(f, h);
}

static struct op read_op(const char *line)
{
    struct op op = {0};
    char name[32];
    int n = sscanf(line, "%" SCNu64 "%" SCNu64 "%" SCNu32 "%" SCNu32 "%31s%" SCNu32 "%" SCNu32 "%" SCNu32, &op.called,
                   &op.returned, &op.thread, &op.key, name, &op.a, &op.b, &op.result);

    if (n != 8 || op.called >= op.returned)
        must_fail("no operation: %s", line);
    op.what = what_named(name);
    return op;
}

static enum model read_model(FILE *f)
{
    char name[16];

    if (fscanf(f, "model %15s ", name) != 1 || (strcmp(name, "exact") != 0 && strcmp(name, "eviction") != 0))
        must_fail("the history does not begin with `model exact' or `model eviction'");
    return strcmp(name, "exact") == 0 ? MODEL_EXACT : MODEL_EVICTION;
}

struct history load_history(FILE *f, enum model *m)
{
    struct history h = {NULL, 0};
    size_t room = 0;
    char line[256];

    *m = read_model(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (line[0] == '#')
            continue;
        if (h.count == room) {
            room = 2 * room + 64;
            h.op = realloc(h.op, room * sizeof *h.op);
            if (h.op == NULL)
                must_fail("out of memory");
        }
        h.op[h.count++] = read_op(line);
    }
    return h;
}
