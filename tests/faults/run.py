#!/usr/bin/env python3
"""Proves that nothing is lost, doubled or reordered, whatever dies: tests/faults/run.py [options]

Starts a cluster of its own, lets users talk in numbered messages over WebSocket and TCP, with clients
that resume, and causes faults meanwhile. At the end every message that was acknowledged to its sender must have
arrived once and in order, at the recipient and in both archives. Exit status 0 when that holds.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "..", "deploy"))
from cluster.cluster import KINDS, Cluster, Trouble  # noqa: E402
from cluster.process import raise_descriptor_limit  # noqa: E402
from cluster.xmppws import XmppError  # noqa: E402
import archived  # noqa: E402
from gate import Gate, enter  # noqa: E402
from ledger import Ledger  # noqa: E402
from nemesis import Means, Nemesis, names  # noqa: E402
from report import write_report  # noqa: E402
from stores import Postgres, SmallDisk  # noqa: E402
from user import User  # noqa: E402

DOMAIN = "localhost"
COUNTS = {"edge": 3, "c2s": 2, "router": 2, "session": 2, "presence": 2, "pubsub": 1, "archive": 2}
QUIET = 30  # seconds after the last fault in which all must have arrived
STUCK = 10  # seconds without an acknowledgement that are worth a line
SETTINGS = {
    "session.registration": "yes", "session.max_registrations": "0", "session.max_failures": "0",
    "session.iterations": "4096", "c2s.require_tls": "no", "cluster.lease": "5s",
}


def _arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(HERE, "..", "..", "build", "release", "bin"))
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--rate", type=float, default=200, help="messages a second, all users together")
    parser.add_argument("--rounds", type=int, default=1, help="each fault is caused so often")
    parser.add_argument("--pause", type=float, default=2, help="seconds between two faults")
    parser.add_argument("--faults", default="", help="comma separated; none: all of %s" % ", ".join(names(KINDS)))
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.NAME=VALUE")
    parser.add_argument("--postgres", action="store_true", help="a private PostgreSQL instead of SQLite files")
    parser.add_argument("--report", help="write what happened to this file, as Markdown")
    parser.add_argument("--json", help="and the figures to this one")
    parser.add_argument("--without-resume", action="store_true",
                        help="clients without stream management: the run is good when it finds losses")
    return parser.parse_args()


class Run:
    def __init__(self, arguments, has_gate):
        self.arguments = arguments
        self.has_gate = has_gate
        self.kinds = [kind for kind in KINDS if COUNTS.get(kind)]
        settings = dict(SETTINGS)
        settings.update(each.split("=", 1) for each in arguments.set)
        self.run_dir = tempfile.mkdtemp(prefix="jdf-")
        self.postgres = None
        self.disk = None
        if arguments.postgres:
            self.postgres = Postgres()
            settings["sql.url"] = self.postgres.url
        elif os.geteuid() == 0:
            self.disk = SmallDisk(os.path.join(self.run_dir, "data"))
        self.cluster = Cluster(arguments.bin, self.run_dir, {k: COUNTS[k] for k in self.kinds}, settings)
        self.ledger = Ledger()
        self.users = []
        self.lines = []
        self.faults = []  # (seconds, name, how long)

    def say(self, text):
        line = "%7.2f s  %s" % (self.ledger.seconds(), text)
        self.lines.append(line)
        print(line, flush=True)

    # ---- the play ----

    def _make_users(self):
        addresses = (self.cluster.websockets() + self.cluster.websockets(is_secure=True)
                     + ["tcp://" + each for each in self.cluster.tcp()]
                     + ["tls://" + each for each in self.cluster.tcp(is_direct=True)])
        for n in range(self.arguments.users):
            self.users.append(User("u%d" % n, DOMAIN, addresses, self.ledger,
                                   not self.arguments.without_resume))

    async def _register(self):
        gate = asyncio.Semaphore(8)

        async def one(user):
            async with gate:
                await asyncio.to_thread(self.cluster.add_user, user.jid, user.password)
        await asyncio.gather(*(one(user) for user in self.users))

    async def _log_in(self):
        for user in self.users:
            user.start()
            await asyncio.sleep(0.01)
        await asyncio.wait_for(asyncio.gather(*(user.online.wait() for user in self.users)), 120)

    async def _talk(self):
        """For ever; the pace is kept over all, whoever is away."""
        rng = random.Random(self.arguments.seed)
        peers = {user.name: [self.users[(n * 7 + k) % len(self.users)].name for k in (1, 2, 5)]
                 for n, user in enumerate(self.users)}
        due = time.monotonic()
        while True:
            due += 1 / self.arguments.rate
            await asyncio.sleep(max(0, due - time.monotonic()))
            user = rng.choice(self.users)
            user.say(rng.choice(peers[user.name]))

    async def _watch(self):
        """For ever: says who waits long for an acknowledgement."""
        stuck = set()
        while True:
            await asyncio.sleep(1)
            now = asyncio.get_running_loop().time()
            late = {user for user in self.users if user.oldest_unacked(now) > STUCK}
            for user in late - stuck:
                self.say("waits for an acknowledgement: " + user.state())
            for user in stuck - late:
                self.say("%s waits no more; it waited %.0f s at most" % (user.name, user.longest_unacked))
            stuck = late

    async def _cause_faults(self):
        wanted = list(filter(None, self.arguments.faults.split(","))) or names(self.kinds)
        nemesis = Nemesis(self.cluster, self.users, self.say,
                          Means(self._gate(), self.postgres, self.disk is not None))
        for _ in range(self.arguments.rounds):
            for fault in wanted:
                await asyncio.sleep(self.arguments.pause)
                begun = self.ledger.seconds()
                if await nemesis.cause(fault):
                    self.faults.append((begun, fault, self.ledger.seconds() - begun))
        if nemesis.left_out:
            self.say("not caused here: %s" % ", ".join(sorted(nemesis.left_out)))

    def _gate(self):
        if not self.has_gate:
            return None
        addresses = [urllib.parse.urlsplit(each).port for each in self.users[0].addresses]
        return Gate(addresses)

    async def _quieten(self):
        """Until all that was said is acknowledged and has arrived, or the time is over."""
        end = time.monotonic() + QUIET
        while time.monotonic() < end:
            if not self.ledger.missing() and not self.ledger.unacknowledged():
                return
            await asyncio.sleep(0.5)
        self.say("not quiet after %d s: %d acknowledged did not arrive, %d not acknowledged" % (
            QUIET, len(self.ledger.missing()), self.ledger.unacknowledged()))
        for user in self.users:
            if user.session and user.session.unacked or not user.online.is_set():
                self.say(user.state())

    async def _play(self):
        self._make_users()
        self.say("registering %d users" % len(self.users))
        await self._register()
        self.say("logging in")
        await self._log_in()
        self.say("talking at %g messages a second" % self.arguments.rate)
        talk = asyncio.create_task(self._talk())
        watch = asyncio.create_task(self._watch())
        try:
            await self._cause_faults()
            await asyncio.sleep(self.arguments.pause)
            talk.cancel()
            self.say("no more faults; waiting until all is quiet")
            await self._quieten()
        finally:
            await _end(talk)
            await _end(watch)
        self.ledger.close()
        await asyncio.gather(*(user.leave() for user in self.users))
        await self._read_archives()

    async def _read_archives(self):
        """What everybody sent and got is in the archives of both, once and in order."""
        if "archive" not in self.kinds or self.arguments.without_resume:
            return
        self.say("reading the archives of all")
        gate = asyncio.Semaphore(8)

        async def one(n, user):
            async with gate:
                address = user.addresses[n % len(user.addresses)]
                await asyncio.wait_for(archived.check(user, address, self.ledger), 60)
        await asyncio.gather(*(one(n, user) for n, user in enumerate(self.users)))

    def go(self):
        raise_descriptor_limit()
        complaints = []
        try:
            self.cluster.start(timeout=120)
            asyncio.run(self._play())
            complaints += ["%s %s" % (p.name, p.said()) for p in self.cluster.ended()]
        except (Trouble, XmppError, RuntimeError, OSError, asyncio.TimeoutError) as trouble:
            complaints.append(str(trouble) or type(trouble).__name__)
        finally:
            complaints += self.cluster.stop()
            for store in (self.postgres, self.disk):
                if store:
                    store.remove()
        return self._verdict(complaints)

    # ---- the end ----

    def cluster_counts(self):
        return {kind: COUNTS[kind] for kind in self.kinds}

    def _figures(self):
        figures = {"users": len(self.users), "faults": len(self.faults), "seconds": round(self.ledger.seconds(), 1)}
        figures.update(self.ledger.totals())
        figures.update(self.ledger.counts())
        figures["unacknowledged"] = self.ledger.unacknowledged()
        figures["resumed"] = self.ledger.events["resumed"]
        figures["resume_failed"] = self.ledger.events["resume-failed"]
        figures["bounced"] = self.ledger.events["bounced"]
        figures["by_way"] = dict(self.ledger.by_way)
        figures["longest_unacknowledged_s"] = round(max((u.longest_unacked for u in self.users), default=0), 1)
        figures["latency_ms"] = {name: round(1000 * self.ledger.percentile(share), 1)
                                 for name, share in (("p50", .5), ("p99", .99), ("max", 1))}
        return figures

    def _is_good(self, figures, complaints):
        if self.arguments.without_resume:
            return not complaints and figures["lost"] > 0
        bad = sum(self.ledger.counts().values()) + sum(
            figures[name] for name in ("unacknowledged", "resume_failed", "bounced"))
        return not bad and not complaints and figures["sent"] > 0

    def _verdict(self, complaints):
        figures = self._figures()
        for trouble in self.ledger.troubles[:50]:
            print(trouble)
        for event, count in sorted(self.ledger.events.items()):
            print("  %6d  %s" % (count, event))
        for complaint in complaints:
            print("complaint: " + complaint)
        print(json.dumps(figures, indent=2))
        if self.arguments.json:
            with open(self.arguments.json, "w", encoding="utf-8") as out:
                json.dump(figures, out, indent=2)
        is_good = self._is_good(figures, complaints)
        verdict = "FAILED"
        if is_good:
            verdict = ("losses found, as they must be without stream management"
                       if self.arguments.without_resume else "nothing lost, nothing doubled, nothing reordered")
            shutil.rmtree(self.run_dir, ignore_errors=True)
        else:
            print("FAILED: the daemons' logs are in %s/log; lay the times above beside theirs, and cause one "
                  "fault alone with --faults NAME" % self.run_dir)
        if self.arguments.report:
            write_report(self.arguments.report, self, figures, verdict, complaints)
        print("faults: " + verdict)
        print("%d passed, %d failed" % (is_good, not is_good))
        return 0 if is_good else 1


async def _end(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


if __name__ == "__main__":
    ARGUMENTS = _arguments()
    sys.exit(Run(ARGUMENTS, enter()).go())
