/* Logging in: SASL (RFC 6120 section 6) as a table of mechanisms.
 *
 * An exchange keeps no memory here between two steps: what it must remember travels sealed with the
 * reply (wire sasl_state) and comes back with the next step, to any instance, within
 * session.sasl_timeout. Unknown users and wrong passwords take the same path, do the same work and
 * get the same answer; only a worker's queue or Redis decides how long it takes.
 */
#ifndef JACKDAW_SESSION_SASL_H
#define JACKDAW_SESSION_SASL_H

#include "crypt/scram.h"
#include "limit.h"
#include "session.h"

#define OAUTH_MESSAGE_MAX 20480 /* bytes: a token and what is around it */

struct sasl_job;

struct sasl_mechanism {
    const char *name;
    bool needs_secure; /* only on encrypted streams */
    bool may_be_empty; /* an empty first message is one, not a request to be asked for it */
    bool takes_token;  /* for a client that says it has one (XEP-0484), and only then */
    /* The client's first message. */
    void (*first)(struct sasl_job *job, struct span message);
    /* Its second; NULL when there is none. */
    void (*last)(struct sasl_job *job, struct span message);
    size_t max_bytes; /* of its first message */
};

struct sasl_job {
    struct job job;
    const struct sasl_mechanism *mechanism;
    struct wire_sasl_state state; /* in job.arena */
    struct span data;             /* for the success, or empty */
    struct span token;            /* a new one (XEP-0484), or empty */
    uint64_t token_expires_ms;
    struct span
        proven_key; /* the stored key of the verifier that the proof fits; empty: another way */
    enum crypt_hash proven_hash; /* its hash */
    bool is_right;
    /* What is said when it is not right; NULL: not-authorized, wrong user name or password. */
    const char *refusal;
    const char *refusal_text;
    void (*refuse)(struct sasl_job *job); /* instead of that, or NULL: answers */
    void *own;                            /* the mechanism's */
    void (*go_on)(struct sasl_job *job);  /* when the address may try */
};

/* sasl_scram.c, sasl_plain.c, sasl_external.c, sasl_oauth.c, sasl_anonymous.c */
void sasl_scram_first(struct sasl_job *job, struct span message);
void sasl_scram_last(struct sasl_job *job, struct span message);
void sasl_plain_first(struct sasl_job *job, struct span message);
void sasl_external_first(struct sasl_job *job, struct span message);
void sasl_oauth_first(struct sasl_job *job, struct span message);
void sasl_anonymous_first(struct sasl_job *job, struct span message);
void sasl_oauth_last(struct sasl_job *job, struct span message);

/* ---- ends of a step: each answers and frees the job ---- */
/* Sends `data` with the job's state. */
void sasl_challenge(struct sasl_job *job, struct span data);
/* The proof was checked: counts failures of the address, and goes on to xep0484_settle or says no, or
 * that the address must wait whatever the proof. */
void sasl_judge(struct sasl_job *job, bool is_right);
/* The login is right and what follows from it is done. */
void sasl_accept(struct sasl_job *job);
/* The login was wrong after all; its failure is not counted. */
void sasl_reject(struct sasl_job *job);
/* `condition` as in RFC 6120 section 6.5. */
void sasl_refuse(struct sasl_job *job, const char *condition, const char *text);
/* The database or Redis does not answer, or too much is waiting. */
void sasl_unavailable(struct sasl_job *job);

/* ---- helpers ---- */
/* Calls `fn` with the job when the address may try (else answers). */
void sasl_check_limit(struct sasl_job *job, void (*fn)(struct sasl_job *job));
/* Fills state.account from a user name (any bytes): the normalised bare JID, or for a name that
 * cannot be one a text that is no account. */
void sasl_set_account(struct sasl_job *job, struct span username);
/* Whether an authorization identity is empty or the account itself, and who the client said it is in
 * the header of a SASL2 stream (XEP-0388 section "Initiation"). */
bool sasl_may_act_as(struct sasl_job *job, struct span authzid);
/* Chooses among the channel bindings of the stream: 0, or -1 when there is none of that type. */
int sasl_choose_binding(struct sasl_job *job, struct span type);
/* Wipes what the job knows; a mechanism that has secrets of its own calls it from its cleanup. */
void sasl_cleanup(struct job *job);
/* The verifier of a user who does not exist. */
void sasl_fake(const struct sasl_job *job, enum crypt_hash hash,
               struct scram_verifier *verifier_out);

#endif
