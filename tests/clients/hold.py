#!/usr/bin/env python3
"""Holds many sessions open and proves that they are alive: hold.py [--sessions N] [--seconds S]

The sessions are spread round over all edges and over accounts of RESOURCES sessions each (registered
in-band). While they are held, pairs chat every now and then, each message exactly once and in order; at
the end a sample of accounts changes its status and every other session of that account must see it.
The environment is that of cluster.mjs. Prints figures; exit status 0 when nothing was lost.
"""

import argparse
import asyncio
import os
import random
import ssl
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy"))
from cluster.process import raise_descriptor_limit  # noqa: E402
from cluster.xmppws import Client, child_text, local, message  # noqa: E402

RESOURCES = 10  # sessions of one account
AT_ONCE = 40  # logins that are under way together
DOMAIN = os.environ.get("CLUSTER_DOMAIN", "localhost")


def _edges():
    addresses = [each for name in ("CLUSTER_WS", "CLUSTER_WSS")
                 for each in os.environ.get(name, "").split(",") if each]
    if not addresses:
        sys.exit("CLUSTER_WS is not set: start this with tests/run.sh clients")
    return addresses


def _trust():
    context = ssl.create_default_context()
    if os.environ.get("NODE_EXTRA_CA_CERTS"):
        context.load_verify_locations(os.environ["NODE_EXTRA_CA_CERTS"])
    return context


class Held:
    """One session: what it got, and whether it still is there."""

    def __init__(self, user, resource, url):
        self.user = user
        self.resource = resource
        self.url = url
        self.client = None
        self.bodies = {}  # sender's full JID -> bodies in order
        self.statuses = {}  # full JID -> last status text
        self.ended = ""
        self.reader = None

    async def start(self, trust, is_new):
        self.client = await Client.connect(self.url, DOMAIN, trust)
        features = await self.client.open_stream()
        if is_new:
            await self.client.register(self.user, "held " + self.user)
        await self.client.log_in(self.user, "held " + self.user, self.resource, features)
        self.say("here")
        self.reader = asyncio.create_task(self._read())

    def say(self, status):
        self.client.send("<presence xmlns='jabber:client'><status>%s</status></presence>" % status)

    async def _read(self):
        try:
            while True:
                self._take(await self.client.receive())
        except Exception as error:  # pylint: disable=broad-except
            self.ended = self.ended or str(error) or type(error).__name__

    def _take(self, stanza):
        sender = stanza.get("from", "")
        if local(stanza) == "message":
            self.bodies.setdefault(sender, []).append(child_text(stanza, "body"))
        elif local(stanza) == "presence" and stanza.get("type") is None:
            self.statuses[sender] = child_text(stanza, "status")
        elif local(stanza) == "iq" and stanza.get("type") == "get":
            self.client.send("<iq xmlns='jabber:client' type='result' id='%s'/>" % stanza.get("id"))


async def _log_in_all(held, trust):
    gate = asyncio.Semaphore(AT_ONCE)
    done = 0
    begun = time.monotonic()

    async def one(session, is_new):
        nonlocal done
        async with gate:
            await asyncio.wait_for(session.start(trust, is_new), 120)
        done += 1
        if done % 500 == 0:
            print("hold: %d sessions after %.1f s" % (done, time.monotonic() - begun), flush=True)

    firsts = [s for s in held if s.resource == "r0"]
    await asyncio.gather(*(one(s, True) for s in firsts))
    await asyncio.gather(*(one(s, False) for s in held if s.resource != "r0"))
    return time.monotonic() - begun


async def _until(what, predicate, seconds=60):
    end = time.monotonic() + seconds
    while not predicate():
        if time.monotonic() > end:
            raise AssertionError("waited %d s for %s" % (seconds, what))
        await asyncio.sleep(0.05)


async def _chat(held, seconds, rng):
    """Random pairs say numbered things to each other until the time is over; returns how many."""
    pairs = [tuple(rng.sample(held, 2)) for _ in range(100)]
    counts = dict.fromkeys(pairs, 0)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for pair in rng.sample(pairs, 20):
            sender, receiver = pair
            sender.client.send(message(receiver.client.jid, "%d" % counts[pair]))
            counts[pair] += 1
        await asyncio.sleep(0.25)
    for (sender, receiver), count in counts.items():
        got = receiver.bodies.get(sender.client.jid, [])
        await _until("%d messages from %s to %s, there are %d" % (
            count, sender.client.jid, receiver.client.jid, len(got)),
            lambda r=receiver, s=sender, n=count: len(r.bodies.get(s.client.jid, [])) >= n)
        got = receiver.bodies.get(sender.client.jid, [])
        assert got == ["%d" % n for n in range(count)], "lost, doubled or reordered: %s" % got
    return sum(counts.values())


async def _presence(held, rng):
    """A session of some accounts changes its status; the other sessions of the account see it."""
    accounts = {}
    for session in held:
        accounts.setdefault(session.user, []).append(session)
    seen = 0
    for user in rng.sample(sorted(accounts), min(20, len(accounts))):
        speaker, *others = accounts[user]
        text = "status of %s %d" % (user, rng.randrange(10 ** 9))
        speaker.say(text)
        for other in others:
            await _until("the status of %s at %s" % (speaker.client.jid, other.client.jid),
                         lambda o=other: o.statuses.get(speaker.client.jid) == text)
            seen += 1
    return seen


async def _main(arguments):
    rng = random.Random(arguments.seed)
    addresses, trust = _edges(), _trust()
    stem = "held%x" % (time.time_ns() // 1000000)
    held = [Held("%s-%d" % (stem, n // RESOURCES), "r%d" % (n % RESOURCES), addresses[n % len(addresses)])
            for n in range(arguments.sessions)]
    took = await _log_in_all(held, trust)
    print("hold: %d sessions over %d addresses, all logged in after %.1f s (%.0f a second)" % (
        len(held), len(addresses), took, len(held) / took), flush=True)
    messages = await _chat(held, arguments.seconds, rng)
    seen = await _presence(held, rng)
    gone = [s for s in held if s.ended]
    assert not gone, "%d sessions ended, the first: %s %s" % (
        len(gone), gone[0].client.jid, gone[0].ended)
    print("hold: %d messages once and in order, %d presence changes seen, %d sessions still there" % (
        messages, seen, len(held)), flush=True)
    for session in held:
        session.reader.cancel()
        session.client.leave()
    await asyncio.sleep(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=20, help="how long they are held")
    parser.add_argument("--seed", type=int, default=1)
    raise_descriptor_limit()
    asyncio.run(_main(parser.parse_args()))


main()
