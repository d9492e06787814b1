/* One stanza, many recipients. */
#include "broadcast.h"

#include "bus/wire.h"
#include "metric/metric.h"
#include "presence.h"
#include "states.h"

void broadcast_send(struct job *job, const struct stanza *stanza, const struct roster *contacts,
                    const struct state *state, uint64_t came_sid)
{
    struct span *jids = arena_calloc(job->arena, contacts->count + state->count + 1, sizeof(*jids));
    size_t count = 0;
    for (size_t i = 0; i < contacts->count; i++) {
        if (contacts->items[i].state & STATE_FROM) {
            jids[count++] = contacts->items[i].jid;
        }
    }
    for (size_t i = 0; i < state->count; i++) {
        if (state_is_available(&state->sessions[i])) {
            jids[count++] = state->sessions[i].jid;
        }
    }
    if (count) {
        service_forward(job->presence->service, &(struct service_forward){.stanza = stanza,
                                                                          .recipients = jids,
                                                                          .recipient_count = count,
                                                                          .via = job->account,
                                                                          .request = job->request,
                                                                          .came_sid = came_sid});
        metric_add(METRIC_presence_fanout, count);
    }
    metric_inc(METRIC_presence_broadcasts);
}

void broadcast_notice(struct job *job, const struct state_session *session)
{
    struct wire_msg msg = {.id = WIRE_ID_presence_changed};
    msg.u.presence_changed = (struct wire_presence_changed){
        .jid = session->jid,
        .sid = session->sid,
        .available = state_is_available(session),
        .priority_plus_128 = session->priority_plus_128,
    };
    bus_notice(job->presence->daemon->bus, &msg);
}
