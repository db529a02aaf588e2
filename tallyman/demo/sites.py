"""The sites of a demo: each with its gateway, its line to the broker (which can fail), and its people's handhelds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.app import GatewayStats, run_gateway
from gateway.config import GatewayConfig, Rules
from readers.read import to_us
from simulators.faults import FaultProxy
from simulators.gateway_files import gateway_name, gateway_settings
from simulators.scanner import Handheld
from simulators.scenario import Scenario, Site
from simulators.world import Outage, World
from wire.clock import Clock
from wire.mqtt import MqttLink

logger = logging.getLogger(__name__)

REORDER_MS_PER_SPEED: Final = 40
"""A simulated reader serves slices of 20 real milliseconds at least; at high speeds they are long in the world's time,
and reads come that much later after their instant. Beyond that the world waits (pace.py)."""

SCAN_STEP_S: Final = 0.1
"""Real seconds between two looks at what people have scanned."""


@dataclass(slots=True)
class DemoSite:
    """One site's gateway and the line it shares with its handhelds."""

    code: str
    line: FaultProxy
    mqtt_url: str
    config: GatewayConfig
    stats: GatewayStats

    @property
    def journal(self) -> Path:
        """The gateway's journal file."""
        assert self.config.journal is not None
        return self.config.journal.path

    @property
    def ready(self) -> bool:
        """Whether every reader of the site is inventorying."""
        return sum(self.stats.readers.values()) == len(self.config.readers)

    async def run(self, clock: Clock, stop: asyncio.Event) -> None:
        """The gateway until stopped."""
        await run_gateway(self.config, clock, stop=stop, stats=self.stats)


async def make_site(
    scenario: Scenario, site: Site, addresses: Mapping[str, str], broker_url: str, journals: Path, speed: float
) -> DemoSite:
    """A site behind a line of its own to the broker. The caller closes the line."""
    broker = urlsplit(broker_url)
    line = FaultProxy(broker.hostname or "127.0.0.1", broker.port or 1883)
    port = await line.start()
    credentials = broker.netloc.rpartition("@")[0]
    url = f"mqtt://{credentials + '@' if credentials else ''}127.0.0.1:{port}"
    settings = gateway_settings(
        scenario, site, addresses, mqtt_url=url, journal=journals / f"{gateway_name(site)}.sqlite3"
    )
    settings["rules"] = {"reorder_ms": max(Rules().reorder_ms, round(REORDER_MS_PER_SPEED * speed))}
    return DemoSite(site.code, line, url, GatewayConfig.model_validate(settings), GatewayStats())


async def play_outages(sites: Mapping[str, DemoSite], outages: tuple[Outage, ...], clock: Clock) -> None:
    """Cut and heal the sites' lines when the scenario says so; a line that is down when this is cancelled is healed."""

    async def one(outage: Outage) -> None:
        line = sites[outage.site].line
        await clock.sleep((outage.from_us - to_us(clock.now())) / 1e6)
        line.refuse()
        logger.info("the line of %s is down", outage.site)
        try:
            await clock.sleep((outage.to_us - to_us(clock.now())) / 1e6)
        finally:
            line.heal()
            logger.info("the line of %s is back", outage.site)

    async with asyncio.TaskGroup() as group:
        for outage in outages:
            group.create_task(one(outage))


async def play_scans(world: World, sites: Mapping[str, DemoSite], clock: Clock, stop: asyncio.Event) -> None:
    """Let people's handhelds publish what they scan, each over its site's line; ends when every scan was heard."""
    links = {
        (site, device): MqttLink(sites[site].mqtt_url, f"handheld-{site}-{device}") for site, device in world.devices
    }
    handhelds = {key: Handheld(link, *key) for key, link in links.items()}
    async with asyncio.TaskGroup() as group:
        for link in links.values():
            await link.__aenter__()
        try:
            while not stop.is_set():
                for scan in world.scans_due(to_us(clock.now())):
                    group.create_task(handhelds[scan.site, scan.device].scan(scan.request))
                await asyncio.sleep(SCAN_STEP_S)
            while any(handheld.waiting for handheld in handhelds.values()):
                await asyncio.sleep(SCAN_STEP_S)
        finally:
            for link in links.values():
                await link.__aexit__(None, None, None)
