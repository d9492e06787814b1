/* Files of public keys: JSON Web Key Sets (RFC 7517, RFC 7518 section 6, RFC 8037) and PEM. */
#include "jwt/jwt_internal.h"

#include "base/codec.h"
#include "base/mem.h"
#include "json/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- one key of a set ---- */

static struct span decode(const struct json *jwk, const char *name, struct arena *arena)
{
    struct buf bytes = {0};
    struct span value = {0};
    if (base64url_decode(json_member_text(jwk, name), &bytes) == 0) {
        value = arena_copy(arena, buf_span(&bytes));
    }
    buf_deinit(&bytes);
    return value;
}

static struct signature_key *make_rsa(const struct json *jwk, struct arena *arena)
{
    return signature_key_rsa(decode(jwk, "n", arena), decode(jwk, "e", arena));
}

static struct signature_key *make_p256(const struct json *jwk, struct arena *arena)
{
    return signature_key_p256(decode(jwk, "x", arena), decode(jwk, "y", arena));
}

static struct signature_key *make_ed25519(const struct json *jwk, struct arena *arena)
{
    return signature_key_ed25519(decode(jwk, "x", arena));
}

static const struct {
    const char *type;
    const char *curve; /* or "": it has none */
    const char *algorithm;
    struct signature_key *(*make)(const struct json *jwk, struct arena *arena);
} kinds[] = {
    {"RSA", "", "RS256", make_rsa},
    {"EC", "P-256", "ES256", make_p256},
    {"OKP", "Ed25519", "EdDSA", make_ed25519},
};

/* A key says what it is for, or it is for anything. */
static bool is_for_signatures(const struct json *jwk, const char *algorithm)
{
    struct span use = json_member_text(jwk, "use");
    struct span own = json_member_text(jwk, "alg");
    const struct json *operations = json_member(jwk, "key_ops");
    bool may_verify = operations == NULL;
    for (size_t i = 0; i < json_count(operations); i++) {
        struct span operation = {0};
        may_verify = may_verify || (json_text(json_element(operations, i), &operation) &&
                                    span_is(operation, "verify"));
    }
    return (use.len == 0 || span_is(use, "sig")) && (own.len == 0 || span_is(own, algorithm)) &&
           may_verify;
}

static struct signature_key *make(const struct json *jwk, struct arena *arena)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (span_is(json_member_text(jwk, "kty"), kinds[i].type) &&
            span_is(json_member_text(jwk, "crv"), kinds[i].curve) &&
            is_for_signatures(jwk, kinds[i].algorithm)) {
            return kinds[i].make(jwk, arena);
        }
    }
    return NULL;
}

/* ---- files ---- */

/* Takes `key`. -1 when there are too many. */
static int add(struct jwt_keys *keys, struct signature_key *key, struct span id)
{
    if (keys->count == JWT_KEYS_MAX) {
        signature_key_free(key);
        return -1;
    }
    keys->keys[keys->count++] = (struct jwt_key){key, id.len > 0 ? mem_strdup_span(id) : NULL};
    return 0;
}

static const char *read_set(struct jwt_keys *keys, struct span text)
{
    struct json *set = json_parse(text);
    const struct json *list = json_member(set, "keys");
    struct arena arena = {0};
    const char *problem = json_is_list(list) ? NULL : "this is no JSON Web Key Set";
    for (size_t i = 0; !problem && i < json_count(list); i++) {
        const struct json *jwk = json_element(list, i);
        struct signature_key *key = make(jwk, &arena);
        if (key && add(keys, key, json_member_text(jwk, "kid")) != 0) {
            problem = "too many keys";
        }
    }
    arena_deinit(&arena);
    json_free(set);
    return problem;
}

static const char *read_pem(struct jwt_keys *keys, struct span text)
{
    struct signature_key *key;
    int got;
    while ((got = signature_key_from_pem(&text, &key)) > 0) {
        if (add(keys, key, (struct span){0}) != 0) {
            return "too many keys";
        }
    }
    return got < 0 ? "a key is neither RSA with 2048 to 8192 bits nor P-256 nor Ed25519" : NULL;
}

struct jwt_keys *jwt_keys_parse(struct span text, char *error, size_t error_size)
{
    struct jwt_keys *keys = mem_calloc(1, sizeof(*keys));
    bool is_set = span_has_prefix(span_trim(text), SPAN("{"));
    const char *problem = text.len > JWT_FILE_MAX ? "too long"
                          : is_set                ? read_set(keys, text)
                                                  : read_pem(keys, text);
    if (!problem && keys->count == 0) {
        problem = "there is no public key for RS256, ES256 or EdDSA";
    }
    if (problem) {
        (void)snprintf(error, error_size, "%s", problem);
        jwt_keys_free(keys);
        return NULL;
    }
    return keys;
}

static int read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        return -1;
    }
    errno = 0;
    out->len += fread(buf_reserve(out, JWT_FILE_MAX + 1), 1, JWT_FILE_MAX + 1, file);
    int result = ferror(file) ? -1 : 0;
    (void)fclose(file);
    return result;
}

struct jwt_keys *jwt_keys_load(const char *path, char *error, size_t error_size)
{
    struct buf text = {0};
    struct jwt_keys *keys = NULL;
    char problem[128];
    if (read_file(path, &text) != 0) {
        (void)snprintf(error, error_size, "%s: %s", path, strerror(errno));
    } else if (!(keys = jwt_keys_parse(buf_span(&text), problem, sizeof(problem)))) {
        (void)snprintf(error, error_size, "%s: %s", path, problem);
    }
    buf_deinit(&text);
    return keys;
}

void jwt_keys_free(struct jwt_keys *keys)
{
    for (size_t i = 0; keys && i < keys->count; i++) {
        signature_key_free(keys->keys[i].key);
        mem_free(keys->keys[i].id);
    }
    mem_free(keys);
}

size_t jwt_keys_count(const struct jwt_keys *keys)
{
    return keys->count;
}
