"""The edge between browsers (a raw WebSocket client) and played session and router daemons."""
import base64
import re
import time

import harness
from ws import BINARY, TEXT, Closed, Ws

FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
OPEN = f"<open xmlns='{FRAMING}' to='example.org' version='1.0'/>"


class Cast:
    def __init__(self, rig, **env):
        self.rig = rig
        rig.start_redis()
        self.router = rig.peer("router", "router-0", listen=rig.address("router-0"), hub=True)
        self.session = rig.peer("session", "session-0", listen=rig.address("session-0"))
        self.edge = rig.daemon("edge", JACKDAW_EDGE_PORT="0", JACKDAW_EDGE_TLS="no",
                               JACKDAW_EDGE_ADDRESS="127.0.0.1", JACKDAW_EDGE_WEB_ROOT=rig.dir, **env)
        self.port = self.edge.port("ws")
        self.router.take(event="peer_up", instance="edge-0")
        self.session.take(event="peer_up", instance="edge-0")
        self.edge.wait_log("event=ready")
        self.sid = 100
        self.n = 1000

    def answer(self, message, reply, **values):
        """Answers the next call of that name; returns it."""
        call = self.session.take(event="call", message=message)
        self.session.reply(call, reply, **values)
        return call

    def start_sasl(self):
        ws = Ws(self.port)
        ws.send(OPEN)
        ws.until("<open ")
        assert "<mechanism>SCRAM-SHA-256</mechanism>" in ws.until("features")
        ws.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>"
                f"{base64.b64encode(b'n,,n=alice,r=abc').decode()}</auth>")
        return ws

    def login(self, user="alice", resource="home"):
        """A client with a bound session: the socket and its session id."""
        ws = self.start_sasl()
        start = self.answer("sasl_start", "sasl_reply", outcome=0, data=b"r=abc,s=,i=1",
                            state=b"sealed")
        assert start["mechanism"] == "SCRAM-SHA-256" and start["domain"] == "example.org", start
        assert bytes.fromhex(start["initial"]) == b"n,,n=alice,r=abc", start
        ws.until("<challenge", base64.b64encode(b"r=abc,s=,i=1").decode().rstrip("="))
        ws.send(f"<response xmlns='{SASL}'>{base64.b64encode(b'c=biws').decode()}</response>")
        step = self.answer("sasl_step", "sasl_reply", outcome=1, data=b"v=x",
                           account=f"{user}@example.org")
        assert bytes.fromhex(step["state"]) == b"sealed", step
        ws.until("<success")
        ws.send(OPEN)
        ws.until("features", BIND)
        ws.send(f"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='{BIND}'>"
                f"<resource>{resource}</resource></bind></iq>")
        self.sid += 1
        bind = self.answer("bind", "bind_reply", jid=f"{user}@example.org/{resource}", sid=self.sid, epoch=1)
        assert bind["account"] == f"{user}@example.org" and bind["holder"] == "edge-0", bind
        ws.until("type=.result", f"{user}@example.org/{resource}")
        return ws, self.sid

    def deliver(self, sids, stanza, n=None):
        self.n += 1
        n = n or self.n
        return self.router.send_to("edge-0", "deliver", origin_sid=9, origin_n=n, sids=sids, stanza=stanza)

    def routed(self, text):
        return self.router.take(event="item", message="route", where=lambda e: text in e["stanza"])


def message(body, to="alice@example.org/home", sender="bob@example.org/x"):
    return f"<message xmlns='jabber:client' from='{sender}' to='{to}'><body>{body}</body></message>"


def test_a_login_asks_session_and_stanzas_go_to_the_router(rig):
    c = Cast(rig)
    ws, sid = c.login()
    for i in range(1, 4):
        ws.send(f"<message xmlns='jabber:client' to='bob@example.org' type='chat'><body>{i};</body></message>")
    for i in range(1, 4):
        item = c.routed(f"<body>{i};")
        assert item["origin_sid"] == sid and item["origin_n"] == i, item
        assert "from='alice@example.org/home'" in item["stanza"], item


def test_a_refused_login_says_why(rig):
    c = Cast(rig)
    ws = c.start_sasl()
    c.answer("sasl_start", "sasl_reply", outcome=2, condition="not-authorized")
    ws.until("<failure", "<not-authorized")


def test_a_delivery_is_written_to_the_sessions_it_names(rig):
    c = Cast(rig)
    (one, sid1), (two, sid2) = c.login("alice", "one"), c.login("alice", "two")
    c.router.settled(c.deliver([sid1, sid2], message("both", to="alice@example.org")))
    one.until("<body>both")
    two.until("<body>both", "from=.bob@example.org/x")
    c.router.settled(c.deliver([sid2], message("only two")))
    two.until("<body>only two")
    c.router.settled(c.deliver([sid1], message("only one")))
    assert "only one" in one.recv()


def test_sessions_that_are_not_here_are_reported(rig):
    c = Cast(rig)
    ws, sid = c.login()
    tag = c.deliver([sid, 4711, 4712], message("hello"), n=77)
    missed = c.router.take(event="item", message="missed")
    assert sorted(missed["sids"]) == [4711, 4712] and missed["origin_n"] == 77, missed
    assert "<body>hello" in missed["stanza"], missed
    c.router.settled(tag)
    ws.until("<body>hello")


def test_a_delivery_that_comes_again_is_written_once(rig):
    c = Cast(rig)
    ws, sid = c.login()
    for body, n in (("one", 1), ("two", 2), ("one", 1), ("two", 2), ("three", 3)):
        c.router.settled(c.deliver([sid], message(body + ";"), n=n))
    texts = [ws.until("<body>") for _ in range(3)]
    assert [re.search("<body>([a-z]+);", t).group(1) for t in texts] == ["one", "two", "three"], texts


def test_a_session_is_ended_from_outside(rig):
    c = Cast(rig)
    ws, sid = c.login()
    c.router.settled(c.router.send_to("edge-0", "end_session", holder="edge-0", sid=sid,
                                      condition="conflict", text="Replaced"))
    texts = "".join(ws.until_closed())
    assert "<conflict" in texts and "<close" in texts, texts
    unbind = c.answer("unbind", "result")
    assert unbind["sid"] == sid and unbind["holder"] == "edge-0", unbind
    c.router.settled(c.deliver([sid], message("too late")))
    c.router.take(event="item", message="missed", sids=[sid])


def test_a_vanished_client_is_said_unavailable_before_it_is_unbound(rig):
    c = Cast(rig)
    ws, sid = c.login()
    ws.send("<presence xmlns='jabber:client'/>")
    c.routed("<presence")
    c.router.hold()
    ws.close()
    item = c.routed("type='unavailable'")
    assert item["origin_sid"] == sid and "alice@example.org/home" in item["stanza"], item
    c.session.none(event="call", message="unbind")
    c.router.settle(item)
    assert c.answer("unbind", "result")["sid"] == sid


def test_a_client_that_says_close_is_answered(rig):
    c = Cast(rig)
    ws, sid = c.login()
    ws.send(f"<close xmlns='{FRAMING}'/>")
    assert "<close" in "".join(ws.until_closed())
    assert c.answer("unbind", "result")["sid"] == sid


def test_without_a_session_daemon_a_login_fails_for_now(rig):
    c = Cast(rig, JACKDAW_STREAM_CALL_DEADLINE="500ms")
    c.session.kill()
    rig.peers.remove(c.session)
    ws = c.start_sasl()
    ws.until("<failure", "<temporary-auth-failure")


def test_without_a_router_stanzas_wait_and_keep_their_order(rig):
    c = Cast(rig)
    ws, sid = c.login()
    c.router.kill()
    rig.peers.remove(c.router)
    for i in range(1, 51):
        ws.send(f"<message xmlns='jabber:client' to='bob@example.org'><body>{i};</body></message>")
    time.sleep(0.5)
    router = rig.peer("router", "router-0", listen=rig.address("router-0"), hub=True)
    for i in range(1, 51):
        item = router.take(event="item", message="route")
        assert f"<body>{i};" in item["stanza"] and item["origin_n"] == i, item


def test_what_a_dead_router_had_not_settled_goes_to_the_next(rig):
    c = Cast(rig)
    ws, sid = c.login()
    c.router.hold()
    ws.send("<message xmlns='jabber:client' to='bob@example.org'><body>again</body></message>")
    first = c.routed("again")
    c.router.kill()
    rig.peers.remove(c.router)
    router = rig.peer("router", "router-0", listen=rig.address("router-0"), hub=True)
    again = router.take(event="item", message="route")
    assert again["stanza"] == first["stanza"] and again["origin_n"] == first["origin_n"], again


def test_frames_in_pieces_are_put_together(rig):
    c = Cast(rig)
    ws, _ = c.login()
    text = "<message xmlns='jabber:client' to='bob@example.org'><body>pieces</body></message>".encode()
    ws.frame(TEXT, text[:10], fin=False)
    ws.frame(0, text[10:40], fin=False)
    ws.frame(0, text[40:])
    c.routed("<body>pieces")
    big = "x" * 200000
    ws.send(f"<message xmlns='jabber:client' to='bob@example.org'><body>{big}</body></message>")
    c.routed("<body>xxxxx")


BAD_FRAMES = [
    ("two stanzas", "<presence xmlns='jabber:client'/><presence xmlns='jabber:client'/>", "not-well-formed|bad-format"),
    ("half a stanza", "<message xmlns='jabber:client'><body>", "not-well-formed"),
    ("no xml", "hello", "not-well-formed"),
    ("a comment", "<presence xmlns='jabber:client'><!-- x --></presence>", "restricted-xml"),
    ("a dtd", "<!DOCTYPE x [<!ENTITY a 'b'>]><presence xmlns='jabber:client'>&a;</presence>", "restricted-xml"),
    ("too large", "<message xmlns='jabber:client'><body>" + "x" * 300000 + "</body></message>", "policy-violation"),
    ("no namespace", "<message/>", "invalid-namespace|unsupported-stanza-type|bad-namespace"),
]


def test_bad_frames_end_the_stream_as_rfc_6120_says(rig):
    c = Cast(rig)
    for name, text, condition in BAD_FRAMES:
        ws, sid = c.login()
        ws.send(text)
        texts = "".join(ws.until_closed())
        assert re.search(f"<({condition})", texts) and "<close" in texts, (name, texts)
        c.answer("unbind", "result")


def test_binary_frames_and_missing_subprotocols_are_refused(rig):
    c = Cast(rig)
    ws, sid = c.login()
    ws.frame(BINARY, b"<presence xmlns='jabber:client'/>")
    ws.until_closed()
    c.answer("unbind", "result")
    c.router.none(event="item", message="route", seconds=0.2)
    for protocol in (None, "chat"):
        refused = Ws(c.port, protocol=protocol)
        assert refused.status != 101 or not refused.until_closed(), refused.head
    assert Ws(c.port, path="/xmpp-websocket").status == 101


def test_nothing_passes_before_login(rig):
    c = Cast(rig)
    ws = Ws(c.port)
    ws.send(OPEN)
    ws.until("features")
    ws.send("<message xmlns='jabber:client' to='bob@example.org'><body>sneaky</body></message>")
    assert "<not-authorized" in "".join(ws.until_closed())
    c.router.none(event="item", message="route", seconds=0.2)


def test_an_unknown_host_is_told_so(rig):
    c = Cast(rig)
    ws = Ws(c.port)
    ws.send(f"<open xmlns='{FRAMING}' to='elsewhere.example' version='1.0'/>")
    assert "<host-unknown" in "".join(ws.until_closed())


def test_a_slow_reader_is_cut_off_and_others_are_not(rig):
    c = Cast(rig, JACKDAW_EDGE_MAX_QUEUE="200k")
    slow, slow_sid = c.login("alice", "slow")
    fast, fast_sid = c.login("alice", "fast")
    body = "y" * 50000
    tags = [c.deliver([slow_sid], message(body)) for _ in range(400)]
    for tag in tags:
        c.router.settled(tag, timeout=30)
    unbind = c.answer("unbind", "result")
    assert unbind["sid"] == slow_sid, unbind
    c.router.settled(c.deliver([fast_sid], message("still here")))
    fast.until("still here")


def test_a_hundred_clients_at_once(rig):
    c = Cast(rig)
    clients = [c.login("alice", f"r{i}") for i in range(100)]
    sids = [sid for _, sid in clients]
    c.router.settled(c.deliver(sids, message("all", to="alice@example.org")))
    for ws, _ in clients:
        ws.until("<body>all")


def test_sigterm_ends_streams_politely(rig):
    c = Cast(rig)
    ws, sid = c.login()
    c.edge.process.terminate()
    call = c.session.take(event="call", message="unbind")
    assert call["sid"] == sid
    c.session.reply(call, "result")
    texts = "".join(ws.until_closed())
    assert "<close" in texts, texts
    assert c.edge.process.wait(15) == 0


def test_host_meta_names_the_websocket(rig):
    import urllib.request
    c = Cast(rig)
    for path in ("/.well-known/host-meta", "/.well-known/host-meta.json"):
        with urllib.request.urlopen(f"http://127.0.0.1:{c.port}{path}", timeout=10) as answer:
            text = answer.read().decode()
            assert "urn:xmpp:alt-connections:websocket" in text and f":{c.port}/" in text, text
            assert answer.headers["Access-Control-Allow-Origin"] == "*"


if __name__ == "__main__":
    harness.main(globals())
