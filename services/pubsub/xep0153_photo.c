/* From vCard to photo to hash. */
#include "xep0153_photo.h"

#include "base/buf.h"
#include "base/codec.h"
#include "crypt/crypt.h"
#include "xml/ns.h"
#include "xml/xml.h"

/* The Base64 of the photo as it was written: with line ends (section 3.6: they are ignored). */
static struct span photo_text(struct span vcard, struct arena *arena)
{
    struct xml_node *card = NULL;
    const struct xml_node *photo = NULL;
    const struct xml_node *data = NULL;
    if (xml_tree_parse(vcard, SPAN(NS_CLIENT), arena, &card) == 0 && card) {
        photo = xml_find(card->first_child, NS_VCARD, "PHOTO");
    }
    if (photo) {
        data = xml_find(photo->first_child, NS_VCARD, "BINVAL");
    }
    return data ? xml_node_text(data, arena) : (struct span){0};
}

static void append_visible(struct span text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!strchr(" \t\r\n", text.data[i])) {
            buf_append(out, &text.data[i], 1);
        }
    }
}

struct span xep0153_hash(struct span vcard, struct arena *arena)
{
    struct buf text = {0};
    struct buf photo = {0};
    struct buf hex = {0};
    uint8_t digest[CRYPT_DIGEST_MAX];
    append_visible(photo_text(vcard, arena), &text);
    if (base64_decode(buf_span(&text), &photo) == 0 && photo.len) {
        crypt_digest(CRYPT_SHA1, buf_span(&photo), digest);
        hex_encode(span_of((const char *)digest, crypt_hash_size(CRYPT_SHA1)), &hex);
    }
    struct span hash = arena_copy(arena, buf_span(&hex));
    buf_deinit(&text);
    buf_deinit(&photo);
    buf_deinit(&hex);
    return hash;
}
