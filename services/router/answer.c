/* Answers travel as jobs of their own with the question's job as parent. */
#include "answer.h"

#include "base/hash.h"
#include "base/log.h"
#include "carbons.h"
#include "holder.h"
#include "metric/metric.h"
#include "parcel.h"

/* The session a client's stanza came from, at the peer it came from. 0, or -1 when it was none. */
static int sender_session(const struct job *job, struct route_session *session_out)
{
    if (job->source != SOURCE_CLIENT || !job->spoke || !job->spoke->peer || job->origin_sid == 0)
        return -1;
    *session_out = (struct route_session){
        .sid = job->origin_sid,
        .holder = holder_get(job->router->holders, span_cstr(bus_peer_instance(job->spoke->peer))),
    };
    return 0;
}

/* A question that comes again, through another router after this one died, is answered with the same
 * origin: whoever asked drops the second answer. What a service sends to many has no `to`, and one
 * answer for each of them. What has no origin is answered under the router's own. */
static void name_origin(const struct routing *routing, const struct stanza *reply,
                        struct job_options *options)
{
    struct router *router = routing->router;
    const struct job *question = routing->job;
    struct span target = span_is_empty(routing->stanza.to) ? reply->from : (struct span){0};

    if (question->origin_sid == 0) {
        options->origin_sid = router->origin_sid;
        options->origin_n = ++router->origin_n;
        return;
    }
    options->origin_sid = hash_u64(hash_span(target), question->origin_sid);
    options->origin_n = question->origin_n;
}

void answer_send(struct routing *routing, const struct stanza *reply)
{
    struct job_options options = {
        .parent = routing->job, .source = SOURCE_SERVICE, .is_answer = true};
    struct router *router = routing->router;
    struct route_session asker;
    struct routing answering;
    struct job *job;

    buf_reset(&router->encoded);
    stanza_encode(reply, &router->encoded);
    options.stanza = buf_span(&router->encoded);
    name_origin(routing, reply, &options);
    job = job_new(router, &options);
    answering = (struct routing){.router = router,
                                 .job = job,
                                 .arena = routing->arena,
                                 .stanza = *reply,
                                 .row = rules_row(reply->kind, reply->type, SOURCE_SERVICE)};
    router->depth++;
    if (sender_session(routing->job, &asker) == 0) {
        parcel_add(&answering, &asker, reply->to);
        if (reply->type == STANZA_ERROR && carbons_is_eligible(&routing->stanza))
            carbons_answered(&answering, asker.sid);
    } else if (answering.row != ROW_COUNT)
        route_to(&answering, reply->to, NULL, 0);
    route_end(&answering);
    job_release(job);
}

void answer_result(struct routing *routing, struct span payload)
{
    struct stanza reply;

    stanza_make_result(&routing->stanza, payload, routing->arena, &reply);
    answer_send(routing, &reply);
}

void answer_error(struct routing *routing, const struct target *target, const char *condition)
{
    answer_stanza_error(routing, target, &(struct stanza_error){.condition = condition});
}

void answer_stanza_error(struct routing *routing, const struct target *target,
                         const struct stanza_error *error)
{
    struct stanza about = routing->stanza;
    struct stanza reply;

    if (span_is_empty(about.to))
        about.to = target->jid;
    if (!stanza_may_bounce(&about))
        return;
    metric_inc(METRIC_router_bounced);
    router_note(routing->job, "refused", span_cstr(error->condition));
    LOG_DEBUG("bounced", "origin=%016llx-%llu condition=%s",
              (unsigned long long)routing->job->origin_sid,
              (unsigned long long)routing->job->origin_n, error->condition);
    stanza_make_error_of(&about, error, routing->arena, &reply);
    answer_send(routing, &reply);
}
