#!/usr/bin/python3
"""A desktop client on slixmpp that obeys lines; desktop.py says which. Debian's python3-slixmpp.

With CLIENT_IDENTITY in its environment, a PEM file, it logs in with that certificate."""

import asyncio
import os
import sys

import slixmpp


def tell(*words):
    print(*words, flush=True)


class Desktop(slixmpp.ClientXMPP):
    def __init__(self, jid, password, certificate):
        super().__init__(jid, password)
        self.ca_certs = certificate
        self.certfile = self.keyfile = os.environ.get("CLIENT_IDENTITY")
        self.auto_authorize = None  # the person at the desk answers
        for plugin in ("xep_0030", "xep_0092", "xep_0115", "xep_0199"):
            self.register_plugin(plugin)
        self.add_event_handler("session_start", self._start)
        self.add_event_handler("failed_auth", self._refused)
        self.add_event_handler("message", lambda m: tell("message", m["from"], m["body"]))
        self.add_event_handler("presence", self._presence)
        self.add_event_handler("disconnected", lambda _: asyncio.get_event_loop().stop())

    async def _start(self, _):
        self.send_presence()
        await self.get_roster()
        assert (await self["xep_0199"].ping(self.boundjid.domain)) is not None
        chosen = self["feature_mechanisms"].mech
        assert chosen.name.startswith("EXTERNAL" if self.certfile else "SCRAM-"), chosen.name
        tell("online", self.boundjid.full, chosen.name, self.transport.get_extra_info("cipher")[1])

    def _refused(self, stanza):
        """It goes on with the next mechanism by itself, until the server has enough."""
        tell("failed", stanza["condition"])

    def _presence(self, presence):
        tell("presence", presence["from"], presence["type"], presence["status"])


async def obey(client):
    reader = asyncio.StreamReader()
    await asyncio.get_event_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        order, to, rest = (line.decode().rstrip("\n").split(" ", 2) + ["", ""])[:3]
        if order == "message":
            client.send_message(mto=to, mbody=rest, mtype="chat")
        elif order == "presence":
            client.send_presence(pshow=None if to == "available" else to, pstatus=rest)
        elif order == "quit":
            await client.disconnect()
        else:
            client.send_presence(pto=to, ptype=order)


def main():
    jid, password, host, port, way, certificate = sys.argv[1:]
    client = Desktop(jid, password, certificate)
    client.default_port = int(port)  # what it looks up takes the place of the address it is given
    client.connect((host, int(port)), use_ssl=way == "tls", force_starttls=way == "starttls")
    client.obeying = asyncio.ensure_future(obey(client))  # a task nobody holds may be swept away
    client.loop.run_forever()


main()
