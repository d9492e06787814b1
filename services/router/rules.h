/* What becomes of a stanza: RFC 6121 section 8 (server rules for processing stanzas) as one table.
 *
 * A row is a kind of stanza, a column is what its address turned out to be, a cell is an action.
 * The table knows nothing of sessions or daemons: route.c finds the column, action.c acts.
 */
#ifndef JACKDAW_ROUTER_RULES_H
#define JACKDAW_ROUTER_RULES_H

#include "stanza/stanza.h"

#include <stdbool.h>

/* Columns. */
enum rules_dest {
    DEST_NO_USER,        /* a local account that does not exist (8.5.1) */
    DEST_BARE_AVAILABLE, /* bare JID, some available resource has a priority of 0 or more (8.5.2.1)
                          */
    DEST_BARE_NEGATIVE,  /* bare JID, all available resources have negative priority (8.5.2.1.1) */
    DEST_BARE_NONE,      /* bare JID, no available resource (8.5.2.2) */
    DEST_FULL_MATCH,     /* full JID of a connected resource (8.5.3.1) */
    DEST_FULL_NONE,      /* full JID, no such resource (8.5.3.2) */
    DEST_OWN,            /* no `to`, or the sender's own bare JID */
    DEST_SERVER,         /* one of our domains (8.3), with or without a resource */
    DEST_FOREIGN,        /* any other domain */
    DEST_UNKNOWN,        /* a local account, but Redis does not answer: nobody can tell */
    DEST_COUNT
};

/* Rows. */
enum rules_row {
    ROW_MESSAGE_NORMAL,
    ROW_MESSAGE_CHAT,
    ROW_MESSAGE_GROUPCHAT,
    ROW_MESSAGE_HEADLINE,
    ROW_MESSAGE_ERROR,
    ROW_MESSAGE_COPY,             /* a carbon (XEP-0280): for that session only */
    ROW_PRESENCE_CLIENT,          /* any presence a client sent */
    ROW_PRESENCE_STATE,           /* available, unavailable: on its way to somebody */
    ROW_PRESENCE_SUBSCRIPTION_IN, /* for the presence daemon of the recipient */
    ROW_PRESENCE_SUBSCRIPTION,    /* that daemon has dealt with it */
    ROW_PRESENCE_PROBE_IN,
    ROW_PRESENCE_PROBE,
    ROW_PRESENCE_ERROR,
    ROW_IQ_REQUEST,         /* get, set */
    ROW_IQ_REQUEST_VOUCHED, /* a service has checked that the sender may know about the account */
    ROW_IQ_REQUEST_DEALT,   /* from a service: handed to no service again */
    ROW_IQ_ANSWER,          /* result, error */
    ROW_COUNT
};

/* Cells. */
enum rules_action {
    ACT_IGNORE,
    ACT_DELIVER,         /* to the session that matched */
    ACT_TOP,             /* to the most available resources (8.5.2.1.1) */
    ACT_NON_NEGATIVE,    /* to all available resources with a priority of 0 or more */
    ACT_AVAILABLE,       /* to all available resources */
    ACT_AS_BARE,         /* look again, as for the account's bare JID */
    ACT_STORE,           /* kept until a resource is available (XEP-0160) */
    ACT_UNAVAILABLE,     /* answer with <service-unavailable/> */
    ACT_NO_REMOTE,       /* answer with <remote-server-not-found/> */
    ACT_LATER,           /* answer with <resource-constraint/>: to be tried again */
    ACT_SERVICE_ACCOUNT, /* to the service that answers for accounts */
    ACT_SERVICE_SERVER,  /* to whoever answers for the server, ourselves first */
    ACT_OWN,             /* answered for the account by ourselves */
    ACT_PRESENCE_OUT,    /* to the presence daemon of the sender */
    ACT_PRESENCE_IN,     /* to the presence daemon of the recipient */
    ACT_COUNT
};

/* Who sent it. */
enum rules_source {
    SOURCE_CLIENT,          /* a client's own stanza */
    SOURCE_SERVICE,         /* a service has made it or dealt with it */
    SOURCE_SERVICE_INBOUND, /* a service asks for the service of the recipient */
    SOURCE_SERVICE_VOUCHED, /* a service asks us to answer for the account */
    SOURCE_STORE,           /* the offline store has it and tries to deliver it */
};

/* ROW_COUNT when a stanza of that kind cannot have that type. */
enum rules_row rules_row(enum stanza_kind kind, enum stanza_type type, enum rules_source source);
enum rules_action rules_action(enum rules_row row, enum rules_dest dest);

/* What must be known of the account before the column can be chosen; both false: nothing. */
bool rules_needs_sessions(enum rules_row row, bool is_full);
bool rules_needs_existence(enum rules_row row, bool is_full);
/* A service may get it for the account: nothing else asks for what the account blocks. */
bool rules_needs_blocks(enum rules_row row);
/* The column says "not there" and another one would have been better: to be sure, Redis is asked
 * before this is acted on. */
bool rules_is_negative(enum rules_row row, enum rules_dest dest);

#endif
