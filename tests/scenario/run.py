#!/usr/bin/env python3
"""Performs the scripted conversations in scripts/ against a server: run.py [options] [NAME...]

NAME is a part of a script's file name; without one all are performed. The environment that
`python3 -m cluster` sets gives the defaults: CLUSTER_WS and CLUSTER_WSS (addresses, comma separated, one
per edge: users are spread over them), CLUSTER_TCP (host:port, ...), CLUSTER_CTL (the operator's command,
JACKDAWCTL works too) and CLUSTER_DOMAIN. Without an operator's command accounts are registered in band.
Prints a line per script and, last, 'N passed, N failed'.
"""

import argparse
import asyncio
import glob
import os
import shlex
import sys
import time
import traceback

from play import script
from play.client import Client, Failure, Frames, Stream
from play.script import ScriptError
from play.stage import Setting, Skipped, Stage

HERE = os.path.dirname(os.path.abspath(__file__))


def addresses(*names):
    for name in names:
        if os.environ.get(name):
            return os.environ[name]
    return ""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--ws", default=addresses("CLUSTER_WS"), help="ws:// addresses")
    parser.add_argument("--wss", default=addresses("CLUSTER_WSS"), help="wss:// addresses")
    parser.add_argument("--tcp", default=addresses("CLUSTER_TCP"), help="host:port addresses")
    parser.add_argument("--tls", default=addresses("CLUSTER_TLS"), help="host:port addresses of direct TLS")
    parser.add_argument("--transport", choices=("ws", "wss", "tcp"), default="ws")
    parser.add_argument("--ctl", default=addresses("CLUSTER_CTL", "JACKDAWCTL"),
                        help="the operator's command as shell text")
    parser.add_argument("--register", action="store_true", help="make accounts in band all the same")
    parser.add_argument("--domain", default=addresses("CLUSTER_DOMAIN") or "localhost")
    parser.add_argument("--other-domain", default=addresses("CLUSTER_OTHER_DOMAIN"),
                        help="one more of the same cluster")
    parser.add_argument("--jobs", type=int, default=6, help="scripts at a time")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds for what is due")
    parser.add_argument("--verbose", action="store_true", help="print what was said, even on success")
    return parser.parse_args()


def account_maker(options, urls):
    async def by_operator(jid, password):
        command = shlex.split(options.ctl) + ["user", "add", jid]
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT)
        said, _ = await process.communicate((password + "\n").encode())
        if process.returncode != 0:
            raise Failure("%s: status %d: %s" % (" ".join(command), process.returncode, said.decode()))

    async def in_band(jid, password):
        name, _, domain = jid.partition("@")
        framing = Stream() if options.transport == "tcp" else Frames()
        client = Client("(register)", urls[0], framing, lambda line: None)
        await client.connect()
        await client.open_stream(domain, options.patience)
        answer = await client.ask(
            "set", "<query xmlns='jabber:iq:register'><username>%s</username><password>%s</password>"
            "</query>" % (name, password), options.patience)
        await client.leave()
        if answer.get("type") != "result":
            raise Failure("the account %s cannot be registered" % jid)

    return by_operator if options.ctl and not options.register else in_band


def split(text, scheme=""):
    return [scheme + each for each in text.split(",") if each]


def setting_from(options):
    plain = {"ws": split(options.ws), "wss": split(options.wss), "tcp": split(options.tcp, "tcp://")}
    urls = plain[options.transport]
    if not urls:
        sys.exit("no address for %s: start me with python3 -m cluster, or give --%s" % (
            options.transport, options.transport))
    transport = "tcp" if options.transport == "tcp" else "ws"
    secure_urls = split(options.tls, "tcps://") if transport == "tcp" else split(options.wss)
    return Setting(transport, urls, secure_urls, options.domain, options.patience,
                   account_maker(options, urls), os.environ.get("CLUSTER_AUTHORITY"),
                   plain["ws" if transport == "tcp" else "tcp"], options.other_domain)


def indent(text):
    return "\n".join("      " + line for line in text.splitlines())


async def perform(path, setting, number, verbose):
    """(outcome, what to print below the script's line)"""
    stage = Stage(setting, number)
    trouble, outcome = "", "ok"
    try:
        _, statements = script.read(path)
        await stage.perform(statements)
    except Skipped as skipped:
        return "skip", str(skipped)
    except (Failure, ScriptError) as failure:
        trouble, outcome = str(failure), "FAIL"
    except Exception:  # pylint: disable=broad-except  # one script must not end the others
        trouble, outcome = traceback.format_exc(limit=-3), "FAIL"
    finally:
        await stage.end()
    if outcome == "FAIL" or verbose:
        trouble += "\n-- the last that was said --\n" + stage.told()
    return outcome, trouble


async def perform_all(paths, setting, options):
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    limit = asyncio.Semaphore(options.jobs)

    async def one(number, path):
        name = os.path.basename(path)[:-len(".txt")]
        async with limit:
            started = time.monotonic()
            try:
                outcome, trouble = await asyncio.wait_for(
                    perform(path, setting, number, options.verbose), 30 * options.patience)
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
                outcome, trouble = "FAIL", "%s: %s" % (type(error).__name__, error)
            took = time.monotonic() - started
        counts[outcome] += 1
        print("%-4s %s (%.1f s)" % (outcome, name, took), flush=True)
        if trouble:
            print(indent(trouble), flush=True)

    await asyncio.gather(*(one(number, path) for number, path in enumerate(paths)))
    return counts


def main():
    options = arguments()
    paths = sorted(glob.glob(os.path.join(HERE, "scripts", "*.txt")))
    if options.names:
        paths = [path for path in paths
                 if any(name in os.path.basename(path) for name in options.names)]
    counts = asyncio.run(perform_all(paths, setting_from(options), options))
    skipped = ", %d skipped" % counts["skip"] if counts["skip"] else ""
    print("%d passed, %d failed%s" % (counts["ok"], counts["FAIL"], skipped))
    sys.exit(1 if counts["FAIL"] or not counts["ok"] else 0)


if __name__ == "__main__":
    main()
