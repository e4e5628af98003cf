"""TCP ports for services that must come back on the same one after a restart."""

import random
import socket

# Below Linux's default ephemeral range (32768 and up), so that no outgoing connection takes the port while its
# server is down between stop() and start().
_LOWEST, _HIGHEST = 20000, 32000


def free_port() -> int:
    """Pick a random port on 127.0.0.1 that nobody listens on."""
    for port in random.sample(range(_LOWEST, _HIGHEST), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"200 ports tried between {_LOWEST} and {_HIGHEST}, all taken")


def listening(port: int) -> bool:
    """Say whether somebody accepts connections on 127.0.0.1 at this port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
