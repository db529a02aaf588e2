"""Tags decoded a second from RO_ACCESS_REPORT frames of 1, 50 and 500 tags, ours against sllurp in the same run.

Ours ends with native columns: EPC numbers, antenna, RSSI, both times, count, every byte of the layout validated. The
tags change from report to report. sllurp ends with its dictionaries.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any

from sllurp.llrp import LLRPMessage

from bench.report import Case, line
from readers.llrp.codec import encode
from readers.llrp.message import Message, Parameter
from readers.llrp.report import ReportDecoder
from readers.read import EpcTable

BOUNDS = {1: 3.0, 50: 18.0, 500: 40.0}
"""Tags a report → the least ratio: below what is measured on a busy machine, above what a slip would leave."""

TAGS = 5_000
TAGS_PER_ROUND = 20_000
ROUNDS = 5


def report(epcs: list[bytes], chance: random.Random) -> bytes:
    """One report as a common reader sends it: EPC-96, antenna, RSSI, first and last time, count."""
    tags = []
    for epc in epcs:
        at_us = 1_700_000_000_000_000 + chance.randrange(1 << 32)
        inner = [
            Parameter("EPC_96", {"EPC": epc}),
            Parameter("AntennaID", {"AntennaID": chance.randrange(1, 5)}),
            Parameter("PeakRSSI", {"PeakRSSI": chance.randrange(-80, -30)}),
            Parameter("FirstSeenTimestampUTC", {"Microseconds": at_us}),
            Parameter("LastSeenTimestampUTC", {"Microseconds": at_us + 5_000}),
            Parameter("TagSeenCount", {"TagCount": chance.randrange(1, 9)}),
        ]
        tags.append(Parameter("TagReportData", {}, inner))
    return encode(Message("RO_ACCESS_REPORT", 1, {}, tags))


def seconds(decode: Callable[[bytes], object], frames: list[bytes]) -> float:
    started = time.perf_counter()
    for frame in frames:
        decode(frame)
    return time.perf_counter() - started


def peer(frame: bytes) -> Any:
    return LLRPMessage(msgbytes=frame)  # type: ignore[no-untyped-call]


def main() -> None:
    logging.disable(logging.CRITICAL)
    chance = random.Random(1)
    pool = [chance.randbytes(12) for _ in range(TAGS)]
    cases = []
    for size, bound in BOUNDS.items():
        count = TAGS_PER_ROUND // size
        frames = [report(chance.sample(pool, size), chance) for _ in range(count)]
        decoder = ReportDecoder(EpcTable())
        # Rounds take turns, and the best of each counts: another program's burst then hurts neither side alone.
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(seconds(decoder.decode, frames))
            theirs.append(seconds(peer, frames))
        tags = size * count
        cases.append(Case(f"{size} tags a report", tags / min(ours), "tags/s", "sllurp", tags / min(theirs), bound))
    print(line("llrp_decode", cases))


if __name__ == "__main__":
    main()
