"""The demo's composition root: ground, stage, readers, gateways, backend, people; then the judgement.

    ground     PostgreSQL, broker, journals                                   ground.py
    stage      a world or a recording behind real LLRP readers                stage.py, evidence.py
    sites      a gateway for each site, its line to the broker, handhelds     sites.py
    backend    ingest, API and page                                           backend.app
    outcome    the database against the truth                                 compare.py, outcome.py

Acts: everything comes up in real time; the play runs at the wanted speed; the world comes to rest; late decisions
settle; readers stop, journals drain, the database is judged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
from rich.console import Console

from backend.app import run_backend
from backend.config import BackendConfig, HttpSettings
from backend.ingest.importing import import_csv
from backend.ingest.verify import verify
from backend.store.database import Database
from backend.store.migrate import migrate
from readers.read import to_us
from simulators.scenario import load
from tallyman.demo.compare import BalanceKey, balances
from tallyman.demo.evidence import EvidenceLog
from tallyman.demo.ground import Ground, prepared
from tallyman.demo.office import Clerks
from tallyman.demo.outcome import Outcome, judge, show, write
from tallyman.demo.pace import Pace
from tallyman.demo.paperwork import Paperwork, check_paperwork
from tallyman.demo.progress import LIVE_EVERY_S, Display, Progress
from tallyman.demo.sites import DemoSite, make_site, play_outages, play_scans
from tallyman.demo.stage import LiveStage, Stage, make_stage, opened
from tallyman.errors import DemoError
from wire.clock import ScaledClock

SETTLE_S: Final = 120.0
"""Time of the world in which late decisions fall once it stands still: no gateway waits longer before it tells a silent
tag absent (`window_max_ms`)."""

SETTLE_SPEED: Final = 4.0
"""It passes at least this fast: nobody looks on, and gateways wait for late reads as they do at speed 1 (sites.py)."""

DRAIN_TIMEOUT_S: Final = 60.0
"""Real seconds for the journals to drain at the end; the same bound holds after a crash."""

COME_UP_TIMEOUT_S: Final = 60.0
"""Real seconds for every reader, gateway and the backend to be up."""

LEAD_S: Final = 2.0
"""The world begins this long after its readers are made, so that the first reads are not missed."""


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """What the command line asks for. `for_s` are real seconds of play; None: until stopped."""

    scenario: str
    for_s: float | None
    speed: float
    seed: int
    headless: bool
    report: Path | None
    fresh: bool
    http_port: int
    data_dir: Path | None
    database_url: str | None
    mqtt_url: str | None
    recording: Path | None


async def run_demo(settings: DemoSettings, stop: asyncio.Event) -> int:
    """Run the demo until its time is over or `stop` is set; returns the exit code of its judgement."""
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(
            prepared(
                settings.data_dir,
                database_url=settings.database_url,
                mqtt_url=settings.mqtt_url,
                fresh=settings.fresh,
            )
        )
        if settings.database_url is None:
            told = f"for commands at another terminal: export TALLYMAN_DATABASE_URL='{ground.database_url}'"
            Console().print(told, highlight=False, markup=False, soft_wrap=True)
        demo = await _come_up(settings, ground, stack)
        return await demo.run(stop)


async def _come_up(settings: DemoSettings, ground: Ground, stack: AsyncExitStack) -> Demo:
    """Database, world and readers, in this order."""
    await migrate(ground.database_url, ScaledClock(datetime.now(UTC)))
    connection = await asyncpg.connect(ground.database_url)
    stack.push_async_callback(connection.close)
    clock = ScaledClock(await _start_time(connection))
    stage = make_stage(
        load(settings.scenario),
        seed=settings.seed,
        start_us=to_us(clock.now() + timedelta(seconds=LEAD_S)),
        recording=settings.recording,
    )
    database = await stack.enter_async_context(Database.open(ground.database_url))
    before = await balances(connection)
    if isinstance(stage, LiveStage) and stage.day is not None:
        stage.day.require_new(sku for _, _, sku, _, _ in before)
    for kind, text in stage.imports().items():
        await import_csv(database, clock, kind, text)
    log = EvidenceLog()
    addresses = await stack.enter_async_context(opened(stage, clock, log))
    sites = []
    for site in stage.scenario.sites:
        sites.append(await make_site(stage.scenario, site, addresses, ground.mqtt_url, ground.journals, settings.speed))
        stack.push_async_callback(sites[-1].line.stop)
    return Demo(settings, ground, clock, stage, sites, log, connection, database, before)


async def _start_time(connection: asyncpg.Connection[Any]) -> datetime:
    """Now, or just after the last event of an earlier run that ran faster than the clock on the wall."""
    last = await connection.fetchval("SELECT max(recorded_at) FROM movement")
    now = datetime.now(UTC)
    return now if last is None else max(now, last + timedelta(seconds=1))


@dataclass(slots=True)
class Demo:
    """Everything of one run."""

    settings: DemoSettings
    ground: Ground
    clock: ScaledClock
    stage: Stage
    sites: Sequence[DemoSite]
    log: EvidenceLog
    connection: asyncpg.Connection[Any]
    database: Database
    before: dict[BalanceKey, int]
    act: str = "coming up"
    achieved_speed: float = 0.0
    clerks: Clerks | None = None
    page: str = ""

    async def run(self, stop: asyncio.Event) -> int:
        """All acts, and the judgement."""
        end_backend, end_gateways = asyncio.Event(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            backend = group.create_task(self._backend(end_backend))
            gateways = [group.create_task(site.run(self.clock, end_gateways)) for site in self.sites]
            display = group.create_task(self._tell())
            pace = group.create_task(Pace(self.clock, self.sites, self._due).keep())
            try:
                await self._acts(stop)
                end_gateways.set()
                await asyncio.wait(gateways)
                outcome = await self._judgement()
            finally:
                end_gateways.set()
                end_backend.set()
                await asyncio.wait([backend])
                display.cancel()
                pace.cancel()
        show(outcome, Console())
        if self.settings.report is not None:
            write(outcome, self.settings.report)
        return outcome.exit_code

    async def _backend(self, stop: asyncio.Event) -> None:
        config = BackendConfig(
            database_url=self.ground.database_url,
            mqtt_url=self.ground.mqtt_url,
            http=HttpSettings(port=self.settings.http_port),
        )

        def ready(url: str) -> None:
            self.page = url

        await run_backend(config, self.clock, stop=stop, ready=ready)

    async def _acts(self, stop: asyncio.Event) -> None:
        """Come up, play, come to rest, settle, drain."""
        await self._until_up()
        self.act = "playing"
        self.clock.run_at(self.settings.speed)
        began, began_s = self.clock.now(), time.monotonic()
        await self._play(stop)
        self.achieved_speed = (self.clock.now() - began).total_seconds() / (time.monotonic() - began_s)
        self.act = "settling"
        self.clock.run_at(max(self.settings.speed, SETTLE_SPEED))
        await self.clock.sleep(SETTLE_S)
        self.act = "draining"
        await self._drain()

    def _due(self) -> datetime | None:
        """The world waits for clerks alone."""
        return None if self.clerks is None else self.clerks.due()

    async def _until_up(self) -> None:
        try:
            async with asyncio.timeout(COME_UP_TIMEOUT_S):
                while not (self.page and all(site.ready for site in self.sites)):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise DemoError(
                f"not everything came up within {COME_UP_TIMEOUT_S:.0f} s; run with -v to see why"
            ) from None

    async def _play(self, stop: asyncio.Event) -> None:
        """The play until its time is over, with outages and scans; then wait until the world stands still."""
        over, still = asyncio.Event(), asyncio.Event()
        by_code = {site.code: site for site in self.sites}
        async with asyncio.TaskGroup() as group:
            outages = group.create_task(play_outages(by_code, self.stage.outages, self.clock))
            ending = group.create_task(self._over_when(stop, over))
            if isinstance(self.stage, LiveStage):
                group.create_task(play_scans(self.stage.world, by_code, self.clock, still))
                day, dock = self.stage.day, self.stage.world.dock
                if day is not None and dock is not None:
                    self.clerks = Clerks(day, dock, self.clock)
                    group.create_task(self.clerks.play_dock(self.page, still))
                    group.create_task(self.clerks.play(self.page, by_code, over))
            await self.stage.play(self.clock, over)
            ending.cancel()
            self.act = "coming to rest"
            await self.stage.settle(self.clock)
            still.set()
            outages.cancel()

    async def _paperwork(self) -> Paperwork:
        if self.clerks is None:
            return Paperwork()
        async with aiohttp.ClientSession(self.page) as api:
            return await check_paperwork(api, self.clerks)

    async def _over_when(self, stop: asyncio.Event, over: asyncio.Event) -> None:
        """The play is over when stopped, or after its time."""
        try:
            async with asyncio.timeout(self.settings.for_s):
                await stop.wait()
        except TimeoutError:
            pass
        over.set()

    async def _drain(self) -> None:
        """Until the backend has confirmed every event that a journal holds, or the time for it is up."""
        deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
        while any(site.stats.backlog for site in self.sites) and time.monotonic() < deadline_s:
            await asyncio.sleep(0.05)

    async def _judgement(self) -> Outcome:
        comparison, journals, crossings = await judge(self.connection, self.stage, self.sites, self.before, self.log)
        findings = [str(finding) for finding in await verify(self.database)]
        return Outcome(
            scenario=self.stage.scenario.name,
            seed=self.settings.seed,
            speed=self.settings.speed,
            achieved_speed=round(self.achieved_speed, 2),
            reads=self.log.reads,
            tags_read=self.log.tags,
            late_reads=sum(site.stats.late for site in self.sites),
            movements=sum(site.stats.movements for site in self.sites),
            applied=await self._applied(),
            quarantined=await self._quarantined(),
            comparison=comparison,
            journals=journals,
            findings=findings,
            crossings=crossings,
            paperwork=await self._paperwork(),
        )

    async def _applied(self) -> int:
        """Events behind this run's cursors."""
        value = await self.connection.fetchval(
            "SELECT coalesce(sum(through), 0)::bigint FROM ingest_cursor WHERE (gateway, epoch) IN "
            "(SELECT * FROM unnest($1::text[], $2::text[]))",
            [site.config.gateway for site in self.sites],
            [site.stats.epoch for site in self.sites],
        )
        return int(value)

    async def _quarantined(self) -> int:
        return int(await self.connection.fetchval("SELECT count(*) FROM quarantine WHERE state = 'open'"))

    async def _tell(self) -> None:
        """Show the progress until cancelled."""
        began_s, reads = time.monotonic(), 0
        own = await asyncpg.connect(self.ground.database_url)
        try:
            with Display(Console(), headless=self.settings.headless) as display:
                while True:
                    before, reads = reads, self.log.reads
                    display.show(
                        Progress(
                            act=self.act,
                            elapsed_s=time.monotonic() - began_s,
                            reads=reads,
                            reads_per_s=(reads - before) / LIVE_EVERY_S,
                            movements=sum(site.stats.movements for site in self.sites),
                            backlog=sum(site.stats.backlog for site in self.sites),
                            applied=int(await own.fetchval("SELECT coalesce(sum(through), 0) FROM ingest_cursor")),
                            quarantined=int(await own.fetchval("SELECT count(*) FROM quarantine WHERE state = 'open'")),
                            sites_down=tuple(site.code for site in self.sites if site.line.refusing),
                            page=self.page,
                        )
                    )
                    await asyncio.sleep(LIVE_EVERY_S)
        finally:
            await own.close()
