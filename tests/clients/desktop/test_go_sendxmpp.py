#!/usr/bin/env python3
"""go-sendxmpp over TCP: sends what it reads, prints what it hears; the certificate is checked by Go."""

import asyncio
import os
import re

import desktop
from desktop import Web, make_account, server


class GoSendxmpp(desktop.Party):
    def __init__(self, child):
        super().__init__("go-sendxmpp")
        self.child = child

    @classmethod
    async def start(cls, account, way, *more, trust=desktop.CERTIFICATE):
        options = ["--debug"] + (["--tls"] if way == "tls" else [])
        child = await asyncio.create_subprocess_exec(
            "go-sendxmpp", "-u", account.jid, "-p", account.password, "-j", ":".join(server(way)),
            *options, *more, env=dict(os.environ, SSL_CERT_FILE=trust), limit=2 ** 20,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        go = cls(child)
        go.reading = asyncio.ensure_future(go.read())
        return go

    async def read(self):
        async for line in self.child.stdout:
            self.saw(line.decode("utf-8", "replace").rstrip("\n"))

    @classmethod
    async def send(cls, account, way, text, *more, **options):
        """Once, as in a shell's pipe; returns the exit status."""
        go = await cls.start(account, way, *more, **options)
        go.child.stdin.write(text.encode())
        go.child.stdin.close()
        return await asyncio.wait_for(go.child.wait(), desktop.PATIENCE)


async def conversation(way):
    nurse, juliet = await make_account("nurse"), await make_account("juliet")
    web = await Web.log_in(juliet, 1)
    go = await GoSendxmpp.start(nurse, way, "--listen", juliet.jid)
    try:
        await go.sees("<jid>%s/" % re.escape(nurse.jid))
        assert await GoSendxmpp.send(nurse, way, "Go, girl & seek <happy> nights\n", juliet.jid) == 0
        await web.sees("^message %s/\\S+ Go, girl & seek <happy> nights" % re.escape(nurse.jid))
        web.message(nurse.jid, "Ancient & <damnation>!")
        await go.sees("%s: Ancient & <damnation>!$" % re.escape(juliet.jid))

        web.subscription("subscribe", nurse.jid)
        await go.sees("type=.subscribe")
        allowed = "<presence type='subscribed' to='%s'/><presence type='subscribe' to='%s'/>\n" % (
            juliet.jid, juliet.jid)
        assert await GoSendxmpp.send(nurse, way, allowed, "--raw") == 0
        await web.sees("^presence %s/\\S+ available" % re.escape(nurse.jid))
        await web.sees("^presence %s subscribe" % re.escape(nurse.jid))
        web.subscription("subscribed", nurse.jid)
        web.presence("away", "at the window")
        await go.sees("<presence.*%s.*at the window" % re.escape(web.jid))
    finally:
        go.child.kill()
        await go.child.wait()
    await web.sees("^presence %s/\\S+ unavailable" % re.escape(nurse.jid))
    await web.leave()


async def status(way):
    nurse, juliet = await make_account("nurse"), await make_account("juliet")
    web = await Web.log_in(juliet)
    stanza = "<presence to='%s'><show>xa</show><status>by the ladder</status></presence>\n" % juliet.jid
    assert await GoSendxmpp.send(nurse, way, stanza, "--raw") == 0
    await web.sees("^presence %s/\\S+ xa by the ladder" % re.escape(nurse.jid))
    await web.leave()


async def refusal(way):
    nurse = await make_account("nurse")
    nurse.password = "not it"
    assert await GoSendxmpp.send(nurse, way, "x\n", nurse.jid) not in (0, None)


async def no_trust(way):
    """What it trusts decides: with an empty store it does not go on."""
    nurse = await make_account("nurse")
    assert await GoSendxmpp.send(nurse, way, "x\n", nurse.jid, trust=os.devnull) not in (0, None)


def tests():
    found = {}
    for way in desktop.WAYS:
        by = "go-sendxmpp over %s " % way
        found[by + "chats both ways with a WebSocket client and hears its status"] = \
            lambda w=way: conversation(w)
        found[by + "shows a status"] = lambda w=way: status(w)
        found[by + "is refused with a wrong password"] = lambda w=way: refusal(w)
        found[by + "refuses a certificate it does not trust"] = lambda w=way: no_trust(w)
    return found


if __name__ == "__main__":
    desktop.run(tests())
