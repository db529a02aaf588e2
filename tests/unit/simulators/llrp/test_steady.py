"""The load generator: the fast way sends the bytes that the general way would, and gives way to it when it must."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readers.llrp.codec import decode, encode
from readers.llrp.message import Message, Parameter
from simulators.llrp.models import load_model
from simulators.llrp.session import ReaderSide
from simulators.llrp.steady import SteadyFrames, SteadyTags
from tests.reader_bench import MS, T0, access_spec, ai_spec, ro_spec, trigger

PORTS = frozenset((1, 2, 3, 4))


class Line:
    """One reader before steady tags, asked in slices; the bytes it sent."""

    def __init__(self, tags: SteadyTags, model: str = "speedway-r420") -> None:
        self.side = ReaderSide(load_model(model), 4, 500 * MS, booted_us=T0 - 5_000_000)
        self.side.connect(T0)
        self.side.data_to_send()
        self.frames = SteadyFrames(tags, self.side)
        self.tags = tags
        self.now_us = T0
        self.fast = self.slow = 0

    def ask(self, name: str, *parameters: Parameter, **fields: Any) -> None:
        self.side.receive_data(encode(Message(name, 1, fields, list(parameters))), self.now_us)

    def start(self, rospec: Parameter) -> None:
        self.ask("ADD_ROSPEC", rospec)
        self.ask("ENABLE_ROSPEC", ROSpecID=1)
        self.side.data_to_send()

    def run(self, slices_ms: list[int], *, fast: bool = True, ports: frozenset[int] = PORTS) -> bytes:
        for ms in slices_ms:
            self.now_us += ms * MS
            while (window := self.side.radio.next_window(self.now_us)) is not None:
                if fast and self.frames.serve(window, ports):
                    self.fast += 1
                    continue
                self.slow += 1
                seen = self.tags.inventory("", ports, window.from_us, window.to_us)
                self.side.observe(window, seen)
        return self.side.data_to_send()


def both(
    rospec: Parameter, slices_ms: list[int], tags: int = 30, rate_hz: float = 170.0, model: str = "fx9600"
) -> tuple[bytes, bytes, Line]:
    """The same time the fast way and the general way, up to and including the end of the ROSpec."""
    said = []
    for fast in (True, False):
        line = Line(SteadyTags(tags, rate_hz, 4), model)
        line.start(rospec)
        data = line.run(slices_ms, fast=fast)
        line.ask("STOP_ROSPEC", ROSpecID=1)
        said.append(data + line.side.data_to_send())
        if fast:
            quick = line
    return said[0], said[1], quick


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=12),
    st.integers(1, 30),
    st.sampled_from([1.0, 37.5, 200.0, 999.0]),
)
def test_the_fast_way_and_the_general_way_send_the_same_bytes(
    slices_ms: list[int], every_n: int, rate_hz: float
) -> None:
    fast, general, line = both(ro_spec(every_n=every_n), slices_ms, rate_hz=rate_hz)
    assert fast == general
    assert line.fast
    assert not line.slow


@pytest.mark.parametrize("model", ["speedway-r420", "plain"])
def test_it_is_right_for_clocks_of_either_kind(model: str) -> None:
    fast, general, _ = both(ro_spec(every_n=3), [50] * 20, model=model)
    assert fast == general
    assert len(fast) > 1000


def test_every_tag_is_read_at_the_rate_it_was_asked_for() -> None:
    line = Line(SteadyTags(200, 200.0, 4))
    line.start(ro_spec(every_n=10))
    frames = line.run([50] * 40)
    records = []
    while frames:
        length = int.from_bytes(frames[2:6], "big")
        records += decode(frames[:length]).parameters
        frames = frames[length:]
    assert len(records) == 400
    assert len({record.parameters[0].fields["EPC"] for record in records}) == 200


@pytest.mark.parametrize(
    "rospec",
    [
        pytest.param(ro_spec(every_n=0), id="no limit"),
        pytest.param(ro_spec(every_n=31), id="more than there are tags: some merge"),
        pytest.param(ro_spec(every_n=3, report_trigger=0), id="only when asked"),
        pytest.param(ro_spec(every_n=3, specs=(ai_spec(1), ai_spec(2))), id="several AISpecs"),
        pytest.param(
            ro_spec(
                every_n=3,
                specs=(
                    ai_spec(
                        0,
                        stop=trigger(
                            "AISpecStopTrigger",
                            3,
                            Parameter(
                                "TagObservationTrigger",
                                {"TriggerType": 0, "NumberOfTags": 9, "NumberOfAttempts": 0, "T": 0, "Timeout": 0},
                            ),
                            DurationTrigger=0,
                        ),
                    ),
                ),
            ),
            id="the tags end it",
        ),
    ],
)
def test_what_frames_cannot_be_made_for_takes_the_general_way(rospec: Parameter) -> None:
    fast, general, line = both(rospec, [50] * 10)
    assert fast == general
    assert not line.fast


def test_an_access_spec_in_between_loses_nothing_and_doubles_nothing() -> None:
    said = []
    for fast in (True, False):
        line = Line(SteadyTags(30, 170.0, 4))
        line.start(ro_spec(every_n=7))
        data = line.run([50] * 7, fast=fast)
        line.ask("ADD_ACCESSSPEC", access_spec(3, count=4))
        line.ask("ENABLE_ACCESSSPEC", AccessSpecID=3)
        data += line.run([50] * 7, fast=fast)
        line.ask("STOP_ROSPEC", ROSpecID=1)
        said.append(data + line.side.data_to_send())
    assert said[0] == said[1]


def test_time_that_nobody_listened_is_not_made_up_for() -> None:
    line = Line(SteadyTags(30, 100.0, 4))
    line.start(ro_spec(every_n=10))
    assert len(line.run([1000])) > 0
    line.now_us += 60_000_000
    line.side.radio.skip(line.now_us)
    (length, count) = (len(line.run([1000])), line.fast)
    assert count == 4
    assert length == len(line.run([1000]))


def test_an_antenna_that_is_off_sees_nothing() -> None:
    line = Line(SteadyTags(8, 100.0, 4))
    line.start(ro_spec(every_n=1))
    data = line.run([1000], ports=frozenset((2,)))
    assert line.slow
    ports = set()
    while data:
        length = int.from_bytes(data[2:6], "big")
        antenna = decode(data[:length]).parameters[0].find("AntennaID")
        assert antenna is not None
        ports.add(antenna.fields["AntennaID"])
        data = data[length:]
    assert ports == {2}
