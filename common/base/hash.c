/* SipHash-1-3 (Aumasson and Bernstein), after the reference: one round a word, three at the end. */
#include "base/hash.h"

#include "base/rand.h"

#include <stdatomic.h>

/* Any constant will do, but it may never change: instances are chosen by it. */
#define CLUSTER_SEED UINT64_C(0x6a61636b64617721)

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned by)
{
    return (x << by) | (x >> (64 - by));
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* Up to 8 bytes, little endian on every machine. */
static inline uint64_t load_le(const char *data, size_t len)
{
    uint64_t word = 0;

    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)(unsigned char)data[i] << (8 * i);
    return word;
}

uint64_t hash_bytes(uint64_t seed, struct span bytes)
{
    struct sip s = {
        seed ^ UINT64_C(0x736f6d6570736575),
        ~seed ^ UINT64_C(0x646f72616e646f6d),
        seed ^ UINT64_C(0x6c7967656e657261),
        ~seed ^ UINT64_C(0x7465646279746573),
    };
    size_t at = 0;

    for (; bytes.len - at >= 8; at += 8)
        sip_word(&s, load_le(bytes.data + at, 8));
    sip_word(&s, load_le(bytes.data + at, bytes.len - at) | (uint64_t)bytes.len << 56);
    s.v2 ^= 0xff;
    sip_round(&s);
    sip_round(&s);
    sip_round(&s);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t hash_span(struct span bytes)
{
    return hash_bytes(CLUSTER_SEED, bytes);
}

uint64_t hash_u64(uint64_t seed, uint64_t value)
{
    /* The finaliser of splitmix64. */
    uint64_t x = value + seed + UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t hash_process_seed(void)
{
    static _Atomic uint64_t seed;
    uint64_t value = atomic_load_explicit(&seed, memory_order_relaxed);

    if (value == 0) {
        uint64_t fresh = rand_u64() | 1;
        /* Another thread may have been quicker: then its seed is everybody's. */
        value = atomic_compare_exchange_strong(&seed, &value, fresh) ? fresh : value;
    }
    return value;
}
