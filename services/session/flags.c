/* Flags of sessions: what routers and other daemons must know about one, kept in its record. */
#include "base/mem.h"
#include "conf/conf.h"
#include "jid/jid.h"
#include "registry/change.h"
#include "session.h"

struct flagging {
    struct session *session;
    session_flags_fn *done;
    void *arg;
    struct arena arena;
    struct span account;
};

static void finish(void *arg)
{
    struct flagging *flagging = arg;
    flagging->done(flagging->arg, REGISTRY_OK);
    arena_deinit(&flagging->arena);
    mem_free(flagging);
}

/* What comes from now on must be copied, or not: a notice may take its time. */
static void tell_routers(struct flagging *flagging)
{
    const struct session_options *options = &flagging->session->options;
    struct wire_msg msg = {.id = WIRE_ID_forget_account};
    msg.u.forget_account.account = flagging->account;
    options->out->tell_routers(options->out_ctx, &msg, finish, flagging);
}

static void on_changed(void *arg, enum registry_status status, const struct registry_session *now,
                       const struct wire_session_record *before)
{
    struct flagging *flagging = arg;
    struct span node = jid_node(flagging->account);
    struct span domain = jid_domain(flagging->account);
    if (status == REGISTRY_OK && now->record.flags != before->flags) {
        session_announce(flagging->session, jid_join(node, domain, now->resource, &flagging->arena),
                         &now->record, true);
        if ((now->record.flags ^ before->flags) & WIRE_SESSION_CARBONS) {
            tell_routers(flagging);
            return;
        }
    }
    flagging->done(flagging->arg, status);
    arena_deinit(&flagging->arena);
    mem_free(flagging);
}

void session_change_flags(struct session *session, const struct session_flags *flags,
                          session_flags_fn *done, void *arg)
{
    struct flagging *flagging = mem_calloc(1, sizeof(*flagging));
    flagging->session = session;
    flagging->done = done;
    flagging->arg = arg;
    flagging->account = arena_copy(&flagging->arena, flags->account);
    struct registry_change change = {
        .account = flagging->account,
        .sid = flags->sid,
        .set = flags->set,
        .clear = flags->clear,
        .sets_resume = (flags->set & WIRE_SESSION_RESUMABLE) != 0,
        .resume_s = flags->resume_s,
    };
    registry_change(session->redis, &change, on_changed, flagging);
}

/* ---- the call ---- */

static void on_flagged(void *arg, enum registry_status status)
{
    struct job *job = arg;
    if (status == REGISTRY_OK) {
        job_result(job, "", "");
    } else if (status == REGISTRY_GONE) {
        job_result(job, "item-not-found", "There is no such session.");
    } else {
        job_result(job, "resource-constraint", "The registry cannot be reached.");
    }
}

void session_flags_call(struct session *session, const struct wire_msg *msg,
                        session_reply_fn *reply, void *arg)
{
    const struct wire_session_flags *asked = &msg->u.session_flags;
    struct job *job = job_new(session, sizeof(*job), reply, arg);
    struct session_flags flags = {
        .account = jid_bare(asked->jid),
        .sid = asked->sid,
        .set = asked->set,
        .clear = asked->clear,
        .resume_s = asked->resume_s,
    };
    session_change_flags(session, &flags, on_flagged, job);
}
