"""The session daemon with played edges and routers: accounts, SCRAM, binding, the registry."""
import base64
import hashlib
import hmac
import os
import time

import harness

ALICE = "alice@example.org"
SECURE = 1
OPERATOR = 1


class Cast:
    def __init__(self, rig, **env):
        rig.start_redis()
        self.rig = rig
        self.session = rig.daemon("session", **env)
        self.router = rig.peer("router", "router-0", listen=rig.address("router-0"), hub=True)
        self.edge = rig.peer("edge", "edge-1", dial=[rig.address("session-0")])
        self.edge.take(event="peer_up", instance="session-0")
        self.router.take(event="peer_up", instance="session-0")
        self.session.wait_log("event=ready")

    def ask(self, message, **values):
        return self.edge.ask("session", "x", message, **values)

    def add(self, account=ALICE, password=b"secret"):
        reply = self.ask("account_add", account=account, password=password, flags=OPERATOR)
        assert reply["condition"] == "", reply

    def bind(self, resource="", account=ALICE, holder="edge-1"):
        return self.ask("bind", account=account, resource=resource, holder=holder, address="::1",
                        transport="ws")

    def sessions(self):
        """{jid: holder} of all pages; a page may be short."""
        found = {}
        after = ""
        while True:
            page = self.ask("session_list", after=after, max=10)
            found.update(zip(page["jids"], page["holders"]))
            after = page["after"]
            if not page["more"]:
                return found


def b64(data):
    return base64.b64encode(data).decode()


class Scram:
    """A client of RFC 5802."""

    def __init__(self, mechanism="SCRAM-SHA-256", user="alice", password=b"secret", gs2="n,,"):
        self.hash = {"SCRAM-SHA-1": hashlib.sha1, "SCRAM-SHA-256": hashlib.sha256}[mechanism]
        self.name = self.hash().name
        self.mechanism, self.password, self.gs2 = mechanism, password, gs2
        self.nonce = b64(os.urandom(12))
        self.bare = f"n={user},r={self.nonce}"

    def first(self):
        return (self.gs2 + self.bare).encode()

    def final(self, server_first, proof=None):
        attrs = dict(a.split("=", 1) for a in server_first.split(","))
        assert attrs["r"].startswith(self.nonce) and attrs["r"] != self.nonce, attrs
        salted = hashlib.pbkdf2_hmac(self.name, self.password, base64.b64decode(attrs["s"]),
                                     int(attrs["i"]))
        without = f"c={b64(self.gs2.encode())},r={attrs['r']}"
        auth = f"{self.bare},{server_first},{without}".encode()
        client_key = hmac.digest(salted, b"Client Key", self.name)
        signature = hmac.digest(self.hash(client_key).digest(), auth, self.name)
        made = bytes(a ^ b for a, b in zip(client_key, signature))
        self.expected = "v=" + b64(hmac.digest(hmac.digest(salted, b"Server Key", self.name), auth,
                                               self.name))
        return f"{without},p={b64(proof or made)}".encode()


def start(c, scram, domain="example.org", flags=0, address="127.0.0.1"):
    return c.ask("sasl_start", domain=domain, mechanism=scram.mechanism, address=address, flags=flags,
                 initial=scram.first())


def login(c, scram, **values):
    """The last reply of a login."""
    reply = start(c, scram, **values)
    if reply["outcome"] != 0:
        return reply
    server_first = bytes.fromhex(reply["data"]).decode()
    return c.ask("sasl_step", state=bytes.fromhex(reply["state"]), response=scram.final(server_first))


def test_accounts_come_and_go(rig):
    c = Cast(rig)
    assert c.ask("account_exists", account=ALICE)["condition"] == "item-not-found"
    c.add()
    assert c.ask("account_exists", account=ALICE)["condition"] == ""
    again = c.ask("account_add", account=ALICE, password=b"other", flags=OPERATOR)
    assert again["condition"] == "conflict", again
    listed = c.ask("account_list", domain="example.org", max=10)
    assert listed["accounts"] == [ALICE] and listed["more"] == 0, listed
    assert c.ask("account_remove", account=ALICE)["condition"] == ""
    assert c.ask("account_exists", account=ALICE)["condition"] == "item-not-found"
    assert c.router.take(event="notice", message="account_removed")["account"] == ALICE


def test_scram_proves_both_sides(rig):
    c = Cast(rig)
    c.add()
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
        scram = Scram(mechanism)
        reply = login(c, scram)
        assert reply["outcome"] == 1 and reply["account"] == ALICE, reply
        assert bytes.fromhex(reply["data"]).decode() == scram.expected, reply


def test_a_wrong_password_and_an_unknown_user_look_the_same(rig):
    c = Cast(rig)
    c.add()
    wrong = login(c, Scram(password=b"wrong"))
    unknown = login(c, Scram(user="nobody"))
    for reply in (wrong, unknown):
        assert reply["outcome"] == 2 and reply["condition"] == "not-authorized", reply
        assert reply["account"] == "" and reply["text"] == wrong["text"], reply
    first = start(c, Scram(user="nobody"))
    again = start(c, Scram(user="nobody"))
    salt = [bytes.fromhex(r["data"]).decode().split(",")[1:] for r in (first, again)]
    assert salt[0] == salt[1], "the salt of somebody who does not exist must not change"


def test_a_changed_password_counts_at_once(rig):
    c = Cast(rig)
    c.add()
    assert c.ask("account_password", account=ALICE, password=b"new")["condition"] == ""
    assert login(c, Scram())["outcome"] == 2
    assert login(c, Scram(password=b"new"))["outcome"] == 1


def test_plain_only_on_secure_streams(rig):
    c = Cast(rig)
    c.add()

    def plain(flags, password=b"secret", authzid=b""):
        return c.ask("sasl_start", domain="example.org", mechanism="PLAIN", address="127.0.0.1",
                     flags=flags, initial=authzid + b"\0alice\0" + password)

    assert plain(SECURE)["outcome"] == 1
    assert plain(SECURE, b"wrong")["condition"] == "not-authorized"
    assert plain(SECURE, authzid=b"bob@example.org")["condition"] == "invalid-authzid"
    assert plain(0)["outcome"] == 2


def test_what_is_not_sasl_is_refused(rig):
    c = Cast(rig)
    c.add()
    bad = Scram()
    bad.first = lambda: b"rubbish"
    assert start(c, bad)["condition"] in ("malformed-request", "not-authorized")
    unknown = c.ask("sasl_start", domain="example.org", mechanism="X-NONE", address="::1", initial=b"x")
    assert unknown["condition"] == "invalid-mechanism", unknown
    forged = c.ask("sasl_step", state=b"forged" * 20, response=b"c=biws,r=x,p=AAAA")
    assert forged["outcome"] == 2, forged
    reply = start(c, Scram())
    state = bytes.fromhex(reply["state"])
    tampered = bytes([state[0]]) + bytes([state[1] ^ 1]) + state[2:]
    assert c.ask("sasl_step", state=tampered, response=b"c=biws,r=x,p=AAAA")["outcome"] == 2


def test_any_instance_takes_the_next_step(rig):
    c = Cast(rig)
    c.add()
    scram = Scram()
    reply = start(c, scram)
    c.session.kill()
    c.edge.take(event="peer_down", instance="session-0")
    other = rig.daemon("session", "session-1")
    c.edge.take(event="peer_up", instance="session-1")
    other.wait_log("event=ready")
    final = c.ask("sasl_step", state=bytes.fromhex(reply["state"]),
                  response=scram.final(bytes.fromhex(reply["data"]).decode()))
    assert final["outcome"] == 1, (final, other.log()[-500:])


def test_failures_from_one_address_are_limited(rig):
    c = Cast(rig, JACKDAW_SESSION_MAX_FAILURES="5")
    c.add()
    for _ in range(5):
        login(c, Scram(password=b"wrong"), address="192.0.2.7")
    limited = login(c, Scram(), address="192.0.2.7")
    assert limited["outcome"] == 2, limited
    assert login(c, Scram(), address="192.0.2.8")["outcome"] == 1


def test_a_bound_session_is_in_the_registry_and_noticed(rig):
    c = Cast(rig)
    c.add()
    one = c.bind("phone")
    assert one["condition"] == "" and one["jid"] == f"{ALICE}/phone" and one["sid"] > 0, one
    notice = c.router.take(event="notice", message="session_changed", bound=1)
    assert notice["jid"] == one["jid"] and notice["sid"] == one["sid"], notice
    made = c.bind()
    assert made["jid"].startswith(ALICE + "/") and len(made["jid"]) > len(ALICE) + 5, made
    assert c.sessions() == {one["jid"]: "edge-1", made["jid"]: "edge-1"}
    assert c.ask("unbind", jid=one["jid"], sid=one["sid"], holder="edge-1")["condition"] == ""
    gone = c.router.take(event="notice", message="session_changed", bound=0)
    assert gone["sid"] == one["sid"], gone
    assert list(c.sessions()) == [made["jid"]]
    assert c.ask("unbind", jid=one["jid"], sid=one["sid"], holder="edge-1")["condition"] == ""


def test_a_resource_in_use_ends_the_older_session(rig):
    c = Cast(rig)
    c.add()
    old = c.bind("phone")
    new = c.bind("phone", holder="edge-2")
    assert new["jid"] == old["jid"] and new["sid"] != old["sid"], new
    end = c.router.take(event="item", message="end_session")
    assert end["sid"] == old["sid"] and end["holder"] == "edge-1" and end["condition"] == "conflict", end
    assert c.ask("unbind", jid=old["jid"], sid=old["sid"], holder="edge-1")["condition"] == ""
    assert c.sessions() == {new["jid"]: "edge-2"}


def test_a_bad_resource_is_refused(rig):
    c = Cast(rig)
    c.add()
    assert c.bind("\x01")["condition"] == "bad-request"
    assert c.bind("x" * 2000)["condition"] == "bad-request"


def test_a_removed_account_loses_its_sessions(rig):
    c = Cast(rig)
    c.add()
    one = c.bind("phone")
    assert c.ask("account_remove", account=ALICE)["condition"] == ""
    assert c.router.take(event="item", message="end_session")["sid"] == one["sid"]
    assert c.bind("phone")["condition"] != ""


def test_a_dead_holders_sessions_are_cleaned_up(rig):
    c = Cast(rig, JACKDAW_CLUSTER_LEASE="1s", JACKDAW_SESSION_SWEEP_INTERVAL="200ms")
    c.add()
    one = c.bind("phone", holder="edge-9")  # never renews its lease
    item = c.router.take(event="item", message="route", timeout=20)
    assert "type='unavailable'" in item["stanza"] and one["jid"] in item["stanza"], item
    assert c.router.take(event="notice", message="session_changed", bound=0)["sid"] == one["sid"]
    end = time.monotonic() + 10
    while c.sessions():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_registration_is_off_unless_it_is_on(rig):
    c = Cast(rig)
    refused = c.ask("account_add", account=ALICE, password=b"secret", address="192.0.2.1")
    assert refused["condition"] != "", refused


def test_registrations_from_one_address_are_limited(rig):
    c = Cast(rig, JACKDAW_SESSION_REGISTRATION="yes", JACKDAW_SESSION_MAX_REGISTRATIONS="2")
    for i, expected in enumerate(("", "", "resource-constraint")):
        reply = c.ask("account_add", account=f"u{i}@example.org", password=b"secret", address="192.0.2.1")
        assert reply["condition"] == expected, reply


def test_redis_away_gives_a_temporary_answer(rig):
    c = Cast(rig)
    c.add()
    rig.stop_redis()
    reply = c.bind("phone")
    assert reply["condition"] in ("resource-constraint", "internal-server-error"), reply
    rig.start_redis()
    end = time.monotonic() + 20
    while c.bind("phone")["condition"] != "":
        assert time.monotonic() < end
        time.sleep(0.2)


def test_no_secret_reaches_the_log(rig):
    c = Cast(rig, JACKDAW_LOG_LEVEL="debug")
    c.add(password=b"correct horse battery")
    login(c, Scram(password=b"correct horse battery"))
    login(c, Scram(password=b"wrong horse battery"))
    assert c.session.terminate() == 0
    assert "horse" not in c.session.log()


if __name__ == "__main__":
    harness.main(globals())
