/* The frame around the mechanisms: their table, the sealed state, the answers. */
#include "sasl.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "metric/metric.h"
#include "redis/redis.h"
#include "xep0484_fast.h"

#define WRONG_TEXT   "Wrong user name or password."
#define EXPIRED_TEXT "The login took too long. Start again."

static const struct sasl_mechanism mechanisms[] = {
    {"EXTERNAL", true, true, false, sasl_external_first, NULL, SCRAM_MESSAGE_MAX},
    {"SCRAM-SHA-512-PLUS", true, false, false, sasl_scram_first, sasl_scram_last,
     SCRAM_MESSAGE_MAX},
    {"SCRAM-SHA-256-PLUS", true, false, false, sasl_scram_first, sasl_scram_last,
     SCRAM_MESSAGE_MAX},
    {"SCRAM-SHA-1-PLUS", true, false, false, sasl_scram_first, sasl_scram_last, SCRAM_MESSAGE_MAX},
    {"SCRAM-SHA-512", false, false, false, sasl_scram_first, sasl_scram_last, SCRAM_MESSAGE_MAX},
    {"SCRAM-SHA-256", false, false, false, sasl_scram_first, sasl_scram_last, SCRAM_MESSAGE_MAX},
    {"SCRAM-SHA-1", false, false, false, sasl_scram_first, sasl_scram_last, SCRAM_MESSAGE_MAX},
    {"OAUTHBEARER", true, false, false, sasl_oauth_first, sasl_oauth_last, OAUTH_MESSAGE_MAX},
    {"PLAIN", true, false, false, sasl_plain_first, NULL, SCRAM_MESSAGE_MAX},
    {"ANONYMOUS", false, true, false, sasl_anonymous_first, NULL, SCRAM_MESSAGE_MAX},
    {"HT-SHA-256-EXPR", false, false, true, xep0484_first, NULL, SCRAM_MESSAGE_MAX},
    {"HT-SHA-256-ENDP", false, false, true, xep0484_first, NULL, SCRAM_MESSAGE_MAX},
    {"HT-SHA-256-NONE", false, false, true, xep0484_first, NULL, SCRAM_MESSAGE_MAX},
};

static const struct sasl_mechanism *find(struct span name)
{
    for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
        if (span_is(name, mechanisms[i].name)) {
            return &mechanisms[i];
        }
    }
    return NULL;
}

/* ---- the sealed state ---- */

static struct span seal_context(void)
{
    return SPAN("sasl");
}

void sasl_cleanup(struct job *job)
{
    struct sasl_job *sasl = (struct sasl_job *)job;
    crypt_wipe((void *)(uintptr_t)sasl->token.data, sasl->token.len);
    crypt_wipe((void *)(uintptr_t)sasl->proven_key.data, sasl->proven_key.len);
    crypt_wipe((void *)(uintptr_t)sasl->state.stored_key.data, sasl->state.stored_key.len);
    crypt_wipe((void *)(uintptr_t)sasl->state.server_key.data, sasl->state.server_key.len);
}

static void seal(struct sasl_job *job, struct buf *out)
{
    struct wire_msg msg = {.id = WIRE_ID_sasl_state, .u.sasl_state = job->state};
    struct buf plain = {0};
    wire_encode(&msg, &plain);
    crypt_seal(job->job.session->state_key, seal_context(), buf_span(&plain), out);
    crypt_wipe(plain.data, plain.len);
    buf_deinit(&plain);
}

/* Opens a state into the job. -1 when it is not ours, or too old. The clocks of two hosts may
 * differ by the timeout itself. */
static int unseal(struct sasl_job *job, struct span sealed)
{
    const struct session *session = job->job.session;
    uint64_t timeout = conf_u64(session->options.conf, CONF_session_sasl_timeout);
    uint64_t now = clock_real_ms();
    struct buf plain = {0};
    struct wire_msg msg;
    int result = crypt_open(session->state_key, seal_context(), sealed, &plain);
    if (result == 0) {
        struct span copy = arena_copy(&job->job.arena, buf_span(&plain));
        result = wire_decode(copy, &job->job.arena, &msg, NULL);
        crypt_wipe(plain.data, plain.len);
    }
    buf_deinit(&plain);
    if (result != 0 || msg.id != WIRE_ID_sasl_state) {
        return -1;
    }
    job->state = msg.u.sasl_state;
    job->mechanism = find(job->state.mechanism);
    bool is_fresh = now < job->state.created_ms + timeout && job->state.created_ms < now + timeout;
    return job->mechanism && is_fresh ? 0 : -1;
}

/* ---- answers ---- */

static void answer(struct sasl_job *job, struct wire_sasl_reply *reply)
{
    struct wire_msg msg = {.id = WIRE_ID_sasl_reply, .u.sasl_reply = *reply};
    job_reply(&job->job, &msg);
}

void sasl_challenge(struct sasl_job *job, struct span data)
{
    struct buf state = {0};
    seal(job, &state);
    answer(job, &(struct wire_sasl_reply){
                    .outcome = WIRE_SASL_CHALLENGE, .data = data, .state = buf_span(&state)});
    buf_deinit(&state);
}

static void fail(struct sasl_job *job, const char *condition, struct span text,
                 enum metric_id metric)
{
    /* What is no account may be a password typed into the wrong field: not logged. */
    struct span account = job->state.is_known ? job->state.account : SPAN("unknown");
    metric_inc(metric);
    LOG_INFO("login_failed", "mechanism=%s account=%.*s address=%.*s condition=%s",
             job->mechanism ? job->mechanism->name : "unknown", SPAN_ARG(account),
             SPAN_ARG(job->state.address), condition);
    answer(job, &(struct wire_sasl_reply){
                    .outcome = WIRE_SASL_FAILURE, .condition = span_cstr(condition), .text = text});
}

void sasl_refuse(struct sasl_job *job, const char *condition, const char *text)
{
    fail(job, condition, span_cstr(text), METRIC_session_logins_refused);
}

void sasl_unavailable(struct sasl_job *job)
{
    fail(job, "temporary-auth-failure",
         SPAN("Logins cannot be checked at the moment. Try again soon."),
         METRIC_session_logins_unavailable);
}

void sasl_accept(struct sasl_job *job)
{
    metric_inc(METRIC_session_logins);
    LOG_INFO("login", "mechanism=%.*s account=%.*s address=%.*s", SPAN_ARG(job->state.mechanism),
             SPAN_ARG(job->state.account), SPAN_ARG(job->state.address));
    answer(job, &(struct wire_sasl_reply){.outcome = WIRE_SASL_SUCCESS,
                                          .data = job->data,
                                          .account = job->state.account,
                                          .token = job->token,
                                          .token_expires_ms = job->token_expires_ms});
}

void sasl_reject(struct sasl_job *job)
{
    fail(job, job->refusal ? job->refusal : "not-authorized",
         span_cstr(job->refusal ? job->refusal_text : WRONG_TEXT), METRIC_session_logins_wrong);
}

/* ---- the limit ---- */

static struct limit limit_of(const struct sasl_job *job)
{
    const struct conf *conf = job->job.session->options.conf;
    return (struct limit){
        .key = REDIS_KEY_failures,
        .max = (uint32_t)conf_u64(conf, CONF_session_max_failures),
        .window_ms = (uint32_t)conf_u64(conf, CONF_session_failure_window),
        .address = job->state.address,
    };
}

/* False after it answered: the address has to wait, or nobody knows. */
static bool may_go_on(struct sasl_job *job, enum limit_verdict verdict, uint64_t wait_ms)
{
    if (verdict == LIMIT_UNKNOWN) {
        sasl_unavailable(job);
    } else if (verdict == LIMIT_REACHED) {
        fail(job, "temporary-auth-failure", limit_text("failed logins", wait_ms, &job->job.arena),
             METRIC_session_logins_limited);
    }
    return verdict == LIMIT_FINE;
}

static void on_judged(void *arg, enum limit_verdict verdict, uint64_t wait_ms)
{
    struct sasl_job *job = arg;
    if (!may_go_on(job, verdict, wait_ms)) {
        return;
    }
    if (job->is_right) {
        xep0484_settle(job);
    } else if (job->refuse) {
        job->refuse(job);
    } else {
        sasl_reject(job);
    }
}

void sasl_judge(struct sasl_job *job, bool is_right)
{
    struct limit limit = limit_of(job);
    job->is_right = is_right && job->state.is_known;
    limit_check(job->job.session->redis, &limit, !job->is_right, on_judged, job);
}

static void on_may_try(void *arg, enum limit_verdict verdict, uint64_t wait_ms)
{
    struct sasl_job *job = arg;
    if (may_go_on(job, verdict, wait_ms)) {
        job->go_on(job);
    }
}

void sasl_check_limit(struct sasl_job *job, void (*fn)(struct sasl_job *job))
{
    struct limit limit = limit_of(job);
    job->go_on = fn;
    limit_check(job->job.session->redis, &limit, false, on_may_try, job);
}

/* ---- helpers ---- */

void sasl_set_account(struct sasl_job *job, struct span username)
{
    struct arena *arena = &job->job.arena;
    struct span node;
    if (jid_normalise_node(username, arena, &node) == 0 && !span_is_empty(node)) {
        job->state.account = jid_join(node, job->state.domain, (struct span){0}, arena);
        return;
    }
    struct buf hex = {0}; /* any bytes, and a database may want UTF-8 */
    hex_encode(username, &hex);
    job->state.account =
        arena_printf(arena, "%s@%.*s/", buf_cstr(&hex), SPAN_ARG(job->state.domain));
    buf_deinit(&hex);
}

bool sasl_may_act_as(struct sasl_job *job, struct span authzid)
{
    struct span jid;
    return span_is_empty(authzid) ||
           (jid_normalise(authzid, &job->job.arena, &jid) == 0 &&
            span_eq(jid, job->state.account) &&
            (span_is_empty(job->state.from) || span_eq(jid, job->state.from)));
}

int sasl_choose_binding(struct sasl_job *job, struct span type)
{
    struct wire_sasl_state *state = &job->state;
    for (uint32_t i = 0; i < state->binding_types.count && i < state->bindings.count; i++) {
        if (span_eq(state->binding_types.items[i], type) &&
            !span_is_empty(state->bindings.items[i])) {
            state->binding = state->bindings.items[i];
            return 0;
        }
    }
    return -1;
}

void sasl_fake(const struct sasl_job *job, enum crypt_hash hash,
               struct scram_verifier *verifier_out)
{
    const struct session *session = job->job.session;
    scram_verifier_fake(
        hash, span_of((const char *)session->fake_key, CRYPT_KEY_SIZE), job->state.account,
        (uint32_t)conf_u64(session->options.conf, CONF_session_iterations), verifier_out);
}

/* ---- the calls ---- */

static void first(struct sasl_job *job, struct span message)
{
    if (message.len > job->mechanism->max_bytes) {
        sasl_refuse(job, "malformed-request", "The message is too long.");
    } else {
        job->mechanism->first(job, message);
    }
}

static struct wire_strs copy_list(struct arena *arena, const struct wire_strs *list)
{
    struct span *items = arena_calloc(arena, list->count + 1, sizeof(*items));
    for (uint32_t i = 0; i < list->count; i++) {
        items[i] = arena_copy(arena, list->items[i]);
    }
    return (struct wire_strs){items, list->count};
}

void sasl_start_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
                     void *arg)
{
    const struct wire_sasl_start *start = &msg->u.sasl_start;
    struct sasl_job *job = job_new(session, sizeof(*job), reply, arg);
    struct arena *arena = &job->job.arena;
    job->job.cleanup = sasl_cleanup;
    job->state = (struct wire_sasl_state){
        .created_ms = clock_real_ms(),
        .mechanism = arena_copy(arena, start->mechanism),
        .domain = arena_copy(arena, start->domain),
        .address = arena_copy(arena, start->address),
        .flags = start->flags,
        .mechanisms = copy_list(arena, &start->mechanisms),
        .binding_types = copy_list(arena, &start->binding_types),
        .bindings = copy_list(arena, &start->bindings),
        .unadvertised = start->unadvertised,
        .certificate = copy_list(arena, &start->certificate),
        .from = arena_copy(arena, start->from),
        .client = arena_copy(arena, start->client),
        .token_mechanism = arena_copy(arena, start->token_mechanism),
        .count = start->count,
    };
    job->mechanism = find(start->mechanism);
    if (!session->has_secret) {
        sasl_unavailable(job);
    } else if (!job->mechanism ||
               job->mechanism->takes_token != ((start->flags & WIRE_SASL_FAST) != 0)) {
        sasl_refuse(job, "invalid-mechanism", "This mechanism is not offered.");
    } else if (job->mechanism->needs_secure && !(start->flags & WIRE_SASL_SECURE)) {
        sasl_refuse(job, "encryption-required", "Use this mechanism on an encrypted stream only.");
    } else if (!session_has_domain(session, start->domain)) {
        sasl_refuse(job, "not-authorized", WRONG_TEXT);
    } else if (span_is_empty(start->initial) && !job->mechanism->may_be_empty) {
        sasl_challenge(job, (struct span){0}); /* the client speaks first, in the next step */
    } else {
        first(job, start->initial);
    }
}

void sasl_step_call(struct session *session, const struct wire_msg *msg, session_reply_fn *reply,
                    void *arg)
{
    const struct wire_sasl_step *step = &msg->u.sasl_step;
    struct sasl_job *job = job_new(session, sizeof(*job), reply, arg);
    job->job.cleanup = sasl_cleanup;
    if (!session->has_secret) {
        sasl_unavailable(job);
    } else if (unseal(job, step->state) != 0) {
        sasl_refuse(job, "temporary-auth-failure", EXPIRED_TEXT);
    } else if (span_is_empty(job->state.server_first)) {
        first(job, step->response);
    } else {
        job->mechanism->last(job, step->response);
    }
}
