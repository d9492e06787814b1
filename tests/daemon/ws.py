"""A WebSocket client of RFC 6455 and 7395 for tests: standard library only, frame by frame."""
import base64
import os
import re
import socket
import struct
import time

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Closed(Exception):
    """The server closed; `code` is that of its close frame, None when there was none."""

    def __init__(self, code=None):
        super().__init__(f"closed {code}")
        self.code = code


class Ws:
    def __init__(self, port, path="/ws", protocol="xmpp", rcvbuf=None):
        self.buffer = b""
        self.sock = socket.socket()
        if rcvbuf:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.settimeout(15)
        self.sock.connect(("127.0.0.1", port))
        lines = [f"GET {path} HTTP/1.1", f"Host: localhost:{port}", "Upgrade: websocket",
                 "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: " + base64.b64encode(os.urandom(16)).decode()]
        if protocol:
            lines.append("Sec-WebSocket-Protocol: " + protocol)
        self.sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                break
            self.buffer += data
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.head = head.decode()
        self.status = int(self.head.split(" ")[1]) if self.head else 0

    def frame(self, opcode, payload, fin=True):
        mask = os.urandom(4)
        n = len(payload)
        head = bytes([(0x80 if fin else 0) | opcode])
        if n < 126:
            head += bytes([0x80 | n])
        elif n < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", n)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", n)
        self.sock.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def send(self, text):
        self.frame(TEXT, text.encode())

    def need(self, n):
        while len(self.buffer) < n:
            data = self.sock.recv(65536)
            if not data:
                raise Closed()
            self.buffer += data

    def recv(self):
        """The next text message; answers pings; Closed at the end."""
        while True:
            self.need(2)
            opcode, n = self.buffer[0] & 15, self.buffer[1] & 127
            at = 2
            if n == 126:
                self.need(4)
                n, at = struct.unpack(">H", self.buffer[2:4])[0], 4
            elif n == 127:
                self.need(10)
                n, at = struct.unpack(">Q", self.buffer[2:10])[0], 10
            self.need(at + n)
            payload, self.buffer = self.buffer[at:at + n], self.buffer[at + n:]
            if opcode == TEXT:
                return payload.decode()
            if opcode == PING:
                self.frame(PONG, payload)
            if opcode == CLOSE:
                raise Closed(struct.unpack(">H", payload[:2])[0] if len(payload) >= 2 else None)

    def until(self, *patterns, seconds=15):
        """The first message in which all patterns (regular expressions) are found."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            text = self.recv()
            if all(re.search(p, text) for p in patterns):
                return text
        raise AssertionError(f"no {patterns}")

    def until_closed(self):
        """Everything up to the end."""
        texts = []
        try:
            while True:
                texts.append(self.recv())
        except (Closed, ConnectionError):
            return texts

    def close(self):
        self.sock.close()
