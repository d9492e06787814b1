#!/usr/bin/env python3
"""deploy/run.sh as a person would use it: start, read the screen, chat, kill a daemon, Ctrl-C, again."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "deploy"))
from cluster import ports  # noqa: E402


class Screen:
    """deploy/run.sh and everything it printed so far."""

    def __init__(self, run_dir, *options):
        taken = set()
        env = dict(os.environ, JACKDAW_EDGE_PORT=str(ports.pick(taken)),
                   JACKDAW_EDGE_TLS_PORT=str(ports.pick(taken)),
                   JACKDAW_C2S_PORT=str(ports.pick(taken)),
                   JACKDAW_C2S_TLS_PORT=str(ports.pick(taken)))
        self.lines = []
        self.child = subprocess.Popen(
            [os.path.join(ROOT, "deploy", "run.sh"), "--run-dir", run_dir, *options], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            print("  screen: " + line, end="", flush=True)
            self.lines.append(line.rstrip("\n"))

    def wait(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.child.poll() is None:
            for line in list(self.lines):
                found = re.search(pattern, line)
                if found:
                    return found
            time.sleep(0.1)
        raise AssertionError("nothing like %r on the screen" % pattern)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            self.child.wait(120)

    def interrupt(self):
        self.child.send_signal(signal.SIGINT)
        assert self.child.wait(60) == 0, "Ctrl-C must end with status 0"


def pids(run_dir):
    """The processes whose command line names the run directory: {name: pid}."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                argv = file.read().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if any(run_dir in word for word in argv) and "cluster" not in argv and "bash" not in argv[0]:
            name = argv[argv.index("--instance") + 1] if "--instance" in argv else argv[0]
            found[name] = int(pid)
    return found


def chat(screen):
    """Two browsers with what the screen says."""
    address = screen.wait(r"page +(http://\S+)/book/", 900).group(1)
    words = [word for name in ("romeo", "juliet")
             for word in screen.wait(r"log in as +(%s@\S+) +password +(\S+)" % name).groups()]
    env = dict(os.environ, CLUSTER_WS=address.replace("http://", "ws://") + "/ws")
    subprocess.run(["node", os.path.join(HERE, "quickstart.demo.mjs"), *words], env=env, check=True,
                   timeout=120)


def first_time(run_dir):
    with Screen(run_dir, "--edges", "2") as screen:
        chat(screen)
        second = subprocess.run([os.path.join(ROOT, "deploy", "run.sh"), "--run-dir", run_dir],
                                capture_output=True, text=True, timeout=600)
        assert "is running in" in second.stderr, second.stdout[-2000:] + second.stderr
        os.kill(pids(run_dir)["presence-1"], signal.SIGKILL)
        screen.wait(r"presence-1 \(process \d+\) was ended by SIGKILL")
        screen.wait("starting presence-1 again")
        time.sleep(3)
        chat(screen)
        screen.interrupt()
    assert not pids(run_dir), "left behind: %s" % pids(run_dir)


def second_time(run_dir):
    with Screen(run_dir) as screen:
        chat(screen)
        screen.interrupt()
    assert not pids(run_dir), "left behind: %s" % pids(run_dir)


def main():
    # A space in the path: people have such folders.
    run_dir = os.path.join(tempfile.mkdtemp(prefix="jackdaw-quick-"), "my run")
    first_time(run_dir)
    second_time(run_dir)
    print("2 passed, 0 failed")


main()
