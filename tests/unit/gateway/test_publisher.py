"""The publisher over a link that is only a list: what it sends, and what it makes of acknowledgements."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.config import GatewayConfig, JournalSettings, MqttSettings
from gateway.journal import Journal
from gateway.publisher import Publisher
from gateway.stats import GatewayStats
from wire.ack import Ack, GatewayStatus, ScanOutcome, decode_status
from wire.clock import ScaledClock
from wire.events import Lost, Movement, ReceivedBatch, Scan, decode_upstream, encode
from wire.mqtt import Handler, InboundMessage, MqttLink

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
STORE = "0a0a0a0a"


@dataclass
class ListLink:
    """As much of MqttLink as the publisher uses."""

    connected: bool = False
    will: Any = None
    sent: list[tuple[str, bytes]] = field(default_factory=list)
    handler: Handler | None = None
    up: list[Callable[[], Any]] = field(default_factory=list)
    down: list[Callable[[], Any]] = field(default_factory=list)

    def on_up(self, callback: Callable[[], Any]) -> None:
        self.up.append(callback)

    def on_down(self, callback: Callable[[], Any]) -> None:
        self.down.append(callback)

    def subscribe(self, _filter: str, handler: Handler) -> None:
        self.handler = handler

    async def publish(self, topic: str, payload: bytes, retain: bool = False) -> None:
        assert retain == topic.endswith("/status")
        self.sent.append((topic, payload))

    async def come_up(self) -> None:
        self.connected = True
        for callback in self.up:
            await callback()

    def go_down(self) -> None:
        self.connected = False
        for callback in self.down:
            callback()


@dataclass
class Desk:
    """A publisher at work."""

    link: ListLink
    journal: Journal
    stats: GatewayStats
    publisher: Publisher
    outcomes: list[ScanOutcome] = field(default_factory=list)

    def upstream(self) -> list[tuple[int, int]]:
        """First and last number of each batch or lost range sent."""
        ranges = []
        for topic, payload in self.link.sent:
            if topic.endswith("/events"):
                message = decode_upstream(payload)
                if isinstance(message, ReceivedBatch):
                    ranges.append((message.first_seq, message.last_seq))
                else:
                    ranges.append((message.from_seq, message.through_seq))
        return ranges

    def statuses(self) -> list[GatewayStatus]:
        return [decode_status(payload) for topic, payload in self.link.sent if topic.endswith("/status")]

    async def append(self, count: int) -> None:
        movements = [
            Movement(kind="arrived", epc=f"{number:08X}", zone="dock", observed_at=START, decided_at=START)
            for number in range(count)
        ]
        await self.journal.append(movements, [], [])
        self.publisher.wake()

    async def ack(self, through: int, retain: bool = False, **changes: Any) -> None:
        fields = {
            "gateway": "gate",
            "epoch": self.journal.position.epoch,
            "store": STORE,
            "store_made_at": START,
            "through": through,
            "at": START,
        }
        ack = Ack(**cast("Any", fields | changes))
        assert self.link.handler is not None
        await self.link.handler(InboundMessage("ack", encode(ack), retain))

    async def settled(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0.005)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    mqtt = MqttSettings(url="mqtt://nowhere", window_batches=2, batch_events=10, retry_s=60)
    config = GatewayConfig.model_validate(
        {
            "site": "jkt",
            "gateway": "gate",
            "zones": [{"code": "dock"}],
            "readers": [{"name": "r1", "address": "x", "antennas": [{"port": 1, "zone": "dock"}]}],
        }
    )
    journal = await Journal.open(JournalSettings(path=tmp_path / "j", quota_mib=1, on_full="drop_oldest"))
    link, stats = ListLink(), GatewayStats()
    publisher = Publisher(config, mqtt, journal, cast("MqttLink", link), ScaledClock(START), stats)
    made = Desk(link, journal, stats, publisher)

    async def take(outcomes: Any) -> None:
        made.outcomes.extend(outcomes)

    publisher.on_outcomes(take)
    running = asyncio.create_task(publisher.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await journal.close()


async def test_nothing_is_sent_without_a_link_and_a_window_with_one(desk: Desk) -> None:
    await desk.append(45)
    await desk.settled()
    assert desk.link.sent == []
    await desk.link.come_up()
    await desk.settled()
    assert desk.upstream() == [(1, 10), (11, 20)]
    await desk.ack(10)
    await desk.ack(20)
    await desk.settled()
    assert desk.upstream()[2:] == [(21, 30), (31, 40)]
    assert (desk.stats.acked_through, desk.stats.backlog, desk.stats.store) == (20, 25, STORE)


async def test_a_gap_goes_back_but_a_hint_or_a_stranger_does_not(desk: Desk) -> None:
    await desk.append(40)
    await desk.link.come_up()
    await desk.settled()
    await desk.ack(10)
    await desk.settled()
    await desk.ack(10, retain=True)
    await desk.ack(10, epoch="f" * 16)
    await desk.ack(10, gateway="other")
    assert desk.link.handler is not None
    await desk.link.handler(InboundMessage("ack", b"rubbish", retain=False))
    await desk.settled()
    assert desk.upstream() == [(1, 10), (11, 20), (21, 30)]
    await desk.ack(10)
    await desk.settled()
    assert desk.upstream()[3:] == [(11, 20), (21, 30)]
    assert desk.stats.times_back == 1


async def test_the_link_coming_back_starts_from_what_is_acknowledged(desk: Desk) -> None:
    await desk.append(20)
    await desk.link.come_up()
    await desk.settled()
    await desk.ack(10)
    desk.link.go_down()
    desk.link.sent.clear()
    await desk.link.come_up()
    await desk.settled()
    assert desk.upstream() == [(11, 20)]
    assert [status.online for status in desk.statuses()] == [True]
    assert not decode_status(desk.link.will[1]).online


async def test_what_was_dropped_is_declared_before_anything_else(desk: Desk) -> None:
    for _ in range(30):
        await desk.append(300)
    await desk.link.come_up()
    await desk.settled()
    lost = decode_upstream(next(payload for topic, payload in desk.link.sent if topic.endswith("/events")))
    assert isinstance(lost, Lost)
    assert lost.from_seq == 1
    assert desk.upstream()[1] == (lost.through_seq + 1, lost.through_seq + 10)
    await desk.ack(lost.through_seq)
    await desk.ack(lost.through_seq + 10)
    await desk.settled()
    assert desk.upstream()[2:] == [
        (lost.through_seq + 11, lost.through_seq + 20),
        (lost.through_seq + 21, lost.through_seq + 30),
    ]


async def test_a_new_epoch_is_announced_and_numbered_from_one(desk: Desk) -> None:
    await desk.append(15)
    await desk.link.come_up()
    await desk.settled()
    await desk.ack(10)
    old = desk.journal.position.epoch
    desk.link.sent.clear()
    await desk.ack(99)
    await desk.settled()
    assert desk.upstream() == [(1, 5)]
    assert [status.epoch for status in desk.statuses()] == [desk.journal.position.epoch]
    assert desk.journal.position.epoch != old


async def test_an_idle_gateway_asks_when_the_link_comes_up(desk: Desk) -> None:
    await desk.append(10)
    await desk.link.come_up()
    await desk.settled()
    await desk.ack(10)
    desk.link.go_down()
    desk.link.sent.clear()
    await desk.link.come_up()
    await desk.settled()
    assert desk.upstream() == [(10, 10)], "the last one it has: the answer tells which store that is"
    await desk.ack(3, store="0b0b0b0b", store_made_at=START + timedelta(days=1))
    await desk.settled()
    assert desk.upstream()[1:] == [(4, 10)]


async def test_outcomes_are_handed_on_and_the_clock_is_measured_by_news_only(desk: Desk) -> None:
    outcome = ScanOutcome(device="hand-1", scan_id="1", state="applied")
    await desk.append(1)
    await desk.ack(0, retain=True, at=START - timedelta(hours=9))
    assert desk.stats.clock_offset_s is None
    await desk.ack(1, scans=(outcome,), at=START + timedelta(seconds=5))
    assert desk.outcomes == [outcome]
    assert desk.stats.clock_offset_s == pytest.approx(5, abs=1)


async def test_a_scan_whose_outcome_went_by_unheard_is_asked_about(desk: Desk) -> None:
    scan = Scan(device="hand-1", scan_id="1", operator="ana", intent="pick", code="x", observed_at=START)
    await desk.append(3)
    await desk.journal.append_scans([scan])
    await desk.append(2)
    await desk.link.come_up()
    await desk.settled()
    desk.link.go_down()
    await desk.ack(6, retain=True)
    desk.link.sent.clear()
    await desk.link.come_up()
    await desk.settled()
    assert desk.upstream() == [(6, 6), (4, 6)], "the last one for the store's sake, the scan for its outcome's"
    outcome = ScanOutcome(device="hand-1", scan_id="1", state="applied")
    await desk.append(1)
    await desk.settled()
    await desk.ack(6)
    await desk.ack(6, scans=(outcome,))
    await desk.settled()
    assert desk.upstream()[2:] == [(7, 7)], "answers that were asked for are no gap"
    assert desk.outcomes == [outcome]
    await desk.journal.record_outcomes([outcome])
    desk.link.go_down()
    desk.link.sent.clear()
    await desk.link.come_up()
    await desk.settled()
    assert desk.upstream() == [(7, 7)]


async def test_a_stop_waits_for_the_backend_and_says_goodbye(desk: Desk) -> None:
    await desk.append(5)
    await desk.link.come_up()
    await desk.settled()
    draining = asyncio.create_task(desk.publisher.drain(20.0))
    await desk.settled()
    assert not draining.done()
    await desk.ack(5)
    await asyncio.wait_for(draining, 10)
    assert [status.online for status in desk.statuses()] == [True, False]
