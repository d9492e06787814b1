/* Shared inside crypt: the client's final message taken apart. */
#ifndef JACKDAW_CRYPT_SCRAM_INTERNAL_H
#define JACKDAW_CRYPT_SCRAM_INTERNAL_H

#include "crypt/scram.h"

/* All spans borrow the message. */
struct scram_last {
    struct span binding; /* base64 */
    struct span nonce;
    struct span proof; /* base64 */
    struct span without_proof;
};

enum scram_problem scram_last_parse(struct span message, struct scram_last *last_out);

#endif
