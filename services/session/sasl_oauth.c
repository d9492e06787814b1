/* OAUTHBEARER (RFC 7628) with signed tokens (common/jwt): who shows one is who it names.
 *
 * A token that is not good is answered with an error in JSON, the client acknowledges that with a
 * dummy message, and only then the login fails (section 3.2.3).
 */
#include "sasl.h"

#include "account_clear.h"
#include "account_hash.h"
#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "metric/metric.h"
#include "oauth.h"
#include "registry/registry.h"

#define SEPARATOR     '\x01'
#define INVALID_TOKEN "{\"status\":\"invalid_token\"}"

struct bearer {
    struct span authzid; /* empty: none */
    struct span token;   /* empty: the client only asks what it needs */
};

/* ---- the client's message ---- */

/* A saslname (RFC 5801 section 4): "=2C" is a comma, "=3D" an equals sign. -1 when it is none. */
static int read_name(struct span text, struct arena *arena, struct span *name_out)
{
    struct buf name = {0};
    int result = 0;
    while (text.len > 0 && result == 0) {
        struct span escaped = span_head(text, 3);
        if (text.data[0] != '=') {
            buf_append_u8(&name, (uint8_t)text.data[0]);
            text = span_from(text, 1);
        } else if (span_is(escaped, "=2C") || span_is(escaped, "=3D")) {
            buf_append_u8(&name, span_is(escaped, "=2C") ? ',' : '=');
            text = span_from(text, 3);
        } else {
            result = -1;
        }
    }
    *name_out = arena_copy(arena, buf_span(&name));
    buf_deinit(&name);
    return result;
}

/* The header without channel binding: "n," or "y,", then "a=NAME" or nothing, then ",". */
static int read_header(struct span *message, struct arena *arena, struct bearer *bearer)
{
    struct span rest = span_from(*message, 2);
    struct span authzid = span_head(rest, span_find(rest, ','));
    if ((!span_has_prefix(*message, SPAN("n,")) && !span_has_prefix(*message, SPAN("y,"))) ||
        authzid.len == rest.len) {
        return -1;
    }
    *message = span_from(rest, authzid.len + 1);
    if (authzid.len == 0) {
        return 0;
    }
    return span_has_prefix(authzid, SPAN("a="))
               ? read_name(span_from(authzid, 2), arena, &bearer->authzid)
               : -1;
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* "Bearer TOKEN" in any case (RFC 6750 section 2.1, RFC 7235 section 2.1). */
static int read_credentials(struct span value, struct bearer *bearer)
{
    static const char scheme[] = "bearer ";
    const size_t len = sizeof(scheme) - 1;
    if (value.len == 0) {
        return 0;
    }
    for (size_t i = 0; i < len; i++) {
        if (i >= value.len || lower(value.data[i]) != scheme[i]) {
            return -1;
        }
    }
    bearer->token = span_trim(span_from(value, len));
    return 0;
}

/* KEY=VALUE of letters and what follows. -1 when it is none. */
static int read_pair(struct span pair, struct bearer *bearer, bool *has_auth)
{
    size_t equals = span_find(pair, '=');
    struct span key = span_head(pair, equals);
    for (size_t i = 0; i < key.len; i++) {
        if (lower(key.data[i]) < 'a' || lower(key.data[i]) > 'z') {
            return -1;
        }
    }
    if (key.len == 0 || equals == pair.len) {
        return -1;
    }
    if (!span_is(key, "auth")) {
        return 0; /* host, port and what may come: not needed */
    }
    *has_auth = true;
    return read_credentials(span_from(pair, equals + 1), bearer);
}

/* Section 3.1: header, separator, pairs with one behind each, one more. */
static int read_message(struct span message, struct arena *arena, struct bearer *bearer)
{
    bool has_auth = false;
    if (read_header(&message, arena, bearer) != 0 || message.len < 2 ||
        message.data[0] != SEPARATOR || message.data[message.len - 1] != SEPARATOR) {
        return -1;
    }
    message = span_head(span_from(message, 1), message.len - 2);
    while (message.len > 0) {
        struct span pair = span_head(message, span_find(message, SEPARATOR));
        if (pair.len == message.len || read_pair(pair, bearer, &has_auth) != 0) {
            return -1;
        }
        message = span_from(message, pair.len + 1);
    }
    return has_auth ? 0 : -1;
}

/* ---- refusing ---- */

static void say_invalid(struct sasl_job *job)
{
    job->state.server_first = SPAN(INVALID_TOKEN);
    sasl_challenge(job, job->state.server_first);
}

/* Counts as a failure of the address. `reason` says nothing of the token. */
static void refuse_token(struct sasl_job *job, const char *reason)
{
    LOG_INFO("token_refused", "reason=%s domain=%.*s address=%.*s", reason,
             SPAN_ARG(job->state.domain), SPAN_ARG(job->state.address));
    job->refuse = say_invalid;
    sasl_judge(job, false);
}

void sasl_oauth_last(struct sasl_job *job, struct span message)
{
    (void)message;
    sasl_refuse(job, "not-authorized", "The token is not good.");
}

/* ---- the account ---- */

static void let_in(struct sasl_job *job)
{
    job->state.is_known = true;
    sasl_judge(job, true);
}

/* Two logins may make it at once. */
static void on_made(void *arg, enum account_status status)
{
    struct sasl_job *job = arg;
    if (status == ACCOUNT_DOWN) {
        sasl_unavailable(job);
        return;
    }
    if (status == ACCOUNT_OK) {
        metric_inc(METRIC_session_registrations);
        LOG_INFO("account_added", "account=%.*s by=token address=%.*s",
                 SPAN_ARG(job->state.account), SPAN_ARG(job->state.address));
        registry_reopen(job->job.session->redis, job->state.account);
    }
    let_in(job);
}

static void on_looked_up(void *arg, enum account_status status)
{
    struct sasl_job *job = arg;
    struct session *session = job->job.session;
    static const struct account_verifiers none = {0};
    if (status == ACCOUNT_DOWN) {
        sasl_unavailable(job);
    } else if (status == ACCOUNT_OK) {
        let_in(job);
    } else if (conf_bool_of(session->options.conf, CONF_session_oauth_accounts,
                            job->state.domain)) {
        account_clear_add(session, job->state.account, &none, on_made, job);
    } else {
        refuse_token(job, "no such account");
    }
}

/* A user name, or a bare JID of the stream's domain. */
static int read_account(struct sasl_job *job, struct span name)
{
    struct arena *arena = &job->job.arena;
    struct span jid;
    if (span_find(name, '@') == name.len) {
        struct span node;
        if (jid_normalise_node(name, arena, &node) != 0 || span_is_empty(node)) {
            return -1;
        }
        job->state.account = jid_join(node, job->state.domain, (struct span){0}, arena);
        return 0;
    }
    if (jid_normalise(name, arena, &jid) != 0 || !jid_is_bare(jid) ||
        span_is_empty(jid_node(jid)) || !span_eq(jid_domain(jid), job->state.domain)) {
        return -1;
    }
    job->state.account = arena_copy(arena, jid);
    return 0;
}

static int take_account(struct sasl_job *job, struct span name)
{
    return read_account(job, name) == 0 && !jid_is_anonymous(job->state.account) ? 0 : -1;
}

/* ---- the token ---- */

static enum jwt_problem check(struct sasl_job *job, const struct jwt_keys *keys, struct span token,
                              struct span *name_out)
{
    const struct conf *conf = job->job.session->options.conf;
    struct span domain = job->state.domain;
    struct span audience = span_cstr(conf_str_of(conf, CONF_session_oauth_audience, domain));
    struct jwt_rules rules = {
        .issuer = span_cstr(conf_str_of(conf, CONF_session_oauth_issuer, domain)),
        .audience = span_is_empty(audience) ? domain : audience,
        .claim = conf_str_of(conf, CONF_session_oauth_claim, domain),
        .now_ms = clock_real_ms(),
        .skew_ms = conf_u64_of(conf, CONF_session_oauth_clock_skew, domain),
    };
    return jwt_check(keys, token, &rules, &job->job.arena, name_out);
}

static void try_token(struct sasl_job *job)
{
    struct session *session = job->job.session;
    const struct bearer *bearer = job->own;
    const struct jwt_keys *keys = oauth_keys(session->oauth, job->state.domain);
    struct span name;
    enum jwt_problem problem = keys ? check(job, keys, bearer->token, &name) : JWT_KEY;
    if (problem != JWT_FINE) {
        refuse_token(job, jwt_problem_text(problem));
    } else if (take_account(job, name) != 0) {
        refuse_token(job, "names nobody of this domain");
    } else if (!sasl_may_act_as(job, bearer->authzid)) {
        job->refusal = "invalid-authzid";
        job->refusal_text = "You can act as your own account only.";
        sasl_judge(job, false);
    } else {
        account_store_exists(session->accounts, job->state.account, on_looked_up, job);
    }
}

void sasl_oauth_first(struct sasl_job *job, struct span message)
{
    struct arena *arena = &job->job.arena;
    struct bearer *bearer = arena_calloc(arena, 1, sizeof(*bearer));
    if (read_message(arena_copy(arena, message), arena, bearer) != 0) {
        sasl_refuse(job, "malformed-request", "This is not an OAUTHBEARER message.");
    } else if (!oauth_keys(job->job.session->oauth, job->state.domain)) {
        sasl_refuse(job, "invalid-mechanism", "This mechanism is not offered.");
    } else if (span_is_empty(bearer->token)) {
        say_invalid(job); /* no guess was made */
    } else {
        job->own = bearer;
        sasl_check_limit(job, try_token);
    }
}
