"""What a script's lines do. PHRASES at the end is the language: each line has one entry there."""

import asyncio
import difflib
import json
import random
import re
import string

from . import caps, pattern, sasl
from .authority import Authority, Issuer
from .client import CLIENT, FRAMING, SASL, STREAMS, Client, Failure, Frames, Refused, Stream
from .sasl2 import Sasl2
from .script import ScriptError
from .transport import BINARY, http

_TRANSCRIPT_LINES = 14
SM = "urn:xmpp:sm:3"
_STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
_STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"
_OTHER = "@other.localhost"
_PUSH = ("<iq type='set' id='{push id}' from='{any?}' to='{any?}'>"
         "<query xmlns='jabber:iq:roster' ver='{any?}'>%s</query></iq>")


class Skipped(Exception):
    """The script is not for this transport or server."""


class Setting:
    """What all scripts share: where the server is and how accounts are made."""

    def __init__(self, transport, urls, secure_urls, domain, patience, make_account, authority=None,
                 other_urls=(), other_domain=None):
        self.transport = transport      # "ws" or "tcp"
        self.urls = urls
        self.secure_urls = secure_urls
        self.other_urls = other_urls    # of the other transport
        self.domain = domain
        self.patience = patience        # how long something that is due may take, in s
        self.make_account = make_account
        self.authority = authority      # folder of play/authority.py's files, or None
        self.other_domain = other_domain  # of the same cluster: other.localhost in scripts, or None


class Stage(Sasl2):
    """One performance of one script."""

    def __init__(self, setting, number):
        self.setting = setting
        self.variables = {"domain": setting.domain}
        self.passwords = {}             # by account name in the script, of the other domain by JID
        self.names = {}                 # account name in the script: name on the server
        self.actors = {}
        self.identities = {}            # actor: PEM file with a certificate and its key
        self._clients = []              # all that ever connected
        self.transcript = []
        self.http_answer = None
        self._next_url = number
        self._suffix = "".join(random.choices(string.ascii_lowercase + string.digits, k=8))

    # ---- texts ----
    def expand(self, text):
        """The script's text with accounts, computed values and known variables filled in."""
        text = re.sub(r"\{password:([\w@.]+)\}", lambda m: self.passwords[m[1]], text)
        for name, real in self.names.items():
            text = re.sub(r"\b%s@(?=(other\.)?localhost\b)" % re.escape(name), real + "@", text)
        text = re.sub(r"\b(other\.)?localhost\b",
                      lambda m: self.setting.other_domain or m[0] if m[1] else self.setting.domain, text)
        text = re.sub(r"\{name:(\w+)\}", lambda m: self.names.get(m[1], m[1] + self._suffix), text)
        text = re.sub(r"\{upper:(\w+)\}", lambda m: self.names[m[1]].upper(), text)
        text = re.sub(r"\{repeat (\d+) (.+?)\}", lambda m: m[2] * int(m[1]), text)
        text = pattern.substitute(text, self.variables)
        text = re.sub(r"\{initiator:(\w+) (.*?)\}",
                      lambda m: sasl.HashedToken(self.names[m[1]], m[2]).initial, text)
        return re.sub(r"\{base64:(.*?)\}",
                      lambda m: sasl.encode(m[1].replace("\\0", "\0").replace("\\1", "\1")), text)

    def log(self, line):
        self.transcript.append(line if len(line) < 1000 else line[:1000] + " ...")

    def told(self):
        return "\n".join(self.transcript[-_TRANSCRIPT_LINES:])

    def client(self, name):
        if name not in self.actors:
            raise ScriptError("%s has not connected" % name)
        return self.actors[name]

    # ---- accounts ----
    async def accounts(self, _, text):
        if _OTHER in text and not self.setting.other_domain:
            raise Skipped("there is no other domain (CLUSTER_OTHER_DOMAIN)")
        for account in text.split():
            name = account.partition("@")[0]
            self.names[name] = "%s-%s" % (name, self._suffix)
            self.passwords[account] = "pencil %sof %s" % ("there " if "@" in account else "", self.names[name])
        await asyncio.gather(*(self.setting.make_account(
            self.expand(account if "@" in account else account + "@localhost"), self.passwords[account])
            for account in text.split()))

    def only_over(self, words, _):
        if self.setting.transport not in words.replace(" or ", " ").split():
            raise Skipped("only over " + words)

    def only_in_the_clear(self, _):
        # Over tcp the runner does STARTTLS where it is offered.
        if self.setting.transport == "tcp" or self.setting.urls[0].startswith("wss:"):
            raise Skipped("only in the clear")

    async def has_a_certificate(self, name, whose, jids, _):
        """`whose`: " of a stranger" when the server does not know who issued it."""
        if not self.setting.authority:
            raise Skipped("there is no authority for certificates (CLUSTER_AUTHORITY)")
        authority = Authority(self.setting.authority, "stranger" if whose else "ca")
        addresses = [] if jids == "nobody" else self.expand(jids).split(" and ")
        self.identities[name] = await authority.issue(addresses)

    async def is_a_token(self, name, whose, text):
        """`text`: its claims as JSON, then perhaps its header."""
        if not self.setting.authority:
            raise Skipped("there is no issuer of tokens (CLUSTER_AUTHORITY)")
        issuer = Issuer(self.setting.authority, "stranger" if whose else "issuer")
        parts = [json.loads(line) for line in self.expand(text).strip().splitlines()]
        self.variables[name] = await asyncio.to_thread(issuer.token, *parts)

    # ---- connecting ----
    def _url(self, is_secure, transport=None):
        urls = self.setting.secure_urls if is_secure else self.setting.urls
        if transport:
            urls = self.setting.other_urls
        if not urls:
            raise Skipped("there is no such address")
        self._next_url += 1
        return urls[self._next_url % len(urls)]

    async def connect(self, name, options, transport=None):
        is_secure = "securely" in options
        is_old = "with the older framing" in options
        over_tcp = (transport or self.setting.transport) == "tcp"
        framing = Stream() if is_old or over_tcp else Frames()
        client = Client(name, self._url(is_secure, transport), framing, self.log)
        path = re.search(r"at (/\S*)", options)
        protocol = re.search(r"with subprotocol (.+?)(?: and | is |$)", options)
        details = {} if over_tcp else {
            "path": path[1] if path else None,
            "protocol": protocol[1] if protocol else "xmpp"}
        if "without a subprotocol" in options:
            details["protocol"] = None
        if name in self.identities:
            details["identity"] = self.identities[name]
        self.actors[name] = client
        self._clients.append(client)
        await asyncio.wait_for(client.connect(**details), self.setting.patience)

    async def connects(self, name, options, _):
        await self.connect(name, options or "")

    async def is_refused(self, name, options, status, _):
        try:
            await self.connect(name, options or "")
        except Refused as refused:
            if not re.fullmatch(status.replace("x", r"\d"), str(refused.status)):
                raise Failure("refused with %d, not %s" % (refused.status, status)) from refused
            return
        raise Failure("the handshake was accepted")

    async def opens_the_stream(self, name, domain=None, user=None, _=None):
        await self.client(name).open_stream(self.expand(domain or "localhost"), self.setting.patience,
                                            self.expand(user) if user else None)

    # ---- logging in ----
    def _password(self, account, text):
        name = account.partition("@")[0]
        given = re.search(r"(?:password|token) (.+)", text or "")
        return self.expand(given[1]) if given else self.passwords.get(
            account, "" if _OTHER in account else self.passwords.get(name, ""))

    async def _authenticate(self, name, account, mechanism, authzid, details):
        client = self.client(name)
        user = self.expand(account).rpartition("@")[0]
        return await client.authenticate(mechanism or client.mechanism(), user,
                                         self._password(account, details),
                                         self.expand(authzid or ""), self.setting.patience)

    async def authenticates(self, name, account, mechanism, authzid, details, _):
        failure = await self._authenticate(name, account, mechanism, authzid, details)
        if failure is not None:
            raise Failure("not let in: " + pattern.show(failure))
        await self.client(name).open_stream(self.client(name).domain, self.setting.patience)

    async def fails_to_authenticate(self, name, account, mechanism, authzid, details, condition):
        failure = await self._authenticate(name, account, mechanism, authzid, details)
        if failure is None:
            raise Failure("let in")
        if failure.find("{*}" + condition) is None:
            raise Failure("not %s but %s" % (condition, pattern.show(failure)))

    def are_the_same(self, one, other, _):
        if self.variables.get(one) != self.variables.get(other):
            raise Failure("%s is not %s" % (self.variables.get(one), self.variables.get(other)))

    async def binds(self, name, resource, _):
        jid = await self.client(name).bind(resource, self.setting.patience)
        if resource and not jid.endswith("/" + resource):
            raise Failure("asked for %s, got %s" % (resource, jid))
        self.variables[name] = jid

    async def logs_in(self, name, account, resource, _):
        if name not in self.actors:
            await self.connect(name, "securely" if self.setting.transport == "tcps" else "")
        await self.opens_the_stream(name, account.rpartition("@")[2])
        await self.authenticates(name, account, None, None, None, None)
        await self.binds(name, resource, None)

    async def logs_in_anonymously(self, name, _):
        """{NAME} is its full JID, {NAME account} the bare one."""
        await self.connect(name, "")
        await self.opens_the_stream(name, None, None, None)
        client = self.client(name)
        if not any(each.text == "ANONYMOUS" for each in client.features.iter("{%s}mechanism" % SASL)):
            raise Skipped("anonymous logins are off (session.anonymous)")
        await self.authenticates(name, "@localhost", "ANONYMOUS", None, None, None)
        await self.binds(name, None, None)
        self.variables[name + " account"] = self.variables[name].partition("/")[0]

    # ---- sending ----
    def sends(self, name, text):
        client = self.client(name)
        xml = self.expand(text).replace("\n", "")
        if isinstance(client.framing, Frames):
            # each frame declares the namespace of its stanza
            xml = re.sub(r"^<(message|presence|iq)(?![^>]*\sxmlns=)", r"<\1 xmlns='%s'" % CLIENT, xml)
        client.send(xml)

    def sends_frame(self, name, text):
        self.client(name).send(self.expand(text))

    def sends_binary_frame(self, name, text):
        client = self.client(name)
        self.log("%s -> (binary) %s" % (name, text))
        client.connection.send_frame(BINARY, self.expand(text).encode())

    async def sends_in_fragments(self, name, count, text):
        client = self.client(name)
        xml = self.expand(text).replace("\n", "")
        self.log("%s -> (in %s pieces) %s" % (name, count, xml))
        client.connection.send_fragments(xml, int(count))

    async def sends_byte_by_byte(self, name, text):
        client = self.client(name)
        self.log("%s -> (byte by byte) %s" % (name, text))
        for character in self.expand(text).replace("\n", ""):
            client.connection.send(character)
            await asyncio.sleep(0)

    # ---- receiving ----
    def _patience(self, seconds):
        return float(seconds) if seconds else self.setting.patience

    async def _next(self, name, seconds, wanted, may_end=False):
        try:
            element = await self.client(name).receive(self._patience(seconds))
        except asyncio.TimeoutError:
            raise Failure("nothing came; expected\n" + wanted) from None
        if element is None and not may_end:
            raise Failure("the connection is closed; expected\n" + wanted)
        return element

    def _patterns(self, text):
        try:
            return pattern.parse_all(self.expand(text))
        except pattern.ElementTree.ParseError as error:
            raise ScriptError("the pattern is no XML: %s" % error) from error

    @staticmethod
    def _diff(wanted, got):
        lines = difflib.unified_diff(wanted.splitlines(), got.splitlines(), "expected", "received",
                                     lineterm="", n=100)
        return "\n".join(list(lines)[3:])

    async def receives(self, name, seconds, text):
        for wanted in self._patterns(text):
            shown = pattern.show(wanted)
            element = await self._next(name, seconds, shown)
            try:
                pattern.match(wanted, element, self.variables)
            except pattern.Mismatch as mismatch:
                raise Failure("%s\n%s" % (mismatch, self._diff(shown, pattern.show(element)))) \
                    from mismatch

    async def receives_in_any_order(self, name, seconds, text):
        wanted = self._patterns(text)
        while wanted:
            rest = "\n".join(map(pattern.show, wanted))
            element = await self._next(name, seconds, rest)
            for each in wanted:
                if pattern.fits(each, element, self.variables):
                    wanted.remove(each)
                    break
            else:
                raise Failure("this fits nothing that is due\n" +
                              self._diff(rest, pattern.show(element)))

    async def finally_receives(self, name, seconds, text):
        wanted = self._patterns(text)[0]
        last = "nothing"
        deadline = asyncio.get_running_loop().time() + self._patience(seconds)
        while True:
            left = deadline - asyncio.get_running_loop().time()
            try:
                element = await self.client(name).receive(max(left, 0.001))
            except asyncio.TimeoutError:
                element = None
            if element is None:
                raise Failure("it did not come; last was\n" + self._diff(pattern.show(wanted), last))
            if pattern.fits(wanted, element, self.variables):
                return
            last = pattern.show(element)

    async def asks_until(self, name, verb, text):
        """`text`: an iq's payload with a line `to JID` above it, then what its answer must be at last."""
        to, payload, wanted = self.expand(text).strip().split("\n", 2)
        expected = self._patterns(wanted)[0]
        deadline = asyncio.get_running_loop().time() + self.setting.patience
        while True:
            answer = await self.client(name).ask({"asks": "get", "sets": "set"}[verb], payload.strip(),
                                                 self.setting.patience, to.removeprefix("to "))
            if pattern.fits(expected, answer, self.variables):
                return
            if asyncio.get_running_loop().time() > deadline:
                raise Failure("it stays\n" + self._diff(pattern.show(expected), pattern.show(answer)))
            await asyncio.sleep(0.05)

    async def receives_nothing(self, name, milliseconds, _):
        try:
            element = await self.client(name).receive(float(milliseconds or 300) / 1000)
        except asyncio.TimeoutError:
            return
        raise Failure("the connection was closed" if element is None
                      else "this came:\n" + pattern.show(element))

    async def _drain(self, name):
        """Waits until what the actor sent was handled, and forgets what came meanwhile."""
        client = self.client(name)
        # To the own account: what is asked of the server may be answered before the rest is done.
        await client.ask("get", "<ping xmlns='urn:xmpp:ping'/>", self.setting.patience)
        while client._queue.qsize():
            client._queue.get_nowait()

    async def goes_online(self, name, priority, _):
        """Initial presence; the copy that comes back (RFC 6121 section 4.2.2) is swallowed, what came
        before it stays to be received."""
        inner = "<priority>%s</priority>" % priority if priority else ""
        self.sends(name, "<presence>%s</presence>" % inner)
        own = self._patterns("<presence from='{%s}' {*}>{*}</presence>" % name)[0]
        earlier = []
        while True:
            element = await self._next(name, None, pattern.show(own))
            if pattern.fits(own, element, self.variables):
                break
            earlier.append(element)
        self.client(name).push_back(earlier)

    async def is_quiet(self, name, _):
        await self._drain(name)

    async def receives_error(self, name, kind, condition, text):
        """`text` is the error stanza's head; what it encloses is made here."""
        head = re.match(r"<(\w+)(.*?)/?>$", text.strip(), re.DOTALL)
        if not head:
            raise ScriptError("an error's head is <kind attributes/>")
        await self.receives(name, None, (
            "<{0}{1} type='error'><error type='{2}' {{*}}><{3} xmlns='{4}'>{{any}}</{3}>{{*}}</error>"
            "{{*}}</{0}>").format(head[1], head[2].rstrip(), kind, condition, _STANZA_ERRORS))

    def sees_absence(self, name, _):
        """From now on unavailable presence of bare JIDs, which a server may leave out, counts too."""
        self.client(name).sees_optional = True

    def features_contain(self, name, text):
        for wanted in self._patterns(text):
            if not any(pattern.fits(wanted, each, self.variables)
                       for each in self.client(name).features):
                raise Failure("they are\n" + self._diff(pattern.show(wanted),
                                                        pattern.show(self.client(name).features)))

    def features_lack(self, name, text):
        for wanted in self._patterns(text):
            if any(pattern.fits(wanted, each, self.variables)
                   for each in self.client(name).features):
                raise Failure("they are\n" + pattern.show(self.client(name).features))

    async def verifies_capabilities(self, name, node, jid, _):
        """Asks `jid` for disco#info of `node` (XEP-0115, XEP-0390), whose hash must be that of the answer."""
        node = self.expand(node)
        answer = await self.client(name).ask(
            "get", "<query xmlns='http://jabber.org/protocol/disco#info' node='%s'/>" % node,
            self.setting.patience, jid)
        if answer.get("type") != "result":
            raise Failure("%s is not told: %s" % (node, pattern.show(answer)))
        expected = caps.expected_node(answer[0], node)
        if answer[0].get("node") != node or expected != node:
            raise Failure("%s should be called %s:\n%s" % (node, expected, pattern.show(answer)))

    # ---- rosters ----
    async def receives_push(self, name, text):
        """A roster push (RFC 6121 section 2.1.6), which is answered as it must be."""
        await self.receives(name, None, _PUSH % text)
        self.sends(name, "<iq type='result' id='{push id}'/>")
        del self.variables["push id"]

    async def asks_for_the_roster(self, name, _):
        answer = await self.client(name).ask("get", "<query xmlns='jabber:iq:roster'/>",
                                             self.setting.patience)
        if answer.get("type") != "result":
            raise Failure("no roster:\n" + pattern.show(answer))
        return answer

    async def roster_is(self, name, text):
        wanted = "<query xmlns='jabber:iq:roster' ver='{any?}'>%s</query>" % text
        answer = await self.asks_for_the_roster(name, None)
        query = answer.find("{jabber:iq:roster}query")
        try:
            pattern.match(self._patterns(wanted)[0], query, self.variables)
        except pattern.Mismatch as mismatch:
            shown = pattern.show(self._patterns(wanted)[0])
            raise Failure("%s\n%s" % (mismatch, self._diff(shown, pattern.show(query)))) from mismatch

    # ---- endings ----
    async def is_cut_off(self, name, _):
        """The connection is closed, whatever is said before."""
        while await self._next(name, None, "the end of the connection", True) is not None:
            pass

    async def stream_ends(self, name, condition, seconds, _):
        if condition:
            await self.receives(name, seconds, "<stream:error><%s xmlns='%s'>{any}</%s>{*}"
                                "</stream:error>" % (condition, _STREAM_ERRORS, condition))
        await self.receives(name, seconds, "<close xmlns='%s' {*}/>" % FRAMING)
        await self.connection_closes(name, None)

    async def connection_closes(self, name, _):
        client = self.client(name)
        try:
            element = await client.receive(self.setting.patience)
        except asyncio.TimeoutError:
            raise Failure("the connection stays open") from None
        if element is not None:
            raise Failure("this came:\n" + pattern.show(element))

    def closes_the_stream(self, name, _):
        client = self.client(name)
        client.send(client.framing.footer)

    # ---- stream management (XEP-0198) ----
    async def enables_management(self, name, max_seconds, _):
        """The stream's id becomes `{NAME stream}`."""
        wish = " max='%s'" % max_seconds if max_seconds else ""
        self.sends(name, "<enable xmlns='%s' resume='true'%s/>" % (SM, wish))
        await self.finally_receives(name, None, "<enabled xmlns='%s' resume='true' "
                                    "id='{%s stream}' {*}/>" % (SM, name))

    async def comes_back(self, name, account, elsewhere, _):
        """Connects and authenticates, and binds nothing."""
        other = None
        if elsewhere:
            other = "ws" if self.setting.transport == "tcp" else "tcp"
        await self.connect(name, "", other)
        await self.opens_the_stream(name, None, None, None)
        await self.authenticates(name, account, None, None, None, None)

    async def resumes(self, name, stream, handled, _):
        """How much the server has handled becomes `{NAME h}`."""
        previd = self.variables[(stream or name) + " stream"]
        self.variables.pop(name + " h", None)
        self.sends(name, "<resume xmlns='%s' previd='%s' h='%s'/>" % (SM, previd, handled))
        await self.receives(name, None, "<resumed xmlns='%s' previd='%s' h='{%s h}'/>" % (
            SM, previd, name))

    async def is_asked(self, name, seconds, _):
        try:
            await asyncio.wait_for(self.client(name).asked.wait(), self._patience(seconds))
        except asyncio.TimeoutError:
            raise Failure("no acknowledgement was asked for") from None
        self.client(name).asked.clear()

    def disconnects(self, name, _):
        self.client(name).drop()
        self.log("%s is gone" % name)
        del self.actors[name]

    async def leaves(self, name, _):
        """Closes the stream and waits until the server did, too."""
        client = self.client(name)
        client.send(client.framing.footer)
        await self.finally_receives(name, None, "<close xmlns='%s' {*}/>" % FRAMING)
        await client.leave()
        del self.actors[name]

    # ---- making friends ----
    async def _log_in_for_setup(self, account):
        name = account + " setup"
        await self.logs_in(name, account + "@localhost", "setup", None)
        await self.client(name).ask("get", "<query xmlns='jabber:iq:roster'/>", self.setting.patience)
        self.sends(name, "<presence/>")
        await self.finally_receives(name, None, "<presence from='{%s}' {*}>{*}</presence>" % name)
        return name

    async def _subscribe(self, seeker, target, seeker_state, target_state):
        """`seeker` (an account) gets to see the presence of `target`."""
        push = ("<iq type='set' {*}><query xmlns='jabber:iq:roster' {*}>"
                "<item jid='%s@localhost' subscription='%s' {*}>{*}</item></query></iq>")
        seeker_client, target_client = seeker + " setup", target + " setup"
        self.sends(seeker_client, "<presence type='subscribe' to='%s@localhost'/>" % target)
        await self.finally_receives(target_client, None,
                                    "<presence type='subscribe' {*}>{*}</presence>")
        self.sends(target_client, "<presence type='subscribed' to='%s@localhost'/>" % seeker)
        await self.finally_receives(seeker_client, None, push % (target, seeker_state))
        await self.finally_receives(seeker_client, None,
                                    "<presence from='{%s}' {*}>{*}</presence>" % target_client)
        await self._has_roster(target_client, push_item=(seeker, target_state))

    async def _has_roster(self, client, push_item):
        account, state = push_item
        answer = await self.client(client).ask("get", "<query xmlns='jabber:iq:roster'/>",
                                               self.setting.patience)
        wanted = self.expand(account + "@localhost")
        states = {item.get("jid"): item.get("subscription") for item in answer[0]}
        if states.get(wanted) != state:
            raise Failure("setting up: %s is '%s' in the roster, not '%s'" % (
                wanted, states.get(wanted), state))

    async def _end_setup(self, *accounts):
        for account in accounts:
            name = account + " setup"
            self.sends(name, "<presence type='unavailable'/>")
            await self._drain(name)
        for account in accounts:
            await self.leaves(account + " setup", None)

    async def are_contacts(self, one, other, _):
        """Both see each other's presence."""
        await self._log_in_for_setup(one)
        await self._log_in_for_setup(other)
        await self._subscribe(one, other, "to", "from")
        await self._subscribe(other, one, "both", "both")
        await self._end_setup(one, other)

    async def is_subscribed(self, one, other, _):
        """`one` sees the presence of `other`, who does not see that of `one`."""
        await self._log_in_for_setup(one)
        await self._log_in_for_setup(other)
        await self._subscribe(one, other, "to", "from")
        await self._end_setup(one, other)

    # ---- HTTP ----
    async def http_gives(self, method, path, headers, status, _):
        pairs = [tuple(part.strip() for part in each.split("=", 1))
                 for each in (headers or "").split(";") if each]
        url = self._url(False).replace("ws:", "http:", 1)
        self.http_answer = await http(url, method, path, pairs)
        self.log("%s %s -> %d %s" % (method, path, self.http_answer[0], self.http_answer[1]))
        if not re.fullmatch(status.replace("x", r"\d"), str(self.http_answer[0])):
            raise Failure("HTTP status %d, not %s" % (self.http_answer[0], status))

    def answer_has_header(self, name, value):
        got = self.http_answer[1].get(name.lower())
        if got is None or self.expand(value).lower() not in got.lower():
            raise Failure("%s is '%s'" % (name, got))

    def answer_contains(self, text):
        wanted = self.expand(text)
        if wanted not in self.http_answer[2]:
            raise Failure("it is\n" + self.http_answer[2])

    # ---- the rest ----
    async def wait(self, milliseconds, _):
        await asyncio.sleep(float(milliseconds) / 1000)

    def differ(self, one, other, _):
        if self.variables[one] == self.variables[other]:
            raise Failure("both are " + self.variables[one])

    async def perform(self, statements):
        for statement in statements:
            if statement.words.startswith("for "):
                await self._repeat(statement)
            else:
                await self._perform_one(statement)

    async def _repeat(self, statement):
        name, _, values = statement.words[4:].partition(" in ")
        for value in values.split():
            self.variables[name] = self.expand(value)  # may name an account
            await self.perform(statement.block)

    async def _perform_one(self, statement):
        words = pattern.substitute(statement.words, self.variables)
        for phrase, action in PHRASES:
            found = phrase.fullmatch(words)
            if not found:
                continue
            try:
                done = getattr(self, action)(*found.groups(), statement.text)
                if asyncio.iscoroutine(done):
                    await done
            except (Failure, Refused, ConnectionError, asyncio.TimeoutError,
                    asyncio.IncompleteReadError, ValueError) as failure:
                raise Failure("line %d: %s\n%s" % (statement.number, statement.words,
                                                   failure or type(failure).__name__)) from failure
            return
        raise ScriptError("line %d: there is no such phrase: %s" % (statement.number, statement.words))

    async def end(self):
        for client in self._clients:
            await client.leave()


# `W` stands for one word, `A` for an actor; a phrase's groups become arguments, then the text behind
# the colon.
_WITHIN = r"(?: within ([\d.]+) s)?"
_AS = r"as (\S+?)(?: with (\S+))?(?: to act as (\S+))?( and (?:password|token) .+)?"
PHRASES = [(re.compile(text.replace("ACTOR", r"(\w+)").replace(" WITHIN", _WITHIN)), action)
           for text, action in [
    (r"only (over .+)", "only_over"),
    (r"only in the clear", "only_in_the_clear"),
    (r"accounts()", "accounts"),
    (r"(\w+) is a token( of a stranger)?", "is_a_token"),
    (r"ACTOR has a certificate( of a stranger)? for (.+)", "has_a_certificate"),
    (r"ACTOR connects(.*?) and is refused with (\S+)", "is_refused"),
    (r"ACTOR connects( .+)?", "connects"),
    (r"ACTOR opens the stream(?: to (\S+))?(?: as (\S+))?", "opens_the_stream"),
    (r"ACTOR sends the header as (\S+)", "sends_the_header"),
    (r"ACTOR has needed (\d+) flights?", "has_needed_flights"),
    (r"ACTOR logs in as ([^/\s]+)(?:/(.+))?", "logs_in"),
    (r"ACTOR logs in anonymously", "logs_in_anonymously"),
    (r"ACTOR authenticates by SASL2 " + _AS, "authenticates_by_sasl2"),
    (r"ACTOR fails with ([\w-]+) to authenticate by SASL2 " + _AS, "fails_by_sasl2"),
    (r"ACTOR authenticates " + _AS, "authenticates"),
    (r"ACTOR fails to authenticate " + _AS, "fails_to_authenticate"),
    (r"ACTOR binds(?: (.+))?", "binds"),
    (r"ACTOR sends", "sends"),
    (r"ACTOR sends frame", "sends_frame"),
    (r"ACTOR sends binary frame", "sends_binary_frame"),
    (r"ACTOR sends in (\d+) fragments", "sends_in_fragments"),
    (r"ACTOR sends byte by byte", "sends_byte_by_byte"),
    (r"ACTOR receives nothing(?: for (\d+) ms)?", "receives_nothing"),
    (r"ACTOR receives WITHIN in any order", "receives_in_any_order"),
    (r"ACTOR receives WITHIN", "receives"),
    (r"ACTOR finally receives WITHIN", "finally_receives"),
    (r"ACTOR receives error (\w+) ([\w-]+)", "receives_error"),
    (r"ACTOR's features contain", "features_contain"),
    (r"ACTOR's features do not contain", "features_lack"),
    (r"ACTOR sees who is absent", "sees_absence"),
    (r"ACTOR verifies the capabilities (\S+) of (\S+)", "verifies_capabilities"),
    (r"ACTOR receives a roster push", "receives_push"),
    (r"ACTOR asks for the roster", "asks_for_the_roster"),
    (r"ACTOR's roster is", "roster_is"),
    (r"ACTOR (asks|sets) until the answer is", "asks_until"),
    (r"ACTOR is cut off", "is_cut_off"),
    (r"ACTOR enables stream management(?: for (\d+) s)?", "enables_management"),
    (r"ACTOR comes back as (\S+)( over the other transport)?", "comes_back"),
    (r"ACTOR resumes(?: (\w+)'s stream)? after (\d+)", "resumes"),
    (r"ACTOR is asked for an acknowledgement WITHIN", "is_asked"),
    (r"ACTOR goes online(?: with priority (-?\d+))?", "goes_online"),
    (r"ACTOR is quiet", "is_quiet"),
    (r"ACTOR's stream ends(?: with ([\w-]+))? WITHIN", "stream_ends"),
    (r"ACTOR's connection is closed", "connection_closes"),
    (r"ACTOR closes the stream", "closes_the_stream"),
    (r"ACTOR disconnects", "disconnects"),
    (r"ACTOR leaves", "leaves"),
    (r"ACTOR and ACTOR are contacts", "are_contacts"),
    (r"ACTOR is subscribed to ACTOR", "is_subscribed"),
    (r"http (\w+) (\S+)(?: with (.+))? gives (\S+)", "http_gives"),
    (r"the answer has header ([\w-]+)", "answer_has_header"),
    (r"the answer contains", "answer_contains"),
    (r"wait (\d+) ms", "wait"),
    (r"ACTOR and ACTOR differ", "differ"),
    (r"ACTOR and ACTOR are the same", "are_the_same"),
]]
