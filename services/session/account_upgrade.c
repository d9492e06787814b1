/* Looks whether a verifier is missing, and if so makes them all and stores what is missing. */
#include "account_upgrade.h"

#include "account_hash.h"
#include "base/log.h"

#define NEWEST_HASH CRYPT_SHA512

struct upgrade {
    struct hash_job hash; /* first */
    struct buf given;     /* the password while the database looks */
    enum crypt_hash proven_hash;
    struct scram_verifier proven;
};

static void cleanup(struct job *base)
{
    struct upgrade *job = (struct upgrade *)base;
    crypt_wipe(job->given.data, job->given.len);
    buf_deinit(&job->given);
    crypt_wipe(&job->proven, sizeof(job->proven));
    account_hash_cleanup(base);
}

static void drop_answer(void *arg, const struct wire_msg *reply)
{
    (void)arg;
    (void)reply;
}

static void on_stored(void *arg, enum account_status status)
{
    struct upgrade *job = arg;
    if (status == ACCOUNT_OK) {
        LOG_INFO("verifiers_added", "account=%.*s", SPAN_ARG(job->hash.account));
    }
    job_result(&job->hash.job, "", "");
}

static void on_hashed(struct hash_job *hash)
{
    struct upgrade *job = (struct upgrade *)hash;
    struct account_completion completion = {
        .verifiers = &hash->verifiers,
        .proven_hash = job->proven_hash,
        .proven = &job->proven,
    };
    account_store_complete(hash->job.session->accounts, hash->account, &completion, on_stored, job);
}

static void on_found(void *arg, enum account_status status, const struct scram_verifier *found)
{
    struct upgrade *job = arg;
    (void)found;
    if (status == ACCOUNT_NOT_FOUND) {
        account_hash(&job->hash, buf_span(&job->given), on_hashed); /* may free the job */
    } else {
        job_result(&job->hash.job, "", "");
    }
}

void account_upgrade(struct session *session, struct span account, struct span password,
                     enum crypt_hash hash, const struct scram_verifier *proven)
{
    struct upgrade *job = job_new(session, sizeof(*job), drop_answer, NULL);
    job->hash.job.cleanup = cleanup;
    job->hash.account = arena_copy(&job->hash.job.arena, account);
    job->proven_hash = hash;
    job->proven = *proven;
    buf_append_span(&job->given, password);
    account_store_find(session->accounts, job->hash.account, NEWEST_HASH, on_found, job);
}
