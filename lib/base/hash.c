/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

uint64_t hash_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t hash_entropy(void)
{
    uint64_t x = 0;
    ssize_t got;
    int cancel;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel); /* getrandom is a point of cancellation */
    got = getrandom(&x, sizeof x, GRND_NONBLOCK);
    pthread_setcancelstate(cancel, &cancel);
    if (got == (ssize_t)sizeof x)
        return x;
    x = clock_now() ^ (uint64_t)(uintptr_t)&x;
    return hash_random(&x);
}

void hasher_init(struct hasher *h, brim_hash mode, uint64_t seed)
{
    uint64_t state = seed != 0 ? seed : hash_entropy();

    h->mode = mode;
    h->k0 = hash_random(&state);
    h->k1 = hash_random(&state);
    for (size_t i = 0; i < sizeof h->secret; i += sizeof state) {
        uint64_t x = hash_random(&state);
        memcpy(h->secret + i, &x, sizeof x);
    }
}

static uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static uint64_t little_endian(const unsigned char *p, size_t n)
{
    uint64_t x = 0;

    for (size_t i = 0; i < n; i++)
        x |= (uint64_t)p[i] << (8 * i);
    return x;
}

uint64_t hash_siphash13(uint64_t k0, uint64_t k1, const void *data, size_t len)
{
    const unsigned char *p = data;
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                     k1 ^ 0x7465646279746573u};
    size_t left = len;
    uint64_t m;

    for (; left >= 8; left -= 8, p += 8) {
        m = little_endian(p, 8);
        v[3] ^= m;
        sip_round(v);
        v[0] ^= m;
    }
    m = little_endian(p, left) | (uint64_t)len << 56;
    v[3] ^= m;
    sip_round(v);
    v[0] ^= m;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
