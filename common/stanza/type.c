/* Kinds and types: one table that reading, writing and the codec all use. */
#include "type_internal.h"

#include "base/assert.h"

#define MESSAGE  (1u << STANZA_MESSAGE)
#define PRESENCE (1u << STANZA_PRESENCE)
#define IQ       (1u << STANZA_IQ)

static const struct {
    const char *name;
    unsigned kinds; /* that may have it */
} types[STANZA_TYPE_COUNT] = {
    [STANZA_NORMAL] = {"", MESSAGE},
    [STANZA_CHAT] = {"chat", MESSAGE},
    [STANZA_GROUPCHAT] = {"groupchat", MESSAGE},
    [STANZA_HEADLINE] = {"headline", MESSAGE},
    [STANZA_ERROR] = {"error", MESSAGE | PRESENCE | IQ},
    [STANZA_AVAILABLE] = {"", PRESENCE},
    [STANZA_UNAVAILABLE] = {"unavailable", PRESENCE},
    [STANZA_SUBSCRIBE] = {"subscribe", PRESENCE},
    [STANZA_SUBSCRIBED] = {"subscribed", PRESENCE},
    [STANZA_UNSUBSCRIBE] = {"unsubscribe", PRESENCE},
    [STANZA_UNSUBSCRIBED] = {"unsubscribed", PRESENCE},
    [STANZA_PROBE] = {"probe", PRESENCE},
    [STANZA_GET] = {"get", IQ},
    [STANZA_SET] = {"set", IQ},
    [STANZA_RESULT] = {"result", IQ},
};

static const char *const kinds[] = {
    [STANZA_MESSAGE] = "message", [STANZA_PRESENCE] = "presence", [STANZA_IQ] = "iq"};

#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

const char *stanza_kind_name(enum stanza_kind kind)
{
    ASSERT(kind < KIND_COUNT);
    return kinds[kind];
}

const char *stanza_type_name(enum stanza_type type)
{
    ASSERT(type < STANZA_TYPE_COUNT);
    return types[type].name;
}

int type_find_kind(struct span name, enum stanza_kind *kind_out)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (span_is(name, kinds[i])) {
            *kind_out = (enum stanza_kind)i;
            return 0;
        }
    }
    return -1;
}

bool type_fits(enum stanza_kind kind, enum stanza_type type)
{
    return (types[type].kinds & (1u << kind)) != 0;
}

int type_find(enum stanza_kind kind, struct span name, enum stanza_type *type_out)
{
    for (size_t i = 0; i < STANZA_TYPE_COUNT; i++) {
        if (type_fits(kind, (enum stanza_type)i) && span_is(name, types[i].name)) {
            *type_out = (enum stanza_type)i;
            return 0;
        }
    }
    return -1;
}
