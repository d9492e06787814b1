/* user add, remove, password, list */
#include "base/buf.h"
#include "ctl.h"

#include <stdio.h>

#define LIST_PAGE 500 /* accounts asked for at once */

static const char *words(struct ctl *ctl, const char *before, const char *account)
{
    return arena_printf(&ctl->arena, "%s %s", before, account).data;
}

int user_add(struct ctl *ctl, char **arguments)
{
    struct wire_msg request = {
        .id = WIRE_ID_account_add,
        .u.account_add = {.account = span_cstr(arguments[0]), .flags = WIRE_ACCOUNT_BY_OPERATOR}};
    if (ctl_password(ctl, &request.u.account_add.password) < 0)
        return CTL_USAGE;
    return ctl_ask_done(ctl, &request, words(ctl, "add", arguments[0]));
}

int user_remove(struct ctl *ctl, char **arguments)
{
    struct wire_msg request = {.id = WIRE_ID_account_remove,
                               .u.account_remove = {.account = span_cstr(arguments[0])}};
    return ctl_ask_done(ctl, &request, words(ctl, "remove", arguments[0]));
}

int user_password(struct ctl *ctl, char **arguments)
{
    struct wire_msg request = {.id = WIRE_ID_account_password,
                               .u.account_password = {.account = span_cstr(arguments[0])}};
    if (ctl_password(ctl, &request.u.account_password.password) < 0)
        return CTL_USAGE;
    return ctl_ask_done(ctl, &request, words(ctl, "set the password of", arguments[0]));
}

/* Appends a page to the accounts so far; *after_out is where the next one begins. */
static int list_page(struct ctl *ctl, const char *domain, struct buf *accounts,
                     struct span *after_out, bool *more_out)
{
    struct wire_msg reply;
    struct wire_msg request = {
        .id = WIRE_ID_account_list,
        .u.account_list = {.domain = span_cstr(domain), .after = *after_out, .max = LIST_PAGE}};
    int code = ctl_ask(ctl, &request, &reply);
    if (code != CTL_OK)
        return code;
    if (reply.id != WIRE_ID_account_list_reply) {
        (void)fprintf(
            stderr, "jackdawctl: could not list accounts: %.*s\n",
            SPAN_ARG(reply.id == WIRE_ID_result ? reply.u.result.condition : (struct span){0}));
        return CTL_REFUSED;
    }
    const struct wire_account_list_reply *list = &reply.u.account_list_reply;
    buf_append(accounts, list->accounts.items, list->accounts.count * sizeof(struct span));
    *more_out = list->more != 0 && list->accounts.count > 0;
    if (list->accounts.count > 0)
        *after_out = list->accounts.items[list->accounts.count - 1];
    return CTL_OK;
}

int user_list(struct ctl *ctl, char **arguments)
{
    static const char *const columns[] = {"account"};
    struct buf accounts = {0};
    struct span after = {0};
    bool more = true;
    int code = CTL_OK;
    while (more && code == CTL_OK)
        code = list_page(ctl, arguments[0] ? arguments[0] : "", &accounts, &after, &more);
    if (code == CTL_OK) {
        struct ctl_table table = {.columns = columns,
                                  .column_count = 1,
                                  .cells = (const struct span *)(void *)accounts.data,
                                  .row_count = accounts.len / sizeof(struct span)};
        ctl_table_print(ctl, &table);
    }
    buf_deinit(&accounts);
    return code;
}
