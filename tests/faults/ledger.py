"""What was sent, what the server acknowledged, what arrived: the books of a run, kept per ordered pair
of users, and the verdict over them.

Messages of a pair are numbered from 1. The promise: what was acknowledged to its sender arrives, once,
in order. Whatever contradicts it is written down with its time, so that it can be laid beside the log
of faults.
"""

import collections
import time

LOST, DOUBLED, REORDERED, UNSENT = "lost", "doubled", "reordered", "forged"


class Pair:
    """One direction between two users."""

    def __init__(self):
        self.sent = 0  # numbers 1..sent were given out
        self.acked = set()
        self.arrived = set()
        self.last = 0  # highest number that arrived


class Trouble(collections.namedtuple("Trouble", "at what sender recipient number detail")):
    def __str__(self):
        return "%7.2f s  %-9s %s -> %s number %d%s" % (
            self.at, self.what, self.sender, self.recipient, self.number,
            "  (%s)" % self.detail if self.detail else "")


class Ledger:
    def __init__(self, clock=time.monotonic):
        self._clock = clock
        self.begun = clock()
        self.pairs = collections.defaultdict(Pair)
        self.troubles = []
        self.events = collections.Counter()  # resumed, resume-failed, reconnected, ...
        self.by_way = collections.Counter()  # live, delayed, archived
        self.latencies = []  # seconds, of messages that came while the sender still ran
        self._sent_at = {}

    def seconds(self):
        return self._clock() - self.begun

    def _trouble(self, what, sender, recipient, number, detail=""):
        self.troubles.append(Trouble(self.seconds(), what, sender, recipient, number, detail))

    def next_number(self, sender, recipient):
        pair = self.pairs[sender, recipient]
        pair.sent += 1
        self._sent_at[sender, recipient, pair.sent] = self._clock()
        return pair.sent

    def acked(self, sender, recipient, number):
        self.pairs[sender, recipient].acked.add(number)

    def arrived(self, sender, recipient, number, way="live"):
        """A message was handed to the recipient's application."""
        pair = self.pairs[sender, recipient]
        self.by_way[way] += 1
        if not 1 <= number <= pair.sent:
            self._trouble(UNSENT, sender, recipient, number)
            return
        if number in pair.arrived:
            self._trouble(DOUBLED, sender, recipient, number, way)
            return
        pair.arrived.add(number)
        at = self._sent_at.pop((sender, recipient, number), None)
        if at is not None:
            self.latencies.append(self._clock() - at)
        if number < pair.last:
            self._trouble(REORDERED, sender, recipient, number, "after %d, %s" % (pair.last, way))
        pair.last = max(pair.last, number)

    def event(self, name):
        self.events[name] += 1

    # ---- totals ----

    def totals(self):
        pairs = self.pairs.values()
        return {"pairs": len(self.pairs), "sent": sum(p.sent for p in pairs),
                "acknowledged": sum(len(p.acked) for p in pairs),
                "arrived": sum(len(p.arrived) for p in pairs)}

    def missing(self):
        """(sender, recipient, number) of what was acknowledged and has not arrived."""
        return [(sender, recipient, number) for (sender, recipient), pair in self.pairs.items()
                for number in sorted(pair.acked - pair.arrived)]

    def unacknowledged(self):
        return sum(pair.sent - len(pair.acked) for pair in self.pairs.values())

    def close(self):
        """The run is over and all is quiet: what has not arrived is lost."""
        for sender, recipient, number in self.missing():
            self._trouble(LOST, sender, recipient, number)

    def check_archive(self, owner, entries):
        """`entries`: (sender, recipient, number) in the order in which the archive of `owner` has
        them. Everything that was acknowledged and that the owner sent or got is there, once; per pair in order."""
        seen = collections.defaultdict(list)
        for sender, recipient, number in entries:
            seen[sender, recipient].append(number)
        for (sender, recipient), pair in self.pairs.items():
            if owner not in (sender, recipient):
                continue
            numbers = seen[sender, recipient]
            self.by_way["archived"] += len(numbers)
            where = "archive of " + owner
            for number in sorted(pair.acked - set(numbers)):
                self._trouble(LOST, sender, recipient, number, where)
            for number, times in collections.Counter(numbers).items():
                if times > 1:
                    self._trouble(DOUBLED, sender, recipient, number, where)
            for before, after in zip(numbers, numbers[1:]):
                if after < before:
                    self._trouble(REORDERED, sender, recipient, after, where)

    def counts(self):
        found = collections.Counter(trouble.what for trouble in self.troubles)
        return {what: found[what] for what in (LOST, DOUBLED, REORDERED, UNSENT)}

    def percentile(self, share):
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
