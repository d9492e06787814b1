#!/usr/bin/env python3
"""SCRAM bound to the channel, over both ways to TLS: what fits comes in, what does not stays out.

The client is a few lines of its own, because it must be able to lie. tls-server-end-point is the hash of
the certificate; tls-exporter comes from `openssl s_client`, as Python's ssl has no exporter yet.
"""

import base64
import hashlib
import hmac
import re
import secrets
import socket
import ssl
import subprocess

from desktop import DOMAIN, PATIENCE, make_account, run, server

HEADER = ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' to='%s' version='1.0'"
          " xmlns:stream='http://etherx.jabber.org/streams'>" % DOMAIN)
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


class Socket:
    """TLS by Python's ssl, direct or after STARTTLS."""

    def __init__(self, way, maximum=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = maximum
        host, port = server(way)
        self._socket = socket.create_connection((host, int(port)), PATIENCE)
        if way == "starttls":
            self.send(HEADER)
            self.until("</stream:features>")
            self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            self.until("<proceed[^>]*/>")
        self._socket = context.wrap_socket(self._socket, server_hostname=DOMAIN)
        digest = hashlib.sha256(self._socket.getpeercert(binary_form=True)).digest()
        self.bindings = {"tls-server-end-point": digest,
                         "tls-unique": self._socket.get_channel_binding("tls-unique")}

    def send(self, text):
        self._socket.sendall(text.encode())

    def until(self, pattern):
        seen = ""
        while not re.search(pattern, seen):
            data = self._socket.recv(65536)
            assert data, "the server closed after " + seen
            seen += data.decode()
        return seen

    def close(self):
        self._socket.close()


class Exporter:
    """TLS 1.3 by OpenSSL's command, which can tell the exported key."""

    def __init__(self):
        host, port = server("tls")
        self._child = subprocess.Popen(
            ["openssl", "s_client", "-connect", host + ":" + port, "-servername", DOMAIN, "-tls1_3",
             "-keymatexport", "EXPORTER-Channel-Binding", "-keymatexportlen", "32"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        key = re.search("Keying material: ([0-9A-F]{64})", self.until("Keying material: [0-9A-F]{64}"))
        self.bindings = {"tls-exporter": bytes.fromhex(key[1])}

    def send(self, text):
        self._child.stdin.write(text.encode())
        self._child.stdin.flush()

    def until(self, pattern):
        seen = ""
        while not re.search(pattern, seen):
            data = self._child.stdout.read1(65536)
            assert data, "the server closed after " + seen
            seen += data.decode("utf-8", "replace")
        return seen

    def close(self):
        self._child.kill()
        self._child.wait()


def encode(data):
    return base64.b64encode(data).decode()


class Login:
    """One attempt. `flag` and `data` are what the client claims of its channel."""

    def __init__(self, channel):
        self.channel = channel
        channel.send(HEADER)
        features = channel.until("</stream:features>")
        self.mechanisms = re.findall("<mechanism>([^<]*)</mechanism>", features)
        self.types = re.findall("<channel-binding type='([^']*)'/>", features)

    def _protection(self, hash_name):
        """XEP-0474"""
        text = "\x1e".join(sorted(self.mechanisms))
        text += "\x1f" + "\x1e".join(sorted(self.types)) if self.types else ""
        return encode(hashlib.new(hash_name, text.encode()).digest())

    def run(self, account, mechanism, flag, data=b""):
        hash_name = mechanism.removeprefix("SCRAM-").removesuffix("-PLUS").replace("-", "").lower()
        bare = "n=%s,r=%s" % (account.name, secrets.token_hex(12))
        first = encode((flag + ",," + bare).encode())
        self.channel.send("<auth xmlns='%s' mechanism='%s'>%s</auth>" % (SASL, mechanism, first))
        answer = self.channel.until("</(challenge|failure)>")
        if "<failure" in answer:
            return re.search("<([a-z-]+)/>", answer)[1]
        challenge = base64.b64decode(re.search("<challenge[^>]*>([^<]*)<", answer)[1]).decode()
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        assert parts["h"] == self._protection(hash_name), "the lists were tampered with: " + challenge
        final = "c=%s,r=%s" % (encode((flag + ",,").encode() + data), parts["r"])
        proof, signature = self._prove(hash_name, account, parts, ",".join((bare, challenge, final)))
        final = encode((final + ",p=" + encode(proof)).encode())
        self.channel.send("<response xmlns='%s'>%s</response>" % (SASL, final))
        answer = self.channel.until("</(success|failure)>")
        if "<failure" in answer:
            return re.search("<([a-z-]+)/>", answer)[1]
        assert encode(("v=" + encode(signature)).encode()) in answer, "the server has no verifier"
        return "success"

    @staticmethod
    def _prove(hash_name, account, parts, text):
        def mac(key, message):
            return hmac.new(key, message, hash_name).digest()
        salted = hashlib.pbkdf2_hmac(hash_name, account.password.encode(),
                                     base64.b64decode(parts["s"]), int(parts["i"]))
        key = mac(salted, b"Client Key")
        signed = mac(hashlib.new(hash_name, key).digest(), text.encode())
        return bytes(a ^ b for a, b in zip(key, signed)), mac(mac(salted, b"Server Key"), text.encode())


def attempt(channel, account, *claim):
    try:
        return Login(channel).run(account, *claim)
    finally:
        channel.close()


# ---- the tests ----

END_POINT = "tls-server-end-point"


def of(channel, kind):
    return "p=" + kind, channel.bindings[kind]


async def every_hash_and_binding_logs_in():
    account = await make_account("bound")
    for hash_name in ("SHA-1", "SHA-256", "SHA-512"):
        name = "SCRAM-" + hash_name
        for way in ("tls", "starttls"):
            channel = Socket(way)
            assert attempt(channel, account, name + "-PLUS", *of(channel, END_POINT)) == "success"
        channel = Exporter()
        assert attempt(channel, account, name + "-PLUS", *of(channel, "tls-exporter")) == "success"
        assert attempt(Socket("tls"), account, name, "n") == "success"
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for kind in (END_POINT, "tls-unique"):  # the latter is not advertised
            channel = Socket("tls", version)
            assert attempt(channel, account, "SCRAM-SHA-256-PLUS", *of(channel, kind)) == "success"


async def another_channel_is_refused():
    account = await make_account("intercepted")
    for data in (b"\0" * 32, b"", b"x"):
        said = attempt(Socket("tls"), account, "SCRAM-SHA-256-PLUS", "p=tls-exporter", data)
        assert said == "not-authorized", said
        said = attempt(Socket("starttls"), account, "SCRAM-SHA-512-PLUS", "p=" + END_POINT, data)
        assert said == "not-authorized", said
    channel = Socket("tls")
    said = attempt(channel, account, "SCRAM-SHA-1-PLUS", "p=tls-unique", channel.bindings[END_POINT])
    assert said == "not-authorized", said
    said = attempt(Socket("tls"), account, "SCRAM-SHA-1-PLUS", "p=tls-future", b"x")
    assert said == "malformed-request", said


async def a_downgrade_is_refused():
    account = await make_account("downgraded")
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        said = attempt(Socket("tls"), account, mechanism, "y")
        assert said == "not-authorized", said
    said = attempt(Socket("tls"), account, "SCRAM-SHA-1-PLUS", "n")
    assert said == "malformed-request", said


async def a_wrong_password_is_refused_with_the_right_binding():
    account = await make_account("forgetful")
    account.password = "another"
    channel = Socket("tls")
    said = attempt(channel, account, "SCRAM-SHA-512-PLUS", *of(channel, END_POINT))
    assert said == "not-authorized", said


if __name__ == "__main__":
    run({
        "every hash logs in with every binding, over both ways to TLS": every_hash_and_binding_logs_in,
        "a client on another channel is refused": another_channel_is_refused,
        "a client that was told of no channel binding is refused": a_downgrade_is_refused,
        "the right binding does not make up for a wrong password":
            a_wrong_password_is_refused_with_the_right_binding,
    })
