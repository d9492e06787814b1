/* One table of fields: how each is read, and what the form says of it. */
#include "xep0313_form.h"

#include "base/clock.h"
#include "base/codec.h"
#include "jid/jid.h"
#include "write.h"
#include "xml/ns.h"

/* A field and what it is read into. */
struct reading {
    struct arena *arena;
    struct mam_query *query;
    const struct xml_node *field;
};

/* ---- values ---- */

static const struct xml_node *first_value(const struct reading *reading)
{
    return xml_find(reading->field->first_child, NS_DATA_FORMS, "value");
}

static struct span value_of(const struct reading *reading)
{
    const struct xml_node *value = first_value(reading);

    return value ? span_trim(xml_node_text(value, reading->arena)) : (struct span){0};
}

/* Each returns NULL, or the condition of the error. */

static const char *read_form_type(const struct reading *reading)
{
    return span_is(value_of(reading), NS_MAM) ? NULL : "bad-request";
}

static const char *read_with(const struct reading *reading)
{
    return jid_normalise(value_of(reading), reading->arena, &reading->query->with) == 0
               ? NULL
               : "bad-request";
}

static const char *read_start(const struct reading *reading)
{
    return clock_parse_xep82(value_of(reading), &reading->query->start_ms) == 0 ? NULL
                                                                                : "bad-request";
}

static const char *read_end(const struct reading *reading)
{
    return clock_parse_xep82(value_of(reading), &reading->query->end_ms) == 0 ? NULL
                                                                              : "bad-request";
}

static const char *read_before_id(const struct reading *reading)
{
    reading->query->before_id = value_of(reading);
    return NULL;
}

static const char *read_after_id(const struct reading *reading)
{
    reading->query->after_id = value_of(reading);
    return NULL;
}

static bool has_id(const struct mam_query *query, struct span uid)
{
    for (size_t i = 0; i < query->id_count; i++) {
        if (span_eq(query->ids[i], uid))
            return true;
    }
    return false;
}

static const char *read_ids(const struct reading *reading)
{
    struct mam_query *query = reading->query;

    for (const struct xml_node *value = first_value(reading); value;
         value = xml_find(value->next, NS_DATA_FORMS, "value")) {
        struct span uid;

        if (form_uid(span_trim(xml_node_text(value, reading->arena)), reading->arena, &uid) != 0)
            return "item-not-found";
        if (has_id(query, uid))
            continue;
        if (query->id_count == ARCHIVE_SOME_MAX)
            return "policy-violation";
        query->ids[query->id_count++] = uid;
    }
    return NULL;
}

/* There are none in accounts' archives: what is asked for is what is there. */
static const char *read_groupchat(const struct reading *reading)
{
    (void)reading;
    return NULL;
}

/* XEP-0431: every word must be somewhere in the body. */
static const char *read_text(const struct reading *reading)
{
    struct mam_query *query = reading->query;
    struct span rest = value_of(reading);

    while (rest.len > 0 && query->word_count < ARCHIVE_MAX_WORDS) {
        size_t len = span_find(rest, ' ');

        if (len > 0)
            query->words[query->word_count++] =
                archive_store_pattern(span_head(rest, len), reading->arena);
        rest = span_from(rest, len + 1);
    }
    return NULL;
}

static const struct {
    const char *name;
    const char *type;
    const char *inside;
    const char *(*read)(const struct reading *reading);
} fields[] = {
    {"FORM_TYPE", "hidden", "<value>" NS_MAM "</value>", read_form_type},
    {"with", "jid-single", "", read_with},
    {"start", "text-single", "", read_start},
    {"end", "text-single", "", read_end},
    {"before-id", "text-single", "", read_before_id},
    {"after-id", "text-single", "", read_after_id},
    {"ids", "list-multi",
     "<validate xmlns=\"" NS_VALIDATE "\" datatype=\"xs:string\"><open/></validate>", read_ids},
    {"include-groupchat", "boolean", "", read_groupchat},
    {"{" NS_FULLTEXT "}fulltext", "text-single", "", read_text},
};

/* ---- the query ---- */

static const char *read_field(const struct reading *reading)
{
    struct span name = xml_node_attr(reading->field, "var");

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (span_is(name, fields[i].name))
            return fields[i].read(reading);
    }
    return "feature-not-implemented";
}

static const char *read_form(const struct xml_node *form, struct arena *arena,
                             struct mam_query *query)
{
    bool is_typed = false;

    for (const struct xml_node *field = xml_find(form->first_child, NS_DATA_FORMS, "field"); field;
         field = xml_find(field->next, NS_DATA_FORMS, "field")) {
        struct reading reading = {arena, query, field};
        const char *condition = read_field(&reading);

        if (condition)
            return condition;
        is_typed |= span_is(xml_node_attr(field, "var"), "FORM_TYPE");
    }
    return is_typed ? NULL : "bad-request";
}

const char *form_read(const struct service_request *request, struct arena *arena,
                      struct mam_query *query_out)
{
    struct span bytes = stanza_child_bytes(&request->stanza, request->child);
    struct xml_node *node = NULL;
    const struct xml_node *form;

    *query_out = (struct mam_query){.end_ms = INT64_MAX};
    if (xml_tree_parse(bytes, SPAN(NS_CLIENT), arena, &node) != 0 || !node ||
        rsm_read(node->first_child, arena, &query_out->rsm) != 0)
        return "bad-request";
    if (xml_node_attr(node, "node").data)
        return "item-not-found"; /* XEP-0442: only pubsub services have nodes */
    query_out->queryid = xml_node_attr(node, "queryid");
    query_out->is_flipped = xml_find(node->first_child, NS_MAM, "flip-page") != NULL;
    form = xml_find(node->first_child, NS_DATA_FORMS, "x");
    return form ? read_form(form, arena, query_out) : NULL;
}

int form_uid(struct span text, struct arena *arena, struct span *uid_out)
{
    struct buf bytes = {0};
    int rc = hex_decode(text, &bytes) == 0 && bytes.len == WRITE_UID_SIZE ? 0 : -1;

    *uid_out = arena_copy(arena, buf_span(&bytes));
    buf_deinit(&bytes);
    return rc;
}

/* ---- the fields ---- */

void xep0313_form(void *ctx, struct service_request *request)
{
    struct buf out = {0};

    (void)ctx;
    buf_append_cstr(&out,
                    "<query xmlns=\"" NS_MAM "\"><x xmlns=\"" NS_DATA_FORMS "\" type=\"form\">");
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        buf_printf(&out, "<field type=\"%s\" var=\"%s\">%s</field>", fields[i].type, fields[i].name,
                   fields[i].inside);
    buf_append_cstr(&out, "</x></query>");
    service_reply_result(request, buf_span(&out));
    buf_deinit(&out);
}
