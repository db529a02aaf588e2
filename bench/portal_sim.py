"""The shipped judgement of portals on simulated ones: right movements, and false moves of goods that stand still.

The world is `two-doors`: two doors 4 m apart, each with a reader of four antennas as the recorded dock door was fitted
(docs/radio.md), loads pushed to and fro through both at 1 to 3 m/s, each door's loads heard by the other, 112 tags at rest
1 to 5 m beside each door. Every fifth read is thrown away on top of what the radio misses. The reads go through
gateway.pipeline.Pipeline with the configuration that the simulator writes for the site's gateway; truth is geometry.

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
from typing import Final

import numpy as np

from bench.report import Case, line
from gateway.config import GatewayConfig
from gateway.pipeline import Pipeline
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderState, empty_reads, to_us
from simulators.gateway_files import gateway_settings
from simulators.scenario import Scenario, load
from simulators.sighting import Sightings
from simulators.truth import Crossing
from simulators.world import World
from wire.events import Movement

START_US: Final = 1_800_000_000_000_000
SLICE_US: Final = 500_000
SEEDS: Final = (11, 12, 13)
LOADS: Final = (100, 40, 10)
"""Tags on each load. The groups of the judgement need company."""
SECONDS: Final = 900
LOST: Final = 0.2
EARLY_S, LATE_S = 4.0, 6.0
"""As the recorded door is scored."""

LEAST_RIGHT: Final = 0.99
MOST_FALSE_A_TAG_HOUR: Final = 0.1


@dataclass
class Score:
    """What became of the crossings of one load size."""

    crossed: int = 0
    right: int = 0
    decided: int = 0
    wrong_door: int = 0
    false_still: Counter[int] = field(default_factory=Counter)
    still_hours: float = 0.0
    late_s: list[float] = field(default_factory=list)
    missed: list[tuple[str, Crossing, int, int]] = field(default_factory=list)
    """Run, a tag's missed crossing, reads of it about then by the door's first and second side."""

    @property
    def false_a_tag_hour(self) -> float:
        """False moves of tags at rest, a tag-hour."""
        return self.false_still.total() / self.still_hours


def with_load(tags: int) -> Scenario:
    """The scenario with so many tags on each load."""
    scenario = load("two-doors")
    plan = scenario.plans["dock"]
    shuttles = tuple(shuttle.model_copy(update={"tags": tags}) for shuttle in plan.shuttles)
    return scenario.model_copy(update={"plans": {"dock": plan.model_copy(update={"shuttles": shuttles})}})


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
    """One seed and load: the world played through the gateway's judgement."""

    def __init__(self, tags: int, seed: int) -> None:
        self.name = f"{tags} tags, seed {seed}"
        scenario = with_load(tags)
        self.world = World(scenario, seed, START_US)
        site = scenario.sites[0]
        addresses = {reader.name: "127.0.0.1" for reader in self.world.readers}
        settings = gateway_settings(scenario, site, addresses, mqtt_url="mqtt://127.0.0.1", journal=Path("unused"))
        self._epcs = EpcTable()
        self._pipeline = Pipeline(GatewayConfig.model_validate(settings), self._epcs)
        self._lost = np.random.default_rng([seed, tags])
        self.crossed_at: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
        """Reader and EPC → (time, antenna) of its reads that were kept."""

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
                self.crossed_at[key].append((int(seen.at_us[row]), int(seen.antenna[row])))
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
        """Play, and add what came of it."""
        end_us = START_US + SECONDS * 1_000_000
        movements = [one for one in self.movements() if one.kind == "crossed"]
        metres = self.metres()
        # What crossed in the last seconds may not have been decided.
        wanted = [one for one in self.world.truth.crossings() if one.at_us <= end_us - LATE_S * 1e6]
        open_: dict[tuple[str, str, str], list[Crossing]] = defaultdict(list)
        for crossing in wanted:
            open_[crossing.epc, crossing.portal, crossing.direction].append(crossing)
        into.still_hours += len(metres) * SECONDS / 3600
        into.crossed += len(wanted)
        for one in movements:
            at_us = to_us(one.observed_at)
            if at_us > end_us - LATE_S * 1e6:
                continue
            into.decided += 1
            epc = one.epc.upper()
            if epc in metres:
                into.false_still[metres[epc]] += 1
                continue
            fits = [
                crossing
                for crossing in open_[epc, one.portal or "", one.direction or ""]
                if -EARLY_S * 1e6 <= at_us - crossing.at_us <= LATE_S * 1e6
            ]
            if fits:
                open_[epc, fits[0].portal, fits[0].direction].remove(fits[0])
                into.right += 1
                into.late_s.append((to_us(one.decided_at) - fits[0].at_us) / 1e6)
            else:
                into.wrong_door += not any(
                    crossing.epc == epc and crossing.portal == one.portal and abs(crossing.at_us - at_us) < LATE_S * 1e6
                    for crossing in wanted
                )
        for crossing in (each for left in open_.values() for each in left):
            into.missed.append((self.name, crossing, *self._sides(crossing)))

    def _sides(self, crossing: Crossing) -> tuple[int, int]:
        near = [
            antenna
            for at_us, antenna in self.crossed_at[f"two-door-{crossing.portal[1:]}", crossing.epc]
            if abs(at_us - crossing.at_us) <= EARLY_S * 1e6
        ]
        inside = sum(antenna <= 2 for antenna in near)
        return (inside, len(near) - inside)[:: 1 if crossing.direction == "out" else -1]  # type: ignore[return-value]


def cases(tags: int, score: Score) -> list[Case]:
    """The figures of one load size. A false rate of nothing would be no ratio: a tenth of a move stands for none."""
    name = f"{tags} tags a load"
    rate = max(score.false_still.total(), 0.1) / score.still_hours
    return [
        Case(f"{name}: crossings", score.crossed, "tag-crossings"),
        Case(f"{name}: right movements", 100 * score.right / score.crossed, "%", "least", 100 * LEAST_RIGHT, 1.0),
        Case(f"{name}: of what was decided, right", 100 * score.right / max(score.decided, 1), "%"),
        Case(f"{name}: decided at a door it did not pass", score.wrong_door, "movements"),
        Case(f"{name}: most false moves of a tag at rest", MOST_FALSE_A_TAG_HOUR, "1/h", "reached", rate, 1.0),
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
    lines += [f"  {count} at {run}, {door} {way}, {five * 5 - START_US // 10**6} s" for (run, door, way, five), count in worst.most_common(8)]
    return "\n".join(lines)


def main() -> None:
    """Print the JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--missed", action="store_true", help="tell on stderr what was missed and why")
    asked = parser.parse_args()
    found = []
    for tags in LOADS:
        score = Score()
        for seed in SEEDS:
            Run(tags, seed).score(score)
        found += cases(tags, score)
        if asked.missed:
            print(f"{tags} tags a load: {told(score)}", file=sys.stderr)
    print(line("portal_sim", found))


if __name__ == "__main__":
    main()
