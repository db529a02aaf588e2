"""Two hundred LLRP readers into one gateway process on one core: 40,000 reads a second over TCP, none lost.

The gateway is the program that is shipped, with its journal and without a broker, which it does not need to judge; the
readers are `tallyman simulate` on another core. Every reader sees 200 tags of its own, each once a second; ten readers
stand at doors, the others watch eight zones. A steady reader's reads are numbered by their times, so what came in shows
what was sent from the first read to the last; that is counted against what the judgement took. Lateness is from the
instant of the oldest read of a delivery to the delivery: readers look every 50 ms, and a report waits until it is full.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar, Final
from unittest.mock import patch

import numpy as np

import gateway.app
from bench.report import Case, line
from gateway.config import GatewayConfig
from gateway.stats import GatewayStats
from gateway.supervisor import Supervisor
from readers.read import ReadBatch, ReaderEvent
from simulators.llrp.steady import SteadyTags
from wire.clock import SystemClock

READERS: Final = 200
DOORS: Final = 10
ZONES: Final = 8
TAGS: Final = 200
RATE_HZ: Final = 200
PORTS: Final = (1, 2, 3, 4)
SETTLE_S: Final = 12.0
"""Until every tag has arrived and its first window is learnt."""
MEASURED_S: Final = 10.0
START_S: Final = 60.0
DRAIN_S: Final = 1.0

NUMBERS: Final = SteadyTags(TAGS, RATE_HZ, len(PORTS))
"""Says which number a read has."""

PROGRAM: Final = "from tallyman.cli import main; main()"
ALL: Final = 1.0
NO_BROKER: Final = "mqtt://127.0.0.1:1"


class WatchedSupervisor(Supervisor):
    """The supervisor, and what its deliveries say of the readers. There is one at a time."""

    late_ms: ClassVar[list[float]] = []
    numbers: ClassVar[dict[str, tuple[int, int]]] = {}
    """Of each reader: the numbers of its first and its last read."""

    def deliver(self, event: ReaderEvent) -> None:
        if isinstance(event, ReadBatch):
            first_us, last_us = int(event.reads["at_us"][0]), int(event.reads["at_us"][-1])
            self.late_ms.append((event.received_at_us - first_us) / 1e3)
            first = self.numbers[event.reader][0] if event.reader in self.numbers else NUMBERS.number_at(first_us)
            self.numbers[event.reader] = first, NUMBERS.number_at(last_us)
        super().deliver(event)

    @classmethod
    def sent(cls) -> int:
        """How many reads the readers sent from their first to their last."""
        return sum(last - first + 1 for first, last in cls.numbers.values())


def config(addresses: list[str], every_n: int, journal: Path) -> GatewayConfig:
    """The gateway of all these readers."""
    readers: list[dict[str, Any]] = []
    for number, address in enumerate(addresses):
        door = number if number < DOORS else None
        views = [
            {"port": each, "zone": f"Z{number % ZONES}"}
            if door is None
            else {"port": each, "portal": f"D{door}", "side": "in" if each <= len(PORTS) // 2 else "out"}
            for each in PORTS
        ]
        options = {"report_every_n": every_n}
        readers.append({"name": f"r{number}", "address": address, "antennas": views, "options": options})
    return GatewayConfig.model_validate(
        {
            "site": "LOAD",
            "gateway": "load-gateway",
            "zones": [{"code": f"Z{number}"} for number in range(ZONES)],
            "portals": [{"code": f"D{number}", "inside_zone": f"Z{number % ZONES}"} for number in range(DOORS)],
            "readers": readers,
            "journal": {"path": str(journal)},
            "mqtt": {"url": NO_BROKER},
        }
    )


async def load(core: int, every_n: int) -> tuple[list[str], asyncio.subprocess.Process]:
    """The readers' addresses, and their process."""
    settings = {"readers": READERS, "tags": TAGS, "rate-hz": RATE_HZ, "report-tags": every_n}
    options = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-c", PROGRAM, "simulate", *options, "--json"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    os.sched_setaffinity(process.pid, {core})
    assert process.stdout is not None
    return list(json.loads(await process.stdout.readline()).values()), process


async def measured(cores: tuple[int, int], every_n: int) -> list[Case]:
    """One load, from the first connection to the last read."""
    stats, stop = GatewayStats(), asyncio.Event()
    WatchedSupervisor.numbers.clear()
    addresses, process = await load(cores[1], every_n)
    with tempfile.TemporaryDirectory(prefix="tm-bench-") as folder:
        settings = config(addresses, every_n, Path(folder) / "journal.sqlite")
        running = asyncio.create_task(gateway.app.run_gateway(settings, SystemClock(), stop=stop, stats=stats))
        async with asyncio.timeout(START_S):
            while sum(stats.readers.values()) < READERS:
                await asyncio.sleep(0.1)
        await asyncio.sleep(SETTLE_S)
        WatchedSupervisor.late_ms.clear()
        began_s, cpu_s, reads, late = time.perf_counter(), time.process_time(), stats.reads, stats.late
        await asyncio.sleep(MEASURED_S)
        span_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        reads, late = stats.reads - reads, stats.late - late
        waits_ms = np.percentile(WatchedSupervisor.late_ms, (50, 99, 100)).tolist()
        process.terminate()
        await process.wait()
        await asyncio.sleep(DRAIN_S)
        stop.set()
        await running
    received, sent = stats.reads, WatchedSupervisor.sent()
    name = f"{every_n} tag{'s' * (every_n > 1)} a report"
    return [
        Case(f"{name}: reads judged of those sent", received, "reads", "sent", sent, ALL),
        Case(f"{name}: reads while measured", reads / span_s, "reads/s", "offered", READERS * RATE_HZ),
        Case(f"{name}: CPU of the gateway", cpu_s / span_s, "cores"),
        Case(f"{name}: reads too late to be judged in order", late, "reads"),
        *(
            Case(f"{name}: lateness, {part}", ms, "ms")
            for part, ms in zip(("p50", "p99", "most"), waits_ms, strict=True)
        ),
    ]


def main() -> None:
    logging.disable(logging.CRITICAL)
    available = sorted(os.sched_getaffinity(0))
    cores = available[0], available[-1]
    os.sched_setaffinity(0, {cores[0]})
    with patch.object(gateway.app, "Supervisor", WatchedSupervisor):
        cases = [case for every_n in (10, 1) for case in asyncio.run(measured(cores, every_n))]
    print(line("llrp_readers", cases))


if __name__ == "__main__":
    main()
