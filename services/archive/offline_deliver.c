/* A run: read a page, note that it is due, send, forget, next page. */
#include "offline_deliver.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "loop/timer.h"
#include "metric/metric.h"
#include "offline_store.h"
#include "xml/ns.h"

#define RETRY_MS    2000  /* while the database is away */
#define TAKEOVER_MS 30000 /* a page that takes longer may be sent by another instance too */

struct deliverer {
    struct archive *archive;
    struct map runs; /* account to its struct run */
};

/* Somebody who wants the account's messages delivered. */
struct wish {
    struct list_node node;
    uint64_t read_ms;
    void (*started)(void *arg);
    void *arg;
};

struct run {
    struct offline_gone gone; /* first: a transaction's argument */
    struct deliverer *deliverer;
    struct list_node wishes; /* the first one is being fulfilled */
    struct arena arena;      /* of the page */
    struct offline_row *rows;
    size_t unsent;
    int64_t after;
    bool is_due; /* noted */
    struct loop_timer retry;
    size_t name_len;
    char name[];
};

static struct span account_of(const struct run *run)
{
    return span_of(run->name, run->name_len);
}

static struct sql *sql_of(const struct run *run)
{
    return run->deliverer->archive->sql;
}

static struct wish *current(struct run *run)
{
    return CONTAINER_OF(list_first(&run->wishes), struct wish, node);
}

static void begin(struct run *run);
static void next_page(struct run *run);

static void retry(struct run *run)
{
    loop_timer_start(&run->retry, RETRY_MS, 0);
}

static void on_retry(void *arg)
{
    begin(arg);
}

/* ---- the end ---- */

static void tell_started(struct run *run)
{
    struct wish *wish = current(run);

    if (wish->started)
        wish->started(wish->arg);
    wish->started = NULL;
}

static void run_free(struct run *run)
{
    struct list_node *node;

    loop_timer_stop(&run->retry);
    while ((node = list_pop(&run->wishes)) != NULL)
        mem_free(CONTAINER_OF(node, struct wish, node));
    arena_deinit(&run->arena);
    mem_free(run);
}

static void end(struct run *run)
{
    struct wish *wish = current(run);
    struct archive *archive = run->deliverer->archive;

    tell_started(run);
    list_remove(&wish->node);
    mem_free(wish);
    if (!list_is_empty(&run->wishes)) {
        begin(run);
        return;
    }
    map_remove(&run->deliverer->runs, account_of(run));
    run_free(run);
    archive_end(archive);
}

/* ---- forgetting ---- */

static void on_gone(void *arg, enum sql_status status)
{
    struct run *run = arg;

    if (status != SQL_OK)
        retry(run); /* sent once more: holders drop what they have */
    else if (run->gone.is_last)
        end(run);
    else
        next_page(run);
}

static void forget_page(struct run *run)
{
    run->gone.account = account_of(run);
    run->gone.rows = run->rows;
    offline_store_gone(sql_of(run), &run->gone, on_gone, run);
}

/* ---- sending ---- */

static void on_sent(void *arg)
{
    struct run *run = arg;

    if (--run->unsent == 0)
        forget_page(run);
}

static void add_delay(struct stanza *stanza, const struct run *run, const struct offline_row *row,
                      struct arena *arena)
{
    char stamp[CLOCK_XEP82_SIZE];
    struct buf element = {0};

    clock_format_xep82(row->at_ms, stamp);
    buf_append_cstr(&element, "<delay xmlns=\"" NS_DELAY "\"");
    xml_write_attr("from", jid_domain(account_of(run)), &element);
    xml_write_attr("stamp", span_cstr(stamp), &element);
    buf_append_cstr(&element, ">Offline Storage</delay>");
    stanza_append(stanza, SPAN(NS_DELAY), SPAN("delay"), buf_span(&element), arena);
    buf_deinit(&element);
}

static void add_id(struct stanza *stanza, const struct run *run, const struct offline_row *row,
                   struct arena *arena)
{
    struct buf element = {0};

    buf_append_cstr(&element, "<stanza-id xmlns=\"" NS_SID "\"");
    xml_write_attr("by", account_of(run), &element);
    buf_append_cstr(&element, " id=\"");
    hex_encode(row->uid, &element);
    buf_append_cstr(&element, "\"/>");
    stanza_append(stanza, SPAN(NS_SID), SPAN("stanza-id"), buf_span(&element), arena);
    buf_deinit(&element);
}

/* To the account, as section 8.5.2.1.1 of RFC 6121 chooses: what was meant for a full JID too. */
static void send_row(struct run *run, const struct offline_row *row)
{
    struct span account = account_of(run);
    struct arena arena = {0};
    struct stanza stanza;
    struct service_forward forward = {
        .stanza = &stanza,
        .recipients = &account,
        .recipient_count = 1,
        .via = account,
        .stored = true,
        .origin_sid = row->origin_sid,
        .origin_n = row->origin_n,
        .sent = on_sent,
        .arg = run,
    };

    if (stanza_decode(row->stanza, &arena, &stanza) == 0) {
        if (row->is_stamped)
            add_id(&stanza, run, row, &arena);
        add_delay(&stanza, run, row, &arena);
        metric_inc(METRIC_archive_offline_delivered);
        service_forward(run->deliverer->archive->service, &forward);
    } else {
        LOG_ERROR("bad-stored-stanza", "account=%.*s", SPAN_ARG(account));
        on_sent(run);
    }
    arena_deinit(&arena);
}

static void send_page(struct run *run)
{
    size_t count = run->gone.count;

    run->unsent = count + 1;
    for (size_t i = 0; i < count; i++)
        send_row(run, &run->rows[i]);
    on_sent(run);
}

/* ---- reading ---- */

static void on_due(void *arg, const struct sql_result *result)
{
    struct run *run = arg;

    if (sql_status(result) != SQL_OK) {
        retry(run);
        return;
    }
    run->is_due = true;
    tell_started(run);
    send_page(run);
}

static void on_page(void *arg, const struct sql_result *result)
{
    struct run *run = arg;
    size_t count = sql_rows(result);

    if (sql_status(result) != SQL_OK) {
        retry(run);
        return;
    }
    if (count == 0 && !run->is_due) {
        end(run);
        return;
    }
    arena_reset(&run->arena);
    run->rows = arena_calloc(&run->arena, count + 1, sizeof(*run->rows));
    for (size_t i = 0; i < count; i++)
        run->rows[i] = offline_store_row(result, i, &run->arena);
    run->gone.count = count;
    run->gone.is_last = count < OFFLINE_PAGE;
    if (count > 0)
        run->after = run->rows[count - 1].id;
    offline_store_due(sql_of(run), account_of(run), clock_real_ms() + TAKEOVER_MS, on_due, run);
}

static void next_page(struct run *run)
{
    offline_store_page(sql_of(run), account_of(run), run->after, on_page, run);
}

static void on_read(void *arg, const struct sql_result *result)
{
    struct run *run = arg;

    if (sql_status(result) != SQL_OK)
        retry(run);
    else
        next_page(run);
}

static void begin(struct run *run)
{
    const struct wish *wish = current(run);

    run->after = 0;
    run->is_due = false;
    if (wish->read_ms)
        offline_store_read(sql_of(run), account_of(run), wish->read_ms, on_read, run);
    else
        next_page(run);
}

/* ---- the deliverer ---- */

static struct run *run_new(struct deliverer *deliverer, struct span account)
{
    struct run *run = mem_calloc(1, sizeof(*run) + account.len);

    run->deliverer = deliverer;
    run->name_len = account.len;
    memcpy(run->name, account.data, account.len);
    list_init(&run->wishes);
    loop_timer_init(&run->retry, deliverer->archive->daemon->loop, on_retry, run);
    map_put(&deliverer->runs, account, run);
    archive_begin(deliverer->archive);
    return run;
}

void deliverer_start(struct deliverer *deliverer, struct span account, uint64_t read_ms,
                     void (*started)(void *arg), void *arg)
{
    struct run *run = map_get(&deliverer->runs, account);
    struct wish *wish = mem_calloc(1, sizeof(*wish));
    bool is_new = !run;

    *wish = (struct wish){.read_ms = read_ms, .started = started, .arg = arg};
    if (is_new)
        run = run_new(deliverer, account);
    list_add_tail(&run->wishes, &wish->node);
    if (is_new)
        begin(run);
}

struct deliverer *deliverer_new(struct archive *archive)
{
    struct deliverer *deliverer = mem_calloc(1, sizeof(*deliverer));

    deliverer->archive = archive;
    map_init(&deliverer->runs);
    return deliverer;
}

void deliverer_free(struct deliverer *deliverer)
{
    struct map_cursor at = {0};
    void *value;

    while (map_next(&deliverer->runs, &at, NULL, &value))
        run_free(value);
    map_deinit(&deliverer->runs);
    mem_free(deliverer);
}
