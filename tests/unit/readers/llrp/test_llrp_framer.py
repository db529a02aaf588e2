"""Cutting a byte stream into frames: whatever the pieces, and whatever a header claims."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readers.errors import FrameError
from readers.llrp.codec import HEADER, MAX_FRAME_BYTES, Framer, encode, read_header
from readers.llrp.message import Message

KEEPALIVE = encode(Message("KEEPALIVE", 7))
START = encode(Message("START_ROSPEC", 8, {"ROSpecID": 1}))
STREAM = KEEPALIVE + START + KEEPALIVE


def test_a_chunk_with_several_frames_gives_all_of_them() -> None:
    framer = Framer()
    assert framer.feed(STREAM) == [KEEPALIVE, START, KEEPALIVE]
    assert framer.pending == 0


def test_byte_by_byte_gives_the_same_frames() -> None:
    framer = Framer()
    frames = [frame for at in range(len(STREAM)) for frame in framer.feed(STREAM[at : at + 1])]
    assert frames == [KEEPALIVE, START, KEEPALIVE]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_any_cut_gives_the_same_frames(cuts: list[int]) -> None:
    framer = Framer()
    edges = [0, *sorted(cuts), len(STREAM)]
    frames = [frame for start, end in pairwise(edges) for frame in framer.feed(STREAM[start:end])]
    assert frames == [KEEPALIVE, START, KEEPALIVE]


def test_what_is_not_whole_yet_is_pending() -> None:
    framer = Framer()
    assert framer.feed(KEEPALIVE + START[:-1]) == [KEEPALIVE]
    assert framer.pending == len(START) - 1
    assert framer.feed(START[-1:]) == [START]


@pytest.mark.parametrize("length", [0, 5, 9, MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_a_lying_length_is_refused_at_once_and_for_good(length: int) -> None:
    framer = Framer()
    with pytest.raises(FrameError, match=str(length)) as caught:
        framer.feed(KEEPALIVE + HEADER.pack(1 << 10 | 62, length, 1))
    assert caught.value.frames == (KEEPALIVE,)
    with pytest.raises(FrameError, match=str(length)):
        framer.feed(KEEPALIVE)
    assert framer.pending == 0


def test_a_frame_of_exactly_the_cap_is_taken() -> None:
    frame = HEADER.pack(1 << 10 | 61, MAX_FRAME_BYTES, 1) + bytes(MAX_FRAME_BYTES - HEADER.size)
    assert Framer().feed(frame) == [frame]


def test_another_protocol_on_the_port_is_refused() -> None:
    with pytest.raises(FrameError, match="reserved bits"):
        Framer().feed(b"\xff\xfd\x18 telnet options")


def test_a_header_tells_version_type_and_id() -> None:
    header = read_header(encode(Message("GET_SUPPORTED_VERSION", 99, version=2)))
    assert (header.version, header.type, header.length, header.id) == (2, 46, 10, 99)
    with pytest.raises(FrameError):
        read_header(KEEPALIVE[:9])
