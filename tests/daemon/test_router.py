"""The router among mock edges, services and session: RFC 6121 section 8, custody, order, its cache."""
import re

import harness

BOB = "bob@example.org"
ALICE = "alice@example.org/home"


class Cast:
    """A router with everybody around it played: alice is connected to edge-1."""

    def __init__(self, rig, presences=1):
        self.rig = rig
        self.n = 0
        rig.start_redis()
        self.router = rig.daemon("router")
        routers = [rig.address("router-0")]
        self.edge1 = rig.peer("edge", "edge-1", dial=routers)
        self.edge2 = rig.peer("edge", "edge-2", dial=routers)
        self.session = rig.peer("session", "session-0", dial=routers, hears=routers,
                                announce=["iq jabber:iq:register both"])
        self.presences = [rig.peer("presence", f"presence-{i}", dial=routers, hears=routers,
                                   announce=["iq jabber:iq:roster account", "presence",
                                             "feature jabber:iq:roster account"])
                          for i in range(presences)]
        self.presence = self.presences[0]
        for peer in (self.edge1, self.edge2, self.session, *self.presences):
            peer.take(event="peer_up", instance="router-0")
            if peer not in (self.edge1, self.edge2):
                peer.take(event="gap")
        rig.put_session(self.edge1, ALICE, 1, "edge-1", 0)

    def bob(self, resource, sid, priority=None, holder="edge-2"):
        self.rig.put_session(self.edge1, f"{BOB}/{resource}", sid, holder, priority)

    def route(self, stanza, n=None, sender=ALICE, sid=1):
        """alice's client says something; the tag."""
        self.n += 1
        stanza = re.sub(r"^<(\w+)", rf"<\1 xmlns='jabber:client' from='{sender}'", stanza)
        return self.edge1.send("router", sender.split("/")[0], "route", origin_sid=sid,
                               origin_n=n or self.n, stanza=stanza)

    def error(self, condition, edge=None):
        """alice is told."""
        item = (edge or self.edge1).take(event="item", message="deliver",
                                         where=lambda e: "type='error'" in e["stanza"])
        assert f"<{condition}" in item["stanza"], item
        assert item["sids"] == [1], item
        return item


def delivered(edge, text):
    return edge.take(event="item", message="deliver", where=lambda e: text in e["stanza"])


def test_a_message_to_a_full_jid_is_settled_when_its_holder_has_it(rig):
    c = Cast(rig)
    c.bob("phone", 20, 5)
    c.edge2.hold()
    tag = c.route(f"<message to='{BOB}/phone' type='chat'><body>hi</body></message>")
    item = delivered(c.edge2, "<body>hi</body>")
    assert item["sids"] == [20] and item["origin_sid"] == 1 and item["origin_n"] == 1, item
    assert f"from='{ALICE}'" in item["stanza"]
    c.edge1.none(event="settled", tag=tag)
    c.edge2.settle(item)
    c.edge1.settled(tag)


CASES = [
    # type, to, sessions of bob {resource: priority or None}, who gets it, or the error, or None
    ("chat", "", {"a": 1, "b": 5, "c": 5}, {"b", "c"}),
    ("normal", "", {"a": 1, "b": 5}, {"b"}),
    ("chat", "", {"a": -1, "b": 0}, {"b"}),
    ("chat", "", {"a": -1}, "service-unavailable"),
    ("chat", "", {"a": None}, "service-unavailable"),
    ("chat", "", {}, "service-unavailable"),
    ("normal", "", {}, "service-unavailable"),
    ("headline", "", {"a": 1, "b": 5, "c": -1}, {"a", "b"}),
    ("headline", "", {"c": -1}, None),
    ("headline", "", {}, None),
    ("groupchat", "", {"a": 1}, "service-unavailable"),
    ("error", "", {"a": 1}, None),
    ("chat", "/a", {"a": -1, "b": 5}, {"a"}),
    ("chat", "/a", {"a": None, "b": 5}, {"a"}),
    ("chat", "/gone", {"b": 5}, {"b"}),
    ("normal", "/gone", {"b": 5}, "service-unavailable"),
    ("groupchat", "/gone", {"b": 5}, "service-unavailable"),
    ("headline", "/gone", {"b": 5}, None),
    ("error", "/gone", {"b": 5}, None),
    ("error", "/b", {"b": 5}, {"b"}),
    ("groupchat", "/b", {"b": 5}, {"b"}),
]


def test_messages_go_where_rfc_6121_section_8_says(rig):
    c = Cast(rig)
    for i, (kind, to, sessions, expected) in enumerate(CASES):
        user = f"bob{i}@example.org"
        sids = {}
        for j, (resource, priority) in enumerate(sessions.items()):
            sids[resource] = 100 * (i + 1) + j
            rig.put_session(c.edge1, f"{user}/{resource}", sids[resource], "edge-2", priority)
        tag = c.route(f"<message id='m{i}' to='{user}{to}' type='{kind}'><body>case {i}</body></message>")
        if isinstance(expected, set):
            item = delivered(c.edge2, f"case {i}<")
            assert set(item["sids"]) == {sids[r] for r in expected}, (CASES[i], item)
        elif expected:
            assert f"id='m{i}'" in c.error(expected)["stanza"]
        c.edge1.settled(tag)
    c.edge2.none(event="item", seconds=0.2)
    c.edge1.none(event="item", seconds=0.1)


def test_an_answer_missed_is_routed_anew(rig):
    c = Cast(rig)
    c.bob("old", 20, 5)
    c.bob("new", 21, 1, holder="edge-1")
    c.edge2.hold()
    tag = c.route(f"<message to='{BOB}' type='chat'><body>one</body></message>")
    item = delivered(c.edge2, "one")
    assert item["sids"] == [20], item
    c.edge2.send_to("router-0", "missed", origin_sid=1, origin_n=1, sids=[20], stanza=item["stanza"])
    c.edge2.settle(item)
    again = delivered(c.edge1, "one")
    assert again["sids"] == [21] and again["origin_n"] == 1, again
    c.edge1.settled(tag)


def test_missed_by_everybody_is_an_error(rig):
    c = Cast(rig)
    c.bob("old", 20, 5)
    tag = c.route(f"<message to='{BOB}' type='chat' id='x'><body>one</body></message>")
    item = delivered(c.edge2, "one")
    rig.drop_session(f"{BOB}/old")
    c.edge2.send_to("router-0", "missed", origin_sid=1, origin_n=1, sids=[20], stanza=item["stanza"])
    c.error("service-unavailable")
    c.edge1.settled(tag)


def test_notices_keep_the_cache_fresh(rig):
    c = Cast(rig)
    c.bob("a", 20, 1)
    c.edge1.settled(c.route(f"<message to='{BOB}' type='chat'><body>one</body></message>"))
    assert delivered(c.edge2, "one")["sids"] == [20]
    c.bob("b", 21, 9)

    def all_heard():
        """The router passes a notice on when it has heard it."""
        c.presence.take(event="notice", message="session_changed")
        c.session.take(event="notice", message="presence_changed")

    c.session.notice("session_changed", jid=f"{BOB}/b", sid=21, holder="edge-2", epoch=2, bound=1)
    c.presence.notice("presence_changed", jid=f"{BOB}/b", sid=21, available=1,
                      priority_plus_128=137)
    all_heard()
    c.edge1.settled(c.route(f"<message to='{BOB}' type='chat'><body>two</body></message>"))
    assert delivered(c.edge2, "two")["sids"] == [21]
    rig.drop_session(f"{BOB}/b")
    c.presence.notice("presence_changed", jid=f"{BOB}/b", sid=21, available=0, priority_plus_128=0)
    c.session.notice("session_changed", jid=f"{BOB}/b", sid=21, holder="edge-2", epoch=2, bound=0)
    all_heard()
    c.edge1.settled(c.route(f"<message to='{BOB}' type='chat'><body>three</body></message>"))
    assert delivered(c.edge2, "three")["sids"] == [20]


def test_a_cache_that_says_nobody_is_checked(rig):
    c = Cast(rig)
    c.edge1.settled(c.route(f"<message to='{BOB}' type='chat'><body>one</body></message>"))
    c.error("service-unavailable")
    c.bob("late", 20, 1)  # and its notice gets lost
    c.edge1.settled(c.route(f"<message to='{BOB}' type='chat'><body>two</body></message>"))
    assert delivered(c.edge2, "two")["sids"] == [20]


def test_foreign_domains_and_unknown_users(rig):
    c = Cast(rig)
    c.edge1.settled(c.route("<message to='x@elsewhere.example' type='chat'><body>x</body></message>"))
    c.error("remote-server-not-found")
    c.edge1.settled(c.route("<iq to='x@elsewhere.example' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>"))
    c.error("remote-server-not-found")
    c.edge1.settled(c.route("<message to='nobody@example.org' type='chat'><body>x</body></message>"))
    c.error("service-unavailable")


def test_presence_goes_to_its_daemon_and_later_stanzas_wait_for_it(rig):
    c = Cast(rig)
    c.bob("a", 20, 1)
    c.presence.hold()
    tag1 = c.route("<presence/>")
    handle = c.presence.take(event="item", message="handle")
    assert handle["flags"] == 0 and handle["origin_n"] == 1 and ALICE in handle["stanza"], handle
    tag2 = c.route(f"<message to='{BOB}' type='chat'><body>after</body></message>")
    c.edge2.none(event="item")
    c.edge1.none(event="settled", seconds=0.1)
    c.presence.settle(handle)
    c.edge1.settled(tag1)
    c.edge1.settled(tag2)
    delivered(c.edge2, "after")


def test_another_session_does_not_wait(rig):
    c = Cast(rig)
    c.bob("a", 20, 1)
    c.presence.hold()
    c.route("<presence/>")
    handle = c.presence.take(event="item", message="handle")
    rig.put_session(c.edge1, "carol@example.org/x", 3, "edge-1", 0)
    tag = c.route(f"<message to='{BOB}' type='chat'><body>by carol</body></message>", n=1,
                  sender="carol@example.org/x", sid=3)
    c.edge1.settled(tag)
    delivered(c.edge2, "by carol")
    c.presence.settle(handle)


def test_an_iq_goes_to_whoever_announced_its_namespace(rig):
    c = Cast(rig)
    c.presence.hold()
    tag = c.route("<iq type='get' id='r1'><query xmlns='jabber:iq:roster'/></iq>")
    handle = c.presence.take(event="item", message="handle")
    assert "jabber:iq:roster" in handle["stanza"], handle
    c.presence.tell("send_to", "router-0", "f1", "forward", "origin_sid=1", "origin_n=1",
                    *harness.fields({"recipients": [ALICE], "stanza":
                                     f"<iq xmlns='jabber:client' type='result' id='r1' to='{ALICE}'"
                                     f" from='alice@example.org'/>"}))
    answer = c.edge1.take(event="item", message="deliver")
    assert answer["sids"] == [1] and "type='result'" in answer["stanza"], answer
    c.presence.settle(handle)
    c.edge1.settled(tag)


def test_what_nobody_announced_is_unavailable(rig):
    c = Cast(rig)
    for to in ("", " to='example.org'", " to='alice@example.org'"):
        tag = c.route(f"<iq type='get' id='u'{to}><query xmlns='urn:example:unknown'/></iq>")
        c.error("service-unavailable")
        c.edge1.settled(tag)


def test_the_router_answers_for_the_server(rig):
    c = Cast(rig)
    for payload, expected in (
            ("<query xmlns='http://jabber.org/protocol/disco#info'/>", "jabber:iq:roster"),
            ("<query xmlns='jabber:iq:version'/>", "<name>"),
            ("<time xmlns='urn:xmpp:time'/>", "<utc>"),
            ("<ping xmlns='urn:xmpp:ping'/>", "type='result'")):
        to = "alice@example.org" if "roster" in expected else "example.org"
        tag = c.route(f"<iq type='get' id='s' to='{to}'>{payload}</iq>")
        answer = c.edge1.take(event="item", message="deliver")
        assert expected in answer["stanza"] and f"from='{to}'" in answer["stanza"], answer
        c.edge1.settled(tag)


def test_an_iq_between_clients_is_not_looked_into(rig):
    c = Cast(rig)
    c.bob("phone", 20, 1)
    c.edge1.settled(c.route(f"<iq type='get' id='q' to='{BOB}/phone'><query xmlns='jabber:iq:roster'/></iq>"))
    delivered(c.edge2, "jabber:iq:roster")
    c.edge1.settled(c.route(f"<iq type='result' id='q' to='{BOB}/phone'/>"))
    delivered(c.edge2, "type='result'")
    c.edge1.settled(c.route(f"<iq type='result' id='q' to='{BOB}/gone'/>"))
    c.edge1.settled(c.route(f"<iq type='get' id='q2' to='{BOB}/gone'><query xmlns='urn:x'/></iq>"))
    c.error("service-unavailable")


def test_a_forward_reaches_all_its_recipients_in_one_item_per_edge(rig):
    c = Cast(rig)
    for i in range(4):
        rig.put_session(c.edge1, f"u{i}@example.org/r", 30 + i, "edge-2", 0)
    rig.put_session(c.edge1, "u4@example.org/r", 34, "edge-1", 0)


    def forward(n):
        c.presence.settled(c.presence.send(
            "router", "alice@example.org", "forward", origin_sid=1, origin_n=n,
            recipients=[f"u{i}@example.org" for i in range(5)],
            stanza=f"<presence xmlns='jabber:client' from='{ALICE}'/>"))

    forward(5)  # the router looks each of them up
    sids = []
    while len(sids) < 4:
        sids += c.edge2.take(event="item", message="deliver")["sids"]
    assert sorted(sids) == [30, 31, 32, 33], sids
    assert c.edge1.take(event="item", message="deliver")["sids"] == [34]
    forward(6)  # now it knows them
    assert sorted(c.edge2.take(event="item", message="deliver")["sids"]) == [30, 31, 32, 33]
    assert c.edge1.take(event="item", message="deliver")["sids"] == [34]


def test_a_subscription_inbound_goes_to_the_recipients_presence_daemon(rig):
    c = Cast(rig)
    tag = c.presence.send("router", "alice@example.org", "forward", origin_sid=1, origin_n=5, flags=1,
                          recipients=[BOB], stanza="<presence xmlns='jabber:client' type='subscribe'"
                          f" from='alice@example.org' to='{BOB}'/>")
    handle = c.presence.take(event="item", message="handle")
    assert handle["flags"] & 1 and "subscribe" in handle["stanza"], handle
    c.presence.settled(tag)


def test_the_next_instance_gets_what_a_dead_service_had(rig):
    c = Cast(rig, presences=2)
    for presence in c.presences:
        presence.hold()
    tag = c.route("<presence/>")
    first = harness.first_with(c.presences, event="item", message="handle")
    handle = first.take(event="item", message="handle")
    other = c.presences[1 - c.presences.index(first)]
    other.none(event="item", seconds=0.2)
    first.kill()
    again = other.take(event="item", message="handle")
    assert again["origin_sid"] == handle["origin_sid"] and again["origin_n"] == handle["origin_n"]
    other.settle(again)
    c.edge1.settled(tag)
    rig.peers.remove(first)


def test_what_a_dead_edge_had_is_routed_anew(rig):
    c = Cast(rig)
    c.bob("a", 20, 5)
    c.bob("b", 21, 1, holder="edge-1")
    c.edge2.hold()
    tag = c.route(f"<message to='{BOB}' type='chat'><body>one</body></message>")
    delivered(c.edge2, "one")
    c.edge2.kill()
    rig.peers.remove(c.edge2)
    assert delivered(c.edge1, "one")["sids"] == [21]
    c.edge1.settled(tag)


def test_a_killed_router_loses_nothing(rig):
    c = Cast(rig)
    c.bob("phone", 20, 5)
    tags = []
    for i in range(300):
        tags.append(c.route(f"<message to='{BOB}/phone' type='chat'><body>{i};</body></message>"))
        if i == 150:
            c.router.kill()
            c.router.start()
    for tag in tags:
        c.edge1.settled(tag)
    seen = []
    while len(seen) < 300:
        n = int(re.search(r"<body>(\d+);", c.edge2.take(event="item")["stanza"]).group(1))
        if n not in seen:
            seen.append(n)
    assert seen == list(range(300)), seen


def test_redis_away_does_not_stop_who_is_known(rig):
    c = Cast(rig)
    c.bob("phone", 20, 5)
    c.edge1.settled(c.route(f"<message to='{BOB}/phone' type='chat'><body>one</body></message>"))
    delivered(c.edge2, "one")
    rig.stop_redis()
    c.edge1.settled(c.route(f"<message to='{BOB}/phone' type='chat'><body>two</body></message>"))
    delivered(c.edge2, "two")
    tag = c.route("<message to='stranger@example.org' type='chat'><body>three</body></message>")
    rig.start_redis()
    c.edge1.settled(tag, timeout=30)


def test_end_session_is_passed_on_to_the_holder(rig):
    c = Cast(rig)
    tag = c.session.send("router", BOB, "end_session", holder="edge-2", sid=20, condition="conflict",
                         text="Replaced")
    item = c.edge2.take(event="item", message="end_session")
    assert item["sid"] == 20 and item["condition"] == "conflict", item
    c.session.settled(tag)


def test_sigterm_drains_and_exits_0(rig):
    c = Cast(rig)
    c.bob("phone", 20, 5)
    tag = c.route(f"<message to='{BOB}/phone' type='chat'><body>one</body></message>")
    c.edge1.settled(tag)
    assert c.router.terminate() == 0
    c.edge1.take(event="peer_down", instance="router-0")


if __name__ == "__main__":
    harness.main(globals())
