/* What is stored, and how it is asked for. */
#include "xep0441_prefs.h"

#include "ask.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "jid/jid.h"
#include "loop/timer.h"
#include "write.h"
#include "xml/ns.h"

#define FORGET_MS 60000 /* that an account has none is believed for this long at most */
#define MAX_KNOWN 100000
#define MAX_JIDS  500 /* in each list */

struct prefs {
    struct map none;  /* accounts; the value is of no use */
    uint64_t changes; /* how often one may have got some */
    struct loop_timer timer;
};

/* ---- who has none ---- */

static void forget_all(void *arg)
{
    struct prefs *prefs = arg;

    map_deinit(&prefs->none);
    map_init(&prefs->none);
}

void prefs_recall(const struct prefs *prefs, struct kept *kept)
{
    kept->has_no_prefs = map_get(&prefs->none, kept->account) != NULL;
    kept->prefs_changes = prefs->changes;
}

void prefs_learn(struct prefs *prefs, const struct kept *kept)
{
    if (!kept->has_no_prefs || kept->prefs_changes != prefs->changes)
        return;
    if (map_count(&prefs->none) >= MAX_KNOWN)
        forget_all(prefs);
    map_put(&prefs->none, kept->account, prefs);
}

struct prefs *prefs_new(struct archive *archive)
{
    struct prefs *prefs = mem_calloc(1, sizeof(*prefs));

    map_init(&prefs->none);
    loop_timer_init(&prefs->timer, archive->daemon->loop, forget_all, prefs);
    loop_timer_start(&prefs->timer, FORGET_MS, FORGET_MS);
    return prefs;
}

void prefs_free(struct prefs *prefs)
{
    if (!prefs)
        return;
    loop_timer_stop(&prefs->timer);
    map_deinit(&prefs->none);
    mem_free(prefs);
}

/* ---- what is wanted ---- */

static uint64_t key_of(struct span account)
{
    return hash_span(account);
}

/* The next JID of a list, which loses it. */
static struct span next_jid(struct span *list)
{
    size_t len = span_find(*list, '\n');
    struct span jid = span_head(*list, len);

    *list = span_from(*list, len + 1);
    return jid;
}

/* Section 2.2: a bare JID in the list means all its resources. */
static bool has_jid(struct span list, struct span peer)
{
    while (list.len > 0) {
        struct span jid = next_jid(&list);

        if (span_eq(jid, peer) || span_eq(jid, jid_bare(peer)))
            return true;
    }
    return false;
}

static const char select_prefs[] =
    "SELECT fallback, always, never FROM archive_prefs WHERE account = $1";

int prefs_allow(struct sql_conn *conn, struct kept *kept, struct span peer)
{
    const struct sql_result *result;

    if (kept->has_no_prefs)
        return 1;
    result = sql_exec(conn, &SQL(select_prefs, sql_text(kept->account)));
    if (sql_status(result) != SQL_OK)
        return -1;
    if (sql_rows(result) == 0) {
        kept->has_no_prefs = true;
        return 1;
    }
    if (has_jid(sql_get_span(result, 0, 2), peer))
        return 0;
    return has_jid(sql_get_span(result, 0, 1), peer) ||
           !span_is(sql_get_span(result, 0, 0), "never");
}

void prefs_forget(struct prefs *prefs, struct span account)
{
    map_remove(&prefs->none, account);
    prefs->changes++;
}

int prefs_remove(struct sql_conn *conn, struct span account)
{
    const struct sql_result *result =
        sql_exec(conn, &SQL("DELETE FROM archive_prefs WHERE account = $1", sql_text(account)));

    return sql_status(result) == SQL_OK ? 0 : -1;
}

/* ---- answers ---- */

static void write_list(const char *name, struct span list, struct buf *out)
{
    buf_printf(out, "<%s>", name);
    while (list.len > 0) {
        buf_append_cstr(out, "<jid>");
        xml_escape(next_jid(&list), out);
        buf_append_cstr(out, "</jid>");
    }
    buf_printf(out, "</%s>", name);
}

static struct span write_prefs(struct span fallback, struct span always, struct span never,
                               struct arena *arena)
{
    struct buf out = {0};
    struct span payload;

    buf_append_cstr(&out, "<prefs xmlns=\"" NS_MAM "\"");
    xml_write_attr("default", fallback, &out);
    buf_append_cstr(&out, ">");
    write_list("always", always, &out);
    write_list("never", never, &out);
    buf_append_cstr(&out, "</prefs>");
    payload = arena_copy(arena, buf_span(&out));
    buf_deinit(&out);
    return payload;
}

static void on_prefs(void *arg, const struct sql_result *result)
{
    struct ask *ask = arg;
    struct arena *arena = &ask->request->arena;

    if (sql_status(result) != SQL_OK)
        ask_failed(ask, sql_status(result));
    else if (sql_rows(result) == 0)
        ask_result(ask, write_prefs(SPAN("always"), (struct span){0}, (struct span){0}, arena));
    else
        ask_result(ask, write_prefs(sql_get_span(result, 0, 0), sql_get_span(result, 0, 1),
                                    sql_get_span(result, 0, 2), arena));
}

void xep0441_get(void *ctx, struct service_request *request)
{
    struct archive *archive = ctx;

    sql_query(archive->sql, key_of(request->account),
              &SQL(select_prefs, sql_text(request->account)), on_prefs, ask_new(archive, request));
}

/* ---- changes ---- */

struct change {
    struct ask *ask;
    struct span fallback;
    struct span always;
    struct span never;
};

static void on_set(void *arg, const struct sql_result *result)
{
    struct change *change = arg;
    struct ask *ask = change->ask;

    if (sql_status(result) != SQL_OK) {
        ask_failed(ask, sql_status(result));
        return;
    }
    prefs_forget(ask->archive->prefs, ask->request->account);
    ask_result(ask,
               write_prefs(change->fallback, change->always, change->never, &ask->request->arena));
}

/* The JIDs in <always/> or <never/>, one a line: 0, or -1 when there is something else. */
static int read_list(const struct xml_node *list, struct arena *arena, struct span *out)
{
    struct buf lines = {0};
    size_t count = 0;
    int rc = 0;

    for (const struct xml_node *at = list ? xml_find(list->first_child, NULL, NULL) : NULL; at;
         at = xml_find(at->next, NULL, NULL)) {
        struct span jid;

        if (!span_is(at->ns, NS_MAM) || !span_is(at->name, "jid") || ++count > MAX_JIDS ||
            jid_normalise(span_trim(xml_node_text(at, arena)), arena, &jid) != 0) {
            rc = -1;
            break;
        }
        buf_append_span(&lines, jid);
        buf_append_u8(&lines, '\n');
    }
    *out = arena_copy(arena, buf_span(&lines));
    buf_deinit(&lines);
    return rc;
}

static int read_change(const struct xml_node *node, struct arena *arena, struct change *change)
{
    struct span fallback = xml_node_attr(node, "default");

    if (span_is(fallback, "never"))
        change->fallback = SPAN("never");
    else if (span_is(fallback, "always") || span_is(fallback, "roster"))
        change->fallback = SPAN("always");
    else
        return -1;
    if (read_list(xml_find(node->first_child, NS_MAM, "always"), arena, &change->always) != 0)
        return -1;
    return read_list(xml_find(node->first_child, NS_MAM, "never"), arena, &change->never);
}

void xep0441_set(void *ctx, struct service_request *request)
{
    struct archive *archive = ctx;
    struct change *change = arena_calloc(&request->arena, 1, sizeof(*change));
    struct xml_node *node = NULL;

    if (xml_tree_parse(stanza_child_bytes(&request->stanza, request->child), SPAN(NS_CLIENT),
                       &request->arena, &node) != 0 ||
        !node || read_change(node, &request->arena, change) != 0) {
        service_reply_error(request, "bad-request", NULL);
        return;
    }
    change->ask = ask_new(archive, request);
    prefs_forget(archive->prefs, request->account);
    sql_query(archive->sql, key_of(request->account),
              &SQL("INSERT INTO archive_prefs (account, fallback, always, never) "
                   "VALUES ($1, $2, $3, $4) ON CONFLICT (account) DO UPDATE SET "
                   "fallback = excluded.fallback, always = excluded.always, never = excluded.never",
                   sql_text(request->account), sql_text(change->fallback), sql_text(change->always),
                   sql_text(change->never)),
              on_set, change);
}
