"""What a catalog entry is and which entries can stand (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from backend.errors import CatalogError
from gs1 import checkdigit
from gs1.errors import IdentityError

REAL_KINDS: Final = ("receiving", "storage", "pick_face", "packing", "staging", "dock", "quarantine", "returns")
VIRTUAL_KINDS: Final = ("supplier", "customer", "vendor", "in_transit", "scrap", "count_difference", "unknown")
"""Every site has one zone of each virtual kind, coded as the kind, so each posting has two ends."""

PACKS: Final = ("each", "inner", "case", "pallet")
"""What a thing with a GTIN is packed as, from the single one up."""

ABC_CLASSES: Final = ("A", "B", "C")

CONDITIONS: Final = ("sellable", "damaged", "quarantined", "returned", "refurbishing")

_CODE: Final = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
_GTIN: Final = re.compile(r"^(?:\d{8}|\d{12,14})$")


class Zone(NamedTuple):
    """An area of a site; `kind` is one of REAL_KINDS or VIRTUAL_KINDS."""

    zone_id: int
    site_id: int
    code: str
    kind: str

    @property
    def is_real(self) -> bool:
        """Whether goods can stand there: what is below zero in it is owed."""
        return self.kind not in VIRTUAL_KINDS


class Portal(NamedTuple):
    """A door; what crosses it inwards comes to stand in `inside`."""

    portal_id: int
    site_id: int
    code: str
    inside: Zone


@dataclass(frozen=True, slots=True)
class Site:
    """A warehouse with its zones and portals by code, and its virtual zones by kind."""

    site_id: int
    code: str
    zones: Mapping[str, Zone]
    portals: Mapping[str, Portal]

    def virtual(self, kind: str) -> Zone:
        """The site's zone of a virtual kind."""
        return self.zones[kind]

    def real_zone(self, code: str) -> Zone | None:
        """The zone of that code where goods can stand, or None."""
        zone = self.zones.get(code)
        return zone if zone is not None and zone.is_real else None


class Places:
    """Every site as of one revision of the catalog."""

    def __init__(self, revision: int, sites: Iterable[Site]) -> None:
        self.revision = revision
        self.by_code: Final = {site.code: site for site in sites}
        self.site_by_id: Final = {site.site_id: site for site in self.by_code.values()}
        self.zone_by_id: Final = {zone.zone_id: zone for site in self.by_code.values() for zone in site.zones.values()}
        self.real_zone_ids: Final = frozenset(zone.zone_id for zone in self.zone_by_id.values() if zone.is_real)

    def site_of(self, zone_id: int) -> Site:
        """The site that a zone belongs to."""
        return self.site_by_id[self.zone_by_id[zone_id].site_id]


@dataclass(frozen=True, slots=True)
class ZoneSpec:
    """A zone to be defined; the virtual ones come by themselves."""

    code: str
    kind: str
    name: str = ""
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class PortalSpec:
    """A portal to be defined, and the code of the zone behind it."""

    code: str
    inside_zone: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """A site to be defined, whole. `time_zone` is an IANA name."""

    code: str
    name: str = ""
    region: str = ""
    time_zone: str = "UTC"
    zones: tuple[ZoneSpec, ...] = ()
    portals: tuple[PortalSpec, ...] = ()

    def check(self) -> None:
        """Raises CatalogError for a code, kind or zone that cannot stand."""
        require_code(self.code, "site")
        codes = [zone.code for zone in self.zones]
        for zone in self.zones:
            require_code(zone.code, "zone")
            if zone.kind not in REAL_KINDS:
                raise CatalogError(f"zone {zone.code}: kind {zone.kind!r} is none of {', '.join(REAL_KINDS)}")
            if zone.code in VIRTUAL_KINDS:
                raise CatalogError(f"zone {zone.code}: the code is kept for the site's virtual zone")
            if zone.parent is not None and zone.parent not in codes[: codes.index(zone.code)]:
                raise CatalogError(f"zone {zone.code}: its parent {zone.parent!r} must be defined before it")
        if len(set(codes)) < len(codes):
            raise CatalogError(f"site {self.code}: two zones have the same code")
        for portal in self.portals:
            require_code(portal.code, "portal")
            if portal.inside_zone not in codes:
                raise CatalogError(f"portal {portal.code}: no zone {portal.inside_zone!r} at site {self.code}")


@dataclass(frozen=True, slots=True)
class SkuSpec:
    """A SKU to be defined. `gtins` maps a GTIN of 8, 12, 13 or 14 digits to how many units one thing with it holds."""

    code: str
    name: str = ""
    unit: str = "each"
    gtins: Mapping[str, int] = field(default_factory=dict)

    def check(self) -> None:
        """Raises CatalogError for a code, GTIN or quantity that cannot stand."""
        require_sku_code(self.code)
        for gtin, quantity in self.gtins.items():
            gtin14(gtin)
            if quantity < 1:
                raise CatalogError(f"GTIN {gtin}: a quantity of {quantity} is below 1")


def require_code(code: str, what: str) -> None:
    """Raises CatalogError for a code that cannot stand in a topic, a file name or a URL."""
    if not _CODE.match(code):
        raise CatalogError(f"{what} {code!r}: use letters, digits, '.', '_' and '-', at most 63")


MAX_LOT_CHARS: Final = 20
"""As long as scans may name them (wire.events), and as GS1's application identifier 10 allows."""

MAX_SKU_CODE_CHARS: Final = 80
"""Long enough for every shop system's article number; a code stands in URLs and on labels."""


def require_sku_code(code: str) -> None:
    """Raises CatalogError for a SKU's code that is empty, too long, or holds what cannot be printed."""
    if not 0 < len(code) <= MAX_SKU_CODE_CHARS or not code.isprintable() or code != code.strip():
        raise CatalogError(f"SKU {code!r}: 1 to {MAX_SKU_CODE_CHARS} printable characters, no space around them")


def gtin14(gtin: str) -> str:
    """A GTIN of 8, 12, 13 or 14 digits as 14. Raises CatalogError when the length or the check digit is wrong."""
    if not _GTIN.match(gtin):
        raise CatalogError(f"GTIN {gtin!r}: 8, 12, 13 or 14 digits are needed")
    try:
        checkdigit.require(gtin.zfill(14), 14, "GTIN")
    except IdentityError as error:
        raise CatalogError(str(error)) from error
    return gtin.zfill(14)


def pack_of(quantity: int) -> str:
    """What a thing that holds so many units is packed as, where nobody says."""
    return "each" if quantity == 1 else "case"
