"""Scenario files: the warehouses, their radio, their goods and what happens in them, as TOML.

A scenario says what can happen and how often; the seed says when and to which pallet. Unknown keys are errors, and
what contradicts itself (a slot outside its zone, a door nobody reads) is refused with the key and the mend.
Lengths in metres, speeds in m/s, times in seconds of simulated time.
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gs1 import checkdigit
from gs1.errors import Gs1Error
from simulators.errors import ScenarioError
from simulators.geometry import Area, Doorway, Floor, Xy
from simulators.llrp.fault_plan import ReaderFault
from simulators.radio import Session
from simulators.radio_link import Air
from wire.events import Name, explain

SCENARIOS: Final = Path(__file__).parent / "scenarios"

Xyz = tuple[float, float, float]
Span = tuple[float, float]
"""From, to."""

ZoneKind = Literal["receiving", "storage", "pick_face", "packing", "staging", "dock", "quarantine", "returns"]


class Strict(BaseModel):
    """A section of a scenario."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Zone(Strict):
    """A rectangle of the floor, and where in it pallets are set down."""

    code: Name
    name: str = ""
    kind: ZoneKind
    rect: tuple[float, float, float, float]
    slots: tuple[Xy, ...] = ()

    @property
    def area(self) -> Area:
        """Its rectangle."""
        return Area(self.code, *self.rect)


class Wall(Strict):
    """A wall seen from above, and what it takes from the link there and back."""

    line: tuple[float, float, float, float]
    loss_db: Annotated[float, Field(ge=0)]


class Door(Strict):
    """A dock door with a portal: an opening of the dock wall (y = 0)."""

    code: Name
    name: str = ""
    inside_zone: Name
    x: float
    width_m: Annotated[float, Field(gt=0)] = 3.0


class Antenna(Strict):
    """One antenna of a reader: where it hangs, where it points, and what the gateway is told that it looks at."""

    port: Annotated[int, Field(ge=1, le=65535)]
    at: Xyz
    aim: Xyz
    beam_deg: Annotated[float, Field(gt=10, lt=180)] = 70.0
    zone: Name | None = None
    portal: Name | None = None
    side: Literal["in", "out"] | None = None

    @model_validator(mode="after")
    def _one_view(self) -> Antenna:
        if (self.zone is None) == (self.portal is None) or (self.portal is None) != (self.side is None):
            raise ValueError("set either zone, or portal and side")
        if not any(self.aim):
            raise ValueError("aim needs a direction")
        return self


class Reader(Strict):
    """A reader of the plan; at each site it is called `<site>-<name>`, in lower case."""

    name: Name
    power_dbm: Annotated[float, Field(ge=10, le=33)] = 30.0
    session: Session = 1
    antennas: Annotated[tuple[Antenna, ...], Field(min_length=1)]


class Route(Strict):
    """The way between two zones, through the gaps in the walls. Walked backwards for the way back."""

    between: tuple[Name, Name]
    via: tuple[Xy, ...] = ()


class Parked(Strict):
    """Goods that stand somewhere for good: the tags that portals must not count."""

    at: Xy
    tags: Annotated[int, Field(ge=1)]
    bare: bool = False
    """They hang there by themselves: no cargo stands before them."""


class Shuttle(Strict):
    """A load that goes to and fro through a door, first outwards, from one place of rest to the other."""

    door: Name
    tags: Annotated[int, Field(ge=1)]
    crossings: Annotated[int, Field(ge=1)]
    inside_m: Annotated[float, Field(gt=0)]
    outside_m: Annotated[float, Field(gt=0)]
    rest_s: Span
    after_s: Annotated[float, Field(ge=0)] = 0.0
    """It begins so long after the warm-up."""


class Plan(Strict):
    """The ground plan that several sites may share."""

    zones: Annotated[tuple[Zone, ...], Field(min_length=1)]
    walls: tuple[Wall, ...] = ()
    doors: Annotated[tuple[Door, ...], Field(min_length=1)]
    readers: Annotated[tuple[Reader, ...], Field(min_length=1)]
    routes: tuple[Route, ...] = ()
    parked: tuple[Parked, ...] = ()
    shuttles: tuple[Shuttle, ...] = ()
    arrivals: Name
    """The door where goods come in."""
    departures: Name
    """The door where goods leave."""
    truck_y: Annotated[float, Field(lt=0)] = -7.0
    """Where the load stands in a truck at the door."""

    @model_validator(mode="after")
    def _agrees(self) -> Plan:
        zones, doors = {zone.code for zone in self.zones}, {door.code for door in self.doors}
        for zone in self.zones:
            for slot in zone.slots:
                if not zone.area.holds(slot):
                    raise ValueError(f"zone {zone.code}: slot {list(slot)} lies outside its rect; move one of them")
        for door in self.doors:
            if door.inside_zone not in zones:
                raise ValueError(f"door {door.code}: inside_zone {door.inside_zone} is no zone of the plan")
        for route in self.routes:
            if missing := set(route.between) - zones:
                raise ValueError(f"route {list(route.between)}: no zone {', '.join(sorted(missing))}")
        for code in (self.arrivals, self.departures, *(shuttle.door for shuttle in self.shuttles)):
            if code not in doors:
                raise ValueError(f"{code} is no door of the plan")
        return self

    @model_validator(mode="after")
    def _antennas_agree(self) -> Plan:
        zones, doors = {zone.code for zone in self.zones}, {door.code for door in self.doors}
        for reader in self.readers:
            ports = [antenna.port for antenna in reader.antennas]
            if len(set(ports)) != len(ports):
                raise ValueError(f"reader {reader.name}: two antennas on one port")
            for antenna in reader.antennas:
                if antenna.zone is not None and antenna.zone not in zones:
                    raise ValueError(f"reader {reader.name} port {antenna.port}: no zone {antenna.zone}")
                if antenna.portal is not None and antenna.portal not in doors:
                    raise ValueError(f"reader {reader.name} port {antenna.port}: no door {antenna.portal}")
        return self

    @property
    def floor(self) -> Floor:
        """The geometry of the plan."""
        return Floor(
            tuple(zone.area for zone in self.zones),
            tuple(Doorway(door.code, door.x, door.width_m) for door in self.doors),
        )

    def zone_of_kind(self, kind: ZoneKind) -> Zone | None:
        """The first zone of a kind."""
        return next((zone for zone in self.zones if zone.kind == kind), None)

    def door(self, code: str) -> Door:
        """The door of a code that the plan is known to have."""
        return next(door for door in self.doors if door.code == code)

    def via(self, source: str, target: str) -> tuple[Xy, ...]:
        """The points to pass from one zone into another; none when they adjoin without a wall between."""
        for route in self.routes:
            if route.between == (source, target):
                return route.via
            if route.between == (target, source):
                return route.via[::-1]
        return ()


class Product(Strict):
    """A SKU whose goods carry SGTIN tags, one for each thing with this GTIN."""

    sku: Annotated[str, Field(min_length=1, max_length=40)]
    name: str
    gtin: str
    unit: str = "each"
    quantity: Annotated[int, Field(ge=1)] = 1
    """Units of the SKU in one tagged thing."""
    lots: Annotated[tuple[str, ...], Field(min_length=1)]
    expires_on: tuple[date, ...] = ()
    """One for each lot, or none at all."""

    @model_validator(mode="after")
    def _valid(self) -> Product:
        try:
            checkdigit.require(self.gtin, 14, "GTIN")
        except Gs1Error as error:
            raise ValueError(str(error)) from error
        if self.expires_on and len(self.expires_on) != len(self.lots):
            raise ValueError(f"{self.sku}: give expires_on for each of the {len(self.lots)} lots, or leave it out")
        return self


class Site(Strict):
    """A warehouse: who and where it is, and what stands in it at the start."""

    code: Name
    name: str = ""
    region: str = ""
    time_zone: str = "UTC"
    plan: Name
    stored_pallets: Annotated[int, Field(ge=0)] = 0
    staged_pallets: Annotated[int, Field(ge=0)] = 0
    inbound_pallets: Annotated[int, Field(ge=0)] = 0
    """Announced by receipts; they come one by one while there is room."""


class Jobs(Strict):
    """How often a free trolley chooses each job, as weights among those possible at that moment."""

    receive: Annotated[float, Field(ge=0)] = 3.0
    put_away: Annotated[float, Field(ge=0)] = 4.0
    stage: Annotated[float, Field(ge=0)] = 3.0
    ship: Annotated[float, Field(ge=0)] = 1.0
    transfer: Annotated[float, Field(ge=0)] = 2.0
    turn_back: Annotated[float, Field(ge=0)] = 0.4
    """A pallet is pushed up to the door and brought back: it never crossed."""


class Flow(Strict):
    """How much happens, and how fast people walk."""

    trolleys: Annotated[int, Field(ge=0, le=10)] = 2
    pickers: Annotated[int, Field(ge=0, le=10)] = 1
    pallet_tags: tuple[int, int] = (12, 24)
    speed_m_s: Span = (1.0, 1.6)
    jitter_m: Annotated[float, Field(ge=0)] = 0.2
    """Standard deviation of the points people walk through."""
    warm_up_s: Annotated[float, Field(ge=0)] = 10.0
    """Nothing moves before: the opening sweep."""
    pause_s: Span = (2.0, 5.0)
    rest_s: Span = (10.0, 16.0)
    """A pallet stands at least this long before it is moved on."""
    pick_pause_s: Span = (3.0, 7.0)
    travel_s: Span = (6.0, 10.0)
    """Between two sites; short, so that a demonstration sees both ends."""
    loading_s: Annotated[float, Field(ge=0)] = 4.0
    """A load stands in the truck this long before it drives off, and after it came."""
    keep_stored: Annotated[int, Field(ge=0)] = 2
    """Pallets that stay in storage whatever is ordered."""
    jobs: Jobs = Jobs()


class Outage(Strict):
    """A site's line to the outside is cut."""

    site: Name
    at_s: Annotated[float, Field(ge=0)]
    for_s: Annotated[float, Field(gt=0)]


class OfficeGoods(Strict):
    """A SKU without tags, counted by scans: what each site receives of it in the morning, as one lot."""

    sku: Annotated[str, Field(min_length=1, max_length=40)]
    name: str
    gtin: str
    lot: Annotated[str, Field(max_length=20, pattern=r"^[A-Za-z0-9-]*$")]
    received: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _valid(self) -> OfficeGoods:
        try:
            checkdigit.require(self.gtin, 14, "GTIN")
        except Gs1Error as error:
            raise ValueError(str(error)) from error
        return self


class OfficeChannel(Strict):
    """A sales channel and its rule for everything."""

    code: Name
    kind: Literal["website", "marketplace", "social", "store", "wholesale"]
    buffer: Annotated[int, Field(ge=0)] = 0
    protected: Annotated[int, Field(ge=0)] = 0


class OfficeTransfer(Strict):
    """Units of a SKU sent from one site to another, of which some are lost on the road."""

    from_site: Name
    to_site: Name
    sku: str
    quantity: Annotated[int, Field(ge=1)]
    lost: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _some_arrive(self) -> OfficeTransfer:
        if self.lost >= self.quantity or self.from_site == self.to_site:
            raise ValueError("a transfer goes to another site, and some of it arrives")
        return self


class Office(Strict):
    """The day's office work of every site: so many orders, and what is done between them."""

    begins_s: Annotated[float, Field(ge=0)] = 15.0
    gap_s: Span = (8.0, 20.0)
    """Between two deeds of one desk."""
    travel_s: Annotated[float, Field(ge=0)] = 120.0
    orders: Annotated[int, Field(ge=6)]
    """At each site; the other work lies at a third, a half and two thirds of them."""
    most_units: Annotated[int, Field(ge=1)] = 4
    """In one order."""
    channels: Annotated[tuple[OfficeChannel, ...], Field(min_length=1)]
    goods: Annotated[tuple[OfficeGoods, ...], Field(min_length=1)]
    transfers: tuple[OfficeTransfer, ...] = ()

    @model_validator(mode="after")
    def _agrees(self) -> Office:
        skus = {one.sku for one in self.goods}
        for transfer in self.transfers:
            if transfer.sku not in skus:
                raise ValueError(f"a transfer names {transfer.sku}, which the office has no goods of")
        return self


class Scenario(Strict):
    """The whole file."""

    name: Name
    title: str = ""
    company_prefix_digits: Annotated[int, Field(ge=6, le=12)]
    """Digits of the company prefix of every GTIN, SSCC and asset in the file: no tag says it by itself."""
    asset_type: str
    """GRAI asset type (13 digits) of the roll cages."""
    products: Annotated[tuple[Product, ...], Field(min_length=1)]
    plans: dict[Name, Plan]
    sites: Annotated[tuple[Site, ...], Field(min_length=1)]
    flow: Flow = Flow()
    radio: Air = Air()
    """What the air and the tags are like; an installer cannot know."""
    outages: tuple[Outage, ...] = ()
    faults: tuple[ReaderFault, ...] = ()
    office: Office | None = None
    """Where there is one, the play ends with its work."""

    @model_validator(mode="after")
    def _agrees(self) -> Scenario:
        codes = [site.code for site in self.sites]
        if len({code.lower() for code in codes}) != len(codes):
            raise ValueError("two sites have the same code")
        for site in self.sites:
            if site.plan not in self.plans:
                raise ValueError(f"site {site.code}: plan {site.plan} is not in the file")
            self._has_room(site)
        for outage in self.outages:
            if outage.site not in codes:
                raise ValueError(f"an outage names site {outage.site}, which is not in the file")
        readers = {f"{site.code.lower()}-{reader.name}" for site in self.sites for reader in self.plan_of(site).readers}
        for fault in self.faults:
            if fault.reader not in readers:
                raise ValueError(f"a fault names reader {fault.reader}, known are {', '.join(sorted(readers))}")
        for transfer in self.office.transfers if self.office else ():
            if missing := {transfer.from_site, transfer.to_site} - set(codes):
                raise ValueError(f"a transfer names site {', '.join(sorted(missing))}, which is not in the file")
        try:
            checkdigit.require(self.asset_type, 13, "asset_type")
        except Gs1Error as error:
            raise ValueError(str(error)) from error
        return self

    def _has_room(self, site: Site) -> None:
        plan = self.plans[site.plan]
        for kind, pallets in (("storage", site.stored_pallets), ("staging", site.staged_pallets)):
            slots = sum(len(zone.slots) for zone in plan.zones if zone.kind == kind)
            if pallets > slots:
                raise ValueError(f"site {site.code}: {pallets} pallets in {kind}, plan {site.plan} has {slots} slots")

    def plan_of(self, site: Site) -> Plan:
        """The ground plan of a site."""
        return self.plans[site.plan]


def known() -> list[str]:
    """Names of the scenarios that come with the simulators."""
    return sorted(path.stem for path in SCENARIOS.glob("*.toml"))


def load(name_or_path: str | Path) -> Scenario:
    """Read a scenario by the name of one that comes along, or from a TOML file.

    Raises ScenarioError naming the file, the key and what is wrong with it.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = SCENARIOS / f"{name_or_path}.toml"
        if not path.is_file():
            raise ScenarioError(f"no scenario {name_or_path}: known are {', '.join(known())}; or name a .toml file")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: not valid TOML: {error}") from error
    try:
        return Scenario.model_validate(raw)
    except ValidationError as error:
        raise ScenarioError(f"{path}: {explain(error)}") from error
