/* What adding an account and changing a password share: checking the name, hashing the password. */
#ifndef JACKDAW_SESSION_ACCOUNT_HASH_H
#define JACKDAW_SESSION_ACCOUNT_HASH_H

#include "base/buf.h"
#include "session.h"

/* Normalises `text` to a bare JID with a node, in the job's arena. 0, or -1 after it has answered
 * the job. */
int account_name_take(struct job *job, struct span text, struct span *account_out);

/* A hashing of a new password on a worker, then something to do with the result. */
struct hash_job {
    struct job job;
    struct span account;
    struct account_verifiers verifiers;
    struct buf password;
    uint32_t iterations;
    uint64_t since_us;
    void (*hashed)(struct hash_job *job);
};

/* Prepares the password (SASLprep) and hashes it; then calls `hashed`. Answers the job itself when
 * the password cannot be one (not-acceptable) or too much is waiting. */
void account_hash(struct hash_job *job, struct span password, void (*hashed)(struct hash_job *job));
/* Wipes and frees what is secret in it: the job's cleanup, or part of it. */
void account_hash_cleanup(struct job *job);

#endif
