"""Lines out of bytes: the same however they were cut, and an overlong one costs only itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readers.lines import LineFramer

MAX = 16
PIECES = st.lists(st.sampled_from([b"a", b"bc", b"\x1d", b"\r", b"\n", b"\r\n", b"x" * 9]), max_size=40)


def expected(data: bytes) -> tuple[list[bytes], int]:
    lines = [line for line in data.replace(b"\r", b"\n").split(b"\n")[:-1] if line]
    return [line for line in lines if len(line) <= MAX], sum(len(line) > MAX for line in lines)


def test_whole() -> None:
    framer = LineFramer(MAX)
    assert framer.feed(b"one\r\ntwo\n\n\rthree\rfo") == [b"one", b"two", b"three"]
    assert framer.open_bytes == 2
    assert framer.feed(b"ur\n") == [b"four"]


def test_byte_by_byte() -> None:
    framer = LineFramer(MAX)
    found = [line for byte in b"one\r\ntwo\r\n" for line in framer.feed(bytes([byte]))]
    assert found == [b"one", b"two"]


def test_trailing_data_waits_until_silence_ends_it() -> None:
    framer = LineFramer(MAX)
    assert framer.feed(b"one\ntw") == [b"one"]
    assert framer.flush() == [b"tw"]
    assert framer.flush() == []


def test_an_overlong_line_is_dropped_up_to_its_end() -> None:
    framer = LineFramer(MAX)
    assert framer.feed(b"x" * 10) == []
    assert framer.feed(b"x" * 10) == []
    assert framer.open_bytes == 0
    assert framer.feed(b"xx\nshort\n") == [b"short"]
    assert framer.overlong == 1


@given(PIECES, st.data())
def test_any_cut_gives_the_same(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    lines, overlong = expected(stream + b"\n")
    framer, found, rest = LineFramer(MAX), [], stream + b"\n"
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        found += framer.feed(rest[:cut])
        rest = rest[cut:]
        assert framer.open_bytes <= MAX
    assert (found, framer.overlong) == (lines, overlong)


@pytest.mark.parametrize(("most", "ends"), [(0, b"\n"), (1, b"")])
def test_a_framer_needs_room_and_an_end(most: int, ends: bytes) -> None:
    with pytest.raises(ValueError, match="line needs"):
        LineFramer(most, ends)
