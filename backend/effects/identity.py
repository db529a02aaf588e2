"""What a tag or a label names: the one identity that is the same for every way of writing it (pure).

`identity` is the GS1 element string with brackets, such as (01)09506000134352(21)1234: independent of the encoding, the
filter value and the length of the company prefix, so a barcode finds what a tag said and the other way round.
"""

from __future__ import annotations

from typing import NamedTuple

from gs1.element import ScannedCode
from gs1.epc import parse_epc
from gs1.errors import EpcError
from gs1.identity import Giai, Grai, Sgtin, Sscc


class Named(NamedTuple):
    """A thing's kind (a value of item.kind), its identity, and its GTIN when it is of a kind of goods."""

    kind: str
    identity: str
    gtin: str | None = None


class Unnamed(NamedTuple):
    """Why a tag names nothing that can be counted: the quarantine's cause, and the reason in words."""

    cause: str
    reason: str


def of_epc(epc: bytes) -> Named | Unnamed:
    """What a tag's EPC memory names."""
    try:
        found = parse_epc(epc)
    except EpcError as error:
        return Unnamed("bad_epc", str(error))
    match found:
        case Sgtin():
            return of_sgtin(found.gtin, found.serial)
        case Sscc():
            return of_sscc(found.sscc)
        case Grai():
            return Named("grai", f"(8003){found.grai}")
        case Giai():
            return Named("giai", f"(8004){found.giai}")
        case _:
            return Unnamed(f"not_counted:{found.kind}", f"a tag of scheme {found.scheme} names nothing that is counted")


def of_scan(code: ScannedCode) -> Named | None:
    """The one thing that a scanned code names; None when it names so many of a kind."""
    if code.kind == "sgtin" and code.gtin is not None and code.serial is not None:
        return of_sgtin(code.gtin, code.serial)
    if code.kind == "sscc" and code.sscc is not None:
        return of_sscc(code.sscc)
    if code.kind == "grai" and code.grai is not None:
        return Named("grai", f"(8003){code.grai}")
    if code.kind == "giai" and code.giai is not None:
        return Named("giai", f"(8004){code.giai}")
    return None


def of_sgtin(gtin: str, serial: str) -> Named:
    """One thing of a kind of goods."""
    return Named("sgtin", f"(01){gtin}(21){serial}", gtin)


def of_sscc(sscc: str) -> Named:
    """A logistic unit."""
    return Named("sscc", f"(00){sscc}")
