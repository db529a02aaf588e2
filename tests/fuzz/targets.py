"""What is fed with bytes, and what must hold: only the package's own errors, and all that is read is written back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from readers.errors import DecodeError, EncodeError, FrameError, ProtocolError
from readers.llrp.codec import HEADER, Framer, decode, encode
from readers.llrp.report import ReportDecoder
from readers.llrp.vendor import name_vendors
from readers.read import EpcTable

MAX_INPUT_BYTES: Final = 1 << 20
MAX_INPUT_MS: Final = 50.0
MAX_INPUT_MIB: Final = 64


class BrokenPromiseError(AssertionError):
    """An input did what none may do."""


def codec(data: bytes) -> None:
    """One message: what decodes encodes to the same bytes, with vendor parameters as bytes and by name."""
    try:
        message = decode(data)
    except (DecodeError, FrameError):
        return
    # The header's reserved bits are the framer's to refuse.
    whole = bytes([data[0] & 0x1F]) + data[1:]
    try:
        if encode(message) != whole:
            raise BrokenPromiseError("what was decoded encodes to other bytes")
        if encode(name_vendors(message)) != whole:
            raise BrokenPromiseError("by its vendors' names it encodes to other bytes")
    except EncodeError as error:
        raise BrokenPromiseError(f"what was decoded does not encode: {error}") from error


def framer(data: bytes) -> None:
    """A stream: cut anywhere it gives the same frames and the same fault, and frames are its bytes, in order."""
    whole = _frames([data])
    middle = len(data) // 3
    if whole != _frames([data[:1], data[1:middle], data[middle:]]):
        raise BrokenPromiseError("the cuts of the stream changed its frames")
    frames, fault, pending = whole
    joined = b"".join(frames)
    if not data.startswith(joined) or (not fault and len(joined) + pending != len(data)):
        raise BrokenPromiseError("bytes were lost between the frames")
    if any(HEADER.unpack_from(frame)[1] != len(frame) for frame in frames):
        raise BrokenPromiseError("a frame is not as long as it says")


def _frames(chunks: list[bytes]) -> tuple[list[bytes], str, int]:
    cutter = Framer()
    frames: list[bytes] = []
    for chunk in chunks:
        try:
            frames += cutter.feed(chunk)
        except FrameError as error:
            return [*frames, *error.frames], str(error), 0
    return frames, "", cutter.pending


REPORTS_A_DECODER: Final = 500
"""A connection's decoder keeps layouts and EPCs; it is made anew before noise alone fills them."""


class Reports:
    """The reports of a connection: the hot path agrees with the general codec on how many tags a good one holds."""

    def __init__(self) -> None:
        self._left = 0

    def __call__(self, data: bytes) -> None:
        if not self._left:
            self._decoder, self._left = ReportDecoder(EpcTable()), REPORTS_A_DECODER
        self._left -= 1
        try:
            reads = self._decoder.decode(data)
        except ProtocolError:
            return
        try:
            tags = [tag.name for tag in decode(data).parameters].count("TagReportData")
        except ProtocolError:
            return
        if tags != len(reads):
            raise BrokenPromiseError(f"{len(reads)} reads of {tags} tags")


TARGETS: Final[Mapping[str, Callable[[bytes], None]]] = MappingProxyType(
    {"framer": framer, "codec": codec, "report": Reports()}
)
