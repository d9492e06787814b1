/* Session tickets: sealed with a key of this process, AES-256-CBC and HMAC-SHA-256 (RFC 5077 section 4).
 * New keys come by themselves, and tickets of the key before are honoured and replaced. */
#include "crypt/tls_internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "crypt/crypt.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#define TICKET_KEY_MS     (UINT64_C(6) * 60 * 60 * 1000)
#define TICKET_LIFETIME_S 7200 /* less than a key is kept, RFC 8446 section 4.6.1 allows a week */
#define TICKET_NAME       16

struct ticket_key {
    unsigned char name[TICKET_NAME];
    unsigned char cipher[32];
    unsigned char mac[32];
};

struct tls_tickets {
    unsigned refs;
    uint64_t rotated_ms;
    struct ticket_key keys[2]; /* the one for new tickets, and the one before */
};

static void ticket_key_make(struct ticket_key *key)
{
    rand_bytes(key, sizeof(*key));
}

struct tls_tickets *tls_tickets_new(void)
{
    struct tls_tickets *tickets = mem_calloc(1, sizeof(*tickets));

    tickets->refs = 1;
    tickets->rotated_ms = clock_mono_ms();
    ticket_key_make(&tickets->keys[0]);
    ticket_key_make(&tickets->keys[1]); /* nobody has one of it */
    return tickets;
}

void tls_tickets_ref(struct tls_tickets *tickets)
{
    tickets->refs++;
}

void tls_tickets_unref(struct tls_tickets *tickets)
{
    if (tickets == NULL || --tickets->refs > 0) {
        return;
    }
    crypt_wipe(tickets->keys, sizeof(tickets->keys));
    mem_free(tickets);
}

void tls_tickets_rotate(struct tls_tickets *tickets)
{
    tickets->keys[1] = tickets->keys[0];
    ticket_key_make(&tickets->keys[0]);
    tickets->rotated_ms = clock_mono_ms();
}

static void rotate_when_due(struct tls_tickets *tickets)
{
    uint64_t age = clock_mono_ms() - tickets->rotated_ms;

    if (age >= TICKET_KEY_MS) {
        tls_tickets_rotate(tickets);
    }
    if (age >= 2 * TICKET_KEY_MS) {
        tls_tickets_rotate(tickets); /* nobody came for long: the key before is too old as well */
    }
}

static int use_key(struct ticket_key *key, EVP_MAC_CTX *mac)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, params) == 1 ? 0 : -1;
}

static int seal(struct ticket_key *key, unsigned char *name, unsigned char *iv,
                EVP_CIPHER_CTX *cipher)
{
    memcpy(name, key->name, TICKET_NAME);
    return RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
                   EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1
               ? 0
               : -1;
}

/* OpenSSL's contract: 1 fine, 2 fine and to be replaced by a new one, 0 unknown, -1 failed. In TLS 1.3
 * a client uses a ticket once (RFC 8446 appendix C.4): it always needs a new one. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_new)
{
    struct tls_tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    rotate_when_due(tickets);
    if (is_new) {
        struct ticket_key *key = &tickets->keys[0];
        return seal(key, name, iv, cipher) == 0 && use_key(key, mac) == 0 ? 1 : -1;
    }
    for (int i = 0; i < 2; i++) {
        struct ticket_key *key = &tickets->keys[i];
        if (memcmp(name, key->name, TICKET_NAME) != 0) {
            continue;
        }
        if (use_key(key, mac) != 0 ||
            EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1) {
            return -1;
        }
        return SSL_version(ssl) >= TLS1_3_VERSION || i > 0 ? 2 : 1;
    }
    return 0;
}

void tls_tickets_use(struct tls_tickets *tickets, SSL_CTX *ssl)
{
    SSL_CTX_set_app_data(ssl, tickets);
    (void)SSL_CTX_set_timeout(ssl, TICKET_LIFETIME_S);
    (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket);
}
