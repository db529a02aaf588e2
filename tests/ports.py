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
RANGES: Final = 12
"""As many as there is room for below 32,768, where Linux begins to give ports."""

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_begin = FIRST + _worker % RANGES * EACH
_ports = itertools.cycle(range(_begin, _begin + EACH))


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
    raise OSError(f"no port is free from {_begin} to {_begin + EACH - 1}")


@pytest.fixture
def unused_tcp_port() -> int:
    """In place of pytest-asyncio's, which anybody may take meanwhile."""
    return free_port()
