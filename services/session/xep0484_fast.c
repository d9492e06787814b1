/* Checking tokens, and making them. A token that is used without anything to note about it costs one
 * query; everything else is one transaction more. */
#include "xep0484_fast.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/log.h"
#include "base/rand.h"
#include "conf/conf.h"
#include "token_store.h"

#define TOKEN_BYTES 32
#define MAC_SIZE    32 /* HMAC-SHA-256 */

static const struct {
    const char *name;
    const char *binding; /* NULL: none */
} mechanisms[] = {
    {"HT-SHA-256-EXPR", "tls-exporter"},
    {"HT-SHA-256-ENDP", "tls-server-end-point"},
    {"HT-SHA-256-NONE", NULL},
};

/* A login with a token. */
struct fast {
    struct span mac;
    struct token_row used; /* sealed empty: none fits */
    bool is_new;           /* it was never used before */
    bool is_expired;
};

/* What seals a token: it opens for its owner only. */
static struct span seal_context(const struct sasl_job *job, struct arena *arena)
{
    return arena_printf(arena, "fast %.*s %.*s", SPAN_ARG(job->state.account),
                        SPAN_ARG(job->state.client));
}

/* ---- a login with a token ---- */

static void mac(const char *who, struct span token, struct span binding, uint8_t mac_out[MAC_SIZE])
{
    struct buf text = {0};
    buf_append_cstr(&text, who);
    buf_append_span(&text, binding);
    crypt_hmac(CRYPT_SHA256, token, buf_span(&text), mac_out);
    buf_deinit(&text);
}

/* Whether the row is the token the client has. Does the same work for a row that is not there. */
static bool is_used(struct sasl_job *job, const struct token_row *row)
{
    const struct session *session = job->job.session;
    const struct fast *fast = job->own;
    struct buf token = {0};
    uint8_t wanted[MAC_SIZE];
    bool is_there = crypt_open(session->token_key, seal_context(job, &job->job.arena), row->sealed,
                               &token) == 0;
    if (!is_there) {
        buf_append(&token, session->fake_key, CRYPT_KEY_SIZE);
    }
    mac("Initiator", buf_span(&token), job->state.binding, wanted);
    bool fits = crypt_equal(span_of((const char *)wanted, MAC_SIZE), fast->mac) && is_there &&
                span_eq(row->mechanism, job->state.mechanism);
    if (fits) {
        uint8_t answer[MAC_SIZE];
        mac("Responder", buf_span(&token), job->state.binding, answer);
        job->data = arena_copy(&job->job.arena, span_of((const char *)answer, MAC_SIZE));
    }
    crypt_wipe(token.data, token.len);
    buf_deinit(&token);
    return fits;
}

static void keep_used(struct sasl_job *job, const struct token_row *row, bool is_new)
{
    struct fast *fast = job->own;
    fast->used = *row;
    fast->used.mechanism = job->state.mechanism;
    fast->used.sealed = arena_copy(&job->job.arena, row->sealed);
    fast->is_new = is_new;
    fast->is_expired = row->expires_ms <= clock_real_ms();
}

static void on_found(void *arg, enum account_status status,
                     const struct token_row rows[TOKEN_SLOTS])
{
    struct sasl_job *job = arg;
    struct fast *fast = job->own;
    if (status == ACCOUNT_DOWN) {
        sasl_unavailable(job);
        return;
    }
    for (int slot = 0; slot < TOKEN_SLOTS; slot++) {
        job->state.is_known |= !span_is_empty(rows[slot].mechanism);
        if (is_used(job, &rows[slot])) {
            keep_used(job, &rows[slot], slot == TOKEN_NEW);
        }
    }
    bool is_replay = job->state.count > 0 && job->state.count <= fast->used.count;
    if (fast->is_expired) {
        sasl_refuse(job, "credentials-expired", "The token has expired. Use the password.");
    } else {
        sasl_judge(job, !span_is_empty(fast->used.sealed) && !is_replay);
    }
}

/* 0, or -1 when the stream has not got the binding of the mechanism. */
static int choose_binding(struct sasl_job *job)
{
    for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
        if (span_is(job->state.mechanism, mechanisms[i].name)) {
            return mechanisms[i].binding
                       ? sasl_choose_binding(job, span_cstr(mechanisms[i].binding))
                       : 0;
        }
    }
    return -1;
}

/* authcid NUL HMAC(token, "Initiator" binding) */
void xep0484_first(struct sasl_job *job, struct span message)
{
    struct arena *arena = &job->job.arena;
    size_t at = span_find(message, '\0');
    struct fast *fast = arena_calloc(arena, 1, sizeof(*fast));
    if (at == 0 || message.len != at + 1 + MAC_SIZE || span_is_empty(job->state.client) ||
        choose_binding(job) != 0) {
        sasl_refuse(job, "malformed-request", "This is not a message of the mechanism.");
        return;
    }
    fast->mac = arena_copy(arena, span_from(message, at + 1));
    job->own = fast;
    sasl_set_account(job, span_head(message, at));
    struct token_owner owner = {job->state.account, job->state.client};
    token_store_find(job->job.session->tokens, &owner, on_found, job);
}

/* ---- after a login ---- */

/* A token is made for the mechanism that was asked for, or, when it is time, like the used one. */
static struct span wanted_mechanism(const struct sasl_job *job, const struct fast *fast)
{
    const struct conf *conf = job->job.session->options.conf;
    if (!span_is_empty(job->state.token_mechanism) && !span_is_empty(job->state.client)) {
        return job->state.token_mechanism;
    }
    bool is_old = fast && clock_real_ms() >=
                              fast->used.issued_ms +
                                  conf_u64_of(conf, CONF_session_token_rotation, job->state.domain);
    return is_old && !(job->state.flags & WIRE_SASL_INVALIDATE) ? job->state.mechanism
                                                                : (struct span){0};
}

/* Makes the token; its text is in the job, the row gets it sealed. */
static void make(struct sasl_job *job, struct span mechanism, struct token_row *row_out)
{
    const struct session *session = job->job.session;
    struct arena *arena = &job->job.arena;
    uint8_t random[TOKEN_BYTES];
    struct buf text = {0};
    struct buf sealed = {0};
    rand_bytes(random, sizeof(random));
    base64_encode(span_of((const char *)random, sizeof(random)), &text);
    crypt_seal(session->token_key, seal_context(job, arena), buf_span(&text), &sealed);
    job->token = arena_copy(arena, buf_span(&text));
    *row_out = (struct token_row){
        .mechanism = mechanism,
        .sealed = arena_copy(arena, buf_span(&sealed)),
        .issued_ms = clock_real_ms(),
        .expires_ms = clock_real_ms() + conf_u64_of(session->options.conf,
                                                    CONF_session_token_lifetime, job->state.domain),
    };
    job->token_expires_ms = row_out->expires_ms;
    crypt_wipe(random, sizeof(random));
    crypt_wipe(text.data, text.len);
    buf_deinit(&text);
    buf_deinit(&sealed);
}

/* A used token that is gone, or whose count was used by another login, is no token. Without one, a
 * login that was right stays so. */
static void on_changed(void *arg, enum account_status status)
{
    struct sasl_job *job = arg;
    bool is_by_token = job->state.flags & WIRE_SASL_FAST;
    if (status != ACCOUNT_OK) {
        crypt_wipe((void *)(uintptr_t)job->token.data, job->token.len);
        job->token = (struct span){0};
    }
    if (status == ACCOUNT_OK || !is_by_token) {
        sasl_accept(job);
    } else if (status == ACCOUNT_NOT_FOUND) {
        sasl_reject(job);
    } else {
        sasl_unavailable(job);
    }
}

void xep0484_settle(struct sasl_job *job)
{
    const struct session *session = job->job.session;
    bool is_by_token = job->state.flags & WIRE_SASL_FAST;
    const struct fast *fast = is_by_token ? job->own : NULL;
    struct span mechanism = wanted_mechanism(job, fast);
    struct token_change change = {
        .owner = {job->state.account, job->state.client},
        .used = fast ? fast->used.sealed : (struct span){0},
        .count = fast ? job->state.count : 0,
        .ends_all = job->state.flags & WIRE_SASL_INVALIDATE,
        .max_clients = (uint32_t)conf_u64_of(session->options.conf, CONF_session_max_tokens,
                                             job->state.domain),
    };
    bool is_noted = fast && (fast->is_new || change.count > 0 || change.ends_all);
    if (span_is_empty(mechanism) && !is_noted) {
        sasl_accept(job);
        return;
    }
    if (!fast) {
        change.proven_key = job->proven_key;
        change.proven_hash = job->proven_hash;
    }
    if (!span_is_empty(mechanism)) {
        make(job, mechanism, &change.fresh);
    }
    token_store_change(session->tokens, &change, on_changed, job);
}
