/* RFC 7395 frames of arbitrary bytes: no crash; canonical content is a fixed point of parsing, the
 * tree reader accepts it and writes it as it was, and the frame behind is not touched. */
#include "base/assert.h"
#include "stanza/stanza.h"
#include "xml/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct xml_limits limits = {.max_bytes = 65536, .max_depth = 64};
static const struct xml_limits wide = {.max_bytes = 1000000, .max_depth = 65};

static struct xml_frames *frames;
static struct arena arena;
static struct buf content;
static struct buf work;
static struct buf ns;

/* The content inside an element of the same namespace: parsed again it is the same. */
static void check_fixed_point(uint32_t child_count)
{
    struct xml_top top;
    buf_reset(&work);
    buf_append_cstr(&work, "<w");
    xml_write_attr("xmlns", buf_span(&ns), &work);
    buf_append_u8(&work, '>');
    buf_append_span(&work, buf_span(&content));
    buf_append_cstr(&work, "</w>");
    ASSERT(xml_frames_parse(frames, buf_span(&work), &wide, &top) == XML_OK);
    ASSERT(span_eq(top.content, buf_span(&content)));
    ASSERT(top.child_count == child_count);
    ASSERT(span_is_empty(top.text));
}

static void check_tree(void)
{
    struct xml_node *first;
    ASSERT(xml_tree_parse(buf_span(&content), buf_span(&ns), &arena, &first) == 0);
    buf_reset(&work);
    for (const struct xml_node *node = first; node; node = node->next) {
        xml_node_write(node, buf_span(&ns), &work);
    }
    ASSERT(span_eq(buf_span(&work), buf_span(&content)));
}

static void check_stanza(const struct xml_top *top)
{
    struct stanza stanza;
    struct stanza decoded;
    if (stanza_from_xml(top, &arena, &stanza) != STANZA_FINE) {
        return;
    }
    buf_reset(&work);
    stanza_encode(&stanza, &work);
    ASSERT(stanza_decode(buf_span(&work), &arena, &decoded) == 0);
    struct buf text = {0};
    struct xml_top again;
    stanza_write(&decoded, (struct span){0}, top->ns, &text);
    ASSERT(xml_frames_parse(frames, buf_span(&text), &wide, &again) == XML_OK);
    ASSERT(span_eq(again.content, buf_span(&content)));
    buf_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct xml_top top;
    if (!frames) {
        frames = xml_frames_new();
    }
    arena_reset(&arena);
    if (xml_frames_parse(frames, span_of((const char *)data, size), &limits, &top) == XML_OK) {
        buf_reset(&content);
        buf_append_span(&content, top.content);
        buf_reset(&ns);
        buf_append_span(&ns, top.ns);
        uint32_t child_count = top.child_count;
        check_stanza(&top); /* first: it borrows what the next parse overwrites */
        check_fixed_point(child_count);
        check_tree();
    }
    ASSERT(xml_frames_parse(frames, SPAN("<m><b/></m>"), &limits, &top) == XML_OK);
    ASSERT(top.child_count == 1 && span_is_empty(top.ns) && span_is(top.content, "<b/>"));
    return 0;
}
