/* Roster items from and to XML. */
#include "roster_xml.h"

#include "base/buf.h"
#include "jid/jid.h"
#include "presence.h"
#include "states.h"
#include "xml/ns.h"

#include <inttypes.h>

/* ---- reading ---- */
/* Whether the group `name` is one of `groups` already. */
static bool has_group(struct span groups, struct span name)
{
    while (groups.len) {
        size_t end = span_find(groups, ROSTER_GROUP_END);
        if (span_eq(span_head(groups, end), name)) {
            return true;
        }
        groups = span_from(groups, end + 1);
    }
    return false;
}

static const char *read_groups(const struct xml_node *item, const struct presence_limits *limits,
                               struct arena *arena, struct span *groups_out)
{
    struct buf groups = {0};
    const char *refusal = NULL;
    uint32_t count = 0;
    const struct xml_node *group = item->first_child;
    for (; group && !refusal; group = group->next) {
        if (!span_is(group->ns, NS_ROSTER) || !span_is(group->name, "group")) {
            continue;
        }
        struct span name = xml_node_text(group, arena);
        if (name.len == 0 || name.len > limits->max_name || ++count > limits->max_groups) {
            refusal = "not-acceptable";
        } else if (has_group(buf_span(&groups), name)) {
            refusal = "bad-request";
        } else {
            buf_append_span(&groups, name);
            buf_append_u8(&groups, ROSTER_GROUP_END);
        }
    }
    *groups_out = arena_copy(arena, buf_span(&groups));
    buf_deinit(&groups);
    return refusal;
}

/* The only <item/> of the payload, or NULL. */
static const struct xml_node *only_item(struct service_request *request)
{
    struct xml_node *query = NULL;
    struct span bytes = stanza_child_bytes(&request->stanza, request->child);
    if (xml_tree_parse(bytes, SPAN(NS_CLIENT), &request->arena, &query) != 0 || !query) {
        return NULL;
    }
    const struct xml_node *only = NULL;
    for (const struct xml_node *node = query->first_child; node; node = node->next) {
        if (span_is_empty(node->name)) {
            continue;
        }
        if (only || !span_is(node->ns, NS_ROSTER) || !span_is(node->name, "item")) {
            return NULL;
        }
        only = node;
    }
    return only;
}

static const char *read_jid(struct service_request *request, const struct xml_node *item,
                            struct span *jid_out)
{
    struct span text = xml_node_attr(item, "jid");
    if (text.len == 0) {
        return "bad-request";
    }
    if (jid_normalise(text, &request->arena, jid_out) != 0) {
        return "jid-malformed";
    }
    if (!jid_is_bare(*jid_out)) {
        return "bad-request";
    }
    /* Everybody is subscribed to himself anyhow (section 4.2.2). */
    return span_eq(*jid_out, request->account) ? "not-allowed" : NULL;
}

const char *roster_wish_read(struct service_request *request, const struct presence_limits *limits,
                             struct roster_wish *wish_out)
{
    const struct xml_node *item = only_item(request);
    *wish_out = (struct roster_wish){0};
    if (!item) {
        return "bad-request";
    }
    const char *refusal = read_jid(request, item, &wish_out->jid);
    if (refusal) {
        return refusal;
    }
    wish_out->is_removal = span_is(xml_node_attr(item, "subscription"), "remove");
    if (wish_out->is_removal) {
        return NULL;
    }
    wish_out->name = xml_node_attr(item, "name");
    if (wish_out->name.len > limits->max_name) {
        return "not-acceptable";
    }
    return read_groups(item, limits, &request->arena, &wish_out->groups);
}

/* ---- writing ---- */
static void write_groups(struct span groups, struct buf *out)
{
    while (groups.len) {
        size_t end = span_find(groups, ROSTER_GROUP_END);
        buf_append_cstr(out, "<group>");
        xml_escape(span_head(groups, end), out);
        buf_append_cstr(out, "</group>");
        groups = span_from(groups, end + 1);
    }
}

static void write_item(const struct roster_item *item, struct buf *out)
{
    buf_append_cstr(out, "<item");
    xml_write_attr("jid", item->jid, out);
    if ((item->state & STATE_LISTED) == 0) {
        buf_append_cstr(out, " subscription=\"remove\"/>");
        return;
    }
    if (item->name.len) {
        xml_write_attr("name", item->name, out);
    }
    if (item->state & STATE_APPROVED) {
        xml_write_attr("approved", SPAN("true"), out);
    }
    if (item->state & STATE_ASK) {
        xml_write_attr("ask", SPAN("subscribe"), out);
    }
    xml_write_attr("subscription", span_cstr(states_subscription(item->state)), out);
    if (item->groups.len == 0) {
        buf_append_cstr(out, "/>");
        return;
    }
    buf_append_cstr(out, ">");
    write_groups(item->groups, out);
    buf_append_cstr(out, "</item>");
}

struct span roster_query_write(const struct roster_item *items, size_t count, int64_t version,
                               struct arena *arena)
{
    struct buf out = {0};
    buf_printf(&out, "<query xmlns=\"" NS_ROSTER "\" ver=\"%" PRId64 "\"", version);
    buf_append_cstr(&out, count ? ">" : "/>");
    for (size_t i = 0; i < count; i++) {
        write_item(&items[i], &out);
    }
    buf_append_cstr(&out, count ? "</query>" : "");
    struct span query = arena_copy(arena, buf_span(&out));
    buf_deinit(&out);
    return query;
}

/* By hand: a long roster is not parsed again only to find out that it is one element. */
void roster_query_attach(struct span query, struct arena *arena, struct stanza *stanza)
{
    struct xml_child *child = arena_calloc(arena, 1, sizeof(*child));
    *child = (struct xml_child){
        .ns = SPAN(NS_ROSTER),
        .name = SPAN("query"),
        .offset = 0,
        .length = (uint32_t)query.len,
    };
    stanza->children = child;
    stanza->child_count = 1;
    stanza->payload = query;
}
