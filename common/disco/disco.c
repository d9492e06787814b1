/* The lists, and the <query/> made of them. */
#include "disco/disco.h"

#include "xml/ns.h"
#include "xml/xml.h"

void disco_init(struct disco *disco, struct arena *arena)
{
    *disco = (struct disco){.arena = arena};
}

/* Room for one more element of `size` behind `count`: doubled when `count` is a power of two. */
static void *grown(struct arena *arena, void *list, size_t count, size_t size)
{
    if (count & (count - 1))
        return list;
    void *larger = arena_calloc(arena, count ? 2 * count : 1, size);
    if (count)
        memcpy(larger, list, count * size);
    return larger;
}

void disco_add_identity(struct disco *disco, const struct disco_identity *identity)
{
    disco->identities =
        grown(disco->arena, disco->identities, disco->identity_count, sizeof(*disco->identities));
    disco->identities[disco->identity_count++] = *identity;
}

void disco_add_feature(struct disco *disco, struct span var)
{
    for (size_t i = 0; i < disco->feature_count; i++)
        if (span_eq(disco->features[i], var))
            return;
    disco->features =
        grown(disco->arena, disco->features, disco->feature_count, sizeof(*disco->features));
    disco->features[disco->feature_count++] = var;
}

struct disco_form *disco_add_form(struct disco *disco, struct span form_type)
{
    disco->forms = grown(disco->arena, disco->forms, disco->form_count, sizeof(*disco->forms));
    struct disco_form *form = &disco->forms[disco->form_count++];
    *form = (struct disco_form){.form_type = form_type};
    return form;
}

void disco_add_field(struct disco *disco, struct disco_form *form, const struct disco_field *field)
{
    form->fields = grown(disco->arena, form->fields, form->field_count, sizeof(*form->fields));
    form->fields[form->field_count++] = *field;
}

/* ---- XML ---- */

static void write_identity(const struct disco_identity *identity, struct buf *out)
{
    buf_append_cstr(out, "<identity");
    xml_write_attr("category", identity->category, out);
    xml_write_attr("type", identity->type, out);
    if (!span_is_empty(identity->lang))
        xml_write_attr("xml:lang", identity->lang, out);
    if (!span_is_empty(identity->name))
        xml_write_attr("name", identity->name, out);
    buf_append_cstr(out, "/>");
}

static void write_field(const struct disco_field *field, const char *type, struct buf *out)
{
    buf_append_cstr(out, "<field");
    xml_write_attr("var", field->var, out);
    if (type)
        xml_write_attr("type", span_cstr(type), out);
    buf_append_cstr(out, ">");
    for (size_t i = 0; i < field->value_count; i++) {
        buf_append_cstr(out, "<value>");
        xml_escape(field->values[i], out);
        buf_append_cstr(out, "</value>");
    }
    buf_append_cstr(out, "</field>");
}

static void write_form(const struct disco_form *form, struct buf *out)
{
    const struct disco_field type = {SPAN("FORM_TYPE"), &form->form_type, 1};
    buf_append_cstr(out, "<x xmlns=\"" NS_DATA_FORMS "\" type=\"result\">");
    write_field(&type, "hidden", out);
    for (size_t i = 0; i < form->field_count; i++)
        write_field(&form->fields[i], NULL, out);
    buf_append_cstr(out, "</x>");
}

void disco_write(const struct disco *disco, struct span node, struct buf *out)
{
    buf_append_cstr(out, "<query xmlns=\"" NS_DISCO_INFO "\"");
    if (!span_is_empty(node))
        xml_write_attr("node", node, out);
    buf_append_cstr(out, ">");
    for (size_t i = 0; i < disco->identity_count; i++)
        write_identity(&disco->identities[i], out);
    for (size_t i = 0; i < disco->feature_count; i++) {
        buf_append_cstr(out, "<feature");
        xml_write_attr("var", disco->features[i], out);
        buf_append_cstr(out, "/>");
    }
    for (size_t i = 0; i < disco->form_count; i++)
        write_form(&disco->forms[i], out);
    buf_append_cstr(out, "</query>");
}
