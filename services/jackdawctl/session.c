/* session list */
#include "base/buf.h"
#include "base/clock.h"
#include "ctl.h"

#include <stdio.h>

#define LIST_PAGE 500 /* sessions asked for at once */

static const char *const columns[] = {"jid", "daemon", "address", "since"};
#define COLUMN_COUNT (sizeof(columns) / sizeof(columns[0]))

static void add_rows(struct ctl *ctl, const struct wire_session_list_reply *list, struct buf *cells)
{
    for (uint32_t i = 0; i < list->jids.count; i++) {
        char since[CLOCK_XEP82_SIZE] = "";
        if (i < list->since_ms.count)
            clock_format_xep82(list->since_ms.items[i], since);
        const struct span row[COLUMN_COUNT] = {
            list->jids.items[i],
            i < list->holders.count ? list->holders.items[i] : (struct span){0},
            i < list->addresses.count ? list->addresses.items[i] : (struct span){0},
            arena_copy(&ctl->arena, span_cstr(since)),
        };
        buf_append(cells, row, sizeof(row));
    }
}

int session_list(struct ctl *ctl, char **arguments)
{
    struct buf cells = {0};
    struct wire_msg reply;
    struct wire_msg request = {.id = WIRE_ID_session_list, .u.session_list = {.max = LIST_PAGE}};
    int code;
    (void)arguments;
    do {
        code = ctl_ask(ctl, &request, &reply);
        if (code == CTL_OK && reply.id != WIRE_ID_session_list_reply) {
            (void)fprintf(stderr, "jackdawctl: the sessions cannot be read now: is Redis there?\n");
            code = CTL_REFUSED;
        }
        if (code != CTL_OK)
            break;
        add_rows(ctl, &reply.u.session_list_reply, &cells);
        request.u.session_list.after = reply.u.session_list_reply.after;
    } while (reply.u.session_list_reply.more != 0);
    if (code == CTL_OK) {
        struct ctl_table table = {.columns = columns,
                                  .column_count = COLUMN_COUNT,
                                  .cells = (const struct span *)(void *)cells.data,
                                  .row_count = cells.len / sizeof(struct span) / COLUMN_COUNT};
        ctl_table_print(ctl, &table);
    }
    buf_deinit(&cells);
    return code;
}
