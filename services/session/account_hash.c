/* Checks and hashing that adding an account and changing its password share. */
#include "account_hash.h"

#include "base/clock.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "metric/metric.h"
#include "work.h"

#define PASSWORD_MAX_BYTES 1024

int account_name_take(struct job *job, struct span text, struct span *account_out)
{
    struct span jid;
    if (jid_normalise(text, &job->arena, &jid) != 0 || span_is_empty(jid_node(jid)) ||
        !jid_is_bare(jid)) {
        job_result(job, "jid-malformed", "This is not an account name: it must be user@domain.");
        return -1;
    }
    *account_out = arena_copy(&job->arena, jid);
    return 0;
}

void account_hash_cleanup(struct job *job)
{
    struct hash_job *hash = (struct hash_job *)job;
    crypt_wipe(hash->password.data, hash->password.len);
    buf_deinit(&hash->password);
    crypt_wipe(&hash->verifiers, sizeof(hash->verifiers));
}

static void run(void *arg)
{
    struct hash_job *job = arg;
    account_verifiers_make(buf_span(&job->password), job->iterations, &job->verifiers);
}

static void done(void *arg)
{
    struct hash_job *job = arg;
    metric_observe(METRIC_session_hash_seconds, (double)(clock_mono_us() - job->since_us) / 1e6);
    job->hashed(job);
}

static bool take_password(struct hash_job *job, struct span password)
{
    struct arena arena = {0};
    struct span prepared = {0};
    bool is_fine = password.len <= PASSWORD_MAX_BYTES &&
                   jid_prepare_password(password, &arena, &prepared) == 0 && prepared.len > 0 &&
                   prepared.len <= PASSWORD_MAX_BYTES;
    if (is_fine) {
        buf_append_span(&job->password, prepared);
    }
    if (prepared.data != password.data) {
        crypt_wipe((void *)(uintptr_t)prepared.data, prepared.len);
    }
    arena_deinit(&arena);
    return is_fine;
}

void account_hash(struct hash_job *job, struct span password, void (*hashed)(struct hash_job *job))
{
    struct session *session = job->job.session;
    job->hashed = hashed;
    job->since_us = clock_mono_us();
    job->iterations = (uint32_t)conf_u64(session->options.conf, CONF_session_iterations);
    if (!take_password(job, password)) {
        job_result(&job->job, "not-acceptable",
                   "The password is empty, too long, or has characters no password may have.");
    } else if (work_add(session->work, run, done, job) != 0) {
        job_result(&job->job, "resource-constraint",
                   "Too many passwords wait to be processed. Try again soon.");
    }
}
