"""A dumb scanner at the gateway: its codes become scans here, at the device's edge, and its answers are signals.

    scanner ──code──▶ ScanSession (pure) ──ScanRequest──▶ queue ──▶ ScanDesk ──▶ journal
       ◀── signal: stored | applied | refused | command ─────────────┘

A scan that the journal cannot take waits here and is offered again; the person hears nothing, so does not go on. Beyond
MAX_WAITING scans are refused, loudly: nobody thinks that they count.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import Final
from uuid import uuid4

from gateway.config import Scanner as ScannerConfig
from gateway.errors import JournalError
from gateway.scans import ScanDesk
from gateway.stats import GatewayStats
from readers.backoff import Backoff
from readers.barcode.framing import Unreadable
from readers.barcode.scanner import ScannerEvent, ScannerSettings, ScannerState, find_scanner
from readers.barcode.session import Commanded, Counted, Refused, ScanSession
from wire.ack import ScanOutcome, ScanRequest
from wire.clock import Clock

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 100
"""Scans of one scanner that wait for the journal: a person who hears nothing stops long before."""

RETRY_S: Final = 1.0
"""Real seconds between two offers to a journal that refuses."""

LONGEST_RESTART_S: Final = 60.0
"""A driver that breaks down again and again is started at least this often."""


class WiredScanner:
    """One scanner of the configuration. Raises ReaderError when its driver is not installed or refuses its options."""

    def __init__(self, config: ScannerConfig, desk: ScanDesk, clock: Clock, stats: GatewayStats) -> None:
        self._name = config.name
        self._desk = desk
        self._clock = clock
        self._stats = stats
        self._signals = {
            name: signal.encode("latin-1") for name, signal in config.answers.model_dump().items() if signal
        }
        self._session = ScanSession(config.defaults, lambda: uuid4().hex, config.repeat_ms)
        self._waiting: asyncio.Queue[ScanRequest] = asyncio.Queue(MAX_WAITING)
        settings = ScannerSettings(config.name, config.address, config.options)
        self._scanner = find_scanner(config.driver)(settings, self.hear)
        stats.scanners[config.name] = False
        desk.wire(config.name, self.told)

    async def run(self) -> None:
        """Serve the scanner until cancelled; what it said before is still offered to the journal, once."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._drive())
                group.create_task(self._keep())
        finally:
            while not self._waiting.empty():
                await self._offer(self._waiting.get_nowait())

    def hear(self, event: ScannerEvent) -> None:
        """Take what the scanner said."""
        if isinstance(event, ScannerState):
            self._stats.scanners[self._name] = event.up
        elif isinstance(event, Unreadable):
            self._refuse(event.reason)
        else:
            self._read(event.text)

    def told(self, outcome: ScanOutcome) -> None:
        """Signal what became of a scan."""
        if outcome.state == "refused":
            logger.warning("scan refused scanner=%s scan=%s: %s", self._name, outcome.scan_id, outcome.reason)
        self._signal(outcome.state)

    def _read(self, code: str) -> None:
        meaning = self._session.read(code, self._clock.now())
        if isinstance(meaning, Counted):
            try:
                self._waiting.put_nowait(meaning.request)
            except asyncio.QueueFull:
                self._refuse(f"{MAX_WAITING} scans wait for the journal already")
        elif isinstance(meaning, Commanded):
            logger.info("scanner %s: %s", self._name, meaning.context.model_dump_json(exclude_none=True))
            self._signal("command")
        elif isinstance(meaning, Refused):
            self._refuse(f"{meaning.code!r}: {meaning.reason}")

    def _refuse(self, reason: str) -> None:
        self._stats.refused_scans += 1
        logger.warning("no scan scanner=%s: %s", self._name, reason)
        self._signal("refused")

    def _signal(self, name: str) -> None:
        if name in self._signals:
            self._scanner.answer(self._signals[name])

    async def _drive(self) -> None:
        backoff = Backoff(random.random, longest_s=LONGEST_RESTART_S)
        while True:
            try:
                await self._scanner.run()
            except Exception:
                logger.exception("the driver of a scanner broke down scanner=%s", self._name)
            self._stats.scanners[self._name] = False
            await asyncio.sleep(backoff.next_wait_s())

    async def _keep(self) -> None:
        while True:
            request = await self._waiting.get()
            try:
                told = False
                while not await self._offer(request, quietly=told):
                    told = True
                    await asyncio.sleep(RETRY_S)
            except asyncio.CancelledError:
                with suppress(JournalError):
                    await self._desk.take(self._name, request)
                raise

    async def _offer(self, request: ScanRequest, *, quietly: bool = False) -> bool:
        try:
            await self._desk.take(self._name, request)
        except JournalError as error:
            if not quietly:
                logger.error("scan not kept yet scanner=%s: %s", self._name, error)  # noqa: TRY400
            return False
        return True
