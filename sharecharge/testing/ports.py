"""Ports for servers of tests. Standard library only."""

import contextlib
import secrets
import socket

# Below those from which systems take the ports of outgoing connections, of which tests make many.
PORTS = range(15_000, 32_000)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at, and that nobody is likely to take until a server has started."""
    while True:
        port = secrets.choice(PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
