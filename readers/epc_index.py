"""96-bit EPCs → numbers by array operations: what spares nearly every tag a Python object and a dictionary's look-up.

    last 8 bytes × SPREAD ─▶ top bits ─▶ slot ─▶ number ─▶ the 12 bytes of that number, compared with those asked for

A slot holds the number of the EPC that was looked for there last. Where the bytes differ (an EPC at its first sight, or
two that share a slot) the owner of the index asks its dictionary, and the slot changes hands. So answers are exact
whatever the EPCs, and EPCs made to share a slot cost what the dictionary costs and no more. Consecutive serial numbers
never share one (Knuth, TAOCP 3, §6.4).

EPCs lie in rows of 16 bytes: numpy moves and compares those as machine words, and 12 bytes one by one.
"""

from __future__ import annotations

from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

EPC_96_BYTES: Final = 12

ROW_BYTES: Final = 16
"""Four zeros and an EPC."""

NOBODY: Final = b"\xff" * ROW_BYTES
"""The row of a number that is not that of a 96-bit EPC: it does not begin with zeros."""

SPREAD: Final = np.array(0x9E3779B97F4A7C15, np.uint64)
"""2^64 over the golden ratio, odd: its multiples are spread most evenly. An array, which numpy need not wrap."""

SLOTS_PER_EPC: Final = 16
"""Of random EPCs at most 6 in 100 then share a slot with another one."""

FIRST_SLOTS: Final = 1 << 20
"""With 5,000 random EPCs not one in 100 shares its slot: asking the dictionary for one takes as long as looking up a
dozen. 4 MiB, of which only those pages are real that have been needed."""

FIRST_ROWS: Final = 1024

Numbers = NDArray[np.int64]
"""Numbers as numpy looks up by them best."""


class Sought:
    """Room for EPCs that are looked up together: put them into `epcs` first. It can be used again and again, as making
    its arrays takes longer than looking for a few dozen EPCs."""

    __slots__ = (
        "_pairs",
        "_unsure",
        "differ",
        "differing",
        "epcs",
        "found",
        "found_words",
        "hashes",
        "slots",
        "tails",
        "words",
    )

    def __init__(self, pairs: NDArray[np.uint64], hashes: NDArray[np.uint64], found: NDArray[np.void]) -> None:
        self._pairs = pairs
        count = len(hashes)
        self.epcs: NDArray[np.void] = np.ndarray(
            (count,), f"V{EPC_96_BYTES}", pairs, ROW_BYTES - EPC_96_BYTES, (ROW_BYTES,)
        )
        self.words = pairs.reshape(-1)
        self.tails = pairs[:, 1]
        """The last 8 bytes of each: in GS1's schemes item and serial number are there, the company's before them."""
        self.hashes, self.slots = hashes, hashes.view(np.int64)
        self.found, self.found_words = found, found.view(np.uint64)
        self.differing = bytearray(2 * count)
        """Two bytes for each, with a 1 among them if it was not found (see `EpcIndex.look_up`)."""
        self.differ = np.frombuffer(self.differing, np.bool_)
        self._unsure = self.differ.view(np.uint16)

    @classmethod
    def room(cls, count: int) -> Self:
        """Room for so many EPCs."""
        return cls(np.zeros((count, 2), np.uint64), np.empty(count, np.uint64), np.empty(count, f"V{ROW_BYTES}"))

    def first(self, count: int) -> Self:
        """The first so many of this room."""
        return type(self)(self._pairs[:count], self.hashes[:count], self.found[:count])

    def unsure(self) -> list[int]:
        """Places of the EPCs that were not found."""
        places: list[int] = self._unsure.nonzero()[0].tolist()
        return places


class EpcIndex:
    """The bytes of each number, and the slots."""

    def __init__(self) -> None:
        self._make_room(FIRST_ROWS)

    def keep(self, number: int, epc: bytes) -> None:
        """Make `epc`, of 96 bits, known by its number, which is not known yet."""
        if number >= self._rows:
            before = self._bytes
            self._make_room(1 << number.bit_length())
            self._bytes[: len(before)] = before
        self._bytes[number] = epc.rjust(ROW_BYTES, b"\0")

    def look_up(self, sought: Sought) -> Numbers:
        """The numbers of the EPCs sought. If there is a 1 in `sought.differing`, those at `sought.unsure()` must be
        asked for (see `correct`)."""
        np.multiply(sought.tails, SPREAD, sought.hashes)
        np.right_shift(sought.hashes, self._shift, sought.hashes)
        numbers = self._slots[sought.slots]
        # Clipping changes nothing, and lets numpy write to its target at once.
        self._bytes.take(numbers, 0, sought.found, "clip")
        np.not_equal(sought.found_words, sought.words, sought.differ)
        return numbers

    def correct(self, sought: Sought, place: int, number: int) -> None:
        """Hand the slot of an EPC over to it. If the index has grown since it was looked for, this is only the wrong
        slot to look in."""
        self._slots[sought.slots[place]] = number

    def _make_room(self, rows: int) -> None:
        """Rows for numbers below `rows`, a power of two, and new slots, which fill as EPCs are read again. Those not
        yet filled name the number 0: what is compared decides, there as everywhere."""
        slots = max(FIRST_SLOTS, rows * SLOTS_PER_EPC)
        self._rows = rows
        self._bytes = np.full(rows, NOBODY, f"V{ROW_BYTES}")
        self._slots = np.zeros(slots, np.int64)
        self._shift = np.array(64 - slots.bit_length() + 1, np.uint64)
