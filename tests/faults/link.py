"""A client's connection as a sequence of XML elements, over WebSocket or TCP: open(), send(), receive()."""

import asyncio
import ssl
import urllib.parse
from xml.etree import ElementTree
from xml.sax.saxutils import quoteattr

from cluster.xmppws import NS_FRAMING, WebSocket, XmppError, local, namespace

NS_STREAM = "http://etherx.jabber.org/streams"


def trusting():
    """Encrypts and believes any certificate: these tests are about what is lost, not about who is who."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class WsLink:
    def __init__(self, socket, domain):
        self._socket = socket
        self._domain = domain

    @classmethod
    async def open(cls, url, domain):
        return cls(await WebSocket.open(url, trusting()), domain)

    async def open_stream(self):
        """The stream's features; also after SASL."""
        self.send("<open xmlns='%s' to=%s version='1.0'/>" % (NS_FRAMING, quoteattr(self._domain)))
        while True:
            element = await self.receive()
            if local(element) == "features":
                return element

    def send(self, text):
        self._socket.send(text)

    async def receive(self):
        text = await self._socket.receive()
        if text is None:
            raise XmppError("the connection is gone")
        element = ElementTree.fromstring(text)
        if namespace(element) == NS_FRAMING and local(element) == "close":
            raise XmppError("the server closed the stream")
        return element

    def close(self):
        self.send("<close xmlns='%s'/>" % NS_FRAMING)

    def drop(self):
        self._socket.drop()


class TcpLink:
    def __init__(self, reader, writer, domain):
        self._reader = reader
        self._writer = writer
        self._domain = domain
        self._parser = None
        self._depth = 0
        self._ready = []

    @classmethod
    async def open(cls, url, domain):
        parts = urllib.parse.urlsplit(url)
        context = trusting() if parts.scheme == "tls" else None
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, ssl=context), domain)

    async def open_stream(self):
        self._parser = ElementTree.XMLPullParser(("start", "end"))
        self._depth = 0
        self._ready = []
        self.send("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='%s' to=%s "
                  "version='1.0'>" % (NS_STREAM, quoteattr(self._domain)))
        while True:
            element = await self.receive()
            if local(element) == "features":
                return element

    def send(self, text):
        self._writer.write(text.encode("utf-8"))

    def _take_events(self):
        for event, element in self._parser.read_events():
            self._depth += 1 if event == "start" else -1
            if event == "end" and self._depth == 1:
                self._ready.append(element)
            elif event == "end" and self._depth == 0:
                self._ready.append(None)

    async def receive(self):
        while not self._ready:
            data = await self._reader.read(65536)
            if not data:
                raise XmppError("the connection is gone")
            self._parser.feed(data)
            self._take_events()
        element = self._ready.pop(0)
        if element is None:
            raise XmppError("the server closed the stream")
        return element

    def close(self):
        self.send("</stream:stream>")

    def drop(self):
        self._writer.transport.abort()


async def open_link(url, domain):
    kind = WsLink if url.startswith("ws") else TcpLink
    return await kind.open(url, domain)
