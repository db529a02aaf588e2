"""`tallyman simulate`: readers on printed addresses, for a gateway or a client of the engineer's own: those of a
scenario, or many without one, each with a steady stream of tags. They speak LLRP, or publish as an R700 or Zebra does.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from rich.console import Console
from rich.table import Table

from readers.read import to_us
from simulators.catalog_files import catalog_files, stock_files
from simulators.gateway_files import gateway_settings, to_toml
from simulators.llrp.models import DEFAULT_MODEL, load_model
from simulators.llrp.reader import SimulatedReader
from simulators.llrp.steady import SteadyTags
from simulators.r700 import SimulatedR700
from simulators.scenario import Scenario, load
from simulators.sighting import TagSource
from simulators.tag_memory import TagMemories
from simulators.ticker import Ticker
from simulators.world import World
from simulators.zebra import SimulatedZebra
from tallyman.demo.evidence import EvidenceLog
from tallyman.demo.stage import LiveStage, opened
from tallyman.errors import SimulateError
from wire.clock import Clock, ScaledClock, SystemClock
from wire.mqtt import MqttLink

DEFAULT_BROKER = "mqtt://127.0.0.1:1883"
"""Written into the gateway files; an engineer puts in the broker's real address."""

PARTS: Final = 5
"""Many readers take turns within a slice, so that their reports do not come all at once."""


Interface = Literal["llrp", "r700", "zebra"]


@dataclass(frozen=True, slots=True)
class Serving:
    """How readers are served: through which interface, on which address, as which model of LLRP reader, with TLS if
    there is a certificate; the broker that Zebra readers publish to; and how the list of addresses is printed.
    """

    interface: Interface = "llrp"
    mqtt_url: str | None = None
    host: str = "127.0.0.1"
    first_port: int = 0
    model: str = DEFAULT_MODEL
    tls: Path | None = None
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """Many readers without a scenario: each sees `tags` tags of its own, `rate_hz` reads a second altogether; a report
    holds `report_every_n` tags, or as many as the client asks for.
    """

    readers: int
    tags: int = 200
    rate_hz: float = 200.0
    report_every_n: int | None = None


async def run_simulation(
    scenario_name: str, speed: float, seed: int, files: Path | None, serving: Serving, stop: asyncio.Event
) -> int:
    """Serve a scenario's readers until stopped. With `files`, also write a gateway.toml for each site and the catalog
    as CSV there.
    """
    scenario = load(scenario_name)
    clock = ScaledClock(datetime.now(UTC), speed)
    stage = LiveStage(World(scenario, seed, to_us(clock.now())))
    async with AsyncExitStack() as stack:
        if serving.interface == "llrp":
            model, tls = load_model(serving.model), tls_context(serving.tls)
            served = opened(stage, clock, EvidenceLog(), model, serving.host, tls)
            with can_listen(serving.host):
                addresses = await stack.enter_async_context(served)
        else:
            readers = {name: (stage.source, max(antennas)) for name, antennas in stage.antennas.items()}
            with can_listen(serving.host):
                addresses = await open_publishers(readers, serving, clock, stack)
        if files is not None:
            await asyncio.to_thread(write_files, stage.world, scenario, addresses, files)
        if serving.as_json:
            _print_json(addresses)
        else:
            _print(stage.world, addresses)
        await stage.play(clock, stop)
    return 0


async def run_load(load: Load, serving: Serving, stop: asyncio.Event) -> int:
    """Serve many readers with steady tags until stopped; LLRP readers then say how many reads they reported."""
    readers: list[SimulatedReader] = []
    async with AsyncExitStack() as stack:
        with can_listen(serving.host):
            addresses = await open_load(load, serving, SystemClock(), stack, readers)
        if serving.as_json:
            _print_json(addresses)
        else:
            for name, address in addresses.items():
                print(f"{address}  {name}", flush=True)
        await stop.wait()
    if readers and serving.as_json:
        print(json.dumps({"reported": sum(reader.reported for reader in readers)}), flush=True)
    return 0


@contextmanager
def can_listen(host: str) -> Iterator[None]:
    """Raises SimulateError where the block cannot listen on the host, or on one of its ports."""
    try:
        yield
    except (OSError, OverflowError) as error:
        raise SimulateError(f"cannot listen on {host}: {error}; choose another --host or --first-port") from error


async def open_load(
    load: Load, serving: Serving, clock: Clock, stack: AsyncExitStack, started: list[SimulatedReader]
) -> dict[str, str]:
    """Start the readers of a load, LLRP readers also into `started`; reader name → address. The stack ends them."""
    model, tls, ticker = load_model(serving.model), tls_context(serving.tls), Ticker(clock, PARTS)
    sources = {
        f"reader-{number + 1:03}": SteadyTags(load.tags, load.rate_hz, model.antennas, number * load.tags)
        for number in range(load.readers)
    }
    if serving.interface != "llrp":
        readers: dict[str, tuple[TagSource, int]] = {name: (tags, tags.antennas) for name, tags in sources.items()}
        return await open_publishers(readers, serving, clock, stack)
    addresses = {}
    for number, (name, tags) in enumerate(sources.items()):
        every_n = load.report_every_n
        reader = SimulatedReader(name, tags, clock, model.antennas, model, ticker=ticker, report_every_n=every_n)
        port = await reader.start(serving.host, serving.first_port and serving.first_port + number, tls)
        stack.push_async_callback(reader.stop)
        started.append(reader)
        addresses[name] = f"{serving.host}:{port}"
    return addresses


async def open_publishers(
    readers: Mapping[str, tuple[TagSource, int]], serving: Serving, clock: Clock, stack: AsyncExitStack
) -> dict[str, str]:
    """Start readers that publish by themselves; reader name → where its events are. Zebra readers inventory at once,
    an R700 when its preset is started. Raises SimulateError for Zebra readers without a broker.
    """
    ticker, memories, addresses = Ticker(clock, PARTS), TagMemories(), {}
    for name, (source, antennas) in readers.items():
        if serving.interface == "r700":
            reader = SimulatedR700(name, source, clock, antennas, ticker=ticker, memories=memories)
            port = await reader.start(serving.host)
            stack.push_async_callback(reader.stop)
            addresses[name] = f"http://{serving.host}:{port}"
        else:
            if serving.mqtt_url is None:
                raise SimulateError("Zebra readers publish to a broker: give --mqtt-url")
            link = MqttLink(serving.mqtt_url, f"simulated-{name}")
            zebra = SimulatedZebra(name, source, clock, link, antennas, ticker=ticker, memories=memories)
            await stack.enter_async_context(link)
            await stack.enter_async_context(zebra)
            zebra.switch(True)
            addresses[name] = f"{link.broker} zebra/{name}/data"
    return addresses


def tls_context(certificate: Path | None) -> ssl.SSLContext | None:
    """A server's context from a PEM file with a certificate and its key; None for None. Raises SimulateError."""
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate)
    except (OSError, ssl.SSLError) as error:
        raise SimulateError(f"{certificate}: not a PEM file with a certificate and its key: {error}") from error
    return context


def write_files(world: World, scenario: Scenario, addresses: Mapping[str, str], folder: Path) -> None:
    """A gateway.toml for each site, and what the backend must import, as files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for site in scenario.sites:
        settings = gateway_settings(
            scenario, site, addresses, mqtt_url=DEFAULT_BROKER, journal=Path(f"{site.code.lower()}.sqlite3")
        )
        (folder / f"{site.code.lower()}.gateway.toml").write_text(to_toml(settings), encoding="utf-8")
    for kind, text in {**catalog_files(scenario), **stock_files(world)}.items():
        (folder / f"{kind}.csv").write_text(text, encoding="utf-8")


def _print(world: World, addresses: Mapping[str, str]) -> None:
    table = Table("site", "reader", "kind", "antennas", "address", title=f"Readers of {world.scenario.name}")
    for reader in world.readers:
        ports = ", ".join(str(port) for port in sorted(reader.antennas))
        table.add_row(reader.site, reader.name, reader.kind, ports, addresses[reader.name])
    Console().print(table)


def _print_json(addresses: Mapping[str, str]) -> None:
    print(json.dumps(addresses), flush=True)
