/* Every command, one line each. */
#include "ctl.h"

#include <stdio.h>

static const struct ctl_command commands[] = {
    {"user", "add", "JID", "make an account; asks for its password", user_add},
    {"user", "remove", "JID", "remove an account and end its sessions", user_remove},
    {"user", "password", "JID", "set an account's password; asks for it", user_password},
    {"user", "list", "DOMAIN", "the accounts of a domain", user_list},
    {"session", "list", "", "who is connected, where and since when", session_list},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

const struct ctl_command *ctl_command_find(const char *noun, const char *verb)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].noun, noun) == 0 && strcmp(commands[i].verb, verb) == 0)
            return &commands[i];
    return NULL;
}

size_t ctl_command_arguments(const struct ctl_command *command)
{
    size_t count = command->arguments[0] != '\0';
    for (const char *c = command->arguments; *c; c++)
        count += *c == ' ';
    return count;
}

void ctl_commands_write(struct buf *out)
{
    buf_append_cstr(
        out, "usage: jackdawctl [--config FILE] [--json] COMMAND\n\n"
             "  --config FILE      the daemons' configuration (also: JACKDAW_CONFIG)\n"
             "  --json             answers for machines\n"
             "  --password-stdin   take the password from the first line of standard input\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char left[64];
        (void)snprintf(left, sizeof(left), "%s %s %s", commands[i].noun, commands[i].verb,
                       commands[i].arguments);
        buf_printf(out, "  %-22s %s\n", left, commands[i].help);
    }
}
