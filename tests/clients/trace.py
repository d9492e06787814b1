#!/usr/bin/env python3
"""jackdawctl trace shows where a message went. The environment is that of cluster.mjs; the cluster must
trace the account tracer@DOMAIN (trace.keep, trace.accounts)."""

import asyncio
import json
import os
import shlex
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy"))
from cluster.xmppws import Client, XmppError, local  # noqa: E402

DOMAIN = os.environ.get("CLUSTER_DOMAIN", "localhost")
EDGES = os.environ.get("CLUSTER_WS", "").split(",")


async def _log_in(name, url):
    client = await Client.connect(url, DOMAIN)
    features = await client.open_stream()
    await client.register(name, "pass " + name)
    await client.log_in(name, "pass " + name, "r", features)
    client.send("<presence xmlns='jabber:client'/>")
    return client


def _trace(name):
    done = subprocess.run(shlex.split(os.environ["CLUSTER_CTL"]) + ["--json", "trace", name],
                          capture_output=True, text=True, timeout=60)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


async def _until(client, wanted):
    while True:
        element = await asyncio.wait_for(client.receive(), 20)
        if local(element) == "message" and element.get("id") == wanted:
            return


async def _play():
    tracer = await _log_in("tracer", EDGES[0])
    other = await _log_in("untraced", EDGES[-1])
    third = await _log_in("untraced3", EDGES[0])
    tracer.send("<message xmlns='jabber:client' to='%s' type='chat' id='traced-1'><body>secret words</body>"
                "</message>" % other.jid)
    other.send("<message xmlns='jabber:client' to='%s' type='chat' id='untraced-1'><body>hi</body>"
               "</message>" % third.jid)
    await _until(other, "traced-1")
    await _until(third, "untraced-1")
    found = []
    for _ in range(100):  # the last note may still be on its way
        found = _trace("traced-1")
        if isinstance(found, list) and {"accepted", "sent to", "with the session"} <= {n["what"] for n in found}:
            break
        await asyncio.sleep(0.1)
    else:
        raise XmppError("the trace is not whole: %s" % found)
    print("\n".join("%(after)8s  %(daemon)-10s %(what)s %(detail)s" % note for note in found))
    if "secret words" in json.dumps(found):
        raise XmppError("a body is in a trace")
    kinds = [note["daemon"].rsplit("-", 1)[0] for note in found]
    if kinds[0] != "edge" or "router" not in kinds:
        raise XmppError("the way does not begin at an edge or leads past no router: %s" % kinds)
    by_origin = _trace(found[0]["trace id"])
    if [n["what"] for n in by_origin][:1] != ["accepted"]:
        raise XmppError("the origin id does not lead to the same trace")
    missing = _trace("untraced-1")
    if not isinstance(missing, str) or "trace.accounts" not in missing:
        raise XmppError("an account was traced that nobody asked for: %s" % missing)
    for client in (tracer, other, third):
        client.leave()


if __name__ == "__main__":
    asyncio.run(_play())
    print("1 passed, 0 failed")
