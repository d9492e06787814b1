/* An account was removed: contacts hear that it is gone, its rows go.
 *
 * Every presence daemon hears the notice and does this; the second one finds nothing, or says what
 * the contacts have heard already, which the state machine ignores. It is done again before an
 * account of that name is made anew.
 */
#include "block_store.h"
#include "contact.h"
#include "presence.h"
#include "roster_store.h"
#include "state.h"

#include "base/log.h"

struct removal {
    struct state state;
    struct roster roster;
};

static void done(struct job *job)
{
    struct removal *removal = job->data;
    struct service_clear *clear = map_remove(&job->presence->clears, job->account);
    LOG_INFO("roster_removed", "account=%.*s contacts=%zu", SPAN_ARG(job->account),
             removal->roster.count);
    if (clear) {
        service_cleared(clear, true);
    }
    job_finish(job);
}

/* Told before it is forgotten: if we die in between another daemon can still do it. */
static void cancel(struct job *job)
{
    struct removal *removal = job->data;
    for (size_t i = 0; i < removal->roster.count; i++) {
        const struct roster_item *item = &removal->roster.items[i];
        contact_cancel(job, &removal->state, item->state, item->jid);
    }
    roster_forget(job);
    block_forget(job);
    job_go(job, done);
}

static void run(struct job *job)
{
    struct removal *removal = arena_calloc(job->arena, 1, sizeof(*removal));
    job->data = removal;
    state_read(job, job->account, &removal->state);
    roster_everything(job, &removal->roster);
    job_go(job, cancel);
}

void removal_start(struct presence *presence, struct span account)
{
    job_start(presence, account, NULL, run);
}

/* What daemons that were away when it was removed have not done is done now. One that could not be
 * done in time is not settled, and the account is not made. */
void removal_clear(void *ctx, struct service_clear *clear)
{
    struct presence *presence = ctx;
    struct service_clear *earlier = map_put(&presence->clears, clear->account, clear);
    if (earlier && earlier != clear) {
        service_cleared(earlier, false);
    }
    removal_start(presence, clear->account);
}
