"""One real daemon among mock peers: processes, a private Redis, and waiting for events.

    class or function test_x(rig): ...      one test, given a fresh Rig
    harness.main(globals())                 runs all test_* of a file, last line "N passed, N failed"

Python 3 standard library only. Everything lives in one temporary directory and is ended with the test.
"""
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from urllib.parse import quote

BIN = os.environ.get("BUILD_BIN") or os.path.join(os.getcwd(), "build/debug/bin")
WAIT = 15.0


def word(value):
    """A value as mockpeer wants it."""
    if isinstance(value, bytes):
        return value.hex()
    return quote(str(value), safe="")


def fields(values):
    words = []
    for name, value in values.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            words.append(f"{name}={word(one)}")
    return words


class Timeout(AssertionError):
    pass


class Peer:
    """A mock peer: what it hears in `events`, what it is told with the methods."""

    def __init__(self, rig, kind, instance, listen=None, hub=False, dial=(), hears=(), announce=(),
                 hold=False):
        args = [os.path.join(BIN, "mockpeer"), "--kind", kind, "--instance", instance]
        if listen:
            args += ["--listen", listen]
        if hub:
            args += ["--hub"]
        if hold:
            args += ["--hold"]
        for option, values in (("--dial", dial), ("--hears", hears), ("--announce", announce)):
            for value in values:
                args += [option, value]
        self.instance = instance
        self.events = []
        self.incoming = queue.Queue()
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        preexec_fn=rig.child_setup)
        self.tags = 0
        threading.Thread(target=self.read, daemon=True).start()
        rig.peers.append(self)

    def read(self):
        for line in self.process.stdout:
            self.incoming.put(json.loads(line.decode(errors="replace")))
        self.incoming.put(None)

    def tell(self, *words):
        self.process.stdin.write((" ".join(words) + "\n").encode())
        self.process.stdin.flush()

    def pull(self, timeout):
        """Takes one event in; False when none came in time."""
        try:
            event = self.incoming.get(timeout=timeout)
        except queue.Empty:
            return False
        if event is None:
            raise AssertionError(f"{self.instance} ended")
        if event["event"] == "error":
            raise AssertionError(f"{self.instance}: {event['text']}")
        if "stanza" in event:
            event["stanza"] = event["stanza"].replace('"', "'")  # so that tests can quote it
        self.events.append(event)
        return True

    def take(self, timeout=WAIT, where=None, **wanted):
        """Removes and returns the first event with these members (and where(event) true)."""
        end = time.monotonic() + timeout
        seen = 0
        while True:
            while seen < len(self.events):
                event = self.events[seen]
                if all(event.get(k) == v for k, v in wanted.items()) and (not where or where(event)):
                    del self.events[seen]
                    return event
                seen += 1
            left = end - time.monotonic()
            if left <= 0 or not self.pull(left):
                raise Timeout(f"{self.instance}: no {wanted} within {timeout} s; had {self.events[-5:]}")

    def none(self, seconds=0.3, where=None, **wanted):
        """Asserts that no such event is there or comes within so long."""
        try:
            event = self.take(timeout=seconds, where=where, **wanted)
        except Timeout:
            return
        raise AssertionError(f"{self.instance}: unexpected {event}")

    def tag(self):
        self.tags += 1
        return f"t{self.tags}"

    def send(self, kind, key, message, **values):
        tag = self.tag()
        self.tell("send", kind, word(key), tag, message, *fields(values))
        return tag

    def send_to(self, instance, message, **values):
        tag = self.tag()
        self.tell("send_to", word(instance), tag, message, *fields(values))
        return tag

    def settled(self, tag, timeout=WAIT):
        event = self.take(event="settled", tag=tag, timeout=timeout)
        assert event["ended"] == "settled", event

    def ask(self, kind, key, message, deadline=10000, **values):
        """A call and its reply."""
        tag = self.tag()
        self.tell("call", kind, word(key), tag, str(deadline), message, *fields(values))
        reply = self.take(event="reply", tag=tag)
        assert reply["ended"] == "settled", reply
        return reply

    def reply(self, call, message, **values):
        self.tell("reply", str(call["call"]), message, *fields(values))

    def settle(self, item):
        self.tell("settle", str(item["token"]))

    def hold(self, on=True):
        self.tell("hold", "on" if on else "off")
        self.take(event="holding")

    def notice(self, message, **values):
        self.tell("notice", message, *fields(values))

    def encode(self, message, **values):
        """The message's bytes, for what lies in Redis."""
        self.tell("encode", message, *fields(values))
        return bytes.fromhex(self.take(event="encoded")["hex"])

    def kill(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except BrokenPipeError:
                pass


def first_with(peers, **wanted):
    """Waits until one of the peers has such an event, and returns the peer."""
    end = time.monotonic() + WAIT
    while True:
        for peer in peers:
            peer.pull(0.02)
            if any(all(event.get(k) == v for k, v in wanted.items()) for event in peer.events):
                return peer
        if time.monotonic() > end:
            raise Timeout(f"none of {[p.instance for p in peers]} had {wanted} within {WAIT} s")


class Daemon:
    """A real daemon of the cluster."""

    def __init__(self, rig, name, instance, env):
        self.name = name
        self.instance = instance
        self.rig = rig
        self.env = env
        self.log_path = os.path.join(rig.dir, instance + ".log")
        self.start()
        rig.daemons.append(self)

    def start(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("JACKDAW_")}
        env.update(self.rig.env)
        env.update(self.env)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(BIN, "jackdaw-" + self.name), "--instance", self.instance, "--port-dir",
                 self.rig.dir], env=env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                preexec_fn=self.rig.child_setup)

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def wait_log(self, text, timeout=WAIT):
        end = time.monotonic() + timeout
        while text not in self.log():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.instance} exited {self.process.returncode}: {self.log()[-2000:]}")
            if time.monotonic() > end:
                raise Timeout(f"{self.instance} did not log {text}: {self.log()[-2000:]}")
            time.sleep(0.02)

    def port(self, what):
        path = os.path.join(self.rig.dir, f"{self.instance}.{what}")
        end = time.monotonic() + WAIT
        while not os.path.exists(path):
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"{self.instance} has no port {what}: {self.log()[-2000:]}")
            time.sleep(0.02)
        with open(path) as file:
            return int(file.read())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def terminate(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT)


class Rig:
    """The directory, Redis and all processes of one test."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="jd-daemon-")
        self.peers = []
        self.daemons = []
        self.redis = None
        self.env = {
            "JACKDAW_CLUSTER_DOMAINS": "example.org",
            "JACKDAW_CLUSTER_RUN_DIR": self.dir,
            "JACKDAW_BUS_LINGER": "1ms",
            "JACKDAW_REDIS_URL": "unix:" + self.path("redis.sock"),
            "JACKDAW_SQL_URL": "sqlite:" + self.dir,
            "JACKDAW_CLUSTER_ROUTERS": self.address("router-0"),
            "JACKDAW_CLUSTER_SESSIONS": self.address("session-0"),
            "JACKDAW_ROUTER_LISTEN": self.address("router-0"),
            "JACKDAW_SESSION_LISTEN": self.address("session-0"),
            "JACKDAW_SESSION_ITERATIONS": "4096",
            "JACKDAW_LOG_LEVEL": "info",
        }

    def path(self, name):
        return os.path.join(self.dir, name)

    def address(self, name):
        return "ipc://" + self.path(name + ".ipc")

    @staticmethod
    def child_setup():
        """Children end with us, whatever happens (prctl PR_SET_PDEATHSIG)."""
        try:
            import ctypes
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)
        except (OSError, AttributeError):
            pass

    def start_redis(self):
        self.redis = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path("redis.sock"), "--save", "",
             "--appendonly", "no", "--dir", self.dir], stdout=subprocess.DEVNULL,
            preexec_fn=self.child_setup)
        end = time.monotonic() + WAIT
        while True:
            try:
                if self.redis_command("PING") == "PONG":
                    return
            except OSError:
                pass
            assert time.monotonic() < end, "redis-server does not answer"
            time.sleep(0.02)

    def stop_redis(self):
        if self.redis:
            self.redis.kill()
            self.redis.wait()
            self.redis = None

    def redis_command(self, *words):
        """One command to the private Redis; str, int, None or list."""
        request = b"*%d\r\n" % len(words)
        for w in words:
            data = w if isinstance(w, bytes) else str(w).encode()
            request += b"$%d\r\n%s\r\n" % (len(data), data)
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.path("redis.sock"))
            s.sendall(request)
            return read_reply(s.makefile("rb"))

    def put_session(self, peer, jid, sid, holder, priority=None, interested=True):
        """A session in the registry, available when a priority is given. `peer`: any mock peer."""
        account, resource = jid.split("/")
        record = peer.encode("session_record", sid=sid, epoch=1, holder=holder, since_ms=1)
        self.redis_command("HSET", f"jd:s:{{{account}}}", resource, record)
        self.redis_command("HSET", f"jd:e:{{{holder}}}", f"{sid:x}", jid)
        if priority is not None:
            record = peer.encode("presence_record", sid=sid, flags=3 if interested else 1,
                                 priority_plus_128=priority + 128, stanza=f"<presence xmlns='jabber:client'"
                                 f" from='{jid}'><priority>{priority}</priority></presence>")
            self.redis_command("HSET", f"jd:p:{{{account}}}", resource, record)

    def drop_session(self, jid):
        account, resource = jid.split("/")
        self.redis_command("HDEL", f"jd:s:{{{account}}}", resource)
        self.redis_command("HDEL", f"jd:p:{{{account}}}", resource)

    def peer(self, kind, instance, **options):
        return Peer(self, kind, instance, **options)

    def daemon(self, name, instance=None, **env):
        return Daemon(self, name, instance or name + "-0", env)

    def close(self):
        for process in self.peers + self.daemons:
            process.kill()
        self.stop_redis()
        shutil.rmtree(self.dir, ignore_errors=True)


def read_reply(file):
    line = file.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"+":
        return rest.decode()
    if kind == b"-":
        raise AssertionError(rest.decode())
    if kind == b":":
        return int(rest)
    if kind == b"$":
        if int(rest) < 0:
            return None
        data = file.read(int(rest) + 2)[:-2]
        return data.decode(errors="surrogateescape")
    return [read_reply(file) for _ in range(int(rest))]


def run_one(name, test):
    rig = Rig()
    try:
        test(rig)
        print(f"ok      {name}", flush=True)
        return True
    except Exception:
        print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
        for daemon in rig.daemons:
            print(f"--- end of the log of {daemon.instance}:\n{daemon.log()[-3000:]}", flush=True)
        return False
    finally:
        rig.close()


def main(names):
    wanted = sys.argv[1:]
    passed = failed = 0
    for name, test in list(names.items()):
        if not name.startswith("test_") or (wanted and name not in wanted):
            continue
        if run_one(name, test):
            passed += 1
        else:
            failed += 1
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
