"""The "+" and "++" schemes: a tag that holds application identifiers as a barcode does, without a company prefix.

    header 8 · data toggle 1 · filter 3 · [date type 4, date 16] · values of the key's AIs · [hostname] · [AIDC data]

A scheme is a header and the AIs it holds; a value is one or two components, each coded in its own way. The data toggle
says that more AIs follow the EPC; they are kept bit by bit. The "++" schemes add the hostname of the Digital Link.
There is no URN of these tags: what they are is written as an element string or a Digital Link.

Source: GS1 Tag Data Standard 2.3 chapter 14.5, checked against the tables B, E, F and the scheme files of Tag Data
Translation 2.2 and the values of TDS appendix E.3 (tests/unit/gs1). Three "++" headers (CPI, GDTI, SGCN), hostnames in
URN Code 40 and the two-code country endings of hostnames are left out: no example of them could be checked.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gs1 import checkdigit
from gs1.bits import BitReader, BitWriter
from gs1.errors import EpcError, IdentityError
from gs1.textcode import read_text, write_text

DATE_AIS: Final[tuple[str, ...]] = ("11", "13", "15", "16", "17", "7006", "7007")
"""By date type 0 … 6 of DSGTIN+: produced, packed, best before, sell by, expires, first frozen, harvested."""

FILTER_LIMIT: Final = 8

_SET_82: Final = re.compile(r'[!%-?A-Z_a-z"]+')
_SET_39: Final = re.compile(r"[A-Z0-9/#-]+")

_DIGITS_END: Final = 0xF
_TEXT_FOLLOWS: Final = 0xE
"""What ends a run of digits: nothing more, or text in one of the codes of textcode.py."""


@dataclass(frozen=True, slots=True)
class Packed:
    """So many digits, four bits each (TDS 14.5.4)."""

    digits: int

    def read(self, bits: BitReader, what: str) -> str:
        code = bits.take(4 * self.digits, what)
        text = f"{code:0{self.digits}X}"
        if not text.isdecimal():
            raise EpcError(f"{what}: {text} is not {self.digits} digits")
        return text

    def write(self, text: str, bits: BitWriter, what: str) -> None:
        if len(text) != self.digits or not _is_digits(text):
            raise IdentityError(f"{what}: {text!r} is not {self.digits} digits")
        bits.put(int(text, 16), 4 * self.digits)


@dataclass(frozen=True, slots=True)
class Text:
    """1 to `most` characters of set 82 in the shortest code that has them all (TDS 14.5.6)."""

    most: int

    def read(self, bits: BitReader, what: str) -> str:
        text = read_text(bits, what)
        _check(text, self.most, _SET_82, what, EpcError)
        return text

    def write(self, text: str, bits: BitWriter, what: str) -> None:
        _check(text, self.most, _SET_82, what, IdentityError)
        write_text(text, bits)


@dataclass(frozen=True, slots=True)
class Counted:
    """1 to `most` digits as a number, their count in four bits before it (TDS 14.5.13)."""

    most: int

    def read(self, bits: BitReader, what: str) -> str:
        count = bits.take(4, what)
        if not 1 <= count <= self.most:
            raise EpcError(f"{what}: has {count} digits, needs 1 to {self.most}")
        value = bits.take(integer_bits(count), what)
        if value >= 10**count:
            raise EpcError(f"{what}: {value} has more than {count} digits")
        return f"{value:0{count}d}"

    def write(self, text: str, bits: BitWriter, what: str) -> None:
        if not 1 <= len(text) <= self.most or not _is_digits(text):
            raise IdentityError(f"{what}: {text!r} is not 1 to {self.most} digits")
        bits.put(len(text), 4)
        bits.put(int(text), integer_bits(len(text)))


@dataclass(frozen=True, slots=True)
class Delimited:
    """A company prefix and what its owner put after it: at least four digits, four bits each, then perhaps text (TDS
    14.5.5). `upper` for the keys of set 39, set 82 otherwise."""

    most: int
    upper: bool = False

    def read(self, bits: BitReader, what: str) -> str:
        text = ""
        while (code := bits.take(4, what)) < 10:
            text += str(code)
        if code == _TEXT_FOLLOWS:
            text += read_text(bits, what)
        elif code != _DIGITS_END:
            raise EpcError(f"{what}: {code:X} after {text!r} is neither a digit nor an end of digits")
        self._check(text, what, EpcError)
        return text

    def write(self, text: str, bits: BitWriter, what: str) -> None:
        self._check(text, what, IdentityError)
        rest = text.lstrip("0123456789")
        for digit in text[: len(text) - len(rest)]:
            bits.put(int(digit), 4)
        bits.put(_TEXT_FOLLOWS if rest else _DIGITS_END, 4)
        if rest:
            write_text(rest, bits)

    def _check(self, text: str, what: str, error: type[EpcError | IdentityError]) -> None:
        _check(text, self.most, _SET_39 if self.upper else _SET_82, what, error)
        if not _is_digits(text[:4]) or len(text) <= 4:
            raise error(f"{what}: {text!r} does not begin with four digits of a company prefix and something after it")


Component = Packed | Text | Counted | Delimited


@dataclass(frozen=True, slots=True)
class Value:
    """How one AI is written, and which of its digits end in a check digit (`checked`: from, to)."""

    components: tuple[Component, ...]
    checked: tuple[int, int] | None = None

    def read(self, bits: BitReader, what: str) -> str:
        text = "".join(component.read(bits, what) for component in self.components)
        try:
            self._check(text, what)
        except IdentityError as error:
            raise EpcError(str(error)) from None
        return text

    def write(self, text: str, bits: BitWriter, what: str) -> None:
        self._check(text, what)
        for component in self.components:
            part, text = (
                (text[: component.digits], text[component.digits :]) if isinstance(component, Packed) else (text, "")
            )
            component.write(part, bits, what)
        if text:
            raise IdentityError(f"{what}: {text!r} is too much")

    def _check(self, text: str, what: str) -> None:
        if self.checked is not None:
            first, beyond = self.checked
            checkdigit.require(text[first:beyond], beyond - first, what)
            if text[:first].strip("0"):
                raise IdentityError(f"{what}: {text} does not begin with 0")


VALUES: Final = {
    "00": Value((Packed(18),), (0, 18)),
    "01": Value((Packed(14),), (0, 14)),
    "21": Value((Text(20),)),
    "253": Value((Packed(13), Text(17)), (0, 13)),
    "254": Value((Text(20),)),
    "255": Value((Packed(13), Counted(12)), (0, 13)),
    "414": Value((Packed(13),), (0, 13)),
    "8003": Value((Packed(14), Text(16)), (1, 14)),
    "8004": Value((Delimited(30),)),
    "8006": Value((Packed(18),), (0, 14)),
    "8010": Value((Delimited(30, upper=True),)),
    "8011": Value((Counted(12),)),
    "8017": Value((Packed(18),), (0, 18)),
    "8018": Value((Packed(18),), (0, 18)),
}
"""How the value of each AI is written on a tag."""


@dataclass(frozen=True, slots=True)
class PlusScheme:
    """One row: a header and the AIs that the tag holds, in their order."""

    name: str
    key: str
    header: int
    ais: tuple[str, ...]
    dated: bool = False
    hosted: bool = False


PLUS_SCHEMES: Final = (
    PlusScheme("cpi+", "cpi", 0xF0, ("8010", "8011")),
    PlusScheme("grai+", "grai", 0xF1, ("8003",)),
    PlusScheme("sgln+", "sgln", 0xF2, ("414", "254")),
    PlusScheme("itip+", "itip", 0xF3, ("8006", "21")),
    PlusScheme("gsrn+", "gsrn", 0xF4, ("8018",)),
    PlusScheme("gsrnp+", "gsrnp", 0xF5, ("8017",)),
    PlusScheme("gdti+", "gdti", 0xF6, ("253",)),
    PlusScheme("sgtin+", "sgtin", 0xF7, ("01", "21")),
    PlusScheme("sgcn+", "sgcn", 0xF8, ("255",)),
    PlusScheme("sscc+", "sscc", 0xF9, ("00",)),
    PlusScheme("giai+", "giai", 0xFA, ("8004",)),
    PlusScheme("dsgtin+", "sgtin", 0xFB, ("01", "21"), dated=True),
    PlusScheme("gsrn++", "gsrn", 0xE7, ("8018",), hosted=True),
    PlusScheme("gsrnp++", "gsrnp", 0xE8, ("8017",), hosted=True),
    PlusScheme("sgln++", "sgln", 0xE9, ("414", "254"), hosted=True),
    PlusScheme("grai++", "grai", 0xEB, ("8003",), hosted=True),
    PlusScheme("itip++", "itip", 0xED, ("8006", "21"), hosted=True),
    PlusScheme("giai++", "giai", 0xEE, ("8004",), hosted=True),
    PlusScheme("sscc++", "sscc", 0xEF, ("00",), hosted=True),
    PlusScheme("dsgtin++", "sgtin", 0xFC, ("01", "21"), dated=True, hosted=True),
    PlusScheme("sgtin++", "sgtin", 0xFD, ("01", "21"), hosted=True),
)

PLUS_BY_HEADER: Final = {scheme.header: scheme for scheme in PLUS_SCHEMES}
PLUS_BY_NAME: Final = {scheme.name: scheme for scheme in PLUS_SCHEMES}


@dataclass(frozen=True, slots=True)
class PlusTag:
    """A tag taken apart: AIs and values (the date last), the hostname of a "++" scheme, and the bits of the AIDC data
    where the toggle says that there is some (None: it says no)."""

    scheme: PlusScheme
    filter: int
    elements: tuple[tuple[str, str], ...]
    hostname: str | None = None
    aidc: str | None = None


def unpack_plus(epc: bytes) -> PlusTag:
    """Take memory apart whose header is one of PLUS_BY_HEADER. Raises EpcError naming the AI that breaks its rule."""
    scheme = PLUS_BY_HEADER[epc[0]]
    try:
        return _unpack(scheme, BitReader(epc[1:]))
    except EpcError as error:
        raise EpcError(f"EPC {epc.hex().upper()} ({scheme.name}): {error}") from None


def _unpack(scheme: PlusScheme, bits: BitReader) -> PlusTag:
    toggle, value = bits.take(1, "data toggle"), bits.take(3, "filter")
    date = (_read_date(bits),) if scheme.dated else ()
    elements = tuple((ai, VALUES[ai].read(bits, f"({ai})")) for ai in scheme.ais)
    hostname = _read_hostname(bits) if scheme.hosted else None
    if not toggle and not bits.rest_is_zero():
        raise EpcError(f"the {bits.left} bits after the last field are not zero, and the data toggle says no data")
    return PlusTag(scheme, value, (*elements, *date), hostname, bits.rest() if toggle else None)


def pack_plus(tag: PlusTag) -> bytes:
    """Write a tag's memory, in whole words. Raises IdentityError naming what does not fit the scheme."""
    scheme, bits, values = tag.scheme, BitWriter(), dict(tag.elements)
    if not 0 <= tag.filter < FILTER_LIMIT:
        raise IdentityError(f"{scheme.name}: filter {tag.filter} is not one of 0 to {FILTER_LIMIT - 1}")
    if scheme.hosted != (tag.hostname is not None):
        raise IdentityError(f"{scheme.name}: {'needs' if scheme.hosted else 'holds no'} hostname")
    date = [(ai, values.pop(ai)) for ai in DATE_AIS if ai in values]
    if len(date) != int(scheme.dated) or tuple(values) != scheme.ais:
        wanted = ", ".join(f"({ai})" for ai in scheme.ais) + (" and one date" if scheme.dated else "")
        raise IdentityError(f"{scheme.name}: holds {wanted}; given ({'), ('.join(dict(tag.elements))})")
    bits.put(scheme.header, 8)
    bits.put(tag.aidc is not None, 1)
    bits.put(tag.filter, 3)
    try:
        if date:
            _write_date(*date[0], bits)
        for ai, text in values.items():
            VALUES[ai].write(text, bits, f"({ai})")
        if tag.hostname is not None:
            _write_hostname(tag.hostname, bits)
    except IdentityError as error:
        raise IdentityError(f"{scheme.name}: {error}") from None
    if tag.aidc:
        bits.put(int(tag.aidc, 2), len(tag.aidc))
    return bits.memory()


def _read_date(bits: BitReader) -> tuple[str, str]:
    kind = bits.take(4, "date type")
    if kind >= len(DATE_AIS):
        raise EpcError(f"date type: {kind} is not one of 0 to {len(DATE_AIS) - 1}")
    year, month, day = bits.take(7, "date"), bits.take(4, "date"), bits.take(5, "date")
    text = f"{year:02d}{month:02d}{day:02d}"
    if not _is_date(text):
        raise EpcError(f"({DATE_AIS[kind]}): year {year}, month {month}, day {day} is no date")
    return DATE_AIS[kind], text


def _write_date(ai: str, text: str, bits: BitWriter) -> None:
    if not _is_date(text):
        raise IdentityError(f"({ai}): {text!r} is no date YYMMDD")
    bits.put(DATE_AIS.index(ai), 4)
    for part, width in ((text[:2], 7), (text[2:4], 4), (text[4:], 5)):
        bits.put(int(part), width)


def _is_date(text: str) -> bool:
    """YYMMDD of a day that there is; day 00 is the month's last. Any century has the same leap years here."""
    if len(text) != 6 or not _is_digits(text) or not 1 <= int(text[2:4]) <= 12:
        return False
    return int(text[4:]) <= calendar.monthrange(2000 + int(text[:2]), int(text[2:4]))[1]


_HOST_CODES: Final = {
    0x20: "id.",
    0x1E: "qr.",
    0x1F: "www.",
    0x5B: ".com",
    0x5C: ".org",
    0x5D: ".net",
    0x5E: ".int",
    0x60: ".edu",
    0x7B: ".gov",
    0x7C: ".mil",
    0x7D: ".biz",
    0x7E: ".eco",
    0x7F: ".med",
}
"""Seven bits that stand for more than one character of a hostname (TDS 2.3, table 14-11)."""

_HOSTNAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_HOST_MOST: Final = 63
"""Codes that the six bits of the length can count."""


def _read_hostname(bits: BitReader) -> str:
    if not bits.take(1, "hostname"):
        raise EpcError("hostname: is written in URN Code 40, which is not understood here")
    codes = [bits.take(7, "hostname") for _ in range(bits.take(6, "hostname"))]
    text = "".join(_HOST_CODES.get(code, chr(code)) for code in codes)
    if not _HOSTNAME.fullmatch(text):
        raise EpcError(f"hostname: {text!r} is none")
    return text


def _write_hostname(hostname: str, bits: BitWriter) -> None:
    codes = list(_host_codes(hostname))
    if not _HOSTNAME.fullmatch(hostname) or len(codes) > _HOST_MOST:
        raise IdentityError(f"hostname {hostname!r}: is none in lower case, or longer than {_HOST_MOST} codes")
    bits.put(1, 1)
    bits.put(len(codes), 6)
    for code in codes:
        bits.put(code, 7)


def _host_codes(hostname: str) -> Iterator[int]:
    """Each run that has a code of its own as that code: beginnings at the beginning only, endings at the end only."""
    begin = next((item for item in _HOST_CODES.items() if item[1][-1] == "." and hostname.startswith(item[1])), None)
    if begin is not None:
        yield begin[0]
        hostname = hostname[len(begin[1]) :]
    end = next((item for item in _HOST_CODES.items() if item[1][0] == "." and hostname.endswith(item[1])), None)
    yield from map(ord, hostname[: -len(end[1])] if end else hostname)
    if end is not None:
        yield end[0]


def integer_bits(digits: int) -> int:
    """Bits that hold any number of so many digits (table B)."""
    return int(10**digits - 1).bit_length()


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _check(text: str, most: int, characters: re.Pattern[str], what: str, error: type[EpcError | IdentityError]) -> None:
    if not 1 <= len(text) <= most:
        raise error(f"{what}: has {len(text)} characters, needs 1 to {most}")
    if not characters.fullmatch(text):
        raise error(f"{what}: {text!r} has a character outside its set")
