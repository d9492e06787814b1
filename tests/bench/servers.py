"""The servers that are measured side by side: each can be started, knows the processes that belong to
it (its own, Redis, its database), and is stopped again. Nothing but loopback is used."""

import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "deploy"))
from cluster import ports  # noqa: E402
from cluster.cluster import Cluster  # noqa: E402

PASSWORD = "bench"
PREFIX = "bench"


def children_of(pid):
    """`pid` and everything below it."""
    found = [pid]
    for each in os.listdir("/proc"):
        try:
            with open("/proc/%s/stat" % each) as stat:
                parent = int(stat.read().rsplit(")", 1)[1].split()[1])
        except (ValueError, OSError):
            continue
        if parent == pid and each.isdigit():
            found += children_of(int(each))
    return found


class Jackdaw:
    name = "Jackdaw"

    def __init__(self, bin_dir, counts, settings=None):
        self.dir = tempfile.mkdtemp(prefix="jackdaw-bench-")
        self.cluster = Cluster(bin_dir, self.dir, counts, {
            "session.iterations": "4096",
            "session.max_failures": "0",
            "stream.stanzas_per_second": "0",
            "stream.bytes_per_second": "0",
            "stream.plain_without_tls": "yes",
            "log.level": "warn",
            **(settings or {}),
        })

    def start(self, users):
        self.cluster.start()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: self.cluster.add_user("%s%d@localhost" % (PREFIX, n), PASSWORD),
                          range(users)))

    def ports(self):
        return [int(url.split(":")[2].split("/")[0]) for url in self.cluster.websockets()]

    path = "/ws"

    def pids(self):
        return [p.pid for p in self.cluster.processes.values()] + [self.cluster.redis.pid]

    def names(self):
        named = {p.pid: name for name, p in self.cluster.processes.items()}
        named[self.cluster.redis.pid] = "redis"
        return named

    def stop(self):
        for complaint in self.cluster.stop():
            print("complaint:", complaint, file=sys.stderr)
        shutil.rmtree(self.dir, ignore_errors=True)


class Peer:
    """A server from Debian's packages, run from a directory of its own."""

    path = "/xmpp-websocket"

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="jackdaw-bench-")
        self.port = ports.pick(set())
        self.child = None

    def run(self, argv, env=None):
        log = open(os.path.join(self.dir, "out"), "w")
        self.child = subprocess.Popen(argv, stdout=log, stderr=log, cwd=self.dir, env=env)

    def wait_for_port(self):
        for _ in range(600):
            if not ports.is_free(self.port):
                return
            time.sleep(0.1)
        raise SystemExit("%s did not start: see %s/out" % (self.name, self.dir))

    def ports(self):
        return [self.port]

    def pids(self):
        return children_of(self.child.pid)

    def names(self):
        return {pid: self.name for pid in self.pids()}

    def stop(self):
        for pid in reversed(self.pids()):
            os.kill(pid, 15)
        self.child.wait(30)
        shutil.rmtree(self.dir, ignore_errors=True)


class Prosody(Peer):
    name = "Prosody"
    CONFIG = """
run_as_root = true
data_path = "{dir}/data"
modules_enabled = {{ "roster"; "saslauth"; "disco"; "presence"; "message"; "iq"; "ping"; "websocket";
  "http"; "smacks"; "carbons"; "posix" }}
modules_disabled = {{ "s2s"; "limits" }}
c2s_ports = {{}}
daemonize = false
authentication = "internal_plain"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
http_ports = {{ {port} }}
https_ports = {{}}
http_interfaces = {{ "127.0.0.1" }}
log = {{ error = "{dir}/log" }}
VirtualHost "localhost"
  http_host = "localhost"
"""

    def start(self, users):
        accounts = os.path.join(self.dir, "data", "localhost", "accounts")
        os.makedirs(accounts)
        for n in range(users):
            with open(os.path.join(accounts, "%s%d.dat" % (PREFIX, n)), "w") as out:
                out.write('return { ["password"] = "%s" };\n' % PASSWORD)
        config = os.path.join(self.dir, "prosody.cfg.lua")
        with open(config, "w") as out:
            out.write(self.CONFIG.format(dir=self.dir, port=self.port))
        self.run(["prosody", "--config", config, "-F"])
        self.wait_for_port()


class Ejabberd(Peer):
    name = "ejabberd"
    CONFIG = """
hosts: ["localhost"]
loglevel: error
log_rotate_size: infinity
auth_password_format: plain
disable_sasl_mechanisms: []
shaper: {{}}
listen:
  -
    port: {port}
    ip: "127.0.0.1"
    module: ejabberd_http
    request_handlers:
      /xmpp-websocket: ejabberd_http_ws
access_rules:
  register: {{allow: all}}
shaper_rules:
  max_user_sessions: 10
  max_user_offline_messages: 5000
modules:
  mod_roster: {{}}
  mod_disco: {{}}
  mod_ping: {{}}
  mod_carboncopy: {{}}
  mod_stream_mgmt: {{resend_on_timeout: false}}
"""

    def start(self, users):
        config = os.path.join(self.dir, "ejabberd.yml")
        with open(config, "w") as out:
            out.write(self.CONFIG.format(port=self.port))
        env = dict(os.environ, HOME=self.dir, ERL_EPMD_ADDRESS="127.0.0.1")
        node = "ejabberd_bench@localhost"
        # As its own user: the start script loses the environment when it changes user by itself.
        user = ["setpriv", "--reuid", "ejabberd", "--regid", "ejabberd", "--clear-groups"]
        options = user + ["ejabberdctl", "--config-dir", self.dir, "--ctl-config", "/dev/null", "--logs", os.path.join(self.dir, "logs"), "--spool",
                   os.path.join(self.dir, "spool"), "--node", node]
        shutil.copy("/etc/ejabberd/inetrc", self.dir)
        os.makedirs(os.path.join(self.dir, "logs"))
        os.makedirs(os.path.join(self.dir, "spool"))
        shutil.chown(self.dir, "ejabberd")
        for base, folders, files in os.walk(self.dir):
            for each in folders + files:
                shutil.chown(os.path.join(base, each), "ejabberd")
        self.run(options + ["foreground"], env)
        self.wait_for_port()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda n: subprocess.run(
                options + ["register", "%s%d" % (PREFIX, n), "localhost", PASSWORD],
                env=env, stdout=subprocess.DEVNULL, check=True), range(users)))
