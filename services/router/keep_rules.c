/* Which messages are worth keeping: tables. */
#include "keep.h"

#include "xml/ns.h"

/* What goes with a message but is none. The first are of XEP-0085: a message of nothing else is not
 * stored. */
static const struct {
    const char *ns;
    const char *name; /* NULL: any */
} trimmings[] = {
    {NS_CHATSTATES, NULL}, {NS_HINTS, NULL}, {NS_SID, NULL},
    {NS_CLIENT, "thread"}, {NS_DELAY, NULL},
};

/* What makes a message part of a conversation. */
static const struct {
    const char *ns;
    const char *name;
} contents[] = {
    {NS_CLIENT, "body"},
    {NS_RECEIPTS, "received"},         /* XEP-0184 */
    {NS_CHAT_MARKERS, "received"},     /* XEP-0333 */
    {NS_CHAT_MARKERS, "displayed"},    /* XEP-0333 */
    {NS_CHAT_MARKERS, "acknowledged"}, /* XEP-0333 */
    {NS_CORRECT, "replace"},           /* XEP-0308 */
    {NS_RETRACT, "retract"},           /* XEP-0424 */
    {NS_REACTIONS, "reactions"},       /* XEP-0444 */
    {NS_JINGLE_MESSAGE, NULL},         /* XEP-0353 */
    {NS_CONFERENCE, "x"},              /* XEP-0249 */
    {NS_OMEMO_AXOLOTL, "encrypted"},   /* XEP-0384 */
    {NS_OMEMO, "encrypted"},           /* XEP-0384 */
    {NS_OPENPGP, "openpgp"},           /* XEP-0373 */
};

static bool has_hint(const struct stanza *stanza, const char *name)
{
    return stanza_child(stanza, NS_HINTS, name) != NULL;
}

static bool is_trimming(const struct xml_child *child)
{
    for (size_t i = 0; i < sizeof(trimmings) / sizeof(trimmings[0]); i++) {
        if (span_is(child->ns, trimmings[i].ns) &&
            (!trimmings[i].name || span_is(child->name, trimmings[i].name)))
            return true;
    }
    return false;
}

static bool is_chat_state_only(const struct stanza *stanza)
{
    if (!stanza_child(stanza, NS_CHATSTATES, NULL))
        return false;
    for (uint32_t i = 0; i < stanza->child_count; i++) {
        if (!is_trimming(&stanza->children[i]))
            return false;
    }
    return true;
}

enum keep_offline keep_offline(const struct stanza *stanza)
{
    bool is_empty = is_chat_state_only(stanza);

    if (is_empty)
        return has_hint(stanza, "store") ? KEEP_STORE : KEEP_DROP;
    return has_hint(stanza, "no-store") ? KEEP_REFUSE : KEEP_STORE;
}

bool keep_in_archive(const struct stanza *stanza)
{
    if (stanza->type != STANZA_CHAT && stanza->type != STANZA_NORMAL)
        return false;
    if (has_hint(stanza, "no-store") || has_hint(stanza, "no-permanent-store"))
        return false;
    for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
        if (stanza_child(stanza, contents[i].ns, contents[i].name))
            return true;
    }
    return has_hint(stanza, "store");
}
