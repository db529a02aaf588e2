"""What a faulty reader does to the bytes it sends, without I/O: whole frames in, what goes out.

    fault          does
    -----          ----
    stall          nothing goes out until `resume`; then everything does
    half_frame     the next report breaks off in its middle, and the link ends
    lie            the next report's header claims another length than it has; the stream is out of step from there
    unknown        a message of a type that LLRP does not have goes out before the next report

Faults of one report come one after another, each to a report of its own.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from readers.llrp.codec import HEADER

RO_ACCESS_REPORT: Final = 61

UNKNOWN_TYPE: Final = 999
"""No version of LLRP has a message of this type."""

LENGTH_AT: Final = 2
"""Where a header tells the frame's length."""


@dataclass(frozen=True, slots=True)
class Passed:
    """Bytes for the link, and whether it ends behind them."""

    data: bytes
    ends: bool = False


Tampering = Callable[[bytes], Passed]


class FaultyLine:
    """Stands between a reader's session and its socket; takes whole frames."""

    def __init__(self) -> None:
        self.stalled = False
        self._held = bytearray()
        self._tamperings: deque[Tampering] = deque()

    @property
    def waiting(self) -> int:
        """Bytes that a stall holds back."""
        return len(self._held)

    def stall(self) -> None:
        """From now on nothing passes."""
        self.stalled = True

    def resume(self) -> bytes:
        """Everything passes again; what was held back."""
        self.stalled = False
        return self.forget()

    def forget(self) -> bytes:
        """The link is gone, and what was held back for it with it."""
        held = bytes(self._held)
        self._held.clear()
        return held

    def half_frame(self) -> None:
        """Break the next report off."""
        self._tamperings.append(lambda frame: Passed(frame[: len(frame) // 2], ends=True))

    def lie(self, length: int) -> None:
        """Let the next report claim `length` bytes."""
        claimed = struct.pack("!I", length)
        self._tamperings.append(lambda frame: Passed(frame[:LENGTH_AT] + claimed + frame[LENGTH_AT + 4 :]))

    def unknown(self) -> None:
        """Send a message of an unknown type before the next report."""
        self._tamperings.append(lambda frame: Passed(HEADER.pack(1 << 10 | UNKNOWN_TYPE, HEADER.size, 0) + frame))

    def pass_on(self, data: bytes) -> Passed:
        """Frames of the session → what goes out."""
        passed = self._tampered(data) if self._tamperings else Passed(data)
        if not self.stalled:
            return passed
        self._held += passed.data
        return Passed(b"", passed.ends)

    def _tampered(self, data: bytes) -> Passed:
        out = bytearray()
        for frame in _frames(data):
            if not self._tamperings or HEADER.unpack_from(frame)[0] & 0x3FF != RO_ACCESS_REPORT:
                out += frame
                continue
            passed = self._tamperings.popleft()(frame)
            out += passed.data
            if passed.ends:
                return Passed(bytes(out), ends=True)
        return Passed(bytes(out))


def _frames(data: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        _, length, _ = HEADER.unpack_from(data, start)
        yield data[start : start + length]
        start += length
