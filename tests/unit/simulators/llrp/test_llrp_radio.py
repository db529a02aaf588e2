"""When a simulated reader inventories: its windows, and triggers that fall into one long slice of a fast clock."""

from __future__ import annotations

import numpy as np

from readers.llrp.message import Parameter
from simulators.llrp.configuration import report_spec
from simulators.llrp.report import ReportContent
from simulators.llrp.rospec import ROUND_US, Hooks, Radio
from simulators.sighting import Sightings, no_sightings

T0 = 1_700_000_000_000_000
MS = 1000
SECOND = 1_000_000

Windows = list[tuple[int, int]]


class Air:
    """A radio whose ROSpecs are started by hand and whose windows are remembered, in milliseconds since T0."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.ended: list[int] = []
        self.reports: list[list[bytes]] = []
        self.radio = Radio(
            Hooks(
                lambda _, at_us: self.started.append((at_us - T0) // MS),
                lambda _, at_us: self.ended.append((at_us - T0) // MS),
                lambda *_: None,
                lambda *_: None,
                self.reports.append,
            ),
            flush_us=500 * MS,
        )

    def enable(self, number: int, start: Parameter, stop: Parameter) -> None:
        inventory = Parameter("InventoryParameterSpec", {"InventoryParameterSpecID": 1, "ProtocolID": 1})
        no_stop = Parameter("AISpecStopTrigger", {"AISpecStopTriggerType": 0, "DurationTrigger": 0})
        rospec = Parameter(
            "ROSpec",
            {"ROSpecID": number, "Priority": 0, "CurrentState": 0},
            [
                Parameter("ROBoundarySpec", {}, [start, stop]),
                Parameter("AISpec", {"AntennaIDs": [number]}, [no_stop, inventory]),
            ],
        )
        self.radio.add(rospec, ReportContent.of(report_spec()))
        self.radio.enable(self.radio.rospecs[number], T0)

    def look_until(self, now_us: int, sightings: Sightings | None = None) -> Windows:
        """One slice; its windows."""
        found = []
        while (window := self.radio.next_window(now_us)) is not None:
            found.append(((window.from_us - T0) // MS, (window.to_us - T0) // MS))
            assert window.to_us <= now_us
            self.radio.observed(window, sightings or no_sightings())
        return found


def periodic(offset_ms: int, period_ms: int) -> Parameter:
    value = Parameter("PeriodicTriggerValue", {"Offset": offset_ms, "Period": period_ms})
    return Parameter("ROSpecStartTrigger", {"ROSpecStartTriggerType": 2}, [value])


def immediate() -> Parameter:
    return Parameter("ROSpecStartTrigger", {"ROSpecStartTriggerType": 1})


def lasting(duration_ms: int) -> Parameter:
    return Parameter("ROSpecStopTrigger", {"ROSpecStopTriggerType": 1, "DurationTriggerValue": duration_ms})


def test_every_period_of_one_long_slice_has_its_run() -> None:
    air = Air()
    air.enable(1, periodic(100, 300), lasting(50))
    assert air.look_until(T0 + 900 * MS) == [(100, 150), (400, 450), (700, 750)]
    assert air.started == [100, 400, 700]
    assert air.ended == [150, 450, 750]


def test_a_trigger_that_finds_the_radio_busy_is_missed() -> None:
    air = Air()
    air.enable(1, periodic(0, 400), lasting(250))
    air.enable(2, periodic(100, 200), lasting(20))
    assert air.look_until(T0 + SECOND) == [(0, 250), (300, 320), (400, 650), (700, 720), (800, 1000)]


def test_time_in_which_nobody_listened_is_not_made_up_for() -> None:
    air = Air()
    air.enable(1, periodic(0, 100), lasting(10))
    assert air.look_until(T0 + 50 * MS) == [(0, 10)]
    air.radio.skip(T0 + 450 * MS)
    assert air.look_until(T0 + 550 * MS) == [(500, 510)]


def test_a_spec_that_lasts_no_time_lasts_one_round() -> None:
    air = Air()
    air.enable(1, immediate(), lasting(0))
    assert len(air.look_until(T0 + 100 * MS)) == 100 * MS // ROUND_US


def test_a_window_is_no_longer_than_a_report_may_wait() -> None:
    air = Air()
    air.enable(1, immediate(), Parameter("ROSpecStopTrigger", {"ROSpecStopTriggerType": 0, "DurationTriggerValue": 0}))
    assert air.look_until(T0 + 1200 * MS) == [(0, 500), (500, 1000), (1000, 1200)]
    assert air.reports == []
    seen = Sightings([bytes(12)], np.ones(1, np.uint16), np.full(1, -60, np.float32), np.full(1, T0, np.int64))
    air.look_until(T0 + 1300 * MS, seen)
    assert len(air.reports) == 1
