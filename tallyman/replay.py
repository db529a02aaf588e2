"""A recorded file through the gateway's own pipeline, without a network: reads in, decided movements out as JSON lines.

Causal: the pipeline is handed the reads in the order of the file and asked at every tick what it can decide by then, as
a gateway is; an event's `decided_at` is the watermark at which it was decided and rests on no later read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway.config import GatewayConfig, Reader
from gateway.pipeline import Pipeline, StepResult
from readers.read import EpcTable, GpiChange, ReadBatch, ReaderEvent, ReaderNotice, ReaderState
from readers.recording import read_events
from readers.tape import TapeOpened
from tallyman.errors import ReplayError
from wire.events import Movement


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What a replay came to."""

    reads: int
    foreign: int
    late: int
    movements: int

    def __str__(self) -> str:
        return f"{self.movements} movements from {self.reads} reads ({self.foreign} foreign, {self.late} late)"


Pace = Callable[[int], None]
"""Waits until it is time for what was recorded at so many microseconds; see `real_time`."""


def at_once(at_us: int) -> None:
    """No waiting."""
    del at_us


def real_time(speed: float, monotonic_s: Callable[[], float], sleep_s: Callable[[float], None]) -> Pace:
    """As recorded, `speed` times as fast: what lies a second behind the first waits 1/speed seconds."""
    began: list[tuple[float, int]] = []

    def wait(at_us: int) -> None:
        if not began:
            began.append((monotonic_s(), at_us))
        began_s, first_us = began[0]
        sleep_s(max(0.0, began_s + (at_us - first_us) / 1e6 / speed - monotonic_s()))

    return wait


def with_portal_rules(config: GatewayConfig, **changes: str | float) -> GatewayConfig:
    """The same configuration with other portal rules."""
    portals = config.rules.portals.model_copy(update=changes)
    return config.model_copy(update={"rules": config.rules.model_copy(update={"portals": portals})})


def replay(recording: Path, config: GatewayConfig, out: Path, pace: Pace = at_once) -> ReplaySummary:
    """Write the movements that a gateway with this configuration decides on `recording` to `out`, one JSON object a
    line (see `event_line`), in the order of decision.

    Judges up to the last read and no further: what the silence after the end would mean is not in the recording, and a
    prefix of a recording so gives a prefix of the events. Raises RecordingError or ReplayError naming the file.
    """
    reads = foreign = late = movements = 0
    try:
        with out.open("w", encoding="utf-8") as lines:
            epcs = EpcTable()
            for _, result in steps(recording, config, epcs, Pipeline(config, epcs), pace):
                reads, foreign, late = reads + result.reads, foreign + result.foreign, late + result.late
                for movement in result.movements:
                    lines.write(json.dumps(event_line(movement, config.site)) + "\n")
                    movements += 1
                if result.movements:
                    lines.flush()
    except OSError as error:
        raise ReplayError(f"{out}: cannot be written: {error.strerror}") from error
    return ReplaySummary(reads, foreign, late, movements)


def event_line(movement: Movement, site: str) -> dict[str, Any]:
    """A movement as one flat object: kind, epc, site, zone or portal and direction, at, decided_at and what it rests
    on; absent fields are left out. `at` is the time of the last read used."""
    fields = movement.model_dump(mode="json", exclude_none=True)
    head = {"kind": fields.pop("kind"), "epc": fields.pop("epc"), "site": site, "at": fields.pop("observed_at")}
    return {**head, **fields}


def steps(
    recording: Path, config: GatewayConfig, epcs: EpcTable, pipeline: Pipeline, pace: Pace = at_once
) -> Iterator[tuple[Sequence[ReaderEvent], StepResult]]:
    """Hand `recording` to `pipeline` as a gateway would: what each step was given, and what it decided."""
    readers = _ReaderNames(recording, config)
    newest_us = 0
    for event in read_events(recording, epcs):
        if isinstance(event, TapeOpened):
            events = readers.broken_off(newest_us)
        else:
            newest_us = max(newest_us, event.received_at_us if isinstance(event, ReadBatch) else event.at_us)
            pace(newest_us)
            events = readers.rename(event)
        yield events, pipeline.step(events, newest_us)
    yield [], pipeline.step([], newest_us + config.rules.reorder_ms * 1000)


class _ReaderNames:
    """Which configured reader each reader of the recording is: the one with its name or address, or the only one."""

    def __init__(self, recording: Path, config: GatewayConfig) -> None:
        self._recording = recording
        self._readers = config.readers
        self._known: dict[str, Reader] = {}

    def broken_off(self, at_us: int) -> list[ReaderEvent]:
        """Another recording begins: until their readers say otherwise, the antennas were off meanwhile."""
        return [
            ReaderState(reader.name, frozenset(), at_us, "another recording begins") for reader in self._known.values()
        ]

    def rename(self, event: ReadBatch | ReaderState | ReaderNotice | GpiChange) -> list[ReaderEvent]:
        """The event under the configured name; before a reader's first, unless it says so itself, the news that its
        antennas are on."""
        events: list[ReaderEvent] = []
        reader = self._known.get(event.reader)
        if reader is None:
            reader = self._known[event.reader] = self._find(event.reader)
            if isinstance(event, ReadBatch):
                ports = frozenset(antenna.port for antenna in reader.antennas)
                events.append(ReaderState(reader.name, ports, int(event.reads["at_us"].min()), "recording begins"))
        return [*events, replace(event, reader=reader.name)]

    def _find(self, name: str) -> Reader:
        for reader in self._readers:
            if name in (reader.name, reader.address, reader.address.rpartition(":")[0]):
                return reader
        if len(self._readers) == 1:
            return self._readers[0]
        known = ", ".join(f"{reader.name} ({reader.address})" for reader in self._readers)
        raise ReplayError(
            f"{self._recording}: reads of reader {name!r}, but the configuration has only {known}; "
            "give one of them that name or address"
        )
