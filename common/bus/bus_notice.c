/* Notices: publishers dial the hubs (routers), hubs pass everything on to whoever subscribed.
 *
 * A hub that listens on X takes notices at X.in and gives them out at X.out (TCP: the next two
 * ports). Whoever wants notices hears all hubs and drops what it has had from another one. A
 * publisher numbers what it says, and repeats the next number when it has been silent for a while
 * or is heard anew, so that a subscriber notices what it missed even when nothing follows.
 */
#include "bus/bus_internal.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "metric/metric.h"

#include <stdio.h>

#define ADDRESS_SIZE 256
/* A frame of notices leaves at this size. */
#define FLUSH_BYTES ((size_t)64 * 1024)
/* The number is repeated so long after a notice, then after each longer time; and so long after
 * somebody connected (nng hears of a connection before it uses it). */
#define REPEAT_FIRST_MS   1000
#define REPEAT_LATER_MS   10000
#define REPEAT_CONNECT_MS 100

struct publisher {
    uint64_t boot;
    uint64_t next; /* number of the next notice */
};

/* ---- addresses ---- */

/* Only the scheme tells: a path may well hold these letters. */
static bool is_tcp(const char *address)
{
    static const char *const schemes[] = {
        "tcp:", "tcp4:", "tcp6:", "tls+tcp:", "tls+tcp4:", "tls+tcp6:"};

    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (span_has_prefix(span_cstr(address), span_cstr(schemes[i])))
            return true;
    }
    return false;
}

/* `base` with a suffix, or for TCP with the port `step` higher. -1 when that is no address. */
static int derive_address(const char *base, unsigned step, char out[ADDRESS_SIZE])
{
    static const char *const suffixes[] = {"", ".in", ".out"};
    const char *colon = strrchr(base, ':');
    uint64_t port;
    int len;

    if (!is_tcp(base)) {
        len = snprintf(out, ADDRESS_SIZE, "%s%s", base, suffixes[step]);
    } else {
        if (span_to_u64(span_cstr(colon ? colon + 1 : ""), &port) != 0 || port + step > 65535)
            return -1;
        len = snprintf(out, ADDRESS_SIZE, "%.*s:%u", (int)(colon - base), base,
                       (unsigned)port + step);
    }
    return len > 0 && len < ADDRESS_SIZE ? 0 : -1;
}

typedef int connect_fn(struct port *port, const char *address, const char **reason_out);

/* Listens on or dials what is derived from `base`. */
static int connect_derived(struct port *port, connect_fn *connect, const char *base, unsigned step,
                           struct buf *error)
{
    char address[ADDRESS_SIZE];
    const char *reason = "not an address with room for two more";

    if (derive_address(base, step, address) == 0 && connect(port, address, &reason) == 0)
        return 0;
    buf_printf(error, "notices of %s: %s", base, reason);
    return -1;
}

/* ---- sending ---- */

static void flush(struct bus *bus)
{
    struct bus_notices *notices = bus->notices;
    struct frame_section own = {
        .publisher = span_cstr(bus->instance),
        .boot = bus->boot,
        .first = notices->next - notices->said_count,
        .count = notices->said_count,
        .messages = buf_span(&notices->said),
    };

    loop_task_cancel(&notices->flush_task);
    loop_timer_stop(&notices->flush_timer);
    buf_reset(&bus->frame);
    frame_begin_notices(&bus->frame);
    if (notices->said_count > 0) {
        frame_write_section(&own, &bus->frame);
        loop_timer_start(&notices->repeat_timer, REPEAT_FIRST_MS, REPEAT_LATER_MS);
    }
    buf_append_span(&bus->frame, buf_span(&notices->sections));
    (void)port_send(notices->out, 0, buf_span(&bus->frame));
    notices->said_count = 0;
    buf_reset(&notices->said);
    buf_reset(&notices->sections);
    notices->flushed_ms = bus_now_ms(bus);
}

static void on_flush(void *arg)
{
    flush(arg);
}

/* As long as no hub is connected what was said is kept, within limits: a daemon that has just
 * started has no connection yet. */
static void hold_back(struct bus_notices *notices)
{
    if (notices->said.len < FLUSH_BYTES)
        return;
    notices->said_count = 0; /* the numbers that are missing will show it */
    buf_reset(&notices->said);
}

/* At the end of this turn, but not within the linger of the last time. */
static void plan_flush(struct bus *bus)
{
    struct bus_notices *notices = bus->notices;
    uint64_t due_ms = notices->flushed_ms + bus->options.linger_ms;
    uint64_t now = bus_now_ms(bus);

    if (due_ms < notices->ready_ms)
        due_ms = notices->ready_ms;
    if (notices->out_pipes == 0 && !bus->options.is_hub)
        hold_back(notices);
    else if (notices->said.len + notices->sections.len >= FLUSH_BYTES)
        flush(bus);
    else if (due_ms <= now)
        loop_task_schedule(&notices->flush_task);
    else if (!loop_timer_is_active(&notices->flush_timer))
        loop_timer_start(&notices->flush_timer, (uint32_t)(due_ms - now), 0);
}

void bus_notice(struct bus *bus, const struct wire_msg *msg)
{
    struct bus_notices *notices = bus->notices;

    ASSERT(wire_kind_of(msg->id) == WIRE_NOTICE);
    if (!notices->out)
        return;
    metric_inc(METRIC_bus_notices_out);
    if (bus_encode(bus, msg) != 0) {
        notices->next++; /* so that subscribers know */
        return;
    }
    frame_write_message(buf_span(&bus->message), &notices->said);
    notices->said_count++;
    notices->next++;
    plan_flush(bus);
}

/* Tells which number comes next. */
static void on_repeat(void *arg)
{
    struct bus *bus = arg;
    const struct frame_section section = {
        .publisher = span_cstr(bus->instance), .boot = bus->boot, .first = bus->notices->next};

    if (bus->notices->said_count > 0 || bus->notices->out_pipes == 0)
        return; /* what will leave tells it too */
    frame_write_section(&section, &bus->notices->sections);
    plan_flush(bus);
}

/* ---- hearing ---- */

static void report_gap(struct bus *bus)
{
    metric_inc(METRIC_bus_notice_gaps);
    if (bus->options.handlers.notice_gap)
        bus->options.handlers.notice_gap(bus->options.ctx);
}

static void deliver(struct bus *bus, struct span message)
{
    struct wire_msg msg;

    metric_inc(METRIC_bus_notices_in);
    if (bus_decode(bus, message, WIRE_NOTICE, &msg) == 0 && bus->options.handlers.notice)
        bus->options.handlers.notice(bus->options.ctx, &msg);
}

/* The record of a publisher. Sets *missed_out when something it said was or may have been missed.
 */
static struct publisher *know_publisher(struct bus *bus, const struct frame_section *section,
                                        bool *missed_out)
{
    struct map *publishers = &bus->notices->publishers;
    struct publisher *publisher = map_get(publishers, section->publisher);

    if (!publisher) {
        publisher = mem_alloc(sizeof *publisher);
        map_put(publishers, section->publisher, publisher);
        *publisher = (struct publisher){section->boot, section->first};
        *missed_out = section->first > 1;
        return publisher;
    }
    *missed_out = publisher->boot != section->boot || section->first > publisher->next;
    if (*missed_out)
        *publisher = (struct publisher){section->boot, section->first};
    return publisher;
}

static void hear_section(struct bus *bus, const struct frame_section *section)
{
    struct publisher *publisher;
    struct span rest = section->messages;
    struct span message;
    uint64_t number = section->first;
    bool missed;

    if (span_is(section->publisher, bus->instance))
        return;
    publisher = know_publisher(bus, section, &missed);
    if (missed)
        report_gap(bus);
    for (; !bus->closing && frame_next_message(&rest, &message); number++) {
        if (number < publisher->next)
            continue;
        publisher->next = number + 1;
        deliver(bus, message);
    }
}

void bus_notice_frame(struct bus *bus, struct span sections)
{
    struct frame_section section;

    while (!bus->closing && frame_next_section(&sections, &section)) {
        if (bus->options.is_hub) {
            buf_append_span(&bus->notices->sections, section.whole);
            plan_flush(bus);
        }
        if (bus->options.wants_notices)
            hear_section(bus, &section);
    }
}

void bus_notice_pipe_up(struct bus *bus, struct port *port)
{
    struct bus_notices *notices = bus->notices;

    if (port == notices->out && notices->out_pipes++ == 0)
        notices->ready_ms = bus_now_ms(bus) + REPEAT_CONNECT_MS;
    if (port == notices->out && notices->said_count > 0)
        plan_flush(bus);
    if (port == notices->out && notices->next > 1)
        loop_timer_start(&notices->repeat_timer, REPEAT_CONNECT_MS, REPEAT_LATER_MS);
    /* A hub is there (again): nobody knows what was said meanwhile. */
    if (port == notices->in && !bus->options.is_hub)
        report_gap(bus);
}

void bus_notice_pipe_gone(struct bus *bus, const struct port *port)
{
    if (port == bus->notices->out)
        bus->notices->out_pipes--;
}

/* ---- opening and closing ---- */

static int open_hub(struct bus *bus, struct buf *error)
{
    struct bus_notices *notices = bus->notices;

    if (!bus->options.listen) {
        buf_append_cstr(error, "a hub must listen");
        return -1;
    }
    if (connect_derived(notices->in, port_listen, bus->options.listen, 1, error) != 0)
        return -1;
    return connect_derived(notices->out, port_listen, bus->options.listen, 2, error);
}

static int dial_hubs(struct bus *bus, struct buf *error)
{
    struct bus_notices *notices = bus->notices;

    for (size_t i = 0; i < bus->options.hub_count; i++) {
        const char *hub = bus->options.hubs[i];

        if (connect_derived(notices->out, port_dial, hub, 1, error) != 0)
            return -1;
        if (notices->in && connect_derived(notices->in, port_dial, hub, 2, error) != 0)
            return -1;
    }
    return 0;
}

static int open_ports(struct bus *bus, struct buf *error)
{
    const struct bus_options *options = &bus->options;
    struct bus_notices *notices = bus->notices;

    if (!options->is_hub && options->hub_count == 0)
        return 0;
    notices->out = transport_open(bus->transport, PORT_PUB, NULL);
    if (options->is_hub || options->wants_notices)
        notices->in = transport_open(bus->transport, PORT_SUB, NULL);
    if (!notices->out || (!notices->in && (options->is_hub || options->wants_notices))) {
        buf_append_cstr(error, "notices: out of resources");
        return -1;
    }
    return options->is_hub ? open_hub(bus, error) : dial_hubs(bus, error);
}

int bus_notice_open(struct bus *bus, char *error, size_t error_size)
{
    struct bus_notices *notices = mem_calloc(1, sizeof *notices);
    struct buf reason = {0};
    int result;

    bus->notices = notices;
    notices->next = 1;
    map_init(&notices->publishers);
    loop_task_init(&notices->flush_task, bus->options.loop, on_flush, bus);
    loop_timer_init(&notices->flush_timer, bus->options.loop, on_flush, bus);
    loop_timer_init(&notices->repeat_timer, bus->options.loop, on_repeat, bus);
    result = open_ports(bus, &reason);
    if (result != 0)
        (void)snprintf(error, error_size, "%s", buf_cstr(&reason));
    buf_deinit(&reason);
    return result;
}

void bus_notice_close(struct bus *bus)
{
    struct bus_notices *notices = bus->notices;
    struct map_cursor at = {0};
    void *publisher;

    if (!notices)
        return;
    if (notices->said_count > 0 || notices->sections.len > 0)
        flush(bus);
    loop_task_cancel(&notices->flush_task);
    loop_timer_stop(&notices->flush_timer);
    loop_timer_stop(&notices->repeat_timer);
    while (map_next(&notices->publishers, &at, NULL, &publisher))
        mem_free(publisher);
    map_deinit(&notices->publishers);
    buf_deinit(&notices->said);
    buf_deinit(&notices->sections);
    mem_free(notices);
    bus->notices = NULL;
}
