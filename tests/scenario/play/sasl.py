"""The client's side of SASL: ANONYMOUS (RFC 4505), EXTERNAL (RFC 4422), PLAIN (RFC 4616), OAUTHBEARER (RFC
7628), SCRAM (RFC 5802, RFC 7677) with SHA-1, SHA-256, SHA-512, tokens (draft-schmaus-kitten-sasl-ht-09)."""

import base64
import functools
import hashlib
import hmac
import json
import secrets
import unicodedata

HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


def encode(data):
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def decode(text):
    return base64.b64decode(text, validate=True).decode()


@functools.lru_cache(maxsize=4096)
def _salted(hash_name, password, salt, iterations):
    prepared = unicodedata.normalize("NFKC", password).encode()
    return hashlib.pbkdf2_hmac(hash_name, prepared, salt, iterations)


class Plain:
    def __init__(self, mechanism, user, password, authzid=""):
        self.initial = encode("%s\0%s\0%s" % (authzid, user, password))

    def answer(self, challenge):
        raise ValueError("PLAIN has no challenge")

    def accepts(self, data):
        return True


class External:
    """The certificate says who we are, `authzid` which of its JIDs we want to be."""

    def __init__(self, mechanism, user, password, authzid=""):
        self.initial = encode(authzid) or "="

    def answer(self, challenge):
        raise ValueError("EXTERNAL has no challenge")

    def accepts(self, data):
        return not data


class Anonymous:
    initial = ""

    def __init__(self, mechanism, user, password, authzid=""):
        pass

    def answer(self, challenge):
        raise ValueError("ANONYMOUS has no challenge")

    def accepts(self, data):
        return not data


class OAuthBearer:
    """The token takes the place of the password."""

    def __init__(self, mechanism, user, password, authzid=""):
        name = "a=" + authzid.replace("=", "=3D").replace(",", "=2C") if authzid else ""
        self.initial = encode("n,%s,\1auth=Bearer %s\1\1" % (name, password))

    def answer(self, challenge):
        """An error in JSON, which is acknowledged (section 3.2.3)."""
        if not isinstance(json.loads(decode(challenge))["status"], str):
            raise ValueError("no status in " + challenge)
        return encode("\1")

    def accepts(self, data):
        return not data


class Scram:
    def __init__(self, mechanism, user, password, authzid=""):
        self._hash = HASHES[mechanism]
        self._password = password
        self._gs2 = "n,%s," % ("a=" + self._quote(authzid) if authzid else "")
        self._first = "n=%s,r=%s" % (self._quote(user), secrets.token_urlsafe(18))
        self._signature = None
        self.initial = encode(self._gs2 + self._first)

    @staticmethod
    def _quote(name):
        return name.replace("=", "=3D").replace(",", "=2C")

    def _mac(self, key, text):
        return hmac.new(key, text, self._hash).digest()

    def answer(self, challenge):
        text = decode(challenge)
        parts = dict(part.split("=", 1) for part in text.split(","))
        if not parts["r"].startswith(self._first.partition(",r=")[2]):
            raise ValueError("the server's nonce does not begin with ours")
        salted = _salted(self._hash, self._password, base64.b64decode(parts["s"]), int(parts["i"]))
        final = "c=%s,r=%s" % (encode(self._gs2), parts["r"])
        signed = ",".join((self._first, text, final)).encode()
        client_key = self._mac(salted, b"Client Key")
        stored = hashlib.new(self._hash, client_key).digest()
        proof = bytes(a ^ b for a, b in zip(client_key, self._mac(stored, signed)))
        self._signature = self._mac(self._mac(salted, b"Server Key"), signed)
        return encode(final + ",p=" + encode(proof))

    def accepts(self, data):
        """Whether the server knows the password too."""
        return data is not None and decode(data) == "v=" + encode(self._signature)


class HashedToken:
    """`password` is the token, `binding` the channel's data where the mechanism wants it."""

    def __init__(self, user, token, binding=b""):
        self._responder = hmac.new(token.encode(), b"Responder" + binding, "sha256").digest()
        mac = hmac.new(token.encode(), b"Initiator" + binding, "sha256").digest()
        self.initial = encode(user.encode() + b"\0" + mac)

    def answer(self, challenge):
        raise ValueError("a token has no challenge")

    def accepts(self, data):
        """Whether the server knows the token too."""
        return data is not None and base64.b64decode(data, validate=True) == self._responder


def start(mechanism, user, password, authzid="", binding=b""):
    if mechanism.startswith("HT-"):
        return HashedToken(user, password, binding)
    others = {"ANONYMOUS": Anonymous, "PLAIN": Plain, "EXTERNAL": External,
              "OAUTHBEARER": OAuthBearer}
    kind = Scram if mechanism in HASHES else others[mechanism]
    return kind(mechanism, user, password, authzid)
