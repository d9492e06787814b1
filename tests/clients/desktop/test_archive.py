#!/usr/bin/env python3
"""slixmpp over TCP pages through an archive (XEP-0313) with its own plugin, before it comes online."""

import os
import re

import desktop
from desktop import Program, Web, make_account

PROGRAM = ["/usr/bin/python3", os.path.join(desktop.HERE, "archive_program.py")]
COUNT = 25


async def pages():
    romeo, juliet = await make_account("romeo"), await make_account("juliet")
    web = await Web.log_in(juliet)
    for number in range(COUNT):
        web.message(romeo.jid, "line %d" % number)
    echo = await Web.log_in(romeo)  # by the time he gets the last one all are in the archive
    await echo.sees("^message %s.* line %d$" % (re.escape(juliet.jid), COUNT - 1))
    await echo.leave()
    web.message(romeo.jid, "while away")
    client = await Program.start(PROGRAM, romeo, "starttls")
    try:
        await client.sees("^done")
    finally:
        await client.end()
        await web.leave()
    found = [line.split(" ", 1)[1] for line in client.seen if line.startswith("found ")]
    assert found == ["line %d" % n for n in range(COUNT)] + ["while away"], found
    assert [line.split()[2] for line in client.seen if line.startswith("page ")] == ["10", "10", "6"], client.seen
    again = [line for line in client.seen if line.startswith("message ")]
    assert not again, again  # what was found in the archive does not come again


if __name__ == "__main__":
    desktop.run({"slixmpp finds all that was said, page by page and once": pages})
