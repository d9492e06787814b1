/* XEP-0388: Extensible SASL Profile. <authenticate/> says in one element how to log in and what the
 * stream shall be afterwards; <success/> answers all of it, and features follow without a new
 * stream. There are no tasks: a login is never answered with <continue/>. */
#include "base/codec.h"
#include "base/mem.h"
#include "stream/domain_internal.h"
#include "stream/sasl2_internal.h"
#include "stream/sasl_internal.h"

#include <ctype.h>

static const struct {
    const char *ns;
    const char *name;
    void (*offer)(const struct stream *stream, const struct stream_offer *offer, struct buf *out);
    const char *(*take)(struct stream *stream, const struct xml_node *element);
} inlines[] = {
    {NS_BIND2, "bind", stream_bind2_offer, stream_bind2_take},
    {NS_SM, "resume", stream_sm_offer_resume, stream_sm_take_resume},
    {NS_FAST, "fast", stream_fast_offer, stream_fast_take},
    {NS_FAST, "request-token", NULL, stream_fast_take_request},
};

/* In this order; the first that binds a session is the last one taken. */
static bool (*const steps[])(struct stream *stream) = {
    stream_sm_resume_step,
    stream_bind2_step,
};

#define INLINE_COUNT (sizeof(inlines) / sizeof(inlines[0]))
#define STEP_COUNT   (sizeof(steps) / sizeof(steps[0]))

static struct stream_sasl2 *sasl2_new(void)
{
    return mem_calloc(1, sizeof(struct stream_sasl2));
}

void stream_sasl2_free(struct stream_sasl2 *sasl2)
{
    if (!sasl2)
        return;
    mem_free(sasl2->client);
    mem_free(sasl2->previd);
    buf_deinit(&sasl2->bound);
    buf_deinit(&sasl2->bind);
    buf_deinit(&sasl2->data);
    buf_deinit(&sasl2->results);
    mem_free(sasl2);
}

static void forget(struct stream_login *login)
{
    stream_sasl2_free(login->sasl2);
    login->sasl2 = NULL;
}

/* Only on encrypted streams (section "Security Considerations"). */
static bool is_offered(const struct stream *stream)
{
    return !stream_awaits_tls(stream) &&
           (stream->is_secure || stream_domain(stream)->sasl2_without_tls);
}

void stream_sasl2_offer(const struct stream *stream, const struct stream_offer *offer,
                        struct buf *out)
{
    if (!is_offered(stream) || offer->mechanism_count == 0)
        return;
    buf_append_cstr(out, "<authentication xmlns='" NS_SASL2 "'>");
    for (uint32_t i = 0; i < offer->mechanism_count; i++)
        buf_printf(out, "<mechanism>%.*s</mechanism>", SPAN_ARG(offer->mechanisms[i]));
    buf_append_cstr(out, "<inline>");
    for (size_t i = 0; i < INLINE_COUNT; i++)
        if (inlines[i].offer)
            inlines[i].offer(stream, offer, out);
    buf_append_cstr(out, "</inline></authentication>");
}

/* ---- what is said ---- */

static void say_challenge(struct stream *stream, struct span data)
{
    struct buf *out = &stream->host->out;
    buf_reset(out);
    stream_sasl_write(NS_SASL2, "challenge", data, out);
    (void)stream_send(stream, buf_span(out));
}

static void say_failure(struct stream *stream, const char *condition, struct span text)
{
    struct buf *out = &stream->host->out;
    forget(stream->login);
    buf_reset(out);
    buf_printf(out, "<failure xmlns='" NS_SASL2 "'><%s xmlns='" NS_SASL "'/>", condition);
    if (text.len > 0) {
        buf_append_cstr(out, "<text xml:lang='en'>");
        xml_escape(text, out);
        buf_append_cstr(out, "</text>");
    }
    buf_append_cstr(out, "</failure>");
    (void)stream_send(stream, buf_span(out));
}

static void say_success(struct stream *stream)
{
    const struct stream_login *login = stream->login;
    struct buf *out = &stream->host->out;
    buf_reset(out);
    buf_append_cstr(out, "<success xmlns='" NS_SASL2 "'>");
    buf_append_span(out, buf_span(&login->sasl2->data));
    buf_append_cstr(out, "<authorization-identifier>");
    xml_escape(stream->session ? stream_jid(stream) : span_cstr(login->account), out);
    buf_append_cstr(out, "</authorization-identifier>");
    buf_append_span(out, buf_span(&login->sasl2->results));
    buf_append_cstr(out, "</success>");
    (void)stream_send(stream, buf_span(out));
}

/* ---- after the login ---- */

static void finish(struct stream *stream)
{
    bool is_resumed = stream->login->sasl2->is_resumed;
    say_success(stream);
    forget(stream->login);
    if (stream->state == STREAM_ENDED || is_resumed)
        return;
    stream->state = stream->session ? STREAM_BOUND : STREAM_BINDING;
    stream_send_features(stream);
}

void stream_sasl2_go_on(struct stream *stream)
{
    struct stream_sasl2 *sasl2 = stream->login->sasl2;
    while (!stream->session && sasl2->step < STEP_COUNT)
        if (steps[sasl2->step++](stream))
            return;
    finish(stream);
}

static void succeed(struct stream *stream, const struct wire_sasl_reply *reply)
{
    struct stream_sasl2 *sasl2 = stream->login->sasl2;
    if (reply->data.len > 0) {
        buf_append_cstr(&sasl2->data, "<additional-data>");
        base64_encode(reply->data, &sasl2->data);
        buf_append_cstr(&sasl2->data, "</additional-data>");
    }
    stream_fast_write_token(reply, &sasl2->results);
    stream_sasl2_go_on(stream);
}

/* ---- what session is told ---- */

static void prepare(struct stream *stream, struct wire_sasl_start *start)
{
    const struct stream_login *login = stream->login;
    const struct stream_sasl2 *sasl2 = login->sasl2;
    start->flags |= sasl2->fast_flags;
    start->count = sasl2->fast_count;
    start->from = span_cstr(login->from);
    start->client = span_cstr(sasl2->client);
    start->token_mechanism = span_cstr(sasl2->token_mechanism);
}

static const struct stream_sasl_profile profile = {
    .state = STREAM_SASL2,
    .challenge = say_challenge,
    .succeed = succeed,
    .fail = say_failure,
    .prepare = prepare,
};

/* ---- the client's elements ---- */

/* xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx; that it be of version 4 is between the client and its
 * random numbers. */
static bool is_uuid(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? text.data[i] != '-' : !isxdigit((unsigned char)text.data[i]))
            return false;
    }
    return text.len == 36;
}

static const char *take_user_agent(struct stream *stream, const struct xml_node *first)
{
    const struct xml_node *agent = xml_find(first, NS_SASL2, "user-agent");
    struct span id = agent ? xml_node_attr(agent, "id") : (struct span){0};
    if (!id.data)
        return NULL;
    if (!is_uuid(id))
        return "malformed-request";
    char *client = mem_strdup_span(id);
    for (char *c = client; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    stream->login->sasl2->client = client;
    return NULL;
}

/* Unknown elements are passed over. */
static const char *take_all(struct stream *stream, const struct xml_node *first)
{
    const char *problem = take_user_agent(stream, first);
    for (size_t i = 0; i < INLINE_COUNT && !problem; i++) {
        const struct xml_node *element = xml_find(first, inlines[i].ns, inlines[i].name);
        if (element)
            problem = inlines[i].take(stream, element);
    }
    return problem;
}

static struct span initial_response(const struct xml_node *first, struct arena *arena)
{
    const struct xml_node *node = xml_find(first, NS_SASL2, "initial-response");
    if (!node)
        return (struct span){0};
    struct span text = span_trim(xml_node_text(node, arena));
    return text.data ? text : SPAN(""); /* empty is not absent */
}

void stream_sasl2_authenticate(struct stream *stream, const struct xml_top *top)
{
    struct arena *arena = &stream->host->arena;
    struct xml_node *first;
    arena_reset(arena);
    forget(stream->login);
    stream->login->sasl2 = sasl2_new();
    if (!is_offered(stream)) {
        stream_sasl_refuse(stream, &profile, "encryption-required", (struct span){0});
        return;
    }
    const char *problem = xml_tree_parse(top->content, SPAN(NS_SASL2), arena, &first) < 0
                              ? "malformed-request"
                              : take_all(stream, first);
    if (problem) {
        stream_sasl_refuse_attempt(stream, &profile, problem, (struct span){0});
        return;
    }
    struct stream_sasl_choice choice = {
        .mechanism = xml_attr_get(top, "mechanism"),
        .initial = initial_response(first, arena),
        .takes_token = stream->login->sasl2->fast_flags & WIRE_SASL_FAST,
    };
    stream_sasl_start(stream, &profile, &choice);
}

void stream_sasl2_response(struct stream *stream, const struct xml_top *top)
{
    stream_sasl_step(stream, span_trim(top->text));
}

void stream_sasl2_stray(struct stream *stream, const struct xml_top *top)
{
    (void)top;
    stream_sasl_refuse_attempt(stream, &profile, "malformed-request", (struct span){0});
}

void stream_sasl2_abort(struct stream *stream, const struct xml_top *top)
{
    (void)top;
    stream_sasl_refuse(stream, &profile, "aborted", (struct span){0});
}
