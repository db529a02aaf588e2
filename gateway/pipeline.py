"""Reads in, movements out: one step of the gateway's judgement, composed of presence, location, doors and state.

    ReadBatch ─▶ foreign? ─▶ grid (reorder, once) ─▶ cells ─▶ zone reads ─▶ placing ─┐
                                                         └──▶ door reads ─▶ doors ───┴─▶ book ─▶ Movement, TagRow

Pure: time comes in as `now_us`. The watermark is now - reorder_ms, cut to the grid of `tick_ms`; every cell is judged
once when the watermark has passed its end, so a step may cover any span of time with the same result, and a prefix of
the reads gives a prefix of the movements. `decided_at` is the end of the cell, `observed_at` the last read used.

A read that arrives after the watermark passed it is late: it is counted, and used for presence and location only when
it is newer than everything seen and decided of its tag. Doors judge the order of reads and do not use it; but a door
whose reader is away stands still (door_time), and a read of the time that it has not judged yet is not late.

Cost: reads of a cell are handled by array operations; absence, doors and checkpoints are looked at once in SWEEP_MS by
one array operation over the tags, so what is merely present costs little.
Spans in which nothing can happen are skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from gateway.config import GatewayConfig
from gateway.coverage import NOWHERE, Coverage
from gateway.grid import GridReads, ReorderBuffer
from gateway.lone import LoneCrossings
from gateway.movement import Book, Decision, Finding, State, pack_state, unpack_state
from gateway.placing import Placing, View
from gateway.portal import Doors
from gateway.tags import NEVER_US, Tags
from readers.read import EpcTable, GpiChange, ReadBatch, ReaderEvent, ReaderState, join_reads
from wire.events import Movement

SWEEP_MS: Final = 250
"""Absence and doors are judged this often: a quarter of a second is nothing beside windows of seconds."""

CHECKPOINT_US: Final = 30_000_000
"""A present tag's last sight is stored again when it moved on by this much; a departure after a restart then names a
read at most this old."""

CHECKPOINT_ROWS: Final = 250
"""Rows of one sweep's checkpoint: 50,000 present tags take 50 s to go round, and the journal never sees a flood."""

CHECKPOINT_PARTS: Final = 16
"""A sweep looks at a part of the tags: each is looked at once in 4 s, which is little beside CHECKPOINT_US."""

FORGET_US: Final = 24 * 3600 * 1_000_000
"""A tag neither present nor seen for a day needs no state: an arrival would be news."""

FORGET_EVERY_US: Final = 60_000_000


@dataclass(frozen=True, slots=True)
class TagRow:
    """What the journal keeps of a tag, so that a restart resumes. `state` is compact JSON, opaque to the journal."""

    epc: bytes
    state: str


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step decided. `reads`, `foreign` and `late` count the reads handed to this step."""

    movements: list[Movement]
    changed: list[TagRow]
    forgotten: list[bytes]
    reads: int
    foreign: int
    late: int


@dataclass(slots=True)
class _Step:
    """A step while it runs."""

    movements: list[Movement] = field(default_factory=list)
    changed: set[int] = field(default_factory=set)
    forgotten: list[int] = field(default_factory=list)
    reads: int = 0
    foreign: int = 0
    late: int = 0


class Pipeline:
    """The judgement of one gateway. Not thread-safe; one instance for one EpcTable."""

    def __init__(self, config: GatewayConfig, epcs: EpcTable) -> None:
        self._epcs = epcs
        self._tick_us = config.rules.tick_ms * 1000
        self._reorder_us = config.rules.reorder_ms * 1000
        self._cells_per_sweep = max(1, round(SWEEP_MS / config.rules.tick_ms))
        self._coverage = Coverage(config)
        self._tags = Tags(epcs, config.own_prefixes, config.foreign_prefixes)
        self._placing = Placing(config.rules, self._tags, self._coverage)
        self._doors = Doors(self._coverage, self._cells_per_sweep * self._tick_us, config.rules)
        self._lone = LoneCrossings(self._placing.sighted_us)
        self._book = Book(self._tags, self._coverage, epcs)
        self._buffer = ReorderBuffer(self._tick_us, len(self._coverage.zone_of))
        self._states: list[ReaderState] = []
        self._beams: list[GpiChange] = []
        self._next_cell: int | None = None
        self._idle_until_us = NEVER_US
        self._forget_at_us = NEVER_US
        self._checkpoint_from = 0
        """The first tag that the next checkpoint looks at."""
        self._saw = False
        """Were there reads since the last sweep? Then more are about to come, and resting is not worth a thought."""

    @property
    def watermark_us(self) -> int | None:
        """Everything before this time has been judged; None before the first step."""
        return None if self._next_cell is None else self._next_cell * self._tick_us

    def view(self, epc: bytes) -> View:
        """What is known now of one tag that was read, for whoever asks why (`tallyman explain`)."""
        return self._placing.view(self._epcs.number(epc))

    def restore(self, rows: Iterable[TagRow], now_us: int) -> None:
        """Resume from the journal's rows, before the first step. Windows count anew from here: what happened while the
        gateway was down is not known. A row whose zone the configuration no longer has leaves its tag absent.

        Raises ValueError for a row that this pipeline did not write.
        """
        zones = {code: number for number, code in enumerate(self._coverage.zones)}
        for row in rows:
            stored = unpack_state(row.state)
            tag = self._epcs.number(row.epc)
            self._grow()
            zone = zones.get(stored.zone) if stored.zone is not None else None
            present = stored.state is State.PRESENT
            self._tags.state[tag] = State.ABSENT if present and zone is None else stored.state
            self._tags.decided_at_us[tag] = stored.decided_us
            self._tags.stored_at_us[tag] = stored.seen_us
            if present and zone is not None:
                self._tags.place[tag] = zone
                self._placing.resume(tag, zone, stored.seen_us, stored.habit)
        self._next_cell = (now_us - self._reorder_us) // self._tick_us

    def step(self, events: Sequence[ReaderEvent], now_us: int) -> StepResult:
        """Take what the readers delivered and judge up to the watermark of `now_us` (microseconds since 1970)."""
        step = _Step()
        batches = [event for event in events if isinstance(event, ReadBatch)]
        self._states += [event for event in events if isinstance(event, ReaderState)]
        self._beams += [event for event in events if isinstance(event, GpiChange)]
        if batches:
            self._take(batches, step)
        end_cell = (now_us - self._reorder_us) // self._tick_us
        if self._next_cell is None:
            self._next_cell = self._first_cell(end_cell)
        if end_cell > self._next_cell:
            self._judge(self._next_cell, end_cell, step)
            self._next_cell = end_cell
        return self._result(step)

    def _take(self, batches: Sequence[ReadBatch], step: _Step) -> None:
        """Whatever the readers delivered since the last step, in one piece: reports of one tag cost no more."""
        counts = [len(batch.reads) for batch in batches]
        taken = join_reads(batch.reads for batch in batches)
        received_us = np.repeat([batch.received_at_us for batch in batches], counts)
        step.reads += len(taken)
        self._grow()
        tag = taken["epc"].astype(np.int64)
        antenna = self._coverage.antennas([batch.reader for batch in batches], counts, taken["antenna"])
        own = self._tags.is_own(tag)
        step.foreign += len(taken) - int(np.count_nonzero(own))
        reads = GridReads(tag, antenna, taken["rssi_dbm"], taken["at_us"], taken["count"].astype(np.int64))
        wanted = own & (antenna != NOWHERE)
        if not wanted.all():
            reads, received_us = reads.take(wanted), received_us[wanted]
        watermark = self.watermark_us
        if watermark is not None:
            passed = reads.at_us < watermark
            if passed.any():
                self._take_late(self._hold(reads.take(passed), watermark), watermark, step)
                reads, received_us = reads.take(~passed), received_us[~passed]
        step.late += self._buffer.add(reads, received_us)

    def _hold(self, passed: GridReads, watermark: int) -> GridReads:
        """Those whose doors do not wait for them."""
        held = self._doors.hold(passed, watermark)
        if not held.any():
            return passed
        self._refresh(passed.take(held))
        self._idle_until_us = NEVER_US
        return passed.take(~held)

    def _refresh(self, door_reads: GridReads) -> None:
        inside = self._coverage.inside_zone[self._coverage.portal_of[door_reads.antenna]]
        self._placing.refresh(door_reads.tag, inside, door_reads.at_us)

    def _take_late(self, late: GridReads, watermark: int, step: _Step) -> None:
        step.late += len(late)
        late = late.take(self._coverage.zone_of[late.antenna] != NOWHERE)
        late = late.take(self._placing.sound(late))
        late = late.take(np.argsort(late.at_us, kind="stable"))
        if len(late):
            self._enter(self._placing.observe(late), watermark, step)
            self._idle_until_us = NEVER_US

    def _first_cell(self, end_cell: int) -> int:
        waiting = [state.at_us // self._tick_us for state in self._states]
        earliest = self._buffer.earliest_cell()
        return min(waiting if earliest is None else [*waiting, earliest], default=end_cell)

    def _judge(self, first_cell: int, end_cell: int, step: _Step) -> None:
        reads = self._buffer.take_before(end_cell)
        due = sorted((state for state in self._states if state.at_us < end_cell * self._tick_us), key=_state_order)
        self._states = [state for state in self._states if state.at_us >= end_cell * self._tick_us]
        state_cells = [max(state.at_us // self._tick_us, first_cell) for state in due]
        for cell in self._cells(sorted({*reads, *state_cells}), first_cell, end_cell):
            while state_cells and state_cells[0] == cell:
                state_cells.pop(0)
                self._coverage.apply(due.pop(0))
                self._idle_until_us = NEVER_US
            end_us = (cell + 1) * self._tick_us
            self._observe(reads.get(cell), end_us, step)
            if (cell + 1) % self._cells_per_sweep == 0:
                self._sweep(end_us, step)

    def _cells(self, busy: list[int], first_cell: int, end_cell: int) -> Iterator[int]:
        """The cells in which something may happen: those with reads or states, and the sweeps while anything is due."""
        each = self._cells_per_sweep
        cell, upcoming = first_cell, 0
        while True:
            while upcoming < len(busy) and busy[upcoming] < cell:
                upcoming += 1
            awake = max(cell, self._idle_until_us // self._tick_us)
            sweep = (awake + each) // each * each - 1
            cell = min(busy[upcoming], sweep) if upcoming < len(busy) else sweep
            if cell >= end_cell:
                return
            yield cell
            cell += 1

    def _observe(self, reads: GridReads | None, end_us: int, step: _Step) -> None:
        if reads is None:
            self._coverage.advance(end_us)
            return
        self._saw = True
        self._coverage.heard(reads.antenna, reads.at_us)
        self._coverage.advance(end_us)
        self._idle_until_us = NEVER_US
        at_door = self._coverage.portal_of[reads.antenna] != NOWHERE
        door_reads = reads.take(at_door) if at_door.any() else None
        if door_reads is not None:
            self._doors.observe(door_reads)
            self._refresh(door_reads)
        if door_reads is None or not at_door.all():
            self._enter(self._placing.observe(reads.take(~at_door)), end_us, step)

    def _sweep(self, end_us: int, step: _Step) -> None:
        for beam in self._beams:
            if beam.at_us < end_us:
                self._doors.beam(beam.reader, beam.port, beam.at_us)
        self._beams = [beam for beam in self._beams if beam.at_us >= end_us]
        crossed = self._lone.sweep(self._doors.sweep(end_us), end_us)
        self._enter(crossed, end_us, step)
        silent = self._doors.gone_along(self._placing.sweep(), end_us)
        self._enter(silent, end_us, step)
        begin = self._checkpoint_from if self._checkpoint_from < self._tags.rows else 0
        stored = self._checkpoint(slice(begin, begin + self._tags.rows // CHECKPOINT_PARTS), end_us, step)
        self._forget(end_us, step)
        saw, self._saw = self._saw, False
        busy = saw or crossed or silent or stored or self._doors.awake or self._lone.awake
        if not busy and not self._checkpoint(slice(0, self._tags.rows), end_us, step):
            self._idle_until_us = end_us + max(0, self._placing.spare_us() - self._coverage.longest_doubt_us)

    def _enter(self, decisions: list[Decision], decided_us: int, step: _Step) -> None:
        for decision in sorted(decisions, key=lambda each: (each.observed_us, self._epcs.epc(each.tag))):
            past = self._book.enter_past(decision, decided_us)
            if past is not None:
                step.movements.append(past)
                continue
            movement = self._book.enter(decision, decided_us)
            if movement is None:
                continue
            self._placing.moved(decision.tag)
            if decision.finding in (Finding.CROSSED_IN, Finding.CROSSED_OUT):
                self._placing.put(decision)
            step.movements.append(movement)
            step.changed.add(decision.tag)

    def _checkpoint(self, numbers: slice, end_us: int, step: _Step) -> bool:
        """Store again what moved on, of tags of these numbers; whether there was any. The next begins with those that
        are left over: however many move on all the time, each has its turn."""
        tags, seen_us = self._placing.present(numbers, end_us - CHECKPOINT_US)
        stale = seen_us - self._tags.stored_at_us[tags] >= CHECKPOINT_US
        tags, seen_us = tags[stale], seen_us[stale]
        self._checkpoint_from = int(tags[CHECKPOINT_ROWS]) if len(tags) > CHECKPOINT_ROWS else numbers.stop
        tags, seen_us = tags[:CHECKPOINT_ROWS], seen_us[:CHECKPOINT_ROWS]
        self._tags.stored_at_us[tags] = seen_us
        step.changed.update(tags.tolist())
        return bool(len(tags))

    def _forget(self, end_us: int, step: _Step) -> None:
        if end_us < self._forget_at_us:
            return
        self._forget_at_us = end_us + FORGET_EVERY_US
        tags = self._tags
        known = (tags.decided_at_us != NEVER_US) & (tags.state != State.PRESENT)
        old = np.flatnonzero(known & (tags.decided_at_us < end_us - FORGET_US))
        tags.state[old] = State.ABSENT
        tags.decided_at_us[old] = NEVER_US
        self._placing.forget(old)
        step.forgotten.extend(old.tolist())

    def _result(self, step: _Step) -> StepResult:
        changed = step.changed.difference(step.forgotten)
        return StepResult(
            movements=step.movements,
            changed=self._rows(sorted(changed)) if changed else [],
            forgotten=[self._epcs.epc(tag) for tag in step.forgotten],
            reads=step.reads,
            foreign=step.foreign,
            late=step.late,
        )

    def _rows(self, changed: list[int]) -> list[TagRow]:
        """What the journal keeps of these tags from now on."""
        tags, known = np.array(changed), self._tags
        state, decided_us = known.state[tags], known.decided_at_us[tags]
        placed = state == State.PRESENT
        places = np.where(placed, known.place[tags], 0)
        last_us, habits = self._placing.kept(tags, places)
        known.stored_at_us[tags] = seen_us = np.where(placed, last_us, decided_us)
        columns = [column.tolist() for column in (state, placed, places, seen_us, decided_us)]
        rows = []
        for tag, number, here, place, seen, decided, habit in zip(changed, *columns, habits, strict=True):
            zone, learnt = (self._coverage.zones[place], habit) if here else (None, None)
            rows.append(TagRow(self._epcs.epc(tag), pack_state(number, zone, seen, decided, learnt)))
        return rows

    def _grow(self) -> None:
        if self._tags.grow():
            self._placing.grow(self._tags.rows)
            self._doors.grow(self._tags.rows)


def _state_order(state: ReaderState) -> tuple[int, str, list[int]]:
    return (state.at_us, state.reader, sorted(state.antennas))
