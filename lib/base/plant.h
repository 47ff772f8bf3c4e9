/* SPDX-License-Identifier: MIT
 *
 * Over Relacy (C++): bugs that are planted in a running harness.  Every operation whose order is stronger than relaxed,
 * every function that takes a lock, and every PLANTED is a place with a name.  The one that the harness is told is wrong.
 * So a harness is compiled once for all of them, and no order comes in that nobody tries to weaken.
 *
 *   FILE:FUNCTION:OPERATION:FIELD=ORDER   it has but that order
 *   FILE:FUNCTION:unlocked                it takes no lock; with a * at the end, all that begin so
 *   NAME                                  PLANTED(NAME)
 */
#ifndef BRIM_BASE_PLANT_H
#define BRIM_BASE_PLANT_H

#include <relacy/relacy.hpp>

#include <cstdio>
#include <cstring>

/* An order, and to what it can be weakened: each half of one that is both, and what a total order adds to both. */
struct plant_orders {
    rl::memory_order strict;
    int count;
    rl::memory_order weaker[3];
};
static const plant_orders plant_nothing = {rl::mo_relaxed, 0, {}};
static const plant_orders plant_acquire = {rl::mo_acquire, 1, {rl::mo_relaxed}};
static const plant_orders plant_release = {rl::mo_release, 1, {rl::mo_relaxed}};
static const plant_orders plant_acq_rel = {rl::mo_acq_rel, 2, {rl::mo_acquire, rl::mo_release}};
static const plant_orders plant_load_seq_cst = {rl::mo_seq_cst, 2, {rl::mo_acquire, rl::mo_relaxed}};
static const plant_orders plant_store_seq_cst = {rl::mo_seq_cst, 2, {rl::mo_release, rl::mo_relaxed}};
static const plant_orders plant_rmw_seq_cst = {rl::mo_seq_cst, 3, {rl::mo_acq_rel, rl::mo_acquire, rl::mo_release}};

static const char *plant_wanted;        /* NULL: none */
static bool plant_is_reached;           /* it is, in some schedule */
static struct plant_place *plant_places; /* all that are */

struct plant_place {
    char name[160];
    struct plant_place *next;
    const plant_orders *orders;
    rl::memory_order order, failure; /* failure: of a compare-and-swap */
    bool on;

    explicit plant_place(const char *planted)
    {
        std::snprintf(name, sizeof name, "%s", planted);
        begin(plant_nothing);
        on = plant_wanted != NULL && std::strcmp(plant_wanted, name) == 0;
        plant_is_reached |= on;
    }

    /* A lock that is taken and given back in functions of its own, as limbo_lock and limbo_unlock, is one bug. */
    plant_place(const char *file, const char *function)
    {
        size_t length = std::strlen(function);

        for (const char *end : {"_unlock", "_lock", "acquire", "release"}) {
            size_t n = std::strlen(end);
            if (length >= n && std::strcmp(function + length - n, end) == 0) {
                length -= n;
                break;
            }
        }
        std::snprintf(name, sizeof name, "%s:%.*s:unlocked", base(file), (int)length, function);
        begin(plant_nothing);
        if (plant_wanted != NULL) {
            size_t prefix = std::strlen(plant_wanted) - 1;
            on = std::strcmp(plant_wanted, name) == 0 ||
                 (plant_wanted[prefix] == '*' && std::strncmp(plant_wanted, name, prefix) == 0);
        }
        plant_is_reached |= on;
    }

    /* ${object}: an expression, of whose last member the field has its name. */
    plant_place(const char *file, const char *function, const char *operation, const char *object, const plant_orders &o)
    {
        const char *field = object + (*object == '&');

        for (const char *p = object; *p != '\0'; p++)
            if (*p == '.' || (p[0] == '-' && p[1] == '>'))
                field = p + (*p == '.' ? 1 : 2);
        std::snprintf(name, sizeof name, "%s:%s:%s:%.*s", base(file), function, operation,
                      (int)std::strcspn(field, "[ )"), field);
        begin(o);
        for (int i = 0; plant_wanted != NULL && i < o.count; i++)
            if (is_wanted_with(o.weaker[i])) {
                on = plant_is_reached = true;
                set(o.weaker[i]);
            }
    }

    static const char *base(const char *file)
    {
        const char *slash = std::strrchr(file, '/');

        return slash != NULL ? slash + 1 : file;
    }

    void begin(const plant_orders &o)
    {
        on = false;
        orders = &o;
        set(o.strict);
        next = plant_places;
        plant_places = this;
    }

    void set(rl::memory_order o)
    {
        order = o;
        failure = o == rl::mo_release ? rl::mo_relaxed : o == rl::mo_acq_rel ? rl::mo_acquire : o;
    }

    bool is_wanted_with(rl::memory_order o) const
    {
        size_t length = std::strlen(name);

        return std::strncmp(plant_wanted, name, length) == 0 && plant_wanted[length] == '=' &&
               std::strcmp(plant_wanted + length + 1, rl::format(o)) == 0;
    }

    void print() const
    {
        if (orders->count == 0)
            std::printf("plant %s\n", name);
        for (int i = 0; i < orders->count; i++)
            std::printf("plant %s=%s\n", name, rl::format(orders->weaker[i]));
    }
};

/*
 * Each expansion is a place: a lambda of its own has a variable of its own, which stays; without the word `static', that a
 * harness may have taken from the file.
 */
#define PLANT_PLACE(...)                                                                                          \
    ([](const char *function) -> plant_place & {                                                                  \
        thread_local plant_place place(__VA_ARGS__);                                                                    \
        return place;                                                                                             \
    }(__func__))
#define PLANT_ORDER(operation, object, orders) PLANT_PLACE(__FILE__, function, operation, object, orders)
template <typename T, typename X>
bool plant_cas(rl::atomic<T> &v, T &old, X x, const plant_place &place, rl::debug_info_param info)
{
    return v.compare_exchange_weak(old, x, place.order, info, place.failure, info);
}
#define PLANT_UNLOCKED() (PLANT_PLACE(__FILE__, function).on)
#define PLANTED(name) (PLANT_PLACE(#name).on)

#endif
