"""A client's stream at any door of the server, byte by byte, and the played daemons behind it.

    for kind in DOORS: cast = Cast(rig, kind); client = cast.connect(); client.send(...); client.until(...)

DOORS: "tcp" (c2s, in the clear), "tls" (c2s, direct TLS), "ws", "wss" (edge). All speak the same XML here: what
differs (frames, headers, ends) is hidden behind open(), element() and END.
"""
import base64
import os
import re
import select
import socket
import ssl
import struct
import time

import harness

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
STREAMS = "http://etherx.jabber.org/streams"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
DOORS = ("tcp", "tls", "ws", "wss")
WAIT = 15


def trusting():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def each_door(*doors):
    """A decorator: performs the test at each of these doors, each time with a fresh rig."""
    def decorate(test):
        def at_all(_):
            for kind in doors:
                rig = harness.Rig()
                try:
                    test(rig, kind)
                except Exception as error:
                    logs = "\n".join(daemon.log()[-2000:] for daemon in rig.daemons)
                    raise AssertionError(f"at the door {kind}: {error}\n{logs}") from error
                finally:
                    rig.close()
        return at_all
    return decorate


def free_port():
    """A port nobody listens on just now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Client:
    """A connection; `text` is all that was received, until() looks behind what it found before."""

    def __init__(self, kind, port, rcvbuf=None, source=None, handshake=True):
        self.kind = kind
        self.is_framed = kind.startswith("ws")
        self.text = ""
        self.at = 0
        self.is_closed = False
        self.close_code = None
        self.frames = b""
        self.raw = socket.socket()
        if rcvbuf:
            self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        if source:
            self.raw.bind((source, 0))
        self.raw.settimeout(WAIT)
        self.raw.connect(("127.0.0.1", port))
        self.sock = self.raw
        self.status = None
        if handshake:
            self.handshake(port)

    def handshake(self, port):
        if self.kind in ("tls", "wss"):
            self.sock = trusting().wrap_socket(self.raw)
        if self.is_framed:
            self.upgrade(port)

    def upgrade(self, port, path="/ws"):
        self.sock.sendall((f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                           + base64.b64encode(os.urandom(16)).decode()
                           + "\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.frames:
            data = self.sock.recv(65536)
            if not data:
                break
            self.frames += data
        self.head, _, self.frames = self.frames.partition(b"\r\n\r\n")
        self.status = int(self.head.split()[1]) if self.head else 0

    # ---- out ----
    @staticmethod
    def frame(payload, opcode=TEXT, fin=True):
        size = len(payload)
        head = bytes([(0x80 if fin else 0) | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += bytes([0x80 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", size)
        mask = os.urandom(4)
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        return head + mask + (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")

    def encode(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        return self.frame(data) if self.is_framed else data

    def send(self, text):
        """One message, or some bytes of a stream."""
        self.sock.sendall(self.encode(text))

    def header(self, to="example.org", more="", version=" version='1.0'"):
        to = f" to='{to}'" if to is not None else ""
        if self.is_framed:
            return f"<open xmlns='{FRAMING}'{to}{version}{more}/>"
        return (f"<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='{STREAMS}'{to}"
                f"{version}{more}>")

    @property
    def end(self):
        return f"<close xmlns='{FRAMING}'/>" if self.is_framed else "</stream:stream>"

    def stanza(self, xml):
        """The stanza as it must be written here: frames declare their namespace."""
        return re.sub(r"^<(\w+)", r"<\1 xmlns='jabber:client'", xml) if self.is_framed else xml

    # ---- in ----
    def take_frames(self):
        while len(self.frames) >= 2:
            opcode, size, at = self.frames[0] & 15, self.frames[1] & 127, 2
            if size == 126:
                size, at = struct.unpack(">H", self.frames[2:4].ljust(2, b"\0"))[0], 4
            elif size == 127:
                size, at = struct.unpack(">Q", self.frames[2:10].ljust(8, b"\0"))[0], 10
            if len(self.frames) < at + size:
                return
            payload, self.frames = self.frames[at:at + size], self.frames[at + size:]
            if opcode == TEXT:
                self.text += payload.decode() + "\n"
            elif opcode == PING:
                self.sock.sendall(self.frame(payload, PONG))
            elif opcode == CLOSE:
                self.close_code = struct.unpack(">H", payload[:2])[0] if len(payload) > 1 else None
                self.is_closed = True
                return

    def pull(self, seconds):
        """Takes in what is there, waiting at most so long for it. False: nothing came."""
        if self.is_closed:
            return False
        pending = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        if not pending and not select.select([self.sock], [], [], max(seconds, 0))[0]:
            return False
        try:
            data = self.sock.recv(65536)
        except ssl.SSLWantReadError:
            return True
        except (ConnectionError, ssl.SSLError, OSError):
            data = b""
        if not data:
            self.is_closed = True
            return True
        if self.is_framed:
            self.frames += data
            self.take_frames()
        else:
            self.text += data.decode()
        return True

    def until(self, pattern, seconds=WAIT):
        """The match of the regular expression in what comes."""
        end = time.monotonic() + seconds
        while True:
            found = re.compile(pattern, re.S).search(self.text, self.at)
            if found:
                self.at = found.end()
                return found
            if self.is_closed or (not self.pull(end - time.monotonic()) and time.monotonic() > end):
                raise AssertionError(f"{self.kind}: no {pattern} in {self.text[self.at:][-2000:]!r}"
                                     f"{' (closed)' if self.is_closed else ''}")

    def until_closed(self, seconds=WAIT):
        """All that was received, when the server has closed."""
        end = time.monotonic() + seconds
        while not self.is_closed:
            if not self.pull(end - time.monotonic()) and time.monotonic() > end:
                raise AssertionError(f"{self.kind}: not closed; had {self.text[-2000:]!r}")
        return self.text

    def fails(self, condition):
        """The stream ends as RFC 6120 section 4.9 wants: a header, the error, the end; nothing else behind."""
        text = self.until_closed()
        error = re.search(r"<stream:error[^>]*><([\w-]+) xmlns='urn:ietf:params:xml:ns:xmpp-streams'", text)
        assert error, f"{self.kind}: no stream error in {text!r}"
        assert re.fullmatch(condition, error[1]), f"{self.kind}: {error[1]}, not {condition}"
        opened = re.search(r"<open |<stream:stream ", text)
        assert opened and opened.start() < error.start(), text
        close = "</stream:stream>" if not self.is_framed else f"<close xmlns='{FRAMING}'/>"
        assert text.rstrip().endswith("</stream:error>\n" + close if self.is_framed
                                      else "</stream:error>" + close), text[-300:]
        return text

    def shut(self):
        """Our side of the TCP connection ends, we still read."""
        socket.socket.shutdown(self.sock, socket.SHUT_WR)  # of TCP, whatever TLS thinks of it

    def close(self):
        self.sock.close()


class Cast:
    """One daemon with clients in front and played daemons behind."""

    def __init__(self, rig, kind, **env):
        self.rig = rig
        self.kind = kind
        self.name = "c2s" if kind in ("tcp", "tls", "starttls") else "edge"
        rig.start_redis()
        self.router = rig.peer("router", "router-0", listen=rig.address("router-0"), hub=True)
        self.session = rig.peer("session", "session-0", listen=rig.address("session-0"))
        self.env = {"JACKDAW_EDGE_PORT": "0", "JACKDAW_EDGE_TLS_PORT": "0", "JACKDAW_EDGE_ADDRESS": "127.0.0.1",
                    "JACKDAW_EDGE_WEB_ROOT": rig.dir, "JACKDAW_C2S_PORT": "0", "JACKDAW_C2S_TLS_PORT": "0",
                    "JACKDAW_C2S_ADDRESS": "127.0.0.1", "JACKDAW_HEALTH_PORT": str(free_port()),
                    # Memory is measured: AddressSanitizer must not keep what was freed.
                    "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1",
                    "JACKDAW_C2S_REQUIRE_TLS": "yes" if kind == "starttls" else "no", **env}
        self.daemon = rig.daemon(self.name, **self.env)
        self.port = self.daemon.port({"tcp": "c2s", "starttls": "c2s", "tls": "c2s-tls"}.get(kind, kind))
        self.instance = self.name + "-0"
        self.router.take(event="peer_up", instance=self.instance)
        self.session.take(event="peer_up", instance=self.instance)
        self.daemon.wait_log("event=ready")
        self.sid = 100
        self.n = 1000

    def connect(self, **options):
        return Client("tcp" if self.kind == "starttls" else self.kind, self.port, **options)

    def answer(self, message, reply, **values):
        """Answers the next call of that name; returns it."""
        call = self.session.take(event="call", message=message)
        self.session.reply(call, reply, **values)
        return call

    def opened(self, **options):
        """A client with the first features."""
        client = self.connect(**options)
        client.send(client.header())
        client.until("</stream:features>")
        return client

    def auth(self, client, user="alice", send=None):
        """SASL with one step; the played session daemon says yes. `send` sends the client's bytes."""
        send = send or client.send
        initial = base64.b64encode(f"n,,n={user},r=abc".encode()).decode()
        send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{initial}</auth>")
        self.answer("sasl_start", "sasl_reply", outcome=1, data=b"v=x", account=f"{user}@example.org")
        client.until("<success.*?</success>")

    def fail_auth(self, client):
        client.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{base64.b64encode(b'n,,n=x,r=y').decode()}</auth>")
        self.answer("sasl_start", "sasl_reply", outcome=2, condition="not-authorized")
        client.until("<failure.*?</failure>")

    def bind(self, client, user="alice", resource="home", send=None):
        send = send or client.send
        send(client.header())
        client.until("</stream:features>")
        send(client.stanza(f"<iq type='set' id='b'><bind xmlns='{BIND}'><resource>{resource}</resource></bind></iq>"))
        self.sid += 1
        self.answer("bind", "bind_reply", jid=f"{user}@example.org/{resource}", sid=self.sid, epoch=1)
        client.until(f"<jid>{user}@example.org/{resource}</jid>.*?</iq>")
        return self.sid

    def login(self, user="alice", resource="home", **options):
        """A client with a bound session, and its session id."""
        client = self.opened(**options)
        self.auth(client, user)
        return client, self.bind(client, user, resource)

    def deliver(self, sids, stanza, n=None):
        self.n += 1
        return self.router.send_to(self.instance, "deliver", origin_sid=9, origin_n=n or self.n, sids=sids,
                                   stanza=stanza)

    def routed(self, text, timeout=WAIT):
        return self.router.take(event="item", message="route", where=lambda e: text in e["stanza"], timeout=timeout)

    # ---- facts about the daemon ----
    def cpu_seconds(self):
        with open(f"/proc/{self.daemon.process.pid}/stat") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self):
        with open(f"/proc/{self.daemon.process.pid}/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def metric(self, name):
        """The value of the line of /metrics that begins with `name`; 0 when there is none."""
        with socket.create_connection(("127.0.0.1", self.daemon.port("health")), WAIT) as sock:
            sock.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            text = b""
            while data := sock.recv(65536):
                text += data
        found = re.search("^" + re.escape(name) + r" (\d+)$", text.decode(), re.M)
        return int(found[1]) if found else 0

    def limit(self, name):
        return self.metric('jackdaw_limits_reached_total{limit="%s"}' % name)


def message(body, to="alice@example.org/home", sender="bob@example.org/x"):
    return f"<message xmlns='jabber:client' from='{sender}' to='{to}'><body>{body}</body></message>"
