"""The gateway program: everything is made and joined here, and nowhere else.

drivers ──reads──▶ supervisor (pipeline, each tick) ──▶ journal ──▶ publisher ──▶ MQTT
   ▲                          │                           ▲             │ Ack
   └────── lights ◀───────────┘                           │             │
             handhelds, wired scanners ──▶ scans ─────────┘◀────────────┘
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from prometheus_client import CollectorRegistry

from gateway.config import GatewayConfig, JournalSettings, MqttSettings
from gateway.errors import ConfigError, JournalError
from gateway.health import serving
from gateway.journal import Journal
from gateway.lights import Lights
from gateway.listener import Listener
from gateway.pipeline import Pipeline
from gateway.publisher import Publisher
from gateway.scans import ScanDesk
from gateway.stats import GatewayStats
from gateway.supervisor import Supervisor
from gateway.wired import WiredScanner
from readers.driver import Driver, ReaderSettings, find_driver
from readers.read import EpcTable, to_us
from wire.clock import Clock
from wire.events import Movement
from wire.mqtt import MqttLink

__all__ = ["GatewayStats", "run_gateway"]

logger = logging.getLogger(__name__)

DRAIN_S: Final = 5.0
"""Real seconds that a gateway told to stop still spends on sending: what is left goes out at the next start."""

TRIM_EVERY_S: Final = 60.0
"""How often acknowledged events of old age are deleted; the journal deletes a thousand at a time."""

CLIENT_ID: Final = "tallyman-{site}-{gateway}"


async def run_gateway(
    config: GatewayConfig,
    clock: Clock,
    *,
    stop: asyncio.Event | None = None,
    stats: GatewayStats | None = None,
) -> None:
    """Run one gateway until `stop` is set (for ever without it), then end in order.

    Raises ConfigError when the file lacks [journal] or [mqtt], JournalError when the journal cannot be opened or read,
    LinkError for a broker's URL that cannot be used, ReaderError when a driver of a reader or scanner is not installed
    or does not know its options.
    """
    journal_settings, mqtt = _required(config)
    stop = stop if stop is not None else asyncio.Event()
    stats = stats if stats is not None else GatewayStats()
    epcs = EpcTable()
    journal = await Journal.open(journal_settings)
    try:
        link = MqttLink(mqtt.url, CLIENT_ID.format(site=config.site, gateway=config.gateway))
        publisher = Publisher(config, mqtt, journal, link, clock, stats)
        desk = ScanDesk(config.site, journal, stats, publisher.wake)
        desk.serve(link)
        publisher.on_outcomes(desk.tell)
        scanners = [WiredScanner(scanner, desk, clock, stats) for scanner in config.scanners]

        def decided(movements: Sequence[Movement]) -> None:
            publisher.wake()
            lights.show(movements)

        supervisor = Supervisor(Pipeline(config, epcs), journal, clock, config.rules.tick_ms, stats, decided)
        drivers = _drivers(config, epcs, clock, supervisor)
        lights = Lights(config.portals, drivers)
        async with serving(config, stats, CollectorRegistry()), _listening(config, desk), link:
            await _run_together(drivers, scanners, lights, supervisor, publisher, journal, clock, stop)
    except* JournalError as group:  # whichever task met it first; the others were cancelled for it
        raise _first(group) from None
    finally:
        await journal.close()


async def _run_together(
    drivers: dict[str, Driver],
    scanners: Sequence[WiredScanner],
    lights: Lights,
    supervisor: Supervisor,
    publisher: Publisher,
    journal: Journal,
    clock: Clock,
    stop: asyncio.Event,
) -> None:
    """All tasks until stopped; then devices first, then the last tick, then what can still be sent."""
    readers_gone = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(publisher.run())
        trimming = group.create_task(_keep_trimmed(journal, clock))
        judging = group.create_task(supervisor.run(readers_gone))
        lighting = group.create_task(lights.run())
        driving = [group.create_task(supervisor.drive(name, driver)) for name, driver in drivers.items()]
        driving += [group.create_task(scanner.run()) for scanner in scanners]
        await stop.wait()
        lighting.cancel()
        await asyncio.wait([lighting])
        for task in driving:
            task.cancel()
        await asyncio.gather(*driving, return_exceptions=True)
        readers_gone.set()
        await asyncio.wait([judging])
        trimming.cancel()
        await publisher.drain(DRAIN_S)
        sending.cancel()


@asynccontextmanager
async def _listening(config: GatewayConfig, desk: ScanDesk) -> AsyncIterator[None]:
    """Serve the site's handhelds while inside, where the configuration has a listener for them."""
    if config.listener is None:
        yield
        return
    listener = Listener(config.site, config.listener)
    desk.serve(listener.link)
    async with listener:
        yield


async def _keep_trimmed(journal: Journal, clock: Clock) -> None:
    while True:
        await asyncio.sleep(TRIM_EVERY_S)
        try:
            while await journal.trim(to_us(clock.now())):
                pass
        except JournalError as error:
            logger.warning("journal not trimmed, tried again later: %s", error)


def _drivers(config: GatewayConfig, epcs: EpcTable, clock: Clock, supervisor: Supervisor) -> dict[str, Driver]:
    drivers = {}
    for reader in config.readers:
        settings = ReaderSettings(
            name=reader.name,
            address=reader.address,
            antennas=tuple(antenna.port for antenna in reader.antennas),
            options=reader.options,
        )
        drivers[reader.name] = find_driver(reader.driver)(settings, epcs, clock, supervisor.deliver)
    return drivers


def _required(config: GatewayConfig) -> tuple[JournalSettings, MqttSettings]:
    if config.journal is None:
        raise ConfigError("a gateway needs a section [journal] that says where its events wait: path = …")
    if config.mqtt is None:
        raise ConfigError('a gateway needs a section [mqtt] that says where the broker is: url = "mqtt://host"')
    return config.journal, config.mqtt


def _first(group: BaseExceptionGroup[JournalError]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
