#!/usr/bin/env python3
"""slixmpp logs in with a certificate of its own (SASL EXTERNAL), over both ways to TLS."""

import os
import re
import sys

import desktop

sys.path.insert(0, os.path.join(desktop.HERE, "..", "..", "scenario"))
from play.authority import Authority  # noqa: E402

PROGRAM = ["/usr/bin/python3", os.path.join(desktop.HERE, "slixmpp_program.py")]
# Not the one of the account: the certificate must do.
NO_PASSWORD = "none"


async def start(way, account, jids, name="ca"):
    identity = await Authority(os.environ["CLUSTER_AUTHORITY"], name).issue(jids)
    argv = ["env", "CLIENT_IDENTITY=" + identity, *PROGRAM]
    return await desktop.Program.start(argv, account, way, password=NO_PASSWORD)


async def a_certificate_is_enough(way):
    account, friend = await desktop.make_account("romeo"), await desktop.make_account("juliet")
    web = await desktop.Web.log_in(friend)
    client = await start(way, account, [account.jid])
    try:
        found = await client.sees(r"^online (\S+) EXTERNAL TLSv1.3")
        client.jid = found.group(1)
        await desktop.converse(client, account, web, friend)
        await client.leave()
    finally:
        await client.end()
        await web.leave()


async def the_wrong_one_is_not(way):
    account = await desktop.make_account("romeo")
    for jids, name in (([account.jid], "stranger"), ([], "ca"), (["ghost@" + desktop.DOMAIN], "ca")):
        client = await start(way, account, jids, name)
        try:
            await client.sees("^failed not-authorized")
            assert not [line for line in client.seen if re.match("online", line)], client.seen
        finally:
            await client.end()


if __name__ == "__main__":
    tests = {}
    for each in desktop.WAYS:
        tests["slixmpp over %s logs in with its certificate and chats" % each] = \
            lambda way=each: a_certificate_is_enough(way)
        tests["slixmpp over %s does not get in with a certificate that is not good for it" % each] = \
            lambda way=each: the_wrong_one_is_not(way)
    desktop.run(tests)
