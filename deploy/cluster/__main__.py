"""Runs a cluster in the foreground, or around one command.

Without a command: two demo accounts, everything the daemons say on the screen, until Ctrl-C.
With one: the command runs with CLUSTER_WS, CLUSTER_WSS, CLUSTER_TCP, CLUSTER_TLS, CLUSTER_CTL,
CLUSTER_CONTROL (see control.py: end and start single daemons), CLUSTER_DOMAIN, CLUSTER_OTHER_DOMAIN, CLUSTER_RUN_DIR and
NODE_EXTRA_CA_CERTS in its environment; afterwards every daemon must end with status 0 and no sanitizer
may have complained. Exit status: that of the command, or 1 when the cluster failed.
"""

import argparse
import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from . import demo
from .cluster import KINDS, ROOT, Cluster, Trouble
from .console import Console
from .control import Control
from .xmppws import XmppError

_STOPPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OTHER_DOMAIN = "other.localhost"  # of clusters around a command
_RESTARTS = 5  # more ends of daemons than this in a minute, and the cluster gives up


class _Stopped(BaseException):
    """Somebody pressed Ctrl-C or sent SIGTERM."""


def _raise_stopped(*_):
    for number in _STOPPERS:  # what follows is the way out; it is not to be interrupted
        signal.signal(number, signal.SIG_IGN)
    raise _Stopped


def _arguments():
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "release", "bin"),
                        help="folder of the daemons")
    parser.add_argument("--run-dir", help="folder for data, logs and sockets; default: run/ of the "
                        "tree, a temporary one when there is a command")
    for kind in KINDS:
        plural = kind if kind in ("presence", "pubsub", "c2s") else kind + "s"
        parser.add_argument("--" + plural, dest=kind, type=int, default=1, metavar="N")
    parser.add_argument("--set", action="append", default=[], 
                        metavar="SECTION.NAME[@DOMAIN]=VALUE", help="an option of jackdaw.conf, of one "
                        "domain if it says so; may be given more than once")
    parser.add_argument("command", nargs="*", help="a command to run against the cluster")
    return parser.parse_args()


def _cluster(arguments, run_dir, **more):
    counts = {kind: getattr(arguments, kind) for kind in KINDS}
    for kind in KINDS:
        if counts[kind] and not os.access(os.path.join(arguments.bin, "jackdaw-" + kind), os.X_OK):
            raise Trouble("there is no jackdaw-%s in %s: build first (deploy/run.sh and tests/run.sh "
                          "do)" % (kind, arguments.bin))
    settings = dict(each.split("=", 1) for each in arguments.set)
    return Cluster(arguments.bin, run_dir, counts, settings, **more)


# ---- around a command ----

def _environment(cluster):
    env = dict(os.environ)
    env.update({
        "CLUSTER_WS": ",".join(cluster.websockets()),
        "CLUSTER_WSS": ",".join(cluster.websockets(is_secure=True)),
        "CLUSTER_TCP": ",".join(cluster.tcp()),
        "CLUSTER_TLS": ",".join(cluster.tcp(is_direct=True)),
        "CLUSTER_CTL": shlex.join(cluster.control()),
        "CLUSTER_CONTROL": cluster.control_path(),
        "CLUSTER_DOMAIN": "localhost",
        "CLUSTER_OTHER_DOMAIN": _OTHER_DOMAIN if _OTHER_DOMAIN in cluster.settings["cluster.domains"] else "",
        "CLUSTER_RUN_DIR": cluster.run_dir,
    })
    certificate = cluster.certificate()
    if certificate:
        env["NODE_EXTRA_CA_CERTS"] = certificate
    return env


def _run_command(arguments):
    run_dir = arguments.run_dir or tempfile.mkdtemp(prefix="jackdaw-cluster-")
    cluster = _cluster(arguments, run_dir)
    cluster.settings.setdefault("cluster.domains", "localhost, " + _OTHER_DOMAIN)
    complaints = []
    status = 1
    try:
        cluster.start(timeout=120)
        Control(cluster, cluster.control_path())
        status = subprocess.call(arguments.command, env=_environment(cluster))
        complaints += ["%s %s while the command ran" % (p.name, p.said()) for p in cluster.ended()]
    except Trouble as trouble:
        complaints.append(str(trouble))
    except _Stopped:
        complaints.append("stopped before the command was done")
    complaints += cluster.stop()
    for complaint in complaints:
        print("cluster: " + complaint, file=sys.stderr)
    if complaints or status != 0:
        print("cluster: logs are in %s/log" % run_dir, file=sys.stderr)
    elif not arguments.run_dir:
        shutil.rmtree(run_dir, ignore_errors=True)
    return status or (1 if complaints else 0)


# ---- in the foreground ----

@contextlib.contextmanager
def _only_one(run_dir):
    """A second cluster in the same folder would share the first one's files."""
    os.makedirs(run_dir, exist_ok=True)
    with open(os.path.join(run_dir, "lock"), "a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise Trouble("a cluster is running in %s already (process %s): stop it with Ctrl-C, or "
                          "choose another folder with --run-dir" % (run_dir, lock.read().strip())) \
                from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _ports(kind, count, port, tls_port):
    """[(port, tls port)]: these or those of the environment, ten more for each further daemon."""
    first = int(os.environ.get("JACKDAW_%s_PORT" % kind.upper(), port))
    first_tls = int(os.environ.get("JACKDAW_%s_TLS_PORT" % kind.upper(), tls_port))
    return [(first + 10 * n, first_tls + 10 * n) for n in range(count)]


def _banner(cluster):
    lines = ["", "Jackdaw is running: %s, a private Redis, SQLite in %s/data" % (
        ", ".join("%d %s" % (cluster.counts[kind], kind) for kind in reversed(KINDS)),
        cluster.run_dir), ""]
    for address, secure in zip(cluster.websockets(), cluster.websockets(is_secure=True)):
        http = address.replace("ws://", "http://")
        lines.append("  page       %s/book/" % http[:-len("/ws")])
        lines.append("  WebSocket  %s  and  %s" % (address, secure))
    for address, secure in zip(cluster.tcp(), cluster.tcp(is_direct=True)):
        lines.append("  TCP        %s (STARTTLS)  and  %s (TLS at once)" % (address, secure))
    lines.append("")
    for name, password in demo.ACCOUNTS.items():
        lines.append("  log in as  %-18s password  %s" % (name + "@localhost", password))
    lines += ["", "Open the page in two browsers, log in as each, and chat. More users:",
              "  %s user add NAME@localhost" % shlex.join(cluster.control()),
              "Ctrl-C stops everything.", ""]
    return "\n".join(lines)


def _watch(cluster, console):
    """For ever: says which daemon died, and starts it again."""
    ends = []
    while True:
        for process in cluster.ended():
            console.say("\n%s (process %d) %s; its last lines are in %s/log/%s.log\n" % (
                process.name, process.pid, process.said(), cluster.run_dir, process.name))
            ends = [at for at in ends if at > time.monotonic() - 60] + [time.monotonic()]
            if process is cluster.redis or len(ends) > _RESTARTS:
                raise Trouble("stopping: %s" % ("the private Redis is gone" if process is cluster.redis
                                                else "daemons die again and again"))
            time.sleep(1)
            console.say("starting %s again" % process.name)
            cluster.start_daemon(process.name)
        time.sleep(0.2)


def _run_foreground(arguments):
    console = Console()
    run_dir = os.path.abspath(arguments.run_dir or os.path.join(ROOT, "run"))
    with _only_one(run_dir):
        arguments.set = ["session.registration=yes"] + arguments.set
        cluster = _cluster(arguments, run_dir, on_line=console.line,
                           edge_ports=_ports("edge", arguments.edge, 5280, 5281),
                           c2s_ports=_ports("c2s", arguments.c2s, 5222, 5223))
        trouble = ""
        try:
            console.say("starting a private Redis and the daemons in %s" % run_dir)
            cluster.start()
            demo.prepare(cluster)
            console.say(_banner(cluster))
            _watch(cluster, console)
        except _Stopped:
            pass
        except (Trouble, XmppError, OSError) as error:
            trouble = str(error) or type(error).__name__
        console.say("\nstopping everything")
        complaints = cluster.stop()
        for complaint in ([trouble] if trouble else []) + complaints:
            console.say("trouble: " + complaint)
        console.say("stopped")
        return 1 if trouble or complaints else 0


def main():
    arguments = _arguments()
    for number in _STOPPERS:
        signal.signal(number, _raise_stopped)
    try:
        return _run_command(arguments) if arguments.command else _run_foreground(arguments)
    except Trouble as trouble:
        print("trouble: %s" % trouble, file=sys.stderr)
        return 1
    except _Stopped:
        return 130


sys.exit(main())
