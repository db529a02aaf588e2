"""The optional driver: sllurp inventories the simulated reader, its thread bridged to the loop; what breaks is noticed.

It runs in a process of its own: sllurp is GPL software that only tests touch, and its threads outlive their errors.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

import readers.sllurp_driver
from readers.driver import ReaderSettings, find_driver
from readers.errors import MissingExtraError
from readers.read import EpcTable
from readers.sllurp_driver import Bridge
from simulators.llrp.reader import SimulatedReader
from simulators.sighting import Sightings
from wire.clock import ScaledClock, SystemClock

TAGS = 20
PERIOD_US = 10_000

PROGRAM = """
import asyncio, contextlib, json, logging, sys
import readers.backoff
from readers.driver import ReaderSettings, find_driver
from readers.read import EpcTable, ReadBatch, ReaderState
from wire.clock import SystemClock

logging.basicConfig(level=logging.WARNING)
logging.getLogger("sllurp").setLevel(logging.CRITICAL)
readers.backoff.Backoff.next_wait_s = lambda self: 0.2
epcs, states, reads = EpcTable(), [], set()

def deliver(event):
    if isinstance(event, ReaderState):
        states.append(sorted(event.antennas))
        print("state", json.dumps(states[-1]), flush=True)
    elif isinstance(event, ReadBatch):
        for row in event.reads:
            reads.add((epcs.hex(row["epc"]), int(row["antenna"]), float(row["rssi_dbm"]), int(row["count"])))

async def main():
    settings = ReaderSettings("door", sys.argv[1], (1, 2, 3, 4), {"keepalive_s": 1.0})
    driver = find_driver("sllurp")(settings, epcs, SystemClock(), deliver)
    task = asyncio.create_task(driver.run())
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    print("done", json.dumps({"states": states, "reads": sorted(reads)}), flush=True)

asyncio.run(main())
"""


class Pallet:
    """TAGS tags read in turn, each by an antenna of its own."""

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        ticks = [n for n in range(from_us // PERIOD_US + 1, to_us // PERIOD_US + 1) if n % TAGS % 4 + 1 in antennas]
        return Sightings(
            [bytes.fromhex("3034000000000000") + (n % TAGS).to_bytes(4, "big") for n in ticks],
            np.array([n % TAGS % 4 + 1 for n in ticks], np.uint16),
            np.full(len(ticks), -61.0, np.float32),
            np.array([n * PERIOD_US for n in ticks], np.int64),
        )


async def line(process: asyncio.subprocess.Process, word: str) -> Any:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while said := (await process.stdout.readline()).decode():
            if said.startswith(word + " "):
                return json.loads(said.removeprefix(word))
    raise AssertionError(f"the program ended without saying {word}")


@pytest.mark.peer
async def test_it_inventories_notices_a_lost_reader_and_comes_back() -> None:
    pytest.importorskip("sllurp")
    reader = SimulatedReader("door", Pallet(), ScaledClock(datetime.now(UTC)), 4)
    await reader.start()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", PROGRAM, f"127.0.0.1:{reader.port}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert await line(process, "state") == [1, 2, 3, 4]
        await asyncio.sleep(1.0)
        await reader.stop()
        assert await line(process, "state") == []
        await reader.start(port=reader.port)
        assert await line(process, "state") == [1, 2, 3, 4]
        await asyncio.sleep(0.5)
        assert process.stdin is not None
        process.stdin.write(b"stop\n")
        result = await line(process, "done")
        assert process.stderr is not None
        log = (await process.stderr.read()).decode()
        async with asyncio.timeout(10):
            assert await process.wait() == 0, log
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await reader.stop()
    assert result["states"] == [[1, 2, 3, 4], [], [1, 2, 3, 4], []]
    expected = {(f"3034000000000000{n:08X}", n % 4 + 1, -61.0) for n in range(TAGS)}
    assert {(epc, antenna, rssi) for epc, antenna, rssi, _ in result["reads"]} == expected
    assert all(count >= 1 for *_, count in result["reads"])
    assert log.count("no inventory") == 1, log


async def test_the_bridge_is_bounded_and_wakes_the_loop_once() -> None:
    loop = asyncio.get_running_loop()
    crossed: list[tuple[int, int]] = []
    bridge = Bridge(loop, 50, lambda tags, dropped: crossed.append((len(tags), dropped)))

    def foreign() -> None:
        for _ in range(10):
            bridge.put([{"EPC": b"00"}] * 8)

    thread = threading.Thread(target=foreign)
    thread.start()
    thread.join()  # the loop stands still meanwhile
    assert crossed == []
    await asyncio.sleep(0.01)
    assert crossed == [(50, 30)]
    bridge.put([{"EPC": b"00"}])
    await asyncio.sleep(0.01)
    assert crossed == [(50, 30), (1, 0)]


def test_a_closed_loop_takes_nothing_any_more() -> None:
    loop = asyncio.new_event_loop()
    bridge = Bridge(loop, 5, lambda *_: None)
    loop.close()
    bridge.put([{"EPC": b"00"}])


def test_without_sllurp_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(readers.sllurp_driver.importlib, "import_module", missing)
    with pytest.raises(MissingExtraError, match=r"tallyman-rfid\[sllurp\]"):
        find_driver("sllurp")(ReaderSettings("door", "h", (1,)), EpcTable(), SystemClock(), lambda _: None)
