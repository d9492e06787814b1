/* jackdawctl - look after a Jackdaw cluster
 *
 * usage: jackdawctl [--config FILE] [--json] COMMAND
 *
 * Messages: calls session (account_*, session_list). State: none.
 * Configuration: [cluster] sessions; the same file and environment as the daemons.
 * Failure: without a session daemon it says which addresses it tried and exits with 69.
 */
#include "base/log.h"
#include "conf/conf.h"
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>

static int usage(FILE *out, int code)
{
    struct buf text = {0};
    ctl_commands_write(&text);
    (void)fprintf(out, "%s", buf_cstr(&text));
    buf_deinit(&text);
    return code;
}

static int run(struct ctl *ctl, const char *config, char **words, int count)
{
    const struct ctl_command *command =
        count >= 1 ? ctl_command_find(words[0], count >= 2 ? words[1] : NULL) : NULL;
    int named_by = command && *command->verb ? 2 : 1;
    struct buf error = {0};
    struct conf *conf;
    int code;
    if (!command || !ctl_command_takes(command, (size_t)(count - named_by))) {
        (void)fprintf(stderr, "jackdawctl: %s\n\n",
                      command ? "wrong number of arguments" : "no such command");
        return usage(stderr, CTL_USAGE);
    }
    conf = conf_load(config, &error);
    if (!conf) {
        (void)fprintf(stderr, "%s", buf_cstr(&error));
        buf_deinit(&error);
        return CTL_CONFIG;
    }
    ctl->conf = conf;
    code = command->run(ctl, words + named_by);
    ctl_link_close(ctl);
    conf_free(conf);
    return code;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {0};
    const char *config = getenv("JACKDAW_CONFIG");
    int at = ctl_options(&ctl, argc, argv, &config);
    int code;
    log_open("jackdawctl", "", LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
    if (at < 0)
        return at == CTL_HELP ? usage(stdout, CTL_OK) : usage(stderr, CTL_USAGE);
    code = run(&ctl, config, argv + 1, at);
    arena_deinit(&ctl.arena);
    return code;
}
