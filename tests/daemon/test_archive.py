"""The archive daemon between a mock router and its stores: offline messages, archives, removal."""
import re

import harness

ALICE = "alice@example.org"
HOME = ALICE + "/home"
OFFLINE, ARCHIVE, SENT, AGAIN, STAMPED = 1, 2, 4, 8, 16
MAM = "urn:xmpp:mam:2"


class Cast:
    """archive-0 with a router played: what it forwards is taken there."""

    def __init__(self, rig, archives=1, **env):
        self.rig = rig
        self.n = 0
        rig.start_redis()
        self.router = rig.peer("router", "router-0", listen=rig.address("router-0"), hub=True)
        self.archives = []
        for _ in range(archives):
            self.start(**env)

    def start(self, **env):
        daemon = self.rig.daemon("archive", f"archive-{len(self.archives)}", **env)
        self.up = self.router.take(event="peer_up", kind="archive")
        daemon.wait_log("event=ready")
        self.archives.append(daemon)

    def keep(self, n, flags, body="hi", account=ALICE):
        """The n-th message of session 7; the tag."""
        return self.router.send(
            "archive", account, "keep", origin_sid=7, origin_n=n, flags=flags, account=account,
            uid=n.to_bytes(16, "big"),
            stanza=f"<message xmlns='jabber:client' from='bob@example.org/b' to='{account}' type='chat'"
                   f" id='m{n}'><body>{body}</body></message>")

    def kept(self, n, flags, **values):
        self.router.settled(self.keep(n, flags, **values))

    def came(self, sid=1, account=ALICE):
        self.router.settled(self.router.send("archive", account, "came", account=account, sid=sid))

    def forwarded(self, *texts):
        return self.router.take(event="item", message="forward",
                                where=lambda e: all(t in e["stanza"] for t in texts))

    def nothing_forwarded(self, *texts):
        self.router.none(event="item", message="forward",
                         where=lambda e: all(t in e["stanza"] for t in texts))

    def ask(self, content, kind="set", sid=1):
        self.n += 1
        self.router.settled(self.router.send(
            "archive", ALICE, "handle", origin_sid=sid, origin_n=self.n, flags=0,
            stanza=f"<iq xmlns='jabber:client' from='{HOME}' type='{kind}' id='q{self.n}'>{content}</iq>"))

    def found(self):
        """The ids of the messages a query of everything finds."""
        self.ask(f"<query xmlns='{MAM}'/>")
        self.forwarded(f"id='q{self.n}'", "<fin")
        ids = []
        while True:
            try:
                item = self.router.take(event="item", message="forward", timeout=0.1,
                                        where=lambda e: "<result" in e["stanza"])
            except harness.Timeout:
                return ids
            ids.append(re.search(r"<message xmlns='jabber:client'[^>]* id='(m\d+)'", item["stanza"]).group(1))


def test_it_announces_what_it_keeps(rig):
    c = Cast(rig)
    for line in ("keep", "archive", "accounts", "feature msgoffline server", f"feature {MAM} account",
                 f"iq {MAM} own"):
        assert line in c.up["announce"], c.up


def test_stored_messages_are_delivered_once_a_session_came(rig):
    c = Cast(rig)
    c.kept(1, OFFLINE)
    c.kept(2, OFFLINE)
    c.nothing_forwarded("<message")
    c.came()
    first = c.forwarded("id='m1'", "<delay", "Offline Storage")
    assert first["recipients"] == [ALICE] and first["flags"] == 4, first
    assert (first["origin_sid"], first["origin_n"]) == (7, 1), first
    c.forwarded("id='m2'")
    c.came(2)
    c.nothing_forwarded("<message")


def test_a_delivery_that_was_not_settled_is_gone_on_with_by_the_next_life(rig):
    c = Cast(rig)
    c.kept(1, OFFLINE)
    c.router.hold()
    c.came()
    c.forwarded("id='m1'")
    c.archives[0].kill()
    c.router.take(event="peer_down", instance="archive-0")
    c.router.hold(False)
    c.start()
    c.came(2)
    c.forwarded("id='m1'")


def test_an_item_whose_daemon_dies_is_dealt_with_by_another(rig):
    c = Cast(rig, archives=2)
    tags = [c.keep(n, ARCHIVE, account=f"user{n}@example.org") for n in range(1, 40)]
    c.archives[0].kill()
    for tag in tags:
        c.router.settled(tag)


def test_a_query_finds_what_was_archived_after_a_restart(rig):
    c = Cast(rig)
    c.kept(1, ARCHIVE)
    c.kept(2, ARCHIVE)
    c.kept(2, ARCHIVE)
    c.archives[0].kill()
    c.router.take(event="peer_down", instance="archive-0")
    c.start()
    assert c.found() == ["m1", "m2"]


def test_a_full_offline_store_is_told_to_the_sender(rig):
    c = Cast(rig, JACKDAW_ARCHIVE_MAX_OFFLINE="1")
    c.kept(1, OFFLINE)
    c.kept(2, OFFLINE | ARCHIVE)
    c.forwarded("id='m2'", "type='error'", "<service-unavailable", "to='bob@example.org/b'")
    assert c.found() == []


def test_who_was_away_when_an_account_was_removed_clears_it_before_it_is_made_again(rig):
    c = Cast(rig)
    c.kept(1, OFFLINE | ARCHIVE)
    c.archives[0].kill()  # hears nothing of the removal
    c.router.take(event="peer_down", instance="archive-0")
    tag = c.router.send("archive", ALICE, "clear_account", account=ALICE)
    c.router.none(event="settled", tag=tag)
    c.start()
    c.router.settled(tag)
    c.came()
    c.nothing_forwarded("<message")
    assert c.found() == []


def test_sigterm_exits_0(rig):
    c = Cast(rig)
    c.kept(1, ARCHIVE)
    assert c.archives[0].terminate() == 0
    c.router.take(event="peer_down", instance="archive-0")


if __name__ == "__main__":
    harness.main(globals())
