"""Identities as application identifiers, element strings and GS1 Digital Links, and back.

    elements_of(identity) → ((ai, value), …) → identity_of → identity
    element_string(elements) → str                          for a GS1-128 or DataMatrix, FNC1 as 0x1D
    to_link(identity) → str → parse_link → identity         https://id.gs1.org/01/09506000134352/21/123

None of these carries the length of the company prefix, which tag memory needs but for the "+" schemes (plus.py): it is
given, or looked up in GS1's table of prefixes. Source: GS1 General Specifications chapter 3, GS1 Digital Link URI
Syntax 1.3+, TDS chapter 7.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from biip import ParseError
from biip.gs1_application_identifiers import GS1ApplicationIdentifier
from biip.gs1_digital_link_uris import GS1DigitalLinkURI
from biip.gs1_prefixes import GS1CompanyPrefix

from gs1.element import FNC1, Elements
from gs1.errors import DigitalLinkError, IdentityError
from gs1.identity import Cpi, Gdti, Giai, Grai, Gsrn, Identity, Itip, Sgcn, Sgln, Sgtin, Sscc, to_tag
from gs1.plus import DATE_AIS, PLUS_BY_NAME, PlusTag, pack_plus
from gs1.scheme import SCHEMES, pack

RESOLVER: Final = "https://id.gs1.org"
"""GS1's own resolver, the host of the canonical form."""

_GRAI_TYPE_DIGITS: Final = 14
"""AI 8003 begins with a zero and the 13 digits of the asset type."""


def elements_of(identity: Identity) -> Elements:
    """Application identifiers of a GS1 key, the primary one first. Raises IdentityError for a key that has none."""
    match identity:
        case Sgtin():
            dated = () if identity.dated is None else (identity.dated,)
            return ("01", identity.gtin), ("21", identity.serial), *dated
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


def identity_of(
    elements: Elements,
    company_prefix_digits: int | None = None,
    filter: int = 0,  # noqa: A002
    scheme: str | None = None,
    hostname: str | None = None,
) -> Identity:
    """The identity that application identifiers name, in the shortest scheme with a company prefix that holds it, or in
    the "+" or "++" scheme named (`hostname` is for the latter).

    `company_prefix_digits` as the owner of the key knows it; None looks it up in GS1's table, and "+" schemes need
    none. Raises IdentityError when no key is among them, its serial number is missing, or no scheme can hold it.
    """
    if scheme is not None:
        if scheme not in PLUS_BY_NAME:
            raise IdentityError(f"no scheme {scheme!r} without a company prefix; known: {', '.join(PLUS_BY_NAME)}")
        plus = PLUS_BY_NAME[scheme]
        dates = DATE_AIS if plus.dated else ()
        held = tuple((ai, value) for ai, value in elements if ai in plus.ais or ai in dates)
        on_plus = _of_elements(held, scheme=scheme, filter=filter, hostname=hostname)
        pack_plus(to_plus(on_plus))
        return on_plus
    values = dict(elements)
    primary = _primary(values)
    key, skipped, made, fields = _READ[primary]
    value = values[primary]
    if company_prefix_digits is None:
        company_prefix_digits = _prefix_digits(value[skipped:], primary)
    refusals = []
    for candidate in (candidate for candidate in SCHEMES if candidate.key == key):
        identity: Identity = made(
            *fields(value, values),
            scheme=candidate.name,
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


def of_plus(tag: PlusTag) -> Identity:
    """The identity that a "+" tag's application identifiers make."""
    return _of_elements(tag.elements, scheme=tag.scheme.name, filter=tag.filter, hostname=tag.hostname, aidc=tag.aidc)


def to_plus(identity: Identity) -> PlusTag:
    """The application identifiers that write an identity of a "+" scheme; a place as a whole has extension 0."""
    whole_place = (("254", "0"),) if isinstance(identity, Sgln) and identity.serial == "0" else ()
    elements = (*elements_of(identity), *whole_place)
    return PlusTag(PLUS_BY_NAME[identity.scheme], identity.filter, elements, identity.hostname, identity.aidc)


def _of_elements(elements: Elements, **on_tag: Any) -> Identity:
    values = dict(elements)
    primary = _primary(values)
    made, fields = _READ[primary][2:]
    date = next(((ai, values[ai]) for ai in DATE_AIS if ai in values), None)
    dated = {"dated": date} if date is not None and made is Sgtin else {}
    identity: Identity = made(*fields(values[primary], values), **dated, **on_tag)
    return identity


def _primary(values: Mapping[str, str]) -> str:
    primary = next((ai for ai in _READ if ai in values), None)
    if primary is None:
        raise IdentityError(f"none of ({'), ('.join(values)}) is a key that a tag can hold")
    return primary


def _needed(values: Mapping[str, str], ai: str) -> str:
    if ai not in values:
        raise IdentityError(f"({ai}) is missing: without it this is a kind of things, not one thing")
    return values[ai]


def _prefix_digits(digits: str, primary: str) -> int:
    prefix = GS1CompanyPrefix.extract(digits)
    if prefix is None:
        raise IdentityError(
            f"({primary}) …{digits}: GS1's table knows no company prefix of it: give its length, or a + scheme"
        )
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
    """The GS1 Digital Link of a key, on the hostname that its tag holds, else on `resolver`: scheme and host, and a
    path where the owner has one."""
    elements = elements_of(identity)
    path = "".join(f"/{ai}/{quote(value, safe='')}" for ai, value in elements if ai not in DATE_AIS)
    query = "&".join(f"{ai}={value}" for ai, value in elements if ai in DATE_AIS)
    begin = resolver.rstrip("/") if identity.hostname is None else f"https://{identity.hostname}"
    return begin + path + (f"?{query}" if query else "")


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


def parse_link(
    uri: str,
    company_prefix_digits: int | None = None,
    filter: int = 0,  # noqa: A002
    scheme: str | None = None,
) -> Identity:
    """The identity that a Digital Link names; a "++" scheme takes the link's hostname with it.

    Raises DigitalLinkError for its form, IdentityError as identity_of.
    """
    hostname = urlsplit(uri).hostname if scheme is not None and scheme.endswith("++") else None
    return identity_of(link_elements(uri), company_prefix_digits, filter, scheme, hostname)
