"""What must hold of the pipeline whatever the reads: ticks, order, repeats, cut links and restarts change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.config import GatewayConfig
from gateway.pipeline import Pipeline, TagRow
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderState, empty_reads, to_us
from wire.events import Movement

START_US = 1_700_000_000_000_000
SPAN_S = 90
DOOR = [{"port": port, "portal": "d1", "side": "in" if port < 3 else "out"} for port in (1, 2, 3, 4)]
CONFIG = GatewayConfig.model_validate(
    {
        "site": "s",
        "gateway": "g",
        "zones": [{"code": "dock"}, {"code": "hall"}],
        "portals": [{"code": "d1", "inside_zone": "dock"}],
        "readers": [
            {"name": "zones", "address": "z", "antennas": [{"port": 1, "zone": "dock"}, {"port": 2, "zone": "hall"}]},
            {"name": "door", "address": "d", "antennas": DOOR},
        ],
        "rules": {"window_max_ms": 15_000},
    }
)
TAGS = [bytes([0xAA, number] * 6) for number in range(33)]
Read = tuple[int, str, int, int, float]
"""Time (µs), reader, port, tag, level."""


def scene(seed: int) -> list[Read]:
    """A pallet of twelve that stands in the hall, goes out through the door and leaves; others stand about, move
    between zones, or come in; every read by chance."""
    chance = np.random.default_rng(seed)
    reads: list[Read] = []

    def seen(tag: int, reader: str, port: int, begin: float, end: float, level: float, every: float) -> None:
        times = begin + np.cumsum(chance.exponential(every, 1 + int(3 * (end - begin) / every)))
        for time in times[times < end]:
            reads.append((START_US + int(time * 1e6), reader, port, tag, float(level + chance.normal(0, 2))))

    for tag in range(12):
        leave = 40 + chance.uniform(-0.4, 0.4)
        seen(tag, "zones", 2, 1, 30, -60, 1.0)
        seen(tag, "door", 1 + tag % 2, leave - 3, leave + 0.3, -62, 0.5)
        seen(tag, "door", 3 + tag % 2, leave - 0.3, leave + 3, -62, 0.5)
    for tag in range(12, 20):
        seen(tag, "zones", 1, 2, chance.uniform(20, SPAN_S), -58, 1.2)
        seen(tag, "zones", 2, 30, 31, -72, 0.4)
    for tag in range(20, 30):
        seen(tag, "zones", 1, 1, 25, -60, 1.0)
        seen(tag, "zones", 2, 28, SPAN_S, -60, 1.0)
    return sorted(reads)


class Run:
    """A pipeline fed with reads in batches; keeps its movements and the journal's rows."""

    def __init__(self) -> None:
        self.epcs = EpcTable()
        self.pipeline = Pipeline(CONFIG, self.epcs)
        self.movements: list[Movement] = []
        self.rows: dict[bytes, TagRow] = {}
        self.late = 0

    def batches(self, reads: Sequence[Read], received_us: int) -> list[ReaderEvent]:
        made: list[ReaderEvent] = []
        for reader in ("zones", "door"):
            mine = [read for read in reads if read[1] == reader]
            if mine:
                batch = empty_reads(len(mine))
                batch["epc"] = [self.epcs.number(TAGS[read[3]]) for read in mine]
                batch["antenna"] = [read[2] for read in mine]
                batch["rssi_dbm"] = [read[4] for read in mine]
                batch["at_us"] = batch["first_at_us"] = [read[0] for read in mine]
                made.append(ReadBatch(reader, batch, received_us))
        return made

    def step(self, events: Sequence[ReaderEvent], now_us: int) -> None:
        result = self.pipeline.step(events, now_us)
        self.movements += result.movements
        self.late += result.late
        self.rows.update({row.epc: row for row in result.changed})

    def switched(self, on: bool, at_us: int, readers: Sequence[str] = ("zones", "door")) -> None:
        ports = {"zones": frozenset({1, 2}), "door": frozenset({1, 2, 3, 4})}
        self.step([ReaderState(name, ports[name] if on else frozenset(), at_us) for name in readers], at_us)

    def feed(self, reads: Sequence[Read], ticks_us: Sequence[int]) -> None:
        """Reads as they become known: at the first tick not before them."""
        begin = 0
        for tick_us in ticks_us:
            end = begin
            while end < len(reads) and reads[end][0] <= tick_us:
                end += 1
            self.step(self.batches(reads[begin:end], tick_us), tick_us)
            begin = end


def told(run: Run) -> list[dict[str, Any]]:
    return [movement.model_dump(mode="json") for movement in run.movements]


@cache
def plain(seed: int) -> Run:
    """The scene in ticks of a tenth of a second, everything in order."""
    run = Run()
    run.switched(True, START_US)
    run.feed(scene(seed), range(START_US, START_US + SPAN_S * 1_000_000 + 500_000, 100_000))
    return run


def test_the_scene_has_every_kind_of_movement() -> None:
    assert {movement.kind for movement in plain(1).movements} == {"arrived", "moved", "departed", "crossed"}


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 5), st.lists(st.integers(1, 12_000), min_size=8, max_size=60))
def test_any_split_into_ticks_gives_the_same_movements(seed: int, lengths_ms: list[int]) -> None:
    reads, end_us = scene(seed), START_US + SPAN_S * 1_000_000 + 400_000
    ticks = [int(each) for each in START_US + np.cumsum(lengths_ms) * 1000 if each < end_us]
    run = Run()
    run.switched(True, START_US)
    run.feed(reads, [*ticks, end_us])
    assert told(run) == told(plain(seed))


class Forgetful(Run):
    """Remembers of no tag what evidence other zones have: looks at all zones of everything that is read."""

    def step(self, events: Sequence[ReaderEvent], now_us: int) -> None:
        self.pipeline._placing._rival[:] = np.inf
        super().step(events, now_us)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 50))
def test_tags_not_looked_at_because_nothing_rivals_their_place_would_not_have_moved(seed: int) -> None:
    run = Forgetful()
    run.switched(True, START_US)
    run.feed(scene(seed), range(START_US, START_US + SPAN_S * 1_000_000 + 500_000, 100_000))
    assert np.isfinite(plain(seed).pipeline._placing._rival).any()
    assert told(run) == told(plain(seed))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 5), st.integers(0, 1000))
def test_overtaking_within_reorder_and_duplicates_change_nothing(seed: int, shuffle: int) -> None:
    """Each read is known up to 150 ms after its time (reorder_ms is 200 and the tick 50), some twice."""
    reads, chance = scene(seed), np.random.default_rng(shuffle)
    twice = [*reads, *(read for read in reads if chance.random() < 0.2)]
    known_us = [read[0] + int(chance.integers(0, 150_000)) for read in twice]
    shuffled = [(at, twice[place]) for place, at in sorted(enumerate(known_us), key=lambda each: each[1])]
    run, begin = Run(), 0
    run.switched(True, START_US)
    for tick_us in range(START_US, START_US + SPAN_S * 1_000_000 + 500_000, 50_000):
        end = begin
        while end < len(shuffled) and shuffled[end][0] <= tick_us:
            end += 1
        run.step(run.batches([read for _, read in shuffled[begin:end]], tick_us), tick_us)
        begin = end
    assert told(run) == told(plain(seed))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 5), st.integers(45, 80), st.integers(1, 600))
def test_a_cut_link_takes_no_tag_away(seed: int, cut_s: int, gap_s: int) -> None:
    """The zone reader is off for `gap_s` while the world stands still: nothing is decided but later."""
    reads = scene(seed)
    before = [read for read in reads if read[0] < START_US + cut_s * 1_000_000]
    after = [(at + gap_s * 1_000_000, *rest) for at, *rest in reads if at >= START_US + cut_s * 1_000_000]
    run = Run()
    run.switched(True, START_US)
    cut_us, back_us = START_US + cut_s * 1_000_000, START_US + (cut_s + gap_s) * 1_000_000
    run.feed(before, range(START_US, cut_us, 100_000))
    run.switched(False, cut_us)
    decided = len(run.movements)
    run.step([], back_us - 1)
    gap = run.movements[decided:]
    assert all(movement.decided_at.timestamp() * 1e6 <= cut_us + 300_000 for movement in gap)
    run.switched(True, back_us)
    run.feed(after, range(back_us, START_US + (SPAN_S + gap_s) * 1_000_000 + 500_000, 100_000))
    departed = [movement.epc for movement in run.movements if movement.kind == "departed"]
    expected = [movement.epc for movement in plain(seed).movements if movement.kind == "departed"]
    assert sorted(departed) == sorted(expected)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 5),
    st.floats(20, 55),
    st.floats(0.5, 34),
    st.lists(st.integers(1, 12_000), min_size=8, max_size=60),
    st.integers(0, 1000),
)
@example(1, 40.0, 0.5, [10_000] * 4 + [300] + [400] * 3, 243).via("back before a sweep has seen that it was away")
@example(0, 40.7, 13.5, [500] * 8, 183).via("zones tell that a tag is silent while its door waits to tell how it went")
def test_reads_held_while_the_door_was_away_are_judged_as_if_it_had_not_been(
    seed: int, cut_s: float, away_s: float, lengths_ms: list[int], shuffle: int
) -> None:
    """The door's reader is off and hands over what it held, some of it twice, in any order, when it is back: the same
    crossings of the same time and evidence, each told once, whatever the ticks; and no read counts as late."""
    cut_us, back_us = START_US + int(cut_s * 1e6), START_US + int((cut_s + away_s) * 1e6)
    reads, chance = scene(seed), np.random.default_rng(shuffle)
    held = [read for read in reads if read[1] == "door" and cut_us <= read[0] < back_us]
    live = [read for read in reads if not (read[1] == "door" and cut_us <= read[0] < back_us)]
    handed = [*held, *(read for read in held if chance.random() < 0.2)]
    chance.shuffle(handed)
    end_us = START_US + (SPAN_S + 10) * 1_000_000
    lengths = [*lengths_ms, *[500] * ((SPAN_S + 10) * 2)]
    ticks = [int(each) for each in START_US + np.cumsum(lengths) * 1000 if each < end_us] + [end_us]
    run, begin = Run(), 0
    run.switched(True, START_US)
    for tick_us in ticks:
        before_us = ticks[ticks.index(tick_us) - 1] if tick_us != ticks[0] else START_US
        end = begin
        while end < len(live) and live[end][0] <= tick_us:
            end += 1
        events = run.batches(live[begin:end], tick_us)
        if before_us < cut_us <= tick_us:
            events.append(ReaderState("door", frozenset(), cut_us))
        if before_us < back_us <= tick_us:
            events += [*run.batches(handed, back_us), ReaderState("door", frozenset({1, 2, 3, 4}), back_us)]
        run.step(events, tick_us)
        begin = end
    assert crossings(run) == crossings(plain(seed))
    for movement in run.movements:
        assert movement.decided_at >= movement.observed_at
        assert to_us(movement.decided_at) <= end_us
    assert run.late == 0


def crossings(run: Run) -> list[dict[str, Any]]:
    told_at = {"decided_at"}
    crossed = [each.model_dump(mode="json", exclude=told_at) for each in run.movements if each.kind == "crossed"]
    return sorted(crossed, key=lambda each: (each["observed_at"], each["epc"]))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 5), st.integers(10, 899))
def test_a_restart_repeats_no_arrival_and_forgets_no_departure(seed: int, tick: int) -> None:
    reads = scene(seed)
    restart_us = START_US + tick * 100_000
    first = Run()
    first.switched(True, START_US)
    first.feed([read for read in reads if read[0] <= restart_us], range(START_US, restart_us + 1, 100_000))
    second = Run()
    second.pipeline.restore(first.rows.values(), restart_us)
    second.switched(True, restart_us)
    later = [read for read in reads if read[0] > restart_us]
    second.feed(later, range(restart_us, START_US + (SPAN_S + 60) * 1_000_000, 100_000))
    here: dict[str, str | None] = {}
    last_us: dict[str, int] = {}
    for movement in [*first.movements, *second.movements]:
        if movement.kind == "arrived":
            assert here.get(movement.epc) is None
        if movement.kind == "departed":
            assert here.get(movement.epc) == movement.zone
        inside = movement.zone or ("dock" if movement.direction == "in" else None)
        here[movement.epc] = None if movement.kind == "departed" else inside
        assert to_us(movement.observed_at) >= last_us.get(movement.epc, 0)
        last_us[movement.epc] = to_us(movement.observed_at)
    assert not any(here.values()), "every tag is silent at the end for longer than any window"
