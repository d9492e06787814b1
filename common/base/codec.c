/* Base64 and hexadecimal. */
#include "base/codec.h"

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct span bytes, struct buf *out)
{
    char *to = buf_reserve(out, (bytes.len + 2) / 3 * 4);
    size_t at = 0;

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t have = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t word = 0;
        for (size_t k = 0; k < have; k++)
            word |= (uint32_t)(unsigned char)bytes.data[i + k] << (16 - 8 * k);
        for (size_t k = 0; k < 4; k++)
            to[at++] = k <= have ? base64_alphabet[(word >> (18 - 6 * k)) & 63] : '=';
    }
    out->len += at;
}

/* The value of a digit, or -1. */
static int base64_digit(char c)
{
    const char *at = c ? strchr(base64_alphabet, c) : NULL;

    return at ? (int)(at - base64_alphabet) : -1;
}

/* Four digits of which the last `padding` are '='; 0, or -1 when they are not canonical. */
static int base64_group(const char *digits, size_t padding, char *to)
{
    uint32_t word = 0;

    for (size_t k = 0; k < 4 - padding; k++) {
        int digit = base64_digit(digits[k]);
        if (digit < 0)
            return -1;
        word |= (uint32_t)digit << (18 - 6 * k);
    }
    /* Bits that no byte uses must be zero, else two texts would mean the same bytes. */
    if (padding && (word & (padding == 1 ? 0xffu : 0xffffu)))
        return -1;
    for (size_t k = 0; k < 3 - padding; k++)
        to[k] = (char)(unsigned char)(word >> (16 - 8 * k));
    return 0;
}

int base64_decode(struct span text, struct buf *out)
{
    size_t padding = 0;

    if (text.len % 4)
        return -1;
    while (padding < 2 && padding < text.len && text.data[text.len - 1 - padding] == '=')
        padding++;
    char *to = buf_reserve(out, text.len / 4 * 3);
    for (size_t i = 0; i < text.len; i += 4) {
        if (base64_group(text.data + i, i + 4 == text.len ? padding : 0, to + i / 4 * 3) < 0)
            return -1;
    }
    out->len += text.len / 4 * 3 - padding;
    return 0;
}

int base64url_decode(struct span text, struct buf *out)
{
    struct buf plain = {0};
    int result = -1;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '+' || c == '/' || c == '=')
            goto out;
        buf_append_u8(&plain, (uint8_t)(c == '-' ? '+' : c == '_' ? '/' : c));
    }
    while (plain.len % 4)
        buf_append_u8(&plain, '=');
    result = base64_decode(buf_span(&plain), out);
out:
    buf_deinit(&plain);
    return result;
}

void hex_encode(struct span bytes, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    char *to = buf_reserve(out, bytes.len * 2);

    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        to[2 * i] = digits[byte >> 4];
        to[2 * i + 1] = digits[byte & 15];
    }
    out->len += bytes.len * 2;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int hex_decode(struct span text, struct buf *out)
{
    if (text.len % 2)
        return -1;
    char *to = buf_reserve(out, text.len / 2);
    for (size_t i = 0; i < text.len / 2; i++) {
        int high = hex_digit(text.data[2 * i]);
        int low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        to[i] = (char)(unsigned char)(high << 4 | low);
    }
    out->len += text.len / 2;
    return 0;
}
