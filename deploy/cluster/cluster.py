"""A whole cluster in one directory: a private Redis, SQLite files, and any number of each daemon."""

import contextlib
import glob
import http.client
import os
import re
import shutil
import subprocess
import tempfile
import time

from . import ports
from .process import Process

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# In the order they are started; they are stopped the other way round, so that sessions end properly.
KINDS = ("router", "session", "presence", "pubsub", "archive", "c2s", "edge")
_LISTENERS = ("router", "session")
_FRONTS = ("c2s", "edge")  # clients come here: a plain and a TLS port each
_SOCKET_PATH_MAX = 100  # sun_path has 108 bytes; the bus adds a suffix


class Trouble(Exception):
    """Something did not go as it must; the text is for people."""


class Cluster:
    """`counts`: daemons of each kind. `settings`: {"section.name": value} for jackdaw.conf.
    `edge_ports`, `c2s_ports`: [(port, tls port)] of each, free ones when not given."""

    def __init__(self, bin_dir, run_dir, counts=None, settings=None, edge_ports=None, c2s_ports=None,
                 on_line=None):
        self.bin_dir = os.path.abspath(bin_dir)
        self.run_dir = os.path.abspath(run_dir)
        self.counts = {kind: 1 for kind in KINDS}
        self.counts.update(counts or {})
        self.settings = settings or {}
        self.processes = {}
        self.redis = None
        self.config = os.path.join(self.run_dir, "jackdaw.conf")
        self._on_line = on_line
        self._sockets = None
        self._taken = set()
        self._health = {}
        self._ports = {"c2s": list(c2s_ports or []), "edge": list(edge_ports or [])}

    # ---- what tests and people want to know ----

    def instances(self, kind):
        return ["%s-%d" % (kind, n + 1) for n in range(self.counts[kind])]

    def websockets(self, is_secure=False):
        scheme = "wss" if is_secure else "ws"
        return ["%s://localhost:%d/ws" % (scheme, pair[is_secure]) for pair in self._ports["edge"]]

    def tcp(self, is_direct=False):
        """host:port of every c2s: STARTTLS, or TLS from the first byte."""
        return ["localhost:%d" % pair[is_direct] for pair in self._ports["c2s"]]

    def certificate(self):
        """The development certificate, once an edge made it."""
        found = sorted(glob.glob(os.path.join(self._path("run"), "*cert*.pem")))
        return found[0] if found else None

    def health_address(self, name):
        return ("127.0.0.1", self._health[name])

    def control_path(self):
        """A Unix socket for control.py; after start()."""
        return os.path.join(self._sockets, "control.sock")

    def control(self):
        """jackdawctl with the options that make it talk to this cluster."""
        return [os.path.join(self.bin_dir, "jackdawctl"), "--config", self.config]

    def add_user(self, jid, password):
        done = subprocess.run(self.control() + ["user", "add", jid], input=password + "\n",
                              capture_output=True, text=True, timeout=60)
        if done.returncode != 0 and "exist" not in done.stderr:
            raise Trouble("jackdawctl could not add %s: %s" % (jid, done.stderr.strip()))

    # ---- start ----

    def start(self, timeout=60):
        """Starts everything and returns when all daemons say they are ready."""
        for folder in ("run", "data", "log", "redis", "sanitizer"):
            os.makedirs(self._path(folder), exist_ok=True)
        for path in glob.glob(self._path("sanitizer", "*")):
            os.remove(path)
        self._choose_addresses()
        self.write_config()
        self._start_redis()
        for kind in KINDS:
            for name in self.instances(kind):
                self.start_daemon(name)
        self.wait_ready(timeout)

    def start_daemon(self, name):
        """Starts the daemon `name` ("edge-2"), also again after it ended."""
        kind, number = name.rsplit("-", 1)
        env = dict(os.environ)
        env.update(self._instance_environment(kind, int(number) - 1, name))
        argv = [os.path.join(self.bin_dir, "jackdaw-" + kind), "--config", self.config,
                "--instance", name]
        self.processes[name] = Process(name, argv, env, self._path("log", name + ".log"),
                                       self._on_line)

    def wait_ready(self, timeout=60, names=None):
        """Waits for /readyz of these or all daemons; raises Trouble that says who is not ready and
        why."""
        end = time.monotonic() + timeout
        waiting = dict.fromkeys(names or list(self.processes), "not asked yet")
        waiting.pop("redis", None)  # answers when it is there
        while waiting:
            for name in list(waiting):
                self._raise_if_ended(name)
                why = self._why_not_ready(name)
                if why is None:
                    del waiting[name]
                else:
                    waiting[name] = why
            if waiting and time.monotonic() > end:
                raise Trouble("not ready after %d s: %s" % (timeout, "; ".join(
                    "%s: %s" % item for item in sorted(waiting.items()))))
            time.sleep(0.05)

    # ---- while it runs ----

    def ended(self):
        """The processes that ended without being asked to."""
        return [p for p in self._everybody() if not p.is_stopping and p.status() is not None]

    def running(self):
        return [p for p in self._everybody() if p.status() is None]

    def find(self, name):
        """The process `name`; KeyError when it does not run."""
        return {p.name: p for p in self.running()}[name]

    def take_out(self, name):
        """The process `name`, to be ended: from now on nobody minds how."""
        process = self.find(name)
        if process is self.redis:
            self.redis = None
        else:
            del self.processes[name]
        return process

    def put_back(self, name):
        """Starts again what was taken out."""
        if name in {p.name for p in self._everybody()}:
            raise Trouble("%s is running" % name)
        if name == "redis":
            self._start_redis()
        elif name in self._health:
            self.start_daemon(name)
        else:
            raise Trouble("there is no %s" % name)

    # ---- stop ----

    def stop(self, timeout=40):
        """Stops everything; returns a list of complaints: daemons that did not end well."""
        complaints = []
        for kind in reversed(KINDS):
            group = [self.processes[n] for n in self.instances(kind) if n in self.processes]
            for process in group:
                process.ask_to_stop()
            for process in group:
                if not process.stop(timeout):
                    complaints.append("%s did not stop in %d s" % (process.name, timeout))
                elif process.status() != 0:
                    complaints.append("%s %s" % (process.name, process.said()))
        if self.redis:
            self.redis.stop(20)
        complaints += self._sanitizer_reports()
        if self._sockets and not self._sockets.startswith(self.run_dir):
            shutil.rmtree(self._sockets, ignore_errors=True)
        return complaints

    # ---- inside ----

    def _everybody(self):
        return list(self.processes.values()) + ([self.redis] if self.redis else [])

    def _path(self, *parts):
        return os.path.join(self.run_dir, *parts)

    def _address(self, name):
        return "ipc://" + os.path.join(self._sockets, name + ".ipc")

    def _choose_addresses(self):
        self._sockets = self._path("run")
        # Lists in the configuration are separated by spaces and commas; socket paths are short.
        is_fit = len(self._sockets) + len("/session-10.ipc.out") < _SOCKET_PATH_MAX
        if not is_fit or re.search(r"[\s,]", self._sockets):
            self._sockets = tempfile.mkdtemp(prefix="jackdaw-")
        for kind in KINDS:
            for name in self.instances(kind):
                self._health[name] = ports.pick(self._taken)
        for kind in _FRONTS:
            self._choose_ports(kind)

    def _choose_ports(self, kind):
        pairs = self._ports[kind]
        while len(pairs) < self.counts[kind]:
            pairs.append((ports.pick(self._taken), ports.pick(self._taken)))
        for each in (port for pair in pairs for port in pair):
            if not ports.is_free(each):
                raise Trouble("port %d is in use: stop what listens there or choose another with "
                              "JACKDAW_%s_PORT and JACKDAW_%s_TLS_PORT" % (
                                  each, kind.upper(), kind.upper()))

    def write_config(self):
        """From self.settings; daemons that run see it after SIGHUP."""
        values = {
            "cluster.domains": "localhost",
            "cluster.run_dir": self._path("run"),
            "cluster.routers": ", ".join(map(self._address, self.instances("router"))),
            "cluster.sessions": ", ".join(map(self._address, self.instances("session"))),
            "redis.url": "unix:" + os.path.join(self._sockets, "redis.sock"),
            "sql.url": "sqlite:" + self._path("data"),
            "edge.web_root": os.path.join(ROOT, "services", "web"),
        }
        values.update(self.settings)
        sections = {}
        for key, value in values.items():
            key, _, domain = key.partition("@")
            section, name = key.split(".", 1)
            section += " " + domain if domain else ""
            sections.setdefault(section, []).append("%s = %s\n" % (name, value))
        with open(self.config, "w", encoding="utf-8") as out:
            out.write("; Written by deploy/cluster for each start; changes made here are lost.\n")
            for section in sorted(sections):
                out.write("\n[%s]\n%s" % (section, "".join(sections[section])))

    def _instance_environment(self, kind, index, name):
        env = {"JACKDAW_HEALTH_PORT": str(self._health[name])}
        if kind in _LISTENERS:
            env["JACKDAW_%s_LISTEN" % kind.upper()] = self._address(name)
        if kind in _FRONTS:
            port, tls_port = self._ports[kind][index]
            env["JACKDAW_%s_PORT" % kind.upper()] = str(port)
            env["JACKDAW_%s_TLS_PORT" % kind.upper()] = str(tls_port)
        report = self._path("sanitizer", name)
        env["ASAN_OPTIONS"] = "detect_leaks=1:exitcode=99:log_path=" + report
        env["LSAN_OPTIONS"] = "print_suppressions=0"
        env["UBSAN_OPTIONS"] = "print_stacktrace=1:log_path=" + report
        env["TSAN_OPTIONS"] = "exitcode=99:log_path=" + report
        return env

    def _start_redis(self):
        argv = ["redis-server", "--port", "0", "--unixsocket",
                os.path.join(self._sockets, "redis.sock"), "--dir", self._path("redis"),
                "--appendonly", "yes", "--save", "", "--daemonize", "no",
                # Redis takes so much at once for each stream: one of each session that can be resumed.
                "--stream-node-max-bytes", "512"]
        if not shutil.which(argv[0]):
            raise Trouble("redis-server is not installed: run deploy/setup.sh")
        with contextlib.suppress(FileNotFoundError):
            os.remove(argv[4])  # of one that was killed
        self.redis = Process("redis", argv, dict(os.environ), self._path("log", "redis.log"))
        end = time.monotonic() + 20
        while not os.path.exists(argv[4]):
            if self.redis.status() is not None or time.monotonic() > end:
                raise Trouble("the private Redis %s: %s" % (
                    self.redis.said(), " / ".join(list(self.redis.last_lines)[-3:])))
            time.sleep(0.02)

    def restart_redis(self):
        """Again, after it ended: with what its append-only file has."""
        socket = os.path.join(self._sockets, "redis.sock")
        if os.path.exists(socket):
            os.remove(socket)
        self._start_redis()

    def _raise_if_ended(self, name):
        process = self.processes[name]
        if process.status() is not None:
            time.sleep(0.2)  # its last words may still be in the pipe
            raise Trouble("%s %s while starting; it said:\n  %s" % (
                name, process.said(), "\n  ".join(process.last_lines)))

    def _why_not_ready(self, name):
        connection = http.client.HTTPConnection(*self.health_address(name), timeout=5)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace").strip()
            return None if answer.status == 200 else text or "status %d" % answer.status
        except OSError as error:
            return "its health port does not answer (%s)" % error
        finally:
            connection.close()

    def _sanitizer_reports(self):
        reports = []
        for path in sorted(glob.glob(self._path("sanitizer", "*"))):
            with open(path, encoding="utf-8", errors="replace") as text:
                head = "".join(text.readlines()[:40])
            reports.append("a sanitizer complained, %s begins:\n%s" % (path, head))
        return reports
