/* Passwords: never echoed, never from the command line unless asked for. */
#include "ctl.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_MAX 1023 /* bytes (RFC 7622 parts have the same limit) */

/* A line of standard input without its end. 0, or -1 at the end of input. */
static int read_line(struct ctl *ctl, struct span *line_out)
{
    char text[PASSWORD_MAX + 2];
    if (!fgets(text, sizeof(text), stdin))
        return -1;
    *line_out = arena_copy(&ctl->arena, span_of(text, strcspn(text, "\r\n")));
    explicit_bzero(text, sizeof(text));
    return 0;
}

static int ask(struct ctl *ctl, const char *prompt, struct span *line_out)
{
    struct termios before, silent;
    int result;
    bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    (void)fprintf(stderr, "%s", prompt);
    if (is_terminal) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    }
    result = read_line(ctl, line_out);
    if (is_terminal)
        (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)fprintf(stderr, "\n");
    return result;
}

static int ask_twice(struct ctl *ctl, struct span *password_out)
{
    struct span again = {0};
    if (ask(ctl, "Password: ", password_out) < 0 || ask(ctl, "Once more: ", &again) < 0) {
        (void)fprintf(stderr, "jackdawctl: no password was given\n");
        return -1;
    }
    if (!span_eq(*password_out, again)) {
        (void)fprintf(stderr, "jackdawctl: the two passwords differ; nothing was changed\n");
        return -1;
    }
    return 0;
}

int ctl_password(struct ctl *ctl, struct span *password_out)
{
    if (ctl->password) {
        *password_out = span_cstr(ctl->password);
    } else if (ctl->password_from_stdin || !isatty(STDIN_FILENO)) {
        if (read_line(ctl, password_out) < 0)
            *password_out = (struct span){0};
    } else if (ask_twice(ctl, password_out) < 0) {
        return -1;
    }
    if (password_out->len == 0) {
        (void)fprintf(stderr, "jackdawctl: the password is empty; nothing was changed\n");
        return -1;
    }
    return 0;
}
