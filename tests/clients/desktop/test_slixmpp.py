#!/usr/bin/env python3
"""slixmpp over TCP: it checks the server's certificate, logs in with SCRAM, chats and sees presence."""

import os

import desktop

PROGRAM = ["/usr/bin/python3", os.path.join(desktop.HERE, "slixmpp_program.py")]


if __name__ == "__main__":
    desktop.run(desktop.Library("slixmpp", PROGRAM).tests())
