/* The command line that all daemons share, as one table. */
#include "base/span.h"
#include "conf/conf.h"
#include "daemon/daemon_internal.h"

#include <stdio.h>
#include <stdlib.h>

#ifndef JACKDAW_VERSION
#define JACKDAW_VERSION "unknown"
#endif

struct arg {
    const char *name;
    const char *value; /* what its value is called; NULL: takes none */
    const char *help;
    /* 1: go on, 0: done. */
    int (*take)(const struct daemon_spec *spec, struct daemon_args *args, const char *value);
};

static int take_config(const struct daemon_spec *spec, struct daemon_args *args, const char *value)
{
    (void)spec;
    args->config = value;
    return 1;
}

static int take_instance(const struct daemon_spec *spec, struct daemon_args *args,
                         const char *value)
{
    (void)spec;
    args->instance = value;
    return 1;
}

static int take_port_dir(const struct daemon_spec *spec, struct daemon_args *args,
                         const char *value)
{
    (void)spec;
    args->port_dir = value;
    return 1;
}

static int take_check(const struct daemon_spec *spec, struct daemon_args *args, const char *value)
{
    (void)spec;
    (void)value;
    args->check = true;
    return 1;
}

static int print_conf(void (*write)(struct buf *out))
{
    struct buf out = {0};

    write(&out);
    (void)fwrite(out.data, 1, out.len, stdout);
    buf_deinit(&out);
    return 0;
}

static int take_options(const struct daemon_spec *spec, struct daemon_args *args, const char *value)
{
    (void)spec;
    (void)args;
    (void)value;
    return print_conf(conf_write_reference);
}

static int take_example(const struct daemon_spec *spec, struct daemon_args *args, const char *value)
{
    (void)spec;
    (void)args;
    (void)value;
    return print_conf(conf_write_example);
}

static int take_version(const struct daemon_spec *spec, struct daemon_args *args, const char *value)
{
    (void)args;
    (void)value;
    (void)printf("jackdaw-%s %s\n", spec->name, JACKDAW_VERSION);
    return 0;
}

static int take_help(const struct daemon_spec *spec, struct daemon_args *args, const char *value);

static const struct arg args_table[] = {
    {"--config", "FILE", "read this configuration file (also: JACKDAW_CONFIG)", take_config},
    {"--instance", "NAME", "name of this instance, unique in the cluster (also: JACKDAW_INSTANCE)",
     take_instance},
    {"--port-dir", "DIR", "write ports in use to files in DIR", take_port_dir},
    {"--check", NULL, "validate the configuration and exit", take_check},
    {"--options", NULL, "print the reference of all options (Markdown) and exit", take_options},
    {"--example", NULL, "print a commented configuration file and exit", take_example},
    {"--version", NULL, "print the version and exit", take_version},
    {"--help", NULL, "print this and exit", take_help},
};

#define ARG_COUNT (sizeof(args_table) / sizeof(args_table[0]))

static int take_help(const struct daemon_spec *spec, struct daemon_args *args, const char *value)
{
    (void)args;
    (void)value;
    (void)printf("jackdaw-%s: %s\n\nusage: jackdaw-%s [option]...\n", spec->name, spec->summary,
                 spec->name);
    for (size_t i = 0; i < ARG_COUNT; i++) {
        char left[40];
        (void)snprintf(left, sizeof(left), "%s %s", args_table[i].name,
                       args_table[i].value != NULL ? args_table[i].value : "");
        (void)printf("  %-18s %s\n", left, args_table[i].help);
    }
    return 0;
}

static const struct arg *arg_find(const char *name)
{
    for (size_t i = 0; i < ARG_COUNT; i++) {
        if (strcmp(args_table[i].name, name) == 0) {
            return &args_table[i];
        }
    }
    return NULL;
}

int daemon_parse_args(const struct daemon_spec *spec, int argc, char **argv,
                      struct daemon_args *args_out)
{
    *args_out = (struct daemon_args){.config = getenv("JACKDAW_CONFIG"),
                                     .instance = getenv("JACKDAW_INSTANCE")};
    for (int i = 1; i < argc; i++) {
        const struct arg *arg = arg_find(argv[i]);
        const char *value = NULL;

        if (arg == NULL || (arg->value != NULL && ++i >= argc)) {
            (void)fprintf(stderr, "jackdaw-%s: %s %s; --help lists the options\n", spec->name,
                          arg == NULL ? "unknown option" : "a value is missing after",
                          argv[arg == NULL ? i : i - 1]);
            return -1;
        }
        if (arg->value != NULL) {
            value = argv[i];
        }
        if (arg->take(spec, args_out, value) == 0) {
            return 0;
        }
    }
    return 1;
}
