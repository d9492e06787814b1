/* XEP-0054 vcard-temp: an account's vCard, which its owner sets and everybody may see.
 *
 * Somebody else's vCard that is not there is answered like an account that is not there (section
 * 3.3), which never gets here: the router answers it with service-unavailable.
 */
#include "ask.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "metric/metric.h"
#include "redis/keys.h"
#include "store.h"
#include "xep0153_photo.h"
#include "xml/ns.h"

static void on_vcard(void *arg, const struct sql_result *result)
{
    struct ask *ask = arg;
    if (sql_status(result) != SQL_OK) {
        ask_failed(ask, sql_status(result));
    } else if (sql_rows(result)) {
        ask_result(ask, arena_copy(&ask->request->arena, sql_get_span(result, 0, 0)));
    } else {
        ask_error(ask, ask->request->is_own ? "item-not-found" : "service-unavailable", NULL);
    }
}

void xep0054_get(void *ctx, struct service_request *request)
{
    struct pubsub *pubsub = ctx;
    metric_inc(METRIC_pubsub_vcard_gets);
    sql_query(pubsub->sql, store_key(request->account),
              &SQL("SELECT xml FROM vcard WHERE account = $1", sql_text(request->account)),
              on_vcard, ask_new(pubsub, request));
}

static void on_photo_known(void *arg, const struct redis_reply *reply)
{
    struct ask *ask = arg;
    if (redis_failed(reply)) {
        ask_failed(ask, SQL_DOWN);
    } else {
        ask_result(ask, (struct span){0});
    }
}

/* XEP-0153: presence that is sent from now on names the photo. */
static void on_stored(void *arg, const struct sql_result *result)
{
    struct ask *ask = arg;
    struct service_request *request = ask->request;
    struct arena *arena = &request->arena;
    if (sql_status(result) != SQL_OK) {
        ask_failed(ask, sql_status(result));
        return;
    }
    redis_call(ask->pubsub->redis, on_photo_known, ask, SPAN("SET"),
               redis_key(REDIS_KEY_avatar, request->account, (struct span){0}, arena),
               xep0153_hash(stanza_child_bytes(&request->stanza, request->child), arena));
}

void xep0054_set(void *ctx, struct service_request *request)
{
    struct pubsub *pubsub = ctx;
    struct span xml = stanza_child_bytes(&request->stanza, request->child);
    metric_inc(METRIC_pubsub_vcard_sets);
    if (xml.len > pubsub->limits.max_vcard) {
        metric_inc(METRIC_pubsub_refused);
        service_reply_error(request, "not-acceptable", "The vCard is too large");
        return;
    }
    sql_query(pubsub->sql, store_key(request->account),
              &SQL("INSERT INTO vcard (account, xml) VALUES ($1, $2) "
                   "ON CONFLICT (account) DO UPDATE SET xml = excluded.xml",
                   sql_text(request->account), sql_text(xml)),
              on_stored, ask_new(pubsub, request));
}

static void write_text(const char *element, const char *text, struct buf *out)
{
    if (*text) {
        buf_printf(out, "<%s>", element);
        xml_escape(span_cstr(text), out);
        buf_printf(out, "</%s>", element);
    }
}

/* The server's own, from the configuration. */
void xep0054_server(void *ctx, struct service_request *request)
{
    struct pubsub *pubsub = ctx;
    const struct conf *conf = pubsub->daemon->conf;
    struct span domain = request->stanza.to;
    struct buf out = {0};
    metric_inc(METRIC_pubsub_vcard_gets);
    buf_append_cstr(&out, "<vCard xmlns=\"" NS_VCARD "\">");
    write_text("FN", conf_str_of(conf, CONF_pubsub_server_name, domain), &out);
    write_text("URL", conf_str_of(conf, CONF_pubsub_server_url, domain), &out);
    write_text("DESC", conf_str_of(conf, CONF_pubsub_server_description, domain), &out);
    buf_append_cstr(&out, "</vCard>");
    service_reply_result(request, arena_copy(&request->arena, buf_span(&out)));
    buf_deinit(&out);
}
