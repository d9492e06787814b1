"""The two accounts of the quick start: made, and made contacts of each other."""

import asyncio

from .xmppws import Client, local

ACCOUNTS = {"romeo": "montague", "juliet": "capulet"}
_DOMAIN = "localhost"


def _jid(name):
    return "%s@%s" % (name, _DOMAIN)


async def _session(url, name):
    client = await Client.connect(url, _DOMAIN)
    await client.log_in(name, ACCOUNTS[name], "introduction")
    roster = await client.ask("get", "<query xmlns='jabber:iq:roster'/>")
    client.send("<presence xmlns='jabber:client'/>")
    known = {item.get("jid"): item.get("subscription") for item in roster.iter() if local(item) == "item"}
    return client, known


async def _until_presence(client, kind):
    while True:
        stanza = await client.receive()
        if local(stanza) == "presence" and stanza.get("type") == kind:
            return


async def _subscribe(asking, answering, asking_name, answering_name):
    def presence(kind, to):
        return "<presence xmlns='jabber:client' type='%s' to='%s'/>" % (kind, _jid(to))
    asking.send(presence("subscribe", answering_name))
    await _until_presence(answering, "subscribe")
    answering.send(presence("subscribed", asking_name))
    await _until_presence(asking, "subscribed")


async def _introduce(url):
    first, second = ACCOUNTS
    one, known_to_one = await _session(url, first)
    other, known_to_other = await _session(url, second)
    try:
        if known_to_one.get(_jid(second)) not in ("to", "both"):
            await _subscribe(one, other, first, second)
        if known_to_other.get(_jid(first)) not in ("to", "both"):
            await _subscribe(other, one, second, first)
    finally:
        one.leave()
        other.leave()


def prepare(cluster):
    """Makes the accounts where they are missing, and contacts of each other."""
    for name, password in ACCOUNTS.items():
        cluster.add_user(_jid(name), password)
    asyncio.run(asyncio.wait_for(_introduce(cluster.websockets()[0]), 30))
