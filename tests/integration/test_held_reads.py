"""A pallet crosses a door while the line to its reader is down: real LLRP bytes, a reader that holds what it reads, and
the gateway's own driver, supervisor and journal."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path as FilePath

import numpy as np
import pytest

from gateway.config import GatewayConfig
from gateway.journal import Journal
from gateway.pipeline import Pipeline
from gateway.stats import GatewayStats
from gateway.supervisor import Supervisor
from readers.backoff import Backoff
from readers.driver import ReaderSettings
from readers.llrp.client import LlrpDriver
from readers.read import EpcTable, to_us
from simulators.llrp.models import load_model
from simulators.llrp.reader import SimulatedReader
from simulators.sighting import Sightings, no_sightings
from tests.unit.gateway.test_portal import reads_of, stand, walk
from wire.clock import ScaledClock
from wire.events import Movement

START = datetime(2026, 3, 1, tzinfo=UTC)
SPEED = 6.0
CUT_S, CROSS_S, BACK_S, END_S = 16.0, 24.0, 31.0, 46.0
PALLET = 8


class Doorway:
    """What the four antennas of one door read of a pallet that goes through it inwards, and of a thing beside it."""

    def __init__(self) -> None:
        chance = np.random.default_rng(5)
        paths = [walk(CROSS_S + float(delay), 1.2) for delay in chance.uniform(-0.3, 0.3, PALLET)]
        seen = reads_of([*paths, stand(3.0, 2.0)], END_S, 1)
        self._reads = [
            (to_us(START) + round(at * 1e6), port, tag, db) for at, door, port, tag, db in seen if door == "d1"
        ]
        self.epcs = [bytes.fromhex("3034000000000000") + tag.to_bytes(4, "big") for tag in range(PALLET + 1)]

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        assert reader == "door-1"
        rows = [row for row in self._reads if from_us < row[0] <= to_us and row[1] in antennas]
        if not rows:
            return no_sightings()
        at_us, ports, tags, levels = zip(*rows, strict=True)
        return Sightings(
            [self.epcs[tag] for tag in tags],
            np.array(ports, np.uint16),
            np.array(levels, np.float32),
            np.array(at_us, np.int64),
        )


def settings(port: int, folder: FilePath) -> GatewayConfig:
    sides = ((1, "in"), (2, "in"), (3, "out"), (4, "out"))
    antennas = [{"port": number, "portal": "d1", "side": side} for number, side in sides]
    return GatewayConfig.model_validate(
        {
            "site": "s",
            "gateway": "g",
            "zones": [{"code": "dock"}],
            "portals": [{"code": "d1", "inside_zone": "dock"}],
            "readers": [{"name": "door-1", "address": f"127.0.0.1:{port}", "antennas": antennas}],
            "journal": {"path": str(folder / "journal.db")},
            # at SPEED a stall of this machine makes reads that many times as late
            "rules": {"reorder_ms": 2000},
        }
    )


async def until(clock: ScaledClock, second: float) -> None:
    await clock.sleep(max(0.0, second - (clock.now() - START).total_seconds()))


@pytest.mark.parametrize("holds", [True, False])
async def test_a_pallet_that_crossed_while_the_line_was_down_is_told_if_the_reader_held_it(
    holds: bool, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_s = (BACK_S - CUT_S) / SPEED
    monkeypatch.setattr("readers.llrp.client.Backoff", lambda _: Backoff(lambda: 1.0, wait_s, wait_s))
    clock, doorway = ScaledClock(START, SPEED), Doorway()
    model = load_model().model_copy(update={"holds_reports": holds})
    reader = SimulatedReader("door-1", doorway, clock, 4, model=model)
    await reader.start()
    config = settings(reader.port, tmp_path)
    movements: list[Movement] = []
    epcs, stats = EpcTable(), GatewayStats()
    assert config.journal is not None
    journal = await Journal.open(config.journal)
    supervisor = Supervisor(Pipeline(config, epcs), journal, clock, config.rules.tick_ms, stats, movements.extend)
    driver = LlrpDriver(
        ReaderSettings("door-1", config.readers[0].address, (1, 2, 3, 4)), epcs, clock, supervisor.deliver
    )
    stop = asyncio.Event()
    judging = asyncio.create_task(supervisor.run(stop))
    driving = asyncio.create_task(supervisor.drive("door-1", driver))
    try:
        await until(clock, CUT_S)
        assert stats.readers == {"door-1": True}
        reader.cut()
        await until(clock, BACK_S - 3)
        assert stats.readers == {"door-1": False}
        assert movements == []
        await until(clock, END_S)
        assert stats.readers == {"door-1": True}
    finally:
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        stop.set()
        await judging
        await journal.close()
        await reader.stop()
    crossed = [(movement.epc, movement.direction) for movement in movements if movement.kind == "crossed"]
    if not holds:
        assert crossed == []
        return
    pallet = {epc.hex().upper() for epc in doorway.epcs[:PALLET]}
    assert len(crossed) == len(set(crossed)) >= PALLET - 1
    assert {epc for epc, _ in crossed} <= pallet
    assert {direction for _, direction in crossed} == {"in"}
    for movement in movements:
        seconds = (movement.observed_at - START).total_seconds()
        assert CUT_S < seconds <= (movement.decided_at - START).total_seconds()
        assert abs(seconds - CROSS_S) < 9
    assert stats.late == 0
