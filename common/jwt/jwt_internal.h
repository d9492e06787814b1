/* Keys (jwt_keys.c) as tokens (jwt.c) use them. */
#ifndef JACKDAW_JWT_JWT_INTERNAL_H
#define JACKDAW_JWT_JWT_INTERNAL_H

#include "crypt/signature.h"
#include "jwt/jwt.h"

struct jwt_key {
    struct signature_key *key;
    char *id; /* kid, or NULL: fits every token */
};

struct jwt_keys {
    size_t count;
    struct jwt_key keys[JWT_KEYS_MAX];
};

#endif
