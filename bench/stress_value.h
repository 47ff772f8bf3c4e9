/* SPDX-License-Identifier: MIT */
/* Values that allocate what they cost, know their key, and notice being destroyed twice or too early. */
#ifndef BENCH_STRESS_VALUE_H
#define BENCH_STRESS_VALUE_H
#include "stress_phase.h"

enum { MIN_COST = 112, MAX_KEY = 64 };
#define ID_ANONYMOUS ((uint64_t)1 << 63)

struct value {
    _Atomic uint64_t magic;
    struct phase *phase;
    uint64_t id;                        /* ID_ANONYMOUS: no key bytes */
    uint64_t serial;                    /* no other value has it */
    uint64_t version;
    size_t size;                        /* really allocated; the charge is never less */
    unsigned kind;
    bool counted;                       /* in phase.alive once it is taken; announced before it is destroyed */
    bool mortal;                        /* its entry has an age: none lives for a week */
    _Atomic unsigned announced;
    uint64_t checksum;
    struct stress_group *group;         /* NULL: none */
    _Atomic uint64_t stamp;             /* its group's invalidations when it was in the cache, or its load claimed; NEVER: not known yet */
    _Atomic uint64_t expires;           /* on the cache's clock; NEVER: not at all, or not known yet */
};
#define NEVER UINT64_MAX

struct key_bytes {
    size_t len;
    unsigned char data[MAX_KEY];
};

void key_bytes_make(struct key_bytes *, uint64_t id);
uint64_t key_bytes_id(const void *data, size_t len);        /* NULL: ID_ANONYMOUS */

struct value *value_new(struct phase *, uint64_t id, uint64_t version, unsigned kind, size_t size, bool counted);
void value_refused(struct value *);     /* still the caller's: destroy it */
void value_taken(struct phase *, size_t size);
void value_destroyed(struct value *, size_t cost, const struct kind_context *);
void value_announced(struct value *, const struct kind_context *);

/* Everything that must hold of a value, and of a ref. */
bool value_check(const struct phase *, const struct value *);
void value_check_key(const struct value *, const void *key, size_t len);
struct value *value_check_ref(const struct phase *, const brim_ref *);
#endif
