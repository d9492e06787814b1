/* What is hashed: XEP-0115 section 5.1 and XEP-0390 section 4.1. Both sort by octets and join. */
#include "base/codec.h"
#include "crypt/crypt.h"
#include "disco/disco.h"

#include <stdlib.h>

/* One of many that are put in order and joined. */
struct piece {
    struct span key;
    struct span text;
};

static int compare(const void *a, const void *b)
{
    struct span one = ((const struct piece *)a)->key;
    struct span other = ((const struct piece *)b)->key;
    size_t common = one.len < other.len ? one.len : other.len;
    int order = common ? memcmp(one.data, other.data, common) : 0;
    return order ? order : (one.len > other.len) - (one.len < other.len);
}

/* Appends the pieces' texts by the order of their keys, then `end`. */
static void join(struct piece *pieces, size_t count, const char *end, struct buf *out)
{
    if (count)
        qsort(pieces, count, sizeof(*pieces), compare);
    for (size_t i = 0; i < count; i++)
        buf_append_span(out, pieces[i].text);
    buf_append_cstr(out, end);
}

static struct piece *pieces_new(const struct disco *disco, size_t count)
{
    return arena_calloc(disco->arena, count + 1, sizeof(struct piece));
}

/* `out` as it is so far, which is emptied. */
static struct span take(const struct disco *disco, struct buf *out)
{
    struct span text = arena_copy(disco->arena, buf_span(out));
    buf_reset(out);
    return text;
}

static void write_hash(enum crypt_hash hash, struct buf *text, struct buf *out)
{
    uint8_t digest[CRYPT_DIGEST_MAX];
    crypt_digest(hash, buf_span(text), digest);
    base64_encode(span_of((const char *)digest, crypt_hash_size(hash)), out);
    buf_deinit(text);
}

/* Each followed by `end`; in order. */
static void join_texts(const struct disco *disco, const struct span *texts, size_t count,
                       const char *end, struct buf *out)
{
    struct piece *pieces = pieces_new(disco, count);
    for (size_t i = 0; i < count; i++) {
        pieces[i].key = texts[i];
        pieces[i].text = arena_printf(disco->arena, "%.*s%s", SPAN_ARG(texts[i]), end);
    }
    join(pieces, count, "", out);
}

/* ---- XEP-0115: '<' behind everything ---- */

/* Ordered by category, then type, then language: no character of theirs is as low as \001. */
static void caps_identities(const struct disco *disco, struct buf *out)
{
    struct piece *pieces = pieces_new(disco, disco->identity_count);
    for (size_t i = 0; i < disco->identity_count; i++) {
        const struct disco_identity *id = &disco->identities[i];
        pieces[i].key = arena_printf(disco->arena, "%.*s\001%.*s\001%.*s", SPAN_ARG(id->category),
                                     SPAN_ARG(id->type), SPAN_ARG(id->lang));
        pieces[i].text = arena_printf(disco->arena, "%.*s/%.*s/%.*s/%.*s<", SPAN_ARG(id->category),
                                      SPAN_ARG(id->type), SPAN_ARG(id->lang), SPAN_ARG(id->name));
    }
    join(pieces, disco->identity_count, "", out);
}

static struct span caps_form(const struct disco *disco, const struct disco_form *form)
{
    struct piece *pieces = pieces_new(disco, form->field_count);
    struct buf text = {0};
    for (size_t i = 0; i < form->field_count; i++) {
        const struct disco_field *field = &form->fields[i];
        buf_append_span(&text, field->var);
        buf_append_cstr(&text, "<");
        join_texts(disco, field->values, field->value_count, "<", &text);
        pieces[i] = (struct piece){field->var, take(disco, &text)};
    }
    buf_append_span(&text, form->form_type);
    buf_append_cstr(&text, "<");
    join(pieces, form->field_count, "", &text);
    struct span all = take(disco, &text);
    buf_deinit(&text);
    return all;
}

void disco_write_caps(const struct disco *disco, struct buf *out)
{
    struct piece *forms = pieces_new(disco, disco->form_count);
    struct buf text = {0};
    caps_identities(disco, &text);
    join_texts(disco, disco->features, disco->feature_count, "<", &text);
    for (size_t i = 0; i < disco->form_count; i++)
        forms[i] = (struct piece){disco->forms[i].form_type, caps_form(disco, &disco->forms[i])};
    join(forms, disco->form_count, "", &text);
    write_hash(CRYPT_SHA1, &text, out);
}

/* ---- XEP-0390: separators of ASCII, and FORM_TYPE is a field like others ---- */

#define UNIT   "\x1f"
#define RECORD "\x1e"
#define GROUP  "\x1d"
#define FILE_  "\x1c"

static struct piece caps2_field(const struct disco *disco, const struct disco_field *field)
{
    struct buf text = {0};
    buf_append_span(&text, field->var);
    buf_append_cstr(&text, UNIT);
    join_texts(disco, field->values, field->value_count, UNIT, &text);
    buf_append_cstr(&text, RECORD);
    struct span all = take(disco, &text);
    buf_deinit(&text);
    return (struct piece){all, all};
}

static struct piece caps2_form(const struct disco *disco, const struct disco_form *form)
{
    const struct disco_field type = {SPAN("FORM_TYPE"), &form->form_type, 1};
    struct piece *pieces = pieces_new(disco, form->field_count + 1);
    struct buf text = {0};
    pieces[0] = caps2_field(disco, &type);
    for (size_t i = 0; i < form->field_count; i++)
        pieces[i + 1] = caps2_field(disco, &form->fields[i]);
    join(pieces, form->field_count + 1, GROUP, &text);
    struct span all = take(disco, &text);
    buf_deinit(&text);
    return (struct piece){all, all};
}

static struct piece caps2_identity(const struct disco *disco, const struct disco_identity *id)
{
    struct span text = arena_printf(
        disco->arena, "%.*s" UNIT "%.*s" UNIT "%.*s" UNIT "%.*s" UNIT RECORD,
        SPAN_ARG(id->category), SPAN_ARG(id->type), SPAN_ARG(id->lang), SPAN_ARG(id->name));
    return (struct piece){text, text};
}

void disco_write_caps2(const struct disco *disco, struct buf *out)
{
    struct piece *identities = pieces_new(disco, disco->identity_count);
    struct piece *forms = pieces_new(disco, disco->form_count);
    struct buf text = {0};
    join_texts(disco, disco->features, disco->feature_count, UNIT, &text);
    buf_append_cstr(&text, FILE_);
    for (size_t i = 0; i < disco->identity_count; i++)
        identities[i] = caps2_identity(disco, &disco->identities[i]);
    join(identities, disco->identity_count, FILE_, &text);
    for (size_t i = 0; i < disco->form_count; i++)
        forms[i] = caps2_form(disco, &disco->forms[i]);
    join(forms, disco->form_count, FILE_, &text);
    write_hash(CRYPT_SHA256, &text, out);
}
