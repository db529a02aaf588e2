"""What a barcode scanner sends, understood: AIM identifiers, element strings, EAN/UPC, ITF-14, SSCC, Digital Links.

A code may name the thing itself, the unit that holds it, an asset, or so many of a kind; ScannedCode says which. How
identities are written as application identifiers is in link.py.

Source: GS1 General Specifications, chapters 3 (application identifiers), 4.13 (pairs that are forbidden or must go
together) and 7.8, and GS1's syntax dictionary, which lists those pairs; biip parses each value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

from biip import ParseError
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_element_strings import GS1ElementString
from biip.gs1_messages import GS1Message
from biip.gtin import Gtin
from biip.symbology import GS1Symbology
from biip.upc import Upc

from gs1 import checkdigit
from gs1.errors import ScanError

FNC1: Final = "\x1d"
"""What scanners send for the separator symbol."""

MAX_CODE_CHARACTERS: Final = 512
"""The longest GS1 DataMatrix or QR holds fewer useful characters; beyond it something else was typed."""

Kind = Literal["gtin", "sgtin", "sscc", "grai", "giai", "content"]
Elements = tuple[tuple[str, str], ...]

FORBIDDEN_PAIRS: Final = (
    ("01", "02", "a trade item is not its own content"),
    ("01", "37", "the count belongs to 02, the content of a logistic unit"),
    ("01", "255", "a coupon is no trade item"),
    ("02", "255", "a coupon is no trade item"),
    ("02", "03", "the content is named once"),
    ("01", "03", "a trade item is named once"),
    ("03", "37", "the count belongs to 02, the content of a logistic unit"),
    ("01", "8006", "a piece is named by 8006 alone"),
    ("37", "8006", "the count belongs to 02, the content of a logistic unit"),
    ("21", "235", "a thing has one serial number"),
    ("03", "235", "a thing made to order has its serial number in 21"),
    ("420", "421", "a unit goes to one postal code"),
    ("422", "426", "426 says that every step was in one country"),
    ("423", "426", "426 says that every step was in one country"),
    ("424", "426", "426 says that every step was in one country"),
    ("425", "426", "426 says that every step was in one country"),
)
"""Application identifiers that may not stand in one code, and why."""

_ITEM: Final = ("01", "02", "03", "8006", "8026")
NEEDS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "10": (_ITEM, "a lot"),
    "11": (_ITEM, "a production date"),
    "13": (_ITEM, "a packaging date"),
    "15": (_ITEM, "a best-before date"),
    "16": (_ITEM, "a sell-by date"),
    "17": ((*_ITEM, "255"), "an expiry date"),
    "20": (_ITEM, "a variant"),
    "21": (("01", "03", "8006"), "a serial number"),
    "22": (("01",), "a consumer variant"),
    "30": (("01", "02"), "a count of pieces"),
    "37": (("02", "8026"), "a count"),
    "235": (("01",), "a serial number"),
    "240": (_ITEM, "an additional number"),
    "241": (_ITEM, "a customer's part number"),
    "250": (("21",), "a secondary serial number"),
    "254": (("414",), "an extension"),
    "403": (("00",), "a route"),
    "422": (_ITEM, "a country of origin"),
    "7003": (("01", "02", "03"), "an expiry time"),
}
"""What says something of another identifier: one of those must stand in the same code. And what it is, for a reason."""

_KIND_OF: Final[dict[str, Kind]] = {"00": "sscc", "8003": "grai", "8004": "giai"}
_KEYS: Final = frozenset({"01", "02", *_KIND_OF})
_AIM: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_GS1_SYMBOLOGIES: Final = {symbology.value: symbology for symbology in GS1Symbology}
"""AIM identifier → symbology of GS1's; any other symbology may hold the same keys and is read by its content."""
_CONTROL: Final = re.compile(r"[\x00-\x1c\x1e\x1f\x7f]")
_BRACKETED: Final = re.compile(r"\((\d{2,4})\)([^(]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedCode:
    """What a scanned code names. `kind` is the most particular key it holds: one thing (`sgtin`), a kind of things
    (`gtin`), a pallet (`sscc`), an asset (`grai`, `giai`), or `content`: so many of a GTIN, on a unit not named."""

    kind: Kind
    gtin: str | None = None
    """Of the thing itself, 14 digits."""
    serial: str | None = None
    lot: str | None = None
    expires_on: date | None = None
    """AI 17; a day of 00 is the month's last."""
    best_before_on: date | None = None
    """AI 15."""
    sscc: str | None = None
    grai: str | None = None
    """Asset type (13 digits) and serial number, without the leading zero of AI 8003."""
    giai: str | None = None
    content_gtin: str | None = None
    """Of the things in a logistic unit (AI 02), 14 digits."""
    count: int | None = None
    """How many of `content_gtin` (AI 37), or how many pieces in a variable trade item (AI 30)."""
    elements: Elements = ()
    """All of it, as application identifier and value."""


def parse_scan(code: str) -> ScannedCode:
    """Understand what a scanner sent, AIM identifier included where it gives one; FNC1 is 0x1D.

    Without an AIM identifier, digits of the length and check digit of a GTIN or SSCC are one; a person may type
    brackets round the application identifiers. Raises ScanError saying what is wrong with it.
    """
    text = code.strip("\r\n\t ")
    if not text or len(text) > MAX_CODE_CHARACTERS:
        raise ScanError(f"a code has 1 to {MAX_CODE_CHARACTERS} characters, this one has {len(text)}")
    control = _CONTROL.search(text)
    if control is not None:
        raise ScanError(f"{text!r}: 0x{ord(control[0]):02X} is no character of a code; FNC1 is 0x1D")
    try:
        return _of_elements(_read(text))
    except (ParseError, ValueError) as error:
        raise ScanError(f"{text!r}: {error}") from error


def _read(text: str) -> list[GS1ElementString]:
    symbology = None
    if text.startswith("]"):
        if not _AIM.match(text):
            raise ScanError("an AIM identifier is ], a letter and a digit or letter")
        symbology, text = _GS1_SYMBOLOGIES.get(text[1:3]), text[3:]
    if text.lower().startswith(("http://", "https://")):
        return GS1DigitalLinkURI.parse(text).element_strings
    if symbology in GS1Symbology.with_gtin():
        return _of_gtin(Gtin.parse(text))
    if symbology in GS1Symbology.with_gs1_messages() or FNC1 in text:
        return GS1Message.parse(text.lstrip(FNC1)).element_strings
    if text.startswith("("):
        return _bracketed(text)
    if text.isascii() and text.isdigit():
        return _digits(text)
    return GS1Message.parse(text).element_strings


def _digits(text: str) -> list[GS1ElementString]:
    """Digits without an AIM identifier: a GTIN or SSCC where length and check digit say so, else an element string."""
    if len(text) == 18 and text[-1] == checkdigit.of(text[:-1]):
        return [GS1ElementString.parse("00" + text)]
    if len(text) not in (8, 12, 13, 14):
        return GS1Message.parse(text).element_strings
    try:
        return _of_gtin(Gtin.parse(text))
    except ParseError:
        if len(text) != 8:
            raise
    return _of_gtin(Gtin.parse(Upc.parse(text).as_gtin_12()))


def _of_gtin(gtin: Gtin) -> list[GS1ElementString]:
    return [GS1ElementString.parse("01" + gtin.as_gtin_14())]


def _bracketed(text: str) -> list[GS1ElementString]:
    pairs = _BRACKETED.findall(text)
    if "".join(f"({ai}){value}" for ai, value in pairs) != text:
        raise ScanError("brackets must hold application identifiers of 2 to 4 digits, each with a value after it")
    return [GS1ElementString.parse(ai + value) for ai, value in pairs]


def _of_elements(found: Iterable[GS1ElementString]) -> ScannedCode:
    elements: dict[str, GS1ElementString] = {}
    for element in found:
        ai = element.ai.ai
        if ai in elements and elements[ai].value != element.value:
            raise ScanError(f"({ai}) stands twice with different values")
        fault = element.gtin_error or element.sscc_error or element.gln_error
        if fault:
            raise ScanError(f"({ai}): {fault}")
        elements[ai] = element
    _check_pairs(elements.keys())
    value = {ai: element.value for ai, element in elements.items()}
    count = value.get("37") or value.get("30")
    return ScannedCode(
        kind=_kind(value.keys()),
        gtin=value.get("01"),
        serial=value.get("21"),
        lot=value.get("10"),
        expires_on=elements["17"].date if "17" in elements else None,
        best_before_on=elements["15"].date if "15" in elements else None,
        sscc=value.get("00"),
        grai=_grai(value["8003"]) if "8003" in value else None,
        giai=value.get("8004"),
        content_gtin=value.get("02"),
        count=int(count) if count else None,
        elements=tuple(value.items()),
    )


def _check_pairs(present: Iterable[str]) -> None:
    held = frozenset(present)
    for one, other, why in FORBIDDEN_PAIRS:
        if one in held and other in held:
            raise ScanError(f"({one}) and ({other}) may not stand together: {why}")
    if "02" in held and "37" not in held:
        raise ScanError("(02) needs (37), the count of what the unit holds")
    for ai in sorted(held & NEEDS.keys()):
        needed, what = NEEDS[ai]
        if not held.intersection(needed):
            raise ScanError(f"({ai}) is {what} of nothing: it needs ({') or ('.join(needed)})")
    if not held & _KEYS:
        raise ScanError(f"names none of the keys ({'), ('.join(sorted(_KEYS))}): nothing to count")


def _kind(held: Iterable[str]) -> Kind:
    ais = frozenset(held)
    if "01" in ais:
        return "sgtin" if "21" in ais else "gtin"
    return next((kind for ai, kind in _KIND_OF.items() if ai in ais), "content")


def _grai(value: str) -> str:
    checkdigit.require(value[1:14], 13, "asset type")
    return value[1:]
