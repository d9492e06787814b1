"""What lies between clients and daemons: a network namespace of the run's own, in which packets can be
lost and connections go silent without anybody being told (nftables).

The whole run moves into the namespace (enter()); nothing outside is touched.
"""

import asyncio
import os
import shutil
import subprocess
import sys

_TABLE = "jackdaw_faults"
_MARK = "FAULTS_NAMESPACE"


def enter():
    """Starts this program anew in a network namespace of its own; returns once it is in there.
    Says why when it cannot: then faults of the network are not caused."""
    if os.environ.get(_MARK):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return True
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nft"):
        print("no faults of the network: they take root, unshare (util-linux) and nft (nftables)")
        return False
    os.environ[_MARK] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable] + sys.argv)
    return False


def _nft(rules):
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)


class Gate:
    """`ports`: where clients connect to."""

    def __init__(self, ports):
        self._ports = "{ %s }" % ", ".join(map(str, sorted(ports)))

    async def _with(self, rules, seconds):
        """The rules, for packets to (`{to}`) and from (`{back}`) the ports of the daemons."""
        lines = "\n".join("  " + rule for rule in rules)
        await asyncio.to_thread(_nft, "table inet %s {\n chain in {\n  type filter hook input priority 0;\n%s\n }\n}\n"
                                % (_TABLE, lines))
        try:
            await asyncio.sleep(seconds)
        finally:
            await asyncio.to_thread(_nft, "delete table inet %s\n" % _TABLE)

    async def silence(self, seconds):
        """Half of the connections (by the client's port): nothing passes in either direction."""
        await self._with(["tcp dport %s tcp sport & 1 == 1 drop" % self._ports,
                          "tcp sport %s tcp dport & 1 == 1 drop" % self._ports], seconds)

    async def lose(self, seconds, percent=10):
        """That many packets of a hundred, both ways."""
        share = "numgen random mod 100 < %d drop" % percent
        await self._with(["tcp dport %s %s" % (self._ports, share),
                          "tcp sport %s %s" % (self._ports, share)], seconds)
