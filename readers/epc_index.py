"""96-bit EPCs → numbers by array operations: what spares nearly every tag a Python object and a dictionary's look-up.

    last 8 bytes × SPREAD ─▶ top bits ─▶ slot ─▶ number ─▶ the 12 bytes of that number, compared with those asked for

A slot holds the number of the EPC that was looked for there last. Where the bytes differ (an EPC at its first sight, or
two that share a slot) the owner of the index asks its dictionary, and the slot changes hands. So answers are exact
whatever the EPCs, and EPCs made to share a slot cost what the dictionary costs and no more. Consecutive serial numbers
never share one (Knuth, TAOCP 3, §6.4).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

EPC_96: Final = np.dtype("S12")
"""A column of 96-bit EPCs. All have 12 bytes, so that numpy ignores zeros at the end changes no comparison."""

EPC_96_BYTES: Final = EPC_96.itemsize

TAIL: Final = np.dtype("=u8")
"""The last 8 bytes of an EPC: in GS1's schemes item and serial number are there, and the company's before them."""

SPREAD: Final = np.array(0x9E3779B97F4A7C15, np.uint64)
"""2^64 over the golden ratio, odd: its multiples are spread most evenly. An array, which numpy need not wrap."""

SLOTS_PER_EPC: Final = 16
"""Of random EPCs at most 6 in 100 then share a slot with another one."""

FIRST_ROWS: Final = 1024

NOBODY: Final = (b"\0" * EPC_96_BYTES, b"\xff" * EPC_96_BYTES)
"""Bytes of the two rows that are nobody's."""

Epcs96 = NDArray[np.bytes_]
Tails = NDArray[np.uint64]
Numbers = NDArray[np.uint32]


class EpcIndex:
    """The bytes of each number, and the slots."""

    def __init__(self) -> None:
        self._make_room(FIRST_ROWS)

    def keep(self, number: int, epc: bytes) -> None:
        """Make `epc`, of 96 bits, known by its number, which is not known yet."""
        if number >= self._rows:
            before = self._bytes[: self._rows]
            self._make_room(1 << number.bit_length())
            self._bytes[: len(before)] = before
        self._bytes[number] = epc

    def look_up(self, epcs: Epcs96, tails: Tails) -> tuple[Numbers, NDArray[np.int64], NDArray[np.bool_]]:
        """Numbers and slots of EPCs, and which numbers are unsure and must be asked for (see `correct`)."""
        hashes = tails * SPREAD
        hashes >>= self._shift
        slots = hashes.view(np.int64)
        numbers: Numbers = self._slots[slots]
        return numbers, slots, self._bytes.take(numbers) != epcs

    def correct(self, slot: np.int64, number: int) -> None:
        """Hand a slot over. One that was found before the index grew is only the wrong one to look in."""
        self._slots[slot] = number

    def _make_room(self, rows: int) -> None:
        """Rows for numbers below `rows`, a power of two, and empty slots, which fill as EPCs are read again."""
        self._rows = rows
        self._bytes = np.zeros(rows + len(NOBODY), EPC_96)
        self._bytes[rows:] = NOBODY
        # An empty slot names a row whose bytes no EPC that is looked for there can have: zeros belong into slot 0.
        self._slots = np.full(rows * SLOTS_PER_EPC, rows, np.uint32)
        self._slots[0] = rows + 1
        self._shift = np.array(64 - (rows * SLOTS_PER_EPC).bit_length() + 1, np.uint64)
