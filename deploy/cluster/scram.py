"""The client's side of SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802), without channel binding."""

import base64
import functools
import hashlib
import hmac
import secrets
import unicodedata

MECHANISMS = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}


@functools.lru_cache(maxsize=4096)
def _salted(hash_name, password, salt, iterations):
    text = unicodedata.normalize("NFKC", password).encode("utf-8")
    return hashlib.pbkdf2_hmac(hash_name, text, salt, iterations)


class Scram:
    """One exchange: first(), then final(challenge), then is_server(success data)."""

    def __init__(self, mechanism, user, password):
        self._hash = MECHANISMS[mechanism]
        self._password = password
        name = user.replace("=", "=3D").replace(",", "=2C")
        self._nonce = secrets.token_urlsafe(18)
        self._bare = "n=%s,r=%s" % (name, self._nonce)
        self._signature = b""

    def first(self):
        return ("n,," + self._bare).encode("utf-8")

    def _mac(self, key, text):
        return hmac.new(key, text, self._hash).digest()

    def final(self, challenge):
        parts = dict(part.split("=", 1) for part in challenge.decode("utf-8").split(","))
        if not parts["r"].startswith(self._nonce):
            raise ValueError("the server's nonce does not begin with ours")
        salted = _salted(self._hash, self._password, base64.b64decode(parts["s"]), int(parts["i"]))
        client_key = self._mac(salted, b"Client Key")
        without_proof = "c=biws,r=" + parts["r"]
        text = ",".join((self._bare, challenge.decode("utf-8"), without_proof)).encode("utf-8")
        stored = hashlib.new(self._hash, client_key).digest()
        proof = bytes(a ^ b for a, b in zip(client_key, self._mac(stored, text)))
        self._signature = self._mac(self._mac(salted, b"Server Key"), text)
        return (without_proof + ",p=" + base64.b64encode(proof).decode("ascii")).encode("utf-8")

    def is_server(self, data):
        return data == b"v=" + base64.b64encode(self._signature)
