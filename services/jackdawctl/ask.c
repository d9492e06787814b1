/* One question to a session daemon, and waiting for its answer. */
#include "conf/conf.h"
#include "ctl.h"
#include "loop/loop.h"

#include <stdio.h>

#define ASK_DEADLINE_MS 10000

struct answer {
    struct ctl *ctl;
    enum bus_outcome outcome;
    struct wire_msg reply;
};

/* The reply lives for the callback only: a copy of its bytes is decoded into the arena. */
static void on_reply(void *arg, enum bus_outcome outcome, const struct wire_msg *reply)
{
    struct answer *answer = arg;
    struct buf bytes = {0};
    answer->outcome = outcome;
    if (outcome == BUS_SETTLED) {
        wire_encode(reply, &bytes);
        struct span copy = arena_copy(&answer->ctl->arena, buf_span(&bytes));
        if (wire_decode(copy, &answer->ctl->arena, &answer->reply, NULL) < 0)
            answer->outcome = BUS_LOST;
        buf_deinit(&bytes);
    }
    loop_stop(answer->ctl->loop);
}

int ctl_ask(struct ctl *ctl, const struct wire_msg *request, struct wire_msg *reply_out)
{
    struct answer answer = {.ctl = ctl};
    (void)bus_call(ctl->bus, "session", 0, request, ASK_DEADLINE_MS, on_reply, &answer);
    loop_run(ctl->loop);
    if (answer.outcome != BUS_SETTLED) {
        (void)fprintf(stderr,
                      "jackdawctl: no session daemon answered at %s\n"
                      "Is the cluster running, and is this its configuration? --config FILE or "
                      "JACKDAW_CONFIG names it.\n",
                      conf_str(ctl->conf, CONF_cluster_sessions));
        return CTL_UNAVAILABLE;
    }
    *reply_out = answer.reply;
    return CTL_OK;
}

/* What to do about a condition session answers with. */
static const struct {
    const char *condition;
    const char *hint;
} hints[] = {
    {"conflict", "it exists already; `user password` sets a new password"},
    {"item-not-found", "there is no such account or domain; `user list DOMAIN` lists accounts, "
                       "cluster.domains the domains"},
    {"jid-malformed", "an account is written name@domain"},
    {"not-acceptable", "the password is empty or has characters that are not allowed"},
    {"resource-constraint", "the database or Redis does not answer; try again when it is back"},
};

static const char *hint_of(struct span condition)
{
    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
        if (span_is(condition, hints[i].condition))
            return hints[i].hint;
    return "";
}

int ctl_ask_done(struct ctl *ctl, const struct wire_msg *request, const char *what)
{
    struct wire_msg reply;
    int code = ctl_ask(ctl, request, &reply);
    if (code != CTL_OK)
        return code;
    if (reply.id != WIRE_ID_result || reply.u.result.condition.len > 0) {
        struct span condition =
            reply.id == WIRE_ID_result ? reply.u.result.condition : SPAN("internal-server-error");
        struct span text = reply.id == WIRE_ID_result ? reply.u.result.text : (struct span){0};
        (void)fprintf(stderr, "jackdawctl: could not %s: %.*s%s%.*s\n", what, SPAN_ARG(condition),
                      text.len > 0 ? ": " : "", SPAN_ARG(text));
        if (hint_of(condition)[0] != '\0')
            (void)fprintf(stderr, "%s\n", hint_of(condition));
        return CTL_REFUSED;
    }
    return CTL_OK;
}
