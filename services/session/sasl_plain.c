/* PLAIN (RFC 4616), on encrypted streams only. The password is hashed with the account's salt on a
 * worker thread and compared with its verifier; for a user who does not exist with a made-up one.
 * An account from before SHA-512 gains that verifier on the way.
 */
#include "sasl.h"

#include "account_upgrade.h"
#include "base/clock.h"
#include "base/mem.h"
#include "crypt/scram.h"
#include "jid/jid.h"
#include "metric/metric.h"
#include "work.h"

#define PLAIN_HASH         CRYPT_SHA256
#define PASSWORD_MAX_BYTES 1024

struct plain {
    struct sasl_job *job;
    struct scram_verifier verifier;
    uint64_t since_us;
    bool fits;
    size_t password_len;
    char password[PASSWORD_MAX_BYTES];
};

static void cleanup(struct job *job)
{
    crypt_wipe(((struct sasl_job *)job)->own, sizeof(struct plain));
    sasl_cleanup(job);
}

static void run(void *arg)
{
    struct plain *plain = arg;
    plain->fits = scram_verifier_fits(PLAIN_HASH, span_of(plain->password, plain->password_len),
                                      &plain->verifier);
}

static void done(void *arg)
{
    struct plain *plain = arg;
    metric_observe(METRIC_session_hash_seconds, (double)(clock_mono_us() - plain->since_us) / 1e6);
    if (plain->fits && plain->job->state.is_known) {
        account_upgrade(plain->job->job.session, plain->job->state.account,
                        span_of(plain->password, plain->password_len), PLAIN_HASH,
                        &plain->verifier);
    }
    sasl_judge(plain->job, plain->fits);
}

static void on_found(void *arg, enum account_status status, const struct scram_verifier *found)
{
    struct sasl_job *job = arg;
    struct plain *plain = job->own;
    if (status == ACCOUNT_DOWN) {
        sasl_unavailable(job);
        return;
    }
    sasl_fake(job, PLAIN_HASH, &plain->verifier);
    job->state.is_known = found != NULL;
    if (found) {
        plain->verifier = *found;
    }
    job->proven_hash = PLAIN_HASH;
    job->proven_key = arena_copy(&job->job.arena, span_of((const char *)plain->verifier.stored_key,
                                                          crypt_hash_size(PLAIN_HASH)));
    plain->since_us = clock_mono_us();
    if (work_add(job->job.session->work, run, done, plain) != 0) {
        sasl_unavailable(job);
    }
}

static void look_up(struct sasl_job *job)
{
    account_store_find(job->job.session->accounts, job->state.account, PLAIN_HASH, on_found, job);
}

/* A password that SASLprep refuses is nobody's; it is hashed as it is. */
static void set_password(struct plain *plain, struct span password)
{
    struct arena arena = {0};
    struct span prepared;
    if (jid_prepare_password(password, &arena, &prepared) != 0 ||
        prepared.len > PASSWORD_MAX_BYTES) {
        prepared = password;
    }
    memcpy(plain->password, prepared.data, prepared.len);
    plain->password_len = prepared.len;
    if (prepared.data != password.data) {
        crypt_wipe((void *)(uintptr_t)prepared.data, prepared.len);
    }
    arena_deinit(&arena);
}

/* authzid NUL authcid NUL password */
static int split(struct span message, struct span parts[3])
{
    for (int i = 0; i < 2; i++) {
        size_t at = span_find(message, '\0');
        if (at == message.len) {
            return -1;
        }
        parts[i] = span_head(message, at);
        message = span_from(message, at + 1);
    }
    parts[2] = message;
    bool is_fine = span_find(message, '\0') == message.len && message.len > 0 &&
                   message.len <= PASSWORD_MAX_BYTES && parts[1].len > 0;
    return is_fine ? 0 : -1;
}

void sasl_plain_first(struct sasl_job *job, struct span message)
{
    struct span parts[3];
    if (split(message, parts) != 0) {
        sasl_refuse(job, "malformed-request", "This is not a PLAIN message.");
        return;
    }
    struct plain *plain = arena_calloc(&job->job.arena, 1, sizeof(*plain));
    plain->job = job;
    job->own = plain;
    job->job.cleanup = cleanup;
    set_password(plain, parts[2]);
    sasl_set_account(job, parts[1]);
    if (!sasl_may_act_as(job, parts[0])) {
        sasl_refuse(job, "invalid-authzid", "You can act as your own account only.");
        return;
    }
    sasl_check_limit(job, look_up);
}
