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

static int refuse(const struct ctl *ctl, enum bus_outcome outcome, const char *error)
{
    const char *addresses = conf_str(ctl->conf, CONF_cluster_sessions);
    if (error[0] != '\0')
        (void)fprintf(stderr, "jackdawctl: %s\n", error);
    else if (outcome == BUS_NO_PEER)
        (void)fprintf(stderr,
                      "jackdawctl: no session daemon answered at %s\n"
                      "Is the cluster running, and is this its configuration? --config FILE or "
                      "JACKDAW_CONFIG names it.\n",
                      addresses);
    else
        (void)fprintf(stderr,
                      "jackdawctl: the session daemon took the question and did not answer (%s)\n"
                      "It may have been done all the same: see its log, and `user list` or "
                      "`session list`.\n",
                      addresses);
    return CTL_UNAVAILABLE;
}

int ctl_ask(struct ctl *ctl, const struct wire_msg *request, struct wire_msg *reply_out)
{
    struct answer answer = {.ctl = ctl, .outcome = BUS_NO_PEER};
    char error[256];
    if (!ctl->bus && ctl_link_open(ctl, error, sizeof(error)) < 0)
        return refuse(ctl, BUS_NO_PEER, error);
    (void)bus_call(ctl->bus, "session", 0, request, ASK_DEADLINE_MS, on_reply, &answer);
    loop_run(ctl->loop);
    if (answer.outcome != BUS_SETTLED)
        return refuse(ctl, answer.outcome, "");
    *reply_out = answer.reply;
    return CTL_OK;
}

/* What to do about a condition session answers with. */
static const struct {
    const char *condition;
    const char *hint;
} hints[] = {
    {"conflict", "`jackdawctl user password JID` gives it a new password."},
    {"item-not-found", "`jackdawctl user list` shows the accounts there are."},
    {"jid-malformed", "Example: jackdawctl user add romeo@example.org"},
    {"resource-constraint", "The session daemon's /readyz and its log say what is missing."},
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
