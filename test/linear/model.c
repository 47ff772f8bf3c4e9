/* SPDX-License-Identifier: MIT */
#include "linear/model.h"

bool op_changes(const struct op *op)
{
    static const bool changes[] = {
#define LINEAR_WHAT_CHANGES(id, name, changes) changes,
        LINEAR_WHATS(LINEAR_WHAT_CHANGES)
    };

    switch (op->what) {
    case INSERT:
    case ADD: return op->result == op->a;
    case KEY_REPLACE: return op->result == op->b;
    case KEY_REMOVE:
    case SLOT_SWAP:
    case CANCEL: return op->result != 0;
    default: return changes[op->what];
    }
}

static bool is(uint32_t *field, uint32_t value)
{
    if (*field == UNKNOWN)
        *field = value;
    return *field == value;
}

static bool is_not(uint32_t field, uint32_t value)
{
    return field == UNKNOWN || field != value;
}

/* Whoever changes a key overtakes its load (G9). */
static bool change(struct state *s, uint32_t value)
{
    s->current = value;
    if (s->load != NOTHING)
        s->overtaken = true;
    return true;
}

static bool step_insert(enum model m, const struct op *op, struct state *s)
{
    if (op->result == NOTHING)
        return m == MODEL_EVICTION;
    if (op->what == INSERT)
        return change(s, op->a);
    if (op->result != op->a)
        return is(&s->current, op->result);
    return is(&s->current, NOTHING) && change(s, op->a);
}

static bool step_remove(const struct op *op, struct state *s)
{
    bool right = op->result != 0 ? is_not(s->current, NOTHING) : is(&s->current, NOTHING);

    return right && change(s, NOTHING);
}

static bool step_key(enum model m, const struct op *op, bool went_first, struct state *s)
{
    if (op->what == KEY_REPLACE && op->result == op->a)
        return m == MODEL_EVICTION; /* refused */
    if (op->result == NOTHING)
        return is_not(s->current, op->a);
    if (op->what == KEY_REPLACE)
        return ((went_first && s->current == NOTHING) || is(&s->current, op->a)) && change(s, op->b);
    if (op->what == KEY_REMOVE)
        return is(&s->current, op->a) && change(s, NOTHING);
    return op->result == op->a && is(&s->current, op->a);
}

static bool step_slot_find(const struct op *op, struct state *s)
{
    if (op->result != NOTHING)
        return is(&s->slot, op->result) && is(&s->current, op->result);
    return s->slot == NOTHING || s->slot == UNKNOWN || is_not(s->current, s->slot);
}

static bool step_slot(const struct op *op, struct state *s)
{
    switch (op->what) {
    case SLOT_EXCHANGE:
        if (!is(&s->slot, op->result))
            return false;
        s->slot = op->a;
        return true;
    case SLOT_RENEW:
        if (!is(&s->slot, op->result))
            return false;
        s->slot = s->current = op->a;
        return true;
    case SLOT_REMOVE:
        if (s->current == op->a)
            s->current = NOTHING;
        return true;
    case SLOT_SWAP:
        if (op->result == 0)
            return is_not(s->slot, op->a);
        if (!is(&s->slot, op->a))
            return false;
        s->slot = op->b;
        return true;
    case SLOT_LOAD: return is(&s->slot, op->result);
    default: return step_slot_find(op, s);
    }
}

/* Who asks while nothing is there and a load is not overtaken shares its result, whatever happens until it ends (G9).
 */
static bool joins(struct state *s, uint32_t load)
{
    return is(&s->current, NOTHING) && is(&s->load, load) && is_not(s->overtaken, true);
}

static bool step_get(const struct op *op, struct state *s)
{
    if (s->current == op->result || s->current == UNKNOWN)
        return true;
    return joins(s, op->result);
}

static bool step_finish(enum model m, const struct op *op, struct state *s)
{
    if (!is(&s->load, op->a) || (op->result == REFUSED && m == MODEL_EXACT))
        return false;
    if ((op->result == op->a && !is_not(s->overtaken, true)) ||
        (op->result == NOTHING && !is_not(s->overtaken, false)))
        return false;
    if (op->result == op->a || (op->result == SOMEHOW && s->overtaken == false)) {
        if (!is(&s->current, NOTHING))
            return false;
        s->current = op->a;
    } else if (op->result == SOMEHOW && s->overtaken == UNKNOWN) {
        s->current = UNKNOWN;
    }
    s->load = NOTHING;
    s->overtaken = false;
    return true;
}

static bool step_load(enum model m, const struct op *op, struct state *s)
{
    switch (op->what) {
    case GET: return step_get(op, s);
    case JOIN:
    case SHARE_FAILURE: return joins(s, op->result);
    case PENDING: return is(&s->current, NOTHING) && is_not(s->load, NOTHING);
    case CLAIM:
        if (!is(&s->current, NOTHING) || !is(&s->load, NOTHING))
            return false;
        s->load = op->a;
        s->overtaken = false;
        return true;
    case FINISH: return step_finish(m, op, s);
    case FAIL:
        if (!is(&s->load, op->a))
            return false;
        s->load = NOTHING;
        s->overtaken = false;
        return true;
    default: /* CANCEL */
        if (op->result == 0)
            return is(&s->load, NOTHING);
        s->overtaken = true;
        return is_not(s->load, NOTHING);
    }
}

bool model_step(enum model m, const struct op *op, bool went_first, struct state *s)
{
    switch (op->what) {
    case FIND: return is(&s->current, op->result);
    case CONTAINS: return op->result != 0 ? is_not(s->current, NOTHING) : is(&s->current, NOTHING);
    case INSERT:
    case ADD: return step_insert(m, op, s);
    case REMOVE: return step_remove(op, s);
    case KEY_FIND:
    case KEY_VALID:
    case KEY_REPLACE:
    case KEY_REMOVE: return step_key(m, op, went_first, s);
    case SLOT_EXCHANGE:
    case SLOT_LOAD:
    case SLOT_SWAP:
    case SLOT_FIND:
    case SLOT_RENEW:
    case SLOT_REMOVE: return step_slot(op, s);
    case CLEAR: s->current = NOTHING; return true;
    case CLEAR_LOAD: return change(s, s->current);
    default: return step_load(m, op, s);
    }
}
