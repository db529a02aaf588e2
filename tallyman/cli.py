"""The command line. Imports lazily, so the edge box runs without the backend's packages; says which extra is missing.

Every command ends with exit code 0 when it did what it was asked, 1 when it found something wrong, 2 when it could not
be asked that way.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from tallyman.clerk import (
    alerts,
    channels,
    counts,
    departures,
    documents,
    doors,
    history,
    orders,
    quarantine,
    returns,
)
from tallyman.program import DatabaseOption, required, room, run

app = typer.Typer(
    name="tallyman",
    help="RFID inventory pipeline: readers at the dock to exact stock in PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigOption = Annotated[Path, typer.Option("--config", help="The program's TOML file.")]
ReadersConfigOption = Annotated[Path | None, typer.Option("--config", help="The readers of a gateway.toml.")]
ReaderOption = Annotated[str | None, typer.Option(help="One reader of --config, or a name for --address.")]
AddressOption = Annotated[str | None, typer.Option(help="A reader without a configuration: host or host:port.")]
DriverOption = Annotated[str, typer.Option(help="Of the reader at --address.")]
AntennasOption = Annotated[str, typer.Option(help="Ports of the reader at --address, with commas.")]
ForOption = Annotated[float | None, typer.Option("--for", min=0.1, help="Seconds; else until Ctrl-C.")]
RecordingArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A recording: .tape or .csv.")]


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
    run(lambda _stop: module.migrate(required(database_url), new_store=new_store))


@app.command()
def verify(database_url: DatabaseOption = None) -> None:
    """Prove that balances, places and cursors follow from postings and events; name what differs."""
    module = room("tallyman.database")
    run(lambda _stop: module.verify(required(database_url)))


@app.command("import")
def import_csv(
    kind: Annotated[str, typer.Argument(help="sites, zones, portals, skus, lots, receipts or opening-stock.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file.")],
    database_url: DatabaseOption = None,
) -> None:
    """Import a CSV file: all of it, or none of it and a list of what is wrong in which line."""
    module = room("tallyman.database")
    run(lambda _stop: module.import_file(required(database_url), kind, file))


@app.command("export")
def export_csv(
    kind: Annotated[str, typer.Argument(help="sites, zones, portals, skus or lots.")],
    file: Annotated[Path | None, typer.Argument(dir_okay=False, help="Where to; the terminal without.")] = None,
    database_url: DatabaseOption = None,
) -> None:
    """Write the catalog as a CSV file that can be imported again."""
    module = room("tallyman.database")
    run(lambda _stop: module.export_file(required(database_url), kind, file))


@app.command()
def stock(
    site: Annotated[str | None, typer.Option(help="One site; all without.")] = None,
    zone: Annotated[str | None, typer.Option(help="A zone's code; a virtual one too, such as in_transit.")] = None,
    sku: Annotated[str | None, typer.Option(help="One SKU.")] = None,
    as_of: Annotated[str | None, typer.Option(help="At a past instant, as 2026-03-01T18:00+07:00.")] = None,
    group: Annotated[str, typer.Option(help="What to tell apart.")] = "site,zone,sku,lot,condition",
    database_url: DatabaseOption = None,
) -> None:
    """Write units in stock as CSV, now or as they were at a past instant, late events included."""
    module = room("tallyman.stock")
    asked = {"site": site, "zone": zone, "sku": sku, "as_of": as_of, "group": group}
    run(lambda _stop: module.show_stock(required(database_url), asked))


@app.command()
def due(site: Annotated[str, typer.Argument(help="Its code.")], database_url: DatabaseOption = None) -> None:
    """Write what a site should count today as CSV, the most urgent first."""
    module = room("tallyman.stock")
    run(lambda _stop: module.show_due(required(database_url), site))


@app.command()
def labels(
    gtin: Annotated[str, typer.Argument(help="Of the things to be labelled.")],
    site: Annotated[str, typer.Option(help="Where they are.")],
    count: Annotated[int, typer.Option(min=1, help="How many labels.")],
    company_prefix_digits: Annotated[int, typer.Option(min=6, max=12, help="Of the GTIN's company prefix.")],
    out: Annotated[Path | None, typer.Option("--out", help="A CSV file; the terminal without.")] = None,
    *,
    lot: Annotated[str, typer.Option(help="What they are bound to.")] = "",
    expires_on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Of the lot.")] = None,
    database_url: DatabaseOption = None,
) -> None:
    """Hand out serial numbers for labels to print and encode, each once, bound to SKU and lot beforehand."""
    module = room("tallyman.labels")
    day = None if expires_on is None else expires_on.date()
    order = (site, gtin, count, company_prefix_digits, lot, day, out)
    run(lambda _stop: module.run_labels(required(database_url), *order))


@app.command()
def simulate(
    scenario: Annotated[str | None, typer.Argument(help="A scenario's name, or a TOML file.")] = None,
    *,
    readers: Annotated[int | None, typer.Option(min=1, help="Without a scenario: so many readers.")] = None,
    tags: Annotated[int, typer.Option(min=1, help="With --readers: tags before each reader.")] = 200,
    rate_hz: Annotated[float, typer.Option(min=0.1, help="With --readers: reads a second of each reader.")] = 200.0,
    report_tags: Annotated[
        int | None, typer.Option(min=1, help="With --readers: tags a report; else as the client asks.")
    ] = None,
    interface: Annotated[str, typer.Option(help="llrp, or the readers' own: r700 or zebra.")] = "llrp",
    mqtt_url: Annotated[str | None, typer.Option(envvar="TALLYMAN_MQTT_URL", help="Zebra readers' broker.")] = None,
    model: Annotated[str, typer.Option(help="Make of the LLRP readers: a name, or a TOML file.")] = "speedway-r420",
    tls: Annotated[Path | None, typer.Option(help="Serve LLRP over TLS: PEM file with certificate and key.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    first_port: Annotated[
        int, typer.Option(min=0, max=65535, help="With --readers: ports from here on; 0: free ones.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print reader names and addresses as JSON.")] = False,
    speed: Annotated[float, typer.Option(min=0.1, help="Simulated seconds in a real one.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated world.")] = 1,
    gateway_files: Annotated[
        Path | None,
        typer.Option(help="Also write a gateway.toml for each site, and catalog and stock as CSV, into this folder."),
    ] = None,
) -> None:
    """Serve a scenario's readers, or many with a steady load, on printed addresses."""
    if (scenario is None) == (readers is None):
        raise typer.BadParameter("name a scenario, or give --readers")
    if interface not in ("llrp", "r700", "zebra"):
        raise typer.BadParameter("llrp, r700 or zebra", param_hint="--interface")
    module = room("tallyman.simulate")
    serving = module.Serving(interface, mqtt_url, host, first_port, model, tls, as_json)
    if scenario is not None:
        run(lambda stop: module.run_simulation(scenario, speed, seed, gateway_files, serving, stop))
    run(lambda stop: module.run_load(module.Load(readers, tags, rate_hz, report_tags), serving, stop))


@app.command()
def record(
    out: Annotated[Path, typer.Argument(dir_okay=False, help="The tape; one that exists goes on.")],
    *,
    config: ReadersConfigOption = None,
    reader: ReaderOption = None,
    address: AddressOption = None,
    driver: DriverOption = "llrp",
    antennas: AntennasOption = "1,2,3,4",
    for_s: ForOption = None,
) -> None:
    """Record what live readers deliver."""
    module, attach = room("tallyman.record"), room("tallyman.attach")
    if out.suffix != ".tape":
        raise typer.BadParameter("a recording's name ends in .tape", param_hint="OUT")
    readers = attach.chosen(config, reader, address, driver, antennas)
    run(lambda stop: module.record(readers, out, _system_clock(), stop, for_s=for_s))


@app.command()
def replay(
    reads: RecordingArgument,
    config: Annotated[Path | None, typer.Option("--config", help="The gateway's TOML file.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Where the movements go, one JSON object a line.")] = None,
    *,
    speed: Annotated[
        float | None, typer.Option(min=0.001, help="Recorded seconds in a real one; as fast as it goes without.")
    ] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Instead: serve the readers over LLRP on printed ports.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --serve: the first port; 0 takes free ones.")] = 0,
    model: Annotated[str | None, typer.Option(help="Judge doors by this portal model, not the configured one.")] = None,
) -> None:
    """Send a recording through a gateway's pipeline without a network, or serve its readers again."""
    if serve:
        if config is not None or out is not None:
            raise typer.BadParameter("give --serve, or --config and --out, not both")
        serving = room("tallyman.serve")
        run(lambda stop: serving.serve(reads, _scaled_clock(speed or 1.0), stop, port=port))
    if config is None or out is None:
        raise typer.BadParameter("give --config and --out, or --serve")
    module, files = room("tallyman.replay"), room("gateway.config")
    pace = module.at_once if speed is None else module.real_time(speed, time.monotonic, time.sleep)
    settings = files.load(config)
    if model is not None:
        settings = module.with_portal_rules(settings, model=model)
    typer.echo(module.replay(reads, settings, out, pace))


@app.command()
def tail(
    recording: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="A recording; live readers without.")
    ] = None,
    *,
    config: ReadersConfigOption = None,
    reader: ReaderOption = None,
    address: AddressOption = None,
    driver: DriverOption = "llrp",
    antennas: AntennasOption = "1,2,3,4",
    speed: Annotated[float, typer.Option(min=0.001, help="Of a recording: its seconds in a real one.")] = 1.0,
    for_s: ForOption = None,
) -> None:
    """Watch tags as they are read: rate, strength, antenna, first and last seen."""
    module, attach = room("tallyman.tail"), room("tallyman.attach")
    if recording is not None:
        if config is not None or address is not None:
            raise typer.BadParameter("give a recording, or --config or --address, not both")
        run(lambda stop: module.tail_recording(recording, stop, speed=speed, for_s=for_s))
    readers = attach.chosen(config, reader, address, driver, antennas)
    run(lambda stop: module.tail_live(readers, _system_clock(), stop, for_s=for_s))


@app.command()
def doctor(
    config: Annotated[Path, typer.Option("--config", help="A gateway.toml or backend.toml.")],
) -> None:
    """Check everything that a gateway or backend needs, and say how to mend what is amiss."""
    module = room("tallyman.doctor.run")
    run(lambda _stop: module.doctor(config))


@app.command()
def explain(
    events: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Movements that `replay` wrote.")],
    epc: Annotated[str, typer.Argument(help="The tag, as hex.")],
    reads: Annotated[Path, typer.Option("--reads", exists=True, dir_okay=False, help="The recording of its reads.")],
    config: ConfigOption,
    out: Annotated[
        Path | None, typer.Option("--out", help="Draw a picture here; else tell it in the terminal.")
    ] = None,
) -> None:
    """Show one tag's reads, windows and decisions, and why each decision was made."""
    module, files = room("tallyman.explain"), room("gateway.config")
    plot = room("tallyman.explain_plot") if out is not None else None
    story = module.tell(events, epc, reads, files.load(config))
    if plot is not None:
        plot.draw(story, out)
        typer.echo(f"{len(story.decisions)} decisions from {len(story.reads)} reads: {out}")
    else:
        room("tallyman.explain").print_story(story, room("rich.console").Console())


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


for desk in (alerts, channels, counts, departures, documents, doors, history, orders, quarantine, returns):
    app.add_typer(desk.app, name=desk.__name__.rpartition(".")[2])

llrp = typer.Typer(help="Files of LLRP messages, one behind the other.", no_args_is_help=True)
app.add_typer(llrp, name="llrp")
LlrpFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="LLRP messages, one behind the other.")]


@llrp.command("decode")
def llrp_decode(
    file: LlrpFile,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show every message with its offset, names and values; exit 1 when one cannot be read."""
    is_good = True
    for text, is_read in room("tallyman.llrp").decode_file(file, as_json=as_json):
        typer.echo(text)
        is_good = is_good and is_read
    raise typer.Exit(0 if is_good else 1)


@llrp.command("check")
def llrp_check(file: LlrpFile) -> None:
    """Read every message and write it again: exit 1 when a byte differs, or the file holds anything else."""
    wrong, summary = room("tallyman.llrp").check_file(file)
    for line in wrong:
        typer.echo(line)
    typer.echo(summary)
    raise typer.Exit(1 if wrong else 0)


@app.command(hidden=True)
def broker(port: Annotated[int, typer.Option(min=1, max=65535)]) -> None:
    """Run the embedded MQTT broker on a loopback port."""
    module = room("tallyman.embedded.broker")
    run(lambda stop: module.serve_broker(port, stop))


def _system_clock() -> Any:
    from wire.clock import SystemClock

    return SystemClock()


def _scaled_clock(speed: float) -> Any:
    from wire.clock import ScaledClock

    return ScaledClock(datetime.now(UTC), speed)


def main() -> None:
    """Entry point: our own errors, and files that cannot be read or written, are one line on stderr and exit code 2,
    never a traceback."""
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
        ours: object = _first(error, expected)
        if ours is None and isinstance(error, OSError) and error.filename is not None:
            ours = f"{error.filename}: {error.strerror}"
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
