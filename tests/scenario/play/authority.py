#!/usr/bin/env python3
"""Who vouches for users without a password: an authority for clients' certificates, and another one that
the server does not know. `authority.py DIR` makes its files, which the cluster is told of:

    DIR/ca.pem     c2s.client_ca

Everything is done by the openssl command, so that it has nothing in common with the server's code.
"""

import asyncio
import os
import subprocess
import sys

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


def main():
    folder = sys.argv[1]
    os.makedirs(folder, mode=0o700, exist_ok=True)
    for name in os.listdir(folder):
        os.remove(os.path.join(folder, name))
    for name in ("ca", "stranger"):
        Authority(folder, name).make()


if __name__ == "__main__":
    main()
