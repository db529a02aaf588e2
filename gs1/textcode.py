"""Text of open length on a tag: three bits name a code, five its length, and the shortest code that has every character
of the text is used (TDS 2.3 section 14.5.6, tables B and E)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gs1.bits import BitReader, BitWriter
from gs1.errors import EpcError, IdentityError

LONGEST: Final = 31
"""Characters that the five bits of the length can count."""

_BASE64: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_CODE_40: Final = "\0ABCDEFGHIJKLMNOPQRSTUVWXYZ-.:0123456789"
"""40 characters, so that three of them fit 16 bits; the first is padding."""


@dataclass(frozen=True, slots=True)
class TextCode:
    """One way to write text: which it can, in how many bits, and how."""

    characters: re.Pattern[str]
    bits: Callable[[int], int]
    """Of a text with so many characters."""
    read: Callable[[int, int], str]
    """Text of a number and a count of characters."""
    write: Callable[[str], int]


def _read_integer(value: int, length: int) -> str:
    return f"{value:0{length}d}"


def _read_each(bits: int, letters: str) -> Callable[[int, int], str]:
    return lambda value, length: "".join(
        letters[(value >> bits * place) & ((1 << bits) - 1)] for place in range(length - 1, -1, -1)
    )


def _write_each(bits: int, letters: str) -> Callable[[str], int]:
    def write(text: str) -> int:
        value = 0
        for character in text:
            value = value << bits | letters.index(character)
        return value

    return write


def _read_code_40(value: int, length: int) -> str:
    text = ""
    for shift in range(16 * (-(-length // 3) - 1), -1, -16):
        three = ((value >> shift) & 0xFFFF) - 1
        if not 0 <= three < 40**3:
            raise EpcError(f"{three + 1} stands for no three characters of URN Code 40")
        text += _CODE_40[three // 1600] + _CODE_40[three // 40 % 40] + _CODE_40[three % 40]
    if text[length:].strip("\0") or "\0" in text[:length]:
        raise EpcError("URN Code 40 is padded where it should not be")
    return text[:length]


def _write_code_40(text: str) -> int:
    value = 0
    for place in range(0, len(text), 3):
        first, second, third = (_CODE_40.index(character) for character in text[place : place + 3].ljust(3, "\0"))
        value = value << 16 | (1600 * first + 40 * second + third + 1)
    return value


_ASCII: Final = "".join(map(chr, range(128)))

TEXT_CODES: Final = (
    TextCode(re.compile("[0-9]+"), lambda n: int(10**n - 1).bit_length(), _read_integer, int),
    TextCode(re.compile("[0-9A-F]+"), lambda n: 4 * n, _read_each(4, "0123456789ABCDEF"), lambda text: int(text, 16)),
    TextCode(re.compile("[0-9a-f]+"), lambda n: 4 * n, _read_each(4, "0123456789abcdef"), lambda text: int(text, 16)),
    TextCode(re.compile("[0-9A-Za-z_-]+"), lambda n: 6 * n, _read_each(6, _BASE64), _write_each(6, _BASE64)),
    TextCode(re.compile('[!"#%-?A-Z_a-z]+'), lambda n: 7 * n, _read_each(7, _ASCII), _write_each(7, _ASCII)),
    TextCode(re.compile("[0-9A-Z.:-]+"), lambda n: 16 * -(-n // 3), _read_code_40, _write_code_40),
)
"""By the number that names each: integer, hexadecimal in upper and lower case, base 64, 7-bit ASCII, URN Code 40."""


def read_text(bits: BitReader, what: str) -> str:
    """Raises EpcError naming `what` for a code or text that cannot be."""
    number, length = bits.take(3, what), bits.take(5, what)
    if number >= len(TEXT_CODES) or not length:
        raise EpcError(f"{what}: no text code {number} of {length} characters")
    code = TEXT_CODES[number]
    value = bits.take(code.bits(length), what)
    try:
        text = code.read(value, length)
    except EpcError as error:
        raise EpcError(f"{what}: {error}") from None
    if len(text) != length or not code.characters.fullmatch(text):
        raise EpcError(f"{what}: {text!r} is not {length} characters of text code {number}")
    return text


def write_text(text: str, bits: BitWriter) -> None:
    """Append text in the shortest code that has it, the lowest of equals. Raises IdentityError."""
    able = [number for number, code in enumerate(TEXT_CODES) if code.characters.fullmatch(text)]
    if not able or len(text) > LONGEST:
        raise IdentityError(f"{text!r} is not 1 to {LONGEST} characters of set 82 or 39")
    number = min(able, key=lambda number: TEXT_CODES[number].bits(len(text)))
    code = TEXT_CODES[number]
    bits.put(number, 3)
    bits.put(len(text), 5)
    bits.put(code.write(text), code.bits(len(text)))
