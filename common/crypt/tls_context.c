/* TLS contexts: the files that are in use, and their keys of tickets. */
#include "crypt/tls_internal.h"

#include "base/mem.h"

#include <stdio.h>

struct tls_context *tls_context_new(const struct tls_options *options, char *error,
                                    size_t error_size)
{
    struct tls_context *context = mem_calloc(1, sizeof(*context));

    context->tickets = tls_tickets_new();
    if (tls_context_reload(context, options, error, error_size) != 0) {
        tls_context_free(context);
        return NULL;
    }
    return context;
}

int tls_context_reload(struct tls_context *context, const struct tls_options *options, char *error,
                       size_t error_size)
{
    struct tls_load *fresh;

    if (options->identity_count == 0) {
        (void)snprintf(error, error_size, "no certificate is configured");
        return -1;
    }
    fresh = tls_load_new(options, context->tickets, error, error_size);
    if (fresh == NULL) {
        return -1;
    }
    tls_load_unref(context->load);
    context->load = fresh;
    return 0;
}

void tls_context_free(struct tls_context *context)
{
    if (context != NULL) {
        tls_load_unref(context->load);
        tls_tickets_unref(context->tickets);
        mem_free(context);
    }
}

/* ---- listeners that are not ours ---- */
static void tls_lent_free(void *parent, void *load, CRYPTO_EX_DATA *data, int index, long number,
                          void *pointer)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)pointer;
    tls_load_unref(load);
}

/* Where a connection that is not ours keeps its load. */
static int tls_lent_index(void)
{
    static int index = -1;

    if (index < 0) {
        index = SSL_get_ex_new_index(0, NULL, NULL, NULL, tls_lent_free);
    }
    return index;
}

/* Called once for each connection: from here on it has a domain's SSL_CTX and what that calls. */
static int tls_on_lent_server_name(SSL *ssl, int *alert, void *arg)
{
    struct tls_load *load = ((struct tls_context *)arg)->load;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    (void)alert;
    if (SSL_set_ex_data(ssl, tls_lent_index(), load) != 1) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    load->refs++;
    SSL_set_SSL_CTX(ssl, tls_load_choose(load, name));
    return name != NULL ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

void tls_context_lend(struct tls_context *context, void *ssl_ctx)
{
    tls_configure(ssl_ctx, context->tickets);
    (void)SSL_CTX_set_tlsext_servername_callback((SSL_CTX *)ssl_ctx, tls_on_lent_server_name);
    (void)SSL_CTX_set_tlsext_servername_arg((SSL_CTX *)ssl_ctx, context);
}
