"""Codes out of what a scanner on a line sends, however its bytes were cut (pure).

A scanner ends each code with what it is configured to: CR, LF or both as a rule, ETX, or nothing at all; then silence
ends it. FNC1 comes as 0x1D and is part of the code. What is too long for a code is dropped up to its end and said so:
two codes that ran together must not become a third one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gs1.element import FNC1, MAX_CODE_CHARACTERS
from readers.lines import LINE_ENDS, LineFramer

MAX_CODE_BYTES: Final = 4 * MAX_CODE_CHARACTERS
"""A character takes at most four bytes of UTF-8."""


@dataclass(frozen=True, slots=True)
class Code:
    """One code as the scanner sent it, AIM identifier included where it gives one."""

    text: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The scanner sent something that is no code, and what was wrong with it."""

    reason: str


Heard = Code | Unreadable


class CodeFramer:
    """Bytes of one scanner to codes. `ends` are the bytes that end a code, `strips` those round it that mean nothing.

    Raises ValueError when nothing, or FNC1, is to end a code.
    """

    def __init__(self, ends: bytes = LINE_ENDS, strips: bytes = b"") -> None:
        if FNC1.encode() in ends + strips:
            raise ValueError("0x1D is FNC1, a part of the code: it can neither end one nor be stripped")
        self._lines = LineFramer(MAX_CODE_BYTES, ends)
        self._strips = strips
        self._told_overlong = 0

    def feed(self, data: bytes) -> list[Heard]:
        """The codes that these bytes complete."""
        return self._codes(self._lines.feed(data))

    def flush(self) -> list[Heard]:
        """End the open code here, as silence does."""
        return self._codes(self._lines.flush())

    @property
    def is_open(self) -> bool:
        """Has a code begun whose end has not come?"""
        return self._lines.open_bytes > 0

    def _codes(self, lines: list[bytes]) -> list[Heard]:
        heard: list[Heard] = []
        if self._lines.overlong > self._told_overlong:
            self._told_overlong = self._lines.overlong
            heard.append(Unreadable(f"more than {MAX_CODE_BYTES} bytes came without an end: is the suffix set?"))
        stripped = (line.strip(self._strips) if self._strips else line for line in lines)
        return heard + [Code(text_of(line)) for line in stripped if line]


def text_of(code: bytes) -> str:
    """UTF-8 where it is valid, else ISO 8859-1, the character set of most symbologies."""
    try:
        return code.decode()
    except UnicodeDecodeError:
        return code.decode("latin-1")
