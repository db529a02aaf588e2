"""Live readers for a person at a terminal: those of a gateway's configuration, or one named on the command line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.config import GatewayConfig, load
from readers.driver import Deliver, ReaderSettings, find_driver
from readers.read import EpcTable
from tallyman.errors import SourceError
from wire.clock import Clock


@dataclass(frozen=True, slots=True)
class Attached:
    """A reader and the driver that speaks to it."""

    driver: str
    settings: ReaderSettings


def chosen(config: Path | None, reader: str | None, address: str | None, driver: str, antennas: str) -> list[Attached]:
    """The readers of a gateway.toml, one of them by name, or the one at an address.

    `antennas` is a list of ports with commas, for an address. Raises SourceError when it is not clear which is meant,
    ConfigError for a configuration that cannot be read.
    """
    if (config is None) == (address is None):
        raise SourceError("say where the reads come from: either --config gateway.toml or --address host[:port]")
    if config is None:
        assert address is not None
        try:
            ports = tuple(sorted({int(port) for port in antennas.split(",")}))
        except ValueError as error:
            raise SourceError(f"--antennas {antennas}: give ports with commas, such as 1,2,3,4") from error
        return [Attached(driver, ReaderSettings(reader or address, address, ports))]
    found = [one for one in readers_of(load(config)) if reader in (None, one.settings.name)]
    if not found:
        raise SourceError(f"{config} has no reader" + ("" if reader is None else f" {reader!r}"))
    return found


def readers_of(config: GatewayConfig) -> list[Attached]:
    """The readers of a gateway's configuration."""
    return [
        Attached(
            one.driver,
            ReaderSettings(one.name, one.address, tuple(antenna.port for antenna in one.antennas), one.options),
        )
        for one in config.readers
    ]


@asynccontextmanager
async def attached(readers: Sequence[Attached], epcs: EpcTable, clock: Clock, deliver: Deliver) -> AsyncIterator[None]:
    """Drive the readers while the block runs, then let go of them cleanly. Raises what a driver refuses."""
    async with asyncio.TaskGroup() as group:
        driving = [
            group.create_task(find_driver(one.driver)(one.settings, epcs, clock, deliver).run()) for one in readers
        ]
        try:
            yield
        finally:
            for task in driving:
                task.cancel()
