/* The client's two messages, taken apart by the grammar of RFC 5802 section 7, and not a byte more.
 * Attributes come in a fixed order; unknown ones may follow the nonce and are ignored; "m=" means
 * an extension that must be understood, so it ends the exchange.
 */
#include "base/buf.h"
#include "crypt/scram_internal.h"

/* Takes the text up to the next comma (or the end) off `rest`. */
static struct span take(struct span *rest)
{
    struct span head = span_head(*rest, span_find(*rest, ','));
    *rest = span_from(*rest, head.len + 1);
    return head;
}

/* "x=VALUE" with a value that is not empty. */
static int take_attribute(struct span *rest, char name, struct span *value_out)
{
    struct span field = take(rest);
    if (field.len < 3 || field.data[0] != name || field.data[1] != '=') {
        return -1;
    }
    *value_out = span_from(field, 2);
    return 0;
}

static bool is_extension(struct span field)
{
    bool is_letter = field.len > 2 && field.data[1] == '=' &&
                     ((field.data[0] >= 'a' && field.data[0] <= 'z') ||
                      (field.data[0] >= 'A' && field.data[0] <= 'Z'));
    return is_letter && field.data[0] != 'm';
}

/* Extensions up to the end: every one well-formed, none mandatory. (A comma at the very end is the
 * caller's to refuse.) */
static bool are_extensions(struct span rest)
{
    while (!span_is_empty(rest)) {
        if (!is_extension(take(&rest))) {
            return false;
        }
    }
    return true;
}

/* A saslname: "=2C" is a comma, "=3D" an equals sign, any other use of '=' is an error. */
static int unescape(struct span text, struct arena *arena, struct span *name_out)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        struct span code = span_head(span_from(text, i), 3);
        if (text.data[i] != '=' && text.data[i] != '\0') {
            out[len++] = text.data[i];
            continue;
        }
        if (!span_is(code, "=2C") && !span_is(code, "=3D")) {
            return -1;
        }
        out[len++] = span_is(code, "=2C") ? ',' : '=';
        i += 2;
    }
    *name_out = span_of(out, len);
    return 0;
}

static bool is_nonce(struct span nonce)
{
    for (size_t i = 0; i < nonce.len; i++) {
        if (nonce.data[i] < 0x21 || nonce.data[i] > 0x7e) {
            return false;
        }
    }
    return nonce.len > 0;
}

static bool is_binding_name(struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-';
        if (!is_fine) {
            return false;
        }
    }
    return name.len > 0;
}

/* n: cannot bind; y: could, but thinks we cannot; p=NAME: binds. */
static enum scram_problem check_binding(const struct scram_mechanism *mechanism, bool plus_offered,
                                        struct span flag, struct scram_first *first)
{
    if (span_is(flag, "n")) {
        return mechanism->binds_channel ? SCRAM_BINDING : SCRAM_FINE;
    }
    if (span_is(flag, "y")) {
        return mechanism->binds_channel ? SCRAM_BINDING
               : plus_offered           ? SCRAM_DOWNGRADED
                                        : SCRAM_FINE;
    }
    if (!span_has_prefix(flag, SPAN("p=")) || !is_binding_name(span_from(flag, 2))) {
        return SCRAM_MALFORMED;
    }
    first->binding_name = span_from(flag, 2);
    return mechanism->binds_channel ? SCRAM_FINE : SCRAM_BINDING;
}

static enum scram_problem parse_bare(struct span bare, struct arena *arena,
                                     struct scram_first *first)
{
    struct span rest = bare;
    struct span name;
    if (take_attribute(&rest, 'n', &name) != 0 || unescape(name, arena, &first->username) != 0) {
        return SCRAM_MALFORMED;
    }
    if (take_attribute(&rest, 'r', &first->nonce) != 0 || !is_nonce(first->nonce) ||
        first->nonce.len > SCRAM_NONCE_MAX) {
        return SCRAM_MALFORMED;
    }
    bool ends_with_comma = bare.data[bare.len - 1] == ',';
    first->bare = bare;
    return !ends_with_comma && are_extensions(rest) ? SCRAM_FINE : SCRAM_MALFORMED;
}

enum scram_problem scram_first_parse(const struct scram_mechanism *mechanism, bool plus_offered,
                                     struct span message, struct arena *arena,
                                     struct scram_first *first_out)
{
    struct span rest = message;
    *first_out = (struct scram_first){0};
    if (message.len > SCRAM_MESSAGE_MAX) {
        return SCRAM_MALFORMED;
    }
    struct span flag = take(&rest);
    struct span authzid = take(&rest);
    enum scram_problem problem = check_binding(mechanism, plus_offered, flag, first_out);
    if (problem != SCRAM_FINE) {
        return problem;
    }
    if (!span_is_empty(authzid)) {
        if (!span_has_prefix(authzid, SPAN("a=")) ||
            unescape(span_from(authzid, 2), arena, &first_out->authzid) != 0 ||
            span_is_empty(first_out->authzid)) {
            return SCRAM_MALFORMED;
        }
    }
    if (span_is_empty(rest)) {
        return SCRAM_MALFORMED;
    }
    first_out->gs2_header = span_head(message, (size_t)(rest.data - message.data));
    return parse_bare(rest, arena, first_out);
}

enum scram_problem scram_last_parse(struct span message, struct scram_last *last_out)
{
    size_t proof_at = message.len;
    if (message.len > SCRAM_MESSAGE_MAX) {
        return SCRAM_MALFORMED;
    }
    /* The proof is the last attribute, whatever came before. */
    while (proof_at > 0 && message.data[proof_at - 1] != ',') {
        proof_at--;
    }
    struct span proof = span_from(message, proof_at);
    if (proof_at == 0 || !span_has_prefix(proof, SPAN("p=")) || proof.len < 3) {
        return SCRAM_MALFORMED;
    }
    last_out->proof = span_from(proof, 2);
    last_out->without_proof = span_head(message, proof_at - 1);
    struct span rest = last_out->without_proof;
    if (take_attribute(&rest, 'c', &last_out->binding) != 0 ||
        take_attribute(&rest, 'r', &last_out->nonce) != 0) {
        return SCRAM_MALFORMED;
    }
    struct span whole = last_out->without_proof;
    bool ends_with_comma = whole.data[whole.len - 1] == ',';
    return !ends_with_comma && are_extensions(rest) ? SCRAM_FINE : SCRAM_MALFORMED;
}
