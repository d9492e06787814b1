/* The tables of accounts: the same tests on SQLite and on PostgreSQL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../sql/private_postgres.h"
#include "account_store.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "loop/timer.h"

struct rig {
    struct loop *loop;
    struct loop_timer tick;
    struct account_store *store;
    char sqlite_dir[64];
    const char *url;
    int answers;
    enum account_status status;
    struct scram_verifier verifier;
    bool has_verifier;
    uint8_t secret[CRYPT_KEY_SIZE];
    char list[1000];
    bool more;
};

static struct private_postgres postgres;

static void nothing(void *arg)
{
    (void)arg;
}

static int open_rig(void **state, const char *url)
{
    struct rig *rig = mem_calloc(1, sizeof(*rig));
    char error[200] = "";
    static char sqlite_url[100];
    log_set_level(LOG_LEVEL_ERROR);
    if (!url) {
        (void)snprintf(rig->sqlite_dir, sizeof(rig->sqlite_dir), "/tmp/jackdaw-store-XXXXXX");
        assert_non_null(mkdtemp(rig->sqlite_dir));
        (void)snprintf(sqlite_url, sizeof(sqlite_url), "sqlite:%s", rig->sqlite_dir);
        url = sqlite_url;
    }
    rig->url = url;
    rig->loop = loop_new();
    loop_timer_init(&rig->tick, rig->loop, nothing, NULL);
    loop_timer_start(&rig->tick, 10, 10);
    rig->store = account_store_new(rig->loop, url, error, sizeof(error));
    assert_non_null(rig->store);
    *state = rig;
    return 0;
}

static int sqlite_setup(void **state)
{
    return open_rig(state, NULL);
}

static int postgres_setup(void **state)
{
    return open_rig(state, postgres.url);
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    char command[100];
    loop_timer_stop(&rig->tick);
    account_store_free(rig->store);
    loop_free(rig->loop);
    if (rig->sqlite_dir[0]) {
        (void)snprintf(command, sizeof(command), "rm -rf %s", rig->sqlite_dir);
        assert_int_equal(system(command), 0);
    }
    mem_free(rig);
    return 0;
}

/* ---- answers ---- */

static void wait_for(struct rig *rig, int answers)
{
    uint64_t deadline = clock_mono_ms() + 20000;
    while (rig->answers < answers) {
        assert_true(clock_mono_ms() < deadline);
        loop_run_once(rig->loop, 1);
    }
}

static void on_done(void *arg, enum account_status status)
{
    struct rig *rig = arg;
    rig->status = status;
    rig->answers++;
}

static void on_found(void *arg, enum account_status status, const struct scram_verifier *verifier)
{
    struct rig *rig = arg;
    rig->status = status;
    rig->has_verifier = verifier != NULL;
    if (verifier) {
        rig->verifier = *verifier;
    }
    rig->answers++;
}

static void on_list(void *arg, enum account_status status, const struct span *accounts,
                    size_t count, bool more)
{
    struct rig *rig = arg;
    rig->status = status;
    rig->more = more;
    rig->list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(rig->list);
        (void)snprintf(rig->list + len, sizeof(rig->list) - len, "%.*s ", SPAN_ARG(accounts[i]));
    }
    rig->answers++;
}

static void on_secret(void *arg, enum account_status status, struct span secret)
{
    struct rig *rig = arg;
    rig->status = status;
    assert_int_equal(secret.len, CRYPT_KEY_SIZE);
    memcpy(rig->secret, secret.data, CRYPT_KEY_SIZE);
    rig->answers++;
}

static enum account_status add(struct rig *rig, const char *account, const char *password)
{
    struct account_verifiers verifiers;
    int now = rig->answers;
    account_verifiers_make(span_cstr(password), 4096, &verifiers);
    account_store_add(rig->store, span_cstr(account), &verifiers, on_done, rig);
    wait_for(rig, now + 1);
    return rig->status;
}

static enum account_status set(struct rig *rig, const char *account, const char *password)
{
    struct account_verifiers verifiers;
    int now = rig->answers;
    account_verifiers_make(span_cstr(password), 4096, &verifiers);
    account_store_set(rig->store, span_cstr(account), &verifiers, on_done, rig);
    wait_for(rig, now + 1);
    return rig->status;
}

typedef void one_account_fn(struct account_store *store, struct span account, account_done_fn *fn,
                            void *arg);

static enum account_status ask(struct rig *rig, one_account_fn *fn, const char *account)
{
    int now = rig->answers;
    fn(rig->store, span_cstr(account), on_done, rig);
    wait_for(rig, now + 1);
    return rig->status;
}

static enum account_status find(struct rig *rig, const char *account, enum crypt_hash hash)
{
    int now = rig->answers;
    account_store_find(rig->store, span_cstr(account), hash, on_found, rig);
    wait_for(rig, now + 1);
    return rig->status;
}

static const char *list(struct rig *rig, const char *domain, const char *after, uint32_t max)
{
    struct account_query query = {span_cstr(domain), span_cstr(after), max};
    int now = rig->answers;
    account_store_list(rig->store, &query, on_list, rig);
    wait_for(rig, now + 1);
    assert_int_equal(rig->status, ACCOUNT_OK);
    return rig->list;
}

/* Completes from `password`, as if `proven` had fitted. */
static enum account_status complete(struct rig *rig, const char *account, const char *password,
                                    const struct scram_verifier *proven)
{
    struct account_verifiers verifiers;
    struct account_completion completion = {&verifiers, CRYPT_SHA256, proven};
    int now = rig->answers;
    account_verifiers_make(span_cstr(password), 4096, &verifiers);
    account_store_complete(rig->store, span_cstr(account), &completion, on_done, rig);
    wait_for(rig, now + 1);
    return rig->status;
}

/* ---- the tests ---- */

static void what_is_missing_is_added_while_the_password_is_the_same(void **state)
{
    struct rig *rig = *state;
    struct account_verifiers old;
    int now = rig->answers;
    account_verifiers_make(SPAN("one"), 4096, &old);
    assert_int_equal(old.hashes[0], CRYPT_SHA512);
    assert_int_equal(old.hashes[1], CRYPT_SHA256);
    old.count = 2;
    old.hashes[0] = CRYPT_SHA1; /* its keys are never looked at */
    account_store_add(rig->store, SPAN("old@x"), &old, on_done, rig);
    wait_for(rig, now + 1);
    assert_int_equal(rig->status, ACCOUNT_OK);
    assert_int_equal(find(rig, "old@x", CRYPT_SHA512), ACCOUNT_NOT_FOUND);
    assert_int_equal(complete(rig, "old@x", "two", &old.verifiers[0]), ACCOUNT_NOT_FOUND);
    assert_int_equal(complete(rig, "no@x", "one", &old.verifiers[1]), ACCOUNT_NOT_FOUND);
    assert_int_equal(find(rig, "old@x", CRYPT_SHA512), ACCOUNT_NOT_FOUND);
    assert_int_equal(complete(rig, "old@x", "one", &old.verifiers[1]), ACCOUNT_OK);
    assert_int_equal(find(rig, "old@x", CRYPT_SHA512), ACCOUNT_OK);
    assert_true(scram_verifier_fits(CRYPT_SHA512, SPAN("one"), &rig->verifier));
    assert_int_equal(find(rig, "old@x", CRYPT_SHA256), ACCOUNT_OK);
    assert_memory_equal(rig->verifier.salt, old.verifiers[1].salt, SCRAM_SALT_SIZE);
}

static void an_account_lives_from_add_to_remove(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(ask(rig, account_store_exists, "life@x"), ACCOUNT_NOT_FOUND);
    assert_int_equal(find(rig, "life@x", CRYPT_SHA1), ACCOUNT_NOT_FOUND);
    assert_false(rig->has_verifier);
    assert_int_equal(set(rig, "life@x", "nobody"), ACCOUNT_NOT_FOUND);
    assert_int_equal(add(rig, "life@x", "one"), ACCOUNT_OK);
    assert_int_equal(add(rig, "life@x", "two"), ACCOUNT_EXISTS);
    assert_int_equal(ask(rig, account_store_exists, "life@x"), ACCOUNT_OK);
    assert_int_equal(find(rig, "life@x", CRYPT_SHA256), ACCOUNT_OK);
    assert_true(scram_verifier_fits(CRYPT_SHA256, SPAN("one"), &rig->verifier));
    assert_int_equal(set(rig, "life@x", "three"), ACCOUNT_OK);
    for (int hash = CRYPT_SHA1; hash <= CRYPT_SHA256; hash++) {
        assert_int_equal(find(rig, "life@x", (enum crypt_hash)hash), ACCOUNT_OK);
        assert_true(scram_verifier_fits((enum crypt_hash)hash, SPAN("three"), &rig->verifier));
        assert_false(scram_verifier_fits((enum crypt_hash)hash, SPAN("one"), &rig->verifier));
    }
    assert_int_equal(find(rig, "life@x", CRYPT_SHA512), ACCOUNT_OK);
    assert_int_equal(ask(rig, account_store_remove, "life@x"), ACCOUNT_OK);
    assert_int_equal(ask(rig, account_store_remove, "life@x"), ACCOUNT_NOT_FOUND);
    assert_int_equal(find(rig, "life@x", CRYPT_SHA256), ACCOUNT_NOT_FOUND);
    assert_int_equal(add(rig, "life@x", "again"), ACCOUNT_OK);
    assert_int_equal(ask(rig, account_store_remove, "life@x"), ACCOUNT_OK);
}

static void every_hash_has_a_salt_of_its_own(void **state)
{
    struct rig *rig = *state;
    struct scram_verifier first;
    assert_int_equal(add(rig, "salt@x", "pw"), ACCOUNT_OK);
    assert_int_equal(find(rig, "salt@x", CRYPT_SHA1), ACCOUNT_OK);
    first = rig->verifier;
    assert_int_equal(first.salt_len, SCRAM_SALT_SIZE);
    assert_int_equal(first.iterations, 4096);
    assert_int_equal(find(rig, "salt@x", CRYPT_SHA256), ACCOUNT_OK);
    assert_memory_not_equal(first.salt, rig->verifier.salt, SCRAM_SALT_SIZE);
    assert_int_equal(set(rig, "salt@x", "pw"), ACCOUNT_OK);
    assert_int_equal(find(rig, "salt@x", CRYPT_SHA1), ACCOUNT_OK);
    assert_memory_not_equal(first.salt, rig->verifier.salt, SCRAM_SALT_SIZE);
}

static void lists_are_in_byte_order_and_cut(void **state)
{
    struct rig *rig = *state;
    static const char *const accounts[] = {"b@list", "\xc3\xa4@list", "a@list", "a.b@list",
                                           "z@other"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(add(rig, accounts[i], "pw"), ACCOUNT_OK);
    }
    assert_string_equal(list(rig, "list", "", 10), "a.b@list a@list b@list \xc3\xa4@list ");
    assert_false(rig->more);
    assert_string_equal(list(rig, "list", "a.b@list", 2), "a@list b@list ");
    assert_true(rig->more);
    assert_string_equal(list(rig, "", "y", 1), "z@other ");
}

static void all_daemons_have_the_same_secret(void **state)
{
    struct rig *rig = *state;
    uint8_t first[CRYPT_KEY_SIZE];
    char error[200];
    account_store_secret(rig->store, on_secret, rig);
    wait_for(rig, 1);
    memcpy(first, rig->secret, sizeof(first));
    struct account_store *other = account_store_new(rig->loop, rig->url, error, sizeof(error));
    account_store_secret(other, on_secret, rig);
    wait_for(rig, 2);
    assert_memory_equal(first, rig->secret, sizeof(first));
    account_store_free(other);
}

/* Whatever is written to disk, the password is not in it. */
static void the_password_is_nowhere_in_the_files(void **state)
{
    struct rig *rig = *state;
    char command[200];
    assert_int_equal(add(rig, "files@x", "cucumber sandwich"), ACCOUNT_OK);
    (void)snprintf(command, sizeof(command), "grep -r -a -q 'files@x' %s", rig->sqlite_dir);
    assert_int_equal(system(command), 0);
    (void)snprintf(command, sizeof(command), "grep -r -a -q 'cucumber' %s", rig->sqlite_dir);
    assert_int_not_equal(system(command), 0);
}

static void freeing_the_store_with_jobs_under_way_is_safe(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 50; i++) {
        account_store_exists(rig->store, SPAN("x@y"), on_done, rig);
        account_store_find(rig->store, SPAN("x@y"), CRYPT_SHA1, on_found, rig);
    }
}

int main(void)
{
#define SQLITE(name) cmocka_unit_test_setup_teardown(name, sqlite_setup, teardown)
#define POSTGRES(name)                                                                             \
    {                                                                                              \
#name "_postgresql", name, postgres_setup, teardown, NULL                                  \
    }
    const struct CMUnitTest tests[] = {
        SQLITE(an_account_lives_from_add_to_remove),
        SQLITE(what_is_missing_is_added_while_the_password_is_the_same),
        SQLITE(every_hash_has_a_salt_of_its_own),
        SQLITE(lists_are_in_byte_order_and_cut),
        SQLITE(all_daemons_have_the_same_secret),
        SQLITE(the_password_is_nowhere_in_the_files),
        SQLITE(freeing_the_store_with_jobs_under_way_is_safe),
        POSTGRES(an_account_lives_from_add_to_remove),
        POSTGRES(what_is_missing_is_added_while_the_password_is_the_same),
        POSTGRES(every_hash_has_a_salt_of_its_own),
        POSTGRES(lists_are_in_byte_order_and_cut),
        POSTGRES(all_daemons_have_the_same_secret),
        POSTGRES(freeing_the_store_with_jobs_under_way_is_safe),
    };
    if (private_postgres_start(&postgres) != 0) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    private_postgres_stop(&postgres);
    return failed;
}
