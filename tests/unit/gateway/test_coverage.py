"""The clocks of zones: what counts as watched, and that one reader's silence never makes another's tags look silent."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from gateway.config import GatewayConfig
from gateway.coverage import Coverage
from gateway.pipeline import Pipeline
from readers.read import LINK_DOUBT_US, EpcTable, ReadBatch, ReaderEvent, ReaderState, empty_reads

START_US = 1_700_000_000_000_000
DOUBT_S = LINK_DOUBT_US // 1_000_000
ZONE = np.zeros(1, np.int64)
WINDOW_S = 4
CONFIG: dict[str, Any] = {
    "site": "s",
    "gateway": "g",
    "zones": [{"code": "dock"}],
    "readers": [
        {"name": name, "address": name, "antennas": [{"port": 1, "zone": "dock"}]} for name in ("one", "other")
    ],
    "rules": {"window_min_ms": WINDOW_S * 1000, "window_max_ms": WINDOW_S * 1000},
}


def us(seconds: float) -> int:
    return START_US + round(seconds * 1e6)


def state(reader: str, on: bool, at_s: float) -> ReaderState:
    return ReaderState(reader, frozenset({1}) if on else frozenset(), us(at_s))


class Watch:
    """A zone with the antennas of two readers, both on since second 0."""

    def __init__(self) -> None:
        self.coverage = Coverage(GatewayConfig.model_validate(CONFIG))
        for reader in ("one", "other"):
            self.coverage.apply(state(reader, True, 0))

    def hear(self, antenna: int, at_s: float) -> None:
        self.coverage.heard(np.array([antenna]), np.array([us(at_s)]))
        self.coverage.advance(us(at_s))

    def clock_s(self) -> float:
        return float(self.coverage.clock_us[0]) / 1e6

    def clock_at_s(self, at_s: float) -> float:
        return float(self.coverage.clock_at(ZONE, np.array([us(at_s)]))[0]) / 1e6


def test_a_clock_stands_while_a_reader_is_in_doubt_and_then_adds_the_span() -> None:
    watch = Watch()
    watch.hear(0, 5), watch.hear(1, 5)
    watch.hear(1, 9)
    assert watch.clock_s() == 5
    watch.hear(0, 9.5)
    assert watch.clock_s() == 9
    watch.hear(1, 9.5 + DOUBT_S + 1)
    assert watch.clock_s() == 9.5 + DOUBT_S + 1


@pytest.mark.parametrize("silence_s", [1, DOUBT_S - 1, DOUBT_S, 3 * DOUBT_S])
def test_a_time_has_the_same_clock_before_and_after_a_doubt(silence_s: int) -> None:
    """What was written down during the doubt is compared with the clock after it: neither may have jumped."""
    watch = Watch()
    watch.hear(0, 5), watch.hear(1, 5)
    stamps = {}
    for at_s in range(6, 6 + silence_s):
        watch.hear(1, at_s)
        stamps[at_s] = watch.clock_at_s(at_s)
    watch.hear(0, 6 + silence_s)
    watch.hear(1, 6 + silence_s)
    assert stamps == {at_s: watch.clock_at_s(at_s) for at_s in stamps} == {at_s: at_s for at_s in stamps}


def test_a_doubt_that_proves_right_costs_no_more_than_the_doubt() -> None:
    watch = Watch()
    watch.hear(0, 5), watch.hear(1, 5)
    watch.hear(1, 5 + DOUBT_S)
    stamp_s = watch.clock_at_s(5 + DOUBT_S)
    watch.coverage.apply(state("one", False, 5 + DOUBT_S))
    watch.hear(1, 5000)
    assert watch.clock_s() == 5
    assert stamp_s - watch.clock_s() == DOUBT_S
    assert watch.clock_at_s(5000) == 5, "a zone with an antenna off has no time to add"


def test_a_reader_whose_driver_takes_long_to_notice_is_doubted_as_long() -> None:
    """Behind a broker a dead reader is known of after a minute only: until then its silence takes no tag away."""
    watch = Watch()
    slow = dataclasses.replace(state("one", True, 0), doubt_us=60_500_000)
    watch.coverage.apply(slow)
    watch.hear(0, 5), watch.hear(1, 5)
    for at_s in range(6, 65):
        watch.hear(1, at_s)
    assert watch.clock_s() == 5
    assert watch.clock_at_s(64) == 64
    watch.hear(1, 66)
    assert watch.clock_s() == 66
    assert watch.coverage.longest_doubt_us == 60_500_000


def test_a_reader_behind_a_broker_that_dies_takes_no_tag_with_it() -> None:
    """It is said to be off a minute after it was last heard, as of then: what it saw is as it was."""
    epcs = EpcTable()
    pipeline = Pipeline(GatewayConfig.model_validate({**CONFIG, "readers": CONFIG["readers"][:1]}), epcs)
    on = dataclasses.replace(state("one", True, 0), doubt_us=60_500_000)
    kinds = []
    for second in range(1, 300):
        events: list[ReaderEvent] = [on] if second == 1 else []
        if second < 30:
            events.append(batch(epcs, "one", b"\1" * 12, [second + 0.1, second + 0.7]))
        if second == 90:
            events.append(state("one", False, 29.7))
        kinds += [m.kind for m in pipeline.step(events, us(second + 1)).movements]
    assert kinds == ["arrived"]


def batch(epcs: EpcTable, reader: str, epc: bytes, times_s: list[float]) -> ReadBatch:
    reads = empty_reads(len(times_s))
    reads["epc"] = epcs.number(epc)
    reads["antenna"], reads["rssi_dbm"] = 1, -60
    reads["at_us"] = reads["first_at_us"] = [us(at_s) for at_s in times_s]
    return ReadBatch(reader, reads, us(times_s[-1]))


@pytest.mark.parametrize("silence_s", [WINDOW_S + 1, DOUBT_S + 5])
def test_no_tag_departs_because_the_other_reader_of_its_zone_fell_silent_and_returned(silence_s: int) -> None:
    """The window is shorter than the doubt, and the tag is read every two seconds all the time."""
    epcs = EpcTable()
    pipeline = Pipeline(GatewayConfig.model_validate(CONFIG), epcs)
    pipeline.step([state("one", True, 0), state("other", True, 0)], us(0))
    kinds = []
    for second in range(1, 60):
        events: list[ReaderEvent] = []
        if second % 2:
            events.append(batch(epcs, "other", b"\1" * 12, [second + 0.1]))
        if not 20 <= second < 20 + silence_s:
            events.append(batch(epcs, "one", b"\2" * 12, [second + 0.3, second + 0.7]))
        kinds += [(m.kind, m.epc) for m in pipeline.step(events, us(second + 1)).movements]
    steady = [kind for kind, epc in kinds if epc == (b"\1" * 12).hex().upper()]
    assert steady == ["arrived"]
