"""Tag memory bit by bit, from the left."""

from __future__ import annotations

from typing import Final

from gs1.errors import EpcError

WORD_BITS: Final = 16
"""Tag memory is written in whole words; what a scheme leaves of the last one is zero."""


class BitReader:
    """Bits from the left of tag memory."""

    def __init__(self, memory: bytes) -> None:
        self._value = int.from_bytes(memory)
        self.left = len(memory) * 8

    def take(self, bits: int, what: str) -> int:
        """The next `bits` as a number. Raises EpcError naming `what` when memory ends before."""
        if bits > self.left:
            raise EpcError(f"{what}: needs {bits} bits, memory has {self.left} left")
        self.left -= bits
        return (self._value >> self.left) & ((1 << bits) - 1)

    def rest(self) -> str:
        """Every bit that is left, as a string of 0 and 1; takes none."""
        return f"{self._value & ((1 << self.left) - 1):0{self.left}b}" if self.left else ""

    def rest_is_zero(self) -> bool:
        """Whether only padding is left."""
        return self._value & ((1 << self.left) - 1) == 0


class BitWriter:
    """Bits appended from the left."""

    def __init__(self) -> None:
        self._value = 0
        self.bits = 0

    def put(self, value: int, bits: int) -> None:
        """Append `value` in `bits` bits, which must hold it."""
        self._value = (self._value << bits) | value
        self.bits += bits

    def memory(self) -> bytes:
        """What was written, zeros filling the last word."""
        words = -(-self.bits // WORD_BITS)
        return (self._value << (words * WORD_BITS - self.bits)).to_bytes(words * WORD_BITS // 8)
