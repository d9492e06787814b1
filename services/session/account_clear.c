/* Is it free? Clear it. Add it. */
#include "account_clear.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/timer.h"

struct clearing {
    struct list_node node; /* in session->clearings */
    struct session *session;
    const struct account_verifiers *verifiers;
    account_done_fn *fn; /* NULL: it was given up */
    void *arg;
    struct loop_timer timer;
    struct span account;
    char text[];
};

static void clearing_free(struct clearing *clearing)
{
    loop_timer_stop(&clearing->timer);
    list_remove(&clearing->node);
    mem_free(clearing);
}

/* The services may still answer: it stays until they do. */
static void on_patience(void *arg)
{
    struct clearing *clearing = arg;
    account_done_fn *fn = clearing->fn;
    clearing->fn = NULL;
    LOG_WARN("account_not_cleared", "account=%.*s", SPAN_ARG(clearing->account));
    fn(clearing->arg, ACCOUNT_DOWN);
}

static void on_cleared(void *arg, enum bus_outcome outcome)
{
    struct clearing *clearing = arg;
    (void)outcome; /* bus_send goes on until it is done */
    if (clearing->fn) {
        account_store_add(clearing->session->accounts, clearing->account, clearing->verifiers,
                          clearing->fn, clearing->arg);
    }
    clearing_free(clearing);
}

/* Only a name that nobody has is cleared. */
static void on_looked_up(void *arg, enum account_status status)
{
    struct clearing *clearing = arg;
    struct session *session = clearing->session;
    struct wire_msg msg = {.id = WIRE_ID_clear_account};
    if (status != ACCOUNT_NOT_FOUND) {
        clearing->fn(clearing->arg, status == ACCOUNT_OK ? ACCOUNT_EXISTS : status);
        clearing_free(clearing);
        return;
    }
    msg.u.clear_account.account = clearing->account;
    loop_timer_start(&clearing->timer, CLEAR_WAIT_MS, 0);
    if (session->options.out->send(session->options.out_ctx, hash_span(clearing->account), &msg,
                                   on_cleared, clearing) != 0) {
        clearing->fn(clearing->arg, ACCOUNT_DOWN);
        clearing_free(clearing);
    }
}

void account_clear_add(struct session *session, struct span account,
                       const struct account_verifiers *verifiers, account_done_fn *fn, void *arg)
{
    struct clearing *clearing = mem_calloc(1, sizeof(*clearing) + account.len);
    memcpy(clearing->text, account.data, account.len);
    clearing->account = span_of(clearing->text, account.len);
    clearing->session = session;
    clearing->verifiers = verifiers;
    clearing->fn = fn;
    clearing->arg = arg;
    loop_timer_init(&clearing->timer, session->options.loop, on_patience, clearing);
    list_add_tail(&session->clearings, &clearing->node);
    account_store_exists(session->accounts, clearing->account, on_looked_up, clearing);
}

void account_clear_free(struct session *session)
{
    LIST_FOREACH_SAFE(node, &session->clearings)
    {
        clearing_free(CONTAINER_OF(node, struct clearing, node));
    }
}
