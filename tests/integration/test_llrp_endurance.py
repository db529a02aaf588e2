"""The LLRP driver over TCP and TLS on lines that break: after each fault it inventories again, and says so once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from readers.backoff import Backoff
from readers.driver import ReaderSettings
from readers.errors import LinkLostError, ReaderError, ReaderStatusError
from readers.llrp import client, connection
from readers.llrp.access import AccessJob, Bank, Read, TagMask, Write
from readers.llrp.client import LlrpDriver, connected
from readers.llrp.message import Message, Parameter
from readers.read import EpcTable, ReaderEvent, ReaderState
from simulators.faults import FaultProxy
from tests.scripted_reader import ScriptedReader, ScriptedServer, report
from wire.clock import SystemClock

ON = frozenset({1, 2})


class Caller:
    """A driver, and what it delivered."""

    def __init__(
        self, port: int, options: dict[str, Any] | None = None, host: str = "127.0.0.1", name: str = "r"
    ) -> None:
        self.events: list[ReaderEvent] = []
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        settings = ReaderSettings(name, address, (1, 2), options or {})
        self.driver = LlrpDriver(settings, EpcTable(), SystemClock(), self.events.append)

    def states(self) -> list[frozenset[int]]:
        return [event.antennas for event in self.events if isinstance(event, ReaderState)]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[LlrpDriver]:
        task = asyncio.create_task(self.driver.run())
        try:
            yield self.driver
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(is_so: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reconnect at once: the real waits are tested by themselves."""
    monkeypatch.setattr(client, "Backoff", lambda chance: Backoff(chance, 0.01, 0.02))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an answer up after a moment: how long a session really waits is tested by itself."""
    steps = {phase: replace(step, patience_s=0.3) for phase, step in connection.STEPS.items()}
    monkeypatch.setattr(connection, "STEPS", steps)
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 0.3)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], tuple[int, int]]:
    caplog.set_level(logging.INFO, logger="readers")

    def count() -> tuple[int, int]:
        """Warnings and infos of the driver so far."""
        levels = [record.levelno for record in caplog.records if record.name.startswith("readers")]
        return levels.count(logging.WARNING), levels.count(logging.INFO)

    return count


HANDSHAKE_MESSAGES = 10
"""GET_SUPPORTED_VERSION to ENABLE_ROSPEC."""


async def break_at(number: int, fault: str, logged: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    """Break the line when the client's `number`th message arrives, 0: before its reader has greeted; heal it when that
    was noticed, and see the inventory begin. Returns the warnings and infos that this was worth.
    """
    server = ScriptedServer(ScriptedReader(gpis=1))
    heard = 0
    async with server.listening():
        proxy = FaultProxy("127.0.0.1", server.port)

        def count(_: Message) -> None:
            nonlocal heard
            heard += 1
            if heard == number:
                getattr(proxy, fault)()

        server.heard = count
        warnings, infos = logged()
        caller = Caller(await proxy.start())
        if number == 0:
            getattr(proxy, "stall" if fault == "cut" else fault)()
        async with caller.running():
            await until(lambda: logged()[0] > warnings)
            proxy.heal()
            await until(lambda: caller.states() == [frozenset(), ON])
            await asyncio.sleep(0.02)
            assert server.reader.active
        await proxy.stop()
    assert server.reader.rospecs == {}
    return logged()[0] - warnings, logged()[1] - infos


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", ["cut", "refuse", "stall"])
async def test_a_line_that_breaks_at_any_message_of_the_handshake_is_made_again(
    fault: str, logged: Callable[[], tuple[int, int]]
) -> None:
    for number in range(HANDSHAKE_MESSAGES + 1):
        assert await break_at(number, fault, logged) == (1, 1), f"{fault} at message {number}"


async def test_a_reader_that_reboots_and_forgets_is_set_up_anew_and_told_once(
    logged: Callable[[], tuple[int, int]],
) -> None:
    server = ScriptedServer()
    async with server.listening():
        caller = Caller(server.port)
        async with caller.running():
            await until(lambda: caller.states() == [ON])
            port = server.port
    server.reader.reboot()
    async with caller.running():
        await until(lambda: logged() == (1, 0))
        await asyncio.sleep(0.1)
        async with server.listening(port=port):
            await until(lambda: caller.states()[-1:] == [ON] and len(caller.states()) == 3)
            assert server.reader.active
    assert logged() == (1, 1)


async def test_a_line_that_goes_dead_while_inventorying_is_noticed_by_its_keepalives(
    logged: Callable[[], tuple[int, int]],
) -> None:
    server = ScriptedServer()
    async with server.listening():
        proxy = FaultProxy("127.0.0.1", server.port)
        caller = Caller(await proxy.start(), {"keepalive_s": 0.5})
        async with caller.running():
            await until(lambda: caller.states() == [ON])
            await asyncio.sleep(1.5)
            assert caller.states() == [ON]
            proxy.stall()
            began = asyncio.get_running_loop().time()
            await until(lambda: len(caller.states()) == 2)
            assert asyncio.get_running_loop().time() - began < 3
            proxy.heal()
            await until(lambda: caller.states()[:3] == [ON, frozenset(), ON])
        await proxy.stop()
    assert min(logged()) >= 1


async def test_a_name_is_looked_up_anew_for_each_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = ScriptedServer(), ScriptedServer()
    async with first.listening(), second.listening():
        lookups = 0

        async def look_up(host: str, port: int, **_: Any) -> list[Any]:
            nonlocal lookups
            assert (host, port) == ("door-1.example", 5084)
            lookups += 1
            there = first if lookups == 1 else second
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", there.port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
        caller = Caller(5084, host="door-1.example")
        async with caller.running():
            await until(lambda: first.reader.active)
            first.cut()
            await until(lambda: second.reader.active)
    assert lookups == 2


async def test_the_second_address_of_a_name_is_tried_when_the_first_is_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    server, dead = ScriptedServer(), socket.socket()
    dead.bind(("127.0.0.1", 0))
    async with server.listening():

        async def look_up(*_: Any, **__: Any) -> list[Any]:
            ports = (dead.getsockname()[1], server.port)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
        caller = Caller(5084, host="door-1.example")
        async with caller.running():
            await until(lambda: server.reader.active)
    dead.close()


async def test_a_reader_is_reached_by_ipv6() -> None:
    server = ScriptedServer()
    try:
        async with server.listening("::1"):
            caller = Caller(server.port, host="::1")
            async with connected(caller.driver):
                assert caller.states() == [ON]
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")


async def test_two_hundred_readers_in_one_process_come_back_after_a_cut_that_took_them_all() -> None:
    threads = threading.active_count()
    async with contextlib.AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(ScriptedServer().listening()) for _ in range(200)]
        callers = [Caller(server.port, name=f"r{number}") for number, server in enumerate(servers)]
        for caller in callers:
            await stack.enter_async_context(caller.running())
        await until(lambda: all(caller.states() == [ON] for caller in callers), 60)
        for server in servers:
            server.cut()
        await until(lambda: all(caller.states() == [ON, frozenset(), ON] for caller in callers), 60)
        assert threading.active_count() == threads
    assert all(caller.states()[-1] == frozenset() for caller in callers)


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """reader.pem and gateway.pem, each its own authority, with keys beside them."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("reader", "gateway"):
        subject = ["-subj", f"/CN={name}.example", "-addext", f"subjectAltName=DNS:{name}.example,IP:127.0.0.1"]
        ask = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
        files = ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
        try:
            subprocess.run(["openssl", *ask, *files], check=True, capture_output=True)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")
    return folder


def reader_side(folder: Path, *, wants_client: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "reader.pem", folder / "reader.key")
    if wants_client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(folder / "gateway.pem")
    return context


@pytest.mark.parametrize("wants_client", [False, True])
async def test_a_reader_is_reached_by_tls(certificates: Path, wants_client: bool) -> None:
    server = ScriptedServer()
    tls = {"ca_file": certificates / "reader.pem", "server_name": "reader.example"}
    if wants_client:
        tls |= {"cert_file": certificates / "gateway.pem", "key_file": certificates / "gateway.key"}
    async with server.listening(tls=reader_side(certificates, wants_client=wants_client)):
        caller = Caller(server.port, {"tls": tls})
        async with caller.running():
            await until(lambda: caller.states() == [ON])
            server.cut()
            await until(lambda: caller.states() == [ON, frozenset(), ON])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("wrong", ["authority", "name", "plain reader", "plain client", "no client certificate"])
async def test_a_reader_that_is_not_who_it_should_be_hears_nothing(
    certificates: Path, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = ScriptedServer()
    tls: dict[str, Any] | None = {"ca_file": certificates / "reader.pem"}
    match wrong:
        case "authority":
            tls = {}
        case "name":
            tls = {"ca_file": certificates / "reader.pem", "server_name": "other.example"}
        case "plain client":
            tls = None
    context = reader_side(certificates, wants_client=wrong == "no client certificate")
    async with server.listening(tls=None if wrong == "plain reader" else context):
        caller = Caller(server.port, {"tls": tls} if tls is not None else {})
        async with caller.running():
            await until(lambda: "no inventory" in caplog.text)
            await asyncio.sleep(0.1)
    assert server.reader.asked == []
    assert caller.states() == [frozenset()]
    assert len(caller.events) == 1


async def test_a_reader_below_our_floor_is_refused(certificates: Path, caplog: pytest.LogCaptureFixture) -> None:
    context = reader_side(certificates)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    server = ScriptedServer()
    async with server.listening(tls=context):
        caller = Caller(server.port, {"tls": {"ca_file": certificates / "reader.pem"}})
        async with caller.running():
            await until(lambda: "no inventory" in caplog.text)
    assert server.reader.asked == []


@pytest.mark.parametrize(
    ("tls", "said"),
    [
        ({"ca_file": "/nowhere/ca.pem"}, "ca.pem"),
        ({"key_file": "/nowhere/key.pem"}, "cert_file"),
        ({"cafile": "x"}, "cafile"),
    ],
)
def test_tls_that_cannot_work_is_refused_by_name(tls: dict[str, Any], said: str) -> None:
    with pytest.raises(ReaderError, match=said):
        Caller(5085, {"tls": tls})


# --- the API beside the inventory -------------------------------------------------------------------------------------

EPC = bytes.fromhex("3034257BF7194E4000001A85")


def work_on_tags(server: ScriptedServer) -> Callable[[Message], None]:
    """A tag lies before the reader: each AccessSpec that is enabled is carried out at once."""

    def heard(message: Message) -> None:
        if message.name != "ENABLE_ACCESSSPEC":
            return
        (spec,) = server.reader.access_specs.values()
        command = spec.find("AccessCommand")
        assert command is not None
        done = []
        for operation in command.parameters[1:]:
            fields = {"Result": 0, "OpSpecID": operation.fields["OpSpecID"]}
            more = {"ReadData": [0xE280]} if operation.name == "C1G2Read" else {"NumWordsWritten": 6}
            done.append(Parameter(f"{operation.name}OpSpecResult", {**fields, **more}))
        asyncio.get_running_loop().call_soon(server.say, report(EPC, more=tuple(done)))

    return heard


async def test_another_program_writes_a_tag_and_sets_a_lamp() -> None:
    server = ScriptedServer()
    server.heard = work_on_tags(server)
    async with server.listening():
        caller = Caller(server.port)
        async with connected(caller.driver) as reader:
            assert reader.facts is not None
            assert (reader.facts.version, reader.facts.capabilities.gpos, reader.facts.antennas) == (1, 4, ON)
            new = bytes(11) + b"\x01"
            outcome = await reader.access(AccessJob((Write(Bank.EPC, 2, new), Read(Bank.TID, 0, 1)), TagMask(EPC)))
            (access,) = outcome.accesses
            assert (access.epc, access.ok) == (EPC, True)
            assert (access.results[0].words_written, access.results[1].data) == (6, b"\xe2\x80")
            await reader.set_gpo(2, True)
            assert server.reader.outputs == {2: True}
            jobs = [reader.access(AccessJob((Read(Bank.TID, 0, 1),))) for _ in range(5)]
            assert all(done.accesses[0].ok for done in await asyncio.gather(*jobs))
            server.reader.refuses["SET_READER_CONFIG"] = 109
            with pytest.raises(ReaderStatusError, match="109"):
                await reader.set_gpo(3, True)
    assert server.reader.rospecs == {}


async def test_who_waits_for_an_answer_hears_of_a_link_that_drops() -> None:
    server = ScriptedServer()
    async with server.listening():
        caller = Caller(server.port)
        with pytest.raises(LinkLostError, match="not connected"):
            await caller.driver.set_gpo(1, True)
        async with connected(caller.driver) as reader:
            server.reader.ignores |= {"SET_READER_CONFIG", "ADD_ACCESSSPEC"}
            asked = [
                asyncio.create_task(reader.set_gpo(1, True)),
                asyncio.create_task(reader.access(AccessJob((Read(Bank.TID),)))),
            ]
            await until(lambda: server.reader.asked[-1].name == "ADD_ACCESSSPEC")
            asked.append(asyncio.create_task(reader.request(Message("GET_ROSPECS", 0))))
            asked[2].cancel()
            server.cut()
            done = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(one) for one in done] == [LinkLostError, LinkLostError, asyncio.CancelledError]


async def test_a_program_that_wants_a_reader_now_hears_why_it_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "READY_TIMEOUT_S", 0.3)
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        with pytest.raises(LinkLostError, match="cannot connect"):
            async with connected(Caller(dead.getsockname()[1]).driver):
                raise AssertionError("there is no reader")


def test_no_descriptor_is_left_open() -> None:
    """Each fault above closed what it broke: a driver lives for months."""

    async def flap() -> None:
        server = ScriptedServer()
        async with server.listening():
            caller = Caller(server.port)
            async with caller.running():
                for turn in range(20):
                    await until(lambda: caller.states()[-1:] == [ON] and len(caller.states()) == 2 * turn + 1)  # noqa: B023
                    server.cut()

    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("no /proc here")
    asyncio.run(flap())
    before = len(list(folder.iterdir()))
    asyncio.run(flap())
    assert len(list(folder.iterdir())) <= before
