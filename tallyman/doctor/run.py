"""The examination of one configuration file: which rooms it has, each checked, each line shown as it is known."""

from __future__ import annotations

import asyncio
import logging
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from gateway.config import GatewayConfig
from gateway.config import load as load_gateway
from gateway.errors import ConfigError as GatewayConfigError
from tallyman.attach import readers_of
from tallyman.doctor.broker import BrokerSubject, check_broker
from tallyman.doctor.door import check_scanner
from tallyman.doctor.edge import EDGE_CHECKS, is_running
from tallyman.doctor.finding import Finding, fail, ok
from tallyman.doctor.reader import check_readers

GATEWAY_KEYS: Final = frozenset({"site", "gateway", "readers", "zones", "portals"})
"""A file that has one of these describes a gateway."""

_SUBJECT_WIDTH: Final = 18


async def doctor(config: Path, console: Console | None = None) -> int:
    """Print each finding; 1 when one fails."""
    console = console or Console(highlight=False)
    failed = total = 0
    with _quiet(), console.status("examining …"):
        async for finding in examine(config):
            total += 1
            failed += not finding.is_ok
            _show(console, finding)
    if failed:
        console.print(Text(f"\n{failed} of {total} checks failed", style="bold red"))
    else:
        console.print(Text(f"\nall {total} checks passed", style="bold green"))
    return 1 if failed else 0


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the links' own log: what they have to tell is what the lines say."""
    loggers = [logging.getLogger(name) for name in ("wire.mqtt", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


async def examine(config: Path) -> AsyncIterator[Finding]:
    """Every finding about the program that this file configures."""
    try:
        keys = set(tomllib.loads(await asyncio.to_thread(config.read_text, encoding="utf-8")))
    except OSError as error:
        yield fail("configuration", f"{config}: {error.strerror}", "name the file with --config")
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        yield fail("configuration", f"{config}: not valid TOML: {error}", "correct the file")
        return
    findings = _gateway(config) if keys & GATEWAY_KEYS else _backend(config)
    async for finding in findings:
        yield finding


async def _gateway(path: Path) -> AsyncIterator[Finding]:
    try:
        config = load_gateway(path)
    except GatewayConfigError as error:
        yield fail("configuration", str(error), "correct the file")
        return
    yield _summary(path, config)
    running = config.journal is not None and is_running(config.journal)
    for finding in await check_readers(readers_of(config), held_by_gateway=running):
        yield finding
    for finding in await asyncio.gather(*map(check_scanner, config.scanners)):
        yield finding
    if config.mqtt is None:
        yield fail("broker", "none configured", 'add [mqtt] with url = "mqtt://host"')
    else:
        for finding in await check_broker(BrokerSubject(config.mqtt.url, config.gateway)):
            yield finding
    if config.journal is None:
        yield fail("journal", "none configured", 'add [journal] with path = "journal.sqlite3"')
    else:
        for check in EDGE_CHECKS:
            for finding in await check.look(config.journal):
                yield finding


def _summary(path: Path, config: GatewayConfig) -> Finding:
    counts = (
        ("readers", config.readers),
        ("scanners", config.scanners),
        ("portals", config.portals),
        ("zones", config.zones),
    )
    has = ", ".join(f"{name} {len(some)}" for name, some in counts)
    return ok("configuration", f"{path}: gateway {config.gateway} at {config.site} ({has})")


async def _backend(path: Path) -> AsyncIterator[Finding]:
    # the edge box has neither the backend nor asyncpg
    from backend.config import load as load_backend
    from backend.errors import ConfigError as BackendConfigError
    from tallyman.doctor.store import REPLICA_CHECKS, check_store

    try:
        config = load_backend(path)
    except BackendConfigError as error:
        yield fail("configuration", str(error), "correct the file, or the TALLYMAN_ variables of the environment")
        return
    yield ok("configuration", f"{path}: backend, API on {config.http.host}:{config.http.port}")
    for finding in await check_store(config.database_url):
        yield finding
    if config.read_dsn is not None:
        for finding in await check_store(config.read_dsn, "replica", REPLICA_CHECKS):
            yield finding
    for finding in await check_broker(BrokerSubject(config.mqtt_url, "backend")):
        yield finding


def _show(console: Console, finding: Finding) -> None:
    mark = ("OK  ", "green") if finding.is_ok else ("FAIL", "bold red")
    indent = len(finding.subject) - len(finding.subject.lstrip())
    subject = finding.subject.ljust(_SUBJECT_WIDTH)
    console.print(Text.assemble(mark, " ", (subject, "dim" if indent else "bold"), " ", finding.said), soft_wrap=True)
    if finding.mend:
        console.print(Text.assemble(" " * (_SUBJECT_WIDTH + 6), ("→ " + finding.mend, "yellow")), soft_wrap=True)
