"""The whole chain as real processes: a gateway, a broker, a backend and PostgreSQL, fed by a simulated LLRP reader.

The reader runs in the test's own process: it is the world, and the world does not crash.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import asyncpg

from readers.read import to_us
from simulators.gateway_files import to_toml
from simulators.llrp.reader import SimulatedReader
from tallyman.embedded.postgres import EmbeddedPostgres
from tests.crash.hopping import GTIN, HoppingTags
from tests.crash.programs import POLL_S, Journal, Position, Program, run, run_tallyman
from tests.ports import free_port
from wire.clock import SystemClock

SITE = "JKT"
GATEWAY = "jkt-gateway"
READER = "jkt-ceiling"
ZONES = ("A", "B")

CATALOG = {
    "sites": f"code,name,region,time_zone\n{SITE},Jakarta,,Asia/Jakarta\n",
    "zones": "site,code,name,kind,parent\n" + "".join(f"{SITE},{zone},,storage,\n" for zone in ZONES),
    "skus": f"code,name,unit,gtin,gtin_quantity\nSOAP,Soap,each,{GTIN},1\n",
}


class Stack:
    """Starts, kills and looks into the chain. Paths are short: sockets have little room for them."""

    def __init__(self, folder: Path, tags: int) -> None:
        self.folder = folder
        self.clock = SystemClock()
        self.tags = HoppingTags(tags)
        self.postgres = EmbeddedPostgres(folder / "pg")
        self.journal = Journal(folder / "journal.sqlite")
        self._reader = SimulatedReader(READER, self.tags, self.clock, len(ZONES))
        broker_port = free_port()
        self._mqtt_url = f"mqtt://127.0.0.1:{broker_port}"
        self.broker = Program("broker", ["broker", "--port", str(broker_port)], folder)
        self.gateway = Program("gateway", ["gateway", "--config", str(folder / "gateway.toml")], folder)
        self.backend = Program("backend", ["backend", "--config", str(folder / "backend.toml")], folder)
        self.dsn = ""

    @property
    def programs(self) -> list[Program]:
        """What runs beside PostgreSQL."""
        return [self.broker, self.backend, self.gateway]

    async def start(self) -> None:
        """Everything up, the catalog imported, tags hopping."""
        self.dsn = await self.postgres.start()
        await self._tallyman("migrate")
        for kind, text in CATALOG.items():
            file = self.folder / f"{kind}.csv"
            file.write_text(text)
            await self._tallyman("import", kind, str(file))
        reader_port = await self._reader.start()
        (self.folder / "gateway.toml").write_text(to_toml(self._gateway_settings(reader_port)))
        (self.folder / "backend.toml").write_text(
            to_toml({"database_url": self.dsn, "mqtt_url": self._mqtt_url, "http": {"port": 0}})
        )
        for program in self.programs:
            program.start()

    async def stop(self) -> None:
        """Everything down, whatever state it is in."""
        for program in self.programs:
            program.kill()
        await self._reader.stop()
        await self.postgres.stop()

    def check(self) -> None:
        """Fail when something ended that nobody killed."""
        for program in self.programs:
            program.check()

    def freeze(self) -> None:
        """The tags stay where they are from now on."""
        self.tags.freeze(to_us(self.clock.now()))

    async def kill_postgres(self) -> None:
        """kill -9 to the server's first process; its workers leave by themselves."""
        os.kill(self.postgres.pid, signal.SIGKILL)
        await self.postgres.stop()

    async def copy_database(self) -> None:
        """Keep a copy of the data as it is now. Leaves the server stopped."""
        await self._settle()
        await run("cp", "-a", str(self._cluster), str(self.folder / "older"))

    async def restore_database(self) -> None:
        """Put the older copy in place and name it a new store, as an operator would. Leaves the server running."""
        await self._settle()
        shutil.rmtree(self._cluster)
        (self.folder / "older").rename(self._cluster)
        await self.postgres.start()
        await self._tallyman("migrate", "--new-store")

    @property
    def _cluster(self) -> Path:
        return self.postgres.data_dir / "pgdata"

    async def _settle(self) -> None:
        # A killed server's workers may write a moment longer; a start and a stop leave nobody.
        await self.postgres.start()
        await self.postgres.stop()

    async def journal_reaches(self, events: int, within_s: float) -> Position:
        """Wait until the journal gave out so many numbers."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            position = self.journal.position()
            if position is not None and position.end >= events:
                return position
            self.check()
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"the journal does not reach {events} events: {position}\n{self.story()}")
            await asyncio.sleep(POLL_S)

    async def something_in_flight(self, within_s: float) -> Position:
        """Wait until some of the journal's events are not acknowledged."""
        deadline = asyncio.get_running_loop().time() + within_s
        while True:
            position = self.journal.position()
            if position is not None and position.unacknowledged:
                return position
            assert asyncio.get_running_loop().time() < deadline, f"nothing is in flight\n{self.story()}"
            await asyncio.sleep(0)

    async def drained(self, still_s: float, within_s: float) -> Position:
        """Wait until everything is acknowledged and nothing new came for `still_s`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        last, since = self.journal.position(), loop.time()
        while True:
            position = self.journal.position()
            assert position is not None
            if position != last or position.unacknowledged:
                last, since = position, loop.time()
            elif loop.time() - since >= still_s:
                return position
            self.check()
            if loop.time() > deadline:
                raise AssertionError(f"not drained within {within_s:g} s: {position}\n{self.story()}")
            await asyncio.sleep(POLL_S)

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Rows of the database."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def verify(self) -> tuple[int, str]:
        """`tallyman verify`: exit code and output."""
        return await run_tallyman("verify", "--database-url", self.dsn)

    def story(self) -> str:
        """What the programs logged last, and what they were doing."""
        for program in self.programs:
            program.confess()
        return "\n".join(f"--- {program.name}\n{program.said()}" for program in self.programs)

    async def _tallyman(self, *arguments: str) -> None:
        code, output = await run_tallyman(*arguments, "--database-url", self.dsn)
        assert code == 0, output

    def _gateway_settings(self, reader_port: int) -> dict[str, Any]:
        antennas = [{"port": port, "zone": zone} for port, zone in enumerate(ZONES, 1)]
        return {
            "site": SITE,
            "gateway": GATEWAY,
            "zones": [{"code": zone} for zone in ZONES],
            "readers": [{"name": READER, "address": f"127.0.0.1:{reader_port}", "antennas": antennas}],
            "journal": {"path": str(self.folder / "journal.sqlite")},
            "mqtt": {"url": self._mqtt_url, "retry_s": 0.5, "retry_max_s": 4.0},
        }


def decoded(events: dict[int, bytes]) -> dict[int, dict[str, Any]]:
    """The journal's events as values."""
    return {seq: json.loads(payload) for seq, payload in events.items()}
