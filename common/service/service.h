/* What daemons that own stanzas have in common: one table of what they answer, and its dispatch.
 *
 * A daemon lists its handlers in a table (struct service_handler, usually one line per XEP). From
 * that table come the announcement lines that tell routers what to hand over and what disco#info
 * shows (XEP-0030), and the dispatch of `handle` items. A handler gets a request that stays valid,
 * with all it points to, until it is answered; it may answer from any later callback, exactly once.
 * The router hears at once that all is on its way (`dealt`), so that the sender's next stanza need
 * not wait; the item is settled when the answer and every stanza sent for the request have been
 * taken by a router, so that a daemon that dies in between is asked again (another instance is):
 * handlers must bear being run twice.
 *
 * Announcement lines, words separated by single spaces:
 *
 * - `iq NS SCOPE`: iq get/set whose payload is in NS; SCOPE is server, account, own or full
 * - `presence`: all presence of and to accounts
 * - `accounts`: keeps data of accounts, takes clear_account (bus/wire.def)
 * - `keep`: messages that wait for their account (items keep, came)
 * - `archive`: messages for the archives of accounts (keep)
 * - `feature VAR SCOPE`: a disco#info feature of the server or of accounts
 * - `identity CATEGORY TYPE SCOPE`: a disco#info identity
 * - `streams`: has clients' streams, wants to know their stream features (common/stream says it)
 */
#ifndef JACKDAW_SERVICE_SERVICE_H
#define JACKDAW_SERVICE_SERVICE_H

#include "base/arena.h"
#include "base/span.h"
#include "bus/bus.h"
#include "stanza/stanza.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct service;
struct service_request;

/* iq types */
#define SERVICE_GET 1u
#define SERVICE_SET 2u

/* To whom the iq is addressed. */
#define SERVICE_SERVER  1u /* one of our domains */
#define SERVICE_ACCOUNT 2u /* a bare account, by anybody: the handler decides who may */
#define SERVICE_OWN     4u /* the sender's own account (or no `to`); others get <forbidden/> */
#define SERVICE_FULL                                                                               \
    8u /* a full JID, there or not: the handler refuses or lets pass (service_pass) */

typedef void service_handler_fn(void *ctx, struct service_request *request);

/* An account whose name may have been another one's: what that one has left must go, before the
 * account is made. Ended by service_cleared. */
struct service_clear {
    struct span account;
    void *data; /* the handler's own */
};
/* Must bear being run again, for one that did not end well. */
typedef void service_clear_fn(void *ctx, struct service_clear *clear);

struct service_handler {
    const char *ns;
    const char *element; /* NULL: any */
    unsigned types;      /* SERVICE_GET, SERVICE_SET */
    unsigned scopes;     /* SERVICE_SERVER, SERVICE_ACCOUNT, SERVICE_OWN */
    const char *feature; /* disco#info feature, or NULL; shown for SERVER on the server, else on the
                            account */
    service_handler_fn *handle;
};

/* A feature or identity that hangs on no iq handler of its own. */
struct service_feature {
    const char *feature;  /* or NULL */
    const char *category; /* identity, or NULL */
    const char *type;
    unsigned scopes;
};

/* Static data of the daemon. */
struct service_table {
    const struct service_handler *handlers;
    size_t handler_count;
    const struct service_feature *features;
    size_t feature_count;
    service_handler_fn *presence; /* NULL: this daemon does not own presence */
    service_clear_fn *clear;      /* NULL: this daemon keeps no data of accounts */
    bool keeps;    /* takes `keep` and `came` items (bus/wire.def) for the offline store */
    bool archives; /* and what is to be archived */
};

/* A stanza to deal with. Read the fields, answer with the functions below. */
struct service_request {
    struct stanza stanza;          /* `from` is stamped and to be trusted */
    const struct xml_child *child; /* iq: its payload; else NULL */
    struct span account;           /* bare JID acted for: of `to` when inbound, else of `from` */
    struct span from_bare;         /* bare JID of the sender */
    bool inbound;        /* came for the account in `to`; else the account in `from` acts */
    bool is_own;         /* the sender is the account itself (or asks the server) */
    uint64_t origin_sid; /* who sent it: n-th stanza of that session */
    uint64_t origin_n;
    struct arena arena; /* dies with the request */
    struct service *service;
    void *data; /* the handler's own */
};

struct service_options {
    struct loop *loop;
    struct bus *bus;
    const struct service_table *table;
    void *ctx; /* handed to handlers */
};

/* The lines for bus_options.announce, made from the table; they and the list are in `arena`. */
size_t service_announce(const struct service_table *table, struct arena *arena,
                        const struct span **lines_out);

/* Returns owned. Borrows everything in `options` until service_free. */
struct service *service_new(const struct service_options *options);
/* Frees it and every request that was not answered; their items stay unsettled. */
void service_free(struct service *service);

/* For bus_handlers.item: deals with `handle` and `clear_account` items, returns false for all others (untouched). */
bool service_item(struct service *service, struct bus_peer *peer, uint64_t token,
                  const struct wire_msg *msg);
/* For bus_handlers.peer_down: must be called. */
void service_peer_down(struct service *service, struct bus_peer *peer);
/* Requests not answered yet: for drain. */
size_t service_pending(const struct service *service);

/* ---- answers: each ends the request; the pointer is invalid afterwards ---- */
/* iq result; `payload` is canonical XML, may be empty. */
void service_reply_result(struct service_request *request, struct span payload);
/* Error reply, `condition` an RFC 6120 section 8.3.3 name, `text` may be NULL. When the stanza must
 * not be answered with an error (stanza_may_bounce) this is service_finish. */
void service_reply_error(struct service_request *request, const char *condition, const char *text);
/* A stanza of the handler's own making as the answer. */
void service_reply(struct service_request *request, const struct stanza *reply);
/* The sender of this iq may know about the account: let the router answer it, as it would answer
 * the account itself (disco#info, whose features only the router has all of). */
void service_vouch(struct service_request *request);
/* The stanza may go on to the full JID it is for. */
void service_pass(struct service_request *request);
/* Nothing to answer. */
void service_finish(struct service_request *request);

/* All of the account is gone: settles the item. `ok` false: it could not be done now and is tried
 * again a little later. */
void service_cleared(struct service_clear *clear, bool ok);

/* ---- stanzas of the service's own ---- */
/* Told once the routers have it (or never, when the service is freed first). */
typedef void service_sent_fn(void *arg);

struct service_forward {
    const struct stanza *stanza;
    const struct span *recipients; /* bare or full JIDs (bus/wire.def, forward); none: stanza->to */
    size_t recipient_count;
    struct span via;     /* bare JID whose router takes it; empty: the sender's */
    bool inbound;        /* WIRE_FORWARD_INBOUND: hand it to the recipient's service */
    bool vouched;        /* WIRE_FORWARD_VOUCHED: see service_vouch */
    bool stored;         /* WIRE_FORWARD_STORED; the next two are its own origin */
    uint64_t origin_sid; /* 0: one of the service's own */
    uint64_t origin_n;
    uint64_t came_sid;               /* as in wire.def; 0: none */
    struct service_request *request; /* not settled before this is, or NULL */
    service_sent_fn *sent;           /* or NULL */
    void *arg;
};
/* Sends it through one router, so that what goes the same way keeps its order. A stanza without
 * `from` gets the account of `request`. Copies everything. Never fails: what a full backlog refuses
 * is kept and sent later, in order. */
void service_forward(struct service *service, const struct service_forward *forward);

#endif
