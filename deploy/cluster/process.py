"""One child process: its log file, its last words, its end."""

import collections
import ctypes
import os
import resource
import signal
import subprocess
import threading
import time

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def raise_descriptor_limit():
    """As many open sockets and files as this user may have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _prepare_child():
    """A session of its own, so that Ctrl-C reaches only the parent, which then stops everything in
    the right order; and an end with the parent should that be killed."""
    raise_descriptor_limit()
    os.setsid()
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Process:
    """A running program. Every line it writes goes to `log_path` and to `on_line(name, line)`."""

    def __init__(self, name, argv, env, log_path, on_line=None):
        self.name = name
        self.argv = argv
        self.last_lines = collections.deque(maxlen=30)
        self.is_stopping = False
        self._on_line = on_line
        self._log = open(log_path, "a", encoding="utf-8", errors="replace")
        self._child = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, preexec_fn=_prepare_child)
        self.pid = self._child.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for raw in self._child.stdout:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            self.last_lines.append(line)
            self._log.write(line + "\n")
            self._log.flush()
            if self._on_line:
                self._on_line(self.name, line)

    def status(self):
        """None while it runs, else how it ended: an exit code, or minus the number of a signal."""
        return self._child.poll()

    def said(self):
        """How it ended, in words."""
        status = self.status()
        if status is None:
            return "is still running"
        if status < 0:
            return "was ended by " + signal.Signals(-status).name
        return "exited with status %d" % status

    def signal(self, number):
        if self.status() is None:
            self._child.send_signal(number)

    def ask_to_stop(self):
        """SIGTERM, once: a second one would make a daemon skip what it still has to do."""
        if not self.is_stopping:
            self.is_stopping = True
            self.signal(signal.SIGTERM)

    def stop(self, timeout):
        """SIGTERM, and SIGKILL when that does not help in `timeout` seconds. False in that case."""
        self.ask_to_stop()
        is_clean = self.wait(timeout)
        self.kill()
        return is_clean

    def kill(self):
        """SIGKILL; returns when it is gone."""
        self.is_stopping = True
        self._child.kill()
        self._child.wait()
        self._reader.join(5)
        self._log.close()

    def wait(self, timeout):
        end = time.monotonic() + timeout
        while self.status() is None:
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True
