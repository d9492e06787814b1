"""Stores of a run's own: a private PostgreSQL that can crash, and a small disk that can be full."""

import os
import shutil
import subprocess
import tempfile

_BIN = "/usr/lib/postgresql/15/bin"


class Postgres:
    """Debian's PostgreSQL 15 in a new directory, on a unix socket there. It refuses to run as root:
    then it runs as the user postgres."""

    def __init__(self):
        self._dir = tempfile.mkdtemp(prefix="jdf-pg-", dir="/tmp")
        self.url = "postgresql://postgres@/postgres?host=" + self._dir
        if os.geteuid() == 0:
            shutil.chown(self._dir, "postgres", "postgres")
        self._run(_BIN + "/initdb", "-D", self._dir + "/data", "-U", "postgres", "-A", "trust")
        self.start()

    def _run(self, *argv):
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        with open(self._dir + ".log", "a", encoding="utf-8") as log:
            subprocess.run(drop + list(argv), cwd=self._dir, stdout=log, stderr=log, check=True)

    def start(self):
        self._run(_BIN + "/pg_ctl", "-D", self._dir + "/data", "-w",
                  "-o", "-k %s -c listen_addresses= -c max_connections=200" % self._dir, "start")

    def crash(self):
        """Without a word to anybody; what was committed is in its log."""
        self._run(_BIN + "/pg_ctl", "-D", self._dir + "/data", "-m", "immediate", "stop")

    def remove(self):
        try:
            self.crash()
        except subprocess.CalledProcessError:
            pass  # it is not running
        shutil.rmtree(self._dir, ignore_errors=True)


class SmallDisk:
    """A file system of that size at `path` (root only)."""

    def __init__(self, path, megabytes=64):
        self._path = path
        os.makedirs(path, exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % megabytes, "jackdaw-faults", path], check=True)

    def remove(self):
        subprocess.run(["umount", self._path], check=False)
