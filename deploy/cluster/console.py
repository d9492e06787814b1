"""What a person sees: one line per event of any daemon, with its name in front."""

import re
import sys
import threading
import time

_EVENT = re.compile(r"time=\S*?T?(\d\d:\d\d:\d\d)\S* level=(\w+) daemon=\S+ instance=\S+ event=(.*)")
_COLOURS = (36, 32, 35, 34, 33, 96, 92, 95)
_LEVELS = {"error": 31, "warn": 33}


class Console:
    def __init__(self, out=sys.stdout):
        self._out = out
        self._lock = threading.Lock()
        self._is_terminal = out.isatty()
        self._colours = {}

    def _paint(self, text, colour):
        return "\033[%dm%s\033[0m" % (colour, text) if self._is_terminal else text

    def say(self, text):
        with self._lock:
            print(text, file=self._out, flush=True)

    def line(self, name, text):
        """A line that the process `name` wrote."""
        event = _EVENT.match(text)
        clock = event.group(1) if event else time.strftime("%H:%M:%S")
        level = event.group(2) if event else ""
        words = event.group(3) if event else text
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        if level in _LEVELS:
            words = self._paint("%s: %s" % (level, words), _LEVELS[level])
        self.say("%s %s %s" % (clock, self._paint("%-11s" % name, colour), words))
