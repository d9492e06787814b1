/* Scenarios and report of the load generator.
 *
 *   jackdaw-load --host 127.0.0.1 --port 5280 --domain localhost --clients 200 --scenario chat
 *                --rate 1000 --seconds 20
 *
 * login  brings all clients in at --logins per second and says how long each took
 * idle   brings them in and holds them for --seconds
 * chat   pairs (2k, 2k+1) chat at --rate messages per second over all; latency counts from the
 * moment a message was due, so that a server that stalls cannot hide it (open loop) max    as chat,
 * but each pair keeps --window messages under way (closed loop)
 *
 * Prints `event=window_begin` and `event=window_end` lines around the measured time, so that a
 * runner can read the servers' CPU at both, and one JSON line at the end.
 */
#include "load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define LATENCY_BUCKETS 200000 /* of 10 microseconds */

struct settings settings = {.host = "127.0.0.1",
                            .port = 5280,
                            .domain = "localhost",
                            .path = "/ws",
                            .prefix = "bench",
                            .password = "bench",
                            .is_ws = true,
                            .clients = 200,
                            .logins_per_second = 200,
                            .scenario = "chat",
                            .rate = 1000,
                            .window = 1,
                            .seconds = 10,
                            .warmup = 2};

static struct client *clients;
static uint32_t ready, failed;
static uint64_t window_begin, window_end; /* microseconds; 0: not yet */
static uint64_t sent, received, received_in_window, login_sum_us;
static uint32_t latency[LATENCY_BUCKETS];
static uint64_t latency_count;

void client_failed(struct client *c, const char *why)
{
    if (c->phase == PHASE_DEAD) {
        return;
    }
    if (failed++ < 5) {
        fprintf(stderr, "client %u: %s (phase %d, step %d)\n", c->index, why, (int)c->phase,
                c->step);
    }
    net_close(c);
}

void client_ready(struct client *c)
{
    c->phase = PHASE_READY;
    ready++;
    login_sum_us += now_us() - c->started_us;
    net_sendf(c, "<presence xmlns='jabber:client'/>");
}

static void chat_send(struct client *c, uint64_t due_us)
{
    net_sendf(
        c,
        "<message xmlns='jabber:client' type='chat' id='m%llu' to='%s%u@%s/bench'>"
        "<body>due %llu: what is said here is as long as people's messages are</body></message>",
        (unsigned long long)++c->sent, settings.prefix, c->index ^ 1, settings.domain,
        (unsigned long long)due_us);
    sent++;
}

static void chat_count(uint64_t due_us)
{
    uint64_t now = now_us();
    received++;
    if (due_us >= window_begin && (window_end == 0 || due_us < window_end) && window_begin != 0) {
        uint64_t bucket = (now - due_us) / 10;
        received_in_window++;
        latency[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
        latency_count++;
    }
}

static bool is_closed_loop(void)
{
    return strcmp(settings.scenario, "max") == 0;
}

static void client_acks(struct client *c, const char *text)
{
    if (settings.with_sm && strstr(text, "<r xmlns") != NULL) {
        net_sendf(c, "<a xmlns='urn:xmpp:sm:3' h='%llu'/>", (unsigned long long)c->acked);
    }
}

void client_receive(struct client *c, const char *data, size_t len)
{
    char *text = strndup(data, len);
    const char *p = text;
    for (const char *q = text; (q = strchr(q, '<')) != NULL; q++) {
        c->acked += strncmp(q, "<message", 8) == 0 || strncmp(q, "<presence", 9) == 0 ||
                    strncmp(q, "<iq", 3) == 0;
    }
    while ((p = strstr(p, "<body>due ")) != NULL) {
        p += 10;
        chat_count(strtoull(p, NULL, 10));
        if (is_closed_loop() && window_end == 0) {
            chat_send(c, now_us());
        }
    }
    if (strstr(text, "urn:xmpp:ping") != NULL) {
        const char *id = strstr(text, " id=");
        char quote[2] = {id != NULL ? id[4] : '\'', 0};
        size_t n = id != NULL ? strcspn(id + 5, quote) : 0;
        net_sendf(c, "<iq xmlns='jabber:client' type='result' id='%.*s'/>", (int)n,
                  id != NULL ? id + 5 : "");
    }
    client_acks(c, text);
    free(text);
}

/* ---- phases ---- */
static void bring_in(void)
{
    uint64_t begin = now_us();
    uint32_t started = 0;
    while (ready + failed < settings.clients) {
        uint64_t due = (now_us() - begin) * settings.logins_per_second / 1000000 + 1;
        while (started < settings.clients && started < due) {
            net_connect(&clients[started++]);
        }
        net_poll(1);
        if (now_us() - begin >
            120000000ull + 1000000ull * settings.clients / settings.logins_per_second) {
            fprintf(stderr, "gave up waiting for logins\n");
            break;
        }
    }
    fprintf(stderr, "event=logged_in ready=%u failed=%u seconds=%.2f\n", ready, failed,
            (double)(now_us() - begin) / 1e6);
}

static void hold(uint32_t seconds)
{
    uint64_t end = now_us() + seconds * 1000000ull;
    while (now_us() < end) {
        net_poll(20);
    }
}

static void say(const char *event)
{
    printf("event=%s\n", event);
    fflush(stdout);
}

/* Sends what is due, evenly over the clients, until `until`. */
static void chat_open(uint64_t begin, uint64_t until, uint64_t *count)
{
    while (now_us() < until) {
        uint64_t due = (now_us() - begin) * settings.rate / 1000000;
        while (*count < due) {
            struct client *c = &clients[*count % settings.clients];
            if (c->phase == PHASE_READY) {
                chat_send(c, begin + *count * 1000000 / settings.rate);
            }
            ++*count;
        }
        net_poll(1);
    }
}

static void chat(void)
{
    uint64_t begin = now_us(), count = 0;
    if (is_closed_loop()) {
        for (uint32_t i = 0; i < settings.clients * settings.window; i++) {
            chat_send(&clients[i % settings.clients], begin);
        }
        hold(settings.warmup);
        say("window_begin");
        window_begin = now_us();
        hold(settings.seconds);
    } else {
        chat_open(begin, begin + settings.warmup * 1000000ull, &count);
        say("window_begin");
        window_begin = now_us();
        chat_open(begin, window_begin + settings.seconds * 1000000ull, &count);
    }
    window_end = now_us();
    say("window_end");
    hold(3);
}

/* ---- report ---- */
static double percentile(double p)
{
    uint64_t want = (uint64_t)((double)latency_count * p), seen = 0;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency[i];
        if (seen > want) {
            return (double)i / 100.0;
        }
    }
    return 0;
}

static void report(void)
{
    struct rusage usage;
    double seconds = (double)(window_end - window_begin) / 1e6;
    getrusage(RUSAGE_SELF, &usage);
    printf(
        "{\"ready\":%u,\"failed\":%u,\"login_ms\":%.2f,\"sent\":%llu,\"received\":%llu,"
        "\"in_window\":%llu,\"seconds\":%.3f,\"per_second\":%.0f,\"p50_ms\":%.2f,\"p99_ms\":%.2f,"
        "\"own_cpu_s\":%.2f}\n",
        ready, failed, ready > 0 ? (double)login_sum_us / ready / 1000 : 0,
        (unsigned long long)sent, (unsigned long long)received,
        (unsigned long long)received_in_window, seconds,
        seconds > 0 ? (double)received_in_window / seconds : 0, percentile(0.5), percentile(0.99),
        (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
}

/* ---- options ---- */
static void number(const char *text, uint32_t *out)
{
    *out = (uint32_t)strtoul(text, NULL, 10);
}

static void options(int argc, char **argv)
{
    static const struct option names[] = {
        {"host", 1, NULL, 'h'},     {"port", 1, NULL, 'p'},    {"domain", 1, NULL, 'd'},
        {"path", 1, NULL, 'P'},     {"prefix", 1, NULL, 'u'},  {"password", 1, NULL, 'w'},
        {"tcp", 0, NULL, 't'},      {"tls", 0, NULL, 's'},     {"plain", 0, NULL, 'a'},
        {"sm", 0, NULL, 'm'},       {"clients", 1, NULL, 'c'}, {"logins", 1, NULL, 'l'},
        {"scenario", 1, NULL, 'S'}, {"rate", 1, NULL, 'r'},    {"window", 1, NULL, 'W'},
        {"seconds", 1, NULL, 'T'},  {"warmup", 1, NULL, 'U'},  {"first", 1, NULL, 'f'},
        {NULL, 0, NULL, 0}};
    int c;
    uint32_t port = settings.port;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'h':
            settings.host = optarg;
            break;
        case 'p':
            number(optarg, &port);
            break;
        case 'd':
            settings.domain = optarg;
            break;
        case 'P':
            settings.path = optarg;
            break;
        case 'u':
            settings.prefix = optarg;
            break;
        case 'w':
            settings.password = optarg;
            break;
        case 't':
            settings.is_ws = false;
            break;
        case 's':
            settings.is_tls = true;
            break;
        case 'a':
            settings.is_plain = true;
            break;
        case 'm':
            settings.with_sm = true;
            break;
        case 'c':
            number(optarg, &settings.clients);
            break;
        case 'l':
            number(optarg, &settings.logins_per_second);
            break;
        case 'S':
            settings.scenario = optarg;
            break;
        case 'r':
            number(optarg, &settings.rate);
            break;
        case 'W':
            number(optarg, &settings.window);
            break;
        case 'T':
            number(optarg, &settings.seconds);
            break;
        case 'U':
            number(optarg, &settings.warmup);
            break;
        case 'f':
            number(optarg, &settings.first);
            break;
        default:
            exit(64);
        }
    }
    settings.port = (uint16_t)port;
}

int main(int argc, char **argv)
{
    bool is_login;
    options(argc, argv);
    is_login = strcmp(settings.scenario, "login") == 0;
    clients = calloc(settings.clients, sizeof(*clients));
    if (clients == NULL || net_init() != 0) {
        perror("jackdaw-load");
        return 1;
    }
    for (uint32_t i = 0; i < settings.clients; i++) {
        clients[i].index = settings.first + i;
        clients[i].fd = -1;
    }
    if (is_login) {
        say("window_begin");
        window_begin = now_us();
    }
    bring_in();
    if (is_login) {
        window_end = now_us();
        hold(1);
        say("window_end");
    } else if (strcmp(settings.scenario, "idle") == 0) {
        say("window_begin");
        hold(settings.seconds);
        say("window_end");
    } else {
        hold(1);
        chat();
    }
    report();
    return failed == 0 ? 0 : 1;
}
