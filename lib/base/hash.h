/* SPDX-License-Identifier: MIT
 *
 * The keyed hash of key bytes (G11), and which bits of it choose what.
 *
 *   63       48 47   32 31                 0
 *   |   tag    | unused | place: shard, then bucket |
 *
 * The upper ${shard_bits} of the place choose the shard; the place shifted left by them, scaled to the number of
 * buckets, chooses the bucket.  So buckets lie in the order of the hash whatever their number is: a walk resumes at a
 * hash after the index has grown or shrunk.
 */
#ifndef BRIM_BASE_HASH_H
#define BRIM_BASE_HASH_H

#include "base/atom.h"
#include "brim.h"
#define XXH_INLINE_ALL
#include <xxhash.h>

struct hasher {
    brim_hash mode;
    uint64_t k0, k1;           /* of SipHash */
    unsigned char secret[192]; /* of XXH3 */
};

/*
 * hasher_init(h, mode, seed):
 * Key ${h} by ${seed}, or at random if it is 0.
 */
void hasher_init(struct hasher *h, brim_hash mode, uint64_t seed);
/*
 * hash_siphash13(k0, k1, data, len):
 * SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012, with one compression and three
 * finalisation rounds).
 */
uint64_t hash_siphash13(uint64_t k0, uint64_t k1, const void *data, size_t len);

/*
 * hash_bytes(h, key, len):
 * Inline, for look-ups are made of little else; XXH3 (xxhash.h) is written for that.
 */
static inline uint64_t hash_bytes(const struct hasher *h, const void *key, size_t len)
{
    if (unlikely(h->mode == BRIM_HASH_STRONG))
        return hash_siphash13(h->k0, h->k1, key, len);
    return XXH3_64bits_withSecret(key, len, h->secret, sizeof h->secret);
}

/*
 * hash_random(state):
 * The next number of a splitmix64 sequence (Steele, Lea and Flood 2014).
 */
uint64_t hash_random(uint64_t *state);

/*
 * hash_entropy():
 * 64 bits from the system; from the clock and an address where it gives none.
 */
uint64_t hash_entropy(void);

static inline uint16_t hash_tag(uint64_t hash)
{
    return (uint16_t)(hash >> 48);
}

static inline uint32_t hash_place(uint64_t hash)
{
    return (uint32_t)hash;
}

#endif
