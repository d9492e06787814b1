/* What the bus costs: CPU of both ends per item, at given rates.
 *
 *     bus_bench [rate ...]         items a second, one way, each settled at once; default 1000 5000
 * 20000 bus_bench -l MS [rate ...]   with another linger
 *
 * Two processes, one conversation over ipc. What the generator's ticking alone takes is measured
 * first and subtracted. Prints per rate: CPU µs per item over both processes, how much of that in
 * the kernel, context switches and frames per item, latency until settled.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "metric/metric.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUN_MS     4000
#define TICK_MS    1
#define MAX_PEOPLE 64

struct usage {
    double cpu_us;
    double system_us;
    double switches;
};

static struct loop *loop;
static struct bus *bus;
static unsigned linger_ms = 3;
static uint64_t sent;
static uint64_t settled;
static double latency_us;
static double worst_us;
static uint64_t start_us;
static unsigned rate;

static struct usage usage_of(int who)
{
    struct rusage r;

    getrusage(who, &r);
    return (struct usage){
        .cpu_us = (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e6 +
                  (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec),
        .system_us = (double)r.ru_stime.tv_sec * 1e6 + (double)r.ru_stime.tv_usec,
        .switches = (double)(r.ru_nvcsw + r.ru_nivcsw),
    };
}

static void take_item(void *ctx, struct bus_peer *peer, uint64_t token, const struct wire_msg *msg)
{
    (void)ctx;
    (void)msg;
    bus_settle(peer, token);
}

/* The caller asks for our usage: counted from here. */
static void tell_usage(void *ctx, struct bus_call *call, const struct wire_msg *msg)
{
    struct usage usage = usage_of(RUSAGE_SELF);
    struct wire_msg reply = {.id = WIRE_ID_result};
    char text[200];

    (void)ctx;
    (void)msg;
    snprintf(text, sizeof text, "%f %f %f %lld", usage.cpu_us, usage.system_us, usage.switches,
             (long long)metric_value(METRIC_bus_frames_out));
    reply.u.result.text = span_cstr(text);
    bus_reply(call, &reply);
}

static struct bus *open_bus(const char *kind, const char *listen, const char *dial)
{
    char error[200] = "";
    struct bus *made =
        bus_new(&(struct bus_options){.loop = loop,
                                      .kind = kind,
                                      .instance = kind,
                                      .listen = listen,
                                      .dial = &dial,
                                      .dial_count = dial ? 1 : 0,
                                      .linger_ms = linger_ms,
                                      .handlers = {.item = take_item, .call = tell_usage}},
                error, sizeof error);

    if (!made) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    return made;
}

static void on_settled(void *arg, enum bus_outcome outcome)
{
    double us = (double)(clock_mono_us() - (uint64_t)(uintptr_t)arg);

    (void)outcome;
    settled++;
    latency_us += us;
    if (us > worst_us)
        worst_us = us;
}

static void on_tick(void *arg)
{
    static const char payload[300];
    uint64_t now = clock_mono_us();
    uint64_t due = (now - start_us) * rate / 1000000;
    struct wire_msg msg = {.id = WIRE_ID_route};

    (void)arg;
    msg.u.route.stanza = span_of(payload, sizeof payload);
    for (; sent < due; sent++) {
        msg.u.route.origin_n = sent;
        if (bus_send(bus, "router", sent % MAX_PEOPLE, &msg, on_settled, (void *)(uintptr_t)now))
            break;
    }
}

static char remote[200];

static void on_usage(void *arg, enum bus_outcome outcome, const struct wire_msg *reply)
{
    struct span text = outcome == BUS_SETTLED ? reply->u.result.text : SPAN("0 0 0 0");

    (void)arg;
    snprintf(remote, sizeof remote, "%.*s", SPAN_ARG(text));
}

static struct usage both_usages(double *frames_out)
{
    struct wire_msg msg = {.id = WIRE_ID_account_exists};
    struct usage mine;
    double other[3] = {0};
    double frames = 0;

    remote[0] = 0;
    bus_call(bus, "router", 0, &msg, 1000, on_usage, NULL);
    while (!remote[0])
        loop_run_once(loop, 1);
    mine = usage_of(RUSAGE_SELF);
    if (sscanf(remote, "%lf %lf %lf %lf", &other[0], &other[1], &other[2], &frames) != 4)
        exit(1);
    *frames_out = frames + (double)metric_value(METRIC_bus_frames_out);
    return (struct usage){mine.cpu_us + other[0], mine.system_us + other[1],
                          mine.switches + other[2]};
}

/* What RUN_MS at a rate take, and the frames. */
static struct usage measure(unsigned items_per_second, double *frames_out)
{
    struct loop_timer tick;
    struct usage before;
    struct usage after;
    double frames_before;

    rate = items_per_second;
    sent = settled = 0;
    latency_us = worst_us = 0;
    before = both_usages(&frames_before);
    start_us = clock_mono_us();
    loop_timer_init(&tick, loop, on_tick, NULL);
    loop_timer_start(&tick, TICK_MS, TICK_MS);
    while (clock_mono_us() - start_us < RUN_MS * 1000)
        loop_run_once(loop, 1);
    loop_timer_stop(&tick);
    while (settled < sent)
        loop_run_once(loop, 1);
    after = both_usages(frames_out);
    *frames_out -= frames_before;
    return (struct usage){after.cpu_us - before.cpu_us, after.system_us - before.system_us,
                          after.switches - before.switches};
}

/* `idle` is what the ticking alone takes. */
static void run(unsigned items_per_second, struct usage idle)
{
    double frames;
    struct usage used = measure(items_per_second, &frames);
    double n = (double)settled;

    printf("%7u %9.1f %9.1f %9.2f %9.3f %9.2f %9.2f\n", items_per_second,
           (used.cpu_us - idle.cpu_us) / n, (used.system_us - idle.system_us) / n,
           (used.switches - idle.switches) / n, frames / n, latency_us / n / 1000, worst_us / 1000);
    fflush(stdout);
}

static pid_t start_receiver(const char *address)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    loop = loop_new();
    bus = open_bus("router", address, NULL);
    loop_run(loop);
    _exit(0);
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"1000", "5000", "20000"};
    char address[64];
    struct usage idle;
    double frames;
    int first = 1;
    pid_t pid;

    log_set_level(LOG_LEVEL_ERROR);
    if (argc > 2 && strcmp(argv[1], "-l") == 0) {
        linger_ms = (unsigned)strtoul(argv[2], NULL, 10);
        first = 3;
    }
    snprintf(address, sizeof address, "ipc:///tmp/bus-bench-%d", getpid());
    pid = start_receiver(address); /* before nng has made any thread here */
    loop = loop_new();
    bus = open_bus("edge", NULL, address);
    idle = measure(0, &frames);
    printf("   rate    CPU us  of it sys  switches    frames  ms avg    ms max  (per item, linger "
           "%u)\n",
           linger_ms);
    if (first >= argc) {
        for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
            run((unsigned)strtoul(usual[i], NULL, 10), idle);
    }
    for (int i = first; i < argc; i++)
        run((unsigned)strtoul(argv[i], NULL, 10), idle);
    bus_free(bus);
    loop_free(loop);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    unlink(address + strlen("ipc://"));
    return 0;
}
