/* What the edge answers over HTTP: files below the web root and nothing else, host metadata. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "edge.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char parent[64];
    struct daemon daemon;
    struct edge edge;
};

static void put_file(const char *parent, const char *name, const char *text)
{
    char path[200];
    (void)snprintf(path, sizeof(path), "%s/%s", parent, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
    struct fixture *f = mem_calloc(1, sizeof(*f));
    struct buf error = {0};
    char root[100], folder[120];
    (void)snprintf(f->parent, sizeof(f->parent), "/tmp/jackdaw-test-XXXXXX");
    assert_non_null(mkdtemp(f->parent));
    (void)snprintf(root, sizeof(root), "%s/web", f->parent);
    (void)snprintf(folder, sizeof(folder), "%s/book", root);
    assert_int_equal(mkdir(root, 0700), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
    put_file(f->parent, "secret.txt", "secret");
    put_file(root, "index.html", "<p>home</p>");
    put_file(root, "app.js", "1;");
    put_file(root, ".hidden", "hidden");
    put_file(folder, "index.html", "<p>book</p>");
    (void)setenv("JACKDAW_CLUSTER_DOMAINS", "localhost, own.example", 1);
    (void)setenv("JACKDAW_EDGE_PUBLIC_URL__OWN_EXAMPLE", "wss://ws.own.example/ws", 1);
    (void)setenv("JACKDAW_EDGE_HTTPS_ONLY__OWN_EXAMPLE", "1d", 1);
    f->daemon.conf = conf_load(NULL, &error);
    (void)unsetenv("JACKDAW_EDGE_HTTPS_ONLY__OWN_EXAMPLE");
    (void)unsetenv("JACKDAW_EDGE_PUBLIC_URL__OWN_EXAMPLE");
    (void)unsetenv("JACKDAW_CLUSTER_DOMAINS");
    assert_non_null(f->daemon.conf);
    f->edge.holder.daemon = &f->daemon;
    f->edge.web_root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(f->edge.web_root_fd >= 0);
    buf_deinit(&error);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {
        "web/index.html", "web/app.js", "web/.hidden", "web/book/index.html",
        "web/book",       "web",        "secret.txt",  ""};
    struct fixture *f = *state;
    char path[200];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", f->parent, names[i]);
        (void)remove(path);
    }
    (void)close(f->edge.web_root_fd);
    conf_free((struct conf *)(uintptr_t)f->daemon.conf);
    mem_free(f);
    return 0;
}

static struct ws_response ask(struct fixture *f, const char *method, struct span path,
                              const char *none_match)
{
    struct ws_request request = {
        .method = span_cstr(method),
        .path = path,
        .host = SPAN("chat.example:5280"),
        .if_none_match = span_cstr(none_match),
    };
    struct ws_response response = {.status = 200};
    edge_http(&f->edge, &request, &response);
    return response;
}

static void test_files_have_their_type(void **state)
{
    static const struct {
        const char *path;
        const char *type;
        const char *text;
    } cases[] = {
        {"/", "text/html; charset=utf-8", "<p>home</p>"},
        {"/index.html", "text/html; charset=utf-8", "<p>home</p>"},
        {"/app.js", "text/javascript; charset=utf-8", "1;"},
        {"/book/", "text/html; charset=utf-8", "<p>book</p>"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ws_response response = ask(*state, "GET", span_cstr(cases[i].path), "");
        assert_int_equal(response.status, 200);
        assert_string_equal(response.content_type, cases[i].type);
        assert_true(span_is(buf_span(&response.body), cases[i].text));
        struct ws_response again = ask(*state, "GET", span_cstr(cases[i].path), response.etag);
        assert_int_equal(again.status, 304);
        assert_int_equal(again.body.len, 0);
        buf_deinit(&response.body);
    }
}

static void test_a_folder_is_redirected_to_its_slash(void **state)
{
    struct ws_response response = ask(*state, "GET", SPAN("/book"), "");
    assert_int_equal(response.status, 301);
    assert_string_equal(response.location, "/book/");
    buf_deinit(&response.body);
}

static void test_nothing_outside_the_root_is_served(void **state)
{
    const struct span paths[] = {
        SPAN("/../secret.txt"),   SPAN("/book/../../secret.txt"),
        SPAN("/.hidden"),         SPAN("/./index.html"),
        SPAN("//../secret.txt"),  SPAN("/..\\secret.txt"),
        SPAN("/nothing"),         SPAN("index.html"),
        SPAN("/index.html\0.js"), SPAN("/.."),
        SPAN("/book/.."),         SPAN("//etc/passwd"),
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct ws_response response = ask(*state, "GET", paths[i], "");
        assert_int_equal(response.status, 404);
        buf_deinit(&response.body);
    }
}

static void test_other_methods_are_refused(void **state)
{
    struct ws_response response = ask(*state, "POST", SPAN("/"), "");
    assert_int_equal(response.status, 405);
    buf_deinit(&response.body);
}

static void test_host_meta_names_the_websocket(void **state)
{
    struct ws_response xml = ask(*state, "GET", SPAN("/.well-known/host-meta"), "");
    assert_string_equal(xml.content_type, "application/xrd+xml");
    assert_true(xml.allow_any_origin);
    assert_non_null(strstr(buf_cstr(&xml.body), "urn:xmpp:alt-connections:websocket"));
    assert_non_null(strstr(buf_cstr(&xml.body), "\"ws://chat.example:5280/ws\""));
    struct ws_response json = ask(*state, "GET", SPAN("/.well-known/host-meta.json"), "");
    assert_string_equal(json.content_type, "application/json");
    assert_string_equal(buf_cstr(&json.body),
                        "{\"links\": [{\"rel\": \"urn:xmpp:alt-connections:websocket\", "
                        "\"href\": \"ws://chat.example:5280/ws\"}]}\n");
    buf_deinit(&xml.body);
    buf_deinit(&json.body);
}

static void test_host_meta_of_a_domain_names_its_own_websocket(void **state)
{
    static const struct {
        const char *host, *url;
    } cases[] = {
        {"own.example", "\"wss://ws.own.example/ws\""},
        {"Own.Example:443", "\"wss://ws.own.example/ws\""},
        {"x.own.example", "\"ws://x.own.example/ws\""},
        {"[::1]:5280", "\"ws://[::1]:5280/ws\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture *f = *state;
        struct ws_request request = {.method = SPAN("GET"),
                                     .path = SPAN("/.well-known/host-meta"),
                                     .host = span_cstr(cases[i].host)};
        struct ws_response response = {.status = 200};
        edge_http(&f->edge, &request, &response);
        assert_non_null(strstr(buf_cstr(&response.body), cases[i].url));
        buf_deinit(&response.body);
    }
}

static void test_https_only_is_told_over_https_alone(void **state)
{
    static const struct {
        const char *host;
        bool is_secure;
        unsigned seconds;
    } cases[] = {{"own.example", true, 86400}, {"own.example", false, 0}, {"a.example", true, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture *f = *state;
        struct ws_request request = {.method = SPAN("GET"),
                                     .path = SPAN("/app.js"),
                                     .host = span_cstr(cases[i].host),
                                     .is_secure = cases[i].is_secure};
        struct ws_response response = {.status = 200};
        edge_http(&f->edge, &request, &response);
        assert_int_equal(response.https_only_s, cases[i].seconds);
        buf_deinit(&response.body);
    }
}

static void test_a_forged_host_is_not_repeated(void **state)
{
    (void)state;
    const struct span hosts[] = {SPAN("x\" onload=\"y"), SPAN("<b>"), SPAN("")};
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct ws_request request = {.host = hosts[i], .is_secure = true};
        struct buf url = {0};
        hostmeta_url(&request, SPAN("localhost"), &url);
        assert_string_equal(buf_cstr(&url), "wss://localhost/ws");
        buf_deinit(&url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files_have_their_type, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_folder_is_redirected_to_its_slash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_outside_the_root_is_served, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_methods_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_meta_names_the_websocket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_host_meta_of_a_domain_names_its_own_websocket, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_https_only_is_told_over_https_alone, setup, teardown),
        cmocka_unit_test(test_a_forged_host_is_not_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
