/* What a stream offers to log in with: SASL mechanisms (RFC 6120 section 6.3.3) and the types of
 * channel binding (XEP-0440). -PLUS is offered only where the transport can bind the channel. */
#include "jid/jid.h"
#include "stream/domain_internal.h"
#include "stream/offer_internal.h"

enum mechanism_flag {
    NEEDS_SECURE = 1,  /* the secret itself travels */
    NEEDS_CHANNEL = 2, /* binds the channel */
    NEEDS_SHA512 = 4,  /* stream.scram_sha512 */
    NEEDS_ADDRESS = 8, /* of this domain, in a valid certificate of the client's */
    NEEDS_OAUTH = 16,  /* session.oauth_keys */
    NEEDS_LEAVE = 32,  /* session.anonymous */
    IS_WORDLESS = 64,  /* the client may have nothing to say */
};

struct stream_mechanism {
    const char *name;
    unsigned flags;
};

/* Strongest first. */
static const struct stream_mechanism mechanisms[] = {
    {"EXTERNAL", NEEDS_ADDRESS},
    {"SCRAM-SHA-512-PLUS", NEEDS_CHANNEL | NEEDS_SHA512},
    {"SCRAM-SHA-256-PLUS", NEEDS_CHANNEL},
    {"SCRAM-SHA-1-PLUS", NEEDS_CHANNEL},
    {"SCRAM-SHA-512", NEEDS_SHA512},
    {"SCRAM-SHA-256", 0},
    {"SCRAM-SHA-1", 0},
    {"OAUTHBEARER", NEEDS_SECURE | NEEDS_OAUTH},
    {"PLAIN", NEEDS_SECURE},
    {"ANONYMOUS", NEEDS_LEAVE | IS_WORDLESS},
};

#define MECHANISM_COUNT (sizeof(mechanisms) / sizeof(mechanisms[0]))

_Static_assert(MECHANISM_COUNT <= STREAM_MECHANISMS_MAX, "an offer holds every mechanism");

/* The stronger one first: a certificate's key can be stolen, a connection's secret hardly. What is
 * not advertised comes last. */
static const struct {
    const char *name;
    bool is_advertised;
} channel_types[STREAM_CHANNEL_TYPES] = {
    {"tls-exporter", true},         /* RFC 9266 */
    {"tls-server-end-point", true}, /* RFC 5929 section 4 */
    {"tls-unique", false}, /* older clients take it from what they know, never from a list */
};

const struct stream_mechanism *stream_mechanism_find(struct span name)
{
    for (size_t i = 0; i < MECHANISM_COUNT; i++)
        if (span_is(name, mechanisms[i].name))
            return &mechanisms[i];
    return NULL;
}

const char *stream_mechanism_name(const struct stream_mechanism *mechanism)
{
    return mechanism->name;
}

bool stream_mechanism_is_wordless(const struct stream_mechanism *mechanism)
{
    return mechanism->flags & IS_WORDLESS;
}

static bool has_security(const struct stream *stream, const struct stream_mechanism *mechanism)
{
    return !(mechanism->flags & NEEDS_SECURE) || stream->is_secure ||
           stream_domain(stream)->plain_without_tls;
}

static void load_channel(const struct stream *stream, struct stream_offer *offer)
{
    for (size_t i = 0; i < STREAM_CHANNEL_TYPES && stream->transport->channel_binding; i++) {
        uint32_t at = offer->type_count;
        size_t len = stream->transport->channel_binding(stream->conn, channel_types[i].name,
                                                        offer->bytes[at], STREAM_CHANNEL_BYTES);
        if (len == 0)
            continue;
        offer->types[at] = span_cstr(channel_types[i].name);
        offer->bindings[at] = span_of((const char *)offer->bytes[at], len);
        offer->type_count++;
        offer->unadvertised += !channel_types[i].is_advertised;
    }
}

/* Only what can be an account counts. */
static void load_certificate(const struct stream *stream, struct stream_offer *offer)
{
    struct wire_strs written = {0};
    offer->has_certificate = stream->transport->certificate &&
                             stream->transport->certificate(stream->conn, &offer->arena, &written);
    struct span *jids = arena_calloc(&offer->arena, written.count + 1, sizeof(*jids));
    uint32_t count = 0;
    for (uint32_t i = 0; offer->has_certificate && i < written.count; i++)
        if (jid_normalise(written.items[i], &offer->arena, &jids[count]) == 0 &&
            jid_is_bare(jids[count]) && jid_node(jids[count]).len > 0)
            count++;
    offer->certificate = (struct wire_strs){jids, count};
}

static bool has_address(const struct stream *stream, const struct stream_offer *offer)
{
    for (uint32_t i = 0; i < offer->certificate.count; i++)
        if (span_is(jid_domain(offer->certificate.items[i]), stream->login->domain))
            return true;
    return false;
}

void stream_offer_load(const struct stream *stream, struct stream_offer *offer_out)
{
    *offer_out = (struct stream_offer){0};
    load_channel(stream, offer_out);
    load_certificate(stream, offer_out);
    unsigned missing = (offer_out->type_count > offer_out->unadvertised ? 0u : NEEDS_CHANNEL) |
                       (stream_domain(stream)->scram_sha512 ? 0u : NEEDS_SHA512) |
                       (stream_domain(stream)->anonymous ? 0u : NEEDS_LEAVE) |
                       (stream_domain(stream)->oauth ? 0u : NEEDS_OAUTH) |
                       (has_address(stream, offer_out) ? 0u : NEEDS_ADDRESS);
    for (size_t i = 0; i < MECHANISM_COUNT; i++)
        if (!(mechanisms[i].flags & missing) && has_security(stream, &mechanisms[i]))
            offer_out->mechanisms[offer_out->mechanism_count++] = span_cstr(mechanisms[i].name);
}

void stream_offer_deinit(struct stream_offer *offer)
{
    arena_deinit(&offer->arena);
}

/* A certificate without an address of this domain: session says what that means (XEP-0178). */
static bool may_be_tried(const struct stream_offer *offer, const struct stream_mechanism *mechanism)
{
    for (uint32_t i = 0; i < offer->mechanism_count; i++)
        if (span_is(offer->mechanisms[i], mechanism->name))
            return true;
    return offer->has_certificate && (mechanism->flags & NEEDS_ADDRESS);
}

const char *stream_mechanism_problem(const struct stream *stream,
                                     const struct stream_mechanism *mechanism)
{
    struct stream_offer offer;
    if (stream_awaits_tls(stream) || !has_security(stream, mechanism))
        return "encryption-required";
    stream_offer_load(stream, &offer);
    const char *problem = may_be_tried(&offer, mechanism) ? NULL : "invalid-mechanism";
    stream_offer_deinit(&offer);
    return problem;
}
