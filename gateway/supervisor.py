"""Joins readers, judgement and journal: gathers what readers deliver, judges it each tick, keeps what was decided.

One tick is one transaction: its movements, the readers' health and the tags' changed state are kept together or not at
all (docs/adr/0009). While the journal refuses (quota, disk) the decided tick is held and offered again, and nothing new
is judged; reads wait, up to MAX_WAITING_READS. Beyond that they are dropped, loudly, and their readers count as off for
that time: what was not looked at is not absent.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import JournalError
from gateway.journal import Journal
from gateway.pipeline import Pipeline, StepResult
from gateway.stats import GatewayStats
from readers.backoff import Backoff
from readers.driver import Driver
from readers.read import ReadBatch, ReaderEvent, ReaderNotice, ReaderState, from_us, to_us
from wire.clock import Clock
from wire.events import Movement, ReaderHealth

logger = logging.getLogger(__name__)

MIN_TICK_S: Final = 0.02
"""Real seconds between two ticks at least: at high speeds one step covers a longer span instead."""

MAX_WAITING_READS: Final = 2_000_000
"""Reads held while the journal refuses: 64 MB, an hour of a busy door."""

RETRY_S: Final = 1.0
"""Real seconds between two offers to a journal that refuses."""

LONGEST_RESTART_S: Final = 60.0
"""A driver that breaks down again and again is started at least this often."""

CATCH_UP: Final = 2.0
"""After a stall of this process judging goes on at most this many times as fast as usual, so that what the stall left
in the readers' sockets is read before its instant is judged: doors do not use late reads of readers that are on."""

PACE_WEIGHT: Final = 0.1
"""How much one tick tells of the usual pace: a stall among ten ticks does not."""

MAX_DETAIL: Final = 500
"""Characters of a reader's complaint that travel; wire.events.ReaderHealth refuses more."""


@dataclass(frozen=True, slots=True)
class _Tick:
    """What one tick decided, until the journal has it."""

    health: list[ReaderHealth]
    step: StepResult


class Supervisor:
    """Runs the judgement of one gateway. `decided` is called, with the movements in it, whenever the journal has
    something new to send.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        journal: Journal,
        clock: Clock,
        tick_ms: int,
        stats: GatewayStats,
        decided: Callable[[Sequence[Movement]], None],
    ) -> None:
        self._pipeline = pipeline
        self._journal = journal
        self._clock = clock
        self._tick_s = tick_ms / 1000
        self._stats = stats
        self._decided = decided
        self._events: list[ReaderEvent] = []
        self._waiting_reads = 0
        self._state: dict[str, ReaderState] = {}
        self._unseen: set[str] = set()
        self._ticked_us: int | None = None
        self._judged_us = 0
        self._pace_us = tick_ms * 1000.0

    def deliver(self, event: ReaderEvent) -> None:
        """Take what a driver's reader saw; judged at the next tick."""
        if isinstance(event, ReadBatch):
            if self._waiting_reads + len(event.reads) > MAX_WAITING_READS:
                self._drop(event)
                return
            self._waiting_reads += len(event.reads)
            self._see_again(event)
        elif isinstance(event, ReaderState):
            self._state[event.reader] = event
            self._unseen.discard(event.reader)
        self._events.append(event)

    async def run(self, stop: asyncio.Event) -> None:
        """Tick until stopped; the last tick takes everything delivered before it.

        Raises JournalError when the journal cannot be read, or refuses the last tick.
        """
        self._pipeline.restore(await self._journal.load_tags(), to_us(self._clock.now()))
        while not stop.is_set():
            await asyncio.gather(self._clock.sleep(self._tick_s), asyncio.sleep(MIN_TICK_S))
            await self._keep(self._judge(), stop)
        self._ticked_us = None  # nothing more comes: the last tick judges up to now
        await self._keep(self._judge(), stop)

    async def drive(self, name: str, driver: Driver) -> None:
        """Run one reader's driver until cancelled. One that breaks down is logged, counts as off, and starts again."""
        backoff = Backoff(random.random, longest_s=LONGEST_RESTART_S)
        while True:
            try:
                await driver.run()
                reason = "its driver ended"
            except Exception as error:
                logger.exception("the driver of a reader broke down reader=%s", name)
                reason = f"its driver broke down: {error}"
            now_us = to_us(self._clock.now())
            self.deliver(ReaderState(name, frozenset(), now_us, reason))
            self.deliver(ReaderNotice(name, "fault", reason, now_us))
            await asyncio.sleep(backoff.next_wait_s())

    def _drop(self, batch: ReadBatch) -> None:
        if not self._unseen:
            logger.error("reads are dropped: judging stands still waiting=%d", self._waiting_reads)
        self._stats.dropped_reads += len(batch.reads)
        if batch.reader not in self._unseen:
            self._unseen.add(batch.reader)
            self._events.append(ReaderState(batch.reader, frozenset(), batch.received_at_us, "reads are dropped"))

    def _see_again(self, batch: ReadBatch) -> None:
        if batch.reader in self._unseen:
            self._unseen.discard(batch.reader)
            ports = frozenset(int(port) for port in batch.reads["antenna"])
            on = self._state.get(batch.reader, ReaderState(batch.reader, ports, batch.received_at_us))
            again = "reads are judged again"
            self._events.append(dataclasses.replace(on, at_us=batch.received_at_us, detail=again))

    def _judge(self) -> _Tick:
        events, self._events, self._waiting_reads = self._events, [], 0
        step = self._pipeline.step(events, self._judgement_time())
        self._stats.reads += step.reads
        self._stats.foreign += step.foreign
        self._stats.late += step.late
        return _Tick(self._health(events), step)

    def _judgement_time(self) -> int:
        """Now; after a stall an instant between then and now."""
        now_us = to_us(self._clock.now())
        if self._ticked_us is None:
            self._judged_us = now_us
        else:
            self._pace_us += PACE_WEIGHT * (now_us - self._ticked_us - self._pace_us)
            self._judged_us = min(now_us, self._judged_us + round(CATCH_UP * self._pace_us))
        self._ticked_us = now_us
        return self._judged_us

    def _health(self, events: Sequence[ReaderEvent]) -> list[ReaderHealth]:
        """Readers that came, went, never came or complained, as events; a state that is no news is none."""
        health = []
        for event in events:
            if isinstance(event, ReaderNotice):
                health.append(_as_health(event.reader, event.kind, event))
            elif isinstance(event, ReaderState):
                up = bool(event.antennas) or event.idle
                if self._stats.readers.get(event.reader) is not up:
                    health.append(_as_health(event.reader, "connected" if up else "lost", event))
                self._stats.readers[event.reader] = up
        return health

    async def _keep(self, tick: _Tick, stop: asyncio.Event) -> None:
        step = tick.step
        if not (tick.health or step.movements or step.changed or step.forgotten):
            return
        while True:
            try:
                await self._journal.append([*step.movements, *tick.health], step.changed, step.forgotten)
            except JournalError as error:
                if stop.is_set():
                    raise
                if self._stats.judging:
                    logger.error("judging stands still: %s", error)  # noqa: TRY400  # the message says it all
                self._stats.judging = False
                await asyncio.sleep(RETRY_S)
            else:
                break
        if not self._stats.judging:
            logger.warning("judging goes on: the journal takes events again")
        self._stats.judging = True
        self._stats.movements += len(step.movements)
        if step.movements or tick.health:
            self._decided(step.movements)


def _as_health(reader: str, state: str, event: ReaderState | ReaderNotice) -> ReaderHealth:
    return ReaderHealth.model_validate(
        {"reader": reader, "state": state, "detail": event.detail[:MAX_DETAIL], "observed_at": from_us(event.at_us)}
    )
