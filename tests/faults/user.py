"""A user whose client resumes as real clients do (XEP-0198): whatever dies, it connects again, to any
address over any transport, resumes its session and sends again what was not acknowledged.

What the application saw goes to the ledger. Nothing here helps the server: no ids are compared, no
duplicates dropped, no order mended.
"""

import asyncio
import base64
import collections
import random
from xml.sax.saxutils import quoteattr

from cluster.scram import MECHANISMS, Scram
from cluster.xmppws import NS_BIND, NS_SASL, XmppError, local, namespace
from link import open_link

NS_SM = "urn:xmpp:sm:3"
NS_DELAY = "urn:xmpp:delay"
STANZAS = ("message", "presence", "iq")
STEP_TIMEOUT = 15  # one answer of the server while connecting
ACK_EVERY = 5  # messages
LOOK_EVERY = 2  # seconds: whether the server must be asked, or answers
ACK_TIMEOUT = 12  # a server that does not answer <r/> is taken for dead
LOGIN_TRIES = 5  # refusals in a row for another reason than a server that is busy
Sent = collections.namedtuple("Sent", "number text recipient message said_at")


class Session:
    """What survives a connection."""

    def __init__(self, resume_id):
        self.resume_id = resume_id
        self.received = 0  # stanzas handled
        self.sent = 0  # stanzas sent, modulo nothing: runs are short
        self.unacked = collections.deque()


class User:
    def __init__(self, name, domain, addresses, ledger, wants_resume=True):
        self.name = name
        self.jid = "%s@%s" % (name, domain)
        self.password = "pass " + name
        self.domain = domain
        self.addresses = list(addresses)
        self.ledger = ledger
        self.wants_resume = wants_resume
        self.session = None
        self.address = ""
        self.link = None  # while the session is live
        self.online = asyncio.Event()
        self.is_reading = True  # a slow reader's is False for a while
        self._goes_on = True
        self.longest_unacked = 0.0  # seconds in which something said stayed unacknowledged
        self._since_ack = 0
        self._asked_at = None
        self._looked_at = 0.0
        self._task = None
        self._pending = None  # the element being received
        self._waiting = collections.deque()  # (text, recipient, number) said while not connected

    # ---- life ----

    def start(self):
        self._task = asyncio.create_task(self._live())

    async def _live(self):
        pause = 0.1
        while self._goes_on:
            link = None
            try:
                link = await asyncio.wait_for(self._connect(), STEP_TIMEOUT * 2)
                pause = 0.1
                await self._be_online(link)
            except (OSError, XmppError, asyncio.TimeoutError, asyncio.IncompleteReadError, EOFError) as error:
                self.ledger.event("ended: %s" % (str(error) or type(error).__name__))
            finally:
                self.online.clear()
                self.link = None
                if self._pending:
                    self._pending.cancel()
                    self._pending = None
                if link:
                    link.drop()
            if self._goes_on:
                await asyncio.sleep(pause * random.uniform(0.5, 1.5))
                pause = min(pause * 2, 3)

    async def leave(self):
        """Logs out for good: acknowledges what it has, closes the stream, reads no more."""
        self._goes_on = False
        link, self.link = self.link, None
        self.online.clear()
        if link:
            self._send_ack(link)
            link.send("<presence xmlns='jabber:client' type='unavailable'/>")
            link.close()
        task, self._task = self._task, None
        if task:
            try:
                await asyncio.wait_for(task, 10)
            except asyncio.TimeoutError:
                pass
        self.session = None

    async def log_out_and_in(self, away):
        """Offline for `away` seconds: what comes meanwhile is stored. Messages of its own that
        were not acknowledged are waited for, as a client that logs out properly does."""
        if not await self.is_quiet(20):
            return
        await self.leave()
        self.ledger.event("logged out")
        await asyncio.sleep(away)
        self._goes_on = True
        self.start()

    async def is_quiet(self, timeout):
        """Whether everything it sent was acknowledged in that time."""
        for _ in range(int(timeout * 10)):
            if not self._waiting and self.online.is_set() and not self.session.unacked:
                return True
            if self.link and self.session.unacked:
                self._ask(self.link)
            await asyncio.sleep(0.1)
        return False

    def oldest_unacked(self, now):
        """Seconds for which the oldest of what it said has been unacknowledged; keeps the longest."""
        unacked = self.session.unacked if self.session else ()
        age = now - unacked[0].said_at if unacked else 0.0
        self.longest_unacked = max(self.longest_unacked, age)
        return age

    def state(self):
        """For people, when it is not quiet."""
        session = self.session
        if not session:
            return "%s has no session" % self.name
        now = asyncio.get_running_loop().time()
        return "%s at %s is %s: sent %d, not acknowledged %s for %.1f s, received %d, id %s" % (
            self.name, self.address, "online" if self.online.is_set() else "away", session.sent,
            [each.number for each in session.unacked][:5], self.oldest_unacked(now), session.received,
            session.resume_id)

    # ---- connecting ----

    async def _connect(self):
        self.address = random.choice(self.addresses)
        link = await open_link(self.address, self.domain)
        try:
            await self.log_in(link)
            if self.session and self.session.resume_id and await self._resume(link):
                self.ledger.event("resumed")
            else:
                await self._begin(link)
        except BaseException:
            link.drop()
            raise
        return link

    async def _answer(self, link, *names):
        element = await asyncio.wait_for(link.receive(), STEP_TIMEOUT)
        if local(element) not in names:
            raise XmppError("%s instead of %s: %s" % (
                local(element), names[0], ", ".join(local(child) for child in element)))
        return element

    async def log_in(self, link):
        features = await asyncio.wait_for(link.open_stream(), STEP_TIMEOUT)
        offered = [m.text for m in features.findall(".//{%s}mechanism" % NS_SASL)]
        mechanism = next((m for m in MECHANISMS if m in offered), None)
        if not mechanism:
            raise XmppError("no SCRAM among the mechanisms " + ", ".join(offered))
        scram = Scram(mechanism, self.name, self.password)
        link.send("<auth xmlns='%s' mechanism='%s'>%s</auth>" % (
            NS_SASL, mechanism, base64.b64encode(scram.first()).decode()))
        challenge = await self._answer(link, "challenge")
        link.send("<response xmlns='%s'>%s</response>" % (
            NS_SASL, base64.b64encode(scram.final(base64.b64decode(challenge.text))).decode()))
        await self._answer(link, "success")
        await asyncio.wait_for(link.open_stream(), STEP_TIMEOUT)

    async def _resume(self, link):
        link.send("<resume xmlns='%s' h='%d' previd=%s/>" % (
            NS_SM, self.session.received, quoteattr(self.session.resume_id)))
        answer = await self._answer(link, "resumed", "failed")
        if local(answer) == "failed":
            if len(answer) and local(answer[0]) not in ("item-not-found",):
                raise XmppError("no resumption for now: " + local(answer[0]))
            self.ledger.event("resume-failed")
            return False
        self._take_ack(int(answer.get("h")))
        for each in self.session.unacked:
            link.send(each.text)
        return True

    async def _begin(self, link):
        link.send("<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='%s'><resource>r</resource>"
                  "</bind></iq>" % NS_BIND)
        bound = await self._answer(link, "iq")
        if bound.get("type") != "result":
            raise XmppError("no resource bound")
        left = list(self.session.unacked) if self.session else []
        self.session = Session("")
        if self.wants_resume:
            link.send("<enable xmlns='%s' resume='true'/>" % NS_SM)
            self.session.resume_id = (await self._answer(link, "enabled")).get("id", "")
        self._write(link, "<presence xmlns='jabber:client'/>", None, None)
        for each in left:  # of a session that could not be resumed
            if each.recipient:
                self._write(link, each.text, each.recipient, each.message)
        self.ledger.event("new session")

    # ---- online ----

    async def _be_online(self, link):
        self.link = link
        self._asked_at = None
        self.online.set()
        while self._waiting:
            self._write(link, *self._waiting.popleft())
        if self.session.unacked:
            self._ask(link)
        while True:
            element = await self._next(link)
            name = local(element)
            if namespace(element) == NS_SM:
                self._on_sm(link, name, element)
            elif name in STANZAS:
                self.session.received += 1
                self._on_stanza(link, name, element)
            elif name == "error":
                raise XmppError("stream error " + ", ".join(local(child) for child in element))

    async def _next(self, link):
        while not self.is_reading:
            await asyncio.sleep(0.05)
        if not self._pending:  # never cancelled: half a frame would be lost
            self._pending = asyncio.ensure_future(link.receive())
        while not (await asyncio.wait({self._pending}, timeout=LOOK_EVERY))[0]:
            self._look_at_watch(link)
        if asyncio.get_running_loop().time() - self._looked_at > LOOK_EVERY:  # also when much comes
            self._look_at_watch(link)
        pending, self._pending = self._pending, None
        return pending.result()

    def _look_at_watch(self, link):
        now = self._looked_at = asyncio.get_running_loop().time()
        if self._asked_at is not None and now - self._asked_at > ACK_TIMEOUT:
            raise XmppError("the server does not answer")
        if self.session.unacked and self._asked_at is None:
            self._ask(link)

    def _on_sm(self, link, name, element):
        if name == "r":
            self._send_ack(link)
        elif name == "a":
            self._asked_at = None
            self._take_ack(int(element.get("h")))

    def _on_stanza(self, link, name, element):
        if name == "iq" and element.get("type") in ("get", "set"):
            self._write(link, "<iq xmlns='jabber:client' type='result' id=%s to=%s/>" % (
                quoteattr(element.get("id")), quoteattr(element.get("from", self.domain))), None, None)
        if name != "message":
            return
        sender = element.get("from", "").partition("@")[0]
        body = element.findtext("{jabber:client}body") or ""
        if element.get("type") == "error":
            self.ledger.event("bounced")
        elif body.isdigit():
            is_delayed = element.find("{%s}delay" % NS_DELAY) is not None
            self.ledger.arrived(sender, self.name, int(body), "delayed" if is_delayed else "live")

    # ---- sending ----

    def say(self, recipient):
        """The next number for `recipient` (a user's name); waits for a connection when there is none."""
        number = self.ledger.next_number(self.name, recipient)
        text = ("<message xmlns='jabber:client' type='chat' id='%s-%s-%d' to='%s@%s'><body>%d</body></message>"
                % (self.name, recipient, number, recipient, self.domain, number))
        if self.link:
            self._write(self.link, text, recipient, number)
        else:
            self._waiting.append((text, recipient, number))

    def _write(self, link, text, recipient, number):
        session = self.session
        session.sent += 1
        if self.session.resume_id:
            session.unacked.append(Sent(session.sent, text, recipient, number,
                                        asyncio.get_running_loop().time()))
        elif recipient:  # nobody will say so: whoever has no stream management believes that it went
            self.ledger.acked(self.name, recipient, number)
        link.send(text)
        self._since_ack += 1
        if self._since_ack >= ACK_EVERY and self.link is link:
            self._ask(link)

    def _ask(self, link):
        if not self.session.resume_id:
            return
        self._since_ack = 0
        if self._asked_at is None:
            self._asked_at = asyncio.get_running_loop().time()
        link.send("<r xmlns='%s'/>" % NS_SM)

    def _send_ack(self, link):
        if self.session and self.session.resume_id:
            link.send("<a xmlns='%s' h='%d'/>" % (NS_SM, self.session.received))

    def _take_ack(self, h):
        if h > self.session.sent:
            self.ledger.event("server acknowledged more than was sent")
        unacked = self.session.unacked
        while unacked and unacked[0].number <= h:
            sent = unacked.popleft()
            if sent.recipient:
                self.ledger.acked(self.name, sent.recipient, sent.message)
