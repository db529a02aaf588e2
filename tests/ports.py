"""Ports that stay free until somebody binds them.

They lie below what the system gives to whoever asks for any port, and each of the processes that tests run in has a
range of its own, so nobody takes one between the look and the bind.
"""

from __future__ import annotations

import itertools
import os
import socket
from typing import Final

import pytest

FIRST: Final = 20_000
EACH: Final = 1_000
"""More than one process of tests ever asks for."""

_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(range(FIRST + _WORKER % 12 * EACH, FIRST + _WORKER % 12 * EACH + EACH))


def free_port() -> int:
    """A loopback port that nobody listens on, not given before."""
    for port in itertools.islice(_ports, EACH):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no port is free from {FIRST} on")


@pytest.fixture
def unused_tcp_port() -> int:
    """In place of pytest-asyncio's, which anybody may take meanwhile."""
    return free_port()
