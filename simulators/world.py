"""A world of warehouses: people move tagged goods, readers see them as radio lets them, the truth is kept.

    world = World(load("three-warehouses"), seed=1, start_us=to_us(clock.now()))
    reader = SimulatedReader(world.readers[0].name, world, clock, …)      # asks inventory() slice by slice
    world.advance(to_us(clock.now()))                                     # or let the readers' asking do it
    for scan in world.scans_due(now_us): …                                # handhelds publish these
    world.quiesce() … world.standing_still … world.truth.places()

All time is given in microseconds of UTC; the world has no clock. What a reader sees depends on the seed and on the
instant alone: each antenna visit (60 ms, on a grid common to all readers) has a random stream of its own, keyed by
seed, reader and visit number, so it does not matter in which slices, or in which order, readers ask.
The one thing a reader remembers is which tags it has read within the last second (session flags); so a reader that
was disconnected sees every tag afresh, as in life.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from simulators.crew import Warehouse
from simulators.dock import Dock
from simulators.errors import UnknownReaderError
from simulators.gateway_files import reader_name
from simulators.goods import PALLET_M, Goods
from simulators.radio import VISIT_US, Interrogator, Visit
from simulators.radio_link import Aerial, Field, Mount, TagTraits
from simulators.scenario import Plan, Reader, Scenario, Site
from simulators.scene import HandheldScan, Scene
from simulators.sighting import Sightings, no_sightings
from simulators.truth import Truth
from simulators.whereabouts import KEPT_SNAPSHOTS

HALF_PALLET_M: Final = np.array(PALLET_M) / 2

# Streams of chance, so that one more tag does not shift what happens elsewhere.
_GOODS, _SCENE, _TRAITS, _AERIALS, _VISITS = range(5)


@dataclass(frozen=True, slots=True)
class StationedReader:
    """A reader of the world: its name is unique among all sites."""

    name: str
    site: str
    antennas: frozenset[int]
    kind: Literal["portal", "zone"]


@dataclass(frozen=True, slots=True)
class Outage:
    """A site's line to the outside is down from `from_us` to `to_us`. Whoever runs the world applies it."""

    site: str
    from_us: int
    to_us: int


class _Station:
    """A reader at work: its radio, and reads of the visit under way that nobody has asked for yet."""

    def __init__(self, number: int, warehouse: int, interrogator: Interrogator) -> None:
        self.number = number
        self.warehouse = warehouse
        self.interrogator = interrogator
        self.next_visit = 0
        self.pending: list[Visit] = []

    def take(self, ports: Collection[int], from_us: int, to_us: int) -> list[Visit]:
        """The pending reads of these ports in (from_us, to_us]; later ones stay, earlier ones and those of an antenna
        that was switched off meanwhile were never asked for."""
        due, later = [], []
        for visit in self.pending:
            if visit.port in ports:
                due.append(visit.within(from_us, to_us))
            if visit.at_us[-1] > to_us:
                later.append(visit)
        self.pending = later
        return [visit for visit in due if len(visit.at_us)]


class World:
    """The sites of a scenario from `start_us` on. Implements TagSource for all their readers."""

    def __init__(self, scenario: Scenario, seed: int, start_us: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self.start_us = start_us
        self.goods = Goods(scenario, np.random.default_rng([seed, _GOODS]), start_us // 1_000_000)
        self.openings = {site.code: self.goods.opening(site, scenario.plan_of(site)) for site in scenario.sites}
        self.dock = None if scenario.office is None else Dock(f"{start_us // 1_000_000:x}")
        self._scene = Scene(scenario.flow, self.goods, np.random.default_rng([seed, _SCENE]), start_us, self.dock)
        self._warehouses = [
            Warehouse(number, site, scenario.plan_of(site), self._scene) for number, site in enumerate(scenario.sites)
        ]
        for warehouse in self._warehouses:
            warehouse.open(self.openings[warehouse.site.code])
            warehouse.others = [other for other in self._warehouses if other is not warehouse]
            warehouse.hire()
        self._fields: dict[tuple[int, int], Field] = {}
        self._from_middle_m = self.goods.from_middle_m
        self._traits = TagTraits(len(self.goods.tags), np.random.default_rng([seed, _TRAITS]), scenario.radio)
        self._stations: dict[str, _Station] = {}
        self.readers: tuple[StationedReader, ...] = tuple(
            self._station(number, site, reader)
            for number, site in enumerate(scenario.sites)
            for reader in scenario.plan_of(site).readers
        )
        self._epcs = [tag.epc for tag in self.goods.tags]

    @property
    def truth(self) -> Truth:
        """What is really the case."""
        return self._scene.truth

    @property
    def outages(self) -> tuple[Outage, ...]:
        """When which site's line is down."""
        return tuple(
            Outage(
                outage.site,
                self.start_us + round(outage.at_s * 1e6),
                self.start_us + round((outage.at_s + outage.for_s) * 1e6),
            )
            for outage in self.scenario.outages
        )

    @property
    def devices(self) -> tuple[tuple[str, str], ...]:
        """Site and name of every handheld."""
        pickers = range(1, self.scenario.flow.pickers + 1)
        return tuple(
            (warehouse.site.code, warehouse.device(picker)) for warehouse in self._warehouses for picker in pickers
        )

    @property
    def standing_still(self) -> bool:
        """Whether nothing is under way and nothing will be: only after `quiesce`, when the last load is set down."""
        return self._scene.quiet and self._scene.still

    def advance(self, to_us: int) -> None:
        """Let the world go on up to an instant; does nothing for one that is past."""
        self._scene.run(to_us)

    def quiesce(self) -> None:
        """From now on nobody begins anything new; what is under way is finished."""
        self._scene.quiet = True

    def scans_due(self, to_us: int) -> list[HandheldScan]:
        """The scans people have made up to an instant and that were not handed out yet, in order of time."""
        self.advance(to_us)
        due, self._scene.scans = self._scene.scans, []
        return due

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        """What a reader saw through some of its antennas in (from_us, to_us]; the world goes on as far as needed.

        Raises UnknownReaderError for a name the world does not have.
        """
        station = self._stations.get(reader)
        if station is None:
            raise UnknownReaderError(f"no reader {reader!r}: the world has {', '.join(sorted(self._stations))}")
        ports = sorted(antennas & station.interrogator.ports)
        first = max(from_us // VISIT_US, station.next_visit)
        for number in range(first, -(-to_us // VISIT_US)):
            if ports:
                self._make_visit(station, number, station.interrogator.turn(number, ports))
            station.next_visit = number + 1
        return self._sightings(station.take(ports, from_us, to_us))

    def _make_visit(self, station: _Station, number: int, port: int) -> None:
        start_us = number * VISIT_US
        self.advance(start_us)
        field = self._field(station.warehouse, start_us)
        stream = np.random.Philox(key=[self.seed, _VISITS + station.number], counter=[0, 0, 0, number])
        visit = station.interrogator.visit(port, start_us, field, np.random.Generator(stream))
        if len(visit.at_us):
            station.pending.append(visit)

    def _field(self, warehouse: int, at_us: int) -> Field:
        """What stands at a site at an instant; its readers ask for the same one after the other."""
        known = self._fields.get((warehouse, at_us))
        if known is None:
            if len(self._fields) >= KEPT_SNAPSHOTS:
                self._fields.clear()
            known = self._fields[warehouse, at_us] = self._look(warehouse, at_us)
        return known

    def _look(self, warehouse: int, at_us: int) -> Field:
        now = self._scene.whereabouts.at(at_us)
        tags = now.frame.present(warehouse)
        loaded = ~now.frame.loose[tags, None]
        return Field(
            tags=tags,
            xyz=now.xyz[tags],
            velocity_m_s=now.velocity_m_s[tags],
            offset_m=self._from_middle_m[tags] * loaded,
            half_m=HALF_PALLET_M * loaded,
            bodies=now.bodies[now.body_site == warehouse],
        )

    def _sightings(self, visits: list[Visit]) -> Sightings:
        if not visits:
            return no_sightings()
        return Sightings(
            epcs=[self._epcs[tag] for visit in visits for tag in visit.tags.tolist()],
            antenna=np.concatenate([np.full(len(visit.tags), visit.port, np.uint16) for visit in visits]),
            rssi_dbm=np.concatenate([visit.rssi_dbm for visit in visits]),
            at_us=np.concatenate([visit.at_us for visit in visits]),
            phase_rad=np.concatenate([visit.phase_rad for visit in visits]),
            doppler_hz=np.concatenate([visit.doppler_hz for visit in visits]),
        )

    def _station(self, number: int, site: Site, reader: Reader) -> StationedReader:
        name = reader_name(site, reader.name)
        serial = len(self._stations)
        walls = _walls(self.scenario.plan_of(site))
        aerials = {
            antenna.port: Aerial(
                Mount(antenna.at, antenna.aim, antenna.beam_deg),
                reader.power_dbm,
                self.scenario.radio,
                walls,
                self._traits,
                np.random.default_rng([self.seed, _AERIALS, serial, antenna.port]),
            )
            for antenna in reader.antennas
        }
        self._stations[name] = _Station(serial, number, Interrogator(aerials, self._traits, reader.session))
        kind: Literal["portal", "zone"] = "portal" if reader.antennas[0].portal is not None else "zone"
        return StationedReader(name, site.code, frozenset(aerials), kind)


def _walls(plan: Plan) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([[*wall.line, wall.loss_db] for wall in plan.walls], np.float64).reshape(-1, 5)
