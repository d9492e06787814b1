"""The presence daemon between a mock router and its stores: rosters, subscriptions, presence."""
import re
import time

import harness

ALICE = "alice@example.org"
BOB = "bob@example.org"
ROSTER = "jabber:iq:roster"


class Cast:
    """presence-0 with a router played: what it forwards is taken (or held) there."""

    def __init__(self, rig, presences=1):
        self.rig = rig
        self.n = 0
        rig.start_redis()
        self.router = rig.peer("router", "router-0", listen=rig.address("router-0"), hub=True)
        self.presences = [rig.daemon("presence", f"presence-{i}") for i in range(presences)]
        for _ in self.presences:
            self.up = self.router.take(event="peer_up", kind="presence")
        for daemon in self.presences:
            daemon.wait_log("event=ready")

    def session(self, account, resource="home", sid=1):
        """Bound, but nothing was said yet."""
        self.rig.put_session(self.router, f"{account}/{resource}", sid, "edge-1")

    def handle(self, stanza, account, resource="home", sid=1, flags=0, n=None):
        """A client's stanza (or one for an account, flags=1); the tag."""
        self.n += 1
        stanza = re.sub(r"^<(\w+)", rf"<\1 xmlns='jabber:client' from='{account}/{resource}'", stanza) \
            if " from=" not in stanza else stanza.replace(" from=", " xmlns='jabber:client' from=", 1)
        key = account if not flags else re.search(r" to='([^'/]+)", stanza).group(1)
        return self.router.send("presence", key, "handle", origin_sid=sid, origin_n=n or self.n,
                                flags=flags, stanza=stanza)

    def done(self, *args, **values):
        self.router.settled(self.handle(*args, **values))

    def forwarded(self, *texts, **wanted):
        return self.router.take(event="item", message="forward",
                                where=lambda e: all(t in e["stanza"] for t in texts), **wanted)

    def nothing_forwarded(self, *texts, seconds=0.3):
        self.router.none(event="item", message="forward", seconds=seconds,
                         where=lambda e: all(t in e["stanza"] for t in texts))

    def roster(self, account, resource="home", sid=1, ver=None):
        """What a roster get answers."""
        attr = f" ver='{ver}'" if ver is not None else ""
        self.done(f"<iq type='get' id='get{self.n}'><query xmlns='{ROSTER}'{attr}/></iq>", account,
                  resource, sid)
        return self.forwarded("type='result'", f"id='get{self.n - 1}'")["stanza"]

    def become_friends(self):
        """alice sees bob and bob sees alice; both rosters were asked for and both are online."""
        for account, sid in ((ALICE, 1), (BOB, 2)):
            self.session(account, sid=sid)
            self.roster(account, sid=sid)
            self.done("<presence/>", account, sid=sid)
        for me, other, sid in ((ALICE, BOB, 1), (BOB, ALICE, 2)):
            self.done(f"<presence type='subscribe' to='{other}'/>", me, sid=sid)
            self.inbound("subscribe", me, other)
            self.done(f"<presence type='subscribed' to='{me}'/>", other, sid=3 - sid)
            self.inbound("subscribed", other, me)
        while self.router.pull(0.3):
            pass
        self.router.events.clear()

    def inbound(self, kind, sender, to):
        """Takes what was forwarded for the recipient's presence daemon and hands it there."""
        item = self.router.take(event="item", message="forward", flags=1,
                                where=lambda e: f"type='{kind}'" in e["stanza"])
        assert item["recipients"] in ([to], []), item
        self.router.settled(self.router.send(
            "presence", to, "handle", origin_sid=item["origin_sid"], origin_n=item["origin_n"], flags=1,
            stanza=item["stanza"]))


def test_it_announces_presence_and_the_roster(rig):
    c = Cast(rig)
    assert "presence" in c.up["announce"], c.up
    assert any(line.startswith("iq jabber:iq:roster ") for line in c.up["announce"]), c.up


def test_a_roster_set_is_answered_and_pushed_to_interested_resources(rig):
    c = Cast(rig)
    c.session(ALICE)
    c.session(ALICE, "phone", 2)
    c.session(ALICE, "other", 3)
    assert "<item" not in c.roster(ALICE)
    c.roster(ALICE, "phone", 2)
    c.done(f"<iq type='set' id='s1'><query xmlns='{ROSTER}'><item jid='{BOB}' name='Bob'>"
           "<group>Friends</group></item></query></iq>", ALICE)
    assert c.forwarded("type='result'", "id='s1'")["recipients"] in ([f"{ALICE}/home"], [])
    pushed = set()
    while len(pushed) < 2:
        push = c.forwarded("type='set'", f"jid='{BOB}'", "name='Bob'", "<group>Friends</group>")
        pushed |= set(push["recipients"] or [re.search(r" to='([^']+)'", push["stanza"]).group(1)])
    assert pushed == {f"{ALICE}/home", f"{ALICE}/phone"}, pushed
    assert f"jid='{BOB}'" in c.roster(ALICE, "other", 3)


def test_a_roster_version_that_is_current_gets_an_empty_answer(rig):
    c = Cast(rig)
    c.session(ALICE)
    c.done(f"<iq type='set' id='s1'><query xmlns='{ROSTER}'><item jid='{BOB}'/></query></iq>", ALICE)
    ver = re.search(r" ver='([^']+)'", c.roster(ALICE)).group(1)
    assert "<query" not in c.roster(ALICE, ver=ver)
    assert f"jid='{BOB}'" in c.roster(ALICE, ver="old")


def test_a_malformed_roster_set_is_refused(rig):
    c = Cast(rig)
    c.session(ALICE)
    for items, condition in (("", "bad-request"), (f"<item jid='{BOB}'/><item jid='c@d'/>", "bad-request"),
                             ("<item/>", "bad-request"),
                             (f"<item jid='{BOB}'><group>a</group><group>a</group></item>", "bad-request"),
                             (f"<item jid='{BOB}'><group></group></item>", "not-acceptable"),
                             (f"<item jid='{BOB}' subscription='remove'/>", "item-not-found")):
        c.done(f"<iq type='set' id='bad'><query xmlns='{ROSTER}'>{items}</query></iq>", ALICE)
        assert f"<{condition}" in c.forwarded("type='error'", "id='bad'")["stanza"], items


def test_another_account_s_roster_is_nobody_s_business(rig):
    c = Cast(rig)
    c.session(ALICE)
    c.done(f"<iq type='get' id='x' to='{BOB}' from='{ALICE}/home'><query xmlns='{ROSTER}'/></iq>", ALICE,
           flags=1)
    assert "type='error'" in c.forwarded("id='x'")["stanza"]


def test_a_subscription_ends_with_both_seeing_each_other(rig):
    c = Cast(rig)
    c.become_friends()
    assert "subscription='both'" in c.roster(ALICE)
    assert "subscription='both'" in c.roster(BOB, sid=2)


def test_presence_is_broadcast_to_subscribers_and_own_resources(rig):
    c = Cast(rig)
    c.become_friends()
    c.session(ALICE, "phone", 5)
    c.done("<presence><show>away</show><status>tea</status><priority>3</priority></presence>", ALICE)
    seen = set()
    while not {BOB, ALICE} <= {r.split("/")[0] for r in seen}:
        seen |= set(c.forwarded("<status>tea</status>")["recipients"])
    notice = c.router.take(event="notice", message="presence_changed", priority_plus_128=131)
    assert notice["jid"] == f"{ALICE}/home" and notice["available"] == 1 and notice["sid"] == 1, notice


def test_the_first_presence_brings_the_contacts_presence(rig):
    c = Cast(rig)
    c.become_friends()
    c.done("<presence><status>here</status></presence>", BOB, sid=2)
    c.session(ALICE, "phone", 5)
    c.router.events.clear()
    c.done("<presence/>", ALICE, "phone", 5)
    probe = None
    while probe is None:  # bob's presence itself, or a probe that his daemon answers
        item = c.router.take(event="item", message="forward", where=lambda e: "bob@" in e["stanza"]
                             or BOB in e["recipients"])
        if "type='probe'" in item["stanza"]:
            c.router.settled(c.router.send("presence", BOB, "handle", origin_sid=5, origin_n=99, flags=1,
                                           stanza=item["stanza"].replace("<presence ", f"<presence to='{BOB}' ")
                                           if " to=" not in item["stanza"] else item["stanza"]))
        elif "<status>here</status>" in item["stanza"]:
            probe = item
    assert f"{ALICE}/phone" in (probe["recipients"] or [probe["stanza"]])[0], probe


def test_unavailable_is_broadcast_and_noticed(rig):
    c = Cast(rig)
    c.become_friends()
    c.done("<presence type='unavailable'><status>bye</status></presence>", ALICE)
    item = c.forwarded("type='unavailable'", "<status>bye</status>")
    assert BOB in item["recipients"], item
    notice = c.router.take(event="notice", message="presence_changed", available=0)
    assert notice["jid"] == f"{ALICE}/home", notice
    record = rig.redis_command("HGET", f"jd:p:{{{ALICE}}}", "home")
    assert record is None or record.encode(errors="surrogateescape")[16] & 1 == 0, record


def test_a_probe_from_a_stranger_tells_nothing(rig):
    c = Cast(rig)
    c.become_friends()
    c.done(f"<presence type='probe' from='eve@example.org' to='{ALICE}'/>", "eve@example.org", flags=1)
    c.nothing_forwarded(f"from='{ALICE}/home'")


def test_directed_presence_is_taken_back_when_the_session_ends(rig):
    c = Cast(rig)
    c.session(ALICE)
    c.done("<presence/>", ALICE)
    c.done("<presence to='carol@example.org/x'><status>psst</status></presence>", ALICE)
    assert "carol@example.org/x" in str(c.forwarded("<status>psst</status>"))
    c.done("<presence type='unavailable'/>", ALICE)
    end = time.monotonic() + 10
    while "carol@example.org/x" not in str(c.forwarded("type='unavailable'")):
        assert time.monotonic() < end


def test_a_request_is_settled_when_its_forwards_are(rig):
    c = Cast(rig)
    c.become_friends()
    c.router.hold()
    tag = c.handle("<presence><status>held</status></presence>", ALICE)
    event = c.forwarded("<status>held</status>")
    c.router.none(event="settled", tag=tag)
    while event["event"] == "item":
        c.router.settle(event)
        event = c.router.take(where=lambda e: e["event"] == "item" or e.get("tag") == tag)
    assert event["ended"] == "settled", event


def test_a_killed_daemon_s_request_is_carried_out_by_the_other(rig):
    c = Cast(rig, presences=2)
    c.become_friends()
    c.router.hold()
    tag = c.handle("<presence><status>killed</status></presence>", ALICE)
    first = c.forwarded("<status>killed</status>")
    for daemon in c.presences:
        if daemon.instance == first["peer"]:
            daemon.kill()
    c.router.hold(False)
    c.router.take(event="peer_down", instance=first["peer"])
    again = c.forwarded("<status>killed</status>")
    assert again["peer"] != first["peer"] and again["origin_n"] == first["origin_n"], again
    c.router.settled(tag)


def test_an_account_that_is_removed_leaves_no_trace(rig):
    c = Cast(rig)
    c.become_friends()
    c.router.notice("account_removed", account=ALICE)
    item = c.router.take(event="item", message="forward",
                         where=lambda e: "type='unsubscribe" in e["stanza"] and f"{ALICE}" in e["stanza"])
    assert BOB in str(item), item
    end = time.monotonic() + 10
    while "<item" in c.roster(ALICE):
        assert time.monotonic() < end
        time.sleep(0.1)


def test_redis_away_delays_but_loses_nothing(rig):
    c = Cast(rig)
    c.become_friends()
    rig.stop_redis()
    tag = c.handle("<presence><status>later</status></presence>", ALICE)
    c.router.none(event="settled", tag=tag)
    rig.start_redis()
    rig.put_session(c.router, f"{ALICE}/home", 1, "edge-1")
    c.router.settled(tag, timeout=30)


def test_sigterm_exits_0(rig):
    c = Cast(rig)
    c.session(ALICE)
    c.roster(ALICE)
    assert c.presences[0].terminate() == 0
    c.router.take(event="peer_down", instance="presence-0")


if __name__ == "__main__":
    harness.main(globals())
