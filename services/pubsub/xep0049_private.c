/* XEP-0049 Private XML Storage: elements that an account's clients keep, each found by its name and
 * namespace. Only for the account itself: others are refused before they get here (SERVICE_OWN).
 *
 * An element that is not there is answered as it was asked for, empty; so storing it without
 * attributes and content removes it.
 */
#include "ask.h"
#include "base/buf.h"
#include "metric/metric.h"
#include "store.h"
#include "xml/ns.h"

#define NAME_MAX_BYTES 255 /* of a name and of a namespace: they are keys in the database */

/* Section 3, last paragraph: what the server itself deals with is not stored as private data. */
static const char *const reserved[] = {NS_ANY_JABBER, NS_ANY_JABBER_ORG, NS_VCARD};

struct element {
    struct span ns;
    struct span name;
    struct span xml; /* empty: to be removed */
};

/* Elements to store. The worker that does it reads this, and nobody else does meanwhile. */
struct storing {
    struct ask *ask;
    struct span account;
    struct element *elements;
    size_t count;
    uint32_t max_elements;
};

/* ---- what may be asked ---- */
static bool is_reserved(struct span ns)
{
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (span_has_prefix(ns, span_cstr(reserved[i]))) {
            return true;
        }
    }
    return false;
}

/* Without a namespace of its own it has that of the query, which is reserved. */
static bool is_storable(const struct xml_node *node)
{
    return node->ns.len > 0 && node->ns.len <= NAME_MAX_BYTES && node->name.len <= NAME_MAX_BYTES &&
           !is_reserved(node->ns);
}

/* The first element in the query, or NULL; with the others behind it. */
static const struct xml_node *first_element(struct service_request *request)
{
    struct xml_node *query = NULL;
    struct span bytes = stanza_child_bytes(&request->stanza, request->child);
    if (xml_tree_parse(bytes, SPAN(NS_CLIENT), &request->arena, &query) != 0 || !query) {
        return NULL;
    }
    return xml_find(query->first_child, NULL, NULL);
}

static void refuse(struct service_request *request, const char *condition, const char *text)
{
    metric_inc(METRIC_pubsub_refused);
    service_reply_error(request, condition, text);
}

/* ---- get ---- */
struct getting {
    struct ask *ask;
    struct element wanted;
};

static struct span write_query(struct span xml, const struct element *wanted, struct arena *arena)
{
    struct buf out = {0};
    buf_append_cstr(&out, "<query xmlns=\"" NS_PRIVATE "\">");
    if (xml.len) {
        buf_append_span(&out, xml);
    } else {
        buf_printf(&out, "<%.*s", SPAN_ARG(wanted->name));
        xml_write_attr("xmlns", wanted->ns, &out);
        buf_append_cstr(&out, "/>");
    }
    buf_append_cstr(&out, "</query>");
    struct span query = arena_copy(arena, buf_span(&out));
    buf_deinit(&out);
    return query;
}

static void on_element(void *arg, const struct sql_result *result)
{
    struct getting *getting = arg;
    struct ask *ask = getting->ask;
    if (sql_status(result) != SQL_OK) {
        ask_failed(ask, sql_status(result));
        return;
    }
    struct span xml = sql_rows(result) ? sql_get_span(result, 0, 0) : (struct span){0};
    ask_result(ask, write_query(xml, &getting->wanted, &ask->request->arena));
}

void xep0049_get(void *ctx, struct service_request *request)
{
    struct pubsub *pubsub = ctx;
    const struct xml_node *wanted = first_element(request);
    metric_inc(METRIC_pubsub_private_gets);
    if (!wanted || !is_storable(wanted)) {
        refuse(request, "not-acceptable", NULL);
        return;
    }
    if (xml_find(wanted->next, NULL, NULL)) {
        refuse(request, "bad-request", "One element at a time");
        return;
    }
    struct getting *getting = arena_calloc(&request->arena, 1, sizeof(*getting));
    getting->wanted = (struct element){.ns = wanted->ns, .name = wanted->name};
    getting->ask = ask_new(pubsub, request);
    sql_query(pubsub->sql, store_key(request->account),
              &SQL("SELECT xml FROM private_xml WHERE account = $1 AND ns = $2 AND name = $3",
                   sql_text(request->account), sql_text(wanted->ns), sql_text(wanted->name)),
              on_element, getting);
}

/* ---- set ---- */
static int64_t count_elements(struct sql_conn *conn, const struct storing *storing)
{
    const struct sql_result *result =
        sql_exec(conn, &SQL("SELECT CAST(COUNT(*) AS BIGINT) FROM private_xml WHERE account = $1",
                            sql_text(storing->account)));
    return sql_status(result) == SQL_OK ? sql_get_integer(result, 0, 0) : -1;
}

static int store_element(struct sql_conn *conn, const struct storing *storing,
                         const struct element *element)
{
    const struct sql_result *result =
        element->xml.len
            ? sql_exec(conn,
                       &SQL("INSERT INTO private_xml (account, ns, name, xml) "
                            "VALUES ($1, $2, $3, $4) "
                            "ON CONFLICT (account, ns, name) DO UPDATE SET xml = excluded.xml",
                            sql_text(storing->account), sql_text(element->ns),
                            sql_text(element->name), sql_text(element->xml)))
            : sql_exec(conn, &SQL("DELETE FROM private_xml "
                                  "WHERE account = $1 AND ns = $2 AND name = $3",
                                  sql_text(storing->account), sql_text(element->ns),
                                  sql_text(element->name)));
    return sql_status(result) == SQL_OK ? 0 : -1;
}

/* On a worker. All or nothing; who has too many already may still change or remove some. */
static int store_all(struct sql_conn *conn, void *arg)
{
    const struct storing *storing = arg;
    int64_t before = count_elements(conn, storing);
    if (before < 0) {
        return -1;
    }
    for (size_t i = 0; i < storing->count; i++) {
        if (store_element(conn, storing, &storing->elements[i]) != 0) {
            return -1;
        }
    }
    int64_t after = count_elements(conn, storing);
    return after < 0 || (after > before && after > storing->max_elements) ? -1 : 0;
}

static void on_all_stored(void *arg, enum sql_status status)
{
    struct storing *storing = arg;
    if (status == SQL_OK) {
        ask_result(storing->ask, (struct span){0});
    } else if (status == SQL_ROLLED_BACK) {
        metric_inc(METRIC_pubsub_refused);
        ask_error(storing->ask, "resource-constraint", "Too many elements are stored");
    } else {
        ask_failed(storing->ask, status);
    }
}

static struct span copy_node(const struct xml_node *node, struct arena *arena)
{
    struct buf out = {0};
    xml_node_write(node, SPAN(NS_PRIVATE), &out);
    struct span xml = arena_copy(arena, buf_span(&out));
    buf_deinit(&out);
    return xml;
}

/* Fills `storing` with the elements of the query: NULL, or why it may not be stored. */
static const char *read_elements(const struct xml_node *first, size_t max_bytes,
                                 struct arena *arena, struct storing *storing)
{
    size_t count = 0;
    for (const struct xml_node *at = first; at; at = xml_find(at->next, NULL, NULL)) {
        count++;
    }
    storing->elements = arena_calloc(arena, count + 1, sizeof(*storing->elements));
    for (const struct xml_node *at = first; at; at = xml_find(at->next, NULL, NULL)) {
        struct element *element = &storing->elements[storing->count++];
        *element = (struct element){.ns = at->ns, .name = at->name};
        if (!is_storable(at)) {
            return "Each element needs a namespace of its own that is not reserved";
        }
        if (at->attr_count || at->first_child) {
            element->xml = copy_node(at, arena);
        }
        if (element->xml.len > max_bytes) {
            return "The element is too large";
        }
    }
    return count ? NULL : "There is nothing to store";
}

void xep0049_set(void *ctx, struct service_request *request)
{
    struct pubsub *pubsub = ctx;
    struct storing *storing = arena_calloc(&request->arena, 1, sizeof(*storing));
    const char *refusal =
        read_elements(first_element(request), pubsub->limits.max_private, &request->arena, storing);
    metric_inc(METRIC_pubsub_private_sets);
    if (refusal) {
        refuse(request, "not-acceptable", refusal);
        return;
    }
    storing->ask = ask_new(pubsub, request);
    storing->account = request->account;
    storing->max_elements = pubsub->limits.max_private_elements;
    sql_transaction(pubsub->sql, store_key(request->account), store_all, on_all_stored, storing);
}
