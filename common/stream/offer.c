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
    TAKES_TOKEN = 128, /* XEP-0484, with stream.fast */
};

struct stream_mechanism {
    const char *name;
    unsigned flags;
    const char *channel; /* the one type of channel binding it is for; NULL: any or none */
};

/* Strongest first. */
static const struct stream_mechanism mechanisms[] = {
    {"EXTERNAL", NEEDS_ADDRESS, NULL},
    {"SCRAM-SHA-512-PLUS", NEEDS_CHANNEL | NEEDS_SHA512, NULL},
    {"SCRAM-SHA-256-PLUS", NEEDS_CHANNEL, NULL},
    {"SCRAM-SHA-1-PLUS", NEEDS_CHANNEL, NULL},
    {"SCRAM-SHA-512", NEEDS_SHA512, NULL},
    {"SCRAM-SHA-256", 0, NULL},
    {"SCRAM-SHA-1", 0, NULL},
    {"OAUTHBEARER", NEEDS_SECURE | NEEDS_OAUTH, NULL},
    {"PLAIN", NEEDS_SECURE, NULL},
    {"ANONYMOUS", NEEDS_LEAVE | IS_WORDLESS, NULL},
    {"HT-SHA-256-EXPR", TAKES_TOKEN, "tls-exporter"},
    {"HT-SHA-256-ENDP", TAKES_TOKEN, "tls-server-end-point"},
    {"HT-SHA-256-NONE", TAKES_TOKEN, NULL},
};

#define MECHANISM_COUNT (sizeof(mechanisms) / sizeof(mechanisms[0]))

_Static_assert(MECHANISM_COUNT <= STREAM_MECHANISMS_MAX + STREAM_TOKENS_MAX,
               "an offer holds every mechanism");

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

static bool has_channel(const struct stream_offer *offer, const char *type)
{
    for (uint32_t i = 0; i < offer->type_count; i++)
        if (span_is(offer->types[i], type))
            return true;
    return !type;
}

static void add(struct stream_offer *offer, const struct stream_mechanism *mechanism)
{
    struct span name = span_cstr(mechanism->name);
    if (mechanism->flags & TAKES_TOKEN)
        offer->token_mechanisms[offer->token_mechanism_count++] = name;
    else
        offer->mechanisms[offer->mechanism_count++] = name;
}

void stream_offer_load(const struct stream *stream, struct stream_offer *offer_out)
{
    const struct stream_domain *domain = stream_domain(stream);
    *offer_out = (struct stream_offer){0};
    load_channel(stream, offer_out);
    load_certificate(stream, offer_out);
    unsigned missing = (offer_out->type_count > offer_out->unadvertised ? 0u : NEEDS_CHANNEL) |
                       (domain->scram_sha512 ? 0u : NEEDS_SHA512) |
                       (domain->fast ? 0u : TAKES_TOKEN) | (domain->oauth ? 0u : NEEDS_OAUTH) |
                       (domain->anonymous ? 0u : NEEDS_LEAVE) |
                       (has_address(stream, offer_out) ? 0u : NEEDS_ADDRESS);
    for (size_t i = 0; i < MECHANISM_COUNT; i++)
        if (!(mechanisms[i].flags & missing) && has_security(stream, &mechanisms[i]) &&
            has_channel(offer_out, mechanisms[i].channel))
            add(offer_out, &mechanisms[i]);
}

void stream_offer_deinit(struct stream_offer *offer)
{
    arena_deinit(&offer->arena);
}

/* A certificate without an address of this domain: session says what that means (XEP-0178). */
static bool may_be_tried(const struct stream_offer *offer, const struct stream_mechanism *mechanism,
                         bool takes_token)
{
    const struct span *list = takes_token ? offer->token_mechanisms : offer->mechanisms;
    uint32_t count = takes_token ? offer->token_mechanism_count : offer->mechanism_count;
    for (uint32_t i = 0; i < count; i++)
        if (span_is(list[i], mechanism->name))
            return true;
    return offer->has_certificate && !takes_token && (mechanism->flags & NEEDS_ADDRESS);
}

const char *stream_mechanism_problem(const struct stream *stream,
                                     const struct stream_mechanism *mechanism, bool takes_token)
{
    struct stream_offer offer;
    if (stream_awaits_tls(stream) || !has_security(stream, mechanism))
        return "encryption-required";
    stream_offer_load(stream, &offer);
    const char *problem = may_be_tried(&offer, mechanism, takes_token) ? NULL : "invalid-mechanism";
    stream_offer_deinit(&offer);
    return problem;
}
