/* mockpeer - a daemon played by a test: on the real bus, told by lines what to do.
 *
 *     mockpeer --kind edge --instance edge-1 [--listen ADDR] [--hub] [--dial ADDR ...]
 *              [--hears ADDR ...] [--announce LINE ...] [--hold]
 *
 * Says one JSON object a line on standard output: {"event":"peer_up"|"peer_down"|"item"|"call"|
 * "notice"|"gap"|"settled"|"reply"|"error", ...} with the fields of messages (fields.h).
 * Takes one command a line on standard input, words separated by spaces, values percent-encoded:
 *
 *     send KIND HASHTEXT TAG MESSAGE field=value ...      an item to the owner of hash(HASHTEXT)
 *     send_to INSTANCE TAG MESSAGE field=value ...        an item to that instance
 *     call KIND HASHTEXT TAG DEADLINE_MS MESSAGE field=value ...
 *     reply CALL MESSAGE field=value ...                  to the event call with that number
 *     settle TOKEN                                        with --hold; else it is done at once
 *     hold on|off                                         says {"event":"holding"}
 *     notice MESSAGE field=value ...
 *     encode MESSAGE field=value ...                      says {"event":"encoded","hex":...}
 *
 * Ends when standard input does.
 */
#include "fields.h"

#include "base/codec.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "loop/loop.h"
#include "loop/poll.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_WORDS 4096
#define MAX_LIST  64

/* An item that is held: its number here stands for peer and token. */
struct held {
    struct bus_peer *peer;
    uint64_t token;
};

static struct {
    struct loop *loop;
    struct bus *bus;
    bool holds;
    uint64_t last_number;
    struct map64 items; /* number -> struct held */
    struct map64 calls; /* number -> struct bus_call */
    struct buf input;
    struct buf line; /* being said */
    struct arena arena;
} m;

/* ---- saying ---- */

static void begin(const char *event)
{
    buf_reset(&m.line);
    buf_printf(&m.line, "{\"event\":\"%s\"", event);
}

static void member(const char *name, struct span text)
{
    buf_printf(&m.line, ",\"%s\":", name);
    fields_quote(text, &m.line);
}

static void end(void)
{
    buf_append_cstr(&m.line, "}\n");
    fwrite(m.line.data, 1, m.line.len, stdout);
    fflush(stdout);
}

static void say_error(struct span what)
{
    begin("error");
    member("text", what);
    end();
}

static void say_peer(const char *event, struct bus_peer *peer)
{
    const struct span *lines;
    size_t count = bus_peer_announced(peer, &lines);

    begin(event);
    member("kind", span_cstr(bus_peer_kind(peer)));
    member("instance", span_cstr(bus_peer_instance(peer)));
    buf_append_cstr(&m.line, ",\"announce\":[");
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append_u8(&m.line, ',');
        fields_quote(lines[i], &m.line);
    }
    buf_append_u8(&m.line, ']');
    end();
}

/* ---- what the bus brings ---- */

static void on_peer_up(void *ctx, struct bus_peer *peer)
{
    (void)ctx;
    say_peer("peer_up", peer);
}

static void on_peer_down(void *ctx, struct bus_peer *peer)
{
    (void)ctx;
    say_peer("peer_down", peer);
}

static void on_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    struct held *held;

    (void)ctx;
    begin("item");
    buf_printf(&m.line, ",\"token\":%llu", (unsigned long long)++m.last_number);
    member("peer", span_cstr(bus_peer_instance(peer)));
    fields_show(msg, &m.line);
    end();
    if (!m.holds) {
        bus_settle(peer, token);
        return;
    }
    held = mem_alloc(sizeof *held);
    *held = (struct held){peer, token};
    map64_put(&m.items, m.last_number, held);
}

static void on_call(void *ctx, struct bus_call *call, const struct wire_msg *msg)
{
    (void)ctx;
    begin("call");
    buf_printf(&m.line, ",\"call\":%llu", (unsigned long long)++m.last_number);
    fields_show(msg, &m.line);
    end();
    map64_put(&m.calls, m.last_number, call);
}

static void on_notice(void *ctx, const struct wire_msg *msg)
{
    (void)ctx;
    begin("notice");
    fields_show(msg, &m.line);
    end();
}

static void on_gap(void *ctx)
{
    (void)ctx;
    begin("gap");
    end();
}

static const char *const outcomes[] = {[BUS_SETTLED] = "settled",
                                       [BUS_LOST] = "lost",
                                       [BUS_TIMEOUT] = "timeout",
                                       [BUS_NO_PEER] = "no_peer"};

/* `arg` is the tag, owned. */
static void on_settled(void *arg, enum bus_outcome outcome)
{
    begin("settled");
    member("tag", span_cstr(arg));
    member("ended", span_cstr(outcomes[outcome]));
    end();
    mem_free(arg);
}

static void on_reply(void *arg, enum bus_outcome outcome, const struct wire_msg *reply)
{
    begin("reply");
    member("tag", span_cstr(arg));
    member("ended", span_cstr(outcomes[outcome]));
    if (reply)
        fields_show(reply, &m.line);
    end();
    mem_free(arg);
}

/* ---- commands: the words behind the command's own ---- */

static int read_msg(const struct span *words, size_t count, struct wire_msg *msg_out)
{
    struct buf error = {0};
    const struct field_words fields = {words + 1, count - 1};
    int result = fields_read(words[0], &fields, &m.arena, msg_out, &error);

    if (result != 0)
        say_error(buf_span(&error));
    buf_deinit(&error);
    return result;
}

static const char *text(struct span word)
{
    return arena_copy(&m.arena, fields_unquote(word, &m.arena)).data;
}

static void do_send(const struct span *words, size_t count)
{
    struct wire_msg msg;
    char *tag;

    if (read_msg(words + 3, count - 3, &msg) != 0)
        return;
    tag = mem_strdup(text(words[2]));
    if (bus_send(m.bus, text(words[0]), hash_span(fields_unquote(words[1], &m.arena)), &msg,
                 on_settled, tag) != 0) {
        say_error(SPAN("refused"));
        mem_free(tag);
    }
}

static void do_send_to(const struct span *words, size_t count)
{
    struct bus_peer *peer = bus_find(m.bus, fields_unquote(words[0], &m.arena));
    struct wire_msg msg;
    char *tag;

    if (!peer)
        say_error(SPAN("no such peer"));
    if (!peer || read_msg(words + 2, count - 2, &msg) != 0)
        return;
    tag = mem_strdup(text(words[1]));
    if (bus_send_to(peer, &msg, on_settled, tag) != 0) {
        say_error(SPAN("refused"));
        mem_free(tag);
    }
}

static void do_call(const struct span *words, size_t count)
{
    struct wire_msg msg;
    uint64_t deadline_ms;

    if (span_to_u64(words[3], &deadline_ms) != 0)
        say_error(SPAN("deadline is no number"));
    else if (read_msg(words + 4, count - 4, &msg) == 0)
        bus_call(m.bus, text(words[0]), hash_span(fields_unquote(words[1], &m.arena)), &msg,
                 (uint32_t)deadline_ms, on_reply, mem_strdup(text(words[2])));
}

static void do_reply(const struct span *words, size_t count)
{
    struct bus_call *call;
    struct wire_msg msg;
    uint64_t number = 0;

    if (read_msg(words + 1, count - 1, &msg) != 0)
        return;
    (void)span_to_u64(words[0], &number);
    call = map64_remove(&m.calls, number);
    if (call)
        bus_reply(call, &msg);
    else
        say_error(SPAN("no such call"));
}

static void do_settle(const struct span *words, size_t count)
{
    struct held *held;
    uint64_t number = 0;

    (void)count;
    (void)span_to_u64(words[0], &number);
    held = map64_remove(&m.items, number);
    if (held)
        bus_settle(held->peer, held->token);
    else
        say_error(SPAN("no such item"));
    mem_free(held);
}

static void do_hold(const struct span *words, size_t count)
{
    (void)count;
    m.holds = span_is(words[0], "on");
    begin("holding");
    end();
}

static void do_notice(const struct span *words, size_t count)
{
    struct wire_msg msg;

    if (read_msg(words, count, &msg) == 0)
        bus_notice(m.bus, &msg);
}

static void do_encode(const struct span *words, size_t count)
{
    struct wire_msg msg;
    struct buf bytes = {0};
    struct buf hex = {0};

    if (read_msg(words, count, &msg) != 0)
        return;
    wire_encode(&msg, &bytes);
    hex_encode(buf_span(&bytes), &hex);
    begin("encoded");
    member("hex", buf_span(&hex));
    end();
    buf_deinit(&bytes);
    buf_deinit(&hex);
}

static const struct {
    const char *name;
    size_t min_words; /* behind it */
    void (*run)(const struct span *words, size_t count);
} commands[] = {
    {"send", 4, do_send},     {"send_to", 3, do_send_to}, {"call", 5, do_call},
    {"reply", 2, do_reply},   {"settle", 1, do_settle},   {"hold", 1, do_hold},
    {"notice", 1, do_notice}, {"encode", 1, do_encode},
};

static void run_line(struct span line)
{
    static struct span words[MAX_WORDS];
    size_t count = 0;

    while (line.len > 0 && count < MAX_WORDS) {
        size_t len = span_find(line, ' ');

        if (len > 0)
            words[count++] = span_head(line, len);
        line = span_from(line, len + 1);
    }
    arena_reset(&m.arena);
    for (size_t i = 0; count > 0 && i < sizeof commands / sizeof commands[0]; i++) {
        if (!span_is(words[0], commands[i].name) || count - 1 < commands[i].min_words)
            continue;
        commands[i].run(words + 1, count - 1);
        return;
    }
    say_error(SPAN("no such command"));
}

static void on_input(void *arg, unsigned events)
{
    char *room = buf_reserve(&m.input, 65536);
    ssize_t n = read(STDIN_FILENO, room, 65536);
    size_t len;

    (void)arg;
    (void)events;
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        loop_stop(m.loop);
        return;
    }
    if (n > 0)
        m.input.len += (size_t)n;
    while ((len = span_find(buf_span(&m.input), '\n')) < m.input.len) {
        run_line(span_head(buf_span(&m.input), len));
        buf_consume(&m.input, len + 1);
    }
}

/* ---- starting ---- */

struct list {
    const char *texts[MAX_LIST];
    size_t count;
};

static void add(struct list *list, const char *what)
{
    if (list->count < MAX_LIST)
        list->texts[list->count++] = what;
}

static const struct option long_options[] = {
    {"kind", required_argument, NULL, 'k'},
    {"instance", required_argument, NULL, 'i'},
    {"listen", required_argument, NULL, 'l'},
    {"hub", no_argument, NULL, 'h'},
    {"dial", required_argument, NULL, 'd'},
    {"hears", required_argument, NULL, 'n'},
    {"hold", no_argument, NULL, 'H'},
    {"announce", required_argument, NULL, 'a'},
    {NULL, 0, NULL, 0},
};

static void read_arguments(int argc, char **argv, struct bus_options *options)
{
    static struct list dial;
    static struct list hubs;
    static struct span lines[MAX_LIST];
    int c;

    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (c == 'k')
            options->kind = optarg;
        else if (c == 'i')
            options->instance = optarg;
        else if (c == 'l')
            options->listen = optarg;
        else if (c == 'h')
            options->is_hub = options->wants_notices = true;
        else if (c == 'd')
            add(&dial, optarg);
        else if (c == 'n')
            add(&hubs, optarg);
        else if (c == 'H')
            m.holds = true;
        else if (c == 'a' && options->announce_count < MAX_LIST)
            lines[options->announce_count++] = span_cstr(optarg);
        else
            exit(64);
    }
    options->announce = lines;
    options->dial = dial.texts;
    options->dial_count = dial.count;
    options->hubs = hubs.texts;
    options->hub_count = hubs.count;
    options->wants_notices = options->wants_notices || hubs.count > 0;
}

int main(int argc, char **argv)
{
    struct bus_options options = {
        .kind = "mock",
        .instance = "mock-0",
        .linger_ms = 1,
        .handlers = {on_peer_up, on_peer_down, on_item, on_call, on_notice, on_gap},
    };
    char error[256] = "";
    struct loop_poll *poll;

    log_set_level(LOG_LEVEL_WARN);
    m.loop = options.loop = loop_new();
    read_arguments(argc, argv, &options);
    m.bus = bus_new(&options, error, sizeof error);
    if (!m.bus) {
        fprintf(stderr, "mockpeer: %s\n", error);
        return 1;
    }
    poll = loop_poll_new(m.loop, STDIN_FILENO, on_input, NULL);
    loop_poll_set(poll, LOOP_READABLE);
    loop_run(m.loop);
    loop_poll_free(poll);
    bus_free(m.bus);
    loop_free(m.loop);
    return 0;
}
