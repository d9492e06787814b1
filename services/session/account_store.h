/* Accounts in SQL: their names and SCRAM verifiers, and the cluster's secret. No other daemon reads
 * these tables. A password is never here.
 *
 * Names are normalised bare JIDs. Every callback is called once, on the loop, never from inside.
 */
#ifndef JACKDAW_SESSION_ACCOUNT_STORE_H
#define JACKDAW_SESSION_ACCOUNT_STORE_H

#include "base/span.h"
#include "crypt/scram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account_store;
struct loop;
struct sql;

enum account_status {
    ACCOUNT_OK,
    ACCOUNT_EXISTS,
    ACCOUNT_NOT_FOUND,
    ACCOUNT_DOWN, /* the database is away or failed: try later */
};

/* Returns owned, or NULL with one line in `error` when `url` is no database address. */
struct account_store *account_store_new(struct loop *loop, const char *url, char *error,
                                        size_t error_size);
/* Callbacks not called yet never will be. NULL is allowed. */
void account_store_free(struct account_store *store);
bool account_store_is_ready(const struct account_store *store);
/* The database, for the other tables of the daemon (token_store.h). Borrows the store's. */
struct sql *account_store_sql(struct account_store *store);

/* The verifiers of one password: one per hash that a mechanism uses. */
struct account_verifiers {
    size_t count;
    enum crypt_hash hashes[CRYPT_HASH_COUNT];
    struct scram_verifier verifiers[CRYPT_HASH_COUNT];
};
/* Computes them with a new salt each. Slow: on a worker thread only. */
void account_verifiers_make(struct span prepared_password, uint32_t iterations,
                            struct account_verifiers *verifiers_out);

typedef void account_done_fn(void *arg, enum account_status status);
/* ACCOUNT_EXISTS when it does. `verifiers` is copied. */
void account_store_add(struct account_store *store, struct span account,
                       const struct account_verifiers *verifiers, account_done_fn *fn, void *arg);
/* Replaces the password; ACCOUNT_NOT_FOUND when there is no such account. */
void account_store_set(struct account_store *store, struct span account,
                       const struct account_verifiers *verifiers, account_done_fn *fn, void *arg);
/* Adds the verifiers of hashes the account has none of yet. ACCOUNT_NOT_FOUND when its verifier of
 * `proven_hash` is no longer `proven`: the password was changed meanwhile. All is copied. */
struct account_completion {
    const struct account_verifiers *verifiers;
    enum crypt_hash proven_hash;
    const struct scram_verifier *proven;
};
void account_store_complete(struct account_store *store, struct span account,
                            const struct account_completion *completion, account_done_fn *fn,
                            void *arg);
void account_store_remove(struct account_store *store, struct span account, account_done_fn *fn,
                          void *arg);
/* ACCOUNT_OK or ACCOUNT_NOT_FOUND. */
void account_store_exists(struct account_store *store, struct span account, account_done_fn *fn,
                          void *arg);

/* `verifier` is NULL unless ACCOUNT_OK. */
typedef void account_found_fn(void *arg, enum account_status status,
                              const struct scram_verifier *verifier);
void account_store_find(struct account_store *store, struct span account, enum crypt_hash hash,
                        account_found_fn *fn, void *arg);

typedef void account_list_fn(void *arg, enum account_status status, const struct span *accounts,
                             size_t count, bool more);
/* At most `max` names behind `after` in byte order; `domain` empty: of all domains. */
struct account_query {
    struct span domain;
    struct span after;
    uint32_t max;
};
void account_store_list(struct account_store *store, const struct account_query *query,
                        account_list_fn *fn, void *arg);

typedef void account_secret_fn(void *arg, enum account_status status, struct span secret);
/* The cluster's secret, CRYPT_KEY_SIZE bytes; made when there is none. */
void account_store_secret(struct account_store *store, account_secret_fn *fn, void *arg);

#endif
