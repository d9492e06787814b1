/* The parts of a JID, each by its own profile. ASCII needs no library: it is recognised by one
 * table and at most put into lower case. */
#include "part_internal.h"

#include "jid/jid.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdlib.h>
#include <stringprep.h>

/* Each part is at most 1023 bytes, but may be longer before it is normalised. */
#define INPUT_MAX ((size_t)4 * JID_PART_MAX)

enum {
    NODE = 1,     /* as it is */
    DOMAIN = 2,   /* as it is */
    RESOURCE = 4, /* as it is; printable ASCII is what SASLprep lets through, too */
    UPPER = 8     /* in nodes and domains: after a change to lower case */
};

#define R RESOURCE
#define N (NODE | RESOURCE)
#define A (NODE | DOMAIN | RESOURCE)
#define U (UPPER | RESOURCE)

/* RFC 6122 appendix A.5: a node has no space and none of " & ' / : < > @. */
/* clang-format off */
static const unsigned char allowed[256] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
/*     !  "  #  $  %  &  '  (  )  *  +  ,  -  .  /  */
    R, N, R, N, N, N, R, R, N, N, N, N, N, A, A, R,
/*  0  1  2  3  4  5  6  7  8  9  :  ;  <  =  >  ?  */
    A, A, A, A, A, A, A, A, A, A, R, N, R, N, R, N,
/*  @  A ...                                        */
    R, U, U, U, U, U, U, U, U, U, U, U, U, U, U, U,
/*                                   [  \  ]  ^  _  */
    U, U, U, U, U, U, U, U, U, U, U, N, N, N, N, A,
/*  `  a ...                                        */
    N, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,
/*                                   {  |  }  ~     */
    A, A, A, A, A, A, A, A, A, A, A, N, N, N, N, 0,
};
/* clang-format on */

/* True when every byte is of one of the classes `mask`. */
static bool is_plain(struct span text, unsigned mask)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((allowed[(unsigned char)text.data[i]] & mask) == 0) {
            return false;
        }
    }
    return true;
}

/* `text`, or a copy where plain upper case is lower. */
static struct span to_lower(struct span text, struct arena *arena)
{
    size_t i = 0;
    while (i < text.len && (allowed[(unsigned char)text.data[i]] & UPPER) == 0) {
        i++;
    }
    if (i == text.len) {
        return text;
    }
    struct span copy = arena_copy(arena, text);
    char *bytes = (char *)(uintptr_t)copy.data; /* our own copy */
    for (; i < copy.len; i++) {
        bool is_upper = (allowed[(unsigned char)bytes[i]] & UPPER) != 0;
        bytes[i] = (char)(is_upper ? bytes[i] | 0x20 : bytes[i]);
    }
    return copy;
}

static int check_length(struct span part)
{
    return part.len > 0 && part.len <= JID_PART_MAX ? 0 : -1;
}

static bool has_nul(struct span text)
{
    return text.len > 0 && memchr(text.data, '\0', text.len) != NULL;
}

/* Runs `text` through a stringprep profile. Code points newer than the profiles are let through. */
static int prepare(struct span text, const Stringprep_profile *profile, struct arena *arena,
                   struct span *part_out)
{
    if (text.len > INPUT_MAX || has_nul(text)) {
        return -1;
    }
    size_t size = 4 * text.len + 64; /* normalisation form KC makes some characters longer */
    char *work = arena_alloc(arena, size);
    if (text.len > 0) {
        memcpy(work, text.data, text.len);
    }
    work[text.len] = '\0';
    if (stringprep(work, size, 0, profile) != STRINGPREP_OK) {
        return -1;
    }
    *part_out = span_cstr(work);
    return 0;
}

int jid_part_node(struct span text, struct arena *arena, struct span *node_out)
{
    if (is_plain(text, NODE | UPPER)) {
        *node_out = to_lower(text, arena);
        return check_length(*node_out);
    }
    if (prepare(text, stringprep_xmpp_nodeprep, arena, node_out) != 0) {
        return -1;
    }
    return check_length(*node_out);
}

int jid_part_resource(struct span text, struct arena *arena, struct span *resource_out)
{
    *resource_out = text;
    if (!is_plain(text, RESOURCE) &&
        prepare(text, stringprep_xmpp_resourceprep, arena, resource_out) != 0) {
        return -1;
    }
    return check_length(*resource_out);
}

int jid_prepare_password(struct span text, struct arena *arena, struct span *password_out)
{
    struct span password = text;
    if (!is_plain(text, RESOURCE) && prepare(text, stringprep_saslprep, arena, &password) != 0) {
        return -1;
    }
    *password_out = arena_copy(arena, password);
    return check_length(password);
}

/* ---- domains ---- */
static bool is_label(struct span label)
{
    bool has_edge_hyphen =
        label.len > 0 && (label.data[0] == '-' || label.data[label.len - 1] == '-');
    return label.len > 0 && label.len <= 63 && !has_edge_hyphen;
}

/* Labels of letters, digits, hyphens (and underscores, as people name hosts). */
static bool is_name(struct span name)
{
    if (!is_plain(name, DOMAIN)) {
        return false;
    }
    while (!span_is_empty(name)) {
        size_t len = span_find(name, '.');
        bool ends_with_dot = len + 1 == name.len;
        if (!is_label(span_head(name, len)) || ends_with_dot) {
            return false;
        }
        name = span_from(name, len + 1);
    }
    return true;
}

/* "[::1]": spelled as inet_ntop does. */
static int take_ipv6(struct span text, struct arena *arena, struct span *domain_out)
{
    struct in6_addr address;
    char spelled[INET6_ADDRSTRLEN];
    if (text.len < 4 || text.data[text.len - 1] != ']') {
        return -1;
    }
    struct span inner = arena_copy(arena, span_of(text.data + 1, text.len - 2));
    if (has_nul(inner) || inet_pton(AF_INET6, inner.data, &address) != 1 ||
        !inet_ntop(AF_INET6, &address, spelled, sizeof spelled)) {
        return -1;
    }
    *domain_out = arena_printf(arena, "[%s]", spelled);
    return 0;
}

/* Through A-labels, which checks the name, back to the U-labels that JIDs have. Both results are
 * the caller's to free, NULL or not. */
static int convert_idn(const char *name, char **ascii_out, char **unicode_out)
{
    int flags = IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL;
    if (idn2_to_ascii_8z(name, ascii_out, flags) != IDN2_OK || !is_name(span_cstr(*ascii_out))) {
        return -1;
    }
    return idn2_to_unicode_8z8z(*ascii_out, unicode_out, 0) == IDN2_OK ? 0 : -1;
}

/* Any name by IDNA2008. Some A-labels stand for nothing that has an A-label: such names would not
 * be the same when normalised again, and are refused. */
static int take_idn(struct span text, struct arena *arena, struct span *domain_out)
{
    char *ascii = NULL;
    char *unicode = NULL;
    char *ascii_again = NULL;
    char *unicode_again = NULL;
    int status = -1;
    struct span input = arena_copy(arena, text);
    if (input.len > INPUT_MAX || has_nul(input)) {
        return -1;
    }
    if (convert_idn(input.data, &ascii, &unicode) == 0 &&
        convert_idn(unicode, &ascii_again, &unicode_again) == 0 &&
        strcmp(unicode, unicode_again) == 0) {
        *domain_out = arena_copy(arena, span_cstr(unicode));
        status = 0;
    }
    idn2_free(ascii);
    idn2_free(unicode);
    idn2_free(ascii_again);
    idn2_free(unicode_again);
    return status;
}

int jid_part_domain(struct span text, struct arena *arena, struct span *domain_out)
{
    if (text.len > 1 && text.data[text.len - 1] == '.') {
        text.len--; /* RFC 7622 section 3.2: the final dot is not part of it */
    }
    if (text.len > 0 && text.data[0] == '[') {
        return take_ipv6(text, arena, domain_out);
    }
    if (is_plain(text, DOMAIN | UPPER)) {
        text = to_lower(text, arena);
        if (is_name(text) && !memmem(text.data, text.len, "xn--", 4)) {
            *domain_out = text;
            return check_length(text);
        }
    }
    if (take_idn(text, arena, domain_out) != 0) {
        return -1;
    }
    return check_length(*domain_out);
}
