/* Every command, one line each. */
#include "ctl.h"

#include <stdio.h>

static const struct ctl_command commands[] = {
    {"user", "add", "JID", "make an account; asks for its password", user_add},
    {"user", "remove", "JID", "remove an account and end its sessions", user_remove},
    {"user", "password", "JID", "set an account's password; asks for it", user_password},
    {"user", "list", "[DOMAIN]", "the accounts, all or of a domain", user_list},
    {"session", "list", "", "who is connected, where and since when", session_list},
    {"trace", "", "ID", "where a stanza went: its id attribute, or its origin id (see trace.keep)",
     trace_show},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

const struct ctl_command *ctl_command_find(const char *noun, const char *verb)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].noun, noun) == 0 &&
            (!*commands[i].verb || (verb && strcmp(commands[i].verb, verb) == 0)))
            return &commands[i];
    return NULL;
}

/* The words of command->arguments, and how many of them are in brackets. */
bool ctl_command_takes(const struct ctl_command *command, size_t argument_count)
{
    size_t most = command->arguments[0] != '\0';
    size_t optional = 0;
    for (const char *c = command->arguments; *c; c++) {
        most += *c == ' ';
        optional += *c == '[';
    }
    return argument_count <= most && argument_count + optional >= most;
}

void ctl_commands_write(struct buf *out)
{
    buf_append_cstr(
        out,
        "usage: jackdawctl [--config FILE] [--json] COMMAND\n\n"
        "  --config FILE      the daemons' configuration (also: JACKDAW_CONFIG)\n"
        "  --json             answers for machines\n"
        "  --password-stdin   take the password from the first line of standard input\n"
        "  --password TEXT    take it from here, where other users of this machine can see it\n"
        "\nExits with 0 when it was done, 1 when it was refused, 64 when it was not understood,\n"
        "69 when no daemon answered, 78 when the configuration is wrong.\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char left[64];
        (void)snprintf(left, sizeof(left), "%s%s%s %s", commands[i].noun,
                       *commands[i].verb ? " " : "", commands[i].verb, commands[i].arguments);
        buf_printf(out, "  %-22s %s\n", left, commands[i].help);
    }
}
