"""The client against a reader that nobody here wrote: llrpkit's emulator, which has tags with memory, inputs, outputs.

It refuses messages of version 1.1 and ENABLE_EVENTS_AND_REPORTS, as some real readers do, and does not start an
Immediate ROSpec when that is enabled: the test starts it by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from readers.driver import ReaderSettings
from readers.llrp import requests
from readers.llrp.access import AccessJob, Bank, Kill, Read, TagMask, Write
from readers.llrp.client import LlrpDriver, connected
from readers.read import EpcTable, GpiChange, ReadBatch, ReaderEvent, ReaderNotice, ReaderState
from wire.clock import SystemClock

emulator = pytest.importorskip("llrpkit.emulator.core")
pytestmark = pytest.mark.peer


async def until(is_so: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.fixture
async def peer() -> AsyncIterator[Any]:
    async with emulator.LLRPEmulator(reads_per_sec=200.0) as running:
        yield running


class Caller:
    def __init__(self, peer: Any, options: dict[str, Any] | None = None) -> None:
        self.events: list[ReaderEvent] = []
        self.epcs = EpcTable()
        settings = ReaderSettings("bench", f"127.0.0.1:{peer.port}", (1, 2, 3, 4), options or {})
        self.driver = LlrpDriver(settings, self.epcs, SystemClock(), self.events.append)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def seen(self) -> set[bytes]:
        return {self.epcs.epc(row["epc"]) for batch in self.of(ReadBatch) for row in batch.reads}


async def start(driver: LlrpDriver, peer: Any) -> None:
    (ours,) = peer._rospecs
    await driver.request(requests.rospec_request("START_ROSPEC", 0, ours))


async def test_it_inventories_and_its_tags_are_read_written_and_locked(peer: Any) -> None:
    caller = Caller(peer)
    async with connected(caller.driver) as reader:
        assert reader.facts is not None
        assert (reader.facts.capabilities.antennas, reader.facts.capabilities.gpos) == (4, 4)
        assert reader.facts.inputs == {1: False, 2: False, 3: False, 4: False}
        await start(reader, peer)
        await until(lambda: len(caller.seen()) == len(peer.tags))
        assert caller.seen() == {tag.epc for tag in peer.tags}
        old, new = peer.tags[0].epc, bytes.fromhex("30395DFA81123456789ABCDE")
        outcome = await reader.access(
            AccessJob((Read(Bank.TID, 0, 2), Write(Bank.EPC, 2, new)), TagMask(old), timeout_s=10)
        )
        (access,) = outcome.accesses
        assert (access.epc, access.ok) == (old, True)
        assert len(access.results[0].data) == 4
        assert access.results[1].words_written == 6
        await until(lambda: new in caller.seen())
        peer.set_tag_passwords(new, kill=0xDEADBEEF, access=5)
        tries = (Write(Bank.USER, 0, b"ab"), Write(Bank.USER, 0, b"ab", password=5), Kill(0), Kill(0xDEADBEEF))
        (tried,) = (await reader.access(AccessJob(tries, TagMask(new)))).accesses
        assert [result.ok for result in tried.results] == [False, True, False, True]
        assert tried.results[2].result == "Zero_Kill_Password_Error"
        nobody = await reader.access(AccessJob((Read(Bank.TID),), TagMask(bytes(12)), timeout_s=0.5))
        assert (nobody.accesses, nobody.timed_out) == ((), True)
    assert caller.of(ReaderState)[-1].antennas == frozenset()
    assert [notice.detail for notice in caller.of(ReaderNotice) if notice.kind == "fault"] == []


async def test_its_outputs_are_set_and_its_inputs_heard(peer: Any) -> None:
    caller = Caller(peer)
    async with connected(caller.driver) as reader:
        await reader.set_gpo(3, True)
        assert peer._gpo_states[3]
        await peer.set_gpi(2, True)
        await until(lambda: caller.of(GpiChange))
        assert [(change.port, change.high) for change in caller.of(GpiChange)] == [(2, True)]


async def test_a_photo_eye_starts_and_ends_its_inventory(peer: Any) -> None:
    caller = Caller(peer, {"start": {"gpi": 1}, "stop": {"gpi": 2}, "run_s": 30})
    async with connected(caller.driver):
        assert [state.idle for state in caller.of(ReaderState)] == [True]
        await peer.set_gpi(1, True)
        await until(lambda: len(caller.seen()) > 5)
        await peer.set_gpi(2, True)
        await until(lambda: len(caller.of(ReaderState)) == 3)
    ons = [(bool(state.antennas), state.idle) for state in caller.of(ReaderState)]
    assert ons == [(False, True), (True, False), (False, True), (False, False)]
