#!/usr/bin/env python3
"""Who vouches for users without a password: an authority for clients' certificates and an issuer of tokens,
each with a stranger beside it that the server does not know. `authority.py DIR` makes its files, which the cluster is told of
(and `authority.py DIR '{"sub": "romeo"}'` prints a token):

    DIR/ca.pem     c2s.client_ca
    DIR/jwks.json  session.oauth_keys

Everything is done by the openssl command, so that it has nothing in common with the server's code.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
import tempfile
import time

_CONFIG = """
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical,CA:TRUE
[client]
extendedKeyUsage = %s
%s
"""
_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]


class Authority:
    """Its files in `folder`; `name` is "ca" or "stranger"."""

    def __init__(self, folder, name="ca"):
        self._folder = folder
        self._name = name
        self._issued = 0

    def _path(self, name):
        return os.path.join(self._folder, name)

    def _config(self, path, addresses, usage):
        names = ",".join("otherName:1.3.6.1.5.5.7.8.5;UTF8:" + each for each in addresses)
        with open(path, "w", encoding="utf-8") as out:
            out.write(_CONFIG % (usage, "subjectAltName = " + names if names else ""))

    def make(self):
        config = self._path(self._name + ".cnf")
        self._config(config, [], "clientAuth")
        subprocess.run(["openssl", "req", "-x509", "-config", config, "-extensions", "ca", *_NEW_KEY, "-subj",
                        "/CN=Test authority " + self._name, "-keyout", self._path(self._name + ".key"),
                        "-out", self._path(self._name + ".pem")], check=True, stderr=subprocess.DEVNULL)

    async def issue(self, addresses, usage="clientAuth"):
        """A new certificate with these JIDs in it: the path of a PEM file with its key."""
        self._issued += 1
        stem = self._path("client-%s-%d-%x-%d" % (self._name, os.getpid(), id(self), self._issued))
        config = stem + ".cnf"
        self._config(config, addresses, usage)
        child = await asyncio.create_subprocess_exec(
            "openssl", "req", "-x509", "-config", config, "-extensions", "client", *_NEW_KEY,
            "-subj", "/CN=client", "-CA", self._path(self._name + ".pem"),
            "-CAkey", self._path(self._name + ".key"), "-keyout", stem + ".key", "-out", stem + ".crt",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)
        said = (await child.communicate())[1]
        if child.returncode != 0:
            raise RuntimeError("openssl req: " + said.decode())
        with open(stem + ".pem", "w", encoding="ascii") as out:
            for part in (stem + ".crt", stem + ".key"):
                with open(part, encoding="ascii") as text:
                    out.write(text.read())
        return stem + ".pem"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=True).stdout


def _ed25519(key):
    point = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")[-32:]
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url(point)}


def _rsa(key):
    modulus = openssl("rsa", "-in", key, "-noout", "-modulus").decode().strip().partition("=")[2]
    return {"kty": "RSA", "n": base64url(bytes.fromhex(modulus)), "e": "AQAB"}


def _sign_ed25519(key, data):
    with tempfile.NamedTemporaryFile() as text:  # it wants to see all of it at once
        text.write(data)
        text.flush()
        return openssl("pkeyutl", "-sign", "-rawin", "-in", text.name, "-inkey", key)


def _sign_rsa(key, data):
    return openssl("dgst", "-sha256", "-sign", key, data=data)


class Issuer:
    """An identity provider; `name` is "issuer" or "stranger"."""

    _KINDS = {  # algorithm: (how a key is made, its public part, how it signs)
        "EdDSA": (["-algorithm", "ed25519"], _ed25519, _sign_ed25519),
        "RS256": (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], _rsa, _sign_rsa),
    }

    def __init__(self, folder, name="issuer"):
        self._folder = folder
        self._name = name

    def _key(self, algorithm):
        return os.path.join(self._folder, "%s-%s.key" % (self._name, algorithm))

    def make(self):
        for algorithm, (options, _, _) in self._KINDS.items():
            openssl("genpkey", *options, "-out", self._key(algorithm))

    def publish(self, path):
        keys = [dict(public(self._key(algorithm)), kid=algorithm, use="sig", alg=algorithm)
                for algorithm, (_, public, _) in self._KINDS.items()]
        with open(path, "w", encoding="ascii") as out:
            json.dump({"keys": keys}, out)

    def token(self, claims, header=None):
        """Signed; for localhost and an hour, unless `claims` say otherwise."""
        now = int(time.time())
        claims = {"aud": "localhost", "iat": now, "exp": now + 3600, **claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "EdDSA", **(header or {})}
        algorithm = header["alg"] if header["alg"] in self._KINDS else "EdDSA"
        header.setdefault("kid", algorithm)
        text = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
        signature = self._KINDS[algorithm][2](self._key(algorithm), text.encode())
        return text + "." + base64url(signature)


def main():
    if len(sys.argv) > 2:  # a token
        print(Issuer(sys.argv[1]).token(json.loads(sys.argv[2])))
        return
    folder = sys.argv[1]
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for name in os.listdir(folder):
        os.remove(os.path.join(folder, name))
    for name in ("ca", "stranger"):
        Authority(folder, name).make()
    for name in ("issuer", "stranger"):
        Issuer(folder, name).make()
    Issuer(folder).publish(os.path.join(folder, "jwks.json"))


if __name__ == "__main__":
    main()
