"""Reads a user's whole archive (XEP-0313) page by page and gives what it holds to the ledger."""


from cluster.xmppws import NS_BIND, XmppError, local
from link import open_link
from user import User

NS_MAM = "urn:xmpp:mam:2"
NS_RSM = "http://jabber.org/protocol/rsm"
NS_FORWARD = "urn:xmpp:forward:0"
PAGE = 100


async def _page(link, number, after):
    link.send("<iq xmlns='jabber:client' type='set' id='page%d'><query xmlns='%s' queryid='p%d'>"
              "<set xmlns='%s'><max>%d</max>%s</set></query></iq>" % (
                  number, NS_MAM, number, NS_RSM, PAGE,
                  "<after>%s</after>" % after if after else ""))
    found = []
    while True:
        element = await link.receive()
        if local(element) == "iq" and element.get("id") == "page%d" % number:
            break
        message = element.find("{%s}result/{%s}forwarded/{jabber:client}message" % (NS_MAM, NS_FORWARD))
        if message is not None:
            found.append(message)
    if element.get("type") != "result":
        raise XmppError("the archive refuses: " + ", ".join(local(child) for child in element.iter()))
    fin = element.find("{%s}fin" % NS_MAM)
    last = fin.findtext("{%s}set/{%s}last" % (NS_RSM, NS_RSM))
    return found, last, fin.get("complete") == "true"


def _entry(message):
    """(sender, recipient, number), or None for what the test did not say."""
    body = message.findtext("{jabber:client}body") or ""
    names = [message.get(end, "").partition("@")[0] for end in ("from", "to")]
    return (names[0], names[1], int(body)) if body.isdigit() else None


async def check(user, address, ledger):
    """`user` must be logged out."""
    reader = User(user.name, user.domain, [address], ledger)
    link = await open_link(address, user.domain)
    try:
        await reader.log_in(link)
        link.send("<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='%s'/></iq>" % NS_BIND)
        await link.receive()
        entries, after, is_complete, number = [], "", False, 0
        while not is_complete:
            number += 1
            messages, after, is_complete = await _page(link, number, after)
            entries += filter(None, map(_entry, messages))
        link.close()
    finally:
        link.drop()
    ledger.check_archive(user.name, entries)
