"""What a faulty reader's line does to whole frames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from readers.llrp.codec import HEADER, encode
from readers.llrp.message import Message
from simulators.llrp.line import UNKNOWN_TYPE, FaultyLine, Passed
from simulators.llrp.report import report_frame

REPORT = report_frame([bytes(20)], 7)
KEEPALIVE = encode(Message("KEEPALIVE", 1))


def test_an_even_line_passes_everything() -> None:
    assert FaultyLine().pass_on(KEEPALIVE + REPORT) == Passed(KEEPALIVE + REPORT)


@given(st.lists(st.sampled_from([REPORT, KEEPALIVE]), max_size=8))
def test_a_stall_loses_nothing(frames: list[bytes]) -> None:
    line = FaultyLine()
    line.stall()
    assert all(line.pass_on(frame) == Passed(b"") for frame in frames)
    assert line.waiting == sum(map(len, frames))
    assert line.resume() == b"".join(frames)
    assert line.pass_on(REPORT) == Passed(REPORT)


def test_half_a_report_ends_the_link() -> None:
    line = FaultyLine()
    line.half_frame()
    assert line.pass_on(KEEPALIVE) == Passed(KEEPALIVE)
    assert line.pass_on(KEEPALIVE + REPORT + REPORT) == Passed(KEEPALIVE + REPORT[: len(REPORT) // 2], ends=True)
    assert line.pass_on(REPORT) == Passed(REPORT)


def test_a_lie_changes_only_the_length() -> None:
    line = FaultyLine()
    line.lie(0xFFFF_FFFF)
    passed = line.pass_on(REPORT + REPORT)
    assert passed == Passed(REPORT[:2] + b"\xff\xff\xff\xff" + REPORT[6:] + REPORT)


def test_an_unknown_message_comes_before_a_report() -> None:
    line = FaultyLine()
    line.unknown()
    data = line.pass_on(REPORT).data
    word, length, _ = HEADER.unpack_from(data)
    assert (word & 0x3FF, length, data[10:]) == (UNKNOWN_TYPE, 10, REPORT)


def test_faults_come_one_to_a_report() -> None:
    line = FaultyLine()
    line.unknown()
    line.lie(5)
    line.half_frame()
    passed = line.pass_on(REPORT * 3)
    assert passed.ends
    assert len(passed.data) == HEADER.size + 2 * len(REPORT) + len(REPORT) // 2


def test_a_new_link_gets_nothing_of_the_old_ones() -> None:
    line = FaultyLine()
    line.stall()
    line.pass_on(REPORT)
    line.forget()
    assert line.resume() == b""
