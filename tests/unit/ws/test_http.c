/* HTTP requests: answered whole, kept alive, HEAD without a body, 304 without one too. */
#include <errno.h>

#include "ws_client.h"

static void ask(struct client *client, const char *request, const char *wanted)
{
    buf_reset(&client->in);
    client_text(client, request);
    WAIT_FOR(client, client_has(client, wanted));
}

static void test_requests_are_answered_on_one_connection(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, NULL);
    struct client client = client_connect(&server);
    ask(&client, "GET /a%20b?q=1 HTTP/1.1\r\nHost: h:1\r\n\r\n", "GET /a b host=h:1");
    assert_true(client_has(&client, "HTTP/1.1 200 OK\r\n"));
    assert_true(client_has(&client, "Content-Length: 17\r\n"));
    assert_true(client_has(&client, "ETag: \"e1\"\r\n"));
    ask(&client, "HEAD /a HTTP/1.1\r\nHost: h\r\n\r\n", "\r\n\r\n");
    assert_true(client_has(&client, "Content-Length: 14\r\n"));
    assert_false(client_has(&client, "HEAD /a"));
    ask(&client, "GET /a HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"e1\"\r\n\r\n", "\r\n\r\n");
    assert_true(client_has(&client, "304 Not Modified"));
    assert_false(client_has(&client, "Content-Length"));
    ask(&client, "OPTIONS /a HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS /a host=h");
    assert_false(client.is_closed);
    client_free(&client);
    server_stop(&server);
}

static void test_a_large_answer_arrives_whole(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, NULL);
    struct client client = client_connect(&server);
    client_text(&client, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    WAIT_FOR(&client, client.in.len > 3000000);
    ask(&client, "GET /next HTTP/1.1\r\nHost: h\r\n\r\n", "GET /next host=h");
    client_free(&client);
    server_stop(&server);
}

static void test_a_body_nobody_reads_ends_the_connection(void **state)
{
    (void)state;
    struct server server = {0};
    server_start(&server, NULL);
    struct client client = client_connect(&server);
    client_text(&client, "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nGET /");
    WAIT_FOR(&client, client.is_closed);
    assert_true(client_has(&client, "POST /a host=h"));
    client_free(&client);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_are_answered_on_one_connection),
        cmocka_unit_test(test_a_large_answer_arrives_whole),
        cmocka_unit_test(test_a_body_nobody_reads_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
