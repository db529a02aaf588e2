"""Tags decoded a second from RO_ACCESS_REPORT frames of 1, 50 and 500 tags, ours against sllurp and llrpkit in one run.

Ours ends with native columns: EPC numbers, antenna, RSSI, both times, count, every byte of the layout validated. The
tags change from report to report, and their EPCs are random, which is the worst for the index of EPCs. The peers end
with their dictionaries and objects. Each frame is decoded by itself; what frames cost that came in one piece of a
stream is told as well.

All take turns of the same few milliseconds, and the best turn of each counts. On a busy machine the longer turn would
be interrupted more often, so turns of as many frames would favour the quicker one.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from llrpkit.protocol.codec import decode_message
from sllurp.llrp import LLRPMessage

from bench.report import Case, line
from readers.llrp.codec import encode
from readers.llrp.message import Message, Parameter
from readers.llrp.report import ReportDecoder
from readers.read import EpcTable

BOUNDS = {1: 4.0, 50: 40.0, 500: 100.0}
"""Tags a report → the least ratio to sllurp."""

TAGS = 5_000
TAGS_PER_ROUND = 20_000
TURN_S = 0.003
"""As long as sllurp takes for a report of 500 tags, and no longer than a busy machine leaves a program its core."""
TURNS = 200
CALIBRATIONS = 5
"""Turns of all pieces, of which the best says how many are TURN_S: one that was interrupted would make turns too short
to warm the caches that the others' turns have emptied."""
FRAMES_A_PIECE = 10
"""What a reader of 200 tags a second sends in 50 ms, one tag a report."""


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


class Way:
    """One way to decode: `pieces` over and over, in turns of about TURN_S. `rate` is that of the best, in tags/s."""

    def __init__(self, decode: Callable[[Any], object], pieces: list[Any], tags: int) -> None:
        self._decode, self._pieces = decode, cycle(pieces)
        self._tags = tags / len(pieces)
        self.rate = 0.0
        self._turn = len(pieces)
        self.turn()  # meets every tag for the first time
        took_s = min(self.turn() for _ in range(CALIBRATIONS))
        self._turn = max(1, round(len(pieces) * TURN_S / took_s))

    def turn(self) -> float:
        """Take a turn; the seconds it took."""
        pieces = list(islice(self._pieces, self._turn))
        decode = self._decode
        started = time.perf_counter()
        for piece in pieces:
            decode(piece)
        took_s = time.perf_counter() - started
        self.rate = max(self.rate, self._turn * self._tags / took_s)
        return took_s


def by_sllurp(frame: bytes) -> Any:
    return LLRPMessage(msgbytes=frame)  # type: ignore[no-untyped-call]


def sized(size: int, bound: float, pool: list[bytes], chance: random.Random) -> list[Case]:
    """Cases of reports of one size."""
    count = TAGS_PER_ROUND // size
    tags = size * count
    frames = [report(chance.sample(pool, size), chance) for _ in range(count)]
    pieces = [frames[at : at + FRAMES_A_PIECE] for at in range(0, count, FRAMES_A_PIECE)]
    decoder = ReportDecoder(EpcTable())
    ways = [
        Way(decoder.decode, frames, tags),
        Way(decoder.decode_all, pieces, tags),
        Way(by_sllurp, frames, tags),
        Way(decode_message, frames, tags),
    ]
    for _ in range(TURNS):
        for way in ways:
            way.turn()
    ours, together, sllurp, llrpkit = (way.rate for way in ways)
    name = f"{size} tag{'s' * (size > 1)} a report"
    return [
        Case(name, ours, "tags/s", "sllurp", sllurp, bound),
        Case(name, ours, "tags/s", "llrpkit", llrpkit),
        Case(f"{name}, {FRAMES_A_PIECE} at once", together, "tags/s", "sllurp", sllurp),
    ]


def main() -> None:
    logging.disable(logging.CRITICAL)
    chance = random.Random(1)
    pool = [chance.randbytes(12) for _ in range(TAGS)]
    print(line("llrp_decode", [case for size, bound in BOUNDS.items() for case in sized(size, bound, pool, chance)]))


if __name__ == "__main__":
    main()
