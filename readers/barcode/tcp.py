"""Scanners that speak over TCP: most are servers (`address` is where), some call in (`listen = true`), as Android's
DataWedge does with its IP output; then `address` is where we listen, and the newest caller is the scanner.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from readers.barcode.line import Line, LineOptions, LineScanner
from readers.barcode.scanner import Deliver, Scanner, ScannerSettings, ScannerState, read_options
from readers.errors import ReaderError

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 5.0
"""A scanner on the site's own network answers within milliseconds; the kernel would try for minutes."""

RETRY_LISTEN_S: Final = 5.0
"""Between two attempts to listen at an address that is taken, or that this machine does not have yet."""


class TcpOptions(LineOptions):
    """What a configuration may say about a scanner over TCP."""

    listen: bool = False
    """The scanner calls us."""


def tcp_scanner(settings: ScannerSettings, deliver: Deliver) -> Scanner:
    """The driver `tcp`. Raises ReaderError for options or an address that cannot work."""
    options = read_options(TcpOptions, settings, "tcp")
    host, port = _host_and_port(settings)
    if options.listen:
        return ListeningScanner(settings.name, host, port, options, deliver)

    async def open_line(make: Callable[[], Line]) -> Line:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, line = await asyncio.get_running_loop().create_connection(make, host, port)
        except TimeoutError as error:
            raise ConnectionError(f"{host}:{port} does not answer within {CONNECT_TIMEOUT_S:g} s") from error
        return line

    return LineScanner(settings.name, open_line, options, deliver)


class ListeningScanner:
    """A scanner that calls in. A new call ends the one before: the device came back before its old line was missed."""

    def __init__(self, name: str, host: str, port: int, options: TcpOptions, deliver: Deliver) -> None:
        self.port = port
        """Where it listens; once listening also for port 0."""
        self._name = name
        self._host = host
        self._options = options
        self._deliver = deliver
        self._line: Line | None = None

    async def run(self) -> None:
        """Listen until cancelled (see readers.barcode.scanner.Scanner)."""
        loop = asyncio.get_running_loop()
        told = False
        while True:
            try:
                server = await loop.create_server(self._called, self._host, self.port)
            except OSError as error:
                if not told:
                    told = True
                    logger.warning("scanner %s: cannot listen at %s:%d: %s", self._name, self._host, self.port, error)
                await asyncio.sleep(RETRY_LISTEN_S)
                continue
            self.port = server.sockets[0].getsockname()[1]
            try:
                await asyncio.Event().wait()
            finally:
                server.close()
                if self._line is not None:
                    self._line.close()

    def answer(self, signal: bytes) -> None:
        """Send a signal to the newest caller, as far as there is one."""
        if self._line is not None:
            self._line.write(signal)

    def _called(self) -> Line:
        line = Line(self._options, self._deliver)
        if self._line is not None:
            self._line.close()
        else:
            self._deliver(ScannerState(up=True))
        self._line = line
        line.ended.add_done_callback(lambda ended: self._hung_up(line, ended.result()))
        return line

    def _hung_up(self, line: Line, reason: str) -> None:
        if line is self._line:
            self._line = None
            self._deliver(ScannerState(up=False, detail=reason))


def _host_and_port(settings: ScannerSettings) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{settings.address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None:
        raise ReaderError(f"scanner {settings.name}: address {settings.address!r}: write host:port or [address]:port")
    return host, port
