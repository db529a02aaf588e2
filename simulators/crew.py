"""The people of one warehouse and what they do: trolleys that receive, put away, stage, ship and turn back before the
door, pickers who carry single things to packing and scan them there. A shuttle is a load that goes to and fro through a
door and does nothing else: what is needed to study doors.

    receiving ──put_away──▶ storage ──stage──▶ staging ──ship──▶ truck ──▶ away for good
        ▲                      │                  │  └─transfer─▶ truck ──▶ another site's receiving
        └── receive            └──pick──▶ packing └─turn_back─▶ up to the door and back again

A trolley that is free chooses by weight among the jobs that are possible: a load that has rested long enough, and a
free slot to set it down, which is promised at once. What leaves for good leaves only while announced loads can
replace it, so that a long run does not empty the house.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from readers.read import from_us
from simulators.dock import ASKS_AGAIN_S, CLEAR_S, PAPERS_S, Dock
from simulators.geometry import Xy
from simulators.goods import Opening, Pallet, Tag
from simulators.scenario import Plan, Shuttle, Site, Zone
from simulators.scene import HandheldScan, Process, Scene
from simulators.truth import CUSTOMER, IN_TRANSIT
from wire.ack import ScanRequest

BEFORE_DOOR_M: Final = 1.5
"""People line up with the door so far before it and after it."""

TURNS_AT_M: Final = 1.2
"""How near to the door a load is pushed that does not cross."""

HAND_HEIGHT_M: Final = 1.1
LEAST_ON_PALLET: Final = 4
"""Pickers leave so many things on a pallet; the last ones go with it."""

PACKING_HOLDS: Final = 60

# The same SGTIN as people meet it: GS1 DataMatrix, GS1-128, and a QR code with a Digital Link (AIM identifiers first).
_CODES: Final = (
    "]d201{gtin}21{serial}",
    "]C101{gtin}21{serial}",
    "]Q1https://id.gs1.org/01/{gtin}/21/{serial}",
)

T = TypeVar("T")


@dataclass(slots=True)
class Slot:
    """A place on the floor for one load; `pallet` stands there, or it is promised to one on its way."""

    zone: Zone
    at: Xy
    pallet: Pallet | None = None
    promised: bool = False

    @property
    def free(self) -> bool:
        """Whether a load may be sent here."""
        return self.pallet is None and not self.promised


class Warehouse:
    """One site with its slots, its announced loads and its crew."""

    def __init__(self, number: int, site: Site, plan: Plan, scene: Scene) -> None:
        self.number = number
        self.site = site
        self.plan = plan
        self.inbound: list[Pallet] = []
        self.others: Sequence[Warehouse] = ()
        self._scene = scene
        self._floor = plan.floor
        self._slots = [Slot(zone, at) for zone in plan.zones for at in zone.slots]
        self._shuttling: list[tuple[Shuttle, Pallet]] = []
        self._packed = 0
        self._scanned = 0

    def slots(self, kind: str) -> list[Slot]:
        """The slots of all zones of a kind."""
        return [slot for slot in self._slots if slot.zone.kind == kind]

    def open(self, opening: Opening) -> None:
        """Everything stands where it stands at the start."""
        self.inbound = list(opening.inbound)
        for kind, pallets in (("storage", opening.stored), ("staging", opening.staged)):
            for slot, pallet in zip(self.slots(kind), pallets, strict=False):
                slot.pallet = pallet
                self._stand(pallet, slot.at)
        for parked, pallet in zip(self.plan.parked, opening.parked, strict=True):
            self._stand(pallet, parked.at, bare=parked.bare)
        for shuttle, pallet in zip(self.plan.shuttles, opening.shuttling, strict=True):
            self._stand(pallet, self._shuttle_ends(shuttle)[0])
            self._shuttling.append((shuttle, pallet))

    def _stand(self, pallet: Pallet, at: Xy, *, bare: bool = False) -> None:
        scene = self._scene
        scene.whereabouts.put(pallet.tags, self.number, at, scene.now_us, bare=bare)
        for tag in pallet.tags:
            along, across = scene.whereabouts.offset(tag)
            zone = self._floor.place((at[0] + along, at[1] + across))
            scene.truth.stands(tag, self.site.code, zone, scene.now_us)

    def hire(self) -> None:
        """Trolleys and pickers begin when the warm-up is over, one after the other."""
        scene, flow = self._scene, self._scene.flow
        opens_us = scene.start_us + round(flow.warm_up_s * 1e6)
        for number in range(flow.trolleys):
            scene.spawn(self._trolley(), opens_us + number * 1_000_000)
        for number in range(flow.pickers):
            scene.spawn(self._picker(number + 1), opens_us + number * 1_000_000)
        for shuttle, pallet in self._shuttling:
            scene.spawn(self._shuttle(shuttle, pallet), opens_us + round(shuttle.after_s * 1e6))

    def device(self, picker: int) -> str:
        """The handheld of a picker."""
        return f"{self.site.code}-handheld-{picker}"

    def receive(self, pallet: Pallet, slot: Slot, transfer: str = "") -> Process:
        """A load comes by truck and in through the door of arrivals, under the transfer it was sent with or as a
        receipt. The slot is promised to it."""
        scene, dock = self._scene, self._scene.dock
        x = self.plan.door(self.plan.arrivals).x
        truck = (x, self.plan.truck_y)
        come_in = [truck, (x, -BEFORE_DOOR_M), (x, BEFORE_DOOR_M)]
        if dock is not None:
            yield from self._wait_for(dock, self.plan.arrivals)
            code = transfer or dock.make("receipt", self.site.code, self._on(pallet), scene.now_us)
            dock.open(code, self.site.code, self.plan.arrivals, scene.now_us)
            yield scene.now_us + round(PAPERS_S * 1e6)
        scene.whereabouts.put(pallet.tags, self.number, truck, scene.now_us)
        yield scene.now_us + round(scene.flow.loading_s * 1e6)
        yield from self._bring(pallet, come_in, slot)
        if dock is not None:
            dock.come(code, self._on(pallet))
            yield scene.now_us + round(CLEAR_S * 1e6)
            if transfer:
                dock.happens(code, "receive", "received", scene.now_us)
            dock.happens(code, "close", "closed", scene.now_us)
            dock.leave(self.site.code, self.plan.arrivals)

    # Trolleys -------------------------------------------------------------------------------------------------------

    def _trolley(self) -> Process:
        scene = self._scene
        while not scene.quiet:
            job = self._next_job()
            if job is not None:
                yield from job
            yield scene.after(scene.flow.pause_s)

    def _next_job(self) -> Process | None:
        jobs, spare = self._scene.flow.jobs, self._scene.flow.keep_stored
        arrived, stored, staged = (self._rested(kind) for kind in ("receiving", "storage", "staging"))
        receiving, storage, staging = (self._free(kind) for kind in ("receiving", "storage", "staging"))
        elsewhere = [other for other in self.others if other.has_room]
        if sum(slot.pallet is not None for slot in self.slots("storage")) <= spare:
            stored = []
        possible: list[tuple[float, bool, Callable[[], Process]]] = [
            (jobs.receive, bool(self.inbound and receiving), lambda: self._take_in(self._one(receiving))),
            (jobs.put_away, bool(arrived and storage), lambda: self._shift(self._one(arrived), self._one(storage))),
            (jobs.stage, bool(stored and staging), lambda: self._shift(self._one(stored), self._one(staging))),
            (jobs.ship, bool(staged and self.inbound), lambda: self._ship(self._one(staged))),
            (jobs.transfer, bool(staged and elsewhere), lambda: self._send(self._one(staged), self._one(elsewhere))),
            (jobs.turn_back, bool(staged), lambda: self._turn_back(self._one(staged))),
        ]
        chances = [(weight, job) for weight, can, job in possible if can and weight > 0]
        if not chances:
            return None
        weights = np.array([weight for weight, _ in chances])
        return chances[int(self._scene.chance.choice(len(chances), p=weights / weights.sum()))][1]()

    def _take_in(self, slot: Slot) -> Process:
        slot.promised = True
        yield from self.receive(self.inbound.pop(0), slot)

    def _shift(self, source: Slot, target: Slot) -> Process:
        """Carry a load from slot to slot, through the gaps in the walls."""
        target.promised = True
        via = self.plan.via(source.zone.code, target.zone.code)
        yield from self._bring(self._lift(source), [source.at, *via], target)

    def _ship(self, source: Slot) -> Process:
        """Out through the door of departures, and away for good: under papers it is the customer's then."""
        scene, dock, door = self._scene, self._scene.dock, self.plan.departures
        pallet = self._lift(source)
        if dock is None:
            yield from self._load(pallet, source.at)
            return
        yield from self._wait_for(dock, door)
        code = dock.make("shipment", self.site.code, self._on(pallet), scene.now_us)
        dock.open(code, self.site.code, door, scene.now_us)
        yield scene.now_us + round(PAPERS_S * 1e6)
        yield from self._load(pallet, source.at, CUSTOMER)
        dock.gone(code, self._on(pallet))
        yield scene.now_us + round(CLEAR_S * 1e6)
        dock.happens(code, "close", "closed", scene.now_us)
        dock.leave(self.site.code, door)

    def _send(self, source: Slot, other: Warehouse) -> Process:
        """Out through the door of departures, and on the road to another site, where a slot is kept for it."""
        scene, dock, door = self._scene, self._scene.dock, self.plan.departures
        slot = other.promise()
        pallet = self._lift(source)
        code = ""
        if dock is not None:
            yield from self._wait_for(dock, door)
            code = dock.make("transfer", self.site.code, self._on(pallet), scene.now_us, other.site.code)
            dock.open(code, self.site.code, door, scene.now_us)
            yield scene.now_us + round(PAPERS_S * 1e6)
        yield from self._load(pallet, source.at)
        if dock is not None:
            dock.gone(code, self._on(pallet))
            yield scene.now_us + round(CLEAR_S * 1e6)
            dock.shut(self.site.code, door, scene.now_us)
            dock.happens(code, "send", "in_transit", scene.now_us)
            dock.leave(self.site.code, door)
        scene.spawn(other.receive(pallet, slot, code), scene.after(scene.flow.travel_s))

    def _wait_for(self, dock: Dock, door: str) -> Process:
        """Until a door is free, and taken."""
        while not dock.take(self.site.code, door):
            yield self._scene.now_us + round(ASKS_AGAIN_S * 1e6)

    def _on(self, pallet: Pallet) -> list[Tag]:
        return [self._scene.goods.tags[number] for number in pallet.tags]

    def _turn_back(self, source: Slot) -> Process:
        source.promised = True
        x = self.plan.door(self.plan.departures).x
        yield from self._bring(self._lift(source), [source.at, (x, TURNS_AT_M)], source)

    def _shuttle(self, shuttle: Shuttle, pallet: Pallet) -> Process:
        """To and fro through a door, resting at both ends."""
        scene = self._scene
        here, there = self._shuttle_ends(shuttle)
        for _ in range(shuttle.crossings):
            if scene.quiet:
                return
            track = scene.carry(pallet.tags, self.site.code, self._floor, [here, there])
            yield track.end_us
            scene.whereabouts.put(pallet.tags, self.number, there, scene.now_us)
            here, there = there, here
            yield scene.after(shuttle.rest_s)

    def _shuttle_ends(self, shuttle: Shuttle) -> tuple[Xy, Xy]:
        x = self.plan.door(shuttle.door).x
        return (x, shuttle.inside_m), (x, -shuttle.outside_m)

    def _load(self, pallet: Pallet, at: Xy, outside: str = IN_TRANSIT) -> Process:
        scene = self._scene
        x = self.plan.door(self.plan.departures).x
        truck = (x, self.plan.truck_y)
        track = scene.carry(
            pallet.tags, self.site.code, self._floor, [at, (x, BEFORE_DOOR_M), (x, -BEFORE_DOOR_M), truck], outside
        )
        yield track.end_us
        scene.whereabouts.put(pallet.tags, self.number, truck, scene.now_us)
        yield scene.now_us + round(scene.flow.loading_s * 1e6)
        scene.whereabouts.take_away(pallet.tags, scene.now_us)

    def _bring(self, pallet: Pallet, points: Sequence[Xy], slot: Slot) -> Process:
        scene = self._scene
        track = scene.carry(pallet.tags, self.site.code, self._floor, [*points, slot.at])
        yield track.end_us
        scene.whereabouts.put(pallet.tags, self.number, slot.at, scene.now_us)
        pallet.ready_us = scene.after(scene.flow.rest_s)
        slot.pallet, slot.promised = pallet, False

    @property
    def has_room(self) -> bool:
        """Whether a load from elsewhere can be promised a slot here."""
        return bool(self._free("receiving"))

    def promise(self) -> Slot:
        """Keep a free slot of receiving for a load that is about to leave its own site."""
        slot = self._one(self._free("receiving"))
        slot.promised = True
        return slot

    def _lift(self, slot: Slot) -> Pallet:
        assert slot.pallet is not None, "only a slot with a load is chosen as a source"
        pallet, slot.pallet = slot.pallet, None
        return pallet

    def _free(self, kind: str) -> list[Slot]:
        return [slot for slot in self.slots(kind) if slot.free]

    def _rested(self, kind: str) -> list[Slot]:
        now_us = self._scene.now_us
        return [slot for slot in self.slots(kind) if slot.pallet is not None and slot.pallet.ready_us <= now_us]

    def _one(self, among: Sequence[T]) -> T:
        return among[int(self._scene.chance.integers(len(among)))]

    # Pickers --------------------------------------------------------------------------------------------------------

    def _picker(self, number: int) -> Process:
        scene = self._scene
        while not scene.quiet:
            picked = self._pick()
            if picked is not None:
                yield from self._to_packing(*picked, number)
            yield scene.after(scene.flow.pick_pause_s)

    def _pick(self) -> tuple[Slot, Tag] | None:
        """Take one thing from a load in storage; None when packing is full or the loads are nearly empty."""
        tags = self._scene.goods.tags
        if self._packed >= PACKING_HOLDS or self.plan.zone_of_kind("packing") is None:
            return None
        for slot in self._rested("storage"):
            assert slot.pallet is not None, "a slot has rested only with a load"
            things = [tag for tag in slot.pallet.tags if tags[tag].sku is not None]
            if len(things) > LEAST_ON_PALLET:
                thing = self._one(things)
                slot.pallet.tags.remove(thing)
                return slot, tags[thing]
        return None

    def _to_packing(self, slot: Slot, tag: Tag, picker: int) -> Process:
        scene, packing = self._scene, self.plan.zone_of_kind("packing")
        assert packing is not None, "nothing is picked without a packing zone"
        self._packed += 1
        spot = self._spot(packing)
        scene.whereabouts.put([tag.number], self.number, slot.at, scene.now_us, height_m=HAND_HEIGHT_M)
        via = self.plan.via(slot.zone.code, packing.code)
        track = scene.carry([tag.number], self.site.code, self._floor, [slot.at, *via, spot])
        yield track.end_us
        scene.whereabouts.put([tag.number], self.number, spot, scene.now_us)
        yield scene.after((0.5, 1.5))
        scene.scans.append(self._scan(tag, packing.code, picker))

    def _spot(self, packing: Zone) -> Xy:
        """Anywhere in the part of packing that the plan keeps for picked goods: its slots, or else its middle."""
        at = packing.slots[int(self._scene.chance.integers(len(packing.slots)))] if packing.slots else _middle(packing)
        return self._scene.near(at)

    def _scan(self, tag: Tag, zone: str, picker: int) -> HandheldScan:
        scene, device = self._scene, self.device(picker)
        self._scanned += 1
        code = _CODES[int(scene.chance.integers(len(_CODES)))].format(gtin=tag.gtin, serial=tag.serial)
        request = ScanRequest(
            scan_id=f"{scene.start_us // 1_000_000:x}-{device}-{self._scanned}",
            operator=f"{self.site.code.lower()}-picker-{picker}",
            intent="pick",
            code=code,
            zone=zone,
            scanned_at=from_us(scene.now_us),
        )
        return HandheldScan(self.site.code, device, request)


def _middle(zone: Zone) -> Xy:
    left, lower, right, upper = zone.rect
    return (left + right) / 2, (lower + upper) / 2
