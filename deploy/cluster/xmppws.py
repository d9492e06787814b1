"""A small XMPP client over WebSocket (RFC 6455, RFC 7395) on asyncio, of the standard library only.

Light enough to hold thousands of sessions in one process; deploy/run.sh makes the demo accounts
contacts of each other with it, tests hold and watch many sessions.
"""

import asyncio
import base64
import hashlib
import os
import struct
import urllib.parse
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from .scram import MECHANISMS, Scram

NS_FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
NS_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
NS_BIND = "urn:ietf:params:xml:ns:xmpp-bind"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class XmppError(Exception):
    """The server refused something or left."""


def local(element):
    """The element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def namespace(element):
    return element.tag[1:].partition("}")[0] if element.tag.startswith("{") else ""


def child_text(element, name):
    found = element.find("{*}" + name)
    return None if found is None else found.text or ""


def message(to, body):
    return "<message xmlns='jabber:client' to=%s type='chat'><body>%s</body></message>" % (
        quoteattr(to), escape(body))


class WebSocket:
    """A client's WebSocket: text messages only, no extensions."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, url, ssl_context=None, protocol="xmpp"):
        parts = urllib.parse.urlsplit(url)
        is_secure = parts.scheme == "wss"
        reader, writer = await asyncio.open_connection(
            parts.hostname, parts.port or (443 if is_secure else 80),
            ssl=ssl_context if is_secure else None, limit=2 ** 18)
        key = base64.b64encode(os.urandom(16))
        writer.write(("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n"
                      "Sec-WebSocket-Key: %s\r\n\r\n" % (parts.path or "/", parts.netloc, protocol,
                                                         key.decode())).encode("ascii"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode().lower()
        if not head.startswith("http/1.1 101") or accept not in head:
            writer.close()
            raise XmppError("no WebSocket: " + head.splitlines()[0])
        return cls(reader, writer)

    def _send_frame(self, opcode, payload):
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        mask = os.urandom(4)
        key = (mask * (size // 4 + 1))[:size]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
        self._writer.write(head + mask + masked)

    def send(self, text):
        self._send_frame(_TEXT, text.encode("utf-8"))

    async def _frame(self):
        first, size = await self._reader.readexactly(2)
        if size == 126:
            size, = struct.unpack("!H", await self._reader.readexactly(2))
        elif size == 127:
            size, = struct.unpack("!Q", await self._reader.readexactly(8))
        return bool(first & 0x80), first & 0x0F, await self._reader.readexactly(size)

    async def receive(self):
        """The next text message, or None when the other side closed."""
        parts = []
        while True:
            try:
                is_last, opcode, payload = await self._frame()
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            if opcode == _CLOSE:
                return None
            if opcode == _PING:
                self._send_frame(_PONG, payload)
            elif opcode < _CLOSE:
                parts.append(payload)
                if is_last:
                    return b"".join(parts).decode("utf-8")

    def close(self):
        """Says goodbye and leaves without waiting for an answer."""
        if not self._writer.is_closing():
            self._send_frame(_CLOSE, struct.pack("!H", 1000))
            self._writer.close()

    def drop(self):
        """Is gone without a word, as when a cable is pulled."""
        self._writer.transport.abort()


class Client:
    """One XMPP session. `jid` is the full JID once log_in() is done."""

    def __init__(self, socket, domain):
        self.socket = socket
        self.domain = domain
        self.jid = ""
        self._number = 0

    @classmethod
    async def connect(cls, url, domain, ssl_context=None):
        return cls(await WebSocket.open(url, ssl_context), domain)

    def send(self, text):
        self.socket.send(text)

    async def receive(self):
        """The next element; XmppError when the stream or the connection ended."""
        text = await self.socket.receive()
        if text is None:
            raise XmppError("the connection is gone")
        element = ElementTree.fromstring(text)
        if namespace(element) == NS_FRAMING and local(element) == "close":
            raise XmppError("the server closed the stream")
        if local(element) == "error" and namespace(element).endswith("/streams"):
            raise XmppError("stream error: " + ", ".join(local(child) for child in element))
        return element

    async def open_stream(self):
        """Opens, or after SASL restarts, the stream; returns its features."""
        self.send("<open xmlns='%s' to=%s version='1.0'/>" % (NS_FRAMING, quoteattr(self.domain)))
        await self.receive()
        return await self.receive()

    async def ask(self, kind, payload, to=None):
        """Sends an iq and returns its answer; stanzas that come in between are dropped."""
        self._number += 1
        name = "q%d" % self._number
        address = " to=" + quoteattr(to) if to else ""
        self.send("<iq xmlns='jabber:client' type='%s' id='%s'%s>%s</iq>" % (
            kind, name, address, payload))
        while True:
            answer = await self.receive()
            if local(answer) == "iq" and answer.get("id") == name:
                return answer

    async def register(self, user, password):
        """XEP-0077 before logging in. False when the name is taken; the stream goes on."""
        answer = await self.ask("set", "<query xmlns='jabber:iq:register'><username>%s</username>"
                                "<password>%s</password></query>" % (escape(user), escape(password)))
        if answer.get("type") == "error":
            error = answer.find("{*}error")
            condition = local(error[0]) if error is not None and len(error) else "unknown"
            if condition != "conflict":
                raise XmppError("no registration: " + condition)
            return False
        return True

    async def log_in(self, user, password, resource=None, features=None):
        """Opens the stream when `features` says nobody did yet, authenticates, binds."""
        features = features if features is not None else await self.open_stream()
        offered = [m.text for m in features.findall(".//{%s}mechanism" % NS_SASL)]
        mechanism = next((m for m in MECHANISMS if m in offered), None)
        if not mechanism:
            raise XmppError("no SCRAM among the mechanisms " + ", ".join(offered))
        scram = Scram(mechanism, user, password)
        self.send("<auth xmlns='%s' mechanism='%s'>%s</auth>" % (
            NS_SASL, mechanism, base64.b64encode(scram.first()).decode()))
        challenge = await self._sasl("challenge")
        self.send("<response xmlns='%s'>%s</response>" % (
            NS_SASL, base64.b64encode(scram.final(challenge)).decode()))
        if not scram.is_server(await self._sasl("success")):
            raise XmppError("the server does not know the password either")
        await self.open_stream()
        wanted = "<resource>%s</resource>" % escape(resource) if resource else ""
        bound = await self.ask("set", "<bind xmlns='%s'>%s</bind>" % (NS_BIND, wanted))
        if bound.get("type") != "result":
            raise XmppError("no resource bound")
        self.jid = bound.findtext(".//{*}jid")

    async def _sasl(self, wanted):
        answer = await self.receive()
        if local(answer) != wanted:
            raise XmppError("login refused: " + ", ".join(local(child) for child in answer))
        return base64.b64decode(answer.text or "")

    def leave(self):
        self.send("<close xmlns='%s'/>" % NS_FRAMING)
        self.socket.close()
