"""What the tests of desktop clients share: accounts, somebody on the web to talk to, the clients' programs.

The environment is that of cluster.mjs, and CLUSTER_TCP and CLUSTER_TLS: host:port, comma separated, of
STARTTLS and of direct TLS. NODE_EXTRA_CA_CERTS names the certificate that clients are to trust.

A client library comes as a program that this file starts with JID PASSWORD HOST PORT starttls|tls CAFILE.
It prints what happens, a line each, blanks between the words, and takes orders from its standard input:

    online JID WHAT...             message TO BODY...
    failed WHY...                  presence SHOW STATUS...     (SHOW of plain availability is "available")
    message FROM BODY...           subscribe JID
    presence FROM SHOW STATUS...   subscribed JID
    presence FROM TYPE             quit
"""

import asyncio
import glob
import os
import re
import shlex
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "..", "deploy"))
from cluster.xmppws import Client, XmppError, child_text, local, message  # noqa: E402

DOMAIN = os.environ.get("CLUSTER_DOMAIN", "localhost")
CERTIFICATE = os.environ.get("NODE_EXTRA_CA_CERTS", "")
STRANGERS = "/etc/ssl/certs/ca-certificates.crt"  # Debian's ca-certificates
PATIENCE = 30  # seconds for anything that is due
WAYS = {"starttls": "CLUSTER_TCP", "tls": "CLUSTER_TLS"}


class Untestable(Exception):
    """The client is not here."""


def addresses(name):
    found = [each for each in os.environ.get(name, "").split(",") if each]
    if not found:
        sys.exit("%s is not set: start this with tests/run.sh desktop" % name)
    return found


def server(way, number=0):
    """(host, port) of one of the daemons that take clients that way."""
    found = addresses(WAYS[way])
    host, port = found[number % len(found)].rsplit(":", 1)
    return host, port


class Account:
    _made = 0

    def __init__(self, stem, password):
        Account._made += 1
        self.name = "%s-%x-%d-%d" % (stem, time.time_ns() // 1000000, os.getpid(), Account._made)
        self.jid = "%s@%s" % (self.name, DOMAIN)
        self.password = password


async def control(*words, said=""):
    """What the operator's command answers."""
    child = await asyncio.create_subprocess_exec(
        *shlex.split(os.environ["CLUSTER_CTL"]), *words,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    answer, _ = await child.communicate(said.encode())
    assert child.returncode == 0, answer.decode()
    return answer.decode()


async def make_account(stem, password="p4ss word"):
    account = Account(stem, password)
    await control("user", "add", account.jid, said=password + "\n")
    return account


def failed_logins(account):
    """[(time, mechanism)] of what the session daemons refused, from their logs."""
    tried = []
    for path in glob.glob(os.path.join(os.environ["CLUSTER_RUN_DIR"], "log", "session-*.log")):
        with open(path, encoding="utf-8") as log:
            tried += re.findall(r"time=(\S+) .*event=login_failed mechanism=(\S+) account=%s " % account.jid,
                                log.read())
    return tried


async def refused(account):
    """Waits until a login of the account has failed."""
    end = time.monotonic() + PATIENCE
    while not failed_logins(account):
        assert time.monotonic() < end, "no login of %s was tried" % account.jid
        await asyncio.sleep(0.1)


def assert_scram(account):
    """The (failed) logins of the account were tried with SCRAM first."""
    tried = failed_logins(account)
    assert tried and min(tried)[1].startswith("SCRAM-"), "logins were tried with %s" % sorted(tried)


class Party:
    """Somebody who takes part: what they saw, as lines."""

    def __init__(self, name):
        self.name = name
        self.jid = ""
        self.seen = []
        self._news = asyncio.Event()
        self._reader = None

    def saw(self, line):
        self.seen.append(line)
        self._news.set()

    async def sees(self, pattern, seconds=PATIENCE):
        """Waits for a line that matches; returns the match."""
        end = time.monotonic() + seconds
        while True:
            for line in self.seen:
                found = re.search(pattern, line)
                if found:
                    return found
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), max(0.0, end - time.monotonic()))
            except asyncio.TimeoutError:
                raise AssertionError("%s saw nothing like %s, but:\n    %s" % (
                    self.name, pattern, "\n    ".join(self.seen[-30:]))) from None


class Web(Party):
    """A WebSocket client, as on the book's page."""

    def __init__(self, client):
        super().__init__("the WebSocket client")
        self._client = client

    @classmethod
    async def log_in(cls, account, number=0):
        edges = addresses("CLUSTER_WS")
        client = await Client.connect(edges[number % len(edges)], DOMAIN)
        await client.log_in(account.name, account.password, "web")
        web = cls(client)
        web.jid = client.jid
        web._reader = asyncio.ensure_future(web._read())
        web.presence("available", "on the web")
        await web.sees("^presence " + re.escape(web.jid))
        return web

    async def _read(self):
        try:
            while True:
                self._take(await self._client.receive())
        except (XmppError, ConnectionError) as error:
            self.saw("failed %s" % error)

    def _take(self, stanza):
        kind, sender = local(stanza), stanza.get("from", "")
        if kind == "presence":
            show = stanza.get("type") or child_text(stanza, "show") or "available"
            self.saw("presence %s %s %s" % (sender, show, child_text(stanza, "status") or ""))
        elif kind == "message":
            self.saw("message %s %s" % (sender, child_text(stanza, "body")))
        elif kind == "iq" and stanza.get("type") in ("get", "set"):
            self._client.send("<iq xmlns='jabber:client' type='error' id='%s' to='%s'><error type='cancel'>"
                              "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
                              "</iq>" % (stanza.get("id"), sender))

    def message(self, to, body):
        self._client.send(message(to, body))

    def presence(self, show, status):
        inside = "" if show == "available" else "<show>%s</show>" % show
        self._client.send("<presence xmlns='jabber:client'>%s<status>%s</status></presence>" % (
            inside, status))

    def subscription(self, kind, to):
        self._client.send("<presence xmlns='jabber:client' type='%s' to='%s'/>" % (kind, to))

    async def leave(self):
        self._reader.cancel()
        self._client.leave()


class Program(Party):
    """A client library in a program of its own that obeys the lines described above."""

    def __init__(self, name, child):
        super().__init__(name)
        self._child = child

    @classmethod
    async def start(cls, argv, account, way, password=None, trust=CERTIFICATE, number=0):
        child = await asyncio.create_subprocess_exec(
            *argv, account.jid, password or account.password, *server(way, number), way, trust,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT)
        program = cls(os.path.basename(argv[-1]), child)
        program._reader = asyncio.ensure_future(program._read())
        return program

    @classmethod
    async def log_in(cls, argv, account, way, number=0):
        program = await cls.start(argv, account, way, number=number)
        try:
            program.jid = (await program.sees(r"^online (\S+)")).group(1)
        except AssertionError:
            await program.end()
            raise
        return program

    async def _read(self):
        while True:
            line = await self._child.stdout.readline()
            if not line:
                break
            self.saw(line.decode("utf-8", "replace").rstrip("\n"))
        self.saw("ended with status %s" % await self._child.wait())

    def order(self, *words):
        self._child.stdin.write((" ".join(words) + "\n").encode())

    def message(self, to, body):
        self.order("message", to, body)

    def presence(self, show, status):
        self.order("presence", show, status)

    def subscription(self, kind, to):
        self.order(kind, to)

    async def leave(self):
        """It ends its stream properly and by itself."""
        if self._child.returncode is None:
            self.order("quit")
        await self.sees("^ended with status 0$")

    async def end(self):
        if self._child.returncode is None:
            self._child.kill()
        await self._child.wait()


# ---- what every client must be able to do ----

async def befriend(client, client_jid, web, web_jid):
    """Each may see the other's presence; both ask, as clients do."""
    client.subscription("subscribe", web_jid)
    await web.sees("^presence %s subscribe" % re.escape(client_jid))
    web.subscription("subscribed", client_jid)
    web.subscription("subscribe", client_jid)
    await client.sees("^presence %s subscribe( |$)" % re.escape(web_jid))
    client.subscription("subscribed", web_jid)


async def converse(client, account, web, friend):
    """Chat both ways, and each sees presence, status and leaving of the other."""
    await befriend(client, account.jid, web, friend.jid)
    await client.sees("^presence %s available on the web" % re.escape(web.jid))
    await web.sees("^presence %s/" % re.escape(account.jid))

    client.message(friend.jid, "But, soft! <what> light & \"so\" – ☾")
    await web.sees("^message %s/\\S+ But, soft! <what> light & \"so\" – ☾$" % re.escape(account.jid))
    web.message(client.jid, "Ay <me>! & 'thou' – ☾")
    await client.sees("^message %s Ay <me>! & 'thou' – ☾$" % re.escape(web.jid))

    client.presence("dnd", "under the balcony")
    await web.sees("^presence %s dnd under the balcony" % re.escape(client.jid))
    web.presence("away", "at the window")
    await client.sees("^presence %s away at the window" % re.escape(web.jid))


async def many_lines(client, web):
    """Quick talkers: every line once and in order, both ways."""
    lines = ["line %d" % n for n in range(100)]
    for line in lines:
        client.message(web.jid, line)
        web.message(client.jid, line)
    for one, other in ((web, client), (client, web)):
        await one.sees("^message %s line 99$" % re.escape(other.jid))
        got = [seen.split(" ", 2)[2] for seen in one.seen if re.match(r"message \S+ line ", seen)]
        assert got == lines, "%s got %s" % (one.name, got)


class Library:
    """The tests of a client library whose program `argv` starts; `tests()` makes them for both ways."""

    def __init__(self, name, argv):
        self.name = name
        self.argv = argv

    async def conversation(self, way):
        account, friend = await make_account("romeo"), await make_account("juliet")
        web = await Web.log_in(friend, 1)
        client = await Program.log_in(self.argv, account, way)
        try:
            await converse(client, account, web, friend)
            await many_lines(client, web)
            await client.leave()
            await web.sees("^presence %s unavailable" % re.escape(client.jid))
        finally:
            await client.end()
            await web.leave()

    async def password(self, way):
        account = await make_account("romeo", "pass wörd ☾")
        client = await Program.start(self.argv, account, way)
        try:
            await client.sees("^online %s/" % re.escape(account.jid))
            await client.leave()
        finally:
            await client.end()

    async def refusal(self, way):
        account = await make_account("romeo")
        client = await Program.start(self.argv, account, way, password="not it")
        try:
            await client.sees("^failed .*(not.authorized|auth)")
        finally:
            await client.end()
        assert_scram(account)

    async def distrust(self, way):
        """The cluster's certificate is not among those that the world trusts."""
        client = await Program.start(self.argv, await make_account("romeo"), way, trust=STRANGERS)
        try:
            await client.sees("^(failed|ended)", 3)
        except AssertionError:
            pass  # some try again and again
        finally:
            await client.end()
        assert not [line for line in client.seen if line.startswith("online")], client.seen

    async def two_of_them(self):
        """One by STARTTLS and one by direct TLS, at different daemons."""
        romeo, juliet = await make_account("romeo"), await make_account("juliet")
        first = await Program.log_in(self.argv, romeo, "starttls", 0)
        second = await Program.log_in(self.argv, juliet, "tls", 1)
        try:
            await many_lines(first, second)
        finally:
            await first.end()
            await second.end()

    def tests(self):
        found = {}
        for way in WAYS:
            by = "%s over %s " % (self.name, way)
            found[by + "logs in with a password beyond ASCII"] = lambda w=way: self.password(w)
            found[by + "chats both ways with a WebSocket client and each sees the other's status"] = \
                lambda w=way: self.conversation(w)
            found[by + "uses SCRAM and is refused with a wrong password"] = lambda w=way: self.refusal(w)
            found[by + "does not log in where it does not trust the certificate"] = \
                lambda w=way: self.distrust(w)
        found["two %s clients of different daemons get every line once and in order" % self.name] = \
            self.two_of_them
        return found


def run(tests):
    """Performs {name: coroutine function}, prints a line each and, last, 'N passed, N failed'."""
    failed = 0
    for name, test in tests.items():
        begun = time.monotonic()
        try:
            asyncio.run(asyncio.wait_for(test(), 120))
            print("ok    %s (%.1f s)" % (name, time.monotonic() - begun), flush=True)
        except Exception as error:  # pylint: disable=broad-except  # one test must not end the others
            failed += 1
            print("FAIL  %s: %s" % (name, error), flush=True)
            if not isinstance(error, AssertionError):
                traceback.print_exc(file=sys.stdout)
    print("%d passed, %d failed" % (len(tests) - failed, failed))
    sys.exit(1 if failed else 0)
