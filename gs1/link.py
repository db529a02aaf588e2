"""Identities as application identifiers, element strings and GS1 Digital Links, and back.

    elements_of(identity) → ((ai, value), …) → identity_of → identity
    element_string(elements) → str                          for a GS1-128 or DataMatrix, FNC1 as 0x1D
    to_link(identity) → str → parse_link → identity         https://id.gs1.org/01/09506000134352/21/123

None of these carries the length of the company prefix, which tag memory needs: it is given, or looked up in GS1's
table of prefixes. Source: GS1 General Specifications chapter 3, GS1 Digital Link URI Syntax 1.3+, TDS chapter 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from biip import ParseError
from biip.gs1_application_identifiers import GS1ApplicationIdentifier
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_prefixes import GS1CompanyPrefix

from gs1.element import FNC1, Elements
from gs1.errors import DigitalLinkError, IdentityError
from gs1.identity import Cpi, Gdti, Giai, Grai, Gsrn, Identity, Itip, Sgcn, Sgln, Sgtin, Sscc, to_tag
from gs1.scheme import SCHEMES, pack

RESOLVER: Final = "https://id.gs1.org"
"""GS1's own resolver, the host of the canonical form."""

_GRAI_TYPE_DIGITS: Final = 14
"""AI 8003 begins with a zero and the 13 digits of the asset type."""


def elements_of(identity: Identity) -> Elements:
    """Application identifiers of a GS1 key, the primary one first. Raises IdentityError for a key that has none."""
    match identity:
        case Sgtin():
            return ("01", identity.gtin), ("21", identity.serial)
        case Sscc():
            return (("00", identity.sscc),)
        case Sgln(serial="0"):
            return (("414", identity.gln),)
        case Sgln():
            return ("414", identity.gln), ("254", identity.serial)
        case Grai():
            return (("8003", "0" + identity.grai),)
        case Giai():
            return (("8004", identity.giai),)
        case Gsrn():
            return (("8018" if identity.kind == "gsrn" else "8017", identity.gsrn),)
        case Gdti():
            return (("253", identity.document_type + identity.serial),)
        case Sgcn():
            return (("255", identity.coupon + identity.serial),)
        case Cpi():
            return ("8010", identity.cpi), ("8011", identity.serial)
        case Itip():
            return ("8006", identity.gtin + identity.piece + identity.total), ("21", identity.serial)
        case _:
            raise IdentityError(f"{identity.kind} has no application identifier: it is no GS1 key")


# For each primary application identifier: the key of its schemes, the digits its company prefix starts, its class and
# the fields of that class.
_Fields = Callable[[str, Mapping[str, str]], tuple[str, ...]]
_READ: Final[dict[str, tuple[str, int, Any, _Fields]]] = {
    "01": ("sgtin", 1, Sgtin, lambda value, more: (value, _needed(more, "21"))),
    "00": ("sscc", 1, Sscc, lambda value, _: (value,)),
    "414": ("sgln", 0, Sgln, lambda value, more: (value, more.get("254", "0"))),
    "8003": ("grai", 1, Grai, lambda value, _: (value[1:_GRAI_TYPE_DIGITS], value[_GRAI_TYPE_DIGITS:])),
    "8004": ("giai", 0, Giai, lambda value, _: (value,)),
    "8018": ("gsrn", 0, Gsrn, lambda value, _: (value,)),
    "8017": ("gsrnp", 0, Gsrn, lambda value, _: (value,)),
    "253": ("gdti", 0, Gdti, lambda value, _: (value[:13], value[13:])),
    "255": ("sgcn", 0, Sgcn, lambda value, _: (value[:13], value[13:])),
    "8010": ("cpi", 0, Cpi, lambda value, more: (value, _needed(more, "8011"))),
    "8006": ("itip", 1, Itip, lambda value, more: (value[:14], value[14:16], value[16:], _needed(more, "21"))),
}


def identity_of(elements: Elements, company_prefix_digits: int | None = None, filter: int = 0) -> Identity:  # noqa: A002
    """The identity that application identifiers name, in the shortest scheme that holds it.

    `company_prefix_digits` as the owner of the key knows it; None looks it up in GS1's table. Raises IdentityError
    when no key is among them, its serial number is missing, or no scheme can hold it.
    """
    values = dict(elements)
    primary = next((ai for ai in _READ if ai in values), None)
    if primary is None:
        raise IdentityError(f"none of ({'), ('.join(values)}) is a key that a tag can hold")
    key, skipped, made, fields = _READ[primary]
    value = values[primary]
    if company_prefix_digits is None:
        company_prefix_digits = _prefix_digits(value[skipped:], primary)
    refusals = []
    for scheme in (scheme for scheme in SCHEMES if scheme.key == key):
        identity: Identity = made(
            *fields(value, values),
            scheme=scheme.name,
            filter=filter,
            company_prefix_digits=company_prefix_digits,
        )
        try:
            pack(to_tag(identity))
        except IdentityError as error:
            refusals.append(str(error))
        else:
            return identity
    raise IdentityError(f"({primary}){value}: {'; '.join(refusals)}")


def _needed(values: Mapping[str, str], ai: str) -> str:
    if ai not in values:
        raise IdentityError(f"({ai}) is missing: without it this is a kind of things, not one thing")
    return values[ai]


def _prefix_digits(digits: str, primary: str) -> int:
    prefix = GS1CompanyPrefix.extract(digits)
    if prefix is None:
        raise IdentityError(f"({primary}) …{digits}: GS1's table knows no company prefix of it, give its length")
    return len(prefix.value)


def element_string(elements: Elements) -> str:
    """As a GS1-128 or DataMatrix holds them: 0x1D after each value of open length that is not the last."""
    text = ""
    for place, (ai, value) in enumerate(elements, 1):
        text += ai + value
        if place < len(elements) and GS1ApplicationIdentifier.extract(ai).separator_required:
            text += FNC1
    return text


def to_link(identity: Identity, resolver: str = RESOLVER) -> str:
    """The GS1 Digital Link of a key. `resolver` is scheme and host, and a path where the owner has one."""
    path = "".join(f"/{ai}/{quote(value, safe='')}" for ai, value in elements_of(identity))
    return resolver.rstrip("/") + path


def link_elements(uri: str) -> Elements:
    """The application identifiers of a Digital Link, query included. Raises DigitalLinkError."""
    try:
        found = GS1DigitalLinkURI.parse(uri).element_strings
    except (ParseError, ValueError) as error:
        raise DigitalLinkError(f"{uri}: {error}") from error
    faults = [element.gtin_error or element.sscc_error or element.gln_error for element in found]
    if any(faults):
        raise DigitalLinkError(f"{uri}: {'; '.join(filter(None, faults))}")
    return tuple((element.ai.ai, element.value) for element in found)


def parse_link(uri: str, company_prefix_digits: int | None = None, filter: int = 0) -> Identity:  # noqa: A002
    """The identity that a Digital Link names. Raises DigitalLinkError for its form, IdentityError as identity_of."""
    return identity_of(link_elements(uri), company_prefix_digits, filter)
