"""The whole chain in one process, with what an observer needs: simulated readers → gateways → broker → backend → page.

PostgreSQL is a process of its own, with fsync on. TCP, MQTT and SQL are real; gateway and backend are the programs that
are shipped, only the ingest service is watched.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import aiohttp

import backend.app
from backend.config import BackendConfig, HttpSettings
from backend.ingest.importing import import_csv
from backend.ingest.service import IngestService, IngestStats
from backend.live.routes import PATH
from backend.store.database import Database
from backend.store.migrate import migrate
from bench.restless import GTIN, TAGS, Handed, Key, RestlessTags
from gateway.app import GatewayStats, run_gateway
from gateway.config import GatewayConfig
from readers.read import to_us
from simulators.llrp.reader import SimulatedReader
from tallyman.embedded.broker import Broker
from tallyman.embedded.postgres import EmbeddedPostgres
from wire.ack import Ack
from wire.clock import Clock, SystemClock
from wire.events import Lost, Movement, ReceivedBatch

SITES = ("NORTH", "SOUTH")
READERS_PER_SITE = 2
ZONES = tuple(f"Z{number}" for number in range(1, 2 * READERS_PER_SITE + 1))
DECIDED_BY_A_READ = ("arrived", "moved")
"""A departure is decided by silence: no bytes bring it about."""

CATALOG = {
    "sites": "code,name,region,time_zone\n" + "".join(f"{site},{site.title()},,Asia/Jakarta\n" for site in SITES),
    "zones": "site,code,name,kind,parent\n" + "".join(f"{site},{zone},,storage,\n" for site in SITES for zone in ZONES),
    "skus": f"code,name,unit,gtin,gtin_quantity\nSOAP,Soap,each,{GTIN},1\n",
}


@dataclass(slots=True)
class Watch:
    """What is seen of movements on their way. Times by perf_counter, waits in milliseconds."""

    handed: Handed = field(default_factory=Handed)
    ingest: IngestStats = field(default_factory=IngestStats)
    row_ms: dict[Key, float] = field(default_factory=dict)
    page_ms: dict[Key, float] = field(default_factory=dict)
    judged_ms: list[float] = field(default_factory=list)
    carried_ms: list[float] = field(default_factory=list)

    def begin(self) -> None:
        """Note waits from now on."""
        self.handed.watching = True

    def end(self) -> None:
        """No more."""
        self.handed.watching = False
        self.handed.at_s.clear()

    def committed(self, message: ReceivedBatch, clock: Clock) -> None:
        """The rows of a batch are committed."""
        now_s, now = time.perf_counter(), clock.now()
        if not self.handed.watching:
            return
        for movement in (event for event in message.events if isinstance(event, Movement)):
            key = movement.epc, to_us(movement.observed_at)
            handed_s = self.handed.at_s.get(key)
            if handed_s is not None and movement.kind in DECIDED_BY_A_READ and key not in self.row_ms:
                self.row_ms[key] = (now_s - handed_s) * 1e3
                self.judged_ms.append((movement.decided_at - movement.observed_at).total_seconds() * 1e3)
                self.carried_ms.append((now - movement.decided_at).total_seconds() * 1e3)

    def shown(self, movements: list[dict[str, Any]]) -> None:
        """A page was told of movements."""
        now_s = time.perf_counter()
        for movement in movements if self.handed.watching else ():
            key = movement["epc"], to_us(datetime.fromisoformat(movement["observed_at"]))
            handed_s = self.handed.at_s.get(key)
            if handed_s is not None and movement["kind"] in DECIDED_BY_A_READ:
                self.page_ms.setdefault(key, (now_s - handed_s) * 1e3)


class WatchedIngest(IngestService):
    """The ingest service, and a note of when it had committed."""

    def __init__(self, database: Database, clock: Clock, watch: Watch) -> None:
        super().__init__(database, clock)
        self._watched_clock = clock
        self._watch = watch
        watch.ingest = self.stats

    async def apply(self, message: ReceivedBatch | Lost) -> Ack:
        """As the service does."""
        ack = await super().apply(message)
        if isinstance(message, ReceivedBatch):
            self._watch.committed(message, self._watched_clock)
        return ack


@dataclass(slots=True)
class Chain:
    """Everything up and inventorying."""

    database: Database
    clock: Clock
    configs: list[GatewayConfig]
    watch: Watch
    sources: list[RestlessTags]
    gateways: list[GatewayStats]

    @property
    def reorder_ms(self) -> int:
        """How long the judgement waits for reads that come out of order."""
        return self.configs[0].rules.reorder_ms


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Chain]:
    """Bring up the chain on an empty database, and take it down again."""
    clock, watch = SystemClock(), Watch()
    async with AsyncExitStack() as stack:
        dsn = (await stack.enter_async_context(EmbeddedPostgres(folder / "pg"))).dsn
        mqtt_url = (await stack.enter_async_context(Broker())).url
        await migrate(dsn, clock)
        database = await stack.enter_async_context(Database.open(dsn))
        for kind, text in CATALOG.items():
            await import_csv(database, clock, kind, text)
        sources: list[RestlessTags] = []
        configs = []
        for site in SITES:
            addresses = []
            for name in reader_names(site):
                sources.append(RestlessTags(1 + len(sources) * TAGS, watch.handed))
                reader = SimulatedReader(name, sources[-1], clock, 2)
                addresses.append(f"127.0.0.1:{await reader.start()}")
                stack.push_async_callback(reader.stop)
            configs.append(gateway_config(site, addresses, mqtt_url, folder / f"{site}.sqlite"))
        chain = Chain(database, clock, configs, watch, sources, [GatewayStats() for _ in SITES])
        end_gateways, end_backend = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            page = group.create_task(_page(await _backend(group, dsn, mqtt_url, chain, end_backend), watch))
            gateways = [
                group.create_task(run_gateway(config, clock, stop=end_gateways, stats=stats))
                for config, stats in zip(chain.configs, chain.gateways, strict=True)
            ]
            try:
                async with asyncio.timeout(30):
                    while sum(sum(stats.readers.values()) for stats in chain.gateways) < len(sources):
                        await asyncio.sleep(0.05)
                yield chain
            finally:
                page.cancel()
                end_gateways.set()
                await asyncio.wait(gateways)
                end_backend.set()


def reader_names(site: str) -> list[str]:
    """The readers of a site."""
    return [f"{site.lower()}-{number}" for number in range(1, READERS_PER_SITE + 1)]


def gateway_config(site: str, addresses: list[str], mqtt_url: str, journal: Path) -> GatewayConfig:
    """A gateway with two antennas a reader, each looking at a zone of its own."""
    readers = [
        {
            "name": name,
            "address": address,
            "antennas": [{"port": port, "zone": ZONES[2 * number + port - 1]} for port in (1, 2)],
        }
        for number, (name, address) in enumerate(zip(reader_names(site), addresses, strict=True))
    ]
    return GatewayConfig.model_validate(
        {
            "site": site,
            "gateway": f"{site.lower()}-gateway",
            "zones": [{"code": zone} for zone in ZONES],
            "readers": readers,
            "journal": {"path": str(journal)},
            "mqtt": {"url": mqtt_url},
        }
    )


async def _backend(group: asyncio.TaskGroup, dsn: str, mqtt_url: str, chain: Chain, stop: asyncio.Event) -> str:
    """Start the backend program; the URL of its page."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    config = BackendConfig(database_url=dsn, mqtt_url=mqtt_url, http=HttpSettings(port=0))
    with patch.object(backend.app, "IngestService", partial(WatchedIngest, watch=chain.watch)):
        group.create_task(backend.app.run_backend(config, chain.clock, stop=stop, ready=ready.set_result))
        return await ready


async def _page(url: str, watch: Watch) -> None:
    """A page that is open all the time."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url + PATH, max_msg_size=0) as socket:
        async for message in socket:
            told = json.loads(message.data)
            if told["type"] == "delta":
                watch.shown(told.get("movements", []))
