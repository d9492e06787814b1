/* Answers to stanzas: results and errors. */
#include "base/assert.h"
#include "stanza/stanza.h"
#include "xml/ns.h"

/* RFC 6120 section 8.3.3: each condition and the type it goes with. */
static const struct {
    const char *condition;
    const char *type;
} conditions[] = {
    {"bad-request", "modify"},
    {"conflict", "cancel"},
    {"feature-not-implemented", "cancel"},
    {"forbidden", "auth"},
    {"gone", "cancel"},
    {"internal-server-error", "cancel"},
    {"item-not-found", "cancel"},
    {"jid-malformed", "modify"},
    {"not-acceptable", "modify"},
    {"not-allowed", "cancel"},
    {"not-authorized", "auth"},
    {"policy-violation", "modify"},
    {"recipient-unavailable", "wait"},
    {"redirect", "modify"},
    {"registration-required", "auth"},
    {"remote-server-not-found", "cancel"},
    {"remote-server-timeout", "wait"},
    {"resource-constraint", "wait"},
    {"service-unavailable", "cancel"},
    {"subscription-required", "auth"},
    {"undefined-condition", "cancel"},
    {"unexpected-request", "wait"},
};

static const char *type_of_condition(const char *condition)
{
    size_t i = 0;
    while (strcmp(conditions[i].condition, condition) != 0) {
        i++;
        ASSERT(i < sizeof conditions / sizeof conditions[0]);
    }
    return conditions[i].type;
}

/* An answer's children index: one child that is all of the payload, if there is any. */
static void index_single(struct stanza *stanza, struct span ns, struct span name,
                         struct arena *arena)
{
    struct xml_child *child = arena_calloc(arena, 1, sizeof *child);
    *child = (struct xml_child){.ns = ns, .name = name, .length = (uint32_t)stanza->payload.len};
    stanza->children = child;
    stanza->child_count = 1;
}

void stanza_make_result(const struct stanza *request, struct span payload, struct arena *arena,
                        struct stanza *reply_out)
{
    *reply_out = (struct stanza){
        .kind = STANZA_IQ,
        .type = STANZA_RESULT,
        .from = request->to,
        .to = request->from,
        .id = request->id,
        .payload = payload,
    };
    struct xml_node *first = NULL;
    if (!span_is_empty(payload)) {
        ASSERT(xml_tree_parse(payload, SPAN(NS_CLIENT), arena, &first) == 0);
        ASSERT(first && !first->next);
        index_single(reply_out, first->ns, first->name, arena);
    }
}

static void write_error(const struct stanza_error *error, struct buf *out)
{
    buf_printf(out, "<error type=\"%s\"><%s xmlns=\"" NS_STANZA_ERRORS "\"/>",
               error->type ? error->type : type_of_condition(error->condition), error->condition);
    if (error->text) {
        buf_append_cstr(out, "<text xmlns=\"" NS_STANZA_ERRORS "\" xml:lang=\"en\">");
        xml_escape(span_cstr(error->text), out);
        buf_append_cstr(out, "</text>");
    }
    buf_append_cstr(out, error->detail ? error->detail : "");
    buf_append_cstr(out, "</error>");
}

void stanza_make_error_of(const struct stanza *request, const struct stanza_error *error,
                          struct arena *arena, struct stanza *reply_out)
{
    struct buf bytes = {0};
    write_error(error, &bytes);
    *reply_out = (struct stanza){
        .kind = request->kind,
        .type = STANZA_ERROR,
        .from = request->to,
        .to = request->from,
        .id = request->id,
        .payload = arena_copy(arena, buf_span(&bytes)),
    };
    index_single(reply_out, SPAN(NS_CLIENT), SPAN("error"), arena);
    buf_deinit(&bytes);
}

void stanza_make_error(const struct stanza *request, const char *condition, const char *text,
                       struct arena *arena, struct stanza *reply_out)
{
    const struct stanza_error error = {.condition = condition, .text = text};
    stanza_make_error_of(request, &error, arena, reply_out);
}

bool stanza_may_bounce(const struct stanza *stanza)
{
    bool is_broadcast = stanza->kind == STANZA_PRESENCE && span_is_empty(stanza->to);
    return stanza->type != STANZA_ERROR && stanza->type != STANZA_RESULT && !is_broadcast;
}
