"""EPC binary schemes as a table: tag memory ↔ the parts of a tag URI, by rows instead of code.

A scheme is a header, an optional filter and a run of fields; each field turns bits into one part of the URI (a
partition into two). Facts: GS1 Tag Data Standard 2.x, chapter 14, checked against the machine-readable definitions of
GS1's Tag Data Translation 2.2 and the values of TDS appendix E.3 (tests/unit/gs1).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gs1.bits import BitReader, BitWriter
from gs1.errors import EpcError, IdentityError, UnknownSchemeError

# Company prefix by partition value 0 … 6: bits and digits. What is left of the field belongs to the reference.
_COMPANY_BITS: Final = (40, 37, 34, 30, 27, 24, 20)
_COMPANY_DIGITS: Final = (12, 11, 10, 9, 8, 7, 6)

_SET_82: Final = re.compile(r'[!%-?A-Z_a-z"]*')
"""GS1 AI encodable character set 82, the alphabet of alphanumeric serial numbers."""
_SET_39: Final = re.compile(r"[A-Z0-9/#-]*")
"""GS1 AI encodable character set 39, the alphabet of component/part and aerospace part numbers."""
_CAGE: Final = re.compile(r"[0-9A-HJ-NP-Z]{5,6}")
"""A CAGE code (5) or DoDAAC (6): no I, no O."""


def _number(part: str, what: str, bits: int) -> int:
    if not (part.isascii() and part.isdigit()):
        raise IdentityError(f"{what} {part!r}: needs digits")
    value = int(part)
    if value >> bits:
        raise IdentityError(f"{what} {part}: the largest that fits {bits} bits is {(1 << bits) - 1}")
    return value


@dataclass(frozen=True, slots=True)
class Number:
    """An unsigned integer without leading zeros, of at most `most` digits where the key has a limit (TDS 14.3.1)."""

    what: str
    bits: int
    most: int = 0

    def read(self, bits: BitReader) -> str:
        part = str(bits.take(self.bits, self.what))
        if self.most and len(part) > self.most:
            raise EpcError(f"{self.what}: {part} has more than {self.most} digits")
        return part

    def write(self, part: str, bits: BitWriter) -> None:
        if len(part) > 1 and part[0] == "0":
            raise IdentityError(f"{self.what} {part}: leading zeros cannot be kept, use an alphanumeric scheme")
        if self.most and len(part) > self.most:
            raise IdentityError(f"{self.what} {part}: has more than {self.most} digits")
        bits.put(_number(part, self.what, self.bits), self.bits)


@dataclass(frozen=True, slots=True)
class Digits:
    """A fixed count of digits, leading zeros kept (TDS 14.3.3)."""

    what: str
    bits: int
    digits: int

    def read(self, bits: BitReader) -> str:
        value = bits.take(self.bits, self.what)
        if value >= 10**self.digits:
            raise EpcError(f"{self.what}: {value} has more than {self.digits} digits")
        return str(value).zfill(self.digits) if self.digits else ""

    def write(self, part: str, bits: BitWriter) -> None:
        if len(part) != self.digits:
            raise IdentityError(f"{self.what} {part!r}: needs {self.digits} digits")
        bits.put(_number(part or "0", self.what, self.bits), self.bits)


@dataclass(frozen=True, slots=True)
class MarkedDigits:
    """Digits with leading zeros kept by a 1 written before them (TDS 14.3.6, numeric string)."""

    what: str
    bits: int
    most: int

    def read(self, bits: BitReader) -> str:
        text = str(bits.take(self.bits, self.what))
        if text[0] != "1" or not 1 <= len(text) - 1 <= self.most:
            raise EpcError(f"{self.what}: {text} is not a 1 followed by 1 to {self.most} digits")
        return text[1:]

    def write(self, part: str, bits: BitWriter) -> None:
        if not 1 <= len(part) <= self.most:
            raise IdentityError(f"{self.what} {part!r}: needs 1 to {self.most} digits")
        bits.put(_number("1" + part, self.what, self.bits), self.bits)


@dataclass(frozen=True, slots=True)
class Text7:
    """Characters of set 82, 7 bits each, zeros after the last (TDS 14.3.2)."""

    what: str
    bits: int
    most: int

    def read(self, bits: BitReader) -> str:
        value = bits.take(self.bits, self.what)
        codes = [(value >> shift) & 0x7F for shift in range(self.bits - 7, -1, -7)]
        text = "".join(map(chr, codes)).rstrip("\0")
        if value & ((1 << self.bits % 7) - 1) or "\0" in text:
            raise EpcError(f"{self.what}: characters follow the end of the text")
        if not 1 <= len(text) <= self.most:
            raise EpcError(f"{self.what}: has {len(text)} characters, needs 1 to {self.most}")
        if not _SET_82.fullmatch(text):
            raise EpcError(f"{self.what}: {text!r} has a character outside set 82")
        return text

    def write(self, part: str, bits: BitWriter) -> None:
        if not 1 <= len(part) <= self.most:
            raise IdentityError(f"{self.what} {part!r}: needs 1 to {self.most} characters")
        if not _SET_82.fullmatch(part):
            raise IdentityError(f"{self.what} {part!r}: has a character outside set 82")
        for character in part:
            bits.put(ord(character), 7)
        bits.put(0, self.bits - 7 * len(part))


@dataclass(frozen=True, slots=True)
class Text6:
    """Characters of set 39, 6 bits each, ended by six zero bits (TDS 14.3.11)."""

    what: str
    most: int
    least: int = 1

    def read(self, bits: BitReader) -> str:
        text = ""
        while code := bits.take(6, self.what):
            text += _from_6_bits(code)
        if not self.least <= len(text) <= self.most:
            raise EpcError(f"{self.what}: has {len(text)} characters, needs {self.least} to {self.most}")
        if not _SET_39.fullmatch(text):
            raise EpcError(f"{self.what}: {text!r} has a character outside set 39")
        return text

    def write(self, part: str, bits: BitWriter) -> None:
        if not self.least <= len(part) <= self.most:
            raise IdentityError(f"{self.what} {part!r}: needs {self.least} to {self.most} characters")
        if not _SET_39.fullmatch(part):
            raise IdentityError(f"{self.what} {part!r}: has a character outside set 39")
        for character in part:
            bits.put(ord(character) & 0x3F, 6)
        bits.put(0, 6)


@dataclass(frozen=True, slots=True)
class Cage:
    """A CAGE code or DoDAAC, six characters of 6 or 8 bits; a CAGE has a space before it (TDS 14.3.5, 14.3.9)."""

    what: str
    bits_each: int

    def read(self, bits: BitReader) -> str:
        codes = [bits.take(self.bits_each, self.what) for _ in range(6)]
        text = "".join(map(_from_6_bits if self.bits_each == 6 else chr, codes)).removeprefix(" ")
        if not _CAGE.fullmatch(text):
            raise EpcError(f"{self.what}: {text!r} is no CAGE code or DoDAAC")
        return text

    def write(self, part: str, bits: BitWriter) -> None:
        if not _CAGE.fullmatch(part):
            raise IdentityError(f"{self.what} {part!r}: is no CAGE code (5) or DoDAAC (6 characters)")
        for character in part.rjust(6):
            bits.put(ord(character) & ((1 << self.bits_each) - 1), self.bits_each)


def _from_6_bits(code: int) -> str:
    return chr(code if code & 0x20 else code | 0x40)


Field = Number | Digits | MarkedDigits | Text7 | Text6 | Cage
"""How one run of bits becomes one part of a URI, and back. `what` names the part in errors."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A company prefix and a reference that share `bits`; a 3-bit partition value says where they part (TDS 14.3.3,
    14.3.4). With `digits` set both have fixed lengths that add up to it; with `most` the reference has at most
    `most` less the prefix's length, as a number, or as text of 6 or 7 bits a character."""

    bits: int
    what: str
    digits: int = 0
    most: int = 0
    text: int = 0

    def reference(self, partition: int) -> Field:
        """The field that the reference takes under this partition value."""
        bits, used = self.bits - _COMPANY_BITS[partition], _COMPANY_DIGITS[partition]
        if self.text == 7:
            return Text7(self.what, bits, self.most - used)
        if self.text == 6:
            return Text6(self.what, self.most - used)
        if self.digits:
            return Digits(self.what, bits, self.digits - used)
        return Number(self.what, bits, self.most and self.most - used)

    def read(self, bits: BitReader) -> tuple[str, str]:
        partition = bits.take(3, "partition")
        if partition >= len(_COMPANY_BITS):
            raise EpcError(f"partition: {partition} is not one of 0 to {len(_COMPANY_BITS) - 1}")
        company = Digits("company prefix", _COMPANY_BITS[partition], _COMPANY_DIGITS[partition])
        return company.read(bits), self.reference(partition).read(bits)

    def write(self, company: str, reference: str, bits: BitWriter) -> None:
        if len(company) not in _COMPANY_DIGITS:
            raise IdentityError(
                f"company prefix {company!r}: needs {_COMPANY_DIGITS[-1]} to {_COMPANY_DIGITS[0]} digits"
            )
        partition = _COMPANY_DIGITS.index(len(company))
        bits.put(partition, 3)
        Digits("company prefix", _COMPANY_BITS[partition], len(company)).write(company, bits)
        self.reference(partition).write(reference, bits)


@dataclass(frozen=True, slots=True)
class Scheme:
    """One row: how an EPC of this header is laid out."""

    name: str
    """As in the tag URI: `sgtin-96`."""
    key: str
    """As in the pure identity URI: `sgtin`."""
    header: int
    fields: tuple[Partition | Field, ...]
    filter_bits: int = 3
    reserved_bits: int = 0
    """Bits at the end that the standard wants zero."""

    @property
    def parts(self) -> int:
        """How many parts its URI has after the filter."""
        return len(self.fields) + sum(isinstance(field, Partition) for field in self.fields)


_TEXT_SERIAL: Final = Text7("serial", 140, 20)
_SERIAL_38: Final = Number("serial", 38)
_SERIAL_41: Final = Number("serial", 41)
_ITEM: Final = Partition(44, "item reference", digits=13)
_LOCATION: Final = Partition(41, "location reference", digits=12)
_ASSET_TYPE: Final = Partition(44, "asset type", digits=12)
_DOCUMENT_TYPE: Final = Partition(41, "document type", digits=12)
_SERVICE: Final = Partition(58, "service reference", digits=17)
_PIECE: Final = (Digits("piece", 7, 2), Digits("total", 7, 2))

SCHEMES: Final = (
    Scheme("gdti-96", "gdti", 0x2C, (_DOCUMENT_TYPE, _SERIAL_41)),
    Scheme("gsrn-96", "gsrn", 0x2D, (_SERVICE,), reserved_bits=24),
    Scheme("gsrnp-96", "gsrnp", 0x2E, (_SERVICE,), reserved_bits=24),
    Scheme("usdod-96", "usdod", 0x2F, (Cage("CAGE code", 8), Number("serial", 36)), filter_bits=4),
    Scheme("sgtin-96", "sgtin", 0x30, (_ITEM, _SERIAL_38)),
    Scheme("sscc-96", "sscc", 0x31, (Partition(58, "serial reference", digits=17),), reserved_bits=24),
    Scheme("sgln-96", "sgln", 0x32, (_LOCATION, _SERIAL_41)),
    Scheme("grai-96", "grai", 0x33, (_ASSET_TYPE, _SERIAL_38)),
    Scheme("giai-96", "giai", 0x34, (Partition(82, "asset reference"),)),
    Scheme(
        "gid-96",
        "gid",
        0x35,
        (Number("general manager", 28), Number("object class", 24), Number("serial", 36)),
        filter_bits=0,
    ),
    Scheme("sgtin-198", "sgtin", 0x36, (_ITEM, _TEXT_SERIAL)),
    Scheme("grai-170", "grai", 0x37, (_ASSET_TYPE, Text7("serial", 112, 16))),
    Scheme("giai-202", "giai", 0x38, (Partition(188, "asset reference", most=30, text=7),)),
    Scheme("sgln-195", "sgln", 0x39, (_LOCATION, _TEXT_SERIAL)),
    Scheme("gdti-113", "gdti", 0x3A, (_DOCUMENT_TYPE, Number("serial", 58, 17))),
    Scheme(
        "adi-var",
        "adi",
        0x3B,
        (Cage("CAGE code", 6), Text6("part number", 32, least=0), Text6("serial", 30)),
        filter_bits=6,
    ),
    Scheme("cpi-96", "cpi", 0x3C, (Partition(51, "component reference", most=15), Number("serial", 31))),
    Scheme("cpi-var", "cpi", 0x3D, (Partition(0, "component reference", most=30, text=6), Number("serial", 40, 12))),
    Scheme("gdti-174", "gdti", 0x3E, (_DOCUMENT_TYPE, Text7("serial", 119, 17))),
    Scheme("sgcn-96", "sgcn", 0x3F, (Partition(41, "coupon reference", digits=12), MarkedDigits("serial", 41, 12))),
    Scheme("itip-110", "itip", 0x40, (_ITEM, *_PIECE, _SERIAL_38)),
    Scheme("itip-212", "itip", 0x41, (_ITEM, *_PIECE, _TEXT_SERIAL)),
)

BY_HEADER: Final = {scheme.header: scheme for scheme in SCHEMES}
BY_NAME: Final = {scheme.name: scheme for scheme in SCHEMES}


@dataclass(frozen=True, slots=True)
class Tag:
    """An EPC taken apart: the scheme, the filter value, and the parts of its URI, unescaped."""

    scheme: Scheme
    filter: int
    parts: tuple[str, ...]


def unpack(epc: bytes) -> Tag:
    """Take EPC memory (without the PC word) apart. Zero bits after the scheme's end are padding.

    Raises UnknownSchemeError for a header outside the table, EpcError naming the field that breaks its rule.
    """
    if not epc:
        raise EpcError("EPC memory is empty")
    scheme = BY_HEADER.get(epc[0])
    if scheme is None:
        raise UnknownSchemeError(f"EPC {epc.hex().upper()}: header {epc[0]:02X} names no known scheme")
    try:
        return _unpack(scheme, BitReader(epc[1:]))
    except EpcError as error:
        raise EpcError(f"EPC {epc.hex().upper()} ({scheme.name}): {error}") from None


def _unpack(scheme: Scheme, bits: BitReader) -> Tag:
    value = bits.take(scheme.filter_bits, "filter")
    parts: list[str] = []
    for field in scheme.fields:
        if isinstance(field, Partition):
            parts.extend(field.read(bits))
        else:
            parts.append(field.read(bits))
    if bits.left < scheme.reserved_bits:
        raise EpcError(f"needs {scheme.reserved_bits} bits after the last field, memory has {bits.left} left")
    if not bits.rest_is_zero():
        raise EpcError(f"the {bits.left} bits after the last field are not zero")
    return Tag(scheme, value, tuple(parts))


def pack(tag: Tag) -> bytes:
    """Write a tag's memory, in whole words. Raises IdentityError naming the part that does not fit the scheme."""
    scheme, bits, parts = tag.scheme, BitWriter(), iter(tag.parts)
    if len(tag.parts) != scheme.parts:
        raise IdentityError(f"{scheme.name}: needs {scheme.parts} parts, got {len(tag.parts)}")
    if not 0 <= tag.filter < 1 << scheme.filter_bits:
        raise IdentityError(f"{scheme.name}: filter {tag.filter} is not one of 0 to {(1 << scheme.filter_bits) - 1}")
    bits.put(scheme.header, 8)
    bits.put(tag.filter, scheme.filter_bits)
    try:
        for field in scheme.fields:
            if isinstance(field, Partition):
                field.write(next(parts), next(parts), bits)
            else:
                field.write(next(parts), bits)
    except IdentityError as error:
        raise IdentityError(f"{scheme.name}: {error}") from None
    bits.put(0, scheme.reserved_bits)
    return bits.memory()
