"""What is played: a world that moves by itself, or a recording. Both stand behind real LLRP readers on loopback."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

from readers.read import to_us
from simulators.catalog_files import catalog_files, stock_files
from simulators.gateway_files import reader_name
from simulators.llrp.fault_plan import play_faults
from simulators.llrp.models import ReaderModel
from simulators.llrp.reader import SimulatedReader
from simulators.office import OfficeDay
from simulators.recorded import RecordedSource, registered
from simulators.scenario import Scenario
from simulators.sighting import TagSource
from simulators.tag_memory import TagMemories
from simulators.ticker import Ticker
from simulators.world import Outage, World
from tallyman.demo.compare import BalanceKey, Place
from tallyman.demo.evidence import EvidenceLog, Witnessed
from tallyman.errors import DemoError
from wire.clock import Clock

WORLD_STEP_S: Final = 0.1
"""Real seconds between two looks at the world; its readers move it on anyway as they ask."""


class Stage(Protocol):
    """A play and its readers."""

    scenario: Scenario
    source: TagSource

    @property
    def antennas(self) -> Mapping[str, frozenset[int]]:
        """Reader name → its antenna ports."""

    @property
    def outages(self) -> tuple[Outage, ...]:
        """When which site's line is down."""

    def imports(self) -> Mapping[str, str]:
        """Kind of import → CSV text, in the order in which they must be taken."""

    async def play(self, clock: Clock, stop: asyncio.Event) -> None:
        """Go on until `stop` is set or the play is over."""

    async def settle(self, clock: Clock) -> None:
        """Let what is under way end, so that the world stands still."""

    def places(self) -> dict[bytes, Place] | None:
        """Where everything really is; None where nobody knows."""

    def balances(self) -> dict[BalanceKey, int]:
        """What stock really stands where."""


class LiveStage:
    """A simulated world, and the office work beside it where the scenario has any."""

    def __init__(self, world: World) -> None:
        self.scenario = world.scenario
        self.source: TagSource = world
        self.world = world
        office = world.scenario.office
        self.day = None if office is None else OfficeDay(world.scenario, office, world.seed, world.start_us)

    @property
    def antennas(self) -> Mapping[str, frozenset[int]]:
        """Reader name → its antenna ports."""
        return {reader.name: reader.antennas for reader in self.world.readers}

    @property
    def outages(self) -> tuple[Outage, ...]:
        """As the scenario tells."""
        return self.world.outages

    def imports(self) -> Mapping[str, str]:
        """Catalog, announced receipts and opening stock of the world."""
        return {**catalog_files(self.scenario), **stock_files(self.world)}

    async def play(self, clock: Clock, stop: asyncio.Event) -> None:
        """Let people work until stopped."""
        while not stop.is_set():
            self.world.advance(to_us(clock.now()))
            await asyncio.sleep(WORLD_STEP_S)

    async def settle(self, clock: Clock) -> None:
        """Nobody begins anything new; wait until the last load is set down."""
        self.world.quiesce()
        while not self.world.standing_still:
            self.world.advance(to_us(clock.now()))
            await asyncio.sleep(WORLD_STEP_S)

    def places(self) -> dict[bytes, Place] | None:
        """The world's own record."""
        return {bytes.fromhex(epc): place for epc, place in self.world.truth.places().items()}

    def balances(self) -> dict[BalanceKey, int]:
        """The world's own record, and the office's. Their goods differ, so no key is in both."""
        return self.world.truth.balances() | ({} if self.day is None else self.day.books.balances())


class RecordedStage:
    """A recorded dock door, each read served once."""

    def __init__(self, scenario: Scenario, recording: Path) -> None:
        self.scenario = scenario
        site = scenario.sites[0]
        self._reader = reader_name(site, scenario.plan_of(site).readers[0].name)
        self.recorded = RecordedSource(recording, self._reader)
        self.source: TagSource = self.recorded

    @property
    def antennas(self) -> Mapping[str, frozenset[int]]:
        """The ports of the recording."""
        return {self._reader: self.recorded.antennas}

    @property
    def outages(self) -> tuple[Outage, ...]:
        """None: a recording has only reads."""
        return ()

    def imports(self) -> Mapping[str, str]:
        """Every tag of the recording as one SKU, inside the door."""
        return {**catalog_files(self.scenario), "opening-stock": registered(self.recorded, self.scenario)}

    async def play(self, clock: Clock, stop: asyncio.Event) -> None:
        """Until every read was served."""
        del clock  # the reader's asking moves the tape
        while not stop.is_set() and not self.recorded.finished:
            await asyncio.sleep(WORLD_STEP_S)

    async def settle(self, clock: Clock) -> None:
        """Nothing to wait for."""
        del clock

    def places(self) -> dict[bytes, Place] | None:
        """Nobody wrote down where each tag ended."""
        return None

    def balances(self) -> dict[BalanceKey, int]:
        """Nobody wrote it down."""
        return {}


def make_stage(scenario: Scenario, *, seed: int, start_us: int, recording: Path | None) -> Stage:
    """The stage for a scenario. Raises DemoError when a recording is needed and none is given, or given in vain."""
    if scenario.name == "recorded":
        if recording is None:
            raise DemoError("--scenario recorded needs --recording FILE, the reads to serve")
        return RecordedStage(scenario, recording)
    if recording is not None:
        raise DemoError(f"--recording goes with --scenario recorded, not with {scenario.name}")
    return LiveStage(World(scenario, seed, start_us))


@asynccontextmanager
async def opened(
    stage: Stage,
    clock: Clock,
    log: EvidenceLog,
    model: ReaderModel | None = None,
    host: str = "127.0.0.1",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[dict[str, str]]:
    """Serve every reader of a stage over LLRP, with the faults its scenario plans; yields reader name → `host:port`."""
    witnessed, memories, ticker = Witnessed(stage.source, log), TagMemories(), Ticker(clock)
    async with AsyncExitStack() as stack:
        addresses, readers = {}, {}
        for name, antennas in stage.antennas.items():
            reader = SimulatedReader(name, witnessed, clock, max(antennas), model, ticker=ticker, memories=memories)
            port = await reader.start(host, tls=tls)
            stack.push_async_callback(reader.stop)
            addresses[name], readers[name] = f"{host}:{port}", reader
        faults = asyncio.create_task(play_faults(stage.scenario.faults, readers, clock), name="faults of readers")
        stack.callback(faults.cancel)
        yield addresses
