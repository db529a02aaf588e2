"""The doctor against real readers, brokers and databases: all well, and each thing broken."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import shutil
import sqlite3
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rich.console import Console

from gateway.config import JournalSettings
from gateway.journal import JournalFile
from simulators.llrp.models import load_model
from simulators.llrp.reader import SimulatedReader
from simulators.llrp.session import attempt_event
from simulators.sighting import Sightings, no_sightings
from tallyman.doctor import edge, store
from tallyman.doctor import reader as reader_checks
from tallyman.doctor.broker import BrokerSubject, check_broker
from tallyman.doctor.finding import Finding
from tallyman.doctor.run import doctor, examine
from tests.ports import free_port
from wire.clock import ScaledClock

Findings = dict[str, Finding]
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
"""Debian puts servers where an ordinary user's PATH does not look."""


class Nothing:
    """A world without tags."""

    def inventory(self, reader: str, antennas: frozenset[int], from_us: int, to_us: int) -> Sightings:
        return no_sightings()


@pytest.fixture
async def make_reader() -> AsyncIterator[Callable[..., Any]]:
    """Starts simulated readers, and stops them all afterwards."""
    made: list[SimulatedReader] = []

    async def make(ahead_s: float = 0, tls: ssl.SSLContext | None = None, **facts: Any) -> SimulatedReader:
        clock = ScaledClock(datetime.now(UTC) + timedelta(seconds=ahead_s))
        model = load_model().model_copy(update=facts)
        made.append(SimulatedReader("door-1", Nothing(), clock, 4, model))
        await made[-1].start(tls=tls)
        return made[-1]

    yield make
    for reader in made:
        await reader.stop()


def gateway_toml(folder: Path, address: str, broker: str, *, ports: str = "1, 2", quota_mib: int = 1) -> Path:
    path = folder / "gateway.toml"
    antennas = ", ".join(f'{{ port = {port}, zone = "z" }}' for port in ports.split(", "))
    path.write_text(
        f'site = "S"\ngateway = "g"\nzones = [{{ code = "z" }}]\n'
        f'[[readers]]\nname = "door-1"\naddress = "{address}"\nantennas = [{antennas}]\n'
        f'[journal]\npath = "journal.sqlite3"\nquota_mib = {quota_mib}\n[mqtt]\nurl = "{broker}"\n'
    )
    return path


async def found(config: Path) -> Findings:
    """Every finding by what it is about; one about the same as an earlier one has its room before it."""
    found: Findings = {}
    room = ""
    async for finding in examine(config):
        assert finding.is_ok != bool(finding.mend)
        subject = finding.subject.strip()
        room = subject if subject == finding.subject else room
        found[f"{room} {subject}" if subject in found else subject] = finding
    return found


def failing(findings: Findings) -> set[str]:
    return {subject for subject, finding in findings.items() if not finding.is_ok}


# --- a gateway ------------------------------------------------------------------------------------------------------


async def test_a_gateway_that_is_well(make_reader: Any, broker: Any, tmp_path: Path) -> None:
    reader = await make_reader()
    config = gateway_toml(tmp_path, f"127.0.0.1:{reader.port}", broker.url)
    findings = await found(config)
    assert failing(findings) == set()
    assert set(findings) == {
        *("configuration", "reader door-1", "LLRP version", "clock", "antennas", "region", "firmware"),
        *("broker", "TLS", "QoS 1", "retained", "$share", "disk", "journal"),
    }
    assert findings["LLRP version"].said == "1.0.1"
    assert findings["firmware"].said == "5.14.0.240 on Impinj model 2001002"
    assert findings["antennas"].said == "1, 2 connected"
    # amqtt grants the filter and delivers nothing
    assert "not honoured" in findings["$share"].said
    console = Console(file=io.StringIO(), width=120)
    assert await doctor(config, console) == 0
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "all 14 checks passed" in text
    assert "FAIL" not in text


async def test_a_reader_that_is_not_there(broker: Any, tmp_path: Path) -> None:
    config = gateway_toml(tmp_path, f"127.0.0.1:{free_port()}", broker.url)
    findings = await found(config)
    assert failing(findings) == {"reader door-1"}
    assert "cable" in findings["reader door-1"].mend
    console = Console(file=io.StringIO(), width=120)
    assert await doctor(config, console) == 1
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "FAIL reader door-1" in text
    assert "→ check its power" in text
    assert "1 of 9 checks failed" in text


async def test_a_reader_whose_clock_is_wrong_and_whose_cable_is_loose(
    make_reader: Any, broker: Any, tmp_path: Path
) -> None:
    reader = await make_reader(ahead_s=90, firmware="")
    reader.set_antenna(2, is_connected=False)
    findings = await found(gateway_toml(tmp_path, f"127.0.0.1:{reader.port}", broker.url))
    assert failing(findings) == {"clock", "antennas", "firmware"}
    assert findings["clock"].said.startswith(("+90.", "+89.9"))
    assert findings["antennas"].said == "2 of 1, 2 not connected"
    absent = await found(gateway_toml(tmp_path, f"127.0.0.1:{reader.port}", broker.url, ports="1, 7"))
    assert absent["antennas"].said == "7 of 1, 7 not on this reader, which has 4"


async def test_a_reader_without_a_region_or_a_clock(make_reader: Any, broker: Any, tmp_path: Path) -> None:
    reader = await make_reader(country_code=0, has_utc_clock=False, max_version=2)
    findings = await found(gateway_toml(tmp_path, f"127.0.0.1:{reader.port}", broker.url))
    assert failing(findings) == {"region"}
    assert "uptime alone" in findings["clock"].said
    assert findings["LLRP version"].said == "1.1"


async def certificate(folder: Path, days: int) -> tuple[Path, Path]:
    """A certificate of its own for this machine, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not on the PATH")
    made, key = folder / f"cert-{days}.pem", folder / f"key-{days}.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    new = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", str(days), *names]
    line = [*new, "-keyout", key, "-out", made]
    await asyncio.to_thread(subprocess.run, line, check=True, capture_output=True)
    return made, key


@pytest.mark.parametrize(("days", "is_ok"), [(2, False), (400, True)])
async def test_a_reader_over_tls(make_reader: Any, broker: Any, tmp_path: Path, days: int, is_ok: bool) -> None:
    made, key = await certificate(tmp_path, days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    reader = await make_reader(tls=context)
    path = gateway_toml(tmp_path, f"127.0.0.1:{reader.port}", broker.url)
    plain = path.read_text()
    path.write_text(plain.replace("[journal]", f'[readers.options.tls]\nca_file = "{made}"\n[journal]'))
    findings = [finding async for finding in examine(path)]
    tls = next(finding for finding in findings if finding.subject == "  TLS")
    assert f"{days - 1} days" in tls.said
    assert [finding for finding in findings if not finding.is_ok] == ([] if is_ok else [tls])
    if is_ok:
        path.write_text(plain.replace("[journal]", "[readers.options.tls]\n[journal]"))
        findings = [finding async for finding in examine(path)]
        (bad,) = [finding for finding in findings if not finding.is_ok]
        assert "not trusted" in bad.said


async def test_a_reader_that_serves_another(make_reader: Any, broker: Any, tmp_path: Path) -> None:
    reader = await make_reader()
    config = gateway_toml(tmp_path, f"127.0.0.1:{reader.port}", broker.url)
    _, held = await asyncio.open_connection("127.0.0.1", reader.port)
    while not reader.is_connected:
        await asyncio.sleep(0.01)
    findings = await found(config)
    assert failing(findings) == {"reader door-1"}
    assert "another client" in findings["reader door-1"].said
    # the same while the gateway of this file runs is as it should be
    journal = JournalFile(tmp_path / "journal.sqlite3", 1 << 20, 1, "refuse")
    findings = await found(config)
    assert failing(findings) == set()
    assert "serves the gateway" in findings["reader door-1"].said
    assert "a gateway writes it" in findings["journal"].said
    journal.close()
    held.close()


@pytest.fixture
async def strange_reader(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    """A server that says what it is told to and then keeps silent."""
    monkeypatch.setattr(reader_checks, "ANSWER_S", 0.3)
    async with contextlib.AsyncExitStack() as stack:

        async def start(hello: bytes, *, closes: bool = False) -> int:
            async def answer(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
                outgoing.write(hello)
                if not closes:
                    await incoming.read()
                outgoing.close()

            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            stack.callback(server.close)
            return int(server.sockets[0].getsockname()[1])

        yield start


def hello_of_version(version: int) -> bytes:
    hello = bytearray(attempt_event(0, int(datetime.now(UTC).timestamp() * 1e6)))
    hello[0] = hello[0] & 0xE3 | version << 2
    return bytes(hello)


@pytest.mark.parametrize(
    ("hello", "closes", "subject", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", False, "reader door-1", "does not speak LLRP"),
        (b"", False, "reader door-1", "no LLRP answer"),
        (b"", True, "reader door-1", "closed the connection"),
        (attempt_event(0, 0), False, "clock", "s against this machine"),
        (hello_of_version(3), False, "LLRP version", "2.0"),
        (hello_of_version(5), False, "LLRP version", "version number 5"),
    ],
    ids=["another protocol", "silence", "an end", "a clock that stands", "LLRP 2.0", "LLRP of a later time"],
)
async def test_things_that_are_no_good_reader(
    strange_reader: Any, broker: Any, tmp_path: Path, hello: bytes, closes: bool, subject: str, says: str
) -> None:
    port = await strange_reader(hello, closes=closes)
    findings = await found(gateway_toml(tmp_path, f"127.0.0.1:{port}", broker.url))
    assert {"reader door-1", subject} <= failing(findings)
    assert says in findings[subject].said


async def test_options_that_the_driver_refuses(broker: Any, tmp_path: Path) -> None:
    path = gateway_toml(tmp_path, "127.0.0.1", broker.url)
    path.write_text(path.read_text().replace("[journal]", "options = { speling = 1 }\n[journal]"))
    findings = await found(path)
    assert failing(findings) == {"reader door-1"}
    assert "speling" in findings["reader door-1"].said


async def test_a_reader_that_speaks_something_else(broker: Any, tmp_path: Path) -> None:
    path = gateway_toml(tmp_path, broker.url, broker.url)
    path.write_text(
        path.read_text().replace(
            'name = "door-1"', 'name = "door-1"\ndriver = "zebra-iot"\noptions = { data_topic = "a" }'
        )
    )
    findings = await found(path)
    assert failing(findings) == set()
    assert "accepts a connection" in findings["reader door-1"].said
    path.write_text(
        path.read_text().replace(f'address = "{broker.url}"', f'address = "mqtt://127.0.0.1:{free_port()}"')
    )
    assert failing(await found(path)) == {"reader door-1"}


async def test_scanners(broker: Any, tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    device = tmp_path / "ttyUSB0"
    device.touch()
    rows = [
        ("here", "serial", str(device), ""),
        ("unplugged", "serial", str(tmp_path / "ttyUSB1"), ""),
        ("far", "tcp", f"127.0.0.1:{free_port()}", ""),
        ("near", "tcp", f"127.0.0.1:{broker.port}", ""),
        ("caller", "tcp", "127.0.0.1:0", "options = { listen = true }"),
        ("strange", "nobodys", "x", ""),
    ]
    scanners = "".join(
        f'[[scanners]]\nname = "{name}"\ndriver = "{driver}"\naddress = "{address}"\n{more}\n'
        for name, driver, address, more in rows
    )
    path.write_text(f'site = "S"\ngateway = "g"\n{scanners}')
    findings = await found(path)
    assert failing(findings) == {"scanner unplugged", "scanner far", "scanner strange", "broker", "journal"}
    assert "calls in" in findings["scanner caller"].said


async def test_a_driver_that_nobody_installed(broker: Any, tmp_path: Path) -> None:
    path = gateway_toml(tmp_path, "x", broker.url)
    path.write_text(path.read_text().replace('name = "door-1"', 'name = "door-1"\ndriver = "nobodys"'))
    findings = await found(path)
    assert failing(findings) == {"reader door-1"}
    assert "nobodys" in findings["reader door-1"].said


async def test_disk_and_journal(make_reader: Any, broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = await make_reader()
    config = gateway_toml(tmp_path, f"127.0.0.1:{reader.port}", broker.url, quota_mib=1 << 30)
    findings = await found(config)
    assert failing(findings) == {"disk"}
    assert "quota_mib" in findings["disk"].mend
    path = tmp_path / "journal.sqlite3"
    JournalFile(path, 1 << 20, 1, "refuse").close()
    config = gateway_toml(tmp_path, f"127.0.0.1:{reader.port}", broker.url)
    findings = await found(config)
    assert failing(findings) == set()
    assert findings["journal"].said.startswith("0 events not confirmed")
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE journal SET next_seq = 20001")
        db.execute("INSERT INTO event VALUES (20000, zeroblob(900000))")
        db.commit()
    findings = await found(config)
    assert failing(findings) == {"journal", "quota"}
    assert findings["journal"].said.startswith("20,000 events")
    path.write_bytes(b"SQLite format 3\0 but damaged".ljust(4096, b"\1"))
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    assert failing(await found(config)) == {"journal"}
    path.unlink()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE somebody_elses (x)")
    findings = await found(config)
    assert "no journal of this program" in findings["journal"].said


async def test_a_folder_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(folder: Path) -> Any:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", gone)
    (finding,) = await edge.check_disk(JournalSettings(path=tmp_path / "j.sqlite3"))
    assert not finding.is_ok
    assert "Input/output error" in finding.said


async def test_configurations_that_are_none(tmp_path: Path) -> None:
    for name, text, says in (
        ("a.toml", "site = [", "not valid TOML"),
        ("b.toml", 'site = "S"\nspeling = 1', "b.toml"),
        ("c.toml", 'database_url = "mysql://x"', "c.toml"),
    ):
        (tmp_path / name).write_text(text)
        findings = await found(tmp_path / name)
        assert failing(findings) == set(findings) == {"configuration"}
        assert says in findings["configuration"].said
    assert failing(await found(tmp_path / "none.toml")) == {"configuration"}


# --- the broker -----------------------------------------------------------------------------------------------------


def by_subject(findings: list[Finding]) -> Findings:
    return {finding.subject.strip(): finding for finding in findings}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    from tallyman.doctor import broker as broker_checks

    monkeypatch.setattr(broker_checks, "ANSWER_S", 1.5)
    monkeypatch.setattr(broker_checks, "DELIVERY_S", 0.5)


async def test_a_broker_that_is_not_there_or_has_no_name() -> None:
    findings = by_subject(await check_broker(BrokerSubject(f"mqtt://127.0.0.1:{free_port()}", "g")))
    assert failing(findings) == {"broker"}
    findings = by_subject(await check_broker(BrokerSubject("http://127.0.0.1", "g")))
    assert failing(findings) == set(findings) == {"broker"}


async def test_a_broker_that_refuses_us(make_broker: Any, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    made = make_broker(passwords=passwords)
    await made.start()
    findings = by_subject(await check_broker(BrokerSubject(made.url, "g")))
    assert failing(findings) == {"broker"}
    assert "password" in findings["broker"].mend


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Starts Mosquitto on a free loopback port with lines of configuration of the test's own."""
    program = shutil.which("mosquitto", path=SEARCHED)
    if program is None:
        pytest.skip("mosquitto is not installed")
    started = []

    async def start(*lines: str) -> int:
        port = free_port()
        config = tmp_path / f"mosquitto-{port}.conf"
        # root would be given up, and with it the right to read what a test wrote
        who = ["user root"] if os.geteuid() == 0 else []
        usual = [f"listener {port} 127.0.0.1", "allow_anonymous true", "persistence false"]
        config.write_text("\n".join([*who, *usual, *lines]))
        nowhere = asyncio.subprocess.DEVNULL
        started.append(await asyncio.create_subprocess_exec(program, "-c", str(config), stdout=nowhere, stderr=nowhere))
        for _ in range(100):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                break
        return port

    yield start
    for process in started:
        assert process.returncode is None, "Mosquitto ended by itself"
        process.terminate()
        await process.wait()


@pytest.mark.peer
async def test_what_brokers_grant_and_do_not_do(mosquitto: Any, tmp_path: Path) -> None:
    port = await mosquitto()
    findings = by_subject(await check_broker(BrokerSubject(f"mqtt://127.0.0.1:{port}", "g")))
    assert failing(findings) == set()
    assert findings["$share"].said == "honoured"
    port = await mosquitto("retain_available false")
    assert "retained" in failing(by_subject(await check_broker(BrokerSubject(f"mqtt://127.0.0.1:{port}", "g"))))
    rules = tmp_path / "rules"
    rules.write_text("topic write tallyman/#\n")
    rules.chmod(0o644)
    port = await mosquitto(f"acl_file {rules}")
    assert failing(by_subject(await check_broker(BrokerSubject(f"mqtt://127.0.0.1:{port}", "g")))) == {
        "QoS 1",
        "retained",
    }


@pytest.mark.parametrize(("days", "is_ok"), [(2, False), (400, True)])
async def test_certificates(make_broker: Any, tmp_path: Path, days: int, is_ok: bool) -> None:
    signed, key = await certificate(tmp_path, days)
    made = make_broker(listener={"ssl": True, "certfile": str(signed), "keyfile": str(key)})
    await made.start()
    url = f"mqtts://127.0.0.1:{made.port}"
    findings = by_subject(await check_broker(BrokerSubject(f"{url}?ca={signed}", "g")))
    assert findings["TLS"].is_ok == is_ok
    assert f"{days - 1} days" in findings["TLS"].said
    assert failing(findings) == (set() if is_ok else {"TLS"})
    if is_ok:
        findings = by_subject(await check_broker(BrokerSubject(url, "g")))
        assert failing(findings) == {"broker", "TLS"}
        assert "not trusted" in findings["TLS"].said
        findings = by_subject(await check_broker(BrokerSubject(f"{url}?ca={tmp_path / 'none.pem'}", "g")))
        assert "certificate files" in findings["broker"].said


# --- a backend ------------------------------------------------------------------------------------------------------


def backend_toml(folder: Path, database_url: str, broker: str, *more: str) -> Path:
    path = folder / "backend.toml"
    path.write_text("\n".join([f'database_url = "{database_url}"', f'mqtt_url = "{broker}"', *more]))
    return path


async def test_a_backend_that_is_well(database_url: str, broker: Any, tmp_path: Path) -> None:
    findings = await found(backend_toml(tmp_path, database_url, broker.url, f'read_dsn = "{database_url}"'))
    assert failing(findings) == set()
    assert findings["version"].said.startswith("PostgreSQL 1")
    assert findings["migrations"].said.endswith("applied")
    assert "no lag" in findings["replica replica"].said


async def test_a_database_not_brought_up_to_date(empty_database_url: str, broker: Any, tmp_path: Path) -> None:
    findings = await found(backend_toml(tmp_path, empty_database_url, broker.url))
    assert failing(findings) == {"migrations"}
    assert findings["migrations"].mend == "run tallyman migrate"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("DELETE FROM schema_migration WHERE name = '0002_request_key'", "missing: 0002_request_key"),
        ("INSERT INTO schema_migration VALUES ('9999_later', 'x', now())", "newer program: 9999_later"),
        ("UPDATE schema_migration SET sha256 = 'x' WHERE name = '0001_stock'", "changed after .*: 0001_stock"),
    ],
)
async def test_migrations_that_do_not_fit(database_url: str, change: str, says: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(change)
    await connection.close()
    (finding,) = [one for one in await store.check_store(database_url) if not one.is_ok]
    assert finding.subject.strip() == "migrations"
    assert re.search(says, finding.said)


async def test_a_database_that_is_not_there(database_url: str, broker: Any, tmp_path: Path) -> None:
    findings = await found(backend_toml(tmp_path, f"postgresql://127.0.0.1:{free_port()}/x", broker.url))
    assert failing(findings) == {"database"}
    gone = database_url.replace("/test_", "/gone_")
    findings = await found(backend_toml(tmp_path, gone, broker.url))
    assert failing(findings) == {"database"}
    assert "database name" in findings["database"].mend


class Answers:
    """A connection to an old, late or read-only server: what it answers to a query with so much of these words."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers

    async def fetchval(self, query: str) -> Any:
        return next(value for words, value in self._answers.items() if words in query)


async def test_servers_that_no_test_can_start() -> None:
    now_s = datetime.now(UTC).timestamp()
    cases = [
        (store.check_version, Answers(server_version_num="140012", server_version="14.12"), "15 or newer"),
        (store.check_clock, Answers(clock_timestamp=now_s - 60), "NTP"),
        (store.check_writable, Answers(pg_is_in_recovery=True), "primary"),
        (store.check_lag, Answers(pg_is_in_recovery=True, receive_lsn=45.0), "replication"),
    ]
    for check, connection, mend in cases:
        (finding,) = await check(store.Store(connection, "x"))
        assert not finding.is_ok
        assert mend in finding.mend
