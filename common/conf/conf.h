/* Configuration: one INI file, one table of options (options.def), each overridable by environment.
 *
 * Loading validates everything before anything is used: an unknown section or option, a value of
 * the wrong type or outside its limits is an error that names file, line and what is allowed. A
 * loaded configuration never changes; a reload makes a new one.
 *
 * Options declared by DOMAIN_OPTION can be set for one domain of cluster.domains too, in the section
 * [SECTION DOMAIN] or in the environment as JACKDAW_SECTION_NAME__DOMAIN; what is set for a domain
 * goes before what is set for all.
 */
#ifndef JACKDAW_CONF_CONF_H
#define JACKDAW_CONF_CONF_H

#include "base/buf.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

enum conf_id {
#define OPTION(section, name, type, fallback, limits, prose) CONF_##section##_##name,
#include "conf/options.def"
#undef OPTION
    CONF_COUNT
};

struct conf;

/* Defaults, then the file (`path` NULL: none), then the environment. Returns owned, or NULL with
 * the reason appended to `error`, one line per mistake. */
struct conf *conf_load(const char *path, struct buf *error);
void conf_free(struct conf *conf);

/* Each asserts that the option has a fitting type; results borrow the configuration. */
uint64_t conf_u64(const struct conf *conf,
                  enum conf_id id); /* UINT, DURATION in ms, SIZE in bytes */
bool conf_bool(const struct conf *conf, enum conf_id id);
const char *conf_str(const struct conf *conf, enum conf_id id); /* any type, as written */
unsigned conf_choice(const struct conf *conf, enum conf_id id); /* ENUM: index into its CHOICES */
/* LIST, DOMAINS (normalised as by jid_normalise_domain, each once): returns the number of elements, each NUL-terminated too. */
size_t conf_list(const struct conf *conf, enum conf_id id, const struct span **items_out);
/* The option was set in the file or the environment. */
bool conf_is_set(const struct conf *conf, enum conf_id id);

/* The same for `domain`, normalised: its own value, else the one for all. Each asserts that the
 * option is declared by DOMAIN_OPTION. */
uint64_t conf_u64_of(const struct conf *conf, enum conf_id id, struct span domain);
bool conf_bool_of(const struct conf *conf, enum conf_id id, struct span domain);
const char *conf_str_of(const struct conf *conf, enum conf_id id, struct span domain);
unsigned conf_choice_of(const struct conf *conf, enum conf_id id, struct span domain);
size_t conf_list_of(const struct conf *conf, enum conf_id id, struct span domain,
                    const struct span **items_out);
/* The option was set for this very domain. */
bool conf_is_set_of(const struct conf *conf, enum conf_id id, struct span domain);

/* The option "section.name", or -1 when there is none. */
int conf_find(const char *section, const char *name);

/* The reference of all options, as Markdown. */
void conf_write_reference(struct buf *out);
/* A commented file with every option at its default. */
void conf_write_example(struct buf *out);

#endif
