"""RFC 6120 section by section at the doors of the server: what a stream is, and every way in which it ends.

Each test is named for its paragraph and performed over TCP and over WebSocket where it applies to both.
"""
import base64
import re
import socket
import time

import harness
from streams import BIND, FRAMING, SASL, STREAMS, Cast, each_door, message, trusting

TLS = "urn:ietf:params:xml:ns:xmpp-tls"
CLEAR = ("tcp", "ws")
MESSAGE = "<message to='bob@example.org'>{}</message>"


def text(body):
    return MESSAGE.format(f"<body>{body}</body>")


def end_with(c, condition, send, bound=True, **options):
    """A client (with a session, or with the first features) sends that and its stream ends so."""
    client = c.login(resource="r" + str(c.sid))[0] if bound else c.connect(**options)
    client.send(send(client) if callable(send) else send)
    found = client.fails(condition)
    if bound:
        c.answer("unbind", "result")
    client.close()
    return found


# ---- 4.2 to 4.8: headers ----
@each_door(*CLEAR)
def test_4_2_a_stream_is_answered_with_a_header_and_features(rig, kind):
    c = Cast(rig, kind)
    client = c.connect()
    client.send(client.header())
    client.until("</stream:features>")
    header = re.search("<open [^>]*/>" if client.is_framed else "<stream:stream [^>]*>", client.text)[0]
    assert re.search(r"""from=["']example.org["']""", header), header  # 4.7.1
    assert "version='1.0'" in header, header                           # 4.7.5
    assert re.search("xml:lang='[a-z]+'", header), header              # 4.7.4
    assert re.search("id='[0-9a-f]{16}'", header), header              # 4.7.3
    if kind == "tcp":
        assert client.text.startswith("<?xml version='1.0'?><stream:stream "), client.text
        assert "xmlns='jabber:client'" in header and f"xmlns:stream='{STREAMS}'" in header, header


@each_door(*CLEAR)
def test_4_7_1_from_is_answered_with_to_and_must_be_who_logs_in(rig, kind):
    c = Cast(rig, kind)
    client = c.connect()
    client.send(client.header(more=" from='Alice@Example.Org'"))
    client.until("""to=["']alice@example.org["']""")
    client.until("</stream:features>")
    c.auth(client)
    client.send(client.header(more=" from='alice@example.org'"))
    client.until("""to=["']alice@example.org["'].*<bind """)
    other = c.opened()
    c.auth(other)
    other.send(other.header(more=" from='mallory@example.org'"))
    other.fails("invalid-from")
    for nobody in ("@@", "alice@elsewhere.example"):
        end_with(c, "invalid-from", lambda client: client.header(more=f" from='{nobody}'"), bound=False)


@each_door(*CLEAR)
def test_4_7_3_ids_are_unique_and_long(rig, kind):
    c = Cast(rig, kind)
    ids = set()
    for _ in range(50):
        client = c.opened()
        ids.add(re.search(" id='([^']*)'", client.text)[1])
        client.close()
    assert len(ids) == 50 and min(map(len, ids)) >= 16, ids


@each_door(*CLEAR)
def test_4_3_3_each_restart_has_a_new_id_and_other_features(rig, kind):
    c = Cast(rig, kind)
    client = c.opened()
    assert "<mechanisms" in client.text and "<bind" not in client.text, client.text
    c.auth(client)
    seen = len(client.text)
    client.send(client.header())
    client.until("</stream:features>")
    again = client.text[seen:]
    assert "<bind " in again and "<mechanisms" not in again, again
    assert len(set(re.findall(" id='([^']*)'", client.text))) == 2, client.text


def test_5_3_1_starttls_comes_alone_where_it_is_required(rig):
    c = Cast(rig, "starttls")
    client = c.opened()
    features = re.search("<stream:features>(.*)</stream:features>", client.text)[1]
    assert features == f"<starttls xmlns='{TLS}'><required/></starttls>", features
    client.send(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>biws</auth>")
    client.until("<failure[^>]*><(encryption-required|invalid-mechanism)/>")
    plain = len(client.text)
    # 5.4.3.3: what comes behind <starttls/> in the clear is thrown away.
    client.send(f"<starttls xmlns='{TLS}'/><iq xmlns='jabber:client' type='get' id='sneaky'/>")
    client.until(f"<proceed xmlns='{TLS}'/>")
    client.sock = trusting().wrap_socket(client.raw)
    client.send(client.header())
    client.until("</stream:features>")
    after = client.text[plain:]
    assert "starttls" not in re.search("<stream:features>(.*)", after)[1], after
    assert "<mechanism>SCRAM-SHA-256-PLUS</mechanism>" in after and "sneaky" not in after, after
    ids = re.findall(" id='([^']*)'", client.text)
    assert len(ids) == len(set(ids)) == 2, ids
    c.auth(client)
    sid = c.bind(client)
    c.router.settled(c.deliver([sid], message("inside")))
    client.until("<body>inside")


HEADERS = [  # condition, what is sent instead of a good header
    ("4.9.3.6", "host-unknown", lambda c: c.header(to="elsewhere.example")),
    ("4.9.3.7", "improper-addressing", lambda c: c.header(to=None)),
    ("4.9.3.25", "unsupported-version", lambda c: c.header(version="")),
    ("4.9.3.25", "unsupported-version", lambda c: c.header(version=" version='0.9'")),
    ("4.9.3.10", "invalid-namespace", lambda c: c.header().replace(FRAMING, "wrong").replace(STREAMS, "wrong")),
    ("4.9.3.22", "unsupported-encoding", lambda c: "<?xml version='1.0' encoding='iso-8859-1'?>" + c.header()
     .replace("<?xml version='1.0'?>", "")),
    ("4.9.3.22", "unsupported-encoding", lambda c: c.header(to="exampl\xe9").encode("latin-1")),
    ("4.9.3.13", "not-well-formed", lambda c: c.header().replace(" to=", " to='x' to=")),
    ("4.9.3.13", "not-well-formed", lambda c: "hello"),
    ("4.9.3.18", "restricted-xml", lambda c: "<!DOCTYPE x>" + c.header().replace("<?xml version='1.0'?>", "")),
    ("4.9.3.18", "restricted-xml", lambda c: "<!-- x -->" + c.header().replace("<?xml version='1.0'?>", "")),
    ("4.9.3.12", "not-authorized", lambda c: "<message xmlns='jabber:client' to='bob@example.org'/>"),
    ("4.9.3.14", "policy-violation", lambda c: c.header(more=" x='" + "y" * 20000 + "'")),
]


@each_door(*CLEAR)
def test_4_9_1_2_an_error_in_the_header_is_said_inside_a_stream(rig, kind):
    c = Cast(rig, kind)
    for section, condition, send in HEADERS:
        try:
            end_with(c, condition, send, bound=False)
        except AssertionError as error:
            raise AssertionError(f"{section} {condition}: {error}") from error


def test_4_8_5_another_prefix_than_stream_is_understood(rig):
    c = Cast(rig, "tcp")
    client = c.connect()
    client.send(f"<s:stream xmlns='jabber:client' xmlns:s='{STREAMS}' to='example.org' version='1.0'>")
    client.until("</stream:features>")
    client.send("</s:stream>")
    assert client.until_closed().endswith("</stream:stream>"), client.text


# ---- 4.9.3: what may come wrong later ----
LATER = [
    ("4.9.3.1", "bad-format|unsupported-stanza-type|not-well-formed", lambda c: f"<close xmlns='{FRAMING}x'/>"),
    ("4.9.3.2", "bad-namespace-prefix|not-well-formed", lambda c: c.stanza("<message><x:y/></message>")),
    ("4.9.3.2", "bad-namespace-prefix|not-well-formed", lambda c: "<x:message/>"),
    ("4.9.3.9", "invalid-from", lambda c: c.stanza("<message from='mallory@example.org' to='bob@example.org'/>")),
    ("4.9.3.10", "invalid-namespace", lambda c: "<message xmlns='jabber:server' to='bob@example.org'/>"),
    ("4.9.3.10", "invalid-namespace", lambda c: "<iq xmlns='urn:wrong' type='get' id='1'/>"),
    ("4.9.3.13", "not-well-formed", lambda c: c.stanza("<message><body></message>")),
    ("4.9.3.13", "not-well-formed", lambda c: c.stanza("<message to='a' to='b'/>")),
    ("4.9.3.13", "not-well-formed", lambda c: c.stanza("<message><body>\0</body></message>")),
    ("4.9.3.13", "not-well-formed", lambda c: c.stanza("<message><body>&#0;</body></message>")),
    ("4.9.3.13", "not-well-formed", lambda c: c.stanza("<message><body>\x07</body></message>")),
    ("4.9.3.13", "not-well-formed", lambda c: "text between stanzas<presence/>"),
    ("4.9.3.14", "policy-violation", lambda c: c.stanza(text("x" * 70000))),
    ("4.9.3.14", "policy-violation", lambda c: c.stanza(MESSAGE.format("<x a='" + "y" * 70000 + "'/>"))),
    ("4.9.3.14", "policy-violation", lambda c: c.stanza(MESSAGE.format("<x>" * 80 + "</x>" * 80))),
    ("4.9.3.18", "restricted-xml", lambda c: c.stanza("<message><!-- x --></message>")),
    ("4.9.3.18", "restricted-xml", lambda c: c.stanza("<message><?php x?></message>")),
    ("4.9.3.18", "restricted-xml", lambda c: c.stanza("<message><body>&nbsp;</body></message>")),
    ("4.9.3.18", "restricted-xml", lambda c: "<!DOCTYPE x [<!ENTITY a 'b'>]><presence xmlns='jabber:client'/>"),
    ("4.9.3.22", "unsupported-encoding", lambda c: c.stanza(text("exampl\xe9")).encode("latin-1")),
    ("4.9.3.22", "unsupported-encoding", lambda c: c.stanza(text("@")).encode().replace(b"@", b"\xf0\x9f\x98")),
    ("4.9.3.22", "unsupported-encoding", lambda c: c.stanza(text("@")).encode().replace(b"@", b"\xed\xa0\x80")),
    ("4.9.3.24", "unsupported-stanza-type", lambda c: "<pubsub xmlns='jabber:client'/>"),
    ("4.9.3.24", "unsupported-stanza-type", lambda c: "<whatever xmlns='urn:example'/>"),
]


@each_door(*CLEAR)
def test_4_9_3_each_condition_is_said_and_harms_nobody_else(rig, kind):
    c = Cast(rig, kind, JACKDAW_STREAM_MAX_STANZA="60000")
    other, sid = c.login(resource="other")
    for section, condition, send in LATER:
        try:
            end_with(c, condition, send)
        except AssertionError as error:
            raise AssertionError(f"{section} {condition}: {error}") from error
    c.router.settled(c.deliver([sid], message("unharmed")))
    other.until("<body>unharmed")


@each_door(*CLEAR)
def test_4_9_3_3_conflict_and_other_ends_come_from_session(rig, kind):
    c = Cast(rig, kind)
    for condition in ("conflict", "not-authorized", "reset", "policy-violation"):
        client, sid = c.login(resource=condition)
        c.router.settled(c.router.send_to(c.instance, "end_session", holder=c.instance, sid=sid,
                                          condition=condition, text="Because"))
        found = client.fails(condition)
        assert "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>Because</text>" in found, found
        c.answer("unbind", "result")


@each_door(*CLEAR)
def test_4_9_3_4_connection_timeout_of_who_does_not_answer_a_ping(rig, kind):
    c = Cast(rig, kind, JACKDAW_STREAM_PING_AFTER="300ms", JACKDAW_STREAM_PING_TIMEOUT="1s")
    client, _ = c.login()
    client.until("<ping xmlns='urn:xmpp:ping'/>")
    client.fails("connection-timeout")


@each_door(*CLEAR)
def test_4_9_3_4_connection_timeout_of_who_does_not_log_in(rig, kind):
    c = Cast(rig, kind, JACKDAW_STREAM_AUTH_DEADLINE="1s")
    silent, shy = c.connect(), c.opened()
    silent.fails("connection-timeout")
    shy.fails("connection-timeout")


@each_door(*CLEAR)
def test_4_9_3_12_not_authorized_before_login_and_before_binding(rig, kind):
    c = Cast(rig, kind)
    for stanza in ("<message to='bob@example.org'><body>x</body></message>", "<presence/>",
                   "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>"):
        client = c.opened()
        client.send(client.stanza(stanza))
        client.fails("not-authorized")
        client = c.opened()
        c.auth(client)
        client.send(client.header())
        client.until("<bind ")
        client.send(client.stanza(stanza))
        client.fails("not-authorized")
    c.router.none(event="item", message="route", seconds=0.2)


# ---- 4.4 and 4.6: ends, and signs of life ----
@each_door("tcp", "tls", "ws", "wss")
def test_4_4_the_client_closes_first_and_all_it_sent_before_counts(rig, kind):
    c = Cast(rig, kind)
    client, sid = c.login()
    client.sock.sendall(client.encode(client.stanza(text("last words"))) + client.encode(client.end))
    c.routed("<body>last words")
    received = client.until_closed()
    assert received.rstrip().endswith(client.end), received[-200:]
    assert c.answer("unbind", "result")["sid"] == sid


@each_door("tcp", "tls", "ws", "wss")
def test_4_4_the_server_closes_first_and_waits_for_nobody_for_ever(rig, kind):
    c = Cast(rig, kind)
    client, sid = c.login()
    begun = time.monotonic()
    c.router.settled(c.router.send_to(c.instance, "end_session", holder=c.instance, sid=sid, condition="conflict"))
    client.until("</stream:error>.*(</stream:stream>|<close )")
    c.answer("unbind", "result")
    # It neither closes nor answers; only goes on talking.
    try:
        while time.monotonic() - begun < 30:
            client.sock.sendall(client.encode(client.stanza(text("too late"))))
            time.sleep(0.1)
        raise AssertionError("the server still listens after 30 s")
    except OSError:
        pass
    assert time.monotonic() - begun > 1 or client.is_framed, "it did not wait at all"
    c.router.none(event="item", message="route", seconds=0.1)


@each_door("tcp", "tls")
def test_4_4_who_ends_only_his_side_still_hears_the_answers(rig, kind):
    c = Cast(rig, kind)
    client, sid = c.login()
    client.send(text("half closed") + "<iq type='set' id='own'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
    client.until("id=.own")
    client.send(text("really the last"))
    client.shut()
    c.routed("<body>really the last")
    received = client.until_closed()
    assert kind == "tls" or received.endswith("</stream:stream>"), received[-300:]
    assert c.answer("unbind", "result")["sid"] == sid


def test_4_4_last_words_arrive_though_the_client_still_sends(rig):
    """Closing a socket with unread input resets it: the error would be lost on the way."""
    c = Cast(rig, "tcp")
    for _ in range(10):
        client, _ = c.login(resource="r" + str(c.sid))
        client.send("<whatever xmlns='urn:example'/>" + text("ignored") * 2000)
        client.fails("unsupported-stanza-type")
        c.answer("unbind", "result")
        client.close()


def test_4_6_1_white_space_keeps_a_stream_alive(rig):
    c = Cast(rig, "tcp", JACKDAW_STREAM_PING_AFTER="600ms", JACKDAW_STREAM_PING_TIMEOUT="1s")
    client = c.connect()
    client.send(client.header() + "\n \n")
    client.until("</stream:features>")
    c.auth(client, send=lambda data: client.send(" " + data + "\r\n"))
    sid = c.bind(client, send=lambda data: client.send(data + "\t "))
    client.text, client.at = "", 0
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        client.send(" ")
        time.sleep(0.05)
    client.send(" \n" + text("between") + " \n " + text("spaces") + "\n")
    c.routed("<body>between")
    c.routed("<body>spaces")
    client.pull(0)
    assert "ping" not in client.text, "white space is a sign of life"
    c.router.settled(c.deliver([sid], message("alive")))
    client.until("<body>alive")


# ---- 8.1.5 ----
@each_door(*CLEAR)
def test_8_1_5_stanzas_get_the_language_of_their_stream(rig, kind):
    c = Cast(rig, kind)
    client = c.opened()
    c.auth(client)
    client.send(client.header(more=" xml:lang='de-CH'"))
    client.until("<bind ")
    client.send(client.stanza(f"<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>"))
    c.answer("bind", "bind_reply", jid="alice@example.org/x", sid=7, epoch=1)
    client.until("</iq>")
    client.send(client.stanza(text("gruezi")))
    assert re.search("<message [^>]*xml:lang='de-CH'", c.routed("gruezi")["stanza"])
    client.send(client.stanza("<message to='bob@example.org' xml:lang='fr'><body>salut</body></message>"))
    stanza = c.routed("salut")["stanza"]
    assert "xml:lang='fr'" in stanza and "de-CH" not in stanza, stanza
    plain, _ = c.login()
    plain.send(plain.stanza(text("hello")))
    assert "xml:lang" not in c.routed("hello")["stanza"]


# ---- 11: XML, in whatever pieces ----
def drip(client):
    """Sends each byte alone."""
    def send(data):
        for byte in client.encode(data):
            client.sock.sendall(bytes([byte]))
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return send


@each_door("tcp", "tls", "ws", "wss")
def test_11_7_a_whole_life_one_byte_at_a_time(rig, kind):
    c = Cast(rig, kind)
    client = c.connect()
    send = drip(client)
    send(client.header())
    client.until("</stream:features>")
    c.auth(client, send=send)
    sid = c.bind(client, send=send)
    send(client.stanza(text("b\u00e4\u20ac\U0001f600y")))
    c.routed("<body>b\u00e4\u20ac\U0001f600y</body>")
    c.router.settled(c.deliver([sid], message("back")))
    client.until("<body>back")
    send(client.end)
    assert client.until_closed().rstrip().endswith(client.end)


@each_door(*CLEAR)
def test_11_7_a_stanza_cut_at_every_byte(rig, kind):
    c = Cast(rig, kind)
    client, _ = c.login()
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stanza = "<message to='bob@example.org'><body a=\">'\">x<![CDATA[<]]>&amp;\U0001f600{:03d}</body></message>"
    size = len(client.encode(client.stanza(stanza.format(0))))
    for at in range(1, size):
        data = client.encode(client.stanza(stanza.format(at)))
        client.sock.sendall(data[:at])
        time.sleep(0.001)
        client.sock.sendall(data[at:])
    for at in range(1, size):
        item = c.router.take(event="item", message="route")
        assert f"\U0001f600{at:03d}</body>" in item["stanza"] and "x&lt;&amp;" in item["stanza"], (at, item)


@each_door(*CLEAR)
def test_11_7_many_stanzas_in_one_packet(rig, kind):
    c = Cast(rig, kind)
    client, _ = c.login()
    client.sock.sendall(b"".join(client.encode(client.stanza(text(f"{n};"))) for n in range(200)))
    for n in range(200):
        assert f"<body>{n};" in c.router.take(event="item", message="route")["stanza"], n


def test_11_7_login_and_stanzas_in_one_packet(rig):
    c = Cast(rig, "tcp")
    client = c.connect()
    header = client.header()
    initial = base64.b64encode(b"n,,n=alice,r=abc").decode()
    client.send(header + f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{initial}</auth>" + header
                + f"<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>" + text("piped") + "</stream:stream>")
    c.answer("sasl_start", "sasl_reply", outcome=1, data=b"v=x", account="alice@example.org")
    c.answer("bind", "bind_reply", jid="alice@example.org/x", sid=7, epoch=1)
    c.routed("<body>piped")
    assert client.until_closed().endswith("</stream:stream>")


@each_door(*CLEAR)
def test_11_3_long_attributes_and_text_pass_whole(rig, kind):
    c = Cast(rig, kind)
    client, _ = c.login()
    client.send(client.stanza(MESSAGE.format("<x xmlns='urn:x' a='" + "y" * 60000 + "'/><body>" + "z" * 60000
                                             + "</body>")))
    stanza = c.routed("<body>zzz")["stanza"]
    assert "y" * 60000 in stanza and "z" * 60000 in stanza


def test_4_8_namespaces_may_be_declared_in_the_header(rig):
    c = Cast(rig, "tcp")
    client = c.opened()
    c.auth(client)
    more = " xmlns:p='urn:p' xmlns:q='urn:q'"
    client.send(client.header(more=more))
    client.until("<bind ")
    client.send(f"<iq type='set' id='b'><bind xmlns='{BIND}'/></iq>")
    c.answer("bind", "bind_reply", jid="alice@example.org/x", sid=7, epoch=1)
    client.until("</iq>")
    client.send(MESSAGE.format("<p:one q:a='1'><two/></p:one>"))
    stanza = c.routed("one")["stanza"]
    assert re.search("<one xmlns='urn:p'", stanza) and "urn:q" in stanza, stanza
    assert re.search("<two xmlns='jabber:client'|<two xmlns=''|<two/>", stanza), stanza


@each_door(*CLEAR)
def test_4_8_the_default_namespace_may_be_overridden(rig, kind):
    c = Cast(rig, kind)
    client, _ = c.login()
    client.send("<message xmlns='jabber:client' to='bob@example.org'><body>default</body></message>")
    c.routed("<body>default")
    client.send("<c:message xmlns:c='jabber:client' to='bob@example.org'><c:body>prefixed</c:body></c:message>")
    c.routed("<body>prefixed</body>")
    client.send("<c:message xmlns:c='jabber:client' xmlns='urn:x' to='bob@example.org'><y/><c:body>mixed</c:body></c:message>")
    assert "<y xmlns='urn:x'/>" in c.routed("<body>mixed</body>")["stanza"]


if __name__ == "__main__":
    harness.main(globals())
