/* SASL (RFC 6120 section 6): the stream carries it, session decides. Between two steps session's
 * own state is kept here, sealed, so that any instance can take the next one. */
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "metric/metric.h"
#include "stream/offer_internal.h"
#include "stream/stream_internal.h"

static void fail(struct stream *stream, const char *condition, struct span text)
{
    struct buf *out = &stream->host->out;
    buf_reset(out);
    buf_printf(out, "<failure xmlns='" NS_SASL "'><%s/>", condition);
    if (text.len > 0) {
        buf_append_cstr(out, "<text xml:lang='en'>");
        xml_escape(text, out);
        buf_append_cstr(out, "</text>");
    }
    buf_append_cstr(out, "</failure>");
    stream->state = STREAM_LOGIN;
    stream->login->mechanism = NULL;
    buf_deinit(&stream->login->sasl_state);
    (void)stream_send(stream, buf_span(out));
}

/* As fail, for what counts as an attempt: too many end the stream. */
static void fail_attempt(struct stream *stream, const char *condition, struct span text)
{
    metric_inc(METRIC_stream_login_failures);
    fail(stream, condition, text);
    if (++stream->login->attempts >= stream->host->options.max_auth_attempts)
        stream_fail(stream, "policy-violation", SPAN("too many failed logins"));
}

/* Sends <name>base64</name>; empty data as an empty element. */
static void send_data(struct stream *stream, const char *name, struct span data)
{
    struct buf *out = &stream->host->out;
    buf_reset(out);
    buf_printf(out, "<%s xmlns='" NS_SASL "'>", name);
    base64_encode(data, out);
    buf_printf(out, "</%s>", name);
    (void)stream_send(stream, buf_span(out));
}

/* ---- session's answer: one function per outcome ---- */

static void on_challenge(struct stream *stream, const struct wire_sasl_reply *reply)
{
    struct buf *state = &stream->login->sasl_state;
    buf_reset(state);
    buf_append_span(state, reply->state);
    stream->state = STREAM_SASL;
    send_data(stream, "challenge", reply->data);
}

static void on_success(struct stream *stream, const struct wire_sasl_reply *reply)
{
    struct stream_login *login = stream->login;
    metric_inc(METRIC_stream_logins);
    buf_deinit(&login->sasl_state);
    mem_free(login->account);
    login->account = mem_strdup_span(reply->account);
    stream->state = STREAM_REOPENING;
    if (stream->parser)
        xml_stream_restart(stream->parser);
    send_data(stream, "success", reply->data);
}

/* Conditions that say "our fault, try later" do not count against the client. */
static void on_failure(struct stream *stream, const struct wire_sasl_reply *reply)
{
    char *condition = mem_strdup_span(reply->condition);
    if (span_is(reply->condition, "temporary-auth-failure"))
        fail(stream, condition, reply->text);
    else
        fail_attempt(stream, condition, reply->text);
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
        fail(stream, "temporary-auth-failure", SPAN("the server cannot check logins now"));
        return;
    }
    outcomes[reply->u.sasl_reply.outcome](stream, &reply->u.sasl_reply);
}

/* ---- the client's elements ---- */

static void start(struct stream *stream, const struct stream_mechanism *mechanism,
                  struct span initial)
{
    char address[64];
    stream->transport->address(stream->conn, address, sizeof(address));
    bool is_secure = stream->is_secure || stream->host->options.plain_without_tls;
    struct stream_offer offer;
    stream_offer_load(stream, &offer);
    struct wire_msg request = {
        .id = WIRE_ID_sasl_start,
        .u.sasl_start =
            {
                .domain = span_cstr(stream->login->domain),
                .mechanism = span_cstr(stream_mechanism_name(mechanism)),
                .address = span_cstr(address),
                .flags = is_secure ? WIRE_SASL_SECURE : 0,
                .initial = initial,
                .mechanisms = {offer.mechanisms, offer.mechanism_count},
                .binding_types = {offer.types, offer.type_count},
                .bindings = {offer.bindings, offer.type_count},
                .unadvertised = offer.unadvertised,
            },
    };
    stream_login_call(stream, rand_u64(), &request, on_reply);
}

/* The text of an element as bytes: base64, "=" stands for empty. 0, or -1. */
static int decode(const struct xml_top *top, struct buf *out)
{
    struct span text = span_trim(top->text);
    if (span_is(text, "="))
        return 0;
    return base64_decode(text, out);
}

void stream_sasl_auth(struct stream *stream, const struct xml_top *top)
{
    const struct stream_mechanism *mechanism =
        stream_mechanism_find(xml_attr_get(top, "mechanism"));
    const char *problem =
        mechanism ? stream_mechanism_problem(stream, mechanism) : "invalid-mechanism";
    struct buf initial = {0};
    if (problem)
        fail(stream, problem, (struct span){0});
    else if (decode(top, &initial) < 0)
        fail_attempt(stream, "incorrect-encoding", (struct span){0});
    else if (initial.len == 0 && top->text.len == 0) {
        /* No initial response: ask for it (RFC 6120 section 6.4.2). */
        stream->login->mechanism = mechanism;
        stream->state = STREAM_SASL;
        send_data(stream, "challenge", (struct span){0});
    } else
        start(stream, mechanism, buf_span(&initial));
    buf_deinit(&initial);
}

void stream_sasl_response(struct stream *stream, const struct xml_top *top)
{
    struct stream_login *login = stream->login;
    const struct stream_mechanism *mechanism = login->mechanism;
    struct buf response = {0};
    if (decode(top, &response) < 0) {
        fail_attempt(stream, "incorrect-encoding", (struct span){0});
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

void stream_sasl_stray(struct stream *stream, const struct xml_top *top)
{
    (void)top;
    fail_attempt(stream, "malformed-request", (struct span){0});
}

void stream_sasl_abort(struct stream *stream, const struct xml_top *top)
{
    (void)top;
    fail(stream, "aborted", (struct span){0});
}
