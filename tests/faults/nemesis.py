"""Faults by name, each caused for real: processes killed and stopped, stores restarted, readers that
stop reading, connections cut. A fault heals itself before it returns."""

import asyncio
import collections
import os
import random
import signal
import time


# What a run has for faults to be caused with: gate.Gate or None, stores.Postgres or None, whether the
# data is on a disk of its own.
Means = collections.namedtuple("Means", "gate postgres has_disk")


class Nemesis:
    def __init__(self, cluster, users, log, means):
        self._cluster = cluster
        self._users = users
        self._log = log
        self._means = means
        self.left_out = set()

    # ---- processes ----

    def _pick(self, kind):
        return random.choice(self._cluster.instances(kind))

    async def kill(self, kind):
        """SIGKILL, and a new one a moment later."""
        name = self._pick(kind)
        self._log("SIGKILL %s" % name)
        await self._replace(name, signal.SIGKILL, random.uniform(0.3, 2.5))

    async def terminate(self, kind):
        """SIGTERM: it drains and ends by itself, then a new one comes. What a rolling update does."""
        name = self._pick(kind)
        self._log("SIGTERM %s" % name)
        await self._replace(name, signal.SIGTERM, 0.1)

    async def _replace(self, name, number, pause):
        process = self._cluster.take_out(name)
        process.signal(number)
        if not await asyncio.to_thread(process.wait, 60):
            raise RuntimeError("%s did not end after signal %d" % (name, number))
        if number == signal.SIGTERM and process.status() != 0:
            raise RuntimeError("%s %s after SIGTERM" % (name, process.said()))
        await asyncio.sleep(pause)
        self._cluster.put_back(name)
        await self._ready()
        self._log("%s is ready again" % name)

    async def _ready(self):
        await asyncio.to_thread(self._cluster.wait_ready, 60)

    async def stop(self, kind):
        """SIGSTOP for a while: longer than its peers are patient, or shorter."""
        name = self._pick(kind)
        seconds = random.choice((0.5, 1.5, 4.0, 8.0))
        process = self._cluster.processes[name]
        self._log("SIGSTOP %s for %.1f s" % (name, seconds))
        process.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            process.signal(signal.SIGCONT)
        if process.status() is not None:
            raise RuntimeError("%s %s after SIGCONT" % (name, process.said()))
        await self._ready()

    # ---- stores ----

    async def redis(self, _):
        """SIGKILL of Redis; with its append-only file it comes back with what it had."""
        self._log("SIGKILL redis")
        await self._replace("redis", signal.SIGKILL, random.uniform(0.2, 3))

    async def postgres(self, _):
        """The database stops at once, as in a crash, and is started again."""
        self._log("PostgreSQL crashes")
        await asyncio.to_thread(self._means.postgres.crash)
        await asyncio.sleep(random.uniform(0.5, 4))
        await asyncio.to_thread(self._means.postgres.start)
        self._log("PostgreSQL is back")

    async def disk(self, _):
        """The disk of the store is full for a while."""
        filler = os.path.join(self._cluster.run_dir, "data", "filler")
        self._log("the disk is full")
        await asyncio.to_thread(_fill, filler)
        try:
            await asyncio.sleep(random.uniform(2, 5))
        finally:
            os.remove(filler)
        self._log("the disk has room again")

    # ---- clients and what lies between ----

    async def readers(self, _):
        """Every tenth user stops reading for a while."""
        chosen = random.sample(self._users, max(1, len(self._users) // 10))
        self._log("%d users stop reading" % len(chosen))
        for user in chosen:
            user.is_reading = False
        await asyncio.sleep(random.uniform(2, 6))
        for user in chosen:
            user.is_reading = True

    async def drops(self, _):
        """Every fifth user loses its connection."""
        chosen = random.sample(self._users, max(1, len(self._users) // 5))
        self._log("%d connections break" % len(chosen))
        for user in chosen:
            if user.link:
                user.link.drop()
        await asyncio.sleep(0.5)

    async def absent(self, _):
        """Some users log out and come back: what is sent to them meanwhile is stored."""
        chosen = random.sample(self._users, max(1, len(self._users) // 20))
        self._log("%d users log out for a while" % len(chosen))
        await asyncio.gather(*(user.log_out_and_in(random.uniform(1, 5)) for user in chosen))

    async def silence(self, _):
        """Nothing passes between half of the clients and the daemons, and nobody is told."""
        self._log("half of the connections go silent")
        await self._means.gate.silence(random.uniform(3, 15))

    async def loss(self, _):
        """Packets are lost between clients and daemons."""
        self._log("packets are lost")
        await self._means.gate.lose(random.uniform(4, 8))

    async def cause(self, fault):
        """`fault`: "kill-edge", "stop-router", "redis", ...; whether it could be caused here."""
        what, _, kind = fault.partition("-")
        if what in _TAKES and not _TAKES[what](self._means):
            self.left_out.add(fault)
            return False
        begun = time.monotonic()
        await getattr(self, what)(kind)
        self._log("%s is over after %.1f s" % (fault, time.monotonic() - begun))
        return True


# Faults that take more than processes to kill.
_TAKES = {"silence": lambda means: means.gate, "loss": lambda means: means.gate,
          "postgres": lambda means: means.postgres, "disk": lambda means: means.has_disk}


def _fill(path):
    block = b"\0" * 65536
    with open(path, "wb", buffering=0) as out:
        try:
            while True:
                out.write(block)
        except OSError:
            pass


def names(kinds):
    """Every fault there is for a cluster of these kinds of daemons."""
    processes = [what + "-" + kind for what in ("kill", "stop") for kind in kinds]
    return processes + ["terminate-edge", "terminate-c2s", "terminate-router", "redis", "postgres", "disk",
                        "readers", "drops", "absent", "silence", "loss"]
