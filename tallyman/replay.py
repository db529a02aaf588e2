"""A recorded file through the gateway's own pipeline, without a network: reads in, decided movements out as JSON lines.

Causal: the pipeline is handed the reads in the order of the file and asked at every tick what it can decide by then, as
a gateway is; an event's `decided_at` is the watermark at which it was decided and rests on no later read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config import GatewayConfig, Reader
from gateway.pipeline import Pipeline, StepResult
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderState
from readers.recording import read_recording
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


def with_portal_rules(config: GatewayConfig, **changes: str | float) -> GatewayConfig:
    """The same configuration with other portal rules."""
    portals = config.rules.portals.model_copy(update=changes)
    return config.model_copy(update={"rules": config.rules.model_copy(update={"portals": portals})})


def replay(recording: Path, config: GatewayConfig, out: Path) -> ReplaySummary:
    """Write the movements that a gateway with this configuration decides on `recording` to `out`, one JSON object a
    line (see `event_line`), in the order of decision.

    Judges up to the last read and no further: what the silence after the end would mean is not in the recording, and a
    prefix of a recording so gives a prefix of the events. Raises RecordingError or ReplayError naming the file.
    """
    reads = foreign = late = movements = 0
    try:
        with out.open("w", encoding="utf-8") as lines:
            for result in steps(recording, config):
                reads, foreign, late = reads + result.reads, foreign + result.foreign, late + result.late
                for movement in result.movements:
                    lines.write(json.dumps(event_line(movement, config.site)) + "\n")
                    movements += 1
    except OSError as error:
        raise ReplayError(f"{out}: cannot be written: {error.strerror}") from error
    return ReplaySummary(reads, foreign, late, movements)


def event_line(movement: Movement, site: str) -> dict[str, Any]:
    """A movement as one flat object: kind, epc, site, zone or portal and direction, at, decided_at and what it rests
    on; absent fields are left out. `at` is the time of the last read used."""
    fields = movement.model_dump(mode="json", exclude_none=True)
    head = {"kind": fields.pop("kind"), "epc": fields.pop("epc"), "site": site, "at": fields.pop("observed_at")}
    return {**head, **fields}


def steps(recording: Path, config: GatewayConfig) -> Iterator[StepResult]:
    """What a gateway with this configuration makes of a recording, step by step. Raises as `replay`."""
    epcs = EpcTable()
    pipeline = Pipeline(config, epcs)
    readers = _ReaderNames(recording, config)
    newest_us = 0
    for batch in read_recording(recording, epcs):
        newest_us = max(newest_us, batch.received_at_us)
        yield pipeline.step(readers.rename(batch), newest_us)
    yield pipeline.step([], newest_us + config.rules.reorder_ms * 1000)


class _ReaderNames:
    """Which configured reader each reader of the recording is: the one with its name or address, or the only one."""

    def __init__(self, recording: Path, config: GatewayConfig) -> None:
        self._recording = recording
        self._readers = config.readers
        self._known: dict[str, Reader] = {}

    def rename(self, batch: ReadBatch) -> list[ReaderEvent]:
        """The batch under the configured name; before a reader's first, the news that its antennas are on."""
        events: list[ReaderEvent] = []
        reader = self._known.get(batch.reader)
        if reader is None:
            reader = self._known[batch.reader] = self._find(batch.reader)
            ports = frozenset(antenna.port for antenna in reader.antennas)
            events.append(ReaderState(reader.name, ports, int(batch.reads["at_us"].min()), "recording begins"))
        return [*events, ReadBatch(reader.name, batch.reads, batch.received_at_us)]

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
