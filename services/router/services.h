/* What live services have announced (service/service.h): who answers which iq, who owns presence,
 * who keeps messages, and what disco#info shows of them.
 *
 * A kind of daemon that was here once is remembered: while it restarts, its items wait in the bus.
 * One that stays away for SERVICES_PATIENCE_MS answers nothing any more (but presence, which always
 * waits).
 */
#ifndef JACKDAW_ROUTER_SERVICES_H
#define JACKDAW_ROUTER_SERVICES_H

#include "base/list.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICES_PATIENCE_MS 15000

struct loop;
struct services;

enum services_scope { SCOPE_SERVER, SCOPE_ACCOUNT, SCOPE_OWN, SCOPE_FULL, SCOPE_COUNT };
enum services_what { SERVICES_FEATURE, SERVICES_IDENTITY };

/* A kind of daemon. */
struct owner {
    struct list_node node;
    uint32_t instances;
    uint64_t gone_ms;  /* since when there is none */
    bool has_streams;  /* clients' */
    bool has_accounts; /* keeps data of accounts */
    char kind[];
};

/* Returns owned. */
struct services *services_new(struct loop *loop);
void services_free(struct services *services);

/* An instance of `kind` with these lines came, or went. Lines that are not understood are logged.
 */
void services_up(struct services *services, const char *kind, const struct span *lines,
                 size_t count);
void services_down(struct services *services, const char *kind);

/* Whether daemons of `kind` have clients' streams. */
bool services_has_streams(const struct services *services, const char *kind);
/* How long until a kind that has gone is given up, if nothing happens; 0: none is to be. */
uint32_t services_patience_ms(const struct services *services);

/* Who answers iq of namespace `ns` in this scope, or NULL. */
const struct owner *services_iq(const struct services *services, struct span ns,
                                enum services_scope scope);
/* The owner of presence, there or not. */
const struct owner *services_presence(const struct services *services);
/* Calls `each` for every kind that keeps data of accounts, there or not. */
void services_each_account_owner(const struct services *services,
                                 void (*each)(void *arg, const struct owner *owner), void *arg);
/* Who keeps messages, or NULL; and whether it archives them too. */
const struct owner *services_keeper(const struct services *services);
bool services_is_archived(const struct services *services);
/* Whether the owner of presence and a session daemon have been seen: iqs can be refused with
 * reason. */
bool services_is_complete(const struct services *services);
/* Calls `each` for every feature (its name) or identity ("category type") of live services in
 * `scope`, each once. */
void services_each(const struct services *services, enum services_what what,
                   enum services_scope scope, void (*each)(void *arg, struct span text), void *arg);

#endif
