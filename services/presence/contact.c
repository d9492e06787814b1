/* Presence of own resources, to one contact. */
#include "contact.h"

#include "job.h"
#include "states.h"
#include "xep0203_delay.h"

bool contact_send_session(struct job *job, const struct state_session *session, struct span to)
{
    struct stanza stanza;
    if (!state_is_available(session) || stanza_decode(session->stanza, job->arena, &stanza) != 0) {
        return false;
    }
    delay_add(job, session->since_ms, &stanza);
    job_forward(job, &stanza, &to, 1, false);
    return true;
}

size_t contact_send_available(struct job *job, const struct state *state, struct span to)
{
    size_t sent = 0;
    for (size_t i = 0; i < state->count; i++) {
        sent += contact_send_session(job, &state->sessions[i], to);
    }
    return sent;
}

void contact_send_unavailable(struct job *job, const struct state *state, struct span to)
{
    for (size_t i = 0; i < state->count; i++) {
        const struct state_session *session = &state->sessions[i];
        if (state_is_available(session)) {
            struct stanza stanza = {
                .kind = STANZA_PRESENCE,
                .type = STANZA_UNAVAILABLE,
                .from = session->jid,
            };
            job_forward(job, &stanza, &to, 1, false);
        }
    }
}

void contact_cancel(struct job *job, const struct state *state, unsigned before, struct span to)
{
    if (before & STATE_FROM) {
        contact_send_unavailable(job, state, to);
    }
    if (before & (STATE_TO | STATE_ASK)) {
        job_send_bare(job, STANZA_UNSUBSCRIBE, to);
    }
    if (before & (STATE_FROM | STATE_PENDING)) {
        job_send_bare(job, STANZA_UNSUBSCRIBED, to);
    }
}
