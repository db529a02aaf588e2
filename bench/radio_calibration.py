"""The simulated dock door held against the recorded one: a table and a picture for docs/radio.md, and a JSON line.

    python -m bench.radio_calibration [--docs docs]      # --docs renews the table in docs/radio.md, and docs/radio.png

Each of the three recorded runs (how far the trolley drew back: 1, 3, 5 m) is played by the world of `dock-door` with
SEEDS. A figure is fitted when constants of simulators/ were moved until it agreed; the others came out by themselves.
Ratios are simulated over recorded, the smaller over the larger; bounds stand only on figures that were not fitted.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from bench.report import Case, line
from readers.read import EpcTable, join_reads
from readers.recording import read_recording
from simulators.scenario import Scenario, load
from simulators.world import World

RECORDED: Final = Path(__file__).parents[2] / "shared" / "data" / "dockdoor"
START_US: Final = 1_800_000_000_000_000
SEEDS: Final = (1, 2, 3)

DRAWN_BACK_M: Final = (1, 3, 5)
REST_S: Final = {1: (10.0, 11.0), 3: (10.0, 12.0), 5: (13.0, 16.0)}
"""Between two crossings the recorded trolley takes 12.5, 17 and 25 s; what the way does not take it rests."""

CROSSINGS: Final = 20
AFTER_US: Final = 8_000_000
"""The recording goes on for so long after the last of them."""

WINDOW_S: Final = 4.0
LEAST_READS: Final = 20
"""A spread over fewer reads says little."""

STILL_M: Final = (1, 2, 3, 4, 5)
TABLE_BEGINS, TABLE_ENDS = "<!-- table: bench.radio_calibration -->", "<!-- end of table -->"

PROFILE_S: Final = np.arange(-6.0, 6.01, 0.5)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Seen:
    """One run: each read's tag, antenna, level and time; each tag's distance (0: it moves); when the load crossed, and
    outwards or not. Antennas 1 and 2 look in, 3 and 4 out."""

    tag: Ints
    antenna: Ints
    rssi_dbm: Floats
    at_s: Floats
    metres: Ints
    crossed_s: Floats
    outwards: NDArray[np.bool_]


def recorded(drawn_back_m: int) -> Seen:
    """A run as it was recorded."""
    metres_of: dict[str, int] = {}
    for path in sorted((RECORDED / "labels").glob("*.csv")):
        away_m = 0 if "actual=moving" in path.name else int(path.name.split("xstat=")[1].split("_")[0])
        metres_of |= dict.fromkeys(path.read_text(encoding="utf-8").split(), away_m)
    epcs = EpcTable()
    for epc in metres_of:
        epcs.number(bytes.fromhex(epc))
    run = f"xstart{drawn_back_m}.csv"
    reads = join_reads(batch.reads for batch in read_recording(RECORDED / "runs" / run, epcs))
    reads = reads[reads["epc"] < len(metres_of)]
    reads = reads[np.argsort(reads["at_us"], kind="stable")]
    with (RECORDED / "truth" / run).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return Seen(
        reads["epc"].astype(np.int64),
        reads["antenna"].astype(np.int64),
        reads["rssi_dbm"].astype(np.float64),
        reads["at_us"] / 1e6,
        np.array(list(metres_of.values())),
        np.array([datetime.fromisoformat(row["at"]).timestamp() for row in rows]),
        np.array([row["direction"] == "out" for row in rows]),
    )


def dock_door(drawn_back_m: int) -> Scenario:
    """The scenario as the run had it."""
    scenario = load("dock-door")
    plan = scenario.plans["door"]
    ends = {"inside_m": float(drawn_back_m), "outside_m": float(drawn_back_m), "rest_s": REST_S[drawn_back_m]}
    shuttle = plan.shuttles[0].model_copy(update=ends)
    return scenario.model_copy(update={"plans": {"door": plan.model_copy(update={"shuttles": (shuttle,)})}})


def simulated(drawn_back_m: int, seed: int) -> Seen:
    """A run of the world."""
    scenario = dock_door(drawn_back_m)
    world = World(scenario, seed, START_US)
    reader = world.readers[0]
    parts = []
    now_us = START_US
    while len(world.truth.crossings(now_us - AFTER_US)) < CROSSINGS * len(world.goods.pallets[-1].loaded):
        parts.append(world.inventory(reader.name, reader.antennas, now_us, now_us + 1_000_000))
        now_us += 1_000_000
    opening = world.openings["DOCK"]
    things = [tag for tag in world.goods.tags if tag.sku is not None]
    number = {tag.epc: position for position, tag in enumerate(things)}
    metres = np.zeros(len(things), np.int64)
    plan = scenario.plans["door"]
    for parked, pallet in zip(plan.parked, opening.parked, strict=True):
        for each in pallet.loaded:
            if (epc := world.goods.tags[each].epc) in number:
                metres[number[epc]] = round(parked.at[1])
    tag = np.array([number.get(epc, -1) for part in parts for epc in part.epcs])
    known = tag >= 0
    crossings = _middles(world, {things[at].hex for at in np.flatnonzero(metres == 0)})
    return Seen(
        tag[known],
        np.concatenate([part.antenna for part in parts]).astype(np.int64)[known],
        _as_reported(np.concatenate([part.rssi_dbm for part in parts]))[known],
        np.concatenate([part.at_us for part in parts])[known] / 1e6,
        metres,
        np.array([at_s for at_s, _ in crossings]),
        np.array([outwards for _, outwards in crossings]),
    )


def _as_reported(rssi_dbm: NDArray[np.float32]) -> Floats:
    """In steps of half a decibel, as the recorded reader gave them."""
    steps: Floats = np.round(rssi_dbm.astype(np.float64) * 2) / 2
    return steps


def _middles(world: World, movers: set[str]) -> list[tuple[float, bool]]:
    """When the middle of the load crossed, and outwards or not: the median of its tags, crossing by crossing."""
    crossings = [crossing for crossing in world.truth.crossings() if crossing.epc in movers]
    chunks = [crossings[at : at + len(movers)] for at in range(0, len(crossings), len(movers))]
    return [(float(np.median([one.at_us for one in chunk])) / 1e6, chunk[0].direction == "out") for chunk in chunks]


def _windows(seen: Seen) -> Iterator[tuple[Ints, Ints]]:
    """For each crossing how often each tag was read about it, by either side: (tags,), (tags,)."""
    tags, inside = len(seen.metres), seen.antenna <= 2
    for at_s in seen.crossed_s:
        near = np.abs(seen.at_s - at_s) <= WINDOW_S
        yield (
            np.bincount(seen.tag[near & inside], minlength=tags),
            np.bincount(seen.tag[near & ~inside], minlength=tags),
        )


def mover_counts(seen: Seen) -> Ints:
    """Reads of each moving tag about each crossing."""
    return np.concatenate([(one + other)[seen.metres == 0] for one, other in _windows(seen)])


def both_sides(seen: Seen) -> float:
    """The part of mover-crossings read by both sides."""
    return float(np.mean([((one > 0) & (other > 0))[seen.metres == 0] for one, other in _windows(seen)]))


def still_in_window(seen: Seen, metres: int) -> float:
    """The part of (tag at rest so far away, crossing) with a read, in per cent."""
    return 100 * float(np.mean([(one + other > 0)[np.abs(seen.metres) == metres] for one, other in _windows(seen)]))


def still_gaps(seen: Seen) -> Floats:
    """Times between two reads of a tag at rest."""
    gaps = [np.diff(seen.at_s[seen.tag == tag]) for tag in np.flatnonzero(seen.metres)]
    return np.concatenate(gaps)


def still_spread(seen: Seen) -> float:
    """Median over tags at rest and antennas of the spread of the level."""
    spreads = []
    for tag in np.flatnonzero(seen.metres):
        for antenna in (1, 2, 3, 4):
            levels = seen.rssi_dbm[(seen.tag == tag) & (seen.antenna == antenna)]
            if len(levels) >= LEAST_READS:
                spreads.append(levels.std())
    return float(np.median(spreads))


def visits(seen: Seen) -> tuple[float, float]:
    """Reads in a row through one antenna, in the mean; and the median time from one such row's begin to the next's."""
    begins = np.flatnonzero(np.diff(seen.antenna, prepend=-1))
    return len(seen.tag) / len(begins), float(np.median(np.diff(seen.at_s[begins]))) * 1000


def wrong_side(seen: Seen) -> float:
    """The part of movers' reads 1 to 4 s before and after a crossing by the side they are not on."""
    wrong, total = 0, 0
    moving = seen.metres[seen.tag] == 0
    for at_s, outwards in zip(seen.crossed_s, seen.outwards, strict=True):
        after_s = seen.at_s - at_s
        near = moving & (np.abs(after_s) >= 1.0) & (np.abs(after_s) <= WINDOW_S)
        on_in_side = (after_s < 0) == outwards
        wrong += int(np.count_nonzero(near & (on_in_side != (seen.antenna <= 2))))
        total += int(np.count_nonzero(near))
    return wrong / total


def profile(seen: Seen) -> tuple[Floats, Floats]:
    """Movers' reads a second about a crossing, by the side they come from and by the side they go to."""
    moving = seen.metres[seen.tag] == 0
    sides = np.zeros((2, len(PROFILE_S) - 1))
    for at_s, outwards in zip(seen.crossed_s, seen.outwards, strict=True):
        for side, looks_in in enumerate((outwards, not outwards)):
            rows = moving & ((seen.antenna <= 2) == looks_in)
            sides[side] += np.histogram(seen.at_s[rows] - at_s, PROFILE_S)[0]
    sides /= len(seen.crossed_s) * (PROFILE_S[1] - PROFILE_S[0])
    return sides[0], sides[1]


def _part(seen: Seen, part: float) -> float:
    return float(np.percentile(mover_counts(seen), part))


def _gap(seen: Seen, part: float) -> float:
    return float(np.percentile(still_gaps(seen), part))


@dataclass(frozen=True)
class Measure:
    """A figure of a run: what it is, and whether constants were fitted to it."""

    name: str
    unit: str
    of: Callable[[Seen], float]
    fitted: bool
    bound: float | None = None


MEASURES: Final = (
    Measure("reads", "1/s", lambda seen: len(seen.tag) / float(np.ptp(seen.at_s)), True),
    Measure("reads of a mover about a crossing, median", "reads", lambda seen: _part(seen, 50), False, 0.7),
    Measure("movers not read about a crossing", "%", lambda seen: 100 * float(np.mean(mover_counts(seen) == 0)), False),
    Measure("reads of a mover, p5", "reads", lambda seen: _part(seen, 5), False),
    Measure("reads of a mover, p95", "reads", lambda seen: _part(seen, 95), False),
    Measure("movers seen by both sides", "%", lambda seen: 100 * both_sides(seen), False, 0.85),
    Measure("movers' reads by the wrong side, 1-4 s off", "%", lambda seen: 100 * wrong_side(seen), True),
    *(
        Measure(f"at rest at {metres} m: read about a crossing", "%", partial(still_in_window, metres=metres), True)
        for metres in STILL_M
    ),
    Measure(
        "at rest: read at all",
        "%",
        lambda seen: 100 * len(np.unique(seen.tag[seen.metres[seen.tag] != 0])) / 100,
        False,
        0.75,
    ),
    Measure("at rest: gap between reads, median", "s", lambda seen: _gap(seen, 50), True),
    Measure("at rest: gap, p95", "s", lambda seen: _gap(seen, 95), False, 0.5),
    Measure("at rest: gap, p99", "s", lambda seen: _gap(seen, 99), False),
    Measure("at rest: spread of RSSI of a tag at an antenna", "dB", still_spread, True),
    Measure("median RSSI of movers", "dBm", lambda seen: float(np.median(_mover_levels(seen))), True),
    Measure("reads in a visit of an antenna", "reads", lambda seen: visits(seen)[0], False, 0.6),
    Measure("from visit to visit", "ms", lambda seen: visits(seen)[1], True),
)


@dataclass(frozen=True)
class Compared:
    """One recorded run beside its simulated copies, one for each of SEEDS."""

    drawn_back_m: int
    real: Seen
    copies: tuple[Seen, ...]

    def values(self, measure: Measure) -> tuple[float, float]:
        """The figure of the recorded run, and its mean over the copies."""
        return measure.of(self.real), float(np.mean([measure.of(copy) for copy in self.copies]))


def compared() -> list[Compared]:
    """All three runs."""
    return [
        Compared(metres, recorded(metres), tuple(simulated(metres, seed) for seed in SEEDS)) for metres in DRAWN_BACK_M
    ]


def agreement(one: float, other: float) -> float:
    """The smaller over the larger of two positive figures."""
    return min(abs(one), abs(other)) / max(abs(one), abs(other), 1e-9)


def cases(runs: list[Compared]) -> list[Case]:
    """Simulated against recorded, as agreement: 1 where they are the same."""
    found = []
    for run in runs:
        for measure in MEASURES:
            real, copy = run.values(measure)
            name = f"trolley back {run.drawn_back_m} m: {measure.name}" + (" (fitted)" if measure.fitted else "")
            found.append(Case(name, copy, measure.unit, "recorded", real))
            if measure.bound is not None:
                found.append(Case(f"{name}, agreement", agreement(real, copy), "1", "full", 1.0, measure.bound))
    return found


def table(runs: list[Compared]) -> str:
    """The comparison as a Markdown table."""
    heads = [f"{which} {run.drawn_back_m} m" for run in runs for which in ("recorded", "simulated")]
    rows = ["| " + " | ".join(["figure", "unit", "", *heads]) + " |", "|---" * (3 + len(heads)) + "|"]
    for measure in MEASURES:
        values = [f"{value:.1f}" for run in runs for value in run.values(measure)]
        rows.append("| " + " | ".join([measure.name, measure.unit, "fitted" if measure.fitted else "", *values]) + " |")
    return "\n".join(rows) + "\n"


def picture(runs: list[Compared], path: Path) -> None:
    """Four views of the same runs: recorded in dark lines, simulated in orange."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13, 7.2), layout="constrained")
    for axis, run in zip(axes[0], runs, strict=True):
        middles = (PROFILE_S[:-1] + PROFILE_S[1:]) / 2
        for number, label in enumerate(("side it comes from", "side it goes to")):
            style = ("-", "--")[number]
            axis.plot(middles, profile(run.real)[number], style, color="#203040", label=f"recorded, {label}")
            mean = np.mean([profile(copy)[number] for copy in run.copies], axis=0)
            axis.plot(middles, mean, style, color="#e07b00", label=f"simulated, {label}")
        axis.set(
            title=f"Trolley drawn back {run.drawn_back_m} m",
            xlabel="s after the crossing",
            ylabel="reads of movers / s",
        )
        axis.grid(alpha=0.3)
    axes[0][0].legend(fontsize=7, loc="upper left")
    _still_by_metres(axes[1][0], runs)
    for axis, values, bins, label in (
        (axes[1][1], still_gaps, np.geomspace(0.01, 100, 60), "gap between two reads of a tag at rest, s"),
        (axes[1][2], _mover_levels, np.arange(-80, -50, 1.0), "RSSI of movers, dBm"),
    ):
        for seen, colour, name in (
            ([run.real for run in runs], "#203040", "recorded"),
            ([copy for run in runs for copy in run.copies], "#e07b00", "simulated"),
        ):
            every = np.concatenate([values(each) for each in seen])
            axis.hist(
                every, bins, weights=np.full(len(every), 100 / len(every)), histtype="step", color=colour, label=name
            )
        axis.set(xlabel=label, ylabel="% of all")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    axes[1][1].set_xscale("log")
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _mover_levels(seen: Seen) -> Floats:
    levels: Floats = seen.rssi_dbm[seen.metres[seen.tag] == 0]
    return levels


def _still_by_metres(axis: Any, runs: list[Compared]) -> None:
    for run, style in zip(runs, ("o-", "s-", "^-"), strict=True):
        for seen, colour in ((run.real, "#203040"), *((copy, "#e07b00") for copy in run.copies)):
            shares = [still_in_window(seen, metres) for metres in STILL_M]
            axis.plot(STILL_M, shares, style, color=colour, alpha=0.9 if seen is run.real else 0.35, markersize=4)
    axis.set(xlabel="tag at rest, m from the door", ylabel="% read about a crossing")
    axis.set_title("dark: recorded runs; orange: simulated, each seed", fontsize=9)
    axis.grid(alpha=0.3)


def main() -> None:
    """Print the JSON line; with --docs also write table and picture."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--docs", type=Path, help="folder of radio.md and radio.png (extra `plots`)")
    asked = parser.parse_args()
    if not RECORDED.is_dir():
        sys.exit(f"{RECORDED} is missing: the recorded dock door is needed to compare with")
    runs = compared()
    if asked.docs is not None:
        page = asked.docs / "radio.md"
        before, _, rest = page.read_text(encoding="utf-8").partition(TABLE_BEGINS)
        after = rest.partition(TABLE_ENDS)[2]
        page.write_text(f"{before}{TABLE_BEGINS}\n{table(runs)}{TABLE_ENDS}{after}", encoding="utf-8")
        picture(runs, asked.docs / "radio.png")
    print(line("radio_calibration", cases(runs)))


if __name__ == "__main__":
    main()
