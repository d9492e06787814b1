/* Tokens of clients (XEP-0484) in SQL, next to the accounts they are for. A client of an account
 * (its user-agent id) has at most two: the one it uses, and a newer one it has not used yet. What is
 * stored is sealed: the text of a token is not in the database.
 *
 * A change of password and the removal of the account take them away (account_store.c). Every
 * callback is called once, on the loop, never from inside.
 */
#ifndef JACKDAW_SESSION_TOKEN_STORE_H
#define JACKDAW_SESSION_TOKEN_STORE_H

#include "account_store.h"

struct sql;
struct token_store;

/* Borrows `db`. Returns owned. */
struct token_store *token_store_new(struct sql *db);
/* After the database was freed: callbacks not called yet never will be. NULL is allowed. */
void token_store_free(struct token_store *store);

struct token_owner {
    struct span account;
    struct span client;
};

enum token_slot { TOKEN_CURRENT, TOKEN_NEW, TOKEN_SLOTS };

struct token_row {
    struct span mechanism; /* empty: there is none */
    struct span sealed;
    uint64_t count; /* the highest it was used with */
    uint64_t issued_ms;
    uint64_t expires_ms;
};

/* Both slots; ACCOUNT_OK also when they are empty. `rows` lives for the call. */
typedef void token_found_fn(void *arg, enum account_status status,
                            const struct token_row rows[TOKEN_SLOTS]);
void token_store_find(struct token_store *store, const struct token_owner *owner,
                      token_found_fn *fn, void *arg);

/* What a login does to the tokens of its client, all or nothing. */
struct token_change {
    struct token_owner owner;
    /* The token that was used, as it was found; empty: another login. It becomes the current one,
     * an older one goes. */
    struct span used;
    uint64_t count; /* must be higher than before; 0: not counted */
    bool ends_all;  /* no token that was there may be used again */
    /* The verifier the login was proven with, empty: none. */
    enum crypt_hash proven_hash;
    struct span proven_key;
    /* A new token; mechanism empty: none. It takes the place of one that was never used. */
    struct token_row fresh;
    uint32_t max_clients; /* of the account; those whose tokens are oldest lose them */
};
/* ACCOUNT_NOT_FOUND, and nothing is changed, when the account, its password or the used token is no
 * longer what it was, or the count is not higher. All is copied. */
void token_store_change(struct token_store *store, const struct token_change *change,
                        account_done_fn *fn, void *arg);

#endif
