#!/usr/bin/env python3
"""SCRAM and tokens bound to the channel, over both ways to TLS and with both profiles of SASL (RFC 6120,
XEP-0388): what fits comes in, what does not stays out.

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
SASL2 = "urn:xmpp:sasl:2"
CLIENT = "d4565fa7-4d72-4749-b3d3-740edbf87770"


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

    namespace = SASL
    listed = "<mechanisms .*?</mechanisms>"
    opening = "<auth xmlns='" + SASL + "' mechanism='%s'>%s</auth>"

    def __init__(self, channel):
        self.channel = channel
        channel.send(HEADER)
        features = channel.until("</stream:features>")
        self.mechanisms = re.findall("<mechanism>([^<]*)</mechanism>",
                                     re.search(self.listed, features)[0])
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
        self.channel.send(self.opening % (mechanism, first))
        answer = self.channel.until("</(challenge|failure)>")
        if "<failure" in answer:
            return self._condition(answer)
        challenge = base64.b64decode(re.search("<challenge[^>]*>([^<]*)<", answer)[1]).decode()
        parts = dict(part.split("=", 1) for part in challenge.split(","))
        assert parts["h"] == self._protection(hash_name), "the lists were tampered with: " + challenge
        final = "c=%s,r=%s" % (encode((flag + ",,").encode() + data), parts["r"])
        proof, signature = self._prove(hash_name, account, parts, ",".join((bare, challenge, final)))
        final = encode((final + ",p=" + encode(proof)).encode())
        self.channel.send("<response xmlns='%s'>%s</response>" % (self.namespace, final))
        answer = self.channel.until("</(success|failure)>")
        if "<failure" in answer:
            return self._condition(answer)
        assert encode(("v=" + encode(signature)).encode()) in answer, "the server has no verifier"
        self._success(answer)
        return "success"

    @staticmethod
    def _condition(answer):
        return re.search("<([a-z-]+)(?: xmlns='%s')?/>" % SASL, answer)[1]

    def _success(self, answer):
        pass

    @staticmethod
    def _prove(hash_name, account, parts, text):
        def mac(key, message):
            return hmac.new(key, message, hash_name).digest()
        salted = hashlib.pbkdf2_hmac(hash_name, account.password.encode(),
                                     base64.b64decode(parts["s"]), int(parts["i"]))
        key = mac(salted, b"Client Key")
        signed = mac(hashlib.new(hash_name, key).digest(), text.encode())
        return bytes(a ^ b for a, b in zip(key, signed)), mac(mac(salted, b"Server Key"), text.encode())


class Login2(Login):
    """The same by XEP-0388. Asks for a token bound by tls-exporter (XEP-0484)."""

    namespace = SASL2
    listed = "<authentication .*?<inline>"
    opening = ("<authenticate xmlns='" + SASL2 + "' mechanism='%s'><initial-response>%s"
               "</initial-response><user-agent id='" + CLIENT + "'/><request-token"
               " xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-EXPR'/></authenticate>")
    token = None

    def _success(self, answer):
        found = re.search("<token [^>]*token=[\"']([^\"']*)", answer)
        self.token = found and found[1]


class TokenLogin(Login2):
    """With a token; `data` is what the client takes for the channel's."""

    opening = Login2.opening.partition("<request-token")[0] + "<fast xmlns='urn:xmpp:fast:0'/></authenticate>"

    def use(self, account, token, mechanism, data):
        def proof(who):
            return hmac.digest(token.encode(), who + data, "sha256")
        initial = encode(account.name.encode() + b"\0" + proof(b"Initiator"))
        self.channel.send(self.opening % (mechanism, initial))
        answer = self.channel.until("</(success|failure)>")
        if "<failure" in answer:
            return self._condition(answer)
        assert encode(proof(b"Responder")) in answer, "the server does not know the token"
        return "success"


def attempt(channel, account, *claim, kind=Login):
    try:
        return kind(channel).run(account, *claim)
    finally:
        channel.close()


# ---- the tests ----

END_POINT = "tls-server-end-point"


def of(channel, kind):
    return "p=" + kind, channel.bindings[kind]


async def every_hash_and_binding_logs_in(kind=Login):
    account = await make_account("bound")
    for hash_name in ("SHA-1", "SHA-256", "SHA-512"):
        name = "SCRAM-" + hash_name
        for way in ("tls", "starttls"):
            channel = Socket(way)
            assert attempt(channel, account, name + "-PLUS", *of(channel, END_POINT),
                           kind=kind) == "success"
        channel = Exporter()
        assert attempt(channel, account, name + "-PLUS", *of(channel, "tls-exporter"),
                       kind=kind) == "success"
        assert attempt(Socket("tls"), account, name, "n", kind=kind) == "success"
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        for kind in (END_POINT, "tls-unique"):  # the latter is not advertised
            channel = Socket("tls", version)
            assert attempt(channel, account, "SCRAM-SHA-256-PLUS", *of(channel, kind)) == "success"


async def every_hash_and_binding_logs_in_by_sasl2():
    await every_hash_and_binding_logs_in(Login2)


async def a_token_is_good_on_its_own_channel_only():
    account = await make_account("token")
    channel = Exporter()
    login = Login2(channel)
    assert login.run(account, "SCRAM-SHA-256-PLUS", *of(channel, "tls-exporter")) == "success"
    exported = channel.bindings["tls-exporter"]
    channel.close()
    for make, data, wanted in ((Exporter, None, "success"), (Exporter, exported, "not-authorized"),
                               (Exporter, b"", "not-authorized")):
        channel = make()
        data = channel.bindings["tls-exporter"] if data is None else data
        said = TokenLogin(channel).use(account, login.token, "HT-SHA-256-EXPR", data)
        channel.close()
        assert said == wanted, said
    channel = Socket("tls")
    said = TokenLogin(channel).use(account, login.token, "HT-SHA-256-ENDP", channel.bindings[END_POINT])
    channel.close()
    assert said == "not-authorized", said


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
        for kind in (Login, Login2):
            said = attempt(Socket("tls"), account, mechanism, "y", kind=kind)
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
        "the same with SASL2": every_hash_and_binding_logs_in_by_sasl2,
        "a token bound to the channel opens on its own channel only":
            a_token_is_good_on_its_own_channel_only,
        "a client on another channel is refused": another_channel_is_refused,
        "a client that was told of no channel binding is refused": a_downgrade_is_refused,
        "the right binding does not make up for a wrong password":
            a_wrong_password_is_refused_with_the_right_binding,
    })
