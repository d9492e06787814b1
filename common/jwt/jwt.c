/* Tokens: first the signature, then what they say. */
#include "jwt/jwt_internal.h"

#include "base/codec.h"
#include "json/json.h"

#define JWT_PARTS 3

struct token {
    struct span signed_text; /* header.payload as they came */
    struct span signature;
    struct json *header; /* owned */
    struct json *claims; /* owned */
};

static const char *const problems[JWT_PROBLEM_COUNT] = {
    [JWT_FINE] = "fine",
    [JWT_MALFORMED] = "malformed",
    [JWT_ALGORITHM] = "algorithm not allowed",
    [JWT_CRITICAL] = "unknown critical extension",
    [JWT_KEY] = "unknown key",
    [JWT_SIGNATURE] = "wrong signature",
    [JWT_TIMELESS] = "without expiry",
    [JWT_EXPIRED] = "expired",
    [JWT_EARLY] = "not valid yet",
    [JWT_ISSUER] = "wrong issuer",
    [JWT_AUDIENCE] = "wrong audience",
    [JWT_NAMELESS] = "without a name",
};

const char *jwt_problem_text(enum jwt_problem problem)
{
    return problems[problem];
}

/* ---- taking it apart ---- */

static struct json *parse_part(struct span text)
{
    struct buf plain = {0};
    struct json *json = NULL;
    if (base64url_decode(text, &plain) == 0) {
        json = json_parse(buf_span(&plain));
    }
    buf_deinit(&plain);
    if (json && !json_is_members(json)) {
        json_free(json);
        json = NULL;
    }
    return json;
}

/* header.payload.signature */
static int split(struct span token, struct span parts[JWT_PARTS])
{
    for (size_t i = 0; i < JWT_PARTS; i++) {
        size_t end = span_find(token, '.');
        bool is_last = i + 1 == JWT_PARTS;
        if ((end == token.len) != is_last) {
            return -1;
        }
        parts[i] = span_head(token, end);
        token = span_from(token, end + 1);
    }
    return 0;
}

static int open_token(struct span text, struct arena *arena, struct token *token)
{
    struct span parts[JWT_PARTS];
    struct buf signature = {0};
    if (text.len > JWT_TOKEN_MAX || split(text, parts) != 0 ||
        base64url_decode(parts[2], &signature) != 0) {
        buf_deinit(&signature);
        return -1;
    }
    token->signed_text = span_head(text, parts[0].len + 1 + parts[1].len);
    token->signature = arena_copy(arena, buf_span(&signature));
    buf_deinit(&signature);
    token->header = parse_part(parts[0]);
    token->claims = parse_part(parts[1]);
    return token->header && token->claims ? 0 : -1;
}

/* ---- the signature ---- */

static bool is_known(struct span algorithm)
{
    return span_is(algorithm, "RS256") || span_is(algorithm, "ES256") ||
           span_is(algorithm, "EdDSA");
}

/* Where both have an id, it must be the same. */
static bool is_meant(const struct jwt_key *key, struct span algorithm, struct span id)
{
    return span_is(algorithm, signature_key_algorithm(key->key)) &&
           (!key->id || id.len == 0 || span_is(id, key->id));
}

static enum jwt_problem check_signature(const struct jwt_keys *keys, const struct token *token)
{
    struct span algorithm = json_member_text(token->header, "alg");
    struct span id = json_member_text(token->header, "kid");
    enum jwt_problem problem = JWT_KEY;
    if (!is_known(algorithm)) {
        return JWT_ALGORITHM;
    }
    if (json_member(token->header, "crit")) {
        return JWT_CRITICAL;
    }
    for (size_t i = 0; i < keys->count; i++) {
        if (!is_meant(&keys->keys[i], algorithm, id)) {
            continue;
        }
        if (signature_fits(keys->keys[i].key, token->signed_text, token->signature)) {
            return JWT_FINE;
        }
        problem = JWT_SIGNATURE;
    }
    return problem;
}

/* ---- the claims ---- */

/* A time in ms. 1, 0 when the claim is not there, or -1 when it is no time. */
static int time_of(const struct token *token, const char *name, double *ms_out)
{
    const struct json *claim = json_member(token->claims, name);
    double seconds = 0;
    if (!claim) {
        return 0;
    }
    if (!json_number(claim, &seconds)) {
        return -1;
    }
    *ms_out = seconds * 1000;
    return 1;
}

static enum jwt_problem check_times(const struct token *token, const struct jwt_rules *rules)
{
    double expires = 0, begins = 0, issued = 0;
    double now = (double)rules->now_ms, skew = (double)rules->skew_ms;
    int has_end = time_of(token, "exp", &expires);
    int has_begin = time_of(token, "nbf", &begins);
    int has_issue = time_of(token, "iat", &issued);
    if (has_end < 0 || has_begin < 0 || has_issue < 0) {
        return JWT_MALFORMED;
    }
    if (has_end == 0) {
        return JWT_TIMELESS;
    }
    if (now >= expires + skew) {
        return JWT_EXPIRED;
    }
    return (has_begin && begins > now + skew) || (has_issue && issued > now + skew) ? JWT_EARLY
                                                                                    : JWT_FINE;
}

/* `aud` is one string or several (RFC 7519 section 4.1.3). */
static bool is_for(const struct token *token, struct span audience)
{
    const struct json *claim = json_member(token->claims, "aud");
    struct span text;
    if (json_text(claim, &text)) {
        return span_eq(text, audience);
    }
    for (size_t i = 0; i < json_count(claim); i++) {
        if (json_text(json_element(claim, i), &text) && span_eq(text, audience)) {
            return true;
        }
    }
    return false;
}

static enum jwt_problem check_claims(const struct token *token, const struct jwt_rules *rules)
{
    enum jwt_problem problem = check_times(token, rules);
    if (problem != JWT_FINE) {
        return problem;
    }
    if (rules->issuer.len > 0 && !span_eq(json_member_text(token->claims, "iss"), rules->issuer)) {
        return JWT_ISSUER;
    }
    return is_for(token, rules->audience) ? JWT_FINE : JWT_AUDIENCE;
}

enum jwt_problem jwt_check(const struct jwt_keys *keys, struct span text,
                           const struct jwt_rules *rules, struct arena *arena,
                           struct span *name_out)
{
    struct token token = {0};
    enum jwt_problem problem = JWT_MALFORMED;
    *name_out = (struct span){0};
    if (open_token(text, arena, &token) == 0) {
        problem = check_signature(keys, &token);
    }
    if (problem == JWT_FINE) {
        problem = check_claims(&token, rules);
    }
    if (problem == JWT_FINE) {
        *name_out = arena_copy(arena, json_member_text(token.claims, rules->claim));
        problem = span_is_empty(*name_out) ? JWT_NAMELESS : JWT_FINE;
    }
    json_free(token.header);
    json_free(token.claims);
    return problem;
}
