/* From an open connection to a bound session: stream header, SASL (SCRAM-SHA-1 or PLAIN), bind, and
 * stream management where asked for. */
#include "load.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP_FEATURES, STEP_SASL, STEP_RESTART, STEP_BIND, STEP_SM };

static void login_open(struct client *c)
{
    if (settings.is_ws) {
        net_sendf(c, "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='%s' version='1.0'/>",
                  settings.domain);
    } else {
        net_sendf(c,
                  "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
                  "xmlns:stream='http://etherx.jabber.org/streams' to='%s' version='1.0'>",
                  settings.domain);
    }
}

void login_start(struct client *c)
{
    c->step = STEP_FEATURES;
    login_open(c);
}

static void encode64(const void *data, size_t len, char *out)
{
    EVP_EncodeBlock((unsigned char *)out, data, (int)len);
}

static size_t decode64(const char *text, size_t len, char *out)
{
    int n = EVP_DecodeBlock((unsigned char *)out, (const unsigned char *)text, (int)len);
    while (n > 0 && len > 0 && text[len - 1] == '=') {
        n--;
        len--;
    }
    return n > 0 ? (size_t)n : 0;
}

static void login_auth(struct client *c)
{
    char name[64], raw[256], b64[512];
    snprintf(name, sizeof(name), "%s%u", settings.prefix, c->index);
    if (settings.is_plain) {
        int n = snprintf(raw, sizeof(raw), "%c%s%c%s", 0, name, 0, settings.password);
        encode64(raw, (size_t)n, b64);
        net_sendf(c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>",
                  b64);
    } else {
        int n = snprintf(raw, sizeof(raw), "n,,n=%s,r=nonce%u.%llu", name, c->index,
                         (unsigned long long)c->started_us);
        free(c->scram_first);
        c->scram_first = strdup(raw + 3);
        encode64(raw, (size_t)n, b64);
        net_sendf(
            c, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>%s</auth>",
            b64);
    }
    c->step = STEP_SASL;
}

/* RFC 5802 section 3. */
static void login_challenge(struct client *c, const char *b64, size_t len)
{
    char first[1024], without[512], final[1024], out[2048], proof64[64], salt[256];
    unsigned char salted[20], key[20], stored[20], sign[20];
    unsigned n = 20, iterations = 0;
    if (len > 1000) {
        client_failed(c, "challenge too long");
        return;
    }
    first[decode64(b64, len, first)] = 0;
    const char *s = strstr(first, ",s="), *i = strstr(first, ",i=");
    if (s == NULL || i == NULL || sscanf(i + 3, "%u", &iterations) != 1) {
        client_failed(c, "bad challenge");
        return;
    }
    size_t salt_len = decode64(s + 3, (size_t)(i - s - 3), salt);
    PKCS5_PBKDF2_HMAC(settings.password, (int)strlen(settings.password),
                      (const unsigned char *)salt, (int)salt_len, (int)iterations, EVP_sha1(), 20,
                      salted);
    HMAC(EVP_sha1(), salted, 20, (const unsigned char *)"Client Key", 10, key, &n);
    EVP_Digest(key, 20, stored, &n, EVP_sha1(), NULL);
    snprintf(without, sizeof(without), "c=biws,%.*s", (int)(s - first), first);
    int m = snprintf(final, sizeof(final), "%s,%s,%s", c->scram_first, first, without);
    HMAC(EVP_sha1(), stored, 20, (const unsigned char *) final, (size_t)m, sign, &n);
    for (int k = 0; k < 20; k++) {
        sign[k] ^= key[k];
    }
    encode64(sign, 20, proof64);
    m = snprintf(final, sizeof(final), "%s,p=%s", without, proof64);
    encode64(final, (size_t)m, out);
    net_sendf(c, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>", out);
}

static void login_bound(struct client *c)
{
    free(c->scram_first);
    c->scram_first = NULL;
    if (settings.with_sm) {
        c->step = STEP_SM;
        net_sendf(c, "<enable xmlns='urn:xmpp:sm:3' resume='true'/>");
        return;
    }
    client_ready(c);
}

static void login_sasl(struct client *c, const char *text)
{
    const char *challenge = strstr(text, "<challenge");
    if (challenge != NULL) {
        const char *begin = strchr(challenge, '>') + 1, *end = strchr(begin, '<');
        if (end != NULL) {
            login_challenge(c, begin, (size_t)(end - begin));
        }
    } else if (strstr(text, "<success") != NULL) {
        c->step = STEP_RESTART;
        login_open(c);
    } else if (strstr(text, "<failure") != NULL) {
        client_failed(c, "login refused");
    }
}

void login_receive(struct client *c, const char *data, size_t len)
{
    char *text = strndup(data, len);
    if (strstr(text, "stream:error") != NULL) {
        client_failed(c, "stream error");
    } else if (c->step == STEP_FEATURES && strstr(text, "<mechanism") != NULL) {
        login_auth(c);
    } else if (c->step == STEP_SASL) {
        login_sasl(c, text);
    } else if (c->step == STEP_RESTART && strstr(text, "xmpp-bind") != NULL) {
        c->step = STEP_BIND;
        net_sendf(
            c, "<iq xmlns='jabber:client' type='set' id='b'><bind "
               "xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind></iq>");
    } else if (c->step == STEP_BIND && strstr(text, "<jid>") != NULL) {
        login_bound(c);
    } else if (c->step == STEP_BIND && strstr(text, "type='error'") != NULL) {
        client_failed(c, "bind refused");
    } else if (c->step == STEP_SM && strstr(text, "<enabled") != NULL) {
        client_ready(c);
    }
    free(text);
}
