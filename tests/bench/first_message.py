#!/usr/bin/env python3
"""How long the first message after login takes to arrive: first_message.py [LOGINS [AT A TIME]]

Each of LOGINS (200) users logs in, sends initial presence and, in the same breath, a message to its own full
JID: the message waits in the router until presence has been dealt with (RFC 6120 section 10.1), so what is
measured is the whole way of both. Prints the distribution in milliseconds. Run it in a cluster:

    PYTHONPATH=deploy python3 -m cluster --bin build/release/bin -- tests/bench/first_message.py
"""

import asyncio
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenario"))
from play.client import Client, Frames  # noqa: E402  pylint: disable=wrong-import-position

PATIENCE = 30.0


async def register(url, domain, name):
    client = Client(name, url, Frames(), lambda line: None)
    await client.connect()
    await client.open_stream(domain, PATIENCE)
    await client.ask("set", "<query xmlns='jabber:iq:register'><username>%s</username>"
                     "<password>pw</password></query>" % name, PATIENCE)
    await client.leave()


async def measure(url, domain, name):
    client = Client(name, url, Frames(), lambda line: None)
    await client.connect()
    await client.open_stream(domain, PATIENCE)
    await client.authenticate("SCRAM-SHA-1", name, "pw", "", PATIENCE)
    await client.open_stream(domain, PATIENCE)
    jid = await client.bind("r", PATIENCE)
    begun = time.monotonic()
    client.send("<presence xmlns='jabber:client'/>")
    client.send("<message xmlns='jabber:client' to='%s' type='chat'><body>1</body></message>" % jid)
    while True:
        element = await client.receive(PATIENCE)
        if element.tag.endswith("message"):
            break
    took = time.monotonic() - begun
    await client.leave()
    return 1000 * took


async def main():
    logins = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    limit = asyncio.Semaphore(int(sys.argv[2]) if len(sys.argv) > 2 else 4)
    urls = os.environ["CLUSTER_WS"].split(",")
    domain = os.environ.get("CLUSTER_DOMAIN", "localhost")

    async def one(number):
        name, url = "first%d-%d" % (os.getpid(), number), urls[number % len(urls)]
        async with limit:
            await register(url, domain, name)
            return await measure(url, domain, name)

    times = sorted(await asyncio.gather(*(one(number) for number in range(logins))))
    print("first message after login, ms: " + ", ".join(
        "%s %.1f" % (name, times[min(len(times) - 1, int(len(times) * part))])
        for name, part in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1))))


if __name__ == "__main__":
    asyncio.run(main())
