/* The reference of all options and the example file, from the table. */
#include "conf/conf_internal.h"

/* Writes a section's heading, then each of its options, wherever the table has them. */
struct writer {
    void (*section)(const char *name, struct buf *out);
    void (*option)(const struct conf_option *option, struct buf *out);
};

static void write_section(const struct writer *writer, const char *section, struct buf *out)
{
    writer->section(section, out);
    for (size_t i = 0; i < CONF_COUNT; i++) {
        if (strcmp(conf_options[i].section, section) == 0) {
            writer->option(&conf_options[i], out);
        }
    }
}

static void write_all(const struct writer *writer, struct buf *out)
{
    for (size_t i = 0; i < CONF_COUNT; i++) {
        if (conf_opens_section(i)) {
            write_section(writer, conf_options[i].section, out);
        }
    }
}

static void reference_section(const char *name, struct buf *out)
{
    buf_printf(out,
               "\n## %s\n\n| option | default | allowed | per domain | what it does |\n"
               "|---|---|---|---|---|\n",
               name);
}

static void reference_option(const struct conf_option *option, struct buf *out)
{
    const char *quote = option->fallback[0] != '\0' ? "`" : "";

    buf_printf(out, "| `%s` | %s%s%s | ", option->name, quote, option->fallback, quote);
    conf_write_allowed(option, out);
    buf_printf(out, " | %s | %s |\n", option->is_per_domain ? "yes" : "", option->prose);
}

void conf_write_reference(struct buf *out)
{
    static const struct writer writer = {reference_section, reference_option};

    buf_append_cstr(
        out, "# Options\n\nIn the file `name = value` under `[section]`; in the environment "
             "`JACKDAW_SECTION_NAME`, which wins.\n\n"
             "What is per domain can be set for one domain of cluster.domains too, which "
             "goes before what is set for all: under `[section example.org]`, or in the "
             "environment `JACKDAW_SECTION_NAME__EXAMPLE_ORG`, the domain in capitals with _ "
             "for whatever is no letter or digit.\n");
    write_all(&writer, out);
}

static void example_section(const char *name, struct buf *out)
{
    buf_printf(out, "\n[%s]\n", name);
}

static void example_option(const struct conf_option *option, struct buf *out)
{
    const char *space = option->fallback[0] != '\0' ? " " : "";

    buf_printf(out, "\n# %s\n# Allowed: ", option->prose);
    conf_write_allowed(option, out);
    if (option->is_per_domain) {
        buf_printf(out, "\n# For one domain: [%s example.org]", option->section);
    }
    buf_printf(out, "\n#%s =%s%s\n", option->name, space, option->fallback);
}

void conf_write_example(struct buf *out)
{
    static const struct writer writer = {example_section, example_option};

    buf_append_cstr(out,
                    "# Jackdaw: every option at its default. Uncomment what you change.\n"
                    "# Lists may go on in indented lines; JACKDAW_SECTION_NAME in the\n"
                    "# environment wins over this file. Where it says so, an option can be\n"
                    "# set for one domain in a section [SECTION DOMAIN], in the environment\n"
                    "# as JACKDAW_SECTION_NAME__EXAMPLE_ORG. Made by `jackdaw-NAME --example`.\n");
    write_all(&writer, out);
}
