#!/usr/bin/env python3
"""TLS as the world sees it: tests/tls/run.py [--bin build/asan/bin] [--only NAME...]

Starts a cluster of two domains, each with a certificate of a private authority, and proves that clients get
the right one on every port, that certificates are loaded anew under connections that stay, and that testssl.sh
finds nothing to complain about (tests/tls/testssl.py says what is accepted, and why). Ends with a line
'N passed, N failed'.
"""

import argparse
import asyncio
import os
import queue
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

_ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path[:0] = [os.path.join(_ROOT, "deploy"), os.path.join(_ROOT, "tests", "scenario")]
from authority import Authority  # noqa: E402
from cluster.cluster import Cluster, Trouble  # noqa: E402
from play.client import Client, Frames, Stream  # noqa: E402
from testssl import Scan  # noqa: E402

PATIENCE = 60  # seconds, on a busy machine
SCAN_LIMIT = 400
ONE, TWO, NEW = "localhost", "two.localhost", "new.localhost"
_HEADER = ("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='%s' "
           "version='1.0'>")


class World:
    """The authority and the cluster."""

    def __init__(self, bin_dir, folder):
        self.authority = Authority(os.path.join(folder, "authority"))
        self.names = {ONE: self.authority.issue("one", ONE, "*.localhost"), TWO: self.authority.issue("two", TWO)}
        self._lines = queue.Queue()
        settings = {"cluster.domains": "%s, %s" % (ONE, TWO), "edge.https_only": "365d",
                    "session.iterations": "4096", **self.authority.options("one", ""),
                    **self.authority.options("two", TWO)}
        counts = dict.fromkeys(("edge", "c2s", "router", "session", "presence", "pubsub", "archive"), 1)
        self.cluster = Cluster(bin_dir, os.path.join(folder, "run"), counts, settings,
                               on_line=lambda name, line: self._lines.put((name, line)))

    def port(self, kind):
        address = {"wss": lambda: self.cluster.websockets(is_secure=True)[0][:-len("/ws")],
                   "tls": lambda: self.cluster.tcp(is_direct=True)[0], "tcp": lambda: self.cluster.tcp()[0]}[kind]()
        return int(address.rpartition(":")[2])

    def reload(self, event):
        """SIGHUP to edge and c2s; returns when both said `event`."""
        while not self._lines.empty():
            self._lines.get()
        waiting = {"edge-1", "c2s-1"}
        for name in waiting:
            self.cluster.processes[name].signal(signal.SIGHUP)
        end = time.monotonic() + PATIENCE
        while waiting:
            name, line = self._lines.get(timeout=max(0.01, end - time.monotonic()))
            if "event=%s" % event in line or " %s " % event in line:
                waiting.discard(name)


# ---- who shows what ----

def _until(sock, text):
    got = b""
    while text not in got:
        piece = sock.recv(4096)
        if not piece:
            raise AssertionError("the connection ended, after %r" % got)
        got += piece


def shown(world, kind, sni, asked=ONE):
    """The common name of the certificate on a port; `asked`: the stream's `to` before STARTTLS."""
    context = ssl.create_default_context(cafile=world.authority.root)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", world.port(kind)), PATIENCE) as sock:
        if kind == "tcp":
            sock.sendall((_HEADER % asked).encode())
            _until(sock, b"</stream:features>")
            sock.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            _until(sock, b"<proceed")
        with context.wrap_socket(sock, server_hostname=sni) as secure:
            subject = dict(pair for part in secure.getpeercert()["subject"] for pair in part)
            return subject["commonName"]


def expect(what, wanted, got):
    if wanted != got:
        raise AssertionError("%s: %r, not %r" % (what, got, wanted))


def all_are_shown(world, names):
    for kind in ("wss", "tls", "tcp"):
        for domain in (ONE, TWO):
            expect("%s with SNI %s" % (kind, domain), names[domain], shown(world, kind, domain))


# ---- the tests ----

def each_domain_shows_its_certificate(world):
    all_are_shown(world, world.names)


def the_streams_to_counts_without_sni(world):
    """RFC 6120 section 4.7.2: before STARTTLS the client has said whom it means."""
    expect("to %s" % TWO, world.names[TWO], shown(world, "tcp", None, TWO))
    expect("to %s" % ONE, world.names[ONE], shown(world, "tcp", None, ONE))
    expect("to one, SNI two", world.names[TWO], shown(world, "tcp", TWO, ONE))


def unknown_names_get_the_certificate_for_all(world):
    for kind in ("wss", "tls"):
        for sni in ("chat.elsewhere.example", "three.localhost", None):
            expect("%s with SNI %s" % (kind, sni), world.names[ONE], shown(world, kind, sni))


def each_domain_staples_its_ocsp_response(world):
    for kind in ("wss", "tls"):
        for domain in (ONE, TWO):
            done = subprocess.run(
                ["openssl", "s_client", "-connect", "127.0.0.1:%d" % world.port(kind), "-servername", domain,
                 "-status", "-CAfile", world.authority.root], stdin=subprocess.DEVNULL, capture_output=True,
                timeout=PATIENCE, text=True, check=False)
            if "OCSP Response Status: successful" not in done.stdout or "Cert Status: good" not in done.stdout:
                raise AssertionError("no staple for %s on %s" % (domain, kind))


def _resumes(world, kind, version):
    context = ssl.create_default_context(cafile=world.authority.root)
    context.minimum_version = context.maximum_version = version
    session = None
    outcomes = []
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", world.port(kind)), PATIENCE) as sock:
            with context.wrap_socket(sock, server_hostname=TWO, session=session) as secure:
                outcomes.append(secure.session_reused)
                # An answer comes after the ticket.
                secure.sendall(b"GET / HTTP/1.1\r\nHost: two.localhost\r\n\r\n" if kind == "wss"
                               else (_HEADER % TWO).encode())
                secure.recv(4096)
                session = secure.session
    return outcomes


def sessions_are_resumed_by_tickets(world):
    """Also one that was resumed before: in TLS 1.3 a ticket is used once."""
    for kind in ("wss", "tls"):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            expect("%s %s" % (kind, version.name), [False, True, True], _resumes(world, kind, version))


async def _log_in(url, domain, resource):
    client = Client(url, url, Frames() if url.startswith("wss") else Stream(), lambda line: None)
    await client.connect()
    await client.open_stream(domain, PATIENCE)
    failure = await client.authenticate(client.mechanism(), "held", "held open", "", PATIENCE)
    if failure is not None:
        raise AssertionError("no login over %s" % url)
    await client.open_stream(domain, PATIENCE)
    await client.bind(resource, PATIENCE)
    return client


async def _ping(client):
    return (await client.ask("get", "<ping xmlns='urn:xmpp:ping'/>", PATIENCE)).get("type")


async def _all_are_alive(held):
    for client in held:
        expect("a ping over " + client.url, "result", await _ping(client))


async def _reload_under(world, held):
    names = {ONE: world.authority.issue("one", ONE, "*.localhost"), TWO: world.authority.issue("two", TWO)}
    world.reload("certificates-loaded")
    all_are_shown(world, names)
    await _all_are_alive(held)
    # A file that is no certificate: told, and what was there stays in use.
    path = os.path.join(world.authority.folder, "two.pem")
    with open(path, "w", encoding="ascii") as out:
        out.write("this is no certificate\n")
    world.reload("certificate-not-reloaded")
    all_are_shown(world, names)
    await _all_are_alive(held)
    world.names = {ONE: names[ONE], TWO: world.authority.issue("two", TWO)}
    world.reload("certificates-loaded")
    all_are_shown(world, world.names)
    await _all_are_alive(held)


def certificates_are_loaded_anew_under_held_connections(world):
    async def perform():
        held = []
        try:
            for domain in (ONE, TWO):
                for url in ("wss://localhost:%d/ws" % world.port("wss"), "tcp://localhost:%d" % world.port("tcp"),
                            "tcps://localhost:%d" % world.port("tls")):
                    held.append(await _log_in(url, domain, "r%d" % len(held)))
            await _reload_under(world, held)
        finally:
            for client in held:
                await client.leave()
    for domain in (ONE, TWO):
        world.cluster.add_user("held@" + domain, "held open")
    asyncio.run(perform())


def a_reload_adds_a_domain_with_its_certificate(world):
    """No daemon is started anew, and who is connected notices nothing."""
    async def perform():
        held = await _log_in("tcps://localhost:%d" % world.port("tls"), ONE, "stays")
        for process in world.cluster.processes.values():
            process.signal(signal.SIGHUP)
        end = time.monotonic() + PATIENCE
        while any(shown(world, kind, NEW) != name for kind in ("tls", "wss")):
            if time.monotonic() > end:
                raise AssertionError("the new domain's certificate is not shown")
            await asyncio.sleep(0.05)
        await asyncio.to_thread(_add_user_when_known, world, "held@" + NEW, end)
        fresh = await _log_in("wss://localhost:%d/ws" % world.port("wss"), NEW, "new")
        while await _ping(fresh) != "result":  # the router may be the last to know
            if time.monotonic() > end:
                raise AssertionError("no answer to the new domain's user")
            await asyncio.sleep(0.05)
        await _all_are_alive([held])
        for client in (held, fresh):
            await client.leave()

    name = world.authority.issue("new", NEW)
    world.cluster.settings["cluster.domains"] += ", " + NEW
    world.cluster.settings.update(world.authority.options("new", NEW))
    world.cluster.write_config()
    asyncio.run(perform())


def _add_user_when_known(world, jid, end):
    while True:
        try:
            world.cluster.add_user(jid, "held open")
            return
        except Trouble:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def testssl_has_nothing_to_complain_about(world):
    scans = [
        Scan("https and wss", ["--headers", "https://localhost:%d" % world.port("wss")], world.authority.root, ["HSTS_time"]),
        Scan("STARTTLS", ["--starttls", "xmpp", "--xmpphost", ONE, "localhost:%d" % world.port("tcp")],
             world.authority.root),
        Scan("direct TLS", ["localhost:%d" % world.port("tls")], world.authority.root),
    ]
    end = time.monotonic() + SCAN_LIMIT
    complaints = []
    for scan in scans:
        complaints += ["%s: %s" % (scan.name, each) for each in scan.finish(max(1, end - time.monotonic()))]
    if complaints:
        raise AssertionError("\n".join(complaints))


TESTS = [each_domain_shows_its_certificate, the_streams_to_counts_without_sni,
         unknown_names_get_the_certificate_for_all, each_domain_staples_its_ocsp_response,
         sessions_are_resumed_by_tickets,
         certificates_are_loaded_anew_under_held_connections, a_reload_adds_a_domain_with_its_certificate,
         testssl_has_nothing_to_complain_about]


def perform(test, world):
    begun = time.monotonic()
    try:
        test(world)
    except Exception as error:  # pylint: disable=broad-except  # one must not end the others
        text = str(error) if isinstance(error, AssertionError) else traceback.format_exc(limit=-4)
        print("FAIL %s (%.1f s)\n  %s" % (test.__name__, time.monotonic() - begun, text.replace("\n", "\n  ")),
              flush=True)
        return False
    print("ok   %s (%.1f s)" % (test.__name__, time.monotonic() - begun), flush=True)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(_ROOT, "build", "asan", "bin"))
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="jackdaw-tls-")
    outcomes = []
    world = World(options.bin, folder)
    try:
        world.cluster.start(timeout=120)
        outcomes = [perform(test, world) for test in TESTS if not options.only or test.__name__ in options.only]
    finally:
        complaints = world.cluster.stop()
    for complaint in complaints:
        print("cluster: " + complaint)
    print("%d passed, %d failed" % (outcomes.count(True), outcomes.count(False) + bool(complaints)))
    if all(outcomes) and not complaints:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    print("logs are in " + folder)
    return 1


if __name__ == "__main__":
    sys.exit(main())
