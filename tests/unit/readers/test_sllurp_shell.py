"""The sllurp driver's shell over a stand-in for sllurp: a silent reader, a thread that dies, a refusal, a flood."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

import readers.sllurp_driver
from readers.driver import ReaderSettings
from readers.read import EpcTable, ReadBatch, ReaderEvent, ReaderNotice, ReaderState
from readers.sllurp_driver import SllurpDriver
from wire.clock import SystemClock

TAG = {"EPC": b"303400000000000000000001", "AntennaID": 2, "PeakRSSI": -61, "TagSeenCount": 3}


class FakeClient:
    """sllurp.llrp.LLRPReaderClient as the driver uses it; the test speaks for its thread."""

    made: ClassVar[list[FakeClient]] = []
    refuses = False

    def __init__(self, host: str, port: int, config: dict[str, Any], timeout: float) -> None:
        self.config = config
        self.alive = self.cut = False
        self.callbacks: dict[str, Callable[..., None]] = {}
        FakeClient.made.append(self)

    def add_tag_report_callback(self, callback: Callable[..., None]) -> None:
        self.callbacks["report"] = callback

    def add_message_callback(self, message: str, callback: Callable[..., None]) -> None:
        self.callbacks[message] = callback

    def add_state_callback(self, state: int, callback: Callable[..., None]) -> None:
        self.callbacks["inventorying"] = callback

    def connect(self) -> None:
        if FakeClient.refuses:
            raise ConnectionRefusedError("nobody there")
        self.alive = True

    def is_alive(self) -> bool:
        return self.alive

    def disconnect(self, timeout: float) -> None:
        raise RuntimeError("sllurp's own mistake")

    def hard_disconnect(self) -> None:
        self.alive, self.cut = False, True

    def join(self, timeout: float) -> None:
        assert self.cut


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(
        LLRPReaderClient=FakeClient,
        LLRPReaderConfig=dict,
        LLRPReaderState=SimpleNamespace(STATE_INVENTORYING=7),
        LLRPError=type("LLRPError", (Exception,), {}),
    )
    monkeypatch.setattr(readers.sllurp_driver, "_import_sllurp", lambda: fake)
    monkeypatch.setattr(readers.sllurp_driver, "CHECK_S", 0.01)
    monkeypatch.setattr(readers.sllurp_driver, "CONNECT_TIMEOUT_S", 0.3)
    monkeypatch.setattr(readers.sllurp_driver.Backoff, "next_wait_s", lambda _: 0.01)
    monkeypatch.setattr(FakeClient, "made", [])
    monkeypatch.setattr(FakeClient, "refuses", False)


async def until(true: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[list[ReaderEvent]]:
    events: list[ReaderEvent] = []
    settings = ReaderSettings("door", "10.0.0.1", (1, 2), {"keepalive_s": 0.1})
    task = asyncio.create_task(SllurpDriver(settings, EpcTable(), SystemClock(), events.append).run())
    yield events
    assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def states(events: list[ReaderEvent]) -> list[list[int]]:
    return [sorted(event.antennas) for event in events if isinstance(event, ReaderState)]


async def test_a_silent_reader_is_noticed_and_tried_again() -> None:
    async with running() as events:
        await until(lambda: FakeClient.made and FakeClient.made[0].alive)
        first = FakeClient.made[0]
        assert first.config["keepalive_interval"] == 100
        assert first.config["reconnect"] is False
        await asyncio.to_thread(first.callbacks["inventorying"], first, 7)
        await asyncio.to_thread(first.callbacks["report"], first, [TAG, TAG])
        for _ in range(6):
            await asyncio.sleep(0.1)
            await asyncio.to_thread(first.callbacks["KEEPALIVE"], first, None)
        assert states(events) == [[1, 2]], "keepalives are heard"
        await until(lambda: len(FakeClient.made) == 2)
        assert first.cut
        assert states(events) == [[1, 2], []]
    (batch,) = [event for event in events if isinstance(event, ReadBatch)]
    assert batch.reads["antenna"].tolist() == [2, 2]
    assert batch.reads["count"].tolist() == [3, 3]
    assert batch.reads["at_us"].tolist() == [batch.received_at_us] * 2


async def test_a_thread_that_died_without_a_word_is_noticed() -> None:
    async with running() as events:
        await until(lambda: FakeClient.made and FakeClient.made[0].alive)
        await asyncio.to_thread(FakeClient.made[0].callbacks["inventorying"], None, 7)
        await until(lambda: states(events))
        FakeClient.made[0].alive = False
        await until(lambda: len(FakeClient.made) == 2)
        assert states(events) == [[1, 2], []]


async def test_refusals_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    FakeClient.refuses = True
    async with running() as events:
        await until(lambda: len(FakeClient.made) > 3)
        FakeClient.refuses = False
        await until(lambda: FakeClient.made[-1].alive)
    assert [record.getMessage() for record in caplog.records] == [
        "reader door: no inventory: sllurp cannot connect to 10.0.0.1:5084: nobody there"
    ]
    assert states(events) == []


async def test_what_does_not_fit_the_bridge_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers.sllurp_driver, "MAX_BRIDGED_READS", 3)
    async with running() as events:
        await until(lambda: FakeClient.made and FakeClient.made[0].alive)
        FakeClient.made[0].callbacks["inventorying"](None, 7)
        FakeClient.made[0].callbacks["report"](None, [TAG] * 5)
        await until(lambda: any(isinstance(event, ReadBatch) for event in events))
    (notice,) = [event for event in events if isinstance(event, ReaderNotice)]
    assert (notice.kind, notice.detail) == ("overflow", "2 reads of sllurp dropped: the gateway stood still")
    (batch,) = [event for event in events if isinstance(event, ReadBatch)]
    assert len(batch.reads) == 3
