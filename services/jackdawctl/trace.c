/* trace: where a stanza went */
#include "base/clock.h"
#include "ctl.h"

#include <stdio.h>

static const char *const columns[] = {"time", "after", "daemon", "what", "detail", "trace id"};
#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))

static struct span element(const struct wire_strs *list, uint32_t i)
{
    return i < list->count ? list->items[i] : (struct span){0};
}

/* Time since the first note on the same stanza. */
static struct span elapsed(struct ctl *ctl, const struct wire_trace_read_reply *notes, uint32_t i)
{
    uint32_t first = i;
    while (first > 0 && span_eq(element(&notes->ids, first - 1), element(&notes->ids, i)))
        first--;
    uint64_t us = notes->at_us.items[i] - notes->at_us.items[first];
    return arena_printf(&ctl->arena, "%.3f ms", (double)us / 1000);
}

static void print(struct ctl *ctl, const struct wire_trace_read_reply *notes)
{
    struct buf cells = {0};
    for (uint32_t i = 0; i < notes->ids.count && i < notes->at_us.count; i++) {
        char time[CLOCK_XEP82_SIZE];
        clock_format_xep82(notes->at_us.items[i] / 1000, time);
        const struct span row[COLUMN_COUNT] = {
            arena_copy(&ctl->arena, span_cstr(time)),
            elapsed(ctl, notes, i),
            element(&notes->daemons, i),
            element(&notes->what, i),
            element(&notes->details, i),
            element(&notes->ids, i),
        };
        buf_append(&cells, row, sizeof(row));
    }
    struct ctl_table table = {.columns = columns,
                              .column_count = COLUMN_COUNT,
                              .cells = (const struct span *)(void *)cells.data,
                              .row_count = cells.len / sizeof(struct span) / COLUMN_COUNT};
    ctl_table_print(ctl, &table);
    buf_deinit(&cells);
}

int trace_show(struct ctl *ctl, char **arguments)
{
    struct wire_msg reply;
    struct wire_msg request = {.id = WIRE_ID_trace_read,
                               .u.trace_read = {.name = span_cstr(arguments[0])}};
    int code = ctl_ask(ctl, &request, &reply);
    if (code != CTL_OK)
        return code;
    if (reply.id != WIRE_ID_trace_read_reply) {
        (void)fprintf(stderr, "jackdawctl: traces cannot be read now: is Redis there?\n");
        return CTL_REFUSED;
    }
    if (reply.u.trace_read_reply.ids.count == 0) {
        (void)fprintf(stderr,
                      "jackdawctl: nothing is known of \"%s\". Traces are made while trace.keep is "
                      "set, of the accounts in trace.accounts, and kept that long.\n",
                      arguments[0]);
        return CTL_REFUSED;
    }
    print(ctl, &reply.u.trace_read_reply);
    return CTL_OK;
}
