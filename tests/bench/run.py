#!/usr/bin/env python3
"""Measures Jackdaw, ejabberd and Prosody side by side: tests/bench/run.py [--help]

CPU is user and system time of all processes of a server (Redis and the database with them) over the
measured time, divided by the units of work done in it; memory is PSS. Each server runs alone, one after
the other, with the same generator (jackdaw-load, standard XMPP only), --rounds times; the table shows
median and min to max."""

import argparse
import json
import os
import statistics
import subprocess
import sys

import servers

TICK = os.sysconf("SC_CLK_TCK")

# name, generator arguments, clients, what is counted
SCENARIOS = {
    "login": (["--scenario", "login", "--logins", "100"], 400, "login"),
    "idle": (["--scenario", "idle", "--seconds", "5", "--plain"], 400, "idle"),
    "idle-sm": (["--scenario", "idle", "--seconds", "5", "--plain", "--sm"], 400, "idle"),
    "chat-1000": (["--scenario", "chat", "--rate", "1000", "--plain"], 200, "message"),
    "chat-3000-sm": (["--scenario", "chat", "--rate", "3000", "--plain", "--sm"], 200, "message"),
    "chat-5000": (["--scenario", "chat", "--rate", "5000", "--plain"], 200, "message"),
    "max": (["--scenario", "max", "--window", "1", "--plain"], 200, "message"),
}


def cpu_us(pids):
    total = {}
    for pid in pids:
        try:
            with open("/proc/%d/stat" % pid) as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            total[pid] = (int(fields[11]) + int(fields[12])) * 1e6 / TICK
        except OSError:
            total[pid] = 0
    return total


def pss_bytes(pids):
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as rollup:
                for line in rollup:
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        except OSError:
            pass
    return total


def measure(server, generator, scenario, seconds):
    arguments, clients, unit = SCENARIOS[scenario]
    port_list = server.ports()
    share = clients // len(port_list) // 2 * 2
    empty = pss_bytes(server.pids())
    children, begin, end = [], {}, {}
    for i, port in enumerate(port_list):
        argv = [generator, "--port", str(port), "--path", server.path, "--clients", str(share),
                "--first", str(i * share), "--prefix", servers.PREFIX, "--password",
                servers.PASSWORD] + arguments
        if "--seconds" not in arguments:
            argv += ["--seconds", str(seconds)]
        if "--rate" in argv:
            at = argv.index("--rate") + 1
            argv[at] = str(int(argv[at]) // len(port_list))
        children.append(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
    reports, held = [], 0
    for child in children:
        for line in child.stdout:
            if line == "event=window_begin\n":
                begin = begin or cpu_us(server.pids())
                held = pss_bytes(server.pids()) if unit == "idle" else 0
            elif line == "event=window_end\n":
                end = end or cpu_us(server.pids())
            elif line.startswith("{"):
                reports.append(json.loads(line))
        child.wait()
    return figures(server, unit, reports, begin, end, (held - empty) / (share * len(port_list)))


def figures(server, unit, reports, begin, end, pss):
    used = {pid: end.get(pid, 0) - begin.get(pid, 0) for pid in end}
    count = {"message": sum(r["in_window"] for r in reports),
             "login": sum(r["ready"] for r in reports), "idle": 1}[unit]
    result = {"failed": sum(r["failed"] for r in reports),
              "lost": sum(r["sent"] - r["received"] for r in reports)}
    if unit == "idle":
        result["pss_bytes"] = pss
    else:
        result["cpu_us"] = sum(used.values()) / max(count, 1)
        result["per_second"] = sum(r["per_second"] for r in reports)
        result["p99_ms"] = max(r["p99_ms"] for r in reports)
        named = server.names()
        result["by_process"] = {named.get(pid, str(pid)): round(us / max(count, 1), 1)
                                for pid, us in sorted(used.items())}
    return result


def show(scenario, server, results):
    cells = []
    for key, form in (("cpu_us", "%.0f µs"), ("pss_bytes", "%.0f B"), ("per_second", "%.0f/s"),
                      ("p99_ms", "p99 %.1f ms"), ("lost", "lost %d"), ("failed", "failed %d")):
        values = [r[key] for r in results if key in r]
        if values:
            cells.append((form + " (" + form + " to " + form + ")") % (
                statistics.median(values), min(values), max(values))
                if len(values) > 1 else form % values[0])
    print("| %s | %s | %s |" % (scenario, server, " | ".join(cells)), flush=True)
    if results and "by_process" in results[-1]:
        print("  ", results[-1]["by_process"], file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="build/release/bin")
    parser.add_argument("--servers", default="jackdaw,ejabberd,prosody")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--edges", type=int, default=1)
    parser.add_argument("--routers", type=int, default=1)
    arguments = parser.parse_args()
    kinds = {
        "jackdaw": lambda: servers.Jackdaw(arguments.bin, {"edge": arguments.edges,
                                                           "router": arguments.routers}),
        "ejabberd": servers.Ejabberd,
        "prosody": servers.Prosody,
    }
    scenarios = arguments.scenarios.split(",")
    generator = os.path.join(arguments.bin, "jackdaw-load")
    users = max(SCENARIOS[s][1] for s in scenarios)
    for kind in arguments.servers.split(","):
        server = kinds[kind]()
        server.start(users)
        try:
            for scenario in scenarios:
                show(scenario, server.name, [measure(server, generator, scenario, arguments.seconds)
                                             for _ in range(arguments.rounds)])
        finally:
            server.stop()


if __name__ == "__main__":
    main()
