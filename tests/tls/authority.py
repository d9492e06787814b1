"""A private authority for servers' certificates, by the openssl command alone: keys, chains, OCSP responses."""

import os
import secrets
import subprocess

DAYS = 180  # testssl warns of what ends within two months
_AUTHORITY = """
[ca]
default_ca = here
[here]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
[req]
distinguished_name = name
[name]
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign,digitalSignature
subjectKeyIdentifier = hash
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
authorityInfoAccess = OCSP;URI:http://ocsp.invalid/
subjectAltName = {names}
"""
_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


def _openssl(*words):
    subprocess.run(["openssl", *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    def __init__(self, folder):
        self.folder = folder
        self.root = self._path("ca.pem")
        self._issued = 0
        os.makedirs(folder, exist_ok=True)
        for name, text in (("index.txt", ""), ("serial", "7a" + secrets.token_hex(15) + "\n")):
            with open(self._path(name), "w", encoding="ascii") as out:
                out.write(text)
        _openssl("req", "-x509", "-config", self._config("DNS:none"), "-extensions", "root", *_NEW_KEY,
                 "-days", str(DAYS), "-subj", "/CN=Jackdaw test authority", "-keyout", self._path("ca.key"),
                 "-out", self.root)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _config(self, names):
        path = self._path("ca.cnf")
        with open(path, "w", encoding="ascii") as out:
            out.write(_AUTHORITY.format(folder=self.folder, names=names))
        return path

    def issue(self, name, *hosts):
        """A certificate for `hosts` as NAME.pem, NAME.key and NAME.ocsp, put in place of older ones."""
        self._issued += 1
        stem = self._path("issued-%d" % self._issued)
        config = self._config(",".join("DNS:" + host for host in hosts))
        _openssl("req", "-config", config, *_NEW_KEY, "-subj", "/CN=%s %d" % (name, self._issued),
                 "-keyout", stem + ".key", "-out", stem + ".csr")
        _openssl("ca", "-batch", "-notext", "-config", config, "-extensions", "server", "-days", str(DAYS),
                 "-in", stem + ".csr", "-out", stem + ".pem")
        _openssl("ocsp", "-index", self._path("index.txt"), "-CA", self.root, "-rsigner", self.root, "-rkey",
                 self._path("ca.key"), "-issuer", self.root, "-cert", stem + ".pem", "-ndays", "30", "-respout",
                 stem + ".ocsp")
        for suffix in (".key", ".pem", ".ocsp"):
            os.replace(stem + suffix, self._path(name + suffix))
        return "%s %d" % (name, self._issued)

    def options(self, name, domain):
        """The options of jackdaw.conf for it; `domain` "" for all."""
        at = "@" + domain if domain else ""
        return {"tls.cert" + at: self._path(name + ".pem"), "tls.key" + at: self._path(name + ".key"),
                "tls.ocsp" + at: self._path(name + ".ocsp")}
