#!/usr/bin/env python3
"""What an idle session costs in memory: tests/bench/idle.py [--sessions N] [--transports ws,wss,tls] [--check]

PSS of all processes of a cluster, Redis with them, with N sessions (logged in, present, silent for --seconds) less
what it was without any, divided by N; and which process has how much of it. A cluster of its own for each
transport: one edge, one c2s, one of everything else. Wants a release build with `bench` (cmake --build --preset
release --target all bench). --check: exit status 1 when a budget is not kept."""

import argparse
import json
import os
import subprocess
import sys
import time

import run
import servers

# transport: (the generator's options, the port, budget in bytes)
TRANSPORTS = {
    "ws": ([], lambda cluster: cluster.websockets()[0], 15000),
    "wss": (["--tls"], lambda cluster: cluster.websockets(is_secure=True)[0], 40000),
    "tcp": (["--tcp"], lambda cluster: cluster.tcp()[0], 15000),
    "tls": (["--tcp", "--tls"], lambda cluster: cluster.tcp(is_direct=True)[0], 40000),
}


def port_of(address):
    return address.rpartition(":")[2].partition("/")[0]


def by_process(server):
    return {name: run.pss_bytes([pid]) for pid, name in server.names().items()}


def measure(options, transport):
    """(bytes per session, {process: bytes per session})"""
    arguments, address, _ = TRANSPORTS[transport]
    server = servers.Jackdaw(options.bin, {"edge": 1, "c2s": 1}, {"c2s.require_tls": "no"})
    server.start(options.sessions)
    try:
        argv = [os.path.join(options.bin, "jackdaw-load"), "--port", port_of(address(server.cluster)), "--path",
                server.path, "--prefix", servers.PREFIX, "--password", servers.PASSWORD, "--plain", "--scenario",
                "idle", "--clients", str(options.sessions), "--seconds", str(options.seconds + 5), *arguments]
        time.sleep(1)
        empty = by_process(server)
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout:
                if line == "event=window_begin\n":
                    time.sleep(options.seconds)
                    held = by_process(server)
                elif line.startswith("{"):
                    report = json.loads(line)
    finally:
        server.stop()
    if report["ready"] != options.sessions:
        sys.exit("only %d of %d sessions over %s" % (report["ready"], options.sessions, transport))
    each = {name: (held[name] - empty[name]) / options.sessions for name in held}
    return sum(each.values()), each


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--transports", default="ws,wss,tls")
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=5, help="of silence before it is measured")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    is_kept = True
    print("| transport | PSS per session | budget | by process |\n|---|---|---|---|")
    for transport in options.transports.split(","):
        total, each = measure(options, transport)
        budget = TRANSPORTS[transport][2]
        is_kept = is_kept and total <= budget
        parts = sorted(each.items(), key=lambda item: -item[1])
        print("| %s | %.0f B | %d B | %s |" % (transport, total, budget, ", ".join(
            "%s %.0f" % item for item in parts if abs(item[1]) >= 50)), flush=True)
    return 0 if is_kept or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
