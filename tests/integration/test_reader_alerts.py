"""What a reader complains of, from its bytes to the alert that a person sees: driver, gateway, journal, ingest."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backend.ingest.service import IngestService
from backend.store.database import Database
from gateway.config import GatewayConfig
from gateway.journal import Journal
from gateway.lights import Lights
from gateway.pipeline import Pipeline
from gateway.stats import GatewayStats
from gateway.supervisor import Supervisor
from readers.backoff import Backoff
from readers.driver import ReaderSettings
from readers.llrp import client
from readers.llrp.client import LlrpDriver
from readers.llrp.codec import encode
from readers.llrp.message import Parameter
from readers.read import EpcTable
from tests.house import Gateway, at, furnish
from tests.scripted_reader import ScriptedReader, ScriptedServer, reader_event, rospec_event
from wire.clock import ScaledClock
from wire.events import EVENT, Movement, ReaderHealth

OVERFLOW = reader_event(Parameter("ReportBufferOverflowErrorEvent"))
HOT = reader_event(Parameter("ReaderExceptionEvent", {"Message": "amplifier hot"}))


def unplugged(port: int, connected: bool) -> Any:
    return reader_event(Parameter("AntennaEvent", {"EventType": int(connected), "AntennaID": port}))


async def until(is_so: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.01)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "Backoff", lambda chance: Backoff(chance, 0.01, 0.02))


class Site:
    """A gateway without its broker: its journal is read by the test, which carries the events to the backend."""

    def __init__(self, folder: Path, port: int, options: dict[str, Any] | None = None) -> None:
        reader = {"name": "r1", "address": f"127.0.0.1:{port}", "antennas": [{"port": 1, "zone": "dock"}]}
        self.config = GatewayConfig.model_validate(
            {
                "site": "a",
                "gateway": "ga",
                "zones": [{"code": "dock"}],
                "readers": [reader],
                "journal": {"path": str(folder / "j.sqlite")},
            }
        )
        self.options = options or {}
        self.stats = GatewayStats()
        self.carried = 0
        self.movements: list[Movement] = []

    @contextlib.asynccontextmanager
    async def running(self) -> Any:
        assert self.config.journal is not None
        clock, epcs, stop = ScaledClock(at(0)), EpcTable(), asyncio.Event()
        self.journal = await Journal.open(self.config.journal)
        pipeline = Pipeline(self.config, epcs)
        supervisor = Supervisor(pipeline, self.journal, clock, 50, self.stats, self.movements.extend)
        settings = ReaderSettings("r1", self.config.readers[0].address, (1,), self.options)
        driver = LlrpDriver(settings, epcs, clock, supervisor.deliver)
        tasks = [asyncio.create_task(supervisor.run(stop)), asyncio.create_task(supervisor.drive("r1", driver))]
        try:
            yield driver
        finally:
            tasks[1].cancel()
            stop.set()
            await asyncio.wait(tasks)
            await self.journal.close()

    async def events(self) -> list[ReaderHealth]:
        """What the journal has got since the last call."""
        found = await self.journal.read_from(self.carried + 1, 1000, 1 << 20)
        if found is None:
            return []
        health = [EVENT.validate_json(payload) for payload in found.payloads]
        self.carried += len(health)
        return [event for event in health if isinstance(event, ReaderHealth)]


async def alerts(database: Database) -> dict[str, str]:
    rows = await database.pool.fetch("SELECT kind, detail FROM alert WHERE cleared_at IS NULL AND key = 'ga/r1'")
    return {row["kind"]: row["detail"]["detail"] for row in rows}


@pytest.mark.usefixtures("quick")
async def test_every_complaint_of_a_reader_becomes_an_alert_and_ends_with_it(
    database: Database, tmp_path: Path
) -> None:
    await furnish(database)
    backend = Gateway(IngestService(database, ScaledClock(at(3600))), "a", "ga")
    server = ScriptedServer()
    async with server.listening():
        site = Site(tmp_path, server.port)

        async def carry(least: int) -> dict[str, str]:
            """Wait for so many health events, and take them to the backend."""
            async with asyncio.timeout(20):
                while least > 0:
                    events = await site.events()
                    least -= len(events)
                    if events:
                        await backend.say(*events)
                    await asyncio.sleep(0.01)
            assert least == 0
            return await alerts(database)

        async with site.running():
            standing = await carry(3)
            assert list(standing) == ["reader_fault"]
            assert "clock is" in standing["reader_fault"]
            server.say(OVERFLOW, HOT, unplugged(1, False))
            assert await carry(3) == {
                "reader_fault": "the reader reports: amplifier hot",
                "reader_overflow": "the reader's report buffer overflowed; reads are lost",
                "antenna_lost": "antenna 1 is not connected",
            }
            server.reader.held = [encode(OVERFLOW)]
            server.cut()
            standing = await carry(5)
            assert set(standing) == {"reader_fault", "reader_overflow"}
            assert "clock is" in standing["reader_fault"]
            server.cut()
            assert list(await carry(3)) == ["reader_fault"]


@pytest.mark.usefixtures("quick")
async def test_a_reader_that_was_never_reached_is_an_alert_too(tmp_path: Path) -> None:
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        site = Site(tmp_path, dead.getsockname()[1])
        async with site.running():
            await until(lambda: site.stats.readers == {"r1": False})
            await asyncio.sleep(0.2)
            found: list[ReaderHealth] = []
            async with asyncio.timeout(20):
                while not found:
                    found += await site.events()
                    await asyncio.sleep(0.01)
    (lost,) = found
    assert lost.state == "lost"
    assert "cannot connect" in lost.detail


@pytest.mark.usefixtures("quick")
async def test_a_reader_that_waits_for_its_photo_eye_is_up_and_sees_nothing(tmp_path: Path) -> None:
    server = ScriptedServer(ScriptedReader(gpis=2))
    async with server.listening():
        site = Site(tmp_path, server.port, {"start": {"gpi": 1}, "run_s": 5})
        async with site.running():
            await until(lambda: site.stats.readers == {"r1": True})
            (ours,) = server.reader.rospecs
            for kind in (0, 1, 0, 1):
                server.say(rospec_event(ours, kind))
            server.say(HOT)
            async with asyncio.timeout(20):
                found: list[ReaderHealth] = []
                while [event.detail for event in found][-1:] != ["the reader reports: amplifier hot"]:
                    found += await site.events()
                    await asyncio.sleep(0.01)
    assert [event.state for event in found] == ["connected", "fault", "antenna_back", "fault"]


@pytest.mark.usefixtures("quick")
async def test_a_crossing_lights_the_lamp_that_hangs_on_the_reader() -> None:
    server = ScriptedServer()
    door = {"port": 1, "portal": "d1", "side": "in"}
    config = GatewayConfig.model_validate(
        {
            "site": "a",
            "gateway": "ga",
            "zones": [{"code": "dock"}],
            "portals": [
                {
                    "code": "d1",
                    "inside_zone": "dock",
                    "lights": [{"reader": "r1", "gpo": 3, "on": "crossed_out", "for_s": 0.2}],
                }
            ],
            "readers": [{"name": "r1", "address": "x", "antennas": [door]}],
        }
    )
    crossing = {"kind": "crossed", "epc": "3034", "portal": "d1", "direction": "out"}
    movement = Movement.model_validate(crossing | {"observed_at": at(0), "decided_at": at(1)})
    async with server.listening():
        settings = ReaderSettings("r1", f"127.0.0.1:{server.port}", (1,))
        driver = LlrpDriver(settings, EpcTable(), ScaledClock(at(0)), lambda _: None)
        async with client.connected(driver):
            lights = Lights(config.portals, {"r1": driver})
            shining = asyncio.create_task(lights.run())
            await until(lambda: server.reader.outputs == {3: False})
            lights.show([movement])
            await until(lambda: server.reader.outputs == {3: True})
            await until(lambda: server.reader.outputs == {3: False})
            shining.cancel()
            await asyncio.wait([shining])
