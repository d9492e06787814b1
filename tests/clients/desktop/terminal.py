"""A program for terminals, in a tmux of its own: keys go in, the screen comes out."""

import asyncio
import os
import re
import tempfile
import time

from desktop import CERTIFICATE, PATIENCE


class Terminal:
    """`home` is a fresh folder that the program takes for its user's."""

    def __init__(self):
        # The program may write its last while the folder goes.
        self._folder = tempfile.TemporaryDirectory(prefix="jackdaw-terminal-", ignore_cleanup_errors=True)
        self.home = os.path.join(self._folder.name, "home")
        os.makedirs(self.home)

    async def _tmux(self, *words):
        child = await asyncio.create_subprocess_exec(
            "tmux", "-u", "-S", os.path.join(self._folder.name, "socket"), "-f", os.devnull, *words,
            env={"PATH": os.environ["PATH"], "HOME": self.home, "LANG": "C.UTF-8",
                 "TERM": "screen-256color", "SSL_CERT_FILE": CERTIFICATE},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        said, _ = await child.communicate()
        return said.decode("utf-8", "replace")

    async def start(self, *argv):
        await self._tmux("new-session", "-d", "-x", "180", "-y", "50", *argv)

    async def keys(self, *names):
        await self._tmux("send-keys", *names)

    async def enter(self, text):
        await self._tmux("send-keys", "-l", text)
        await self.keys("Enter")

    async def screen(self):
        return await self._tmux("capture-pane", "-p")

    async def shows(self, pattern, seconds=PATIENCE):
        """Waits until the screen has something that matches; returns the match."""
        end = time.monotonic() + seconds
        while True:
            screen = await self.screen()
            found = re.search(pattern, screen)
            if found:
                return found
            if time.monotonic() > end:
                raise AssertionError("nothing like %s on the screen:\n%s" % (pattern, screen.rstrip()))
            await asyncio.sleep(0.1)

    async def end(self):
        await self._tmux("kill-server")
        self._folder.cleanup()
