/* A SASL exchange (RFC 4422): the stream carries it, session decides. Between two steps session's
 * own state is kept here, sealed, so that any instance can take the next one. */
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "metric/metric.h"
#include "stream/domain_internal.h"
#include "stream/offer_internal.h"
#include "stream/sasl_internal.h"

void stream_sasl_refuse(struct stream *stream, const struct stream_sasl_profile *profile,
                        const char *condition, struct span text)
{
    stream->state = STREAM_LOGIN;
    stream->login->mechanism = NULL;
    buf_deinit(&stream->login->sasl_state);
    profile->fail(stream, condition, text);
}

void stream_sasl_refuse_attempt(struct stream *stream, const struct stream_sasl_profile *profile,
                                const char *condition, struct span text)
{
    stream_sasl_refuse(stream, profile, condition, text);
    stream_login_failed(stream);
}

void stream_sasl_write(const char *ns, const char *name, struct span data, struct buf *out)
{
    buf_printf(out, "<%s xmlns='%s'>", name, ns);
    base64_encode(data, out);
    buf_printf(out, "</%s>", name);
}

/* ---- session's answer: one function per outcome ---- */

static void on_challenge(struct stream *stream, const struct wire_sasl_reply *reply)
{
    struct stream_login *login = stream->login;
    buf_reset(&login->sasl_state);
    buf_append_span(&login->sasl_state, reply->state);
    stream->state = login->profile->state;
    login->profile->challenge(stream, reply->data);
}

static void on_success(struct stream *stream, const struct wire_sasl_reply *reply)
{
    struct stream_login *login = stream->login;
    metric_inc(METRIC_stream_logins);
    buf_deinit(&login->sasl_state);
    mem_free(login->account);
    login->account = mem_strdup_span(reply->account);
    login->profile->succeed(stream, reply);
}

/* Conditions that say "our fault, try later" do not count against the client. */
static void on_failure(struct stream *stream, const struct wire_sasl_reply *reply)
{
    const struct stream_sasl_profile *profile = stream->login->profile;
    char *condition = mem_strdup_span(reply->condition);
    if (span_is(reply->condition, "temporary-auth-failure"))
        stream_sasl_refuse(stream, profile, condition, reply->text);
    else
        stream_sasl_refuse_attempt(stream, profile, condition, reply->text);
    mem_free(condition);
}

static void (*const outcomes[])(struct stream *stream, const struct wire_sasl_reply *reply) = {
    [WIRE_SASL_CHALLENGE] = on_challenge,
    [WIRE_SASL_SUCCESS] = on_success,
    [WIRE_SASL_FAILURE] = on_failure,
};

static void on_reply(struct stream_call *call, enum bus_outcome outcome,
                     const struct wire_msg *reply)
{
    struct stream *stream = call->stream;
    if (!stream || stream->state == STREAM_ENDED)
        return;
    if (outcome != BUS_SETTLED || reply->id != WIRE_ID_sasl_reply ||
        reply->u.sasl_reply.outcome >= sizeof(outcomes) / sizeof(outcomes[0])) {
        LOG_WARN("login-unanswered", "outcome=%d", (int)outcome);
        stream_sasl_refuse(stream, stream->login->profile, "temporary-auth-failure",
                           SPAN("the server cannot check logins now"));
        return;
    }
    outcomes[reply->u.sasl_reply.outcome](stream, &reply->u.sasl_reply);
}

/* ---- what the client says ---- */

static void start(struct stream *stream, const struct stream_mechanism *mechanism,
                  struct span initial)
{
    char address[64];
    stream->transport->address(stream->conn, address, sizeof(address));
    bool is_secure = stream->is_secure || stream_domain(stream)->plain_without_tls;
    struct stream_offer offer;
    stream_offer_load(stream, &offer);
    struct wire_msg request = {
        .id = WIRE_ID_sasl_start,
        .u.sasl_start =
            {
                .domain = span_cstr(stream->login->domain),
                .mechanism = span_cstr(stream_mechanism_name(mechanism)),
                .address = span_cstr(address),
                .flags = (is_secure ? WIRE_SASL_SECURE : 0) |
                         (offer.has_certificate ? WIRE_SASL_CERTIFICATE : 0),
                .initial = initial,
                .mechanisms = {offer.mechanisms, offer.mechanism_count},
                .binding_types = {offer.types, offer.type_count},
                .bindings = {offer.bindings, offer.type_count},
                .unadvertised = offer.unadvertised,
                .certificate = offer.certificate,
            },
    };
    if (stream->login->profile->prepare)
        stream->login->profile->prepare(stream, &request.u.sasl_start);
    stream_login_call(stream, rand_u64(), &request, on_reply);
    stream_offer_deinit(&offer);
}

/* No initial response: ask for it (RFC 6120 section 6.4.2). */
static void ask(struct stream *stream, const struct stream_mechanism *mechanism)
{
    stream->login->mechanism = mechanism;
    stream->state = stream->login->profile->state;
    stream->login->profile->challenge(stream, (struct span){0});
}

void stream_sasl_start(struct stream *stream, const struct stream_sasl_profile *profile,
                       const struct stream_sasl_choice *choice)
{
    const struct stream_mechanism *mechanism = stream_mechanism_find(choice->mechanism);
    const char *problem = mechanism
                              ? stream_mechanism_problem(stream, mechanism, choice->takes_token)
                              : "invalid-mechanism";
    struct buf initial = {0};
    stream->login->profile = profile;
    if (problem)
        stream_sasl_refuse(stream, profile, problem, (struct span){0});
    else if (base64_decode(choice->initial, &initial) < 0)
        stream_sasl_refuse_attempt(stream, profile, "incorrect-encoding", (struct span){0});
    else if (!choice->initial.data && !stream_mechanism_is_wordless(mechanism))
        ask(stream, mechanism);
    else
        start(stream, mechanism, buf_span(&initial));
    buf_deinit(&initial);
}

void stream_sasl_step(struct stream *stream, struct span text)
{
    struct stream_login *login = stream->login;
    const struct stream_mechanism *mechanism = login->mechanism;
    struct buf response = {0};
    if (base64_decode(text, &response) < 0) {
        stream_sasl_refuse_attempt(stream, login->profile, "incorrect-encoding", (struct span){0});
    } else if (mechanism) {
        login->mechanism = NULL;
        start(stream, mechanism, buf_span(&response));
    } else {
        struct wire_msg request = {
            .id = WIRE_ID_sasl_step,
            .u.sasl_step = {.state = buf_span(&login->sasl_state), .response = buf_span(&response)},
        };
        stream_login_call(stream, rand_u64(), &request, on_reply);
    }
    buf_deinit(&response);
}
