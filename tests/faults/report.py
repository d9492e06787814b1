"""What a run was and what it found, as Markdown."""

import datetime
import os
import platform
import shlex
import sys

_NAMES = (
    ("users", "users"), ("seconds", "seconds"), ("faults", "faults"), ("sent", "messages sent"),
    ("acknowledged", "acknowledged to their senders"), ("arrived", "arrived"), ("lost", "lost"),
    ("doubled", "doubled"), ("reordered", "reordered"), ("forged", "never sent, but arrived"),
    ("unacknowledged", "not acknowledged at the end"), ("resumed", "sessions resumed"),
    ("resume_failed", "resumptions refused"), ("bounced", "bounced"),
    ("longest_unacknowledged_s", "longest wait for an acknowledgement, seconds"))


def _machine():
    with open("/proc/meminfo", encoding="ascii") as lines:
        kilobytes = int(next(lines).split()[1])
    return "%d cores, %d GB, Linux %s" % (os.cpu_count(), round(kilobytes / 1e6), platform.release().partition("-")[0])


def _build(directory):
    """The preset's name: build/PRESET/bin."""
    return os.path.basename(os.path.dirname(os.path.abspath(directory)))


def _row(*cells):
    return "| %s |" % " | ".join(map(str, cells))


def write_report(path, run, figures, verdict, complaints):
    lines = ["## %s" % verdict[:1].upper() + verdict[1:], "",
             "    tests/faults/run.py " + shlex.join(sys.argv[1:]), "",
             "%s; %s; %s build; %s; cluster: %s." % (
                 datetime.date.today().isoformat(), _machine(), _build(run.arguments.bin),
                 "PostgreSQL" if run.postgres else "SQLite",
                 ", ".join("%d %s" % (count, kind) for kind, count in run.cluster_counts().items())),
             "", _row("what", "figure"), _row("---", "---:")]
    lines += [_row(words, figures[name]) for name, words in _NAMES]
    lines += [_row("latency %s, ms" % name, value) for name, value in figures["latency_ms"].items()]
    lines += [_row("by way: " + way, count) for way, count in sorted(figures["by_way"].items())]
    lines += ["", _row("at second", "fault", "over after"), _row("---:", "---", "---:")]
    lines += [_row("%.0f" % at, name, "%.1f s" % seconds) for at, name, seconds in run.faults]
    for heading, what in (("Complaints", complaints), ("Troubles", run.ledger.troubles[:50])):
        if what:
            lines += ["", heading + ":", ""] + ["- `%s`" % each for each in what]
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
