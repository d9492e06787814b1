#!/usr/bin/env python3
"""libstrophe (in C) over TCP: it checks the server's certificate, logs in, chats and sees presence."""

import os
import shlex
import subprocess
import tempfile

import desktop


def compile_to(folder):
    program = os.path.join(folder, "libstrophe_program")
    flags = subprocess.check_output(["pkg-config", "--cflags", "--libs", "libstrophe"], text=True)
    subprocess.check_call([os.environ.get("CC", "cc"), "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-O1",
                           "-g", "-Wall", "-Wextra", "-Werror", "-o", program,
                           os.path.join(desktop.HERE, "libstrophe_program.c"), *shlex.split(flags)])
    return program


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="jackdaw-libstrophe-") as folder:
        desktop.run(desktop.Library("libstrophe", [compile_to(folder)]).tests())
