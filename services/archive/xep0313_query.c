/* A query: its ids are looked up, then its times, then its page is read and sent.
 *
 * Results are written without looking into what is stored: a row holds the message as it stands in
 * <forwarded/>. */
#include "xep0313_query.h"

#include "archive_store.h"
#include "ask.h"
#include "base/clock.h"
#include "base/codec.h"
#include "jid/jid.h"
#include "metric/metric.h"
#include "write.h"
#include "xep0160_offline.h"
#include "xep0313_form.h"
#include "xml/ns.h"

#define MAX_PAGE_BYTES 2097152 /* a page of larger messages is cut short */

struct query {
    struct ask *ask;
    struct arena *arena; /* the request's */
    struct mam_query asked;
    struct archive_page page;
    struct span uids[ARCHIVE_FIND_MAX]; /* of after, before, after-id, before-id; empty: none */
    bool is_counted;                    /* the client wants the count whatever it costs */
    uint64_t count;
    struct span first;
    struct span last;
    size_t found;
    struct buf scratch;
};

/* ---- the end ---- */

static void fail(struct query *query, const char *condition)
{
    buf_deinit(&query->scratch);
    ask_error(query->ask, condition, NULL);
}

static void fail_sql(struct query *query, const struct sql_result *result)
{
    buf_deinit(&query->scratch);
    ask_failed(query->ask, sql_status(result));
}

static void finish(struct query *query, bool is_complete, const struct rsm_answer *rsm)
{
    struct buf out = {0};

    metric_add(METRIC_archive_results, query->found);
    buf_append_cstr(&out, "<fin xmlns=\"" NS_MAM "\"");
    if (is_complete)
        buf_append_cstr(&out, " complete=\"true\"");
    buf_append_cstr(&out, ">");
    rsm_write(rsm, &out);
    buf_append_cstr(&out, "</fin>");
    buf_deinit(&query->scratch);
    ask_result(query->ask, buf_span(&out));
    buf_deinit(&out);
}

/* ---- a result ---- */

static void write_result(struct query *query, const struct sql_result *rows, size_t row)
{
    struct buf *out = &query->scratch;
    char stamp[CLOCK_XEP82_SIZE];

    clock_format_xep82((uint64_t)sql_get_integer(rows, row, ARCHIVE_AT), stamp);
    buf_reset(out);
    buf_append_cstr(out, "<result xmlns=\"" NS_MAM "\"");
    if (query->asked.queryid.data)
        xml_write_attr("queryid", query->asked.queryid, out);
    buf_append_cstr(out, " id=\"");
    hex_encode(sql_get_span(rows, row, ARCHIVE_UID), out);
    buf_append_cstr(out, "\"><forwarded xmlns=\"" NS_FORWARD "\"><delay xmlns=\"" NS_DELAY
                         "\" stamp=\"");
    buf_append_cstr(out, stamp);
    buf_append_cstr(out, "\"/>");
    buf_append_span(out, sql_get_span(rows, row, ARCHIVE_XML));
    buf_append_cstr(out, "</forwarded></result>");
}

static void send_result(struct query *query, const struct sql_result *rows, size_t row)
{
    struct service_request *request = query->ask->request;
    struct xml_child child = {.ns = SPAN(NS_MAM), .name = SPAN("result")};
    struct stanza stanza = {
        .kind = STANZA_MESSAGE,
        .type = STANZA_NORMAL,
        .from = request->account,
        .to = request->stanza.from,
        .children = &child,
        .child_count = 1,
    };

    write_result(query, rows, row);
    stanza.payload = buf_span(&query->scratch);
    child.length = (uint32_t)query->scratch.len;
    service_forward(
        request->service,
        &(struct service_forward){.stanza = &stanza, .via = request->account, .request = request});
}

static struct span uid_text(struct query *query, const struct sql_result *rows, size_t row)
{
    struct buf hex = {0};
    struct span text;

    hex_encode(sql_get_span(rows, row, ARCHIVE_UID), &hex);
    text = arena_copy(query->arena, buf_span(&hex));
    buf_deinit(&hex);
    return text;
}

/* ---- the page ---- */

/* How many of the rows, in the order they were read, make the page. */
static size_t fitting(const struct sql_result *rows, size_t limit)
{
    size_t count = sql_rows(rows) < limit ? sql_rows(rows) : limit;
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++) {
        bytes += sql_get_span(rows, i, ARCHIVE_XML).len;
        if (i > 0 && bytes > MAX_PAGE_BYTES)
            return i;
    }
    return count;
}

/* Rows of a page read backwards come last first: what is sent goes by time, unless flipped. */
static void send_page(struct query *query, const struct sql_result *rows, size_t count)
{
    bool is_reversed = query->page.is_backwards != query->asked.is_flipped;

    for (size_t i = 0; i < count; i++)
        send_result(query, rows, is_reversed ? count - 1 - i : i);
    query->found = count;
    if (count > 0) {
        query->first = uid_text(query, rows, query->page.is_backwards ? count - 1 : 0);
        query->last = uid_text(query, rows, query->page.is_backwards ? 0 : count - 1);
    }
}

/* Where the page begins in the whole result, as far as that is known for nothing. */
static bool index_of(const struct query *query, size_t count, uint64_t *index_out)
{
    const struct rsm_request *rsm = &query->asked.rsm;

    if (rsm->has_index)
        *index_out = rsm->index;
    else if (query->page.is_backwards)
        *index_out = query->count - count;
    else
        *index_out = 0;
    return rsm->has_index || (span_is_empty(rsm->after) && span_is_empty(rsm->before));
}

static void on_page(void *arg, const struct sql_result *rows)
{
    struct query *query = arg;
    size_t limit = (size_t)query->page.limit - 1;
    struct rsm_answer answer = {0};
    uint64_t counted;
    size_t count;

    if (sql_status(rows) != SQL_OK) {
        fail_sql(query, rows);
        return;
    }
    count = fitting(rows, limit);
    counted = sql_rows(rows) > 0 ? (uint64_t)sql_get_integer(rows, 0, ARCHIVE_COUNT) : 0;
    if (!query->is_counted)
        query->count = counted;
    send_page(query, rows, count);
    answer.first = query->first;
    answer.last = query->last;
    /* A count of what lies behind <after/> or before <before/> is not that of the result. */
    answer.has_count = query->is_counted || (index_of(query, count, &answer.index) &&
                                             counted < (uint64_t)query->page.count_up_to);
    answer.has_index = answer.has_count && index_of(query, count, &answer.index);
    answer.count = query->count;
    finish(query, count == sql_rows(rows), &answer);
}

static void read_page(struct query *query)
{
    archive_store_page(query->ask->archive->sql, &query->page, on_page, query);
}

/* The whole result is counted first: without the bounds of RSM. */
static void on_count(void *arg, const struct sql_result *result)
{
    struct query *query = arg;

    if (sql_status(result) != SQL_OK) {
        fail_sql(query, result);
        return;
    }
    query->count = (uint64_t)sql_get_integer(result, 0, 0);
    if (query->asked.rsm.has_max && query->asked.rsm.max == 0)
        finish(query, query->count == 0,
               &(struct rsm_answer){.has_count = true, .count = query->count});
    else
        read_page(query);
}

static void count_or_read(struct query *query)
{
    const struct rsm_request *rsm = &query->asked.rsm;

    query->is_counted = rsm->has_index || (rsm->has_max && rsm->max == 0);
    if (query->is_counted)
        archive_store_count(query->ask->archive->sql, &query->page.range, on_count, query);
    else
        read_page(query);
}

/* ---- times ---- */

static void raise_to(int64_t *bound, int64_t id)
{
    if (id > *bound)
        *bound = id;
}

static void lower_to(int64_t *bound, int64_t id)
{
    if (id < *bound)
        *bound = id;
}

static void on_times(void *arg, const struct sql_result *result)
{
    struct query *query = arg;
    struct archive_range *range = &query->page.range;

    if (sql_status(result) != SQL_OK) {
        fail_sql(query, result);
        return;
    }
    if (!sql_is_null(result, 0, 0))
        raise_to(&range->after_id, sql_get_integer(result, 0, 0) - 1);
    else
        range->after_id = INT64_MAX; /* nothing is that new */
    if (!sql_is_null(result, 0, 1))
        lower_to(&range->before_id, sql_get_integer(result, 0, 1));
    count_or_read(query);
}

static void find_times(struct query *query)
{
    const struct archive_range *range = &query->page.range;

    if (range->start_ms > 0 || range->end_ms < INT64_MAX)
        archive_store_times(query->ask->archive->sql, range, on_times, query);
    else
        count_or_read(query);
}

/* ---- ids ---- */

/* The id of the message with this uid, or -1. */
static int64_t id_of(const struct sql_result *result, struct span uid)
{
    for (size_t i = 0; i < sql_rows(result); i++) {
        if (span_eq(sql_get_span(result, i, 0), uid))
            return sql_get_integer(result, i, 1);
    }
    return -1;
}

static void on_ids(void *arg, const struct sql_result *result)
{
    struct query *query = arg;
    struct archive_range *range = &query->page.range;

    if (sql_status(result) != SQL_OK) {
        fail_sql(query, result);
        return;
    }
    for (size_t i = 0; i < ARCHIVE_FIND_MAX; i++) {
        int64_t id = id_of(result, query->uids[i]);

        if (span_is_empty(query->uids[i]))
            continue;
        if (id < 0) {
            fail(query, "item-not-found");
            return;
        }
        if (i % 2 == 0)
            raise_to(&range->after_id, id);
        else
            lower_to(&range->before_id, id);
    }
    find_times(query);
}

static void find_ids(struct query *query)
{
    const struct span texts[ARCHIVE_FIND_MAX] = {query->asked.rsm.after, query->asked.rsm.before,
                                                 query->asked.after_id, query->asked.before_id};
    bool has_any = false;

    for (size_t i = 0; i < ARCHIVE_FIND_MAX; i++) {
        if (span_is_empty(texts[i]))
            continue;
        if (form_uid(texts[i], query->arena, &query->uids[i]) != 0) {
            fail(query, "item-not-found");
            return;
        }
        has_any = true;
    }
    if (has_any)
        archive_store_find(query->ask->archive->sql, query->page.range.account, query->uids, on_ids,
                           query);
    else
        find_times(query);
}

/* ---- single messages ---- */

static void on_some(void *arg, const struct sql_result *rows)
{
    struct query *query = arg;

    if (sql_status(rows) == SQL_OK && sql_rows(rows) < query->asked.id_count)
        fail(query, "item-not-found");
    else
        on_page(query, rows);
}

static void find_some(struct query *query)
{
    query->page.limit = ARCHIVE_SOME_MAX + 1;
    query->page.is_backwards = false;
    archive_store_some(query->ask->archive->sql, query->page.range.account, query->asked.ids,
                       query->asked.id_count, on_some, query);
}

/* ---- the beginning ---- */

static void set_page(struct query *query, const struct archive_limits *limits)
{
    const struct mam_query *asked = &query->asked;
    uint64_t max = asked->rsm.has_max ? asked->rsm.max : limits->page;

    if (max > limits->max_page)
        max = limits->max_page;
    query->page = (struct archive_page){
        .range =
            {
                .account = query->ask->request->account,
                .peer = jid_bare(asked->with),
                .resource = jid_resource(asked->with),
                .word_count = asked->word_count,
                .before_id = INT64_MAX,
                .start_ms = asked->start_ms,
                .end_ms = asked->end_ms,
            },
        .is_backwards = asked->rsm.is_backwards,
        .skip = (int64_t)(asked->rsm.has_index ? asked->rsm.index : 0),
        .limit = (int64_t)max + 1,
        .count_up_to = limits->max_count,
    };
    memcpy(query->page.range.words, asked->words, sizeof(asked->words));
}

void xep0313_query(void *ctx, struct service_request *request)
{
    struct archive *archive = ctx;
    struct query *query = arena_calloc(&request->arena, 1, sizeof(*query));
    const char *condition = form_read(request, &request->arena, &query->asked);

    metric_inc(METRIC_archive_queries);
    if (condition) {
        service_reply_error(request, condition, NULL);
        return;
    }
    query->arena = &request->arena;
    query->ask = ask_new(archive, request);
    set_page(query, &archive->limits);
    offline_reader(archive->offline, request->origin_sid, writer_horizon_ms(archive->writer));
    if (query->asked.id_count > 0)
        find_some(query);
    else
        find_ids(query);
}
