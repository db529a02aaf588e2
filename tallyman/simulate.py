"""`tallyman simulate`: a scenario's LLRP readers on printed ports, for a gateway of the engineer's own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from readers.read import to_us
from simulators.catalog_files import catalog_files, stock_files
from simulators.gateway_files import gateway_settings, to_toml
from simulators.scenario import Scenario, load
from simulators.world import World
from tallyman.demo.evidence import EvidenceLog
from tallyman.demo.stage import LiveStage, opened
from wire.clock import ScaledClock

DEFAULT_BROKER = "mqtt://127.0.0.1:1883"
"""Written into the gateway files; an engineer puts in the broker's real address."""


async def run_simulation(scenario_name: str, speed: float, seed: int, files: Path | None, stop: asyncio.Event) -> int:
    """Serve until stopped. With `files`, also write a gateway.toml for each site and the catalog as CSV there."""
    scenario = load(scenario_name)
    clock = ScaledClock(datetime.now(UTC), speed)
    stage = LiveStage(World(scenario, seed, to_us(clock.now())))
    async with opened(stage, clock, EvidenceLog()) as addresses:
        if files is not None:
            await asyncio.to_thread(write_files, stage.world, scenario, addresses, files)
        _print(stage.world, addresses)
        await stage.play(clock, stop)
    return 0


def write_files(world: World, scenario: Scenario, addresses: dict[str, str], folder: Path) -> None:
    """A gateway.toml for each site, and what the backend must import, as files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for site in scenario.sites:
        settings = gateway_settings(
            scenario, site, addresses, mqtt_url=DEFAULT_BROKER, journal=Path(f"{site.code.lower()}.sqlite3")
        )
        (folder / f"{site.code.lower()}.gateway.toml").write_text(to_toml(settings), encoding="utf-8")
    for kind, text in {**catalog_files(scenario), **stock_files(world)}.items():
        (folder / f"{kind}.csv").write_text(text, encoding="utf-8")


def _print(world: World, addresses: dict[str, str]) -> None:
    table = Table("site", "reader", "kind", "antennas", "LLRP address", title=f"Readers of {world.scenario.name}")
    for reader in world.readers:
        ports = ", ".join(str(port) for port in sorted(reader.antennas))
        table.add_row(reader.site, reader.name, reader.kind, ports, addresses[reader.name])
    Console().print(table)
