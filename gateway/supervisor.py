"""Joins readers, judgement and journal: gathers what readers deliver, judges it each tick, keeps what was decided.

One tick is one transaction: its movements, the readers' health and the tags' changed state are kept together or not at
all (docs/adr/0009). While the journal refuses (quota, disk) the decided tick is held and offered again, and nothing new
is judged; reads wait up to MAX_WAITING_READS and are then dropped, loudly. Movements never are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.errors import JournalError
from gateway.journal import Journal
from gateway.pipeline import Pipeline, StepResult
from gateway.stats import GatewayStats
from readers.driver import Driver
from readers.errors import DriverNotFoundError
from readers.read import ReadBatch, ReaderEvent, ReaderNotice, ReaderState, from_us, to_us
from wire.clock import Clock
from wire.events import ReaderHealth

logger = logging.getLogger(__name__)

MIN_TICK_S: Final = 0.02
"""Real seconds between two ticks at least: at high speeds one step covers a longer span instead."""

MAX_WAITING_READS: Final = 2_000_000
"""Reads held while the journal refuses: 64 MB, an hour of a busy door."""

RETRY_S: Final = 1.0
"""Real seconds between two offers to a journal that refuses."""

RESTART_S: Final = 5.0
"""Real seconds before a driver that broke down is started again."""


@dataclass(frozen=True, slots=True)
class _Tick:
    """What one tick decided, until the journal has it."""

    health: list[ReaderHealth]
    step: StepResult


class Supervisor:
    """Runs the judgement of one gateway. `decided` is called whenever the journal has something new to send."""

    def __init__(
        self,
        pipeline: Pipeline,
        journal: Journal,
        clock: Clock,
        tick_ms: int,
        stats: GatewayStats,
        decided: Callable[[], None],
    ) -> None:
        self._pipeline = pipeline
        self._journal = journal
        self._clock = clock
        self._tick_s = tick_ms / 1000
        self._stats = stats
        self._decided = decided
        self._events: list[ReaderEvent] = []
        self._waiting_reads = 0
        self._up: dict[str, bool] = {}

    def deliver(self, event: ReaderEvent) -> None:
        """Take what a driver's reader saw; judged at the next tick."""
        if isinstance(event, ReadBatch):
            if self._waiting_reads + len(event.reads) > MAX_WAITING_READS:
                if not self._stats.dropped_reads:
                    logger.error("reads are dropped: judging stands still waiting=%d", self._waiting_reads)
                self._stats.dropped_reads += len(event.reads)
                return
            self._waiting_reads += len(event.reads)
        self._events.append(event)

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until stopped; the last tick takes everything delivered before it."""
        self._pipeline.restore(await self._journal.load_tags(), to_us(self._clock.now()))
        while not stop.is_set():
            await asyncio.gather(self._clock.sleep(self._tick_s), asyncio.sleep(MIN_TICK_S))
            await self._keep(self._judge(), stop)
        await self._keep(self._judge(), stop)

    def _judge(self) -> _Tick:
        events, self._events, self._waiting_reads = self._events, [], 0
        step = self._pipeline.step(events, to_us(self._clock.now()))
        self._stats.reads += step.reads
        self._stats.foreign += step.foreign
        self._stats.late += step.late
        return _Tick([health for event in events if (health := self._health(event)) is not None], step)

    def _health(self, event: ReaderEvent) -> ReaderHealth | None:
        """A reader that came, went or complained, as an event; a state that is no news is none."""
        if isinstance(event, ReaderNotice):
            return ReaderHealth(
                reader=event.reader, state=event.kind, detail=event.detail[:500], observed_at=from_us(event.at_us)
            )
        if not isinstance(event, ReaderState):
            return None
        up = bool(event.antennas)
        if self._up.get(event.reader, False) == up:
            return None
        self._up[event.reader] = up
        self._stats.readers_up = sum(self._up.values())
        state = "connected" if up else "lost"
        return ReaderHealth(
            reader=event.reader, state=state, detail=event.detail[:500], observed_at=from_us(event.at_us)
        )

    async def _keep(self, tick: _Tick, stop: asyncio.Event) -> None:
        step = tick.step
        if not (tick.health or step.movements or step.changed or step.forgotten):
            return
        while True:
            try:
                await self._journal.append([*step.movements, *tick.health], step.changed, step.forgotten)
            except JournalError as error:
                if self._stats.judging:
                    logger.error("judging stands still: %s", error)
                    self._stats.judging = False
                if stop.is_set():
                    raise
                await asyncio.sleep(RETRY_S)
            else:
                break
        if not self._stats.judging:
            logger.warning("judging goes on: the journal takes events again")
            self._stats.judging = True
        self._stats.movements += len(step.movements)
        if step.movements or tick.health:
            self._decided()


async def keep_driving(name: str, driver: Driver) -> None:
    """Run one reader's driver until cancelled; one that breaks down is logged and started again."""
    while True:
        try:
            await driver.run()
        except DriverNotFoundError:
            raise
        except Exception:
            logger.exception("the driver of reader %s broke down; it starts again in %.0f s", name, RESTART_S)
        await asyncio.sleep(RESTART_S)
