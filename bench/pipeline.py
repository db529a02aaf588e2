"""The judgement of one gateway on one core: reads in → movements out, and report bytes in → movements out.

The stream is busy_site's, the same for 1,000 tags and for 50,000, so that the two figures say what a present tag costs.
Segments of it are made before and timed by the CPU they take: each holds sweeps, checkpoints, moves and a passage. All
cases take turns, so that whatever else the machine does meets all of them, and the best segment of each counts. In
contrast EdgeX's rule in plain Python on the same reads, for bytes after sllurp.
"""

from __future__ import annotations

import gc
import logging
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np
from sllurp.llrp import LLRPMessage

from bench.busy_site import NAMES, BusySite, Report, config
from bench.edgex_rule import EdgexRule
from bench.report import Case, line
from gateway.pipeline import Pipeline
from readers.llrp.report import ReportDecoder
from readers.read import EpcTable, ReadBatch

FEW, MANY = 1_000, 50_000
WARM_UP_S: Final = 45.0
"""Until everything has arrived and what arrived first is stored again (gateway.pipeline.CHECKPOINT_US)."""
SEGMENTS: Final = 6
SEGMENT_S: Final = 8.0
PEER_SEGMENT_S: Final = 1.0

FLAT_BOUND: Final = 1 / 1.25
"""The aim: a read with many tags present costs at most 1.25 times one with few."""

FEW_BOUND: Final = 0.9
MANY_BOUND: Final = 0.5
BYTES_BOUND: Final = 1.3
"""Below what is measured on a busy machine, above what a slip would leave; docs/performance.md has the aims."""

BYTES_A_TAG: Final = 1024.0

Tick = tuple[int, list[Report]]
Inputs = TypeVar("Inputs")


def segment(
    site: BusySite, segment_s: float, make: Callable[[list[Tick]], Inputs], run: Callable[[Inputs], object]
) -> float:
    """Reads a second of one core's time in the next segment of the stream; what `make` does is not timed."""
    ticks = list(site.ticks(segment_s))
    inputs = make(ticks)
    reads = sum(len(report.seen.tag) for _, reports in ticks for report in reports)
    gc.collect()
    began_s = time.process_time()
    run(inputs)
    return reads / (time.process_time() - began_s)


class Judged:
    """Our judgement of a site, warm."""

    def __init__(self, site: BusySite) -> None:
        self.epcs = EpcTable()
        self.numbers = self.epcs.numbers(site.epcs())
        self.pipeline = Pipeline(config(), self.epcs)
        self.decoders = {name: ReportDecoder(self.epcs) for name in NAMES}
        self.bytes_96 = np.array(site.epcs(), "S12")
        self.pipeline.step(site.begin(), site.now_us)
        for tick in site.ticks(WARM_UP_S):
            self.judge(self.batches([tick]))

    def batches(self, ticks: list[Tick]) -> list[tuple[int, list[ReadBatch]]]:
        """What drivers deliver, tick by tick."""
        return [(now_us, [report.batch(self.numbers, now_us) for report in reports]) for now_us, reports in ticks]

    def frames(self, ticks: list[Tick]) -> list[tuple[int, list[tuple[str, bytes]]]]:
        """What readers send, tick by tick."""
        return [(now_us, [(each.reader, each.frame(self.bytes_96)) for each in reports]) for now_us, reports in ticks]

    def judge(self, ticks: list[tuple[int, list[ReadBatch]]]) -> None:
        """Reads in, movements out."""
        for now_us, batches in ticks:
            self.pipeline.step(batches, now_us)

    def decode_and_judge(self, ticks: list[tuple[int, list[tuple[str, bytes]]]]) -> None:
        """Bytes in, movements out."""
        for now_us, frames in ticks:
            batches = [ReadBatch(reader, self.decoders[reader].decode(frame), now_us) for reader, frame in frames]
            self.pipeline.step(batches, now_us)


class Peer:
    """EdgeX's rule of the same site, after sllurp where bytes come in."""

    def __init__(self) -> None:
        self.rule = EdgexRule()
        self.numbers: dict[bytes, int] = {}

    def judge(self, ticks: list[tuple[int, list[ReadBatch]]]) -> None:
        """Reads in, movements out."""
        for now_us, batches in ticks:
            for batch in batches:
                for epc, antenna, rssi_dbm, _, at_us, _, _ in batch.reads.tolist():
                    self.rule.read(epc, (batch.reader, antenna), rssi_dbm, at_us)
            self.rule.time(now_us)

    def decode_and_judge(self, ticks: list[tuple[int, list[tuple[str, bytes]]]]) -> None:
        """Bytes in, movements out."""
        for now_us, frames in ticks:
            for reader, frame in frames:
                message: Any = LLRPMessage(msgbytes=frame)  # type: ignore[no-untyped-call]
                for tag in message.msgdict["RO_ACCESS_REPORT"]["TagReportData"]:
                    number = self.numbers.setdefault(tag["EPC"], len(self.numbers))
                    self.rule.read(number, (reader, tag["AntennaID"]), tag["PeakRSSI"], tag["LastSeenTimestampUTC"])
            self.rule.time(now_us)


def bytes_a_tag() -> float:
    """What a gateway with MANY tags present keeps in memory for each."""
    site = BusySite(MANY, seed=MANY)
    tracemalloc.start()
    judged = Judged(site)
    del judged.numbers, judged.bytes_96
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept / MANY


def main() -> None:
    logging.disable(logging.CRITICAL)
    few_site, many_site, peer_site = (BusySite(tags, seed=tags) for tags in (FEW, MANY, MANY))
    few, many, peer = Judged(few_site), Judged(many_site), Peer()
    turns = [
        (
            segment(few_site, SEGMENT_S, few.batches, few.judge),
            segment(many_site, SEGMENT_S, many.batches, many.judge),
            segment(many_site, SEGMENT_S, many.frames, many.decode_and_judge),
            segment(peer_site, PEER_SEGMENT_S, many.batches, peer.judge),
            segment(peer_site, PEER_SEGMENT_S, many.frames, peer.decode_and_judge),
        )
        for _ in range(SEGMENTS)
    ]
    few_hz, many_hz, bytes_hz, edgex_hz, sllurp_hz = map(max, zip(*turns, strict=True))
    edgex, few_name, many_name = "EdgeX's rule in Python", f"{FEW:,} tags present", f"{MANY:,} tags present"
    cases = [
        Case(f"reads in, {few_name}", few_hz, "reads/s", edgex, edgex_hz, FEW_BOUND),
        Case(f"reads in, {many_name}", many_hz, "reads/s", edgex, edgex_hz, MANY_BOUND),
        Case(f"cost flat: {many_name}", many_hz, "reads/s", few_name, few_hz, FLAT_BOUND),
        Case(f"bytes in, {many_name}", bytes_hz, "reads/s", f"sllurp and {edgex}", sllurp_hz, BYTES_BOUND),
        Case("memory: a KiB over what a tag takes", BYTES_A_TAG, "bytes", "bytes a tag", bytes_a_tag(), 1.0),
    ]
    print(line("pipeline", cases))


if __name__ == "__main__":
    main()
