"""What is fed with bytes, and what must hold: only the package's own errors, and all that is read is written back."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Protocol

from readers.errors import DecodeError, EncodeError, FrameError, ProtocolError
from readers.llrp.codec import HEADER, Framer, decode, encode
from readers.llrp.message import Message
from readers.llrp.report import ReportDecoder
from readers.llrp.vendor import name_vendors
from readers.read import EpcTable, Reads

MAX_INPUT_BYTES: Final = 1 << 20
"""Beyond it no promise is made: it is the cap of a frame."""

MAX_INPUT_MS: Final = 50.0
MAX_INPUT_MIB: Final = 64


class BrokenPromiseError(AssertionError):
    """An input did what none may do."""


class Target(Protocol):
    """`parse` is what time and memory are promised for; `judge` holds its result against the input."""

    def parse(self, data: bytes) -> object:
        """Read the input; None where it is refused with an error that may be raised."""

    def judge(self, data: bytes, result: object) -> None:
        """Raise BrokenPromiseError when the result is not true."""


class CodecTarget:
    """One message: what decodes encodes to the same bytes, with vendor parameters as bytes and by name."""

    def parse(self, data: bytes) -> Message | None:
        try:
            return decode(data)
        except (DecodeError, FrameError):
            return None

    def judge(self, data: bytes, result: object) -> None:
        if not isinstance(result, Message):
            return
        # The header's reserved bits are the framer's to refuse.
        whole = bytes([data[0] & 0x1F]) + data[1:]
        try:
            if encode(result) != whole:
                raise BrokenPromiseError("what was decoded encodes to other bytes")
            if encode(name_vendors(result)) != whole:
                raise BrokenPromiseError("by its vendors' names it encodes to other bytes")
        except EncodeError as error:
            raise BrokenPromiseError(f"what was decoded does not encode: {error}") from error


Cut = tuple[list[bytes], str, int]
"""Frames, the fault behind them, and the bytes still pending."""


class FramerTarget:
    """A stream: cut anywhere it gives the same frames and the same fault, and the frames are its bytes, in order."""

    def parse(self, data: bytes) -> Cut:
        return _cut([data])

    def judge(self, data: bytes, result: object) -> None:
        middle = max(1, len(data) // 3)
        if result != _cut([data[:1], data[1:middle], data[middle:]]):
            raise BrokenPromiseError("the cuts of the stream changed its frames")
        frames, fault, pending = _cut([data])
        joined = b"".join(frames)
        if not data.startswith(joined) or (not fault and len(joined) + pending != len(data)):
            raise BrokenPromiseError("bytes were lost between the frames")
        if any(HEADER.unpack_from(frame)[1] != len(frame) for frame in frames):
            raise BrokenPromiseError("a frame is not as long as it says")


def _cut(chunks: list[bytes]) -> Cut:
    framer = Framer()
    frames: list[bytes] = []
    for chunk in chunks:
        try:
            frames += framer.feed(chunk)
        except FrameError as error:
            return [*frames, *error.frames], str(error), 0
    return frames, "", framer.pending


REPORTS_A_DECODER: Final = 500
"""A connection's decoder keeps layouts and EPCs; it is made anew before noise alone fills them."""


class ReportTarget:
    """The reports of a connection: the hot path and the general codec agree on how many tags a good one holds."""

    def __init__(self) -> None:
        self._left = 0

    def parse(self, data: bytes) -> Reads | None:
        if not self._left:
            self._decoder, self._left = ReportDecoder(EpcTable()), REPORTS_A_DECODER
        self._left -= 1
        try:
            return self._decoder.decode(data)
        except ProtocolError:
            return None

    def judge(self, data: bytes, result: object) -> None:
        if result is None:
            return
        try:
            tags = [tag.name for tag in decode(data).parameters].count("TagReportData")
        except ProtocolError:
            return
        if tags != len(result):  # type: ignore[arg-type]
            raise BrokenPromiseError(f"not as many reads as the {tags} tags")


TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {"framer": FramerTarget(), "codec": CodecTarget(), "report": ReportTarget()}
)
