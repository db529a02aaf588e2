"""The whole chain under load: what it carries steadily, and how long a movement takes to its row and to the page.

Simulated readers, gateways, broker, backend and page share this process, so the simulation and the broker cost CPU that
they would not cost on machines of their own. Bare limits are measured in the same run (alone.py).

    alone        decoder and judgement on reports made before; the ingest service on the movements that came of them
    still goods  many reads a movement, as where most goods stand still: raised until the chain falls behind
    latency      half of what was carried
    all moves    every read belongs to a tag that moves: raised until the chain falls behind

What raising reached is not believed: a part of it is held, a smaller one each time, until it is carried.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from bench.alone import ingested, judged
from bench.chain import SITES, Chain, Watch, running
from bench.report import Case, line
from bench.restless import READS_PER_MOVE, STAY_S

SAMPLE_S: Final = 0.5
HOLD_S: Final = 3.0
HELD: Final = (0.6, 0.3)
"""Parts of what raising reached, tried in turn."""
CALM_S: Final = 1.0
LATENCY_S: Final = 5.0

LATE: Final = 0.01
"""More of the reads than this coming after their instant was judged: the chain is behind."""
BACKLOG_S: Final = 0.5
"""Journals that hold more than the movements of this time: the chain is behind."""
LEAST_BACKLOG: Final = 50
"""A commit that took long at a low load is no backlog."""
APPLIED: Final = 0.8
"""Less of what was decided being committed in the time of a hold: the chain is behind."""

BOUND: Final = 0.05
"""Of the bare limit. A fifth or more is reached; a machine that others use takes both down, but not evenly."""


@dataclass(frozen=True, slots=True)
class Mix:
    """A kind of load, put in movements a second: `first_hz` at first, twice as much each `double_s`."""

    name: str
    reads_per_move: int
    first_hz: float
    double_s: float
    longest_s: float

    def put(self, chain: Chain, moves_hz: float) -> None:
        """Share the load among the readers."""
        each_hz = moves_hz / len(chain.sources)
        for source in chain.sources:
            source.load(each_hz, each_hz * self.reads_per_move)


STILL_GOODS: Final = Mix("still goods", 50, first_hz=40, double_s=2.0, longest_s=10)
ALL_MOVES: Final = Mix("all moves", READS_PER_MOVE, first_hz=200, double_s=2.5, longest_s=12)


@dataclass(frozen=True, slots=True)
class Count:
    """Counters at an instant."""

    at_s: float
    cpu_s: float
    reads: int
    late: int
    decided: int
    applied: int
    backlog: int


def count(chain: Chain) -> Count:
    """Now."""
    stats = chain.gateways
    return Count(
        at_s=time.perf_counter(),
        cpu_s=time.process_time(),
        reads=sum(one.reads for one in stats),
        late=sum(one.late + one.dropped_reads for one in stats),
        decided=sum(one.movements for one in stats),
        applied=chain.watch.ingest.applied,
        backlog=sum(one.backlog for one in stats),
    )


@dataclass(frozen=True, slots=True)
class Span:
    """What happened in some seconds. `kept_up`: reads came in time, and journals stayed short. `moves_hz` counts
    movements decided or committed, whichever are fewer: a backlog that drains adds nothing."""

    reads_hz: float
    moves_hz: float
    decided_hz: float
    cores: float
    kept_up: bool


async def measured(chain: Chain, span_s: float) -> Span:
    """What happens in the next seconds."""
    before = count(chain)
    await asyncio.sleep(span_s)
    after = count(chain)
    real_s, reads = after.at_s - before.at_s, after.reads - before.reads
    decided_hz, applied_hz = (after.decided - before.decided) / real_s, (after.applied - before.applied) / real_s
    in_time = after.late - before.late <= LATE * reads
    is_short = after.backlog <= max(BACKLOG_S * decided_hz, LEAST_BACKLOG)
    cores = (after.cpu_s - before.cpu_s) / real_s
    return Span(reads / real_s, min(decided_hz, applied_hz), decided_hz, cores, in_time and is_short)


async def raised(chain: Chain, mix: Mix) -> float:
    """Raise the load until the chain is behind twice in a row; the load, in movements a second, that it took before."""
    began_s, behind, reached_hz = time.perf_counter(), 0, mix.first_hz
    while behind < 2 and time.perf_counter() - began_s < mix.longest_s:
        load_hz = mix.first_hz * 2 ** ((time.perf_counter() - began_s) / mix.double_s)
        mix.put(chain, load_hz)
        span = await measured(chain, SAMPLE_S)
        behind = 0 if span.kept_up else behind + 1
        if span.kept_up:
            # By reads: a tag's movement comes seconds after its first read.
            reached_hz = max(reached_hz, min(load_hz, span.reads_hz / mix.reads_per_move))
    return reached_hz


async def carried(chain: Chain, mix: Mix) -> tuple[float, Span]:
    """What is carried steadily: the load in movements a second, and what came of it."""
    reached_hz = await raised(chain, mix)
    for part in HELD:
        # Down from above: tags that began to move only now would not be decided on for seconds.
        mix.put(chain, part * reached_hz)
        await asyncio.sleep(STAY_S)
        span = await measured(chain, HOLD_S)
        if span.kept_up and span.moves_hz >= APPLIED * span.decided_hz:
            return part * reached_hz, span
    raise SystemExit(f"{mix.name}: the chain falls behind at every load; is the machine busy with something else?")


def waits(name: str, ms: Iterable[float]) -> Iterator[Case]:
    """Median and 99th percentile."""
    for percent, value in zip((50, 99), np.percentile(list(ms), (50, 99)).tolist(), strict=True):
        yield Case(f"{name}, p{percent}", value, "ms")


def latency_cases(span: Span, watch: Watch, reorder_ms: int) -> list[Case]:
    """How long movements took, under which load."""
    return [
        Case("latency: load", span.reads_hz, "reads/s"),
        Case("latency: load, movements", span.moves_hz, "movements/s"),
        *waits("latency: socket to row", watch.row_ms.values()),
        *waits("latency: socket to page", watch.page_ms.values()),
        *waits("latency: of it judgement, observed_at to decided_at", watch.judged_ms),
        Case("latency: of it judgement, waiting for reads out of order", reorder_ms, "ms"),
        *waits("latency: of it carrying, the rest until the row", (ms - reorder_ms for ms in watch.carried_ms)),
        Case("latency: movements that the page was told", 100 * len(watch.page_ms) / len(watch.row_ms), "%"),
    ]


async def cases(chain: Chain) -> list[Case]:
    """All phases."""
    reads_alone_hz, _ = judged(SITES[0], 1_000_000, moves_hz=200, reads_hz=10_000, span_s=4)
    movements = {
        site: judged(site, 2_000_000 + number * 100_000, moves_hz=400, reads_hz=1_600, span_s=10)[1]
        for number, site in enumerate(SITES)
    }
    moves_alone_hz = await ingested(chain.database, chain.clock, movements)
    load_hz, still = await carried(chain, STILL_GOODS)
    STILL_GOODS.put(chain, load_hz / 2)
    await asyncio.sleep(CALM_S)
    chain.watch.begin()
    half = await measured(chain, LATENCY_S)
    chain.watch.end()
    _, moving = await carried(chain, ALL_MOVES)
    decoder, ingest = "decoder and judgement alone", "ingest alone, full batches"
    return [
        Case("still goods: reads carried", still.reads_hz, "reads/s", decoder, reads_alone_hz, BOUND),
        Case("still goods: movements carried", still.moves_hz, "movements/s"),
        Case("still goods: CPU of this process", still.cores, "cores"),
        Case("all moves: movements carried", moving.moves_hz, "movements/s", ingest, moves_alone_hz, BOUND),
        Case("all moves: reads carried", moving.reads_hz, "reads/s"),
        Case("all moves: CPU of this process", moving.cores, "cores"),
        *latency_cases(half, chain.watch, chain.reorder_ms),
    ]


async def played(folder: Path) -> list[Case]:
    """All phases on a chain of their own."""
    async with running(folder) as chain:
        return await cases(chain)


def main() -> None:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix="tm-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # Run by root, PostgreSQL runs under an account of its own, which must get in.
        folder.chmod(0o755)
        print(line("end_to_end", asyncio.run(played(folder))))


if __name__ == "__main__":
    main()
