/* What only a login needs: calls to session, and the iq that waits for their answer. */
#include "base/mem.h"
#include "stream/sasl2_internal.h"
#include "stream/stream_internal.h"

struct stream_login *stream_login_new(void)
{
    return mem_calloc(1, sizeof(struct stream_login));
}

void stream_login_free(struct stream_login *login)
{
    if (!login)
        return;
    if (login->call)
        login->call->stream = NULL; /* the answer is still dealt with: it may have bound */
    stream_sasl2_free(login->sasl2);
    buf_deinit(&login->sasl_state);
    buf_deinit(&login->deferred);
    mem_free(login->domain);
    mem_free(login->from);
    mem_free(login->account);
    mem_free(login->iq_id);
    mem_free(login->iq_to);
    mem_free(login);
}

void stream_login_set_header(struct stream *stream, struct span domain, struct span from)
{
    struct stream_login *login = stream->login;
    mem_free(login->domain);
    mem_free(login->from);
    login->domain = mem_strdup_span(domain);
    login->from = from.len > 0 ? mem_strdup_span(from) : NULL;
}

static void answered(void *arg, enum bus_outcome outcome, const struct wire_msg *reply)
{
    struct stream_call *call = arg;
    struct stream *stream = call->stream;
    list_remove(&call->node);
    if (stream)
        stream->login->call = NULL;
    call->fn(call, outcome, reply);
    mem_free(call);
    if (!stream)
        return;
    stream_resume(stream);
    stream_login_done(stream);
}

void stream_login_done(struct stream *stream)
{
    struct stream_login *login = stream->login;
    if (stream->state != STREAM_BOUND || !login || stream_is_calling(stream) ||
        login->deferred.len > 0)
        return;
    stream_login_free(login);
    stream->login = NULL;
}

void stream_login_go_on(struct stream *stream)
{
    if (!stream->login)
        return;
    stream->login->is_waiting = false;
    stream_resume(stream);
    stream_login_done(stream);
}

void stream_login_call(struct stream *stream, uint64_t hash, const struct wire_msg *request,
                       stream_call_fn *fn)
{
    stream_login_ask(stream, hash, request, mem_calloc(1, sizeof(struct stream_call)), fn);
}

void stream_login_ask(struct stream *stream, uint64_t hash, const struct wire_msg *request,
                      struct stream_call *call, stream_call_fn *fn)
{
    struct stream_host *host = stream->host;
    *call = (struct stream_call){.host = host, .stream = stream, .fn = fn};
    list_add_tail(&host->calls, &call->node);
    stream->login->call = call;
    (void)bus_call(host->options.bus, "session", hash, request, host->options.call_deadline_ms,
                   answered, call);
}

/* ---- the iq that waits ---- */

void stream_login_keep_iq(struct stream *stream, const struct stanza *iq)
{
    struct stream_login *login = stream->login;
    mem_free(login->iq_id);
    mem_free(login->iq_to);
    login->iq_id = mem_strdup_span(iq->id);
    login->iq_to = mem_strdup_span(iq->to);
}

static struct stanza kept_iq(const struct stream *stream)
{
    return (struct stanza){
        .kind = STANZA_IQ,
        .type = STANZA_SET,
        .id = span_cstr(stream->login->iq_id),
        .to = span_cstr(stream->login->iq_to),
    };
}

void stream_answer_iq(struct stream *stream, struct span payload)
{
    struct stanza request = kept_iq(stream), reply;
    stanza_make_result(&request, payload, &stream->host->arena, &reply);
    (void)stream_send_stanza(stream, &reply, (struct span){0});
}

void stream_refuse_iq(struct stream *stream, const char *condition, struct span text)
{
    struct stanza request = kept_iq(stream), reply;
    char *words = text.len > 0 ? mem_strdup_span(text) : NULL;
    stanza_make_error(&request, condition, words, &stream->host->arena, &reply);
    (void)stream_send_stanza(stream, &reply, (struct span){0});
    mem_free(words);
}
