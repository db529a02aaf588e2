"""The driver on each make of reader that the simulator knows, and through each of its faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from readers.backoff import Backoff
from readers.driver import ReaderSettings
from readers.errors import ReaderStatusError
from readers.llrp import client
from readers.llrp.access import AccessJob, Bank, BlockWrite, Kill, Lock, LockField, Privilege, Read, TagMask, Write
from readers.llrp.client import LlrpDriver, connected
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderNotice, ReaderState
from simulators.llrp.models import known_models, load_model
from simulators.llrp.reader import SimulatedReader
from simulators.sighting import Sightings, no_sightings
from wire.clock import ScaledClock

START = datetime(2026, 3, 1, tzinfo=UTC)
PERIOD_US = 20_000
EPCS = [bytes.fromhex("3034000000000000") + number.to_bytes(4, "big") for number in range(6)]


class Table:
    """Six tags on a table, read in turn by antenna 1; `seen` keeps (EPC, time)."""

    def __init__(self) -> None:
        self.seen: dict[int, bytes] = {}

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        assert reader == "bench"
        times = [tick * PERIOD_US for tick in range(from_us // PERIOD_US + 1, to_us // PERIOD_US + 1)]
        if 1 not in antennas or not times:
            return no_sightings()
        epcs = [EPCS[at_us // PERIOD_US % len(EPCS)] for at_us in times]
        self.seen.update(zip(times, epcs, strict=True))
        ports, levels = np.ones(len(times), np.uint16), np.full(len(times), -50.0, np.float32)
        return Sightings(epcs, ports, levels, np.array(times, np.int64))


class Bench:
    """A reader of some make, and the driver."""

    def __init__(self, make: str, options: dict[str, Any] | None = None) -> None:
        self.clock = ScaledClock(START)
        self.model = load_model(make)
        self.table = Table()
        self.reader = SimulatedReader("bench", self.table, self.clock, self.model.antennas, self.model)
        self.options = options or {}
        self.events: list[ReaderEvent] = []
        self.epcs = EpcTable()

    async def driver(self) -> LlrpDriver:
        settings = ReaderSettings("bench", f"127.0.0.1:{await self.reader.start()}", (1, 2), self.options)
        return LlrpDriver(settings, self.epcs, self.clock, self.events.append)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def rows(self) -> list[tuple[bytes, int]]:
        batches = self.of(ReadBatch)
        return [(self.epcs.epc(row["epc"]), int(row["at_us"])) for batch in batches for row in batch.reads]

    def ons(self) -> list[bool]:
        return [bool(state.antennas) for state in self.of(ReaderState)]


async def until(is_so: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "Backoff", lambda chance: Backoff(chance, 0.02, 0.04))


@pytest.mark.parametrize("make", known_models())
async def test_each_make_inventories_in_its_own_version_and_time(make: str) -> None:
    bench = Bench(make)
    async with connected(await bench.driver()) as driver:
        assert driver.facts is not None
        assert driver.facts.version == bench.model.max_version
        assert driver.facts.capabilities.vendor == bench.model.vendor
        await until(lambda: len(bench.rows()) > 40)
    await bench.reader.stop()
    off_us = [
        min(abs(at_us - seen) for seen, epc in bench.table.seen.items() if epc == tag) for tag, at_us in bench.rows()
    ]
    assert max(off_us) <= (0 if bench.model.has_utc_clock else 50_000)
    assert [notice.detail for notice in bench.of(ReaderNotice) if notice.kind == "fault"] == []


async def test_a_make_takes_the_modes_it_has_and_names_the_one_it_has_not() -> None:
    bench = Bench("speedway-r420", {"rf_mode": 3, "search_mode": "dual_target"})
    async with connected(await bench.driver()):
        await until(lambda: len(bench.rows()) > 10)
    await bench.reader.stop()
    assert [notice.detail for notice in bench.of(ReaderNotice) if notice.kind == "fault"] == []
    bench = Bench("speedway-r420", {"rf_mode": 77})
    running = asyncio.create_task((await bench.driver()).run())
    await until(lambda: any("no mode 77" in state.detail for state in bench.of(ReaderState)))
    running.cancel()
    await bench.reader.stop()


async def test_tags_are_read_written_locked_and_killed() -> None:
    bench = Bench("speedway-r420")
    new = bytes(11) + b"\x07"
    async with connected(await bench.driver()) as driver:

        async def work(target: bytes, *operations: Any) -> list[str]:
            outcome = await driver.access(AccessJob(operations, TagMask(target), timeout_s=5))
            return [result.result for result in outcome.accesses[0].results]

        passwords = Write(Bank.RESERVED, 0, bytes.fromhex("DEADBEEF00000005"))
        assert await work(EPCS[0], passwords) == ["Success"]
        assert await work(EPCS[0], Lock(LockField.USER, Privilege.LOCK, 5)) == ["Success"]
        assert await work(EPCS[0], Write(Bank.USER, 0, b"no")) == ["Tag_Memory_Locked_Error"]
        assert await work(EPCS[0], Write(Bank.USER, 0, b"ok", password=5)) == ["Success"]
        outcome = await driver.access(AccessJob((Read(Bank.USER, 0, 1), Read(Bank.TID, 0, 2)), TagMask(EPCS[0])))
        assert [result.data for result in outcome.accesses[0].results] == [b"ok", bytes.fromhex("e2801170")]
        assert await work(EPCS[1], Write(Bank.EPC, 2, new)) == ["Success"]
        await until(lambda: new in {epc for epc, _ in bench.rows()})
        assert await work(EPCS[0], Kill(0xDEADBEEF)) == ["Success"]
        await asyncio.sleep(0.2)
        bench.events.clear()
        await until(lambda: len(bench.rows()) > 20)
        assert EPCS[0] not in {epc for epc, _ in bench.rows()}
        several = await driver.access(AccessJob((Read(Bank.TID, 0, 1),), tags=4))
        assert len({access.epc for access in several.accesses}) >= 1
        assert len(several.accesses) == 4
        await driver.set_gpo(2, True)
        assert bench.reader.outputs[2]
        with pytest.raises(ReaderStatusError):
            await driver.set_gpo(9, True)
    await bench.reader.stop()


async def test_a_make_without_block_writes_says_so() -> None:
    bench = Bench("plain")
    async with connected(await bench.driver()) as driver:
        with pytest.raises(ReaderStatusError):
            await driver.access(AccessJob((BlockWrite(Bank.USER, 0, b"ab"), Read(Bank.TID))))
        outcome = await driver.access(AccessJob((Read(Bank.TID, 0, 1),)))
        assert outcome.accesses[0].ok
    await bench.reader.stop()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench("speedway-r420", {"keepalive_s": 0.5})
    async with connected(await bench.driver()):
        await until(lambda: len(bench.rows()) > 10)
        yield bench
        reads = len(bench.rows())
        await until(lambda: len(bench.rows()) > reads + 10)
    await bench.reader.stop()


async def test_half_a_frame_and_a_lying_length_cost_a_connection_each(bench: Bench) -> None:
    for fault in (bench.reader.half_frame, lambda: bench.reader.lie(5), lambda: bench.reader.lie(0xFFFF_FFFF)):
        turns = len(bench.ons())
        fault()
        await until(lambda: len(bench.ons()) >= turns + 2)  # noqa: B023 - waited for within the turn
        assert bench.ons()[-2:] == [False, True]


async def test_a_length_that_is_too_long_is_noticed_by_its_silence(bench: Bench) -> None:
    bench.reader.lie(900_000)
    bench.reader.stall(True)
    await until(lambda: bench.ons()[-1] is False)
    bench.reader.stall(False)
    await until(lambda: bench.ons()[-1] is True)


async def test_an_unknown_message_costs_nothing(bench: Bench) -> None:
    bench.reader.unknown_message()
    await until(lambda: any("does not decode" in notice.detail for notice in bench.of(ReaderNotice)))
    reads = len(bench.rows())
    await until(lambda: len(bench.rows()) > reads + 10)
    assert bench.ons() == [True]


async def test_refusals_losses_and_exceptions_are_told(bench: Bench) -> None:
    bench.reader.tell_exception("amplifier hot")
    bench.reader.lose_reads(True)
    await until(lambda: {notice.kind for notice in bench.of(ReaderNotice)} >= {"fault", "overflow"})
    bench.reader.lose_reads(False)
    bench.reader.refuse(True)
    bench.reader.cut()
    await until(lambda: bench.ons() == [True, False])
    await asyncio.sleep(0.2)
    bench.reader.refuse(False)
    await until(lambda: bench.ons() == [True, False, True])
