/* Shared inside crypt. */
#ifndef JACKDAW_CRYPT_CRYPT_INTERNAL_H
#define JACKDAW_CRYPT_CRYPT_INTERNAL_H

#include "base/span.h"

/* OpenSSL wants unsigned bytes, and no NULL even for none. */
static inline const unsigned char *crypt_bytes(struct span s)
{
    return (const unsigned char *)(const void *)(s.len ? s.data : "");
}

#endif
