/* The options in front of, between or behind the words of a command. */
#include "ctl.h"

#include <stdio.h>

struct option {
    const char *name;
    bool has_value;
    void (*take)(struct ctl *ctl, const char **config, const char *value);
};

static void take_config(struct ctl *ctl, const char **config, const char *value)
{
    (void)ctl;
    *config = value;
}

static void take_json(struct ctl *ctl, const char **config, const char *value)
{
    (void)config;
    (void)value;
    ctl->is_json = true;
}

static void take_stdin(struct ctl *ctl, const char **config, const char *value)
{
    (void)config;
    (void)value;
    ctl->password_from_stdin = true;
}

static void take_password(struct ctl *ctl, const char **config, const char *value)
{
    (void)config;
    (void)fprintf(stderr, "jackdawctl: other users of this machine can read a password given with "
                          "--password; --password-stdin is safer\n");
    ctl->password = value;
}

static const struct option options[] = {
    {"--config", true, take_config},
    {"--json", false, take_json},
    {"--password-stdin", false, take_stdin},
    {"--password", true, take_password},
};

static const struct option *option_find(const char *name)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

int ctl_options(struct ctl *ctl, int argc, char **argv, const char **config)
{
    int words = 0;
    for (int i = 1; i < argc; i++) {
        const struct option *option = option_find(argv[i]);
        if (strcmp(argv[i], "--help") == 0)
            return CTL_HELP;
        if (option && (!option->has_value || i + 1 < argc)) {
            option->take(ctl, config, option->has_value ? argv[++i] : NULL);
        } else if (argv[i][0] == '-') {
            (void)fprintf(stderr, "jackdawctl: %s %s\n\n",
                          option ? "a value is missing after" : "unknown option", argv[i]);
            return CTL_WRONG;
        } else {
            argv[1 + words++] = argv[i];
        }
    }
    argv[1 + words] = NULL;
    return words;
}
