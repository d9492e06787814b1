#!/usr/bin/python3
"""A desktop client on aioxmpp that obeys lines; desktop.py says which. Debian's python3-aioxmpp."""

import asyncio
import functools
import sys

import aiosasl
import aioxmpp
import aioxmpp.connector
import aioxmpp.security_layer
import OpenSSL.SSL


def tell(*words):
    print(*words, flush=True)


def make_context(certificate):
    context = OpenSSL.SSL.Context(OpenSSL.SSL.TLS_CLIENT_METHOD)
    context.load_verify_locations(certificate)
    return context


def make_client(jid, password, host, port, way, certificate):
    async def ask(_, attempt):
        return password if attempt == 0 else None

    layer = aioxmpp.security_layer.SecurityLayer(
        functools.partial(make_context, certificate), aioxmpp.security_layer.PKIXCertificateVerifier,
        True, [aioxmpp.security_layer.PasswordSASLProvider(ask)])
    how = aioxmpp.connector.XMPPOverTLSConnector() if way == "tls" else \
        aioxmpp.connector.STARTTLSConnector()
    return aioxmpp.PresenceManagedClient(
        aioxmpp.JID.fromstr(jid), layer, override_peer=[(host, int(port), how)], max_initial_attempts=1)


def on_message(message):
    tell("message", message.from_, message.body.any())


def on_presence(presence):
    if presence.type_ == aioxmpp.PresenceType.AVAILABLE:
        show = presence.show.value or "available"
        tell("presence", presence.from_, show, presence.status.any() if presence.status else "")
    else:
        tell("presence", presence.from_, presence.type_.value)
    return presence


def send_presence(client, show, status):
    client.set_presence(aioxmpp.PresenceState(True, aioxmpp.PresenceShow(
        None if show == "available" else show)), status)


async def obey(client, line):
    order, to, rest = (line.split(" ", 2) + ["", ""])[:3]
    if order == "message":
        message = aioxmpp.Message(type_=aioxmpp.MessageType.CHAT, to=aioxmpp.JID.fromstr(to))
        message.body[None] = rest
        client.enqueue(message)
    elif order == "presence":
        send_presence(client, to, rest)
    else:
        client.enqueue(aioxmpp.Presence(type_=aioxmpp.PresenceType(order), to=aioxmpp.JID.fromstr(to)))


async def main():
    jid, password, host, port, way, certificate = sys.argv[1:]
    client = make_client(jid, password, host, port, way, certificate)
    receive = client.summon(aioxmpp.dispatcher.SimpleMessageDispatcher)
    receive.register_callback(aioxmpp.MessageType.CHAT, None, on_message)
    client.stream.app_inbound_presence_filter.register(on_presence, 0)
    client.summon(aioxmpp.RosterClient)
    lines = asyncio.StreamReader()
    await asyncio.get_event_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    try:
        async with client.connected():
            await aioxmpp.ping.ping(client, client.local_jid.replace(localpart=None, resource=None))
            tell("online", client.local_jid, "stream management" if client.stream.sm_enabled else "")
            while (line := (await lines.readline()).decode().rstrip("\n")) not in ("", "quit"):
                await obey(client, line)
    except (aiosasl.AuthenticationFailure, aioxmpp.errors.MultiOSError, OSError) as error:
        tell("failed", error)


asyncio.get_event_loop().run_until_complete(main())
