"""The simulated world through the gateway's judgement, without a wire between: do movements follow the truth?

The bound is the demo's: at most one item in a hundred ends in the wrong place. Which tags those are is the radio's
choice, so no seed is looked at by name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

from gateway.config import GatewayConfig
from gateway.pipeline import Pipeline
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderState, empty_reads
from simulators.gateway_files import gateway_settings
from simulators.goods import Tag
from simulators.scenario import load
from simulators.truth import IN_TRANSIT, Place
from simulators.world import World
from wire.events import Movement

START_US = 1_800_000_000_000_000
SLICE_US = 100_000
RUN_SLICES = 400
SETTLE_SLICES = 250
"""After the world stands still: readers see where everything came to rest."""


class Judged:
    """A world and a pipeline for each of its sites, fed slice by slice."""

    def __init__(self, seed: int) -> None:
        self.world = World(load("three-warehouses"), seed, START_US)
        self.epcs = EpcTable()
        self.movements: list[tuple[str, Movement]] = []
        self.scanned: dict[str, tuple[datetime, Place]] = {}
        addresses = {reader.name: "127.0.0.1:5084" for reader in self.world.readers}
        self.pipelines = {
            site.code: Pipeline(
                GatewayConfig.model_validate(
                    gateway_settings(
                        self.world.scenario, site, addresses, mqtt_url="mqtt://127.0.0.1", journal=Path("journal.db")
                    )
                ),
                self.epcs,
            )
            for site in self.world.scenario.sites
        }
        self._at_us = START_US
        self._offer({reader.site: [] for reader in self.world.readers})

    def run(self) -> None:
        """Play, let everything under way finish, then let it stand."""
        for _ in range(RUN_SLICES):
            self._slice()
        self.world.quiesce()
        while not self.world.standing_still:
            self._slice()
        for _ in range(SETTLE_SLICES):
            self._slice()

    def places(self) -> dict[str, Place]:
        """Where each tag is after its newest observation: the rule of the ledger, in its shortest form."""
        inside = {door.code: door.inside_zone for door in self.world.scenario.plans["depot"].doors}
        newest = dict(self.scanned)
        for site, movement in self.movements:
            zone = movement.zone
            if movement.kind == "departed":
                continue
            if movement.kind == "crossed":
                zone = inside[str(movement.portal)] if movement.direction == "in" else IN_TRANSIT
            known = newest.get(movement.epc)
            if known is None or known[0] <= movement.observed_at:
                newest[movement.epc] = movement.observed_at, (site, str(zone))
        return {epc: place for epc, (_, place) in newest.items()}

    def _offer(self, events: dict[str, list[ReaderEvent]]) -> None:
        for reader in self.world.readers:
            events[reader.site].append(ReaderState(reader.name, reader.antennas, self._at_us))
        for site, pipeline in self.pipelines.items():
            pipeline.step(events[site], self._at_us)

    def _slice(self) -> None:
        until_us = self._at_us + SLICE_US
        events: dict[str, list[ReaderEvent]] = defaultdict(list)
        for reader in self.world.readers:
            seen = self.world.inventory(reader.name, reader.antennas, self._at_us, until_us)
            reads = empty_reads(len(seen))
            reads["epc"] = self.epcs.numbers(seen.epcs)
            reads["antenna"], reads["rssi_dbm"] = seen.antenna, seen.rssi_dbm
            reads["first_at_us"] = reads["at_us"] = seen.at_us
            events[reader.site].append(ReadBatch(reader.name, reads, until_us))
        for site, pipeline in self.pipelines.items():
            self.movements += [(site, one) for one in pipeline.step(events[site], until_us).movements]
        for scan in self.world.scans_due(until_us):
            request = scan.request
            (epc,) = (one.hex for one in self.world.goods.tags if _names(request.code, one))
            self.scanned[epc] = request.scanned_at, (scan.site, str(request.zone))
        self._at_us = until_us


def _names(code: str, tag: Tag) -> bool:
    """Whether a scanned code is the SGTIN of a tag, whichever of its three forms it has."""
    forms = (f"01{tag.gtin}21{tag.serial}", f"/01/{tag.gtin}/21/{tag.serial}")
    return tag.sku is not None and code.endswith(forms)


def test_movements_follow_the_truth() -> None:
    judged = Judged(seed=1)
    judged.run()
    truth = judged.world.truth
    places, expected = judged.places(), truth.places()
    wrong = {epc: (place, places.get(epc)) for epc, place in expected.items() if places.get(epc) != place}
    assert len(wrong) <= 0.01 * len(expected), wrong
    crossed = Counter(
        (one.epc, site, one.portal, one.direction) for site, one in judged.movements if one.kind == "crossed"
    )
    real = Counter((one.epc, one.site, one.portal, one.direction) for one in truth.crossings())
    assert real.total() > 100
    assert (crossed & real).total() >= 0.97 * real.total()
