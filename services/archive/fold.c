/* Ranges of capital letters whose small ones have an encoding of the same length. */
#include "fold.h"

#include <stdint.h>

static const struct {
    uint16_t first, last;
    uint16_t step; /* 2: capital and small letters take turns */
    uint16_t by;
} ranges[] = {
    {0xc0, 0xd6, 1, 0x20},   {0xd8, 0xde, 1, 0x20},   {0x100, 0x12e, 2, 1}, {0x132, 0x136, 2, 1},
    {0x139, 0x147, 2, 1},    {0x14a, 0x176, 2, 1},    {0x179, 0x17d, 2, 1}, {0x391, 0x3a9, 1, 0x20},
    {0x400, 0x40f, 1, 0x50}, {0x410, 0x42f, 1, 0x20}, {0x460, 0x480, 2, 1}, {0x48a, 0x4be, 2, 1},
};

static unsigned fold_letter(unsigned letter)
{
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        if (letter >= ranges[i].first && letter <= ranges[i].last &&
            (letter - ranges[i].first) % ranges[i].step == 0)
            return letter + ranges[i].by;
    }
    return letter;
}

void fold_text(struct span text, struct buf *out)
{
    char *to = buf_reserve(out, text.len + 1);
    size_t i = 0;

    while (i < text.len) {
        unsigned char c = (unsigned char)text.data[i];
        unsigned letter;

        if (c >= 'A' && c <= 'Z') {
            *to++ = (char)(c + ('a' - 'A'));
            i++;
        } else if ((c & 0xe0) == 0xc0 && i + 1 < text.len) {
            letter = fold_letter(((c & 0x1fu) << 6) | ((unsigned char)text.data[i + 1] & 0x3fu));
            *to++ = (char)(0xc0u | (letter >> 6));
            *to++ = (char)(0x80u | (letter & 0x3fu));
            i += 2;
        } else {
            *to++ = (char)c;
            i++;
        }
    }
    out->len += text.len;
}
