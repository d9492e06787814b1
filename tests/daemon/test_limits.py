"""Limits at every door of the server: who exceeds one is slowed down, refused or cut off, and nobody else."""
import re
import signal
import threading
import time

import harness
from streams import DOORS, WAIT, Cast, each_door, message

HALF_HELLO = bytes.fromhex("1603010200010001fc0303")  # a TLS handshake that is begun and left


# ---- rates ----
@each_door(*DOORS)
def test_who_sends_too_fast_is_slowed_down_and_loses_nothing(rig, kind):
    c = Cast(rig, kind, JACKDAW_STREAM_STANZAS_PER_SECOND="50", JACKDAW_STREAM_STANZAS_BURST="10")
    client, sid = c.login()
    begun = time.monotonic()
    for n in range(60):
        client.send(client.stanza(f"<message to='bob@example.org'><body>{n};</body></message>"))
    for n in range(60):
        assert f"<body>{n};" in c.router.take(event="item", message="route")["stanza"], n
    assert time.monotonic() - begun > 0.7, "60 stanzas at 50 a second, 10 at once, took less than a second"
    assert c.limit("stanzas per second") > 0
    c.daemon.wait_log("event=too-fast")


@each_door(*DOORS)
def test_a_flood_is_held_back_and_costs_nothing_meanwhile(rig, kind):
    c = Cast(rig, kind, JACKDAW_STREAM_BYTES_PER_SECOND="20k", JACKDAW_STREAM_BYTES_BURST="64k",
             JACKDAW_STREAM_STANZAS_PER_SECOND="0")
    flooder, _ = c.login()
    other, sid = c.login(resource="other")
    piece = flooder.encode(flooder.stanza("<message to='bob@example.org'><body>" + "x" * 900
                                          + "</body></message>")) * 16
    taken = []

    def flood():
        try:
            while True:
                flooder.sock.sendall(piece)
                taken.append(len(piece))
        except OSError:
            pass

    threading.Thread(target=flood, daemon=True).start()
    end = time.monotonic() + WAIT
    while c.limit("bytes per second") == 0:
        assert time.monotonic() < end, "never held"
        time.sleep(0.05)
    last = None
    while last != len(taken):  # until the kernel's buffers are full
        last = len(taken)
        time.sleep(0.4)
    memory, cpu, routed = c.resident(), c.cpu_seconds(), c.router.incoming.qsize()
    time.sleep(2)
    used = c.cpu_seconds() - cpu
    assert used < 0.5, f"{used} s of CPU in 2 s of holding back"
    routed = c.router.incoming.qsize() - routed
    assert routed < 130, f"{routed} stanzas of 960 bytes in 2 s at 20,000 a second, 64 kB a read"
    assert c.resident() - memory < 16 << 20, c.resident() - memory
    c.router.settled(c.deliver([sid], message("unhindered")))
    other.until("<body>unhindered")
    flooder.close()


# ---- connections ----
FULL = {"tcp": "resource-constraint", "ws": 503, "wss": 503}
CROWDED = {"tcp": "policy-violation", "ws": 429, "wss": 429}


def is_refused(c, expected, **options):
    """Another client is not let in, and hears why where that can be said."""
    if c.kind == "tls":
        client = c.connect(handshake=False, **options)
        client.until_closed()
    elif c.kind == "tcp":
        c.connect(**options).fails(expected)
    else:
        client = c.connect(**options)
        assert client.status == expected, client.head


@each_door(*DOORS)
def test_so_many_connections_in_all(rig, kind):
    c = Cast(rig, kind, JACKDAW_EDGE_MAX_CONNECTIONS="3", JACKDAW_C2S_MAX_CONNECTIONS="3")
    clients = [c.opened() for _ in range(3)]
    for _ in range(3):
        is_refused(c, FULL.get(kind))
    assert c.limit("connections") >= 3
    assert c.daemon.log().count("event=too-many-connections") == 1, "one line for a flood"
    clients.pop().close()
    end = time.monotonic() + WAIT
    while True:
        try:
            late = c.opened()
            break
        except (AssertionError, OSError):
            assert time.monotonic() < end, "a place that was given up is not given again"
    late.close()


@each_door(*DOORS)
def test_so_many_connections_of_one_address(rig, kind):
    c = Cast(rig, kind, JACKDAW_EDGE_MAX_PER_ADDRESS="2", JACKDAW_C2S_MAX_PER_ADDRESS="2")
    clients = [c.opened() for _ in range(2)]
    is_refused(c, CROWDED.get(kind))
    c.opened(source="127.0.0.2").close()
    assert c.limit("connections of an address") == 1
    clients.pop().close()
    end = time.monotonic() + WAIT
    while True:
        try:
            c.opened().close()
            break
        except (AssertionError, OSError):
            assert time.monotonic() < end, "a place that was given up is not given again"


# ---- time to log in ----
def drip(client, data, rate=0.1):
    """One byte now and then until the server has had enough."""
    def run():
        try:
            for byte in data:
                client.raw.sendall(bytes([byte]))
                time.sleep(rate)
        except OSError:
            pass
    threading.Thread(target=run, daemon=True).start()


@each_door(*DOORS)
def test_time_to_log_in_counts_from_the_first_byte(rig, kind):
    c = Cast(rig, kind, JACKDAW_STREAM_AUTH_DEADLINE="1s")
    silent = c.connect(handshake=False)
    dripping = c.connect(handshake=False)
    drip(dripping, b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 600 if kind == "ws" else
         HALF_HELLO + bytes(500) if kind in ("tls", "wss") else b"<?xml version='1.0'?><stream:stream xmlns='" + b"x" * 600)
    half = c.connect(handshake=False)
    half.raw.sendall(HALF_HELLO if kind in ("tls", "wss") else b"GET /ws HTTP/1.1\r\n" if kind == "ws" else b"<?xml ")
    shy = c.opened()
    begun = time.monotonic()
    for client in (silent, dripping, half):
        drain(client)
    shy.fails("connection-timeout")
    assert time.monotonic() - begun < 12, time.monotonic() - begun
    if kind == "tcp":
        assert "<connection-timeout" in silent.text and silent.text.startswith("<?xml"), silent.text


def drain(client):
    """Reads whatever comes until the end, without looking into it but as text."""
    client.raw.settimeout(WAIT)
    try:
        while data := client.raw.recv(65536):
            client.text += data.decode(errors="replace")
    except ConnectionError:
        pass


@each_door(*DOORS)
def test_connections_that_never_finish_their_beginning_keep_nobody_out(rig, kind):
    c = Cast(rig, kind)
    begun = {"ws": b"GET /ws HTTP/1.1\r\nHost: x\r\nX: ", "tcp": b"<?xml version='1.0'?><stream:stream "}
    half = [c.connect(handshake=False) for _ in range(400)]
    for client in half:
        client.raw.sendall(begun.get(kind, HALF_HELLO))
    c.login()[0].close()
    for client in half:
        client.close()


# ---- sizes ----
@each_door(*DOORS)
def test_stanzas_are_smaller_before_login_than_after(rig, kind):
    c = Cast(rig, kind, JACKDAW_STREAM_MAX_STANZA="60000", JACKDAW_STREAM_MAX_STANZA_BEFORE_LOGIN="10000")
    early = c.opened()
    early.send(early.stanza("<message to='bob@example.org'><body>" + "x" * 20000 + "</body></message>"))
    early.fails("policy-violation")
    late, _ = c.login()
    late.send(late.stanza("<message to='bob@example.org'><body>" + "y" * 50000 + "</body></message>"))
    c.routed("<body>yyyyy")
    late.send(late.stanza("<message to='bob@example.org'><body>" + "z" * 70000 + "</body></message>"))
    late.fails("policy-violation")
    assert c.limit("stanza") >= 2


# ---- failed logins ----
@each_door(*DOORS)
def test_failed_logins_wait_longer_and_longer(rig, kind):
    c = Cast(rig, kind, JACKDAW_STREAM_LOGIN_DELAY="300ms", JACKDAW_STREAM_MAX_AUTH_ATTEMPTS="3")
    client = c.opened()
    begun = time.monotonic()
    c.fail_auth(client)
    c.fail_auth(client)
    assert time.monotonic() - begun >= 0.3
    c.fail_auth(client)
    assert time.monotonic() - begun >= 0.9
    client.fails("policy-violation")
    assert c.limit("login attempts") == 1 and c.limit("login delay") == 2


def test_an_address_that_keeps_failing_waits_at_its_next_connection(rig):
    c = Cast(rig, "tcp", JACKDAW_STREAM_LOGIN_DELAY="400ms", JACKDAW_STREAM_LOGIN_DELAY_AFTER="2",
             JACKDAW_STREAM_MAX_AUTH_ATTEMPTS="1")
    for _ in range(3):
        client = c.opened()
        c.fail_auth(client)
        client.fails("policy-violation")
    begun = time.monotonic()
    c.fail_auth(c.opened())
    assert time.monotonic() - begun >= 0.25, "the fourth was not held back"
    begun = time.monotonic()
    elsewhere = c.opened(source="127.0.0.2")
    c.auth(elsewhere)


# ---- slow readers ----
@each_door(*DOORS)
def test_a_reader_that_stops_is_cut_off_and_costs_nobody_else(rig, kind):
    c = Cast(rig, kind, JACKDAW_EDGE_MAX_QUEUE="256k", JACKDAW_C2S_MAX_QUEUE="256k")
    slow, slow_sid = c.login(resource="slow", rcvbuf=8192)
    fast, fast_sid = c.login(resource="fast")
    memory = c.resident()
    body = "y" * 20000
    tags = []
    for n in range(600):  # 12 MB for each, in turns
        tags.append(c.deliver([slow_sid], message(f"{n};" + body)))
        tags.append(c.deliver([fast_sid], message(f"{n};" + body)))
        fast.until(f"<body>{n};")
        fast.text, fast.at = "", 0
    for tag in tags:
        c.router.settled(tag, timeout=30)
    assert c.answer("unbind", "result")["sid"] == slow_sid
    grown = c.resident() - memory
    assert grown < 24 << 20, f"{grown >> 20} MB for a queue of 256 kB"
    text = slow.until_closed(30)
    assert "<policy-violation" in text[-500:] or "policy-violation" not in text, text[-500:]
    assert c.metric("jackdaw_stream_slow_readers_total") == 1
    c.router.settled(c.deliver([fast_sid], message("still here")))
    fast.until("<body>still here")


# ---- reload ----
@each_door(*DOORS)
def test_a_reload_changes_limits_of_open_streams(rig, kind):
    path = rig.path("jackdaw.conf")
    section = "c2s" if kind in ("tcp", "tls") else "edge"

    def write(stanza, places, port):
        with open(path, "w") as file:
            file.write(f"[stream]\nmax_stanza = {stanza}\n[{section}]\nmax_per_address = {places}\n"
                       f"[log]\nlevel = info\n[cluster]\nlease = 15s\n[redis]\n[health]\naddress = {port}\n")

    write(100000, 0, "127.0.0.1")
    c = Cast(rig, kind, JACKDAW_CONFIG=path)
    client, _ = c.login()
    client.send(client.stanza("<message to='bob@example.org'><body>" + "a" * 50000 + "</body></message>"))
    c.routed("<body>aaaa")
    write(20000, 1, "127.0.0.9")
    c.daemon.process.send_signal(signal.SIGHUP)
    c.daemon.wait_log("event=reloaded")
    c.daemon.wait_log("event=restart-needed option=health.address")
    is_refused(c, CROWDED.get(kind))
    client.send(client.stanza("<message to='bob@example.org'><body>" + "b" * 50000 + "</body></message>"))
    client.fails("policy-violation")


# ---- draining ----
def ends_paced(c, clients, pattern):
    """SIGTERM; each client is told `pattern`, and not all at once. The seconds from first to last."""
    c.daemon.process.terminate()
    ends = {}
    limit = time.monotonic() + 60
    while len(ends) < len(clients):
        assert time.monotonic() < limit, f"{len(ends)} of {len(clients)} ended"
        for client in clients:
            if client not in ends:
                client.pull(0)
                if re.search(pattern, client.text[client.at:]):
                    ends[client] = time.monotonic()
                    client.close()
        while c.session.pull(0.001):
            pass
        for event in [e for e in c.session.events if e.get("message") == "unbind"]:
            c.session.events.remove(event)
            c.session.reply(event, "result")
    return max(ends.values()) - min(ends.values())


PACE = {"JACKDAW_STREAM_DRAIN_RATE": "20", "JACKDAW_DAEMON_DRAIN_TIMEOUT": "60s"}


def answer_unbinds_until_exit(c):
    end = time.monotonic() + 30
    while c.daemon.process.poll() is None:
        assert time.monotonic() < end, "it does not exit"
        c.session.pull(0.05)
        for event in [e for e in c.session.events if e.get("message") == "unbind"]:
            c.session.events.remove(event)
            c.session.reply(event, "result")
    assert c.daemon.process.returncode == 0


@each_door(*DOORS)
def test_draining_without_an_address_says_system_shutdown_a_few_at_a_time(rig, kind):
    c = Cast(rig, kind, **PACE)
    clients = [c.login(resource=f"r{n}")[0] for n in range(24)]
    took = ends_paced(c, clients, "<system-shutdown ")
    assert took > 0.8, f"24 streams at 20 a second ended within {took} s"
    answer_unbinds_until_exit(c)


def test_rfc6120_4_9_3_19_draining_sends_tcp_clients_elsewhere(rig):
    c = Cast(rig, "tcp", JACKDAW_C2S_SEE_OTHER_HOST="other.example.org:5299", **PACE)
    clients = [c.login(resource=f"r{n}")[0] for n in range(12)]
    took = ends_paced(c, clients, "<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>"
                                  "other.example.org:5299</see-other-host></stream:error></stream:stream>")
    assert took > 0.3, took
    answer_unbinds_until_exit(c)


def test_rfc7395_3_6_1_draining_sends_websocket_clients_elsewhere(rig):
    c = Cast(rig, "ws", JACKDAW_EDGE_SEE_OTHER_URI="wss://other.example.org:5299/ws", **PACE)
    clients = [c.login(resource=f"r{n}")[0] for n in range(12)]
    took = ends_paced(c, clients, 'see-other-uri="wss://other.example.org:5299/ws"')
    assert took > 0.3, took
    answer_unbinds_until_exit(c)


def test_who_is_not_due_yet_is_served_while_others_are_drained(rig):
    c = Cast(rig, "tcp", JACKDAW_STREAM_DRAIN_RATE="10", JACKDAW_DAEMON_DRAIN_TIMEOUT="60s")
    first = [c.login(resource=f"r{n}")[0] for n in range(5)]
    last, sid = c.login(resource="last")
    c.daemon.process.terminate()
    first[0].until("<system-shutdown ")
    c.router.settled(c.deliver([sid], message("meanwhile")))
    last.until("<body>meanwhile")
    last.send("<message to='bob@example.org'><body>on my way</body></message>")
    c.routed("<body>on my way")
    last.until("<system-shutdown ")
    for client in [*first, last]:
        client.close()
    answer_unbinds_until_exit(c)


def test_drain_timeout_bounds_it_all(rig):
    c = Cast(rig, "tcp", JACKDAW_STREAM_DRAIN_RATE="1", JACKDAW_DAEMON_DRAIN_TIMEOUT="2s")
    clients = [c.login(resource=f"r{n}")[0] for n in range(30)]
    begun = time.monotonic()
    ends_paced(c, clients, "<system-shutdown ")
    answer_unbinds_until_exit(c)
    assert time.monotonic() - begun < 10


if __name__ == "__main__":
    harness.main(globals())
