/* ANONYMOUS (RFC 4505, XEP-0175): a temporary account with a name nobody can guess. It is in no table:
 * its name says what it is (jid/jid.h), and it is over with its session.
 */
#include "sasl.h"

#include "conf/conf.h"
#include "jid/jid.h"
#include "redis/redis.h"

#define TRACE_MAX_BYTES 1020 /* 255 characters (RFC 4505 section 2) */

static void on_counted(void *arg, enum limit_verdict verdict, uint64_t wait_ms)
{
    struct sasl_job *job = arg;
    struct arena *arena = &job->job.arena;
    if (verdict == LIMIT_UNKNOWN) {
        sasl_unavailable(job);
    } else if (verdict == LIMIT_REACHED) {
        struct span text = limit_text("anonymous logins", wait_ms, arena);
        sasl_refuse(job, "temporary-auth-failure", text.data);
    } else {
        job->state.account = jid_make_anonymous(job->state.domain, arena);
        job->state.is_known = true;
        sasl_judge(job, true);
    }
}

/* Who fails with other mechanisms has to wait with this one, too: sasl_check_limit was first. */
static void count(struct sasl_job *job)
{
    const struct conf *conf = job->job.session->options.conf;
    struct limit limit = {
        .key = REDIS_KEY_anonymous,
        .max = (uint32_t)conf_u64(conf, CONF_session_max_anonymous),
        .window_ms = (uint32_t)conf_u64(conf, CONF_session_registration_window),
        .address = job->state.address,
    };
    limit_check(job->job.session->redis, &limit, true, on_counted, job);
}

/* The message is for tracing, which we do by address: it is not even looked at. */
void sasl_anonymous_first(struct sasl_job *job, struct span message)
{
    const struct conf *conf = job->job.session->options.conf;
    if (!conf_bool_of(conf, CONF_session_anonymous, job->state.domain)) {
        sasl_refuse(job, "invalid-mechanism", "This mechanism is not offered.");
    } else if (message.len > TRACE_MAX_BYTES) {
        sasl_refuse(job, "malformed-request", "The trace is too long.");
    } else {
        sasl_check_limit(job, count);
    }
}
