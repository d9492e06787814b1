#!/usr/bin/env python3
"""aioxmpp over TCP: it checks the server's certificate, logs in with SCRAM, chats and sees presence."""

import os

import desktop

PROGRAM = ["/usr/bin/python3", "-W", "ignore", os.path.join(desktop.HERE, "aioxmpp_program.py")]


if __name__ == "__main__":
    desktop.run(desktop.Library("aioxmpp", PROGRAM).tests())
