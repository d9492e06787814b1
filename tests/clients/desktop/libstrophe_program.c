/* A desktop client on libstrophe that obeys lines; desktop.py says which.
 *
 *   libstrophe_program JID PASSWORD HOST PORT starttls|tls CAFILE
 *
 * It checks the server's certificate: libstrophe does by itself when it may not trust any.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096
#define STEP_MS        5

struct client {
    xmpp_ctx_t *ctx;
    xmpp_conn_t *conn;
    char input[LINE_MAX_BYTES];
    size_t input_len;
};

static const char *text_of(xmpp_stanza_t *stanza, const char *name, char **copy_out)
{
    xmpp_stanza_t *child = xmpp_stanza_get_child_by_name(stanza, name);

    *copy_out = child ? xmpp_stanza_get_text(child) : NULL;
    return *copy_out ? *copy_out : "";
}

/* ---- what comes ---- */
static int on_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *arg)
{
    struct client *client = arg;
    char *body;

    (void)conn;
    text_of(stanza, "body", &body);
    printf("message %s %s\n", xmpp_stanza_get_from(stanza), body ? body : "");
    if (body) {
        xmpp_free(client->ctx, body);
    }
    return 1;
}

static int on_presence(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *arg)
{
    struct client *client = arg;
    const char *type = xmpp_stanza_get_type(stanza);
    char *show, *status;

    (void)conn;
    text_of(stanza, "show", &show);
    printf("presence %s %s %s\n", xmpp_stanza_get_from(stanza),
           type   ? type
           : show ? show
                  : "available",
           text_of(stanza, "status", &status));
    if (show) {
        xmpp_free(client->ctx, show);
    }
    if (status) {
        xmpp_free(client->ctx, status);
    }
    return 1;
}

/* ---- what is said ---- */
static void add_text(struct client *client, xmpp_stanza_t *stanza, const char *name,
                     const char *text)
{
    xmpp_stanza_t *child = xmpp_stanza_new(client->ctx);
    xmpp_stanza_t *inside = xmpp_stanza_new(client->ctx);

    xmpp_stanza_set_name(child, name);
    xmpp_stanza_set_text(inside, text);
    xmpp_stanza_add_child(child, inside);
    xmpp_stanza_add_child(stanza, child);
    xmpp_stanza_release(inside);
    xmpp_stanza_release(child);
}

static void send_and_release(struct client *client, xmpp_stanza_t *stanza)
{
    xmpp_send(client->conn, stanza);
    xmpp_stanza_release(stanza);
}

static void order_message(struct client *client, const char *order, const char *to, char *body)
{
    xmpp_stanza_t *message = xmpp_message_new(client->ctx, "chat", to, NULL);

    (void)order;
    xmpp_message_set_body(message, body);
    send_and_release(client, message);
}

static void order_presence(struct client *client, const char *order, const char *show, char *status)
{
    xmpp_stanza_t *presence = xmpp_presence_new(client->ctx);

    (void)order;
    if (strcmp(show, "available") != 0) {
        add_text(client, presence, "show", show);
    }
    add_text(client, presence, "status", status);
    send_and_release(client, presence);
}

static void order_subscription(struct client *client, const char *order, const char *to, char *rest)
{
    xmpp_stanza_t *presence = xmpp_presence_new(client->ctx);

    (void)rest;
    xmpp_stanza_set_type(presence, order);
    xmpp_stanza_set_to(presence, to);
    send_and_release(client, presence);
}

static void order_quit(struct client *client, const char *order, const char *to, char *rest)
{
    (void)order;
    (void)to;
    (void)rest;
    xmpp_disconnect(client->conn);
}

static const struct {
    const char *name;
    void (*obey)(struct client *client, const char *name, const char *to, char *rest);
} orders[] = {
    {"message", order_message},          {"presence", order_presence},
    {"subscribe", order_subscription},   {"subscribed", order_subscription},
    {"unsubscribe", order_subscription}, {"quit", order_quit},
};

static void obey(struct client *client, char *line)
{
    char *to = line + strcspn(line, " ");
    char *rest;

    if (*to) {
        *to++ = '\0';
    }
    rest = to + strcspn(to, " ");
    if (*rest) {
        *rest++ = '\0';
    }
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        if (strcmp(orders[i].name, line) == 0) {
            orders[i].obey(client, line, to, rest);
        }
    }
}

static int on_time(xmpp_conn_t *conn, void *arg)
{
    struct client *client = arg;
    struct pollfd waiting = {.fd = STDIN_FILENO, .events = POLLIN};
    char *end;
    ssize_t got;

    (void)conn;
    if (poll(&waiting, 1, 0) <= 0 || client->input_len == sizeof(client->input)) {
        return 1;
    }
    got = read(STDIN_FILENO, client->input + client->input_len,
               sizeof(client->input) - client->input_len);
    client->input_len += got > 0 ? (size_t)got : 0;
    while ((end = memchr(client->input, '\n', client->input_len)) != NULL) {
        size_t len = (size_t)(end - client->input) + 1;
        *end = '\0';
        obey(client, client->input);
        client->input_len -= len;
        memmove(client->input, end + 1, client->input_len);
    }
    return 1;
}

/* ---- the connection ---- */
static void on_connection(xmpp_conn_t *conn, xmpp_conn_event_t event, int error,
                          xmpp_stream_error_t *stream_error, void *arg)
{
    struct client *client = arg;

    if (event == XMPP_CONN_CONNECT) {
        xmpp_handler_add(conn, on_message, NULL, "message", NULL, client);
        xmpp_handler_add(conn, on_presence, NULL, "presence", NULL, client);
        xmpp_timed_handler_add(conn, on_time, STEP_MS, client);
        send_and_release(client, xmpp_presence_new(client->ctx));
        printf("online %s %s\n", xmpp_conn_get_bound_jid(conn),
               xmpp_conn_is_secured(conn) ? "secured" : "plain");
        return;
    }
    if (event != XMPP_CONN_DISCONNECT || error || stream_error || !xmpp_conn_get_bound_jid(conn)) {
        printf("failed auth or connection, error %d %s\n", error,
               stream_error && stream_error->text ? stream_error->text : "");
    }
    xmpp_stop(client->ctx);
}

int main(int argc, char **argv)
{
    struct client client = {0};
    bool is_direct;

    if (argc != 7) {
        fprintf(stderr, "usage: %s JID PASSWORD HOST PORT starttls|tls CAFILE\n", argv[0]);
        return 2;
    }
    is_direct = strcmp(argv[5], "tls") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    xmpp_initialize();
    client.ctx = xmpp_ctx_new(
        NULL, getenv("STROPHE_DEBUG") ? xmpp_get_default_logger(XMPP_LEVEL_DEBUG) : NULL);
    client.conn = xmpp_conn_new(client.ctx);
    xmpp_conn_set_jid(client.conn, argv[1]);
    xmpp_conn_set_pass(client.conn, argv[2]);
    xmpp_conn_set_cafile(client.conn, argv[6]);
    xmpp_conn_set_flags(client.conn,
                        is_direct ? XMPP_CONN_FLAG_LEGACY_SSL : XMPP_CONN_FLAG_MANDATORY_TLS);
    if (xmpp_connect_client(client.conn, argv[3], (unsigned short)strtoul(argv[4], NULL, 10),
                            on_connection, &client) != XMPP_EOK) {
        printf("failed to connect\n");
    } else {
        xmpp_ctx_set_timeout(client.ctx, STEP_MS);
        xmpp_run(client.ctx);
    }
    xmpp_conn_release(client.conn);
    xmpp_ctx_free(client.ctx);
    xmpp_shutdown();
    return 0;
}
