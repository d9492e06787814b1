/* Service discovery information (XEP-0030 section 3) as data: built once, written as XML and hashed
 * (XEP-0115 section 5.1, XEP-0390 section 4.1), so that what is announced as a hash is what is
 * answered.
 *
 * Lists grow in the arena; spans are borrowed and live as long as it does. Nothing here checks what
 * it is given: the answers are our own.
 */
#ifndef JACKDAW_DISCO_DISCO_H
#define JACKDAW_DISCO_DISCO_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

#include <stddef.h>

/* `lang` and `name` may be empty. An identity without `lang` takes it from what is around it, the
 * stream for example: what is to be hashed says it (XEP-0390 section 4.1). */
struct disco_identity {
    struct span category;
    struct span type;
    struct span lang;
    struct span name;
};

struct disco_field {
    struct span var;
    const struct span *values;
    size_t value_count;
};

/* A data form of type "result" (XEP-0128). */
struct disco_form {
    struct span form_type; /* the value of FORM_TYPE, which is not among the fields */
    struct disco_field *fields;
    size_t field_count;
};

struct disco {
    struct arena *arena;
    struct disco_identity *identities;
    size_t identity_count;
    struct span *features;
    size_t feature_count;
    struct disco_form *forms;
    size_t form_count;
};

void disco_init(struct disco *disco, struct arena *arena);
void disco_add_identity(struct disco *disco, const struct disco_identity *identity);
/* One that is there already is not added again. */
void disco_add_feature(struct disco *disco, struct span var);
/* The form is good until the next call. */
struct disco_form *disco_add_form(struct disco *disco, struct span form_type);
void disco_add_field(struct disco *disco, struct disco_form *form, const struct disco_field *field);

/* Appends the <query/> with `node`, which may be empty. */
void disco_write(const struct disco *disco, struct span node, struct buf *out);
/* XEP-0115: appends the verification string, made with SHA-1, in base64. */
void disco_write_caps(const struct disco *disco, struct buf *out);
/* XEP-0390: appends the capability hash, made with SHA-256, in base64. */
void disco_write_caps2(const struct disco *disco, struct buf *out);

#endif
