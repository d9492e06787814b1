#!/usr/bin/python3
"""slixmpp's xep_0313 pages through an archive: archive_program.py JID PASSWORD HOST PORT starttls CAFILE.

Prints what it finds, a line each: page N of so many messages, and the bodies in order."""

import asyncio
import sys

import slixmpp

PAGE = 10


class Reader(slixmpp.ClientXMPP):
    def __init__(self, jid, password, certificate):
        super().__init__(jid, password)
        self.ca_certs = certificate
        for plugin in ("xep_0030", "xep_0059", "xep_0297", "xep_0203", "xep_0313"):
            self.register_plugin(plugin)
        self.reading = None
        self.add_event_handler("session_start", self._start)
        self.add_event_handler("message", lambda m: print("message", m["body"], flush=True)
                               if m["body"] else None)

    def _start(self, _):
        self.reading = asyncio.ensure_future(self._read())  # held, or it may be swept away

    async def _read(self):
        """The archive is read before the first presence, as clients do that know it."""
        info = await self["xep_0030"].get_info(jid=self.boundjid.bare)
        assert "urn:xmpp:mam:2" in info["disco_info"]["features"], info
        after = None
        for number in range(1, 100):
            rsm = {"max": PAGE, "after": after} if after else {"max": PAGE}
            answer = await self["xep_0313"].retrieve(rsm=rsm)
            results = answer["mam"]["results"]
            print("page", number, len(results), flush=True)
            for result in results:
                held = result["mam_result"]["forwarded"]
                assert held["delay"]["stamp"], result
                print("found", held["stanza"]["body"], flush=True)
                after = result["mam_result"]["id"]
            if answer["mam_fin"].xml.get("complete") == "true":
                break
        self.send_presence()
        await self["xep_0030"].get_info(jid=self.boundjid.domain)
        await asyncio.sleep(1)
        print("done", flush=True)
        await self.disconnect()
        self.loop.stop()


def main():
    jid, password, host, port, _, certificate = sys.argv[1:]
    client = Reader(jid, password, certificate)
    client.default_port = int(port)
    client.connect((host, int(port)), force_starttls=True)
    client.loop.run_forever()


main()
