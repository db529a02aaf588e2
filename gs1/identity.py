"""The keys themselves, as people and databases use them, and what of a tag each is made from.

Every identity keeps what its tag said beside the key: the scheme, the filter value and the length of the company
prefix, so that it can be written back as it was read. Only SGTIN, SSCC, GRAI and GIAI name things that Tallyman
counts; the rest is recognised and shown by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from gs1 import checkdigit
from gs1.errors import IdentityError
from gs1.plus import PLUS_BY_NAME
from gs1.scheme import BY_NAME, Tag


@dataclass(frozen=True, slots=True, kw_only=True)
class _OnTag:
    """What a tag says beside the key."""

    scheme: str
    filter: int = 0
    hostname: str | None = None
    """Of the Digital Link, on a tag of a "++" scheme."""
    aidc: str | None = None
    """The bits after the EPC on a tag of a "+" scheme whose data toggle says that data follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _WithPrefix(_OnTag):
    company_prefix_digits: int | None = None
    """None on a tag of a "+" scheme, which does not tell it."""

    def split(self, digits: str) -> tuple[str, str]:
        """Part digits into the company prefix and what follows. Raises IdentityError when its length is not known."""
        if self.company_prefix_digits is None:
            raise IdentityError(f"{self.scheme}: the length of the company prefix is not known, and this form needs it")
        return digits[: self.company_prefix_digits], digits[self.company_prefix_digits :]


@dataclass(frozen=True, slots=True)
class Sgtin(_WithPrefix):
    """One thing of a kind: GTIN as 14 digits, and its serial number (AI 01 and 21)."""

    kind: ClassVar[str] = "sgtin"
    gtin: str
    serial: str
    dated: tuple[str, str] | None = field(default=None, kw_only=True)
    """AI and YYMMDD of the date on a DSGTIN+: AI 17 when it expires."""

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI. Raises IdentityError when the GTIN is none."""
        return (*_of_gtin(self, self.gtin), self.serial)


@dataclass(frozen=True, slots=True)
class Sscc(_WithPrefix):
    """A logistic unit such as a pallet: 18 digits (AI 00)."""

    kind: ClassVar[str] = "sscc"
    sscc: str

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI. Raises IdentityError when the SSCC is none."""
        checkdigit.require(self.sscc, 18, "SSCC")
        company, reference = self.split(self.sscc[1:17])
        return company, self.sscc[0] + reference


@dataclass(frozen=True, slots=True)
class Sgln(_WithPrefix):
    """A place: GLN as 13 digits, and its extension, `0` for the place as a whole (AI 414 and 254)."""

    kind: ClassVar[str] = "sgln"
    gln: str
    serial: str = "0"

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI. Raises IdentityError when the GLN is none."""
        checkdigit.require(self.gln, 13, "GLN")
        return (*self.split(self.gln[:12]), self.serial)


@dataclass(frozen=True, slots=True)
class Grai(_WithPrefix):
    """A returnable asset such as a crate: its type as 13 digits, and its serial number (AI 8003)."""

    kind: ClassVar[str] = "grai"
    asset_type: str
    serial: str

    @property
    def grai(self) -> str:
        """Type and serial number as one string, without the zero that AI 8003 puts first."""
        return self.asset_type + self.serial

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI. Raises IdentityError when the asset type is none."""
        checkdigit.require(self.asset_type, 13, "asset type")
        return (*self.split(self.asset_type[:12]), self.serial)


@dataclass(frozen=True, slots=True)
class Giai(_WithPrefix):
    """An individual asset such as a forklift: company prefix and reference as one string (AI 8004)."""

    kind: ClassVar[str] = "giai"
    giai: str

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI."""
        return self.split(self.giai)


@dataclass(frozen=True, slots=True)
class Gsrn(_WithPrefix):
    """A recipient of a service (`gsrn`, AI 8018) or its provider (`gsrnp`, AI 8017): 18 digits."""

    gsrn: str

    @property
    def kind(self) -> str:
        """`gsrn` or `gsrnp`."""
        return self.scheme.rstrip("+").partition("-")[0]

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI. Raises IdentityError when the GSRN is none."""
        checkdigit.require(self.gsrn, 18, "GSRN")
        return self.split(self.gsrn[:17])


@dataclass(frozen=True, slots=True)
class Gdti(_WithPrefix):
    """A document: its type as 13 digits, and its serial number (AI 253)."""

    kind: ClassVar[str] = "gdti"
    document_type: str
    serial: str

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI. Raises IdentityError when the document type is none."""
        checkdigit.require(self.document_type, 13, "document type")
        return (*self.split(self.document_type[:12]), self.serial)


@dataclass(frozen=True, slots=True)
class Sgcn(_WithPrefix):
    """A coupon: its number as 13 digits, and its serial number (AI 255)."""

    kind: ClassVar[str] = "sgcn"
    coupon: str
    serial: str

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI. Raises IdentityError when the coupon number is none."""
        checkdigit.require(self.coupon, 13, "coupon number")
        return (*self.split(self.coupon[:12]), self.serial)


@dataclass(frozen=True, slots=True)
class Cpi(_WithPrefix):
    """A component or part: company prefix and reference as one string, and its serial number (AI 8010 and 8011)."""

    kind: ClassVar[str] = "cpi"
    cpi: str
    serial: str

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI."""
        return (*self.split(self.cpi), self.serial)


@dataclass(frozen=True, slots=True)
class Itip(_WithPrefix):
    """One piece of a thing in several pieces: GTIN, piece and total of 2 digits, serial number (AI 8006 and 21)."""

    kind: ClassVar[str] = "itip"
    gtin: str
    piece: str
    total: str
    serial: str

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI. Raises IdentityError when the GTIN is none."""
        return (*_of_gtin(self, self.gtin), self.piece, self.total, self.serial)


@dataclass(frozen=True, slots=True)
class Gid(_OnTag):
    """An identity outside the GS1 keys: manager number, object class, serial number."""

    kind: ClassVar[str] = "gid"
    manager: str
    object_class: str
    serial: str

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI."""
        return self.manager, self.object_class, self.serial


@dataclass(frozen=True, slots=True)
class Usdod(_OnTag):
    """A thing of a supplier to the US Department of Defense: CAGE code or DoDAAC, and serial number."""

    kind: ClassVar[str] = "usdod"
    cage: str
    serial: str

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI."""
        return self.cage, self.serial


@dataclass(frozen=True, slots=True)
class Adi(_OnTag):
    """An aircraft part: CAGE code or DoDAAC, original part number (may be empty), serial number."""

    kind: ClassVar[str] = "adi"
    cage: str
    part_number: str
    serial: str

    def parts(self) -> tuple[str, ...]:
        """The parts of its URI."""
        return self.cage, self.part_number, self.serial


Identity = Sgtin | Sscc | Sgln | Grai | Giai | Gsrn | Gdti | Sgcn | Cpi | Itip | Gid | Usdod | Adi


def _of_gtin(identity: Sgtin | Itip, gtin: str) -> tuple[str, str]:
    """Company prefix and item reference: the indicator digit moves from the front to the reference (TDS 6.3.1)."""
    checkdigit.require(gtin, 14, "GTIN")
    company, item = identity.split(gtin[1:13])
    return company, gtin[0] + item


def _checked(payload: str) -> str:
    return payload + checkdigit.of(payload)


def _gtin(company: str, item: str) -> str:
    return _checked(item[0] + company + item[1:])


# For each key: its class, and how its fields are made from the parts of a URI.
_MADE_OF: Final[dict[str, tuple[Any, Callable[..., tuple[str, ...]]]]] = {
    "sgtin": (Sgtin, lambda company, item, serial: (_gtin(company, item), serial)),
    "sscc": (Sscc, lambda company, reference: (_gtin(company, reference),)),
    "sgln": (Sgln, lambda company, location, serial: (_checked(company + location), serial)),
    "grai": (Grai, lambda company, asset, serial: (_checked(company + asset), serial)),
    "giai": (Giai, lambda company, asset: (company + asset,)),
    "gsrn": (Gsrn, lambda company, service: (_checked(company + service),)),
    "gsrnp": (Gsrn, lambda company, service: (_checked(company + service),)),
    "gdti": (Gdti, lambda company, document, serial: (_checked(company + document), serial)),
    "sgcn": (Sgcn, lambda company, coupon, serial: (_checked(company + coupon), serial)),
    "cpi": (Cpi, lambda company, component, serial: (company + component, serial)),
    "itip": (Itip, lambda company, item, *rest: (_gtin(company, item), *rest)),
    "gid": (Gid, lambda *parts: parts),
    "usdod": (Usdod, lambda *parts: parts),
    "adi": (Adi, lambda *parts: parts),
}


def of_tag(tag: Tag) -> Identity:
    """The identity that a tag's parts make, check digits computed."""
    made, fields = _MADE_OF[tag.scheme.key]
    on_tag: dict[str, Any] = {"scheme": tag.scheme.name, "filter": tag.filter}
    if issubclass(made, _WithPrefix):
        on_tag["company_prefix_digits"] = len(tag.parts[0])
    identity: Identity = made(*fields(*tag.parts), **on_tag)
    return identity


def to_tag(identity: Identity) -> Tag:
    """The scheme, filter and parts that write this identity. Raises IdentityError, also for a "+" scheme."""
    scheme = BY_NAME.get(identity.scheme)
    if scheme is None and identity.scheme in PLUS_BY_NAME:
        raise IdentityError(f"{identity.scheme} has no URN: write it as a Digital Link or an element string")
    if scheme is None:
        raise IdentityError(f"no scheme {identity.scheme!r}; known: {', '.join(sorted([*BY_NAME, *PLUS_BY_NAME]))}")
    if _MADE_OF[scheme.key][0] is not type(identity):
        raise IdentityError(f"scheme {scheme.name} writes no {type(identity).__name__}")
    if identity.hostname is not None or identity.aidc is not None or (isinstance(identity, Sgtin) and identity.dated):
        raise IdentityError(f"{scheme.name} holds no hostname, date or AIDC data: that is for the + schemes")
    return Tag(scheme, identity.filter, identity.parts())
