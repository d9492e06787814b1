/* Pairs of sessions by hash, by recipient and by time. */
#include "custody/seen.h"

#include "base/hash.h"
#include "base/mem.h"
#include "loop/loop.h"

#define EXPIRE_STEPS 2 /* old pairs looked at for each delivery */

/* The pairs of one recipient. */
struct seen_recipient {
    struct list_node pairs;
};

/* 64 bits of hash stand for both sessions: among millions a chance match is not to be feared. */
static uint64_t key_of(uint64_t sid, uint64_t origin_sid)
{
    const uint64_t both[] = {sid, origin_sid};
    uint64_t key = hash_span(span_of((const char *)both, sizeof(both)));
    return key ? key : 1;
}

void seen_init(struct seen *seen, struct loop *loop, uint64_t keep_ms)
{
    *seen = (struct seen){.loop = loop, .keep_ms = keep_ms};
    map64_init(&seen->pairs);
    map64_init(&seen->recipients);
    list_init(&seen->by_time);
}

static void pair_free(struct seen *seen, struct seen_pair *pair)
{
    struct seen_recipient *recipient = map64_get(&seen->recipients, pair->sid);
    (void)map64_remove(&seen->pairs, key_of(pair->sid, pair->origin_sid));
    list_remove(&pair->time);
    list_remove(&pair->mates);
    if (list_is_empty(&recipient->pairs)) {
        (void)map64_remove(&seen->recipients, pair->sid);
        mem_free(recipient);
    }
    mem_free(pair);
}

void seen_deinit(struct seen *seen)
{
    for (struct list_node *node; (node = list_first(&seen->by_time));)
        pair_free(seen, CONTAINER_OF(node, struct seen_pair, time));
    map64_deinit(&seen->pairs);
    map64_deinit(&seen->recipients);
}

size_t seen_count(const struct seen *seen)
{
    return map64_count(&seen->pairs);
}

/* ---- bits ---- */

static bool bit_get(const struct seen_pair *pair, uint64_t n)
{
    uint64_t back = pair->top - n;
    return n <= pair->top && back < SEEN_SPAN && (pair->bits[back / 64] >> (back % 64) & 1);
}

static void bit_set(struct seen_pair *pair, uint64_t n, bool on)
{
    uint64_t back = pair->top - n;
    uint64_t bit = 1ull << (back % 64);
    if (n > pair->top || back >= SEEN_SPAN)
        return;
    pair->bits[back / 64] = on ? pair->bits[back / 64] | bit : pair->bits[back / 64] & ~bit;
}

/* A higher number has come: all others are further back. */
static void raise(struct seen_pair *pair, uint64_t top)
{
    uint64_t by = top - pair->top;
    size_t words = by / 64 < SEEN_WORDS ? (size_t)(by / 64) : SEEN_WORDS;
    unsigned rest = (unsigned)(by % 64);
    for (size_t w = SEEN_WORDS; w-- > 0;) {
        uint64_t low = w >= words + 1 ? pair->bits[w - words - 1] : 0;
        uint64_t high = w >= words ? pair->bits[w - words] : 0;
        pair->bits[w] = rest ? high << rest | low >> (64 - rest) : high;
    }
    pair->top = top;
}

/* ---- pairs ---- */

static void forget_old(struct seen *seen, uint64_t now)
{
    for (int i = 0; i < EXPIRE_STEPS; i++) {
        struct list_node *node = list_first(&seen->by_time);
        struct seen_pair *pair = node ? CONTAINER_OF(node, struct seen_pair, time) : NULL;
        if (!pair || now - pair->since_ms < seen->keep_ms)
            return;
        pair_free(seen, pair);
    }
}

static struct seen_recipient *recipient_get(struct seen *seen, uint64_t sid)
{
    struct seen_recipient *recipient = map64_get(&seen->recipients, sid);
    if (recipient)
        return recipient;
    recipient = mem_calloc(1, sizeof(*recipient));
    list_init(&recipient->pairs);
    (void)map64_put(&seen->recipients, sid, recipient);
    return recipient;
}

static struct seen_pair *pair_get(struct seen *seen, uint64_t sid, uint64_t origin_sid)
{
    uint64_t key = key_of(sid, origin_sid);
    struct seen_pair *pair = map64_get(&seen->pairs, key);
    if (pair)
        return pair;
    pair = mem_calloc(1, sizeof(*pair));
    pair->sid = sid;
    pair->origin_sid = origin_sid;
    list_init(&pair->time);
    list_add_tail(&recipient_get(seen, sid)->pairs, &pair->mates);
    (void)map64_put(&seen->pairs, key, pair);
    return pair;
}

static void touch(struct seen *seen, struct seen_pair *pair)
{
    pair->since_ms = loop_now_ms(seen->loop);
    list_remove(&pair->time);
    list_add_tail(&seen->by_time, &pair->time);
}

static bool is_remembered(const struct seen *seen, const struct seen_delivery *delivery)
{
    return delivery->origin_sid != 0 && delivery->sid != 0 && seen->keep_ms != 0;
}

static struct seen_pair *pair_find(const struct seen *seen, const struct seen_delivery *delivery)
{
    return map64_get(&seen->pairs, key_of(delivery->sid, delivery->origin_sid));
}

bool seen_has(const struct seen *seen, const struct seen_delivery *delivery)
{
    const struct seen_pair *pair = is_remembered(seen, delivery) ? pair_find(seen, delivery) : NULL;
    return pair && bit_get(pair, delivery->origin_n);
}

void seen_add(struct seen *seen, const struct seen_delivery *delivery)
{
    if (!is_remembered(seen, delivery))
        return;
    struct seen_pair *pair = pair_get(seen, delivery->sid, delivery->origin_sid);
    if (delivery->origin_n > pair->top)
        raise(pair, delivery->origin_n);
    bit_set(pair, delivery->origin_n, true);
    pair->is_news = true;
    touch(seen, pair);
    forget_old(seen, pair->since_ms);
}

void seen_remove(struct seen *seen, const struct seen_delivery *delivery)
{
    struct seen_pair *pair = is_remembered(seen, delivery) ? pair_find(seen, delivery) : NULL;
    if (pair)
        bit_set(pair, delivery->origin_n, false);
}

/* ---- handing over ---- */

void seen_news(struct seen *seen, uint64_t sid,
               void (*each)(void *arg, const struct seen_pair *pair), void *arg)
{
    const struct seen_recipient *recipient = map64_get(&seen->recipients, sid);
    if (!recipient)
        return;
    LIST_FOREACH(node, &recipient->pairs)
    {
        struct seen_pair *pair = CONTAINER_OF(node, struct seen_pair, mates);
        if (!pair->is_news)
            continue;
        pair->is_news = false;
        each(arg, pair);
    }
}

void seen_again(struct seen *seen, uint64_t sid)
{
    const struct seen_recipient *recipient = map64_get(&seen->recipients, sid);
    if (!recipient)
        return;
    LIST_FOREACH(node, &recipient->pairs)
    {
        CONTAINER_OF(node, struct seen_pair, mates)->is_news = true;
    }
}

/* "TOP:WORD,WORD...", words in hexadecimal without the empty ones at the end. */
void seen_pair_write(const struct seen_pair *pair, struct buf *out)
{
    size_t words = SEEN_WORDS;
    while (words > 0 && pair->bits[words - 1] == 0)
        words--;
    buf_printf(out, "%llu:", (unsigned long long)pair->top);
    for (size_t w = 0; w < words; w++)
        buf_printf(out, "%s%llx", w > 0 ? "," : "", (unsigned long long)pair->bits[w]);
}

static int read_word(struct span text, uint64_t *word_out)
{
    *word_out = 0;
    if (text.len > 16)
        return -1;
    for (size_t i = 0; i < text.len; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = text.data[i] ? strchr(digits, text.data[i]) : NULL;
        if (!digit)
            return -1;
        *word_out = *word_out << 4 | (uint64_t)(digit - digits);
    }
    return 0;
}

static int read_words(struct span text, uint64_t words_out[SEEN_WORDS])
{
    for (size_t w = 0; text.len > 0; w++) {
        size_t comma = span_find(text, ',');
        if (w == SEEN_WORDS || read_word(span_head(text, comma), &words_out[w]) != 0)
            return -1;
        text = span_from(text, comma + 1);
    }
    return 0;
}

int seen_pair_read(struct seen *seen, uint64_t sid, uint64_t origin_sid, struct span text)
{
    size_t colon = span_find(text, ':');
    uint64_t words[SEEN_WORDS] = {0};
    struct seen_delivery delivery = {.sid = sid, .origin_sid = origin_sid};
    uint64_t top;
    if (span_to_u64(span_head(text, colon), &top) != 0 ||
        read_words(span_from(text, colon + 1), words) != 0 || !is_remembered(seen, &delivery))
        return -1;
    struct seen_pair *pair = pair_get(seen, sid, origin_sid);
    if (top > pair->top)
        raise(pair, top);
    for (uint64_t back = 0; back < SEEN_SPAN && back <= top; back++)
        if (words[back / 64] >> (back % 64) & 1)
            bit_set(pair, top - back, true);
    touch(seen, pair);
    return 0;
}
