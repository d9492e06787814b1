"""Connections: WebSocket with every freedom a test needs, and TCP. Each has connect(), send(text),
receive() -> text or None at the end, close(), drop()."""

import asyncio
import base64
import hashlib
import os
import ssl
import struct
import urllib.parse

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Refused(Exception):
    """The server answered the WebSocket handshake with something else than 101."""

    def __init__(self, status):
        super().__init__("refused with HTTP status %d" % status)
        self.status = status


def tls_context(identity=None):
    """Encrypts, but trusts any certificate: who the server is, is not what these tests are about.
    `identity`: a PEM file with the client's own certificate and key."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if identity:
        context.load_cert_chain(identity)
    return context


async def _open(url, identity=None):
    parts = urllib.parse.urlsplit(url)
    is_secure = parts.scheme in ("wss", "https", "tcps")
    port = parts.port or (443 if is_secure else 80)
    context = tls_context(identity) if is_secure else None
    return await asyncio.open_connection(parts.hostname, port, ssl=context, limit=2 ** 22)


async def _read_head(reader):
    """Status and headers (names in lower case) of an HTTP answer."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {}
    for line in filter(None, lines[1:]):
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(lines[0].split()[1]), headers


async def http(url, method, path, headers):
    """One request on a connection of its own: status, headers, body."""
    parts = urllib.parse.urlsplit(url)
    reader, writer = await _open(url)
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: " + parts.netloc, "Connection: close"]
    lines += ["%s: %s" % header for header in headers]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    status, received = await _read_head(reader)
    size = int(received.get("content-length", -1))
    body = await (reader.readexactly(size) if size >= 0 and method != "HEAD" else reader.read())
    writer.close()
    return status, received, body.decode("utf-8", "replace")


class WebSocket:
    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer
        self.close_code = None

    @classmethod
    async def connect(cls, url, path=None, protocol="xmpp"):
        parts = urllib.parse.urlsplit(url)
        reader, writer = await _open(url)
        key = base64.b64encode(os.urandom(16))
        lines = ["GET %s HTTP/1.1" % (path or parts.path or "/"), "Host: " + parts.netloc,
                 "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: " + key.decode()]
        if protocol:
            lines.append("Sec-WebSocket-Protocol: " + protocol)
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        status, headers = await _read_head(reader)
        if status != 101:
            writer.close()
            raise Refused(status)
        accept = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        if headers.get("sec-websocket-accept") != accept:
            raise ValueError("wrong Sec-WebSocket-Accept")
        if protocol and headers.get("sec-websocket-protocol") != "xmpp":
            raise ValueError("the server did not choose the subprotocol xmpp")
        return cls(reader, writer)

    def send_frame(self, opcode, payload, is_last=True):
        size = len(payload)
        if size < 126:
            length = struct.pack("!B", 0x80 | size)
        elif size < 65536:
            length = struct.pack("!BH", 0x80 | 126, size)
        else:
            length = struct.pack("!BQ", 0x80 | 127, size)
        mask = os.urandom(4)
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        masked = (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
        self._writer.write(bytes([(0x80 if is_last else 0) | opcode]) + length + mask + masked)

    def send(self, text):
        self.send_frame(TEXT, text.encode())

    def send_fragments(self, text, count):
        data = text.encode()
        step = -(-len(data) // count)
        pieces = [data[at:at + step] for at in range(0, len(data), step)]
        for n, piece in enumerate(pieces):
            self.send_frame(0 if n else TEXT, piece, n + 1 == len(pieces))

    async def _read_frame(self):
        first, size = await self._reader.readexactly(2)
        if size == 126:
            size, = struct.unpack("!H", await self._reader.readexactly(2))
        elif size == 127:
            size, = struct.unpack("!Q", await self._reader.readexactly(8))
        return bool(first & 0x80), first & 0x0F, await self._reader.readexactly(size)

    async def receive(self):
        parts = []
        while True:
            try:
                is_last, opcode, payload = await self._read_frame()
            except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
                return None
            if opcode == CLOSE:
                self.close_code = struct.unpack("!H", payload[:2])[0] if len(payload) > 1 else 1005
                self._answer_close(payload)
                return None
            if opcode == PING:
                self.send_frame(PONG, payload)
            elif opcode < CLOSE:
                parts.append(payload)
                if is_last:
                    return b"".join(parts).decode()

    def _answer_close(self, payload):
        if not self._writer.is_closing():
            self.send_frame(CLOSE, payload[:2])
            self._writer.close()

    def close(self):
        if not self._writer.is_closing():
            self.send_frame(CLOSE, struct.pack("!H", 1000))
            self._writer.close()

    def drop(self):
        self._writer.transport.abort()


class Tcp:
    def __init__(self, reader, writer, identity=None):
        self._reader = reader
        self._writer = writer
        self._identity = identity
        self.close_code = None

    @classmethod
    async def connect(cls, url, identity=None):
        return cls(*await _open(url, identity), identity)

    def send(self, text):
        self._writer.write(text.encode())

    def send_fragments(self, text, count):
        self.send(text)

    def end_point(self):
        """The channel binding data of tls-server-end-point (RFC 5929), for certificates signed with
        SHA-256."""
        certificate = self._writer.get_extra_info("ssl_object").getpeercert(True)
        return hashlib.sha256(certificate).digest()

    async def start_tls(self):
        await self._writer.drain()
        await self._writer.start_tls(tls_context(self._identity))

    async def receive(self):
        try:
            data = await self._reader.read(65536)
        except (ConnectionError, ssl.SSLError):
            return None
        return data.decode() if data else None

    def close(self):
        self._writer.close()

    def drop(self):
        self._writer.transport.abort()
