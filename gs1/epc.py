"""EPC tag memory ↔ identities ↔ URIs. Start here; scheme.py is the table, identity.py the keys.

    parse_epc(bytes) → Identity → to_epc → bytes            every field, the filter value kept
    parse_tag_uri(str) → Identity → tag_uri → str           urn:epc:tag:sgtin-96:3.95060001343.05.123456789
    parse_pure_uri(str) → Identity → pure_uri → str         urn:epc:id:sgtin:95060001343.05.123456789
    sgtin96_of(bytes) → (gtin, serial) | None               the hot path: integer arithmetic only
    sgtin96_uri(bytes) → str | None                         likewise, as a pure identity URI

Source: GS1 EPC Tag Data Standard 2.x, chapters 6, 7, 12, 14.
"""

from __future__ import annotations

import re
from typing import Final

from gs1 import checkdigit
from gs1.errors import IdentityError, UriError
from gs1.identity import Giai, Grai, Identity, Sgln, Sgtin, Sscc, of_tag, to_tag
from gs1.link import of_plus, to_plus
from gs1.plus import PLUS_BY_HEADER, PLUS_BY_NAME, pack_plus, unpack_plus
from gs1.scheme import BY_NAME, SCHEMES, Scheme, Tag, pack, unpack

_TAG_URI: Final = "urn:epc:tag:"
_PURE_URI: Final = "urn:epc:id:"

_ESCAPED: Final = re.compile(r'["%&/<>?#]')
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_PLAIN: Final = re.compile(r"(?:[A-Za-z0-9!'()*+,.:;=_-]|%[0-9A-Fa-f]{2})*")

# Company prefix in bits by partition value, and the power of ten that parts item reference from company prefix.
_COMPANY_SHIFT: Final = (4, 7, 10, 14, 17, 20, 24)
_COMPANY_LIMIT: Final = (10**12, 10**11, 10**10, 10**9, 10**8, 10**7, 10**6)
_ITEM_LIMIT: Final = (10, 10**2, 10**3, 10**4, 10**5, 10**6, 10**7)
_HEADER_SGTIN_96: Final = 0x30
_SGTIN_96_BYTES: Final = 12
_SGTIN_URI: Final = tuple(f"{_PURE_URI}sgtin:%0{12 - value}d.%0{1 + value}d.%d" for value in range(7))


def parse_epc(epc: bytes) -> Identity:
    """The identity in EPC memory (without the PC word).

    Raises UnknownSchemeError for a header that names no scheme, EpcError naming the field that breaks its rule.
    """
    if epc and epc[0] in PLUS_BY_HEADER:
        return of_plus(unpack_plus(epc))
    return of_tag(unpack(epc))


def to_epc(identity: Identity) -> bytes:
    """EPC memory of an identity, in whole 16-bit words. Raises IdentityError when it does not fit its scheme."""
    if identity.scheme in PLUS_BY_NAME:
        return pack_plus(to_plus(identity))
    return pack(to_tag(identity))


def sgtin96_of(epc: bytes) -> tuple[str, int] | None:
    """The GTIN (14 digits) and serial number of an SGTIN-96; None when the memory is no valid one.

    For millions of tags; parse_epc says what is wrong with the rest.
    """
    taken = _sgtin96(epc)
    if taken is None:
        return None
    _, company, item, item_limit, serial = taken
    indicator, rest = divmod(item, item_limit // 10)
    payload = indicator * 10**12 + company * (item_limit // 10) + rest
    return f"{payload * 10 + checkdigit.of_number(payload):014d}", serial


def sgtin96_uri(epc: bytes) -> str | None:
    """The pure identity URI of an SGTIN-96; None when the memory is no valid one."""
    taken = _sgtin96(epc)
    if taken is None:
        return None
    partition, company, item, _, serial = taken
    return _SGTIN_URI[partition] % (company, item, serial)


def _sgtin96(epc: bytes) -> tuple[int, int, int, int, int] | None:
    """Partition, company prefix, item reference and its limit, serial number."""
    if len(epc) != _SGTIN_96_BYTES or epc[0] != _HEADER_SGTIN_96:
        return None
    value = int.from_bytes(epc)
    partition = (value >> 82) & 7
    if partition == 7:
        return None
    shift, item_limit = _COMPANY_SHIFT[partition], _ITEM_LIMIT[partition]
    field = (value >> 38) & 0xFFF_FFFF_FFFF
    company, item = field >> shift, field & ((1 << shift) - 1)
    if company >= _COMPANY_LIMIT[partition] or item >= item_limit:
        return None
    return partition, company, item, item_limit, value & 0x3F_FFFF_FFFF


def encode_sgtin96(gtin: str, serial: int | str, company_prefix_digits: int, filter: int = 0) -> bytes:  # noqa: A002
    """Twelve bytes of SGTIN-96. `gtin` has 14 digits; `serial` < 2³⁸ without leading zeros. Raises IdentityError."""
    return to_epc(
        Sgtin(gtin, str(serial), scheme="sgtin-96", filter=filter, company_prefix_digits=company_prefix_digits)
    )


def encode_sscc96(sscc: str, company_prefix_digits: int, filter: int = 0) -> bytes:  # noqa: A002
    """Twelve bytes of SSCC-96. `sscc` has 18 digits. Raises IdentityError."""
    return to_epc(Sscc(sscc, scheme="sscc-96", filter=filter, company_prefix_digits=company_prefix_digits))


def encode_sgln96(gln: str, serial: int | str, company_prefix_digits: int, filter: int = 0) -> bytes:  # noqa: A002
    """Twelve bytes of SGLN-96. `gln` has 13 digits; `serial` < 2⁴¹, 0 for the whole place. Raises IdentityError."""
    return to_epc(Sgln(gln, str(serial), scheme="sgln-96", filter=filter, company_prefix_digits=company_prefix_digits))


def encode_grai96(asset_type: str, serial: int | str, company_prefix_digits: int, filter: int = 0) -> bytes:  # noqa: A002
    """Twelve bytes of GRAI-96. `asset_type` has 13 digits; `serial` < 2³⁸. Raises IdentityError."""
    return to_epc(
        Grai(asset_type, str(serial), scheme="grai-96", filter=filter, company_prefix_digits=company_prefix_digits)
    )


def encode_giai96(giai: str, company_prefix_digits: int, filter: int = 0) -> bytes:  # noqa: A002
    """Twelve bytes of GIAI-96. `giai` is company prefix and asset reference in digits. Raises IdentityError."""
    return to_epc(Giai(giai, scheme="giai-96", filter=filter, company_prefix_digits=company_prefix_digits))


def tag_uri(identity: Identity) -> str:
    """The tag URI: scheme, filter and key. Raises IdentityError when the identity does not fit its scheme."""
    tag = to_tag(identity)
    pack(tag)
    head = [str(tag.filter)] if tag.scheme.filter_bits else []
    return f"{_TAG_URI}{tag.scheme.name}:{'.'.join([*head, *map(_escape, tag.parts)])}"


def pure_uri(identity: Identity) -> str:
    """The pure identity URI: the key alone, whatever tag it is on. Raises IdentityError."""
    tag = to_tag(identity)
    pack(tag)
    return f"{_PURE_URI}{tag.scheme.key}:{'.'.join(map(_escape, tag.parts))}"


def parse_tag_uri(uri: str) -> Identity:
    """The identity of a tag URI. Raises UriError for its form, IdentityError for a part that does not fit."""
    name, _, rest = uri.removeprefix(_TAG_URI).partition(":")
    scheme = BY_NAME.get(name)
    if not uri.startswith(_TAG_URI) or scheme is None:
        raise UriError(f"{uri!r} is no {_TAG_URI}… of a scheme we know")
    value = "0"
    if scheme.filter_bits:
        value, _, rest = rest.partition(".")
    if not (value.isascii() and value.isdigit()) or len(value) > 2:
        raise UriError(f"{uri}: filter {value!r} is no number")
    return _made(scheme, int(value), _split(rest, scheme.parts, uri))


def parse_pure_uri(uri: str, filter: int = 0) -> Identity:  # noqa: A002
    """The identity of a pure identity URI, in the first scheme of its key that can hold it: the shortest.

    Raises UriError for its form, IdentityError when no scheme can hold it.
    """
    key, _, rest = uri.removeprefix(_PURE_URI).partition(":")
    schemes = [scheme for scheme in SCHEMES if scheme.key == key]
    if not uri.startswith(_PURE_URI) or not schemes:
        raise UriError(f"{uri!r} is no {_PURE_URI}… of a key we know")
    refusals = []
    for scheme in schemes:
        try:
            return _made(scheme, filter if scheme.filter_bits else 0, _split(rest, scheme.parts, uri))
        except IdentityError as error:
            refusals.append(str(error))
    raise IdentityError(f"{uri}: {'; '.join(refusals)}")


def _made(scheme: Scheme, value: int, parts: tuple[str, ...]) -> Identity:
    tag = Tag(scheme, value, parts)
    pack(tag)
    return of_tag(tag)


def _split(rest: str, count: int, uri: str) -> tuple[str, ...]:
    # A serial number may hold dots of its own, and is always last.
    parts = rest.split(".", count - 1)
    if len(parts) != count:
        raise UriError(f"{uri}: needs {count} parts after the scheme, has {len(parts)}")
    for part in parts:
        if not _PLAIN.fullmatch(part):
            raise UriError(f"{uri}: {part!r} has a character that must be escaped as %XX")
    return tuple(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), part) for part in parts)


def _escape(part: str) -> str:
    return _ESCAPED.sub(lambda match: f"%{ord(match[0]):02X}", part)
