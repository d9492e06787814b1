"""One client's stream: framing, what was received, and the usual way to log in."""

import asyncio
from xml.etree import ElementTree

from . import sasl
from .pattern import CLIENT, STREAMS
from .transport import Refused, Tcp, WebSocket

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL2 = "urn:xmpp:sasl:2"


class Failure(Exception):
    """Something that the script did not expect."""


class Frames:
    """RFC 7395: each message is one element."""

    header = "<open xmlns='%s' to='%s'%s version='1.0'/>"
    footer = "<close xmlns='%s'/>" % FRAMING

    def opening(self, domain, user=None):
        return self.header % (FRAMING, domain, " from='%s'" % user if user else "")

    def feed(self, text):
        try:
            return [ElementTree.fromstring(text)]
        except ElementTree.ParseError as error:
            raise Failure("the server sent broken XML (%s): %s" % (error, text)) from error


class Stream:
    """<stream:stream>: over TCP, and over WebSocket in the older draft. The root's start tag and end
    tag come out as {streams}open and {framing}close."""

    footer = "</stream:stream>"

    def __init__(self):
        self._parser = None
        self._depth = 0
        self._root = None

    def opening(self, domain, user=None):
        self._parser = ElementTree.XMLPullParser(("start", "end"))
        self._depth = 0
        return ("<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='%s' to='%s'%s "
                "version='1.0'>" % (CLIENT, STREAMS, domain, " from='%s'" % user if user else ""))

    def _event(self, kind, element):
        self._depth += 1 if kind == "start" else -1
        if kind == "start" and self._depth == 1:
            self._root = element
            return ElementTree.Element("{%s}open" % FRAMING, element.attrib)
        if kind == "end" and self._depth == 0:
            return ElementTree.Element("{%s}close" % FRAMING)
        if kind == "end" and self._depth == 1:
            self._root.remove(element)
            return element
        return None

    def feed(self, text):
        if self._parser is None:
            raise Failure("the server speaks before the stream is open: " + text)
        self._parser.feed(text)
        found = (self._event(*event) for event in self._parser.read_events())
        return [element for element in found if element is not None]


def is_optional(element):
    """Whether a server may but need not send this: unavailable presence of a bare JID, the answer to
    a probe of somebody without sessions (RFC 6121 section 4.3.2)."""
    return (element.tag == "{%s}presence" % CLIENT and element.get("type") == "unavailable"
            and "@" in element.get("from", "") and "/" not in element.get("from", ""))


class Client:
    """A connection with its stream. Elements that came are kept until a line asks for them."""

    def __init__(self, name, url, framing, log):
        self.name = name
        self.url = url
        self.framing = framing
        self.connection = None
        self.features = None
        self.flights = 0        # runs of what was sent without waiting for an answer
        self._is_waiting = True
        self.domain = None  # of the stream
        self._log = log
        self._queue = asyncio.Queue()
        self._reader = None
        self.sees_optional = False
        self._number = 0
        self.asked = asyncio.Event()    # for an acknowledgement (XEP-0198)

    # ---- bytes ----
    async def connect(self, **options):
        kind = Tcp if self.url.startswith(("tcp:", "tcps:")) else WebSocket
        self.connection = await kind.connect(self.url, **options)
        self._reader = asyncio.ensure_future(self._read())

    async def _read(self):
        try:
            while (text := await self.connection.receive()) is not None:
                self._log("%s <- %s" % (self.name, text))
                for element in self.framing.feed(text):
                    if element.tag == "{urn:xmpp:sm:3}r":
                        self.asked.set()  # when it comes is up to the server
                    elif self.sees_optional or not is_optional(element):
                        self._queue.put_nowait(element)
        except (Failure, ElementTree.ParseError, ValueError) as error:
            self._log("%s <- (%s)" % (self.name, error))
        self._log("%s <- (the connection is closed)" % self.name)
        self._queue.put_nowait(None)

    def send(self, text):
        self._log("%s -> %s" % (self.name, text))
        if self.connection is None:
            raise Failure("%s is not connected" % self.name)
        self.flights += self._is_waiting
        self._is_waiting = False
        self.connection.send(text)

    async def receive(self, timeout):
        """The next element, None at the end of the connection; TimeoutError when nothing comes."""
        element = await asyncio.wait_for(self._queue.get(), timeout)
        self._is_waiting = True
        if element is None:
            self._queue.put_nowait(None)
        return element

    def push_back(self, elements):
        """Puts what was taken by mistake in front again."""
        later = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        for element in [*elements, *later]:
            self._queue.put_nowait(element)

    def drop(self):
        if self.connection:
            self.connection.drop()

    async def leave(self):
        """Gone at the end of a script, politely if the server lets us."""
        if self.connection is None:
            return
        try:
            if not self._reader.done():
                self.connection.send(self.framing.footer)
            self.connection.close()
        except (ConnectionError, RuntimeError):
            pass
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    # ---- streams ----
    async def _expect(self, timeout, *names):
        element = await self.receive(timeout)
        if element is None:
            raise Failure("the connection was closed where <%s> was due" % names[0].rpartition("}")[2])
        if element.tag not in names:
            raise Failure("%s where %s was due: %s" % (
                element.tag, " or ".join(names), ElementTree.tostring(element, "unicode")))
        return element

    async def open_stream(self, domain, timeout, user=None):
        self.domain = domain
        self.send(self.framing.opening(domain, user))
        await self._expect(timeout, "{%s}open" % FRAMING)
        self.features = await self._expect(timeout, "{%s}features" % STREAMS)
        if isinstance(self.connection, Tcp) and self.features.find("{%s}starttls" % TLS) is not None:
            self.send("<starttls xmlns='%s'/>" % TLS)
            await self._expect(timeout, "{%s}proceed" % TLS)
            await self.connection.start_tls()
            await self.open_stream(domain, timeout, user)

    def mechanism(self):
        """The best one that is offered."""
        offered = {e.text for e in self.features.iter("{%s}mechanism" % SASL)}
        for name in ("SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"):
            if name in offered:
                return name
        raise Failure("no mechanism of ours is offered: %s" % ", ".join(sorted(map(str, offered))))

    async def authenticate(self, mechanism, user, password, authzid, timeout):
        """None when the server let us in, else its <failure/>."""
        exchange = sasl.start(mechanism, user, password, authzid)
        self.send("<auth xmlns='%s' mechanism='%s'>%s</auth>" % (SASL, mechanism, exchange.initial))
        names = ["{%s}%s" % (SASL, name) for name in ("success", "challenge", "failure")]
        while True:
            answer = await self._expect(timeout, *names)
            if answer.tag == names[2]:
                return answer
            if answer.tag == names[0]:
                if not exchange.accepts(answer.text):
                    raise Failure("the server's signature is wrong")
                return None
            self.send("<response xmlns='%s'>%s</response>" % (SASL, exchange.answer(answer.text)))

    def _sasl2_binding(self, mechanism):
        return self.connection.end_point() if mechanism == "HT-SHA-256-ENDP" else b""

    async def authenticate2(self, mechanism, credentials, inner, timeout):
        """XEP-0388 with what is in `inner`; `credentials`: user, password or token, authzid. Returns
        <success/> or <failure/>; the features behind a success are kept."""
        user, password, authzid = credentials
        exchange = sasl.start(mechanism, user, password, authzid, self._sasl2_binding(mechanism))
        self.send("<authenticate xmlns='%s' mechanism='%s'><initial-response>%s</initial-response>%s"
                  "</authenticate>" % (SASL2, mechanism, exchange.initial, inner))
        names = ["{%s}%s" % (SASL2, name) for name in ("success", "challenge", "failure")]
        while True:
            answer = await self._expect(timeout, *names)
            if answer.tag == names[2]:
                return answer
            if answer.tag == names[0]:
                if not exchange.accepts(answer.findtext("{%s}additional-data" % SASL2)):
                    raise Failure("the server's signature is wrong")
                if answer.find("{urn:xmpp:sm:3}resumed") is None:  # else the stream goes on at once
                    self.features = await self._expect(timeout, "{%s}features" % STREAMS)
                return answer
            self.send("<response xmlns='%s'>%s</response>" % (SASL2, exchange.answer(answer.text)))

    async def ask(self, kind, payload, timeout, to=None):
        """Sends an iq and returns its answer. What comes before the answer stays to be received."""
        self._number += 1
        name = "runner-%d" % self._number
        address = " to='%s'" % to if to else ""
        self.send("<iq xmlns='%s' type='%s' id='%s'%s>%s</iq>" % (CLIENT, kind, name, address, payload))
        earlier = []
        while True:
            element = await self.receive(timeout)
            if element is None:
                raise Failure("the connection was closed where an iq's answer was due")
            if element.tag == "{%s}iq" % CLIENT and element.get("id") == name:
                self.push_back(earlier)
                return element
            earlier.append(element)

    async def bind(self, resource, timeout):
        """Binds a resource (None: the server makes one); returns the full JID."""
        wanted = "<resource>%s</resource>" % resource if resource else ""
        answer = await self.ask("set", "<bind xmlns='%s'>%s</bind>" % (BIND, wanted), timeout)
        jid = answer.findtext("{%s}bind/{%s}jid" % (BIND, BIND))
        if answer.get("type") != "result" or not jid:
            raise Failure("binding failed: " + ElementTree.tostring(answer, "unicode"))
        return jid


__all__ = ["BIND", "CLIENT", "Client", "FRAMING", "Failure", "Frames", "Refused", "SASL", "STREAMS",
           "Stream"]
