"""What is this tag, barcode or link? Any form of an identity, shown in all the others."""

from __future__ import annotations

import re
from typing import Final

from gs1.element import FNC1, Elements, parse_scan
from gs1.epc import parse_epc, parse_pure_uri, parse_tag_uri, pure_uri, tag_uri, to_epc
from gs1.errors import EpcError, IdentityError
from gs1.identity import Identity
from gs1.link import element_string, elements_of, identity_of, to_link
from gs1.plus import PLUS_BY_NAME

_MEMORY: Final = re.compile(r"(?:[0-9A-Fa-f]{4}){4,31}")
"""EPC memory as hex, in whole words; no scheme has less than 64 bits, and a GTIN has less digits."""

_SHOWN_FNC1: Final = "<FNC1>"


def identify(text: str) -> list[tuple[str, str]]:
    """Name and value of every form of the identity in `text`: EPC memory as hex, a tag URI, a pure identity URI, or
    anything a scanner sends. Raises Gs1Error saying why it is none."""
    text = text.strip()
    if text.startswith("urn:epc:tag:"):
        return _forms(parse_tag_uri(text))
    if text.startswith("urn:epc:id:"):
        return _forms(parse_pure_uri(text))
    if _MEMORY.fullmatch(text):
        try:
            return _forms(parse_epc(bytes.fromhex(text)))
        except EpcError:
            # Digits alone may as well be a barcode.
            if not text.isdigit():
                raise
    return _scanned(text)


def _scanned(text: str) -> list[tuple[str, str]]:
    scanned = parse_scan(text)
    forms = [("kind", scanned.kind), *((f"({ai})", value) for ai, value in scanned.elements)]
    try:
        on_tag = _forms(identity_of(scanned.elements))
    except IdentityError as error:
        return [*forms, ("on no tag", str(error))]
    return [*forms, *on_tag[1:]]


def _forms(identity: Identity) -> list[tuple[str, str]]:
    forms = [
        ("kind", identity.kind),
        ("scheme", identity.scheme),
        ("filter", str(identity.filter)),
        ("epc", to_epc(identity).hex().upper()),
    ]
    if identity.scheme not in PLUS_BY_NAME:
        forms += [("tag uri", tag_uri(identity)), ("pure identity", pure_uri(identity))]
    try:
        elements: Elements = elements_of(identity)
    except IdentityError:
        return forms
    return [
        *forms,
        ("element string", element_string(elements).replace(FNC1, _SHOWN_FNC1)),
        ("digital link", to_link(identity)),
    ]
