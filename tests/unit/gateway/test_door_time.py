"""What crossed a door while its reader was away is told when the reader hands over what it held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from gateway.config import GatewayConfig
from gateway.coverage import HELD_PAUSE_US, LONGEST_AWAY_US, Coverage
from gateway.door_time import DoorTime
from gateway.grid import GridReads
from gateway.pipeline import Pipeline
from readers.read import EpcTable, GpiChange, ReadBatch, ReaderEvent, ReaderState, empty_reads, to_us
from tests.unit.gateway.test_portal import START_US, Path, config, crossings, reads_of, stand, turn_back, walk
from wire.events import Movement

ALL = frozenset({1, 2, 3, 4})
Read = tuple[float, str, int, int, float]


def us(seconds: float) -> int:
    return START_US + round(seconds * 1e6)


def seconds_of(movement: Movement) -> tuple[float, float]:
    """When it was observed and decided, in seconds from the start."""
    return (to_us(movement.observed_at) - START_US) / 1e6, (to_us(movement.decided_at) - START_US) / 1e6


@dataclass
class Outage:
    """The readers of these names are off from second to second; what they read meanwhile comes at the end, or never.
    The gateway hears of it after `unnoticed_s`, if it does."""

    readers: Sequence[str]
    begin_s: float
    end_s: float
    forgets: bool = False
    unnoticed_s: float = 0.0
    is_told: bool = True

    def covers(self, reader: str, at_s: float) -> bool:
        return reader in self.readers and self.begin_s <= at_s < self.end_s


@dataclass
class Play:
    """Reads played to a pipeline in ticks."""

    settings: GatewayConfig = field(default_factory=config)
    keep: tuple[str, ...] = ("crossed",)
    told: list[Movement] = field(default_factory=list)
    late: int = 0
    places: set[str] = field(default_factory=set)
    """Zones in which the tags are that crossed, in the end."""

    def run(
        self,
        reads: Sequence[Read],
        seconds: float,
        outage: Outage | None = None,
        beams: Sequence[GpiChange] = (),
        every_s: float = 0.5,
    ) -> Play:
        epcs = EpcTable()
        numbers = epcs.numbers(tag.to_bytes(12, "big") for tag in range(1, 200))
        pipeline = Pipeline(self.settings, epcs)
        readers = [reader.name for reader in self.settings.readers]
        pipeline.step([ReaderState(name, ALL, START_US) for name in readers], START_US)
        events = self._events(reads, outage, beams, numbers)
        begin = 0
        for tick_s in np.arange(every_s, seconds, every_s):
            end = begin
            while end < len(events) and events[end][0] <= tick_s:
                end += 1
            result = pipeline.step([event for _, event in events[begin:end]], us(float(tick_s)))
            self.told += [movement for movement in result.movements if movement.kind in self.keep]
            self.late += result.late
            begin = end
        places = {pipeline.view(bytes.fromhex(movement.epc)).place for movement in self.told}
        self.places = {self.settings.zones[place].code for place in places if place >= 0}
        return self

    def _events(
        self, reads: Sequence[Read], outage: Outage | None, beams: Sequence[GpiChange], numbers: Any
    ) -> list[tuple[float, ReaderEvent]]:
        """Everything with the second at which the gateway hears of it; each reader's in order."""
        events: list[tuple[float, ReaderEvent]] = []
        for at_s, reader, port, tag, level in reads:
            away = outage is not None and outage.covers(reader, at_s)
            if outage is not None and away and outage.forgets:
                continue
            known_s = outage.end_s if outage is not None and away else at_s
            batch = empty_reads(1)
            batch["epc"], batch["antenna"], batch["rssi_dbm"] = numbers[tag], port, level
            batch["at_us"] = batch["first_at_us"] = us(at_s)
            events.append((known_s, ReadBatch(reader, batch, us(known_s))))
        for beam in beams:
            at_s = (beam.at_us - START_US) / 1e6
            away = outage is not None and outage.covers(beam.reader, at_s)
            events.append((outage.end_s if outage is not None and away else at_s, beam))
        for name in outage.readers if outage is not None and outage.is_told else ():
            assert outage is not None
            off = ReaderState(name, frozenset(), us(outage.begin_s))
            events.append((outage.begin_s + outage.unnoticed_s, off))
            events.append((outage.end_s, ReaderState(name, ALL, us(outage.end_s))))
        return sorted(events, key=lambda each: each[0])


def of_readers(reads: Sequence[tuple[float, str, int, int, float]]) -> list[Read]:
    return [(at_s, f"r-{door}", port, tag, level) for at_s, door, port, tag, level in reads]


def scene(paths: Sequence[Path], seconds: float, door: str = "d1") -> list[Read]:
    """What the antennas of one door read; the other is out of earshot."""
    return of_readers([read for read in reads_of(paths, seconds, 1) if read[1] == door])


def pallet(at_s: float, tags: int = 12, x: float = 0.0, inwards: bool = True) -> list[Path]:
    chance = np.random.default_rng(5)
    return [walk(at_s + float(delay), 1.2, x, inwards) for delay in chance.uniform(-0.3, 0.3, tags)]


def observed(play: Play) -> list[tuple[str, str | None, str | None, Any]]:
    return sorted((one.epc, one.portal, one.direction, one.observed_at) for one in play.told)


@pytest.mark.parametrize("inwards", [True, False])
@pytest.mark.parametrize("outage_s", [5.0, 20.0, 60.0])
def test_what_crossed_while_the_line_was_down_is_told_once_as_if_it_had_been_up(outage_s: float, inwards: bool) -> None:
    back_s = 24.0 + outage_s / 2
    reads = scene([*pallet(24.0, inwards=inwards), stand(3.0, 2.0), stand(3.5, 1.5)], 70.0)
    plain = Play().run(reads, 70.0)
    cut = Play().run(reads, 70.0, Outage(["r-d1"], max(6.0, 24.0 - outage_s / 2), back_s))
    assert len(plain.told) >= 11
    assert observed(cut) == observed(plain)
    assert set(crossings(cut.told).values()) == {1}
    assert {one.direction for one in cut.told} == {"in" if inwards else "out"}
    assert cut.late == 0, "a read that is judged is not late"
    belated = [one for one in cut.told if seconds_of(one)[0] < back_s - 3]
    if outage_s > 5:
        assert belated
        assert {seconds_of(one)[1] for one in belated} == {back_s + HELD_PAUSE_US / 1e6}


def test_nothing_is_told_when_the_reader_comes_back_without_its_memory() -> None:
    reads = scene([*pallet(24.0), stand(3.0, 2.0)], 60.0)
    assert Play().run(reads, 60.0, Outage(["r-d1"], 15.0, 34.0, forgets=True)).told == []


def test_who_only_came_near_during_the_outage_has_not_crossed() -> None:
    reads = scene([turn_back(24.0, 1.0, 0.8), stand(3.0, 2.0)], 60.0)
    assert Play().run(reads, 60.0, Outage(["r-d1"], 15.0, 34.0)).told == []


def test_other_doors_do_not_wait() -> None:
    others = [(at_s, name, port, tag + 50, db) for at_s, name, port, tag, db in scene(pallet(24.0, x=4.0), 70.0, "d2")]
    reads = sorted([*scene(pallet(25.0), 70.0), *others])
    plain = Play().run(reads, 70.0)
    cut = Play().run(reads, 70.0, Outage(["r-d1"], 15.0, 50.0))
    assert len(plain.told) >= 22
    assert observed(cut) == observed(plain)
    assert max(seconds_of(one)[1] for one in cut.told if one.portal == "d2") < 35.0
    assert min(seconds_of(one)[1] for one in cut.told if one.portal == "d1") > 50.0


def test_what_was_told_at_another_door_meanwhile_is_not_told_again() -> None:
    """Both doors hear the pallet that goes through the first."""
    reads = of_readers(reads_of(pallet(24.0), 60.0, 1))
    cut = Play().run(reads, 60.0, Outage(["r-d1"], 15.0, 40.0))
    assert {tag: count for tag, count in Counter(one.epc for one in cut.told).items() if count > 1} == {}


def two_readers(inner: Sequence[int]) -> GatewayConfig:
    """One door; its ports `inner` are on reader `a`, the others on reader `b`."""
    plain = config().model_dump(mode="json")
    antennas = plain["readers"][0]["antennas"]
    plain["readers"] = [
        {"name": name, "address": name, "antennas": [one for one in antennas if (one["port"] in inner) is mine]}
        for name, mine in (("a", True), ("b", False))
    ]
    plain["portals"] = plain["portals"][:1]
    return GatewayConfig.model_validate(plain)


def split(reads: Sequence[tuple[float, str, int, int, float]], inner: Sequence[int]) -> list[Read]:
    return [(at, "a" if port in inner else "b", port, tag, db) for at, door, port, tag, db in reads if door == "d1"]


@pytest.mark.parametrize("away", [["a"], ["b"], ["a", "b"]])
def test_a_door_of_two_readers_waits_for_either(away: list[str]) -> None:
    reads = split(reads_of([*pallet(24.0), stand(3.0, 2.0)], 60.0, 1), (1, 2))
    plain = Play(two_readers((1, 2))).run(reads, 60.0)
    cut = Play(two_readers((1, 2))).run(reads, 60.0, Outage(away, 18.0, 33.0))
    assert len(plain.told) >= 11
    assert observed(cut) == observed(plain)


def test_a_reader_away_for_long_is_given_up_and_its_door_goes_on() -> None:
    """Both readers have antennas on both sides: one of them is enough to see who crosses."""
    longest_s = LONGEST_AWAY_US / 1e6
    paths = [*pallet(24.0), *pallet(longest_s + 40.0)]
    seconds = longest_s + 90.0
    reads = split(reads_of(paths, seconds, 1), (1, 3))
    play = Play(two_readers((1, 3))).run(reads, seconds, Outage(["b"], 15.0, longest_s + 70.0))
    times = [seconds_of(one) for one in play.told]
    first = [decided for seen, decided in times if seen < 60]
    second = [decided - seen for seen, decided in times if seen > 60]
    assert len(first) >= 9
    assert set(first) == {15.0 + longest_s}
    assert len(second) >= 9
    assert max(second) < 8, "it judges in time again"
    away = [read for read in reads if read[1] == "b" and 15.0 <= read[0] < longest_s + 70.0]
    assert play.late == len(away), "nobody waited for these"


def test_a_door_with_too_much_waiting_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.door_time.MAX_WAITING", 50)
    reads = split(reads_of([*pallet(24.0), stand(3.0, 2.0)], 60.0, 1), (1, 3))
    play = Play(two_readers((1, 3))).run(reads, 60.0, Outage(["b"], 15.0, 50.0))
    assert play.told
    assert min(seconds_of(one)[1] for one in play.told) < 50.0


def test_a_line_that_stalls_and_then_delivers_everything_costs_a_quiet_door_nothing() -> None:
    """Nobody ever says that the reader is off: the line is silent for less than its driver needs to notice."""
    near = [read for read in scene(pallet(22.5, tags=4), 60.0) if read[0] > 18.5]
    reads = [(14.0, "r-d1", 1, 150, -60.0), *near]
    plain = Play().run(reads, 60.0)
    stalled = Play().run(reads, 60.0, Outage(["r-d1"], 14.5, 23.5, is_told=False))
    assert len(plain.told) >= 3
    assert observed(stalled) == observed(plain)
    assert stalled.late == 0


def test_what_crosses_before_a_dead_line_is_noticed_is_told_where_the_door_was_quiet() -> None:
    """The last sign is at 9 s; the line dies at 13.5 s, and the driver says so at 18.5 s: it is through then."""
    reads = [(9.0, "r-d1", 1, 150, -60.0), *(read for read in scene(pallet(16.5), 60.0) if read[0] > 13.5)]
    plain = Play().run(reads, 60.0)
    cut = Play().run(reads, 60.0, Outage(["r-d1"], 13.5, 40.0, unnoticed_s=5.0))
    assert len(plain.told) >= 11
    assert observed(cut) == observed(plain)


def test_a_photo_eye_that_was_held_counts_for_its_own_time() -> None:
    reads = scene([*pallet(24.0), stand(3.0, 2.0)], 60.0)
    outage = Outage(["r-d1"], 15.0, 40.0)
    beams = [GpiChange("r-d1", 1, True, us(24.0))]
    settings = config(eyes=True)
    assert len(Play(settings).run(reads, 60.0, outage, beams).told) >= 11
    later = [GpiChange("r-d1", 1, True, us(5.0)), GpiChange("r-d1", 1, True, us(36.0))]
    assert Play(settings).run(reads, 60.0, outage, later).told == [], "a beam after the crossing is none of its own"


@pytest.mark.parametrize("every_s", [0.1, 0.7, 3.0, 19.0])
def test_ticks_of_any_length_give_the_same(every_s: float) -> None:
    reads = scene([*pallet(24.0), stand(3.0, 2.0)], 80.0)
    outage = Outage(["r-d1"], 15.0, 40.0)
    told = [one.model_dump() for one in Play().run(reads, 78.0, outage, every_s=every_s).told]
    assert told == [one.model_dump() for one in Play().run(reads, 78.0, outage).told]
    assert len(told) >= 11


def test_a_reader_that_is_idle_until_its_trigger_is_not_waited_for() -> None:
    coverage = Coverage(two_readers((1, 3)))
    for name in ("a", "b"):
        coverage.apply(ReaderState(name, ALL, START_US))
    coverage.apply(ReaderState("b", frozenset(), us(1.0), idle=True))
    assert coverage.doors_wait(us(20.0))[0].tolist() == [False]
    coverage.apply(ReaderState("b", frozenset(), us(21.0)))
    assert coverage.doors_wait(us(22.0))[0].tolist() == [True]
    coverage.apply(ReaderState("b", frozenset(), us(30.0)))
    assert coverage.doors_wait(us(21.0) + LONGEST_AWAY_US)[0].tolist() == [False], "it is not away anew"


def test_a_reader_whose_return_is_known_late_is_waited_for_from_then_on() -> None:
    """Its driver learnt of it from a read that is seconds old; more such may follow."""
    coverage = Coverage(two_readers((1, 3)))
    coverage.apply(ReaderState("a", ALL, START_US))
    coverage.apply(ReaderState("a", frozenset(), us(5.0)))
    coverage.advance(us(30.0))
    coverage.apply(ReaderState("a", ALL, us(26.0)))
    assert coverage.doors_wait(us(30.9))[0].tolist() == [True]
    assert coverage.doors_wait(us(31.0))[0].tolist() == [False]


def test_a_reader_that_never_came_is_not_waited_for() -> None:
    coverage = Coverage(two_readers((1, 3)))
    coverage.apply(ReaderState("a", ALL, START_US))
    coverage.apply(ReaderState("b", frozenset(), us(1.0)))
    assert coverage.doors_wait(us(2.0))[0].tolist() == [False]


def test_what_waits_is_released_by_bins_each_read_once() -> None:
    time = DoorTime(250_000, 4)
    time.stand(10)
    at_us = np.array([2_300_000, 2_240_000, 2_600_000, 2_600_000])
    zeros = np.zeros(4, np.int64)
    assert time.unjudged(at_us).tolist() == [True, False, True, True]
    time.keep(GridReads(zeros, zeros, np.full(4, -60, np.float32), at_us, zeros + 1).take([0, 2, 3]))
    time.keep_beam(2_600_001)
    first, beams = time.release(10)
    assert first is not None
    assert (first.at_us.tolist(), beams) == ([2_300_000], [])
    second, beams = time.release(11)
    assert second is not None
    assert (second.at_us.tolist(), beams) == ([2_600_000], [2_600_001])
    time.run()
    assert not time.stands
    assert not time.unjudged(at_us).any()


def test_a_crossing_told_late_does_not_take_a_tag_from_where_it_was_seen_since() -> None:
    plain = two_readers((1, 2)).model_dump(mode="json")
    plain["zones"].append({"code": "hall"})
    plain["readers"].append({"name": "h", "address": "h", "antennas": [{"port": 1, "zone": "hall"}]})
    settings = GatewayConfig.model_validate(plain)
    door = split(reads_of(pallet(24.0), 60.0, 1), (1, 2))
    hall: list[Read] = [(at_s, "h", 1, tag, -55.0) for at_s in np.arange(32.0, 58.0, 0.5) for tag in range(12)]
    play = Play(settings, keep=("arrived", "moved", "crossed"))
    play.run(sorted([*door, *hall]), 60.0, Outage(["a", "b"], 15.0, 45.0))
    told = Counter((one.kind, one.zone) for one in play.told)
    assert told["arrived", "hall"] == 12
    assert told["crossed", None] >= 11
    assert told["moved", "dock"] == told["arrived", "dock"] == 0
    crossed = [one for one in play.told if one.kind == "crossed"]
    assert max(one.observed_at for one in crossed) < min(one.observed_at for one in play.told if one.zone == "hall")
    assert play.places == {"hall"}
