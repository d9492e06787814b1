"""Lets a test end, stop and start single daemons of the cluster it runs in.

The cluster listens on the Unix socket that CLUSTER_CONTROL names. One order a connection, a line:

    list             "NAME PID" of everybody that runs, a line each
    kill NAME        SIGKILL; answers when it is gone
    stop NAME        SIGTERM; answers when it has ended, with its exit status
    start NAME       starts it again after either, with the ports it had; answers when it is ready
    signal NAME N    sends signal number N (SIGSTOP, SIGCONT, SIGHUP)

NAME is an instance ("edge-1") or "redis". The answer is "ok" and what was asked for, or "trouble" and why.
From a shell: python3 -m cluster.control kill edge-1
"""

import contextlib
import os
import socket
import sys
import threading

PATIENCE = 60  # seconds for anything that is due


class Control:
    """The listening end. Its one thread lives as long as the process: what it starts would be ended
    with it (see PR_SET_PDEATHSIG in process.py)."""

    def __init__(self, cluster, path):
        self.path = path
        self._cluster = cluster
        self._orders = {"list": self._list, "kill": self._kill, "stop": self._stop,
                        "start": self._start, "signal": self._signal}
        self._socket = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
        self._socket.bind(path)
        self._socket.listen(16)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self._socket.accept()
            with connection:
                try:
                    connection.settimeout(PATIENCE)
                    connection.sendall(self._answer(connection.makefile().readline()).encode())
                except OSError:
                    pass  # it did not wait for the answer

    def _answer(self, line):
        words = line.split()
        try:
            return "ok %s\n" % self._orders[words[0]](*words[1:])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            return "trouble no such order or instance: %r (%s)\n" % (line, error)
        except Exception as error:  # pylint: disable=broad-except  # whoever asked is to hear of it
            return "trouble %s\n" % error

    def _list(self):
        return "\n".join("%s %d" % (p.name, p.pid) for p in self._cluster.running())

    def _kill(self, name):
        self._cluster.take_out(name).kill()
        return ""

    def _stop(self, name):
        process = self._cluster.take_out(name)
        if not process.stop(PATIENCE):
            raise TimeoutError("%s did not stop in %d s" % (name, PATIENCE))
        return process.status()

    def _start(self, name):
        self._cluster.put_back(name)
        self._cluster.wait_ready(PATIENCE, [name])
        return ""

    def _signal(self, name, number):
        self._cluster.find(name).signal(int(number))
        return ""


def ask(path, *words):
    """Gives an order and returns the answer without its "ok"; RuntimeError when there is trouble."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE * 2)
        connection.connect(path)
        connection.sendall((" ".join(words) + "\n").encode())
        answer = connection.makefile().read().strip()
    kind, _, rest = answer.partition(" ")
    if kind != "ok":
        raise RuntimeError(rest or "the cluster gave no answer")
    return rest


if __name__ == "__main__":
    try:
        print(ask(os.environ["CLUSTER_CONTROL"], *sys.argv[1:]))
    except (KeyError, OSError, RuntimeError) as problem:
        sys.exit("trouble: %s" % problem)
