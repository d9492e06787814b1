/* Reference-counted bytes: one allocation, the bytes behind the header. */
#include "base/blob.h"

#include "base/assert.h"
#include "base/mem.h"

struct blob {
    size_t refs;
    size_t len;
    char data[];
};

struct blob *blob_new(struct span bytes)
{
    struct blob *blob = mem_alloc(sizeof(*blob) + bytes.len);

    blob->refs = 1;
    blob->len = bytes.len;
    if (bytes.len)
        memcpy(blob->data, bytes.data, bytes.len);
    return blob;
}

struct blob *blob_ref(struct blob *blob)
{
    ASSERT(blob->refs > 0);
    blob->refs++;
    return blob;
}

void blob_unref(struct blob *blob)
{
    if (!blob)
        return;
    ASSERT(blob->refs > 0);
    if (--blob->refs == 0)
        mem_free(blob);
}

struct span blob_span(const struct blob *blob)
{
    return span_of(blob->data, blob->len);
}
