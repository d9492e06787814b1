/* jackdawctl: the operator's one command. Talks to session daemons by calls over the bus.
 *
 * Each command is one line of the table in commands.c; --help comes from the same table.
 */
#ifndef JACKDAW_CTL_CTL_H
#define JACKDAW_CTL_CTL_H

#include "base/arena.h"
#include "bus/bus.h"
#include "bus/wire.h"

#include <stdbool.h>
#include <stddef.h>

/* Exit codes, those of sysexits(3) where it has them. */
#define CTL_OK          0
#define CTL_REFUSED     1 /* the cluster said no */
#define CTL_USAGE       64
#define CTL_UNAVAILABLE 69 /* no daemon answered */
#define CTL_CONFIG      78

struct conf;
struct loop;

struct ctl {
    const struct conf *conf;
    struct loop *loop; /* with bus: NULL until there is a question to ask */
    struct bus *bus;
    struct arena arena; /* for the whole run */
    bool is_json;
    bool password_from_stdin;
    const char *password; /* from the command line, or NULL */
};

struct ctl_command {
    const char *noun;
    const char *verb; /* "": the noun says it all */
    const char
        *arguments; /* for --help, and how many there are: the words; [WORD] may be missing */
    const char *help;
    int (*run)(struct ctl *ctl, char **arguments); /* NULL after the last one given */
};

#define CTL_HELP  (-1)
#define CTL_WRONG (-2)
/* options.c: takes the options out of argv; argv[1...] then holds the words of the command. Returns
 * how many, CTL_HELP when help was asked for, or CTL_WRONG after it said what is wrong. */
int ctl_options(struct ctl *ctl, int argc, char **argv, const char **config);

/* commands.c: "user add", or NULL. `verb` may be an argument of a command without one, or NULL. */
const struct ctl_command *ctl_command_find(const char *noun, const char *verb);
bool ctl_command_takes(const struct ctl_command *command, size_t argument_count);
void ctl_commands_write(struct buf *out);

/* link.c: the way to one session daemon, the first of cluster.sessions that is there. 0, or -1 when
 * none is (with why in `error` when the bus itself failed, else that is empty). */
int ctl_link_open(struct ctl *ctl, char *error, size_t error_size);
void ctl_link_close(struct ctl *ctl);

/* ask.c: one call to a session daemon, waited for. CTL_OK and the reply (its spans are in
 * ctl->arena), or CTL_UNAVAILABLE after it said why. */
int ctl_ask(struct ctl *ctl, const struct wire_msg *request, struct wire_msg *reply_out);
/* As ctl_ask for calls answered with `result`: says the condition when there is one. `what` was to
 * be done ("add romeo@example.org"). */
int ctl_ask_done(struct ctl *ctl, const struct wire_msg *request, const char *what);

/* password.c: from --password, from standard input, or twice from the terminal without echo. 0, or
 * -1 after it said why. The password is in ctl->arena. */
int ctl_password(struct ctl *ctl, struct span *password_out);

/* user.c, session.c, trace.c */
int user_add(struct ctl *ctl, char **arguments);
int user_remove(struct ctl *ctl, char **arguments);
int user_password(struct ctl *ctl, char **arguments);
int user_list(struct ctl *ctl, char **arguments);
int session_list(struct ctl *ctl, char **arguments);
int trace_show(struct ctl *ctl, char **arguments);

/* print.c: rows for people (aligned columns) or machines (a JSON array of objects). */
struct ctl_table {
    const char *const *columns;
    size_t column_count;
    const struct span *cells; /* row after row */
    size_t row_count;
};
void ctl_table_print(const struct ctl *ctl, const struct ctl_table *table);
/* Appends `text` as a JSON string. */
void ctl_json_string(struct span text, struct buf *out);

#endif
