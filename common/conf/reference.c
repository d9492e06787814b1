/* The reference of all options and the example file, from the table. */
#include "conf/conf_internal.h"

static bool begins_section(size_t i)
{
    return i == 0 || strcmp(conf_options[i - 1].section, conf_options[i].section) != 0;
}

void conf_write_reference(struct buf *out)
{
    buf_append_cstr(out,
                    "# Options\n\nIn the file `name = value` under `[section]`; in the environment "
                    "`JACKDAW_SECTION_NAME`, which wins.\n");
    for (size_t i = 0; i < CONF_COUNT; i++) {
        const struct conf_option *option = &conf_options[i];
        if (begins_section(i)) {
            buf_printf(
                out,
                "\n## %s\n\n| option | default | allowed | what it does |\n|---|---|---|---|\n",
                option->section);
        }
        buf_printf(out, "| `%s` | `%s` | ", option->name, option->fallback);
        conf_write_allowed(option, out);
        buf_printf(out, " | %s |\n", option->prose);
    }
}

void conf_write_example(struct buf *out)
{
    buf_append_cstr(out, "# Jackdaw: every option at its default. Uncomment what you change.\n");
    for (size_t i = 0; i < CONF_COUNT; i++) {
        const struct conf_option *option = &conf_options[i];
        if (begins_section(i)) {
            buf_printf(out, "\n[%s]\n", option->section);
        }
        buf_printf(out, "\n# %s\n# Allowed: ", option->prose);
        conf_write_allowed(option, out);
        buf_printf(out, "\n#%s = %s\n", option->name, option->fallback);
    }
}
