/* SCRAM (RFC 5802, RFC 7677; with channel binding as -PLUS) as a SASL mechanism. One query at the first message; the proof is
 * checked against what the sealed state brings along, so the second step needs no database. */
#include "sasl.h"

#include "crypt/scram.h"
#include "xep0474_downgrade.h"

static const struct {
    const char *condition;
    const char *text;
} problems[] = {
    [SCRAM_FINE] = {"", ""},
    [SCRAM_MALFORMED] = {"malformed-request", "This is not a SCRAM message."},
    [SCRAM_BINDING] = {"malformed-request", "Channel binding does not fit the mechanism."},
    [SCRAM_DOWNGRADED] = {"not-authorized", "The list of mechanisms was tampered with."},
    [SCRAM_INTERCEPTED] = {"not-authorized", "Somebody stands between you and this server."},
    [SCRAM_WRONG] = {"not-authorized", ""},
};

static void refuse(struct sasl_job *job, enum scram_problem problem)
{
    sasl_refuse(job, problems[problem].condition, problems[problem].text);
}

static struct span copy_key(struct sasl_job *job, const struct scram_mechanism *mechanism,
                            const uint8_t *key)
{
    return arena_copy(&job->job.arena,
                      span_of((const char *)key, crypt_hash_size(mechanism->hash)));
}

/* Both the real and the made-up verifier are at hand in either case: same work, same path. */
static void on_found(void *arg, enum account_status status, const struct scram_verifier *found)
{
    struct sasl_job *job = arg;
    const struct scram_mechanism *mechanism = scram_find(job->state.mechanism);
    struct arena *arena = &job->job.arena;
    struct scram_first *first = job->own;
    struct scram_verifier verifier;
    if (status == ACCOUNT_DOWN) {
        sasl_unavailable(job);
        return;
    }
    sasl_fake(job, mechanism->hash, &verifier);
    job->state.is_known = found != NULL;
    if (found) {
        verifier = *found;
    }
    job->state.gs2_header = first->gs2_header;
    job->state.client_first_bare = first->bare;
    job->state.server_first = scram_challenge(
        first, &verifier, NULL, xep0474_attribute(mechanism->hash, &job->state, arena), arena);
    /* Said and chosen: from here on only the binding counts. */
    job->state.mechanisms = job->state.binding_types = job->state.bindings =
        job->state.certificate = (struct wire_strs){0};
    job->state.stored_key = copy_key(job, mechanism, verifier.stored_key);
    job->state.server_key = copy_key(job, mechanism, verifier.server_key);
    crypt_wipe(&verifier, sizeof(verifier));
    sasl_challenge(job, job->state.server_first);
}

/* A client that can bind channels and was offered -PLUS has no reason to say "y" (section 6). */
static bool is_plus_offered(const struct wire_sasl_state *state)
{
    for (uint32_t i = 0; i < state->mechanisms.count; i++) {
        const struct scram_mechanism *mechanism = scram_find(state->mechanisms.items[i]);
        if (mechanism && mechanism->binds_channel) {
            return true;
        }
    }
    return false;
}

void sasl_scram_first(struct sasl_job *job, struct span message)
{
    const struct scram_mechanism *mechanism = scram_find(job->state.mechanism);
    struct arena *arena = &job->job.arena;
    struct scram_first *first = arena_alloc(arena, sizeof(*first));
    enum scram_problem problem = scram_first_parse(mechanism, is_plus_offered(&job->state),
                                                   arena_copy(arena, message), arena, first);
    if (problem == SCRAM_FINE && mechanism->binds_channel &&
        sasl_choose_binding(job, first->binding_name) != 0) {
        problem = SCRAM_BINDING;
    }
    if (problem != SCRAM_FINE) {
        refuse(job, problem);
        return;
    }
    sasl_set_account(job, first->username);
    if (!sasl_may_act_as(job, first->authzid)) {
        sasl_refuse(job, "invalid-authzid", "You can act as your own account only.");
        return;
    }
    job->own = first;
    account_store_find(job->job.session->accounts, job->state.account, mechanism->hash, on_found,
                       job);
}

void sasl_scram_last(struct sasl_job *job, struct span message)
{
    const struct scram_mechanism *mechanism = scram_find(job->state.mechanism);
    size_t size = crypt_hash_size(mechanism->hash);
    struct scram_exchange exchange = {
        .gs2_header = job->state.gs2_header,
        .client_first_bare = job->state.client_first_bare,
        .server_first = job->state.server_first,
    };
    if (job->state.stored_key.len != size || job->state.server_key.len != size) {
        refuse(job, SCRAM_MALFORMED); /* sealed by an instance of another kind */
        return;
    }
    memcpy(exchange.verifier.stored_key, job->state.stored_key.data, size);
    memcpy(exchange.verifier.server_key, job->state.server_key.data, size);
    enum scram_problem problem =
        scram_final(mechanism, &exchange, job->state.binding, arena_copy(&job->job.arena, message),
                    &job->job.arena, &job->data);
    crypt_wipe(&exchange.verifier, sizeof(exchange.verifier));
    job->proven_key = job->state.stored_key;
    job->proven_hash = mechanism->hash;
    if (problem != SCRAM_FINE && problem != SCRAM_WRONG) {
        refuse(job, problem);
    } else {
        sasl_judge(job, problem == SCRAM_FINE);
    }
}
