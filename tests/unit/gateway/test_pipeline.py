"""The whole judgement, step by step: what reads of zones and doors become."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest

from gateway.config import GatewayConfig
from gateway.pipeline import Pipeline, StepResult, TagRow
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderState, empty_reads
from wire.events import Movement

START_S = 1_700_000_000.0
DOOR = [{"port": port, "portal": "d1", "side": "in" if port < 3 else "out"} for port in (1, 2, 3, 4)]
CONFIG = {
    "site": "s",
    "gateway": "g",
    "zones": [{"code": "dock"}, {"code": "hall"}],
    "portals": [{"code": "d1", "inside_zone": "dock"}],
    "readers": [
        {"name": "zr", "address": "z", "antennas": [{"port": 1, "zone": "dock"}, {"port": 2, "zone": "hall"}]},
        {"name": "dr", "address": "d", "antennas": DOOR},
    ],
    "foreign_prefixes": ["FF"],
}
TAG = bytes.fromhex("AA" * 12)


def us(seconds: float) -> int:
    return round((START_S + seconds) * 1e6)


class Bench:
    """A pipeline with its tags, fed in seconds since START_S."""

    def __init__(self, config: GatewayConfig | None = None) -> None:
        self.config = config or GatewayConfig.model_validate(CONFIG)
        self.epcs = EpcTable()
        self.pipeline = Pipeline(self.config, self.epcs)
        self.movements: list[Movement] = []
        self.rows: dict[bytes, TagRow] = {}
        self.forgotten: list[bytes] = []

    def reads(
        self, reader: str, antenna: int, times: Iterable[float], rssi: float = -60.0, epc: bytes = TAG
    ) -> ReadBatch:
        at = np.array([us(time) for time in times], np.int64)
        reads = empty_reads(len(at))
        reads["epc"] = self.epcs.number(epc)
        reads["antenna"] = antenna
        reads["rssi_dbm"] = rssi
        reads["at_us"] = reads["first_at_us"] = at
        return ReadBatch(reader, reads, int(at.max()))

    def state(self, reader: str, on: bool, at: float) -> ReaderState:
        ports = frozenset({1, 2} if reader == "zr" else {1, 2, 3, 4}) if on else frozenset()
        return ReaderState(reader, ports, us(at))

    def step(self, events: list[ReaderEvent], now: float) -> StepResult:
        result = self.pipeline.step(events, us(now))
        self.movements += result.movements
        self.rows.update({row.epc: row for row in result.changed})
        for epc in result.forgotten:
            self.rows.pop(epc, None)
            self.forgotten.append(epc)
        return result

    def kinds(self) -> list[tuple[str, str | None]]:
        return [(m.kind, m.zone or f"{m.portal}/{m.direction}") for m in self.movements]


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.step([made.state("zr", True, 0), made.state("dr", True, 0)], 0.0)
    return made


def test_a_tag_read_twice_arrives_once_and_departs_when_silent(bench: Bench) -> None:
    bench.step([bench.reads("zr", 1, np.arange(1.0, 20.0, 0.9))], 21.0)
    assert bench.kinds() == [("arrived", "dock")]
    arrived = bench.movements[0]
    assert arrived.observed_at <= arrived.decided_at
    assert arrived.evidence is not None
    assert arrived.evidence.antennas == ("zr/1",)
    bench.step([], 200.0)
    assert bench.kinds() == [("arrived", "dock"), ("departed", "dock")]
    last = bench.movements[1]
    assert last.observed_at.timestamp() == pytest.approx(START_S + 19.9, abs=0.01)
    assert last.decided_at > last.observed_at


def test_one_read_is_no_arrival(bench: Bench) -> None:
    bench.step([bench.reads("zr", 1, [1.0, 1.1])], 100.0)
    assert bench.movements == []


def test_a_short_stray_burst_moves_nothing_but_a_stay_does(bench: Bench) -> None:
    bench.step([bench.reads("zr", 1, np.arange(1.0, 30.0, 0.8))], 31.0)
    bench.step(
        [bench.reads("zr", 2, np.arange(31.0, 31.6, 0.05), -62), bench.reads("zr", 1, np.arange(31.1, 40, 0.8))], 41
    )
    assert bench.kinds() == [("arrived", "dock")]
    bench.step([bench.reads("zr", 2, np.arange(42.0, 60.0, 0.8))], 61.0)
    assert bench.kinds() == [("arrived", "dock"), ("moved", "hall")]
    assert bench.movements[1].from_zone == "dock"


def test_a_tag_carried_on_within_sight_of_its_door_does_not_stay_where_it_was(bench: Bench) -> None:
    bench.step([bench.reads("zr", 1, np.arange(1.0, 15.0, 0.7), -58.0)], 16.0)
    at_door = bench.reads("dr", 2, np.arange(15.0, 60.0, 1.5), -76.0)
    in_hall = bench.reads("zr", 2, np.arange(15.3, 60.0, 1.2), -64.0)
    bench.step([at_door, in_hall], 61.0)
    assert bench.kinds() == [("arrived", "dock"), ("moved", "hall")]
    assert bench.movements[1].observed_at.timestamp() < START_S + 35


def test_a_reader_that_is_off_takes_no_tag_away(bench: Bench) -> None:
    bench.step([bench.reads("zr", 1, np.arange(1.0, 10.0, 0.7))], 11.0)
    bench.step([bench.state("zr", False, 11.0)], 11.3)
    bench.step([], 5000.0)
    assert bench.kinds() == [("arrived", "dock")]
    bench.step([bench.state("zr", True, 5000.0)], 5000.5)
    bench.step([], 5001.0)
    assert bench.kinds() == [("arrived", "dock")]
    bench.step([], 5200.0)
    assert bench.kinds()[-1] == ("departed", "dock")


def test_foreign_tags_are_dropped_and_counted(bench: Bench) -> None:
    result = bench.step([bench.reads("zr", 1, np.arange(1.0, 5.0, 0.7), epc=bytes.fromhex("FF" * 12))], 10.0)
    assert (result.reads, result.foreign) == (6, 6)
    assert bench.movements == []


def test_a_restart_repeats_no_arrival_and_forgets_no_departure(bench: Bench) -> None:
    bench.step([bench.reads("zr", 1, np.arange(1.0, 10.0, 0.7))], 11.0)
    again = Bench()
    again.pipeline.restore(bench.rows.values(), us(20.0))
    again.step([again.state("zr", True, 20.0), again.reads("zr", 1, np.arange(20.5, 30.0, 0.7))], 31.0)
    assert again.movements == []
    again.step([], 200.0)
    assert again.kinds() == [("departed", "dock")]


def test_a_zone_with_a_dead_antenna_still_sees_tags_arrive_and_loses_none() -> None:
    settings = {
        **CONFIG,
        "readers": [{"name": "zr", "address": "z", "antennas": [{"port": p, "zone": "dock"} for p in (1, 2)]}],
    }
    bench = Bench(GatewayConfig.model_validate(settings))
    bench.step([ReaderState("zr", frozenset({1}), us(0))], 0.0)
    bench.step([bench.reads("zr", 1, np.arange(1.0, 10.0, 0.7))], 11.0)
    bench.step([], 2000.0)
    assert bench.kinds() == [("arrived", "dock")]


def test_every_tag_that_moves_on_is_stored_in_turn_when_they_are_too_many_for_one_sweep(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rows a sweep are 8 a second: 600 tags take 75 s to go round."""
    monkeypatch.setattr("gateway.pipeline.CHECKPOINT_ROWS", 2)
    tags = [number.to_bytes(12, "big") for number in range(1, 601)]
    stored: dict[bytes, list[int]] = {epc: [] for epc in tags}
    for second in range(1, 241):
        reads = bench.reads("zr", 1, [second + 0.1] * len(tags))
        reads.reads["epc"] = bench.epcs.numbers(tags)
        for row in bench.step([reads], second + 0.5).changed:
            stored[row.epc].append(second)
    assert bench.movements == [m for m in bench.movements if m.kind == "arrived"]
    assert all(stored.values())
    gaps = [later - earlier for at in stored.values() for earlier, later in pairwise([*at, 240])]
    assert max(gaps) <= 30 + 75 + 10


def test_a_tag_present_takes_no_more_than_a_kibibyte_at_a_site_of_many_zones() -> None:
    """Counted in the arrays that grow: its own row, its place in each zone's index, and three zones' sightings."""
    zones = [{"code": f"z{number}"} for number in range(64)]
    antennas = [{"port": number + 1, "zone": zone["code"]} for number, zone in enumerate(zones)]
    settings = {
        "site": "s",
        "gateway": "g",
        "zones": zones,
        "readers": [{"name": "zr", "address": "z", "antennas": antennas}],
    }
    bench = Bench(GatewayConfig.model_validate(settings))
    bench.step([ReaderState("zr", frozenset(range(1, 65)), us(0))], 0.0)
    for port in (1, 2, 3):
        for number in range(2000):
            epc = number.to_bytes(12, "big")
            bench.step([bench.reads("zr", port, [1.0 + port], epc=epc)], 1.0 + port)
    bench.step([], 10.0)
    placing, tags = bench.pipeline._placing, bench.pipeline._tags
    by_pair = arrays(placing.presence.known) + arrays(placing._location)
    by_tag = [*arrays(tags), *arrays(placing), placing.pairs._row_of]
    assert {len(array) for array in by_pair} == {placing.pairs.capacity}
    assert 6000 < placing.pairs.capacity <= 4 * 6000
    assert 3 * row_bytes(by_pair) + row_bytes(by_tag) <= 1024


def arrays(owner: object) -> list[np.ndarray]:
    return [value for value in vars(owner).values() if isinstance(value, np.ndarray) and len(value) > 500]


def row_bytes(arrays: list[np.ndarray]) -> float:
    return sum(array.nbytes / len(array) for array in arrays)


def test_a_gateway_with_nothing_but_scanners_judges_nothing_for_ever() -> None:
    scanner = {"name": "gun", "driver": "serial", "address": "/dev/ttyACM0"}
    config = GatewayConfig.model_validate({"site": "s", "gateway": "g", "scanners": [scanner]})
    pipeline = Pipeline(config, EpcTable())
    for hour in range(48):
        step = pipeline.step([], 1_800_000_000_000_000 + hour * 3_600_000_000)
        assert (step.movements, step.changed, step.forgotten) == ([], [], [])
