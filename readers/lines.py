"""Lines out of a stream of bytes, however it was cut: NDJSON of readers, codes of wired scanners (pure).

A line ends at any byte of `ends`; empty lines are none, so CR, LF and CRLF need no telling apart. A line longer than
the cap is dropped up to its end, counted, and costs nothing of the lines around it.
"""

from __future__ import annotations

from typing import Final

LINE_ENDS: Final = b"\r\n"


class LineFramer:
    """Cuts bytes into lines. `overlong` counts the lines that were dropped for their length."""

    def __init__(self, max_bytes: int, ends: bytes = LINE_ENDS) -> None:
        if not ends or max_bytes < 1:
            raise ValueError("a line needs a byte that ends it, and room for at least one byte")
        self.overlong = 0
        self._max_bytes = max_bytes
        self._end = ends[:1]
        self._to_one_end = bytes.maketrans(ends, self._end * len(ends))
        self._open = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that these bytes complete, without their ends."""
        *whole, rest = data.translate(self._to_one_end).split(self._end)
        lines = []
        for piece in whole:
            self._grow(piece)
            lines += self.flush()
        self._grow(rest)
        return lines

    def flush(self) -> list[bytes]:
        """End the open line here, as silence or a closed connection does: it, or nothing."""
        line = bytes(self._open)
        self._open.clear()
        self._skipping = False
        return [line] if line else []

    @property
    def open_bytes(self) -> int:
        """Bytes of a line whose end has not come yet."""
        return len(self._open)

    def _grow(self, piece: bytes) -> None:
        if self._skipping:
            return
        self._open += piece
        if len(self._open) > self._max_bytes:
            self._open.clear()
            self._skipping = True
            self.overlong += 1
