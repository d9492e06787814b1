"""Free TCP ports on the loopback interface."""

import random
import socket

# Below the range the kernel takes ports for outgoing connections from, so that nobody takes one of
# these between the look here and the daemon's bind().
_FIRST, _LAST = 20000, 31999


def is_free(port):
    """Whether a listener could be bound to `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def pick(taken):
    """A port that nobody listens on and that is not in the set `taken`, to which it is added."""
    for _ in range(1000):
        port = random.randint(_FIRST, _LAST)
        if port not in taken and is_free(port):
            taken.add(port)
            return port
    raise OSError("no free TCP port between %d and %d" % (_FIRST, _LAST))
