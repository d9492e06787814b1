/* Headers and features (RFC 6120 sections 4.2 to 4.7, RFC 7395 sections 3.3 and 3.4). */
#include "base/mem.h"
#include "base/rand.h"
#include "jid/jid.h"
#include "stream/domain_internal.h"
#include "stream/offer_internal.h"
#include "stream/sasl2_internal.h"
#include "stream/server_internal.h"
#include "stream/stream_internal.h"
#include "stream/xep0198_internal.h"

#define LANG_MAX 35 /* RFC 5646 section 4.4.1 */

/* ---- features ---- */

static void write_starttls(const struct stream *stream, struct buf *out)
{
    if (!stream->transport->start_tls || stream->is_secure)
        return;
    buf_printf(out, "<starttls xmlns='" NS_STARTTLS "'>%s</starttls>",
               stream_domain(stream)->require_tls ? "<required/>" : "<optional/>");
}

/* XEP-0440 */
static void write_channel_types(const struct stream_offer *offer, struct buf *out)
{
    uint32_t count = offer->type_count - offer->unadvertised;
    if (count == 0)
        return;
    buf_append_cstr(out, "<sasl-channel-binding xmlns='" NS_SASL_CB "'>");
    for (uint32_t i = 0; i < count; i++)
        buf_printf(out, "<channel-binding type='%.*s'/>", SPAN_ARG(offer->types[i]));
    buf_append_cstr(out, "</sasl-channel-binding>");
}

static void write_mechanisms(const struct stream *stream, struct buf *out)
{
    if (stream_awaits_tls(stream))
        return;
    struct stream_offer offer;
    stream_offer_load(stream, &offer);
    write_channel_types(&offer, out);
    buf_append_cstr(out, "<mechanisms xmlns='" NS_SASL "'>");
    for (uint32_t i = 0; i < offer.mechanism_count; i++)
        buf_printf(out, "<mechanism>%.*s</mechanism>", SPAN_ARG(offer.mechanisms[i]));
    buf_append_cstr(out, "</mechanisms>");
    stream_sasl2_offer(stream, &offer, out);
    stream_offer_deinit(&offer);
}

static void write_register(const struct stream *stream, struct buf *out)
{
    if (stream_domain(stream)->registration && !stream_awaits_tls(stream))
        buf_append_cstr(out, "<register xmlns='http://jabber.org/features/iq-register'/>");
}

static void write_bind(const struct stream *stream, struct buf *out)
{
    (void)stream;
    buf_append_cstr(out, "<bind xmlns='" NS_BIND "'/>"
                         "<session xmlns='" NS_SESSION "'><optional/></session>");
}

static void write_roster(const struct stream *stream, struct buf *out)
{
    (void)stream;
    buf_append_cstr(out, "<ver xmlns='" NS_ROSTERVER "'/>"
                         "<sub xmlns='" NS_SUB_PREAPPROVAL "'/>");
    /* A client that has it already, from Bind 2 or a resumption, would try to get it once more. */
    if (stream_sm_is_offered(stream) && !(stream->session && stream->session->sm))
        buf_append_cstr(out, "<sm xmlns='" NS_SM "'/>");
}

static void write_server(const struct stream *stream, struct buf *out)
{
    struct span domain = jid_domain(span_cstr(stream->login->account));
    buf_append_span(out, stream_server_features(stream->host, domain));
}

/* In the order they are written. */
static const struct {
    unsigned states;
    void (*write)(const struct stream *stream, struct buf *out);
} features[] = {
    {STREAM_LOGIN, write_starttls},
    {STREAM_LOGIN, write_mechanisms},
    {STREAM_LOGIN, write_register},
    {STREAM_BINDING, write_bind},
    {STREAM_BINDING | STREAM_BOUND, write_roster},
    {STREAM_BINDING | STREAM_BOUND, write_server},
};

void stream_send_features(struct stream *stream)
{
    struct buf *out = &stream->host->out;
    buf_reset(out);
    buf_append_cstr(out, stream->transport->is_framed ? "<stream:features xmlns:stream='" NS_STREAM
                                                        "'>"
                                                      : "<stream:features>");
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
        if (features[i].states & stream->state)
            features[i].write(stream, out);
    buf_append_cstr(out, "</stream:features>");
    (void)stream_send(stream, buf_span(out));
}

/* ---- headers ---- */

/* What the client's says. */
struct stream_header {
    struct span domain;
    struct span from; /* a bare JID or empty */
};

void stream_write_header(struct stream *stream, struct span from)
{
    struct buf out = {0};
    if (!stream_is_old_framed(stream))
        buf_append_cstr(&out, "<open xmlns='" NS_FRAMING "'");
    else
        buf_printf(&out, "%s<stream:stream xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAM "'",
                   stream->transport->is_framed ? "" : "<?xml version='1.0'?>");
    buf_printf(&out, " id='%016llx' version='1.0' xml:lang='en'", (unsigned long long)rand_u64());
    xml_write_attr("from", from, &out);
    if (stream->login && stream->login->from)
        xml_write_attr("to", span_cstr(stream->login->from), &out);
    buf_append_cstr(&out, stream_is_old_framed(stream) ? ">" : "/>");
    stream->has_header = true;
    (void)stream_send(stream, buf_span(&out));
    buf_deinit(&out);
}

/* Version "1.0" or later: a number before the dot that is not 0 (RFC 6120 section 4.7.5). */
static bool has_version(const struct xml_top *top)
{
    struct span version = xml_attr_get(top, "version");
    uint64_t major;
    return span_to_u64(span_head(version, span_find(version, '.')), &major) == 0 && major >= 1;
}

/* After SASL the client must stay with the domain it authenticated for. */
static bool is_same_domain(const struct stream *stream, struct span domain)
{
    return stream->state != STREAM_REOPENING ||
           span_eq(jid_domain(span_cstr(stream->login->account)), domain);
}

/* Who the client says it is (RFC 6120 section 4.7.1): a user of the domain, or nobody. Empty when it
 * does not say. */
static const char *read_from(struct stream *stream, const struct xml_top *top,
                             struct stream_header *header)
{
    struct span from = xml_attr_get(top, "from");
    struct span jid;
    if (from.len == 0)
        return NULL;
    if (jid_normalise(from, &stream->host->arena, &jid) < 0 ||
        !span_eq(jid_domain(jid), header->domain))
        return "invalid-from";
    header->from = jid_bare(jid);
    bool is_own = stream->state != STREAM_REOPENING ||
                  span_eq(header->from, span_cstr(stream->login->account));
    return is_own ? NULL : "invalid-from"; /* section 4.9.3.9 */
}

/* The language of what the client sends (section 4.7.4). What is too long for a tag is none. */
static void note_lang(struct stream *stream, const struct xml_top *top)
{
    struct span lang = stanza_xml_lang(top);
    mem_free(stream->lang);
    stream->lang = lang.len > 0 && lang.len <= LANG_MAX ? mem_strdup_span(lang) : NULL;
}

static const char *problem_of(struct stream *stream, const struct xml_top *top,
                              struct stream_header *header)
{
    struct span to = xml_attr_get(top, "to");
    struct span domain;
    bool wants_frames = !stream->parser;
    if (wants_frames != span_is(top->ns, NS_FRAMING))
        return "invalid-namespace";
    if (to.len == 0)
        return "improper-addressing";
    if (jid_normalise_domain(to, &stream->host->arena, &domain) < 0 ||
        !stream_host_domain(stream->host, domain) || !is_same_domain(stream, domain))
        return "host-unknown";
    header->domain = domain;
    return has_version(top) ? read_from(stream, top, header) : "unsupported-version";
}

void stream_opened(struct stream *stream, const struct xml_top *top)
{
    struct stream_header header = {0};
    arena_reset(&stream->host->arena);
    const char *problem = problem_of(stream, top, &header);
    stream->has_header = false; /* each header of the client's is answered by one of ours */
    if (problem) {
        stream_fail(stream, problem, (struct span){0});
        return;
    }
    note_lang(stream, top);
    stream_login_set_header(stream, header.domain, header.from);
    stream_write_header(stream, header.domain);
    if (stream->state == STREAM_ENDED)
        return; /* it did not even take that */
    if (stream->host->is_draining) {
        stream_shut_down(stream);
        return;
    }
    bool is_first = stream->state == STREAM_OPENING;
    stream->state = is_first ? STREAM_LOGIN : STREAM_BINDING;
    stream_send_features(stream);
    if (is_first && stream->state != STREAM_ENDED && !stream_awaits_tls(stream))
        stream_login_await(stream);
}
