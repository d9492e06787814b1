/* SCRAM, the server's side: RFC 5802 with SHA-1, RFC 7677 with SHA-256, and SHA-512. No network,
 * no storage.
 *
 * What is kept of a password is a verifier per hash: enough to check a proof, not enough to log in.
 * The conversation: scram_first_parse, scram_challenge, then scram_final. Between the two steps the
 * caller keeps three texts and the verifier (struct scram_exchange), wherever it likes.
 *
 * A mechanism is one line of the table in scram.c; the -PLUS variants differ in that they want
 * channel binding data.
 */
#ifndef JACKDAW_CRYPT_SCRAM_H
#define JACKDAW_CRYPT_SCRAM_H

#include "base/arena.h"
#include "base/span.h"
#include "crypt/crypt.h"

#include <stdbool.h>
#include <stdint.h>

#define SCRAM_SALT_SIZE      16
#define SCRAM_SALT_MAX       64
#define SCRAM_MIN_ITERATIONS 4096 /* RFC 7677 section 4 */
#define SCRAM_NONCE_MAX      256  /* bytes of a client's nonce */
#define SCRAM_MESSAGE_MAX    8192

struct scram_mechanism {
    const char *name; /* "SCRAM-SHA-256" */
    enum crypt_hash hash;
    bool binds_channel; /* -PLUS */
};

/* The table, strongest first. */
size_t scram_mechanisms(const struct scram_mechanism **table_out);
/* NULL when there is none of that name (case matters, RFC 4422 section 3.1). */
const struct scram_mechanism *scram_find(struct span name);
/* "SHA-256": what verifiers are stored under. */
const char *scram_hash_name(enum crypt_hash hash);

struct scram_verifier {
    uint32_t iterations;
    uint32_t salt_len;
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t stored_key[CRYPT_DIGEST_MAX];
    uint8_t server_key[CRYPT_DIGEST_MAX];
};

/* From a prepared (SASLprep) password; `salt` at most SCRAM_SALT_MAX bytes. Slow: PBKDF2. */
void scram_verifier_make(enum crypt_hash hash, struct span password, struct span salt,
                         uint32_t iterations, struct scram_verifier *verifier_out);
/* Whether `password` (prepared) is the verifier's, for PLAIN. Slow; its time depends on the
 * iterations only. */
bool scram_verifier_fits(enum crypt_hash hash, struct span password,
                         const struct scram_verifier *verifier);
/* A verifier no password fits, for a user who does not exist: the same for the same `secret` and
 * `name`, and not to be told from a real one. */
void scram_verifier_fake(enum crypt_hash hash, struct span secret, struct span name,
                         uint32_t iterations, struct scram_verifier *verifier_out);

enum scram_problem {
    SCRAM_FINE,
    SCRAM_MALFORMED,   /* not the grammar, or a mandatory extension (m=) */
    SCRAM_BINDING,     /* channel binding does not go with the mechanism, or of no known type */
    SCRAM_DOWNGRADED,  /* the client thinks we cannot bind channels (y) but -PLUS was offered */
    SCRAM_INTERCEPTED, /* the client is bound to another channel than we are */
    SCRAM_WRONG,       /* the proof does not fit: wrong password */
};

/* The client's first message; spans borrow it or live in the arena. */
struct scram_first {
    struct span gs2_header;   /* with its last comma */
    struct span binding_name; /* p=NAME, or empty */
    struct span authzid;      /* unescaped, or empty */
    struct span username;     /* unescaped, never empty, not prepared */
    struct span nonce;
    struct span bare; /* client-first-message-bare */
};

/* `plus_offered`: this server offered a -PLUS mechanism on this stream. */
enum scram_problem scram_first_parse(const struct scram_mechanism *mechanism, bool plus_offered,
                                     struct span message, struct arena *arena,
                                     struct scram_first *first_out);

/* What must be kept between challenge and proof. */
struct scram_exchange {
    struct span gs2_header;
    struct span client_first_bare;
    struct span server_first;
    struct scram_verifier verifier;
};

/* The server's first message, in `arena`. `server_nonce`: printable, no comma; NULL: a random one.
 * `extension`: an optional attribute ("h=...") or empty. */
struct span scram_challenge(const struct scram_first *first, const struct scram_verifier *verifier,
                            const char *server_nonce, struct span extension, struct arena *arena);
/* Checks the client's final message; on SCRAM_FINE *server_final_out (in `arena`) is "v=...".
 * `binding`: the channel's data, empty for mechanisms that do not bind it. */
enum scram_problem scram_final(const struct scram_mechanism *mechanism,
                               const struct scram_exchange *exchange, struct span binding,
                               struct span message, struct arena *arena,
                               struct span *server_final_out);

#endif
