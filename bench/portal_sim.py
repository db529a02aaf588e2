"""The shipped judgement of portals on simulated ones: right movements, and false moves of goods that stand still.

The world is `two-doors`: two doors 4 m apart, each with a reader of four antennas, loads of 60 tags pushed to and fro
through one and of 20 through the other at 1 to 3 m/s, each door's loads heard by the other, 56 tags and their pallets'
at rest 1 to 5 m beside each door. Every fifth read is thrown away on top of what the radio misses. LINKS: tags and
power as the recorded dock door was fitted (docs/radio.md), and ordinary inlays before a door turned down for them.
The reads go through gateway.pipeline.Pipeline with the configuration that the simulator writes for the site's gateway;
truth is geometry.

A movement is right when its tag crossed that door that way from EARLY_S before to LATE_S after; each crossing makes one
right at most, everything else is false. Seeds are stated; the JSON line sums over them.

    python -m bench.portal_sim [--missed]     # --missed lists the crossings with most missing, on stderr
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.report import Case, line
from gateway.config import GatewayConfig
from gateway.pipeline import Pipeline
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderState, empty_reads, to_us
from simulators.gateway_files import gateway_settings
from simulators.radio_link import Air
from simulators.scenario import Scenario, load
from simulators.sighting import Sightings
from simulators.truth import Crossing
from simulators.world import World
from wire.events import Movement

START_US: Final = 1_800_000_000_000_000
SLICE_US: Final = 500_000
SEEDS: Final = (11, 12)
SPEEDS_M_S: Final = ((1.0, 1.5), (1.5, 2.2), (2.2, 3.0))
SECONDS: Final = 420
LOST: Final = 0.2
EARLY_S, LATE_S = 4.0, 6.0
"""As the recorded door is scored."""

LEAST_RIGHT: Final = 0.99
MOST_FALSE_A_TAG_HOUR: Final = 0.1
"""The aims. Bounds are parts of them, a little below what is reached: docs/accuracy.md tells why it is not more."""


@dataclass(frozen=True)
class Link:
    """Tags and the doors that look for them, and the parts of the aims that must be reached."""

    air: Air | None
    power_dbm: float
    right: float
    false: float


LINKS: Final = {
    "tags as recorded": Link(None, 30.0, right=0.6, false=0.5),
    "ordinary tags": Link(Air(), 22.0, right=0.7, false=0.04),
}


@dataclass
class Score:
    """What became of crossings and of tags at rest."""

    crossed: int = 0
    right: int = 0
    decided: int = 0
    wrong_door: int = 0
    false_still: Counter[int] = field(default_factory=Counter)
    still_hours: float = 0.0
    late_s: list[float] = field(default_factory=list)
    missed: list[tuple[str, Crossing, int, int]] = field(default_factory=list)
    """Run, a tag's missed crossing, reads of it about then by the door's first and second side."""

    def add(self, other: Score) -> None:
        """Sum up."""
        self.crossed += other.crossed
        self.right += other.right
        self.decided += other.decided
        self.wrong_door += other.wrong_door
        self.false_still += other.false_still
        self.still_hours += other.still_hours
        self.late_s += other.late_s
        self.missed += other.missed


def two_doors(link: Link, speed_m_s: tuple[float, float]) -> Scenario:
    """The scenario with these tags and doors, at this speed."""
    scenario = load("two-doors")
    plan = scenario.plans["dock"]
    readers = tuple(reader.model_copy(update={"power_dbm": link.power_dbm}) for reader in plan.readers)
    changes: dict[str, Any] = {
        "plans": {"dock": plan.model_copy(update={"readers": readers})},
        "flow": scenario.flow.model_copy(update={"speed_m_s": speed_m_s}),
    }
    return scenario.model_copy(update=changes | ({"radio": link.air} if link.air else {}))


def batch(reader: str, seen: Sightings, epcs: EpcTable, kept: np.ndarray, now_us: int) -> ReadBatch:
    """Sightings as a driver would deliver them, less the lost ones."""
    reads = empty_reads(len(seen))
    reads["epc"] = epcs.numbers(seen.epcs)
    reads["antenna"], reads["rssi_dbm"], reads["at_us"], reads["first_at_us"] = (
        seen.antenna,
        seen.rssi_dbm,
        seen.at_us,
        seen.at_us,
    )
    return ReadBatch(reader, reads[kept], now_us)


class Run:
    """One scenario and seed: the world played through the gateway's judgement."""

    def __init__(self, name: str, scenario: Scenario, seed: int) -> None:
        self.name = f"{name}, seed {seed}"
        self.world = World(scenario, seed, START_US)
        site = scenario.sites[0]
        addresses = {reader.name: "127.0.0.1" for reader in self.world.readers}
        settings = gateway_settings(scenario, site, addresses, mqtt_url="mqtt://127.0.0.1", journal=Path("unused"))
        self._epcs = EpcTable()
        self._pipeline = Pipeline(GatewayConfig.model_validate(settings), self._epcs)
        self._lost = np.random.default_rng([seed, 1])
        self.reads_of: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        """Reader and EPC → (time, antenna) of its reads that were kept."""
        self.decided: list[Movement] = []

    def movements(self) -> list[Movement]:
        """Everything decided in SECONDS."""
        found: list[Movement] = []
        events: list[ReaderEvent] = [ReaderState(each.name, each.antennas, START_US) for each in self.world.readers]
        for now_us in range(START_US + SLICE_US, START_US + SECONDS * 1_000_000 + 1, SLICE_US):
            events += self._reads(now_us)
            found += self._pipeline.step(events, now_us).movements
            events = []
        return found

    def _reads(self, now_us: int) -> Iterator[ReadBatch]:
        for reader in self.world.readers:
            seen = self.world.inventory(reader.name, reader.antennas, now_us - SLICE_US, now_us)
            kept = self._lost.random(len(seen)) >= LOST
            for row in np.flatnonzero(kept):
                key = reader.name, seen.epcs[row].hex().upper()
                self.reads_of[key].append((int(seen.at_us[row]), int(seen.antenna[row])))
            if kept.any():
                yield batch(reader.name, seen, self._epcs, kept, now_us)

    def metres(self) -> dict[str, int]:
        """EPC → how far from the wall, of every tag at rest."""
        plan = self.world.scenario.plans["dock"]
        tags = self.world.goods.tags
        return {
            tags[tag].hex: round(abs(parked.at[1]))
            for parked, pallet in zip(plan.parked, self.world.openings["TWO"].parked, strict=True)
            for tag in pallet.loaded
        }

    def score(self, into: Score) -> None:
        """Play, and add what came of it. What happens in the last seconds may not have been decided."""
        end_us = START_US + SECONDS * 1_000_000 - round(LATE_S * 1e6)
        metres = self.metres()
        wanted = self._play_and_want(end_us)
        into.still_hours += len(metres) * SECONDS / 3600
        into.crossed += sum(map(len, wanted.values()))
        passed = {(crossing.epc, crossing.portal) for left in wanted.values() for crossing in left}
        for one in self.decided:
            epc, at_us = one.epc.upper(), to_us(one.observed_at)
            if at_us > end_us:
                continue
            into.decided += 1
            if epc in metres:
                into.false_still[metres[epc]] += 1
                continue
            left = wanted[epc, one.portal or "", one.direction or ""]
            fits = next((each for each in left if -EARLY_S * 1e6 <= at_us - each.at_us <= LATE_S * 1e6), None)
            if fits is None:
                into.wrong_door += (epc, one.portal) not in passed
                continue
            left.remove(fits)
            into.right += 1
            into.late_s.append((to_us(one.decided_at) - fits.at_us) / 1e6)
        into.missed += [(self.name, one, *self._sides(one)) for left in wanted.values() for one in left]

    def _play_and_want(self, end_us: int) -> dict[tuple[str, str, str], list[Crossing]]:
        """EPC, door and direction → the crossings that should be decided."""
        self.decided = [one for one in self.movements() if one.kind == "crossed"]
        wanted: dict[tuple[str, str, str], list[Crossing]] = defaultdict(list)
        for crossing in self.world.truth.crossings(end_us):
            wanted[crossing.epc, crossing.portal, crossing.direction].append(crossing)
        return wanted

    def _sides(self, crossing: Crossing) -> tuple[int, int]:
        near = [
            antenna
            for at_us, antenna in self.reads_of[f"two-door-{crossing.portal[1:]}", crossing.epc]
            if abs(at_us - crossing.at_us) <= EARLY_S * 1e6
        ]
        inside = sum(antenna <= 2 for antenna in near)
        outside = len(near) - inside
        return (inside, outside) if crossing.direction == "out" else (outside, inside)


def cases(name: str, score: Score, link: Link | None) -> list[Case]:
    """The figures of one score. A rate of nothing would be no ratio: a tenth of a move stands for none."""
    rate = max(score.false_still.total(), 0.1) / score.still_hours
    right, false = (link.right, link.false) if link else (None, None)
    unread = sum(not first and not second for _, _, first, second in score.missed)
    return [
        Case(f"{name}: crossings", score.crossed, "tag-crossings"),
        Case(f"{name}: right movements", 100 * score.right / score.crossed, "%", "aim", 100 * LEAST_RIGHT, right),
        Case(f"{name}: of those missed, not read at all", unread, "tag-crossings"),
        Case(f"{name}: of what was decided, right", 100 * score.right / max(score.decided, 1), "%"),
        Case(f"{name}: decided at a door it never passes", score.wrong_door, "movements"),
        Case(f"{name}: aim for false moves at rest", MOST_FALSE_A_TAG_HOUR, "per tag-hour", "reached", rate, false),
        Case(f"{name}: decided after the crossing, median", float(np.median(score.late_s)), "s"),
        Case(f"{name}: decided after the crossing, p95", float(np.percentile(score.late_s, 95)), "s"),
    ]


def told(score: Score) -> str:
    """Why crossings were missed: by what was read of the tag, and on which crossings most."""
    reads = Counter(
        "not read" if not first + second else "one side only" if not first or not second else "both sides"
        for _, _, first, second in score.missed
    )
    worst = Counter((run, one.portal, one.direction, round(one.at_us / 5e6)) for run, one, _, _ in score.missed)
    lines = [f"missed {len(score.missed)}: {dict(reads)}; false at rest by metres {dict(score.false_still)}"]
    for (run, door, way, fives), count in worst.most_common(5):
        lines.append(f"  {count} tags: {run}, {door} {way} at {fives * 5 - START_US // 10**6} s")
    return "\n".join(lines)


def main() -> None:
    """Print the JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--missed", action="store_true", help="tell on stderr what was missed and why")
    asked = parser.parse_args()
    found = []
    for name, link in LINKS.items():
        whole, by_speed = Score(), []
        for speed_m_s in SPEEDS_M_S:
            band = f"{name}, {speed_m_s[0]:g}-{speed_m_s[1]:g} m/s"
            part = Score()
            for seed in SEEDS:
                Run(band, two_doors(link, speed_m_s), seed).score(part)
            by_speed += cases(band, part, None)
            whole.add(part)
            if asked.missed:
                print(f"{band}: {told(part)}", file=sys.stderr)
        found += cases(name, whole, link) + by_speed
    print(line("portal_sim", found))


if __name__ == "__main__":
    main()
