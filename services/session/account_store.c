/* The tables of accounts and every statement on them. */
#include "account_store.h"

#include "base/arena.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/rand.h"
#include "sql/sql.h"

static const struct sql_migration migrations[] = {
    {1, "CREATE TABLE accounts ("
        " account @TEXT@ PRIMARY KEY,"
        " domain @TEXT@ NOT NULL,"
        " created_ms BIGINT NOT NULL,"
        " changed_ms BIGINT NOT NULL);"
        "CREATE INDEX accounts_by_domain ON accounts (domain, account);"
        "CREATE TABLE verifiers ("
        " account @TEXT@ NOT NULL REFERENCES accounts (account) ON DELETE CASCADE,"
        " hash @TEXT@ NOT NULL,"
        " iterations BIGINT NOT NULL,"
        " salt @BLOB@ NOT NULL,"
        " stored_key @BLOB@ NOT NULL,"
        " server_key @BLOB@ NOT NULL,"
        " PRIMARY KEY (account, hash));"
        "CREATE TABLE secrets ("
        " name @TEXT@ PRIMARY KEY,"
        " value @BLOB@ NOT NULL);"},
    {2, "CREATE TABLE tokens (" /* token_store.c */
        " account @TEXT@ NOT NULL REFERENCES accounts (account) ON DELETE CASCADE,"
        " client @TEXT@ NOT NULL,"
        " slot BIGINT NOT NULL,"
        " mechanism @TEXT@ NOT NULL,"
        " sealed @BLOB@ NOT NULL,"
        " used_count BIGINT NOT NULL,"
        " issued_ms BIGINT NOT NULL,"
        " expires_ms BIGINT NOT NULL,"
        " PRIMARY KEY (account, client, slot));"},
};

struct account_store {
    struct sql *db;
    struct list_node jobs; /* to free what is never answered */
};

/* One operation under way. Only the worker touches it between sql_transaction and its callback. */
struct store_job {
    struct list_node node;
    union {
        account_done_fn *done;
        account_found_fn *found;
        account_list_fn *list;
        account_secret_fn *secret;
    } fn;
    void *arg;
    char *account;
    struct account_verifiers verifiers;
    struct scram_verifier proven;
    enum crypt_hash hash;
    uint32_t max;
    bool is_missing; /* the account that was to change is not there */
    uint8_t secret[CRYPT_KEY_SIZE];
};

static struct store_job *job_new(struct account_store *store, struct span account, void *arg)
{
    struct store_job *job = mem_calloc(1, sizeof(*job));
    job->account = mem_strdup_span(account);
    job->arg = arg;
    list_add_tail(&store->jobs, &job->node);
    return job;
}

static void job_free(struct store_job *job)
{
    list_remove(&job->node);
    crypt_wipe(&job->verifiers, sizeof(job->verifiers));
    crypt_wipe(&job->proven, sizeof(job->proven));
    crypt_wipe(job->secret, sizeof(job->secret));
    mem_free(job->account);
    mem_free(job);
}

struct account_store *account_store_new(struct loop *loop, const char *url, char *error,
                                        size_t error_size)
{
    struct account_store *store = mem_calloc(1, sizeof(*store));
    struct sql_options options = {
        .loop = loop,
        .url = url,
        .name = "session",
        .migrations = migrations,
        .migration_count = sizeof(migrations) / sizeof(migrations[0]),
    };
    list_init(&store->jobs);
    store->db = sql_new(&options, error, error_size);
    if (!store->db) {
        mem_free(store);
        return NULL;
    }
    return store;
}

void account_store_free(struct account_store *store)
{
    if (!store) {
        return;
    }
    sql_free(store->db);
    LIST_FOREACH_SAFE(node, &store->jobs)
    {
        job_free(CONTAINER_OF(node, struct store_job, node));
    }
    mem_free(store);
}

bool account_store_is_ready(const struct account_store *store)
{
    return sql_is_ready(store->db);
}

struct sql *account_store_sql(struct account_store *store)
{
    return store->db;
}

static enum account_status status_of(enum sql_status status)
{
    return status == SQL_OK ? ACCOUNT_OK : ACCOUNT_DOWN;
}

/* ---- writing ---- */

static bool has_hash(const struct account_verifiers *verifiers, enum crypt_hash hash)
{
    for (size_t i = 0; i < verifiers->count; i++) {
        if (verifiers->hashes[i] == hash) {
            return true;
        }
    }
    return false;
}

void account_verifiers_make(struct span prepared_password, uint32_t iterations,
                            struct account_verifiers *verifiers_out)
{
    const struct scram_mechanism *table;
    size_t count = scram_mechanisms(&table);
    *verifiers_out = (struct account_verifiers){0};
    for (size_t i = 0; i < count; i++) {
        uint8_t salt[SCRAM_SALT_SIZE];
        size_t at = verifiers_out->count;
        if (has_hash(verifiers_out, table[i].hash)) {
            continue;
        }
        rand_bytes(salt, sizeof(salt));
        scram_verifier_make(table[i].hash, prepared_password,
                            span_of((const char *)salt, sizeof(salt)), iterations,
                            &verifiers_out->verifiers[at]);
        verifiers_out->hashes[at] = table[i].hash;
        verifiers_out->count++;
    }
}

static int write_verifiers(struct sql_conn *conn, const struct store_job *job)
{
    for (size_t i = 0; i < job->verifiers.count; i++) {
        const struct scram_verifier *v = &job->verifiers.verifiers[i];
        size_t size = crypt_hash_size(job->verifiers.hashes[i]);
        const struct sql_result *result =
            sql_exec(conn, &SQL("INSERT INTO verifiers"
                                " (account, hash, iterations, salt, stored_key, server_key)"
                                " VALUES ($1, $2, $3, $4, $5, $6)"
                                " ON CONFLICT (account, hash) DO NOTHING",
                                sql_text(span_cstr(job->account)),
                                sql_text(span_cstr(scram_hash_name(job->verifiers.hashes[i]))),
                                sql_integer((int64_t)v->iterations),
                                sql_blob(span_of((const char *)v->salt, v->salt_len)),
                                sql_blob(span_of((const char *)v->stored_key, size)),
                                sql_blob(span_of((const char *)v->server_key, size))));
        if (sql_status(result) != SQL_OK) {
            return -1;
        }
    }
    return 0;
}

static int work_add_account(struct sql_conn *conn, void *arg)
{
    struct store_job *job = arg;
    struct span account = span_cstr(job->account);
    int64_t now = (int64_t)clock_real_ms();
    const struct sql_result *result = sql_exec(
        conn, &SQL("INSERT INTO accounts (account, domain, created_ms, changed_ms)"
                   " VALUES ($1, $2, $3, $4)",
                   sql_text(account), sql_text(span_from(account, span_find(account, '@') + 1)),
                   sql_integer(now), sql_integer(now)));
    return sql_status(result) == SQL_OK ? write_verifiers(conn, job) : -1;
}

/* Whatever opens the account: all of it goes with the password, and with the account. */
static int drop_credentials(struct sql_conn *conn, struct sql_value account)
{
    const struct sql_result *result =
        sql_exec(conn, &SQL("DELETE FROM tokens WHERE account = $1", account));
    if (sql_status(result) != SQL_OK) {
        return -1;
    }
    result = sql_exec(conn, &SQL("DELETE FROM verifiers WHERE account = $1", account));
    return sql_status(result) == SQL_OK ? 0 : -1;
}

static int work_set(struct sql_conn *conn, void *arg)
{
    struct store_job *job = arg;
    struct sql_value account = sql_text(span_cstr(job->account));
    const struct sql_result *result =
        sql_exec(conn, &SQL("UPDATE accounts SET changed_ms = $1 WHERE account = $2",
                            sql_integer((int64_t)clock_real_ms()), account));
    job->is_missing = sql_status(result) == SQL_OK && sql_affected(result) == 0;
    if (sql_status(result) != SQL_OK || job->is_missing) {
        return -1;
    }
    return drop_credentials(conn, account) == 0 ? write_verifiers(conn, job) : -1;
}

/* The row of the account is written first, so that a change of password waits, or has happened. */
static int work_complete(struct sql_conn *conn, void *arg)
{
    struct store_job *job = arg;
    struct sql_value account = sql_text(span_cstr(job->account));
    struct span proven = span_of((const char *)job->proven.stored_key, crypt_hash_size(job->hash));
    const struct sql_result *result = sql_exec(
        conn, &SQL("UPDATE accounts SET changed_ms = changed_ms WHERE account = $1", account));
    if (sql_status(result) != SQL_OK) {
        return -1;
    }
    result =
        sql_exec(conn, &SQL("SELECT stored_key FROM verifiers WHERE account = $1 AND hash = $2",
                            account, sql_text(span_cstr(scram_hash_name(job->hash)))));
    if (sql_status(result) != SQL_OK) {
        return -1;
    }
    job->is_missing = sql_rows(result) != 1 || !crypt_equal(sql_get_span(result, 0, 0), proven);
    return job->is_missing ? -1 : write_verifiers(conn, job);
}

static int work_remove(struct sql_conn *conn, void *arg)
{
    struct store_job *job = arg;
    struct sql_value account = sql_text(span_cstr(job->account));
    if (drop_credentials(conn, account) != 0) {
        return -1;
    }
    const struct sql_result *result =
        sql_exec(conn, &SQL("DELETE FROM accounts WHERE account = $1", account));
    job->is_missing = sql_status(result) == SQL_OK && sql_affected(result) == 0;
    return sql_status(result) == SQL_OK && !job->is_missing ? 0 : -1;
}

static void on_written(void *arg, enum sql_status status)
{
    struct store_job *job = arg;
    enum account_status answer = status_of(status);
    if (status == SQL_CONFLICT) {
        answer = ACCOUNT_EXISTS;
    } else if (status == SQL_ROLLED_BACK && job->is_missing) {
        answer = ACCOUNT_NOT_FOUND;
    }
    job->fn.done(job->arg, answer);
    job_free(job);
}

static void write_job(struct account_store *store, struct store_job *job, sql_work_fn *work)
{
    sql_transaction(store->db, hash_span(span_cstr(job->account)), work, on_written, job);
}

void account_store_add(struct account_store *store, struct span account,
                       const struct account_verifiers *verifiers, account_done_fn *fn, void *arg)
{
    struct store_job *job = job_new(store, account, arg);
    job->fn.done = fn;
    job->verifiers = *verifiers;
    write_job(store, job, work_add_account);
}

void account_store_set(struct account_store *store, struct span account,
                       const struct account_verifiers *verifiers, account_done_fn *fn, void *arg)
{
    struct store_job *job = job_new(store, account, arg);
    job->fn.done = fn;
    job->verifiers = *verifiers;
    write_job(store, job, work_set);
}

void account_store_complete(struct account_store *store, struct span account,
                            const struct account_completion *completion, account_done_fn *fn,
                            void *arg)
{
    struct store_job *job = job_new(store, account, arg);
    job->fn.done = fn;
    job->verifiers = *completion->verifiers;
    job->hash = completion->proven_hash;
    job->proven = *completion->proven;
    write_job(store, job, work_complete);
}

void account_store_remove(struct account_store *store, struct span account, account_done_fn *fn,
                          void *arg)
{
    struct store_job *job = job_new(store, account, arg);
    job->fn.done = fn;
    write_job(store, job, work_remove);
}

/* ---- reading ---- */

static void on_exists(void *arg, const struct sql_result *result)
{
    struct store_job *job = arg;
    enum account_status status = status_of(sql_status(result));
    if (status == ACCOUNT_OK && sql_rows(result) == 0) {
        status = ACCOUNT_NOT_FOUND;
    }
    job->fn.done(job->arg, status);
    job_free(job);
}

void account_store_exists(struct account_store *store, struct span account, account_done_fn *fn,
                          void *arg)
{
    struct store_job *job = job_new(store, account, arg);
    job->fn.done = fn;
    sql_query(store->db, hash_span(account),
              &SQL("SELECT created_ms FROM accounts WHERE account = $1", sql_text(account)),
              on_exists, job);
}

/* The row as a verifier; false when it is not what we have written. */
static bool read_verifier(const struct sql_result *result, enum crypt_hash hash,
                          struct scram_verifier *verifier)
{
    int64_t iterations = sql_get_integer(result, 0, 0);
    struct span salt = sql_get_span(result, 0, 1);
    struct span stored = sql_get_span(result, 0, 2);
    struct span server = sql_get_span(result, 0, 3);
    size_t size = crypt_hash_size(hash);
    if (iterations < 1 || iterations > INT32_MAX || salt.len < 1 || salt.len > SCRAM_SALT_MAX ||
        stored.len != size || server.len != size) {
        return false;
    }
    *verifier =
        (struct scram_verifier){.iterations = (uint32_t)iterations, .salt_len = (uint32_t)salt.len};
    memcpy(verifier->salt, salt.data, salt.len);
    memcpy(verifier->stored_key, stored.data, size);
    memcpy(verifier->server_key, server.data, size);
    return true;
}

static void on_found(void *arg, const struct sql_result *result)
{
    struct store_job *job = arg;
    struct scram_verifier verifier;
    enum account_status status = status_of(sql_status(result));
    if (status == ACCOUNT_OK &&
        (sql_rows(result) == 0 || !read_verifier(result, job->hash, &verifier))) {
        status = ACCOUNT_NOT_FOUND;
    }
    job->fn.found(job->arg, status, status == ACCOUNT_OK ? &verifier : NULL);
    job_free(job);
}

void account_store_find(struct account_store *store, struct span account, enum crypt_hash hash,
                        account_found_fn *fn, void *arg)
{
    struct store_job *job = job_new(store, account, arg);
    job->fn.found = fn;
    job->hash = hash;
    sql_query(store->db, hash_span(account),
              &SQL("SELECT iterations, salt, stored_key, server_key FROM verifiers"
                   " WHERE account = $1 AND hash = $2",
                   sql_text(account), sql_text(span_cstr(scram_hash_name(hash)))),
              on_found, job);
}

static void on_list(void *arg, const struct sql_result *result)
{
    struct store_job *job = arg;
    struct arena arena = {0};
    size_t rows = sql_status(result) == SQL_OK ? sql_rows(result) : 0;
    size_t count = rows > job->max ? job->max : rows;
    struct span *accounts = arena_calloc(&arena, count + 1, sizeof(*accounts));
    for (size_t i = 0; i < count; i++) {
        accounts[i] = sql_get_span(result, i, 0);
    }
    job->fn.list(job->arg, status_of(sql_status(result)), accounts, count, rows > count);
    arena_deinit(&arena);
    job_free(job);
}

void account_store_list(struct account_store *store, const struct account_query *query,
                        account_list_fn *fn, void *arg)
{
    struct store_job *job = job_new(store, (struct span){0}, arg);
    struct sql_value limit = sql_integer((int64_t)query->max + 1);
    job->fn.list = fn;
    job->max = query->max;
    if (span_is_empty(query->domain)) {
        sql_query(store->db, 0,
                  &SQL("SELECT account FROM accounts WHERE account > $1"
                       " ORDER BY account LIMIT $2",
                       sql_text(query->after), limit),
                  on_list, job);
    } else {
        sql_query(store->db, 0,
                  &SQL("SELECT account FROM accounts WHERE domain = $1 AND account > $2"
                       " ORDER BY account LIMIT $3",
                       sql_text(query->domain), sql_text(query->after), limit),
                  on_list, job);
    }
}

/* ---- the secret ---- */

/* Several session daemons may start at once: the first one's secret stays. */
static int work_secret(struct sql_conn *conn, void *arg)
{
    struct store_job *job = arg;
    uint8_t fresh[CRYPT_KEY_SIZE];
    rand_bytes(fresh, sizeof(fresh));
    const struct sql_result *result =
        sql_exec(conn, &SQL("INSERT INTO secrets (name, value) VALUES ('cluster', $1)"
                            " ON CONFLICT (name) DO NOTHING",
                            sql_blob(span_of((const char *)fresh, sizeof(fresh)))));
    if (sql_status(result) != SQL_OK) {
        return -1;
    }
    result = sql_exec(conn, &SQL_PLAIN("SELECT value FROM secrets WHERE name = 'cluster'"));
    if (sql_status(result) != SQL_OK || sql_rows(result) != 1 ||
        sql_get_span(result, 0, 0).len != CRYPT_KEY_SIZE) {
        return -1;
    }
    memcpy(job->secret, sql_get_span(result, 0, 0).data, CRYPT_KEY_SIZE);
    return 0;
}

static void on_secret(void *arg, enum sql_status status)
{
    struct store_job *job = arg;
    struct span secret = {0};
    if (status == SQL_OK) {
        secret = span_of((const char *)job->secret, CRYPT_KEY_SIZE);
    }
    job->fn.secret(job->arg, status_of(status), secret);
    job_free(job);
}

void account_store_secret(struct account_store *store, account_secret_fn *fn, void *arg)
{
    struct store_job *job = job_new(store, (struct span){0}, arg);
    job->fn.secret = fn;
    sql_transaction(store->db, 0, work_secret, on_secret, job);
}
