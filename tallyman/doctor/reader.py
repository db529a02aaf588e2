"""Readers: is each there, what does it speak, does its clock agree, are its antennas connected, where may it transmit?

The examination is a conversation of its own with the reader, ended politely; a reader serves one client, so one that
the gateway holds says so and is not asked further.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, Final

from readers.driver import find_driver
from readers.errors import DriverNotFoundError, ProtocolError, ReaderError
from readers.llrp import requests
from readers.llrp.client import LlrpOptions
from readers.llrp.codec import VERSIONS, Framer, decode, encode, read_header
from readers.llrp.endpoint import LLRP_PORT, LLRP_TLS_PORT, Address, parse_address
from readers.llrp.message import Message
from readers.llrp.requests import Capabilities
from readers.read import EpcTable
from tallyman.attach import Attached
from tallyman.doctor.certificate import expiry
from tallyman.doctor.door import REACH_MEND, check_door
from tallyman.doctor.finding import Check, Finding, fail, ok, reason
from wire.clock import SystemClock

ANSWER_S: Final = 5.0
"""For the connection and for each answer; a reader on the site's network needs milliseconds."""

VERSION_PATIENCE_S: Final = 3.0
"""A reader of LLRP 1.0.1 may swallow the question for 1.1 without an answer."""

MAX_SKEW_S: Final = 2.0
"""Drivers map a reader's clock to ours; beyond this its own log and ours can no longer be laid side by side."""

LLRP_VERSIONS: Final = {1: "1.0.1", 2: "1.1", 3: "2.0"}
VENDORS: Final = {25_882: "Impinj", 161: "Motorola/Zebra", 10_642: "Zebra", 26_554: "ThingMagic", 22_695: "Alien"}
"""Manufacturers by their IANA enterprise number."""

BUSY: Final = frozenset({1, 2})
"""ConnectionAttemptStatus: another client, whoever began it, has the reader."""


@dataclass(slots=True)
class Examined:
    """What a reader said. `failure` is why it said no more."""

    reader: Attached
    held_by_gateway: bool
    address: str = ""
    connect_ms: float = 0.0
    failure: str = ""
    is_busy: bool = False
    version: int = 0
    newest_version: int = 0
    certificate: dict[str, Any] | None = None
    """The reader's, over TLS."""
    skew_s: float | None = None
    capabilities: Message | None = None
    antennas: dict[int, bool] = field(default_factory=dict)


async def examine(reader: Attached, *, held_by_gateway: bool) -> Examined:
    """Ask one LLRP reader everything; never raises for what the reader does."""
    found = Examined(reader, held_by_gateway)
    options = LlrpOptions.model_validate(dict(reader.settings.options))
    try:
        address = parse_address(reader.settings.address, LLRP_TLS_PORT if options.tls else LLRP_PORT)
        found.address = f"{address.host}:{address.port}"
        incoming, outgoing = await _connected(found, address, options)
    except TimeoutError:
        found.failure = f"{found.address} does not answer within {ANSWER_S:g} s"
        return found
    except ssl.SSLCertVerificationError as error:
        found.failure = f"{found.address}: its certificate is not trusted: {error.verify_message}"
        return found
    except OSError as error:
        found.failure = f"{found.address}: {reason(error)}"
        return found
    except ReaderError as error:
        found.failure = str(error)
        return found
    try:
        await _converse(found, _Conversation(incoming, outgoing), may_speak_1_1=options.version == "auto")
    except TimeoutError:
        found.failure = f"connected, but gave no LLRP answer within {ANSWER_S:g} s"
    except EOFError:
        found.failure = "closed the connection amid the examination"
    except (OSError, ProtocolError) as error:
        found.failure = f"does not speak LLRP as it should: {error}"
    finally:
        outgoing.close()
        with contextlib.suppress(OSError):
            await outgoing.wait_closed()
    return found


async def _connected(
    found: Examined, address: Address, options: LlrpOptions
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    began_s = time.monotonic()
    tls = options.tls
    name = (tls.server_name or address.host) if tls else None
    async with asyncio.timeout(ANSWER_S):
        incoming, outgoing = await asyncio.open_connection(
            address.host, address.port, ssl=tls.context() if tls else None, server_hostname=name
        )
    found.connect_ms = (time.monotonic() - began_s) * 1000
    found.certificate = outgoing.get_extra_info("peercert")
    return incoming, outgoing


class _Conversation:
    """Messages over one connection."""

    def __init__(self, incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._framer = Framer()
        self._heard: list[bytes] = []
        self.version = 0
        """Of the last message, as its header tells."""

    async def hear(self, *names: str) -> Message:
        """The next message of one of these names. Raises EOFError, TimeoutError, ProtocolError."""
        async with asyncio.timeout(ANSWER_S):
            while True:
                while self._heard:
                    frame = self._heard.pop(0)
                    self.version = read_header(frame).version
                    message = decode(frame)
                    if message.name in names:
                        return message
                data = await self._incoming.read(1 << 16)
                if not data:
                    raise EOFError
                self._heard += self._framer.feed(data)

    async def ask(self, request: Message) -> Message:
        """The answer to a request."""
        self._outgoing.write(encode(request))
        return await self.hear(f"{request.name}_RESPONSE", "ERROR_MESSAGE")


async def _converse(found: Examined, talk: _Conversation, *, may_speak_1_1: bool) -> None:
    try:
        hello = await talk.hear("READER_EVENT_NOTIFICATION")
    finally:
        found.version = talk.version
    now_s = time.time()
    data = hello.find("ReaderEventNotificationData")
    stamp = data.find("UTCTimestamp") if data else None
    attempt = data.find("ConnectionAttemptEvent") if data else None
    if stamp is not None:
        found.skew_s = stamp.fields["Microseconds"] / 1e6 - now_s
    if attempt is not None and attempt.fields["Status"] in BUSY:
        found.is_busy = True
        return
    if may_speak_1_1:
        found.newest_version = await _newest_version(talk)
    found.capabilities = await talk.ask(requests.get_capabilities(1))
    antennas = await talk.ask(requests.get_antennas(2))
    for one in antennas.every("AntennaProperties"):
        found.antennas[one.fields["AntennaID"]] = bool(one.fields["AntennaConnected"])
    await talk.ask(Message("CLOSE_CONNECTION", 3))


async def _newest_version(talk: _Conversation) -> int:
    """What the reader says it speaks; 0 where it refuses the question, or swallows it, as one of 1.0.1 may."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(VERSION_PATIENCE_S):
            answer = await talk.ask(requests.get_supported_version(4))
            return int(answer.fields.get("SupportedVersion", 0))
    return 0


async def check_reach(found: Examined) -> list[Finding]:
    """Does it answer, and has it time for us?"""
    name = f"reader {found.reader.settings.name}"
    if found.failure:
        return [fail(name, found.failure, REACH_MEND)]
    if found.is_busy and not found.held_by_gateway:
        return [fail(name, "serves another client", "find what else connects to it and stop that: a reader serves one")]
    said = f"{found.address} answers in {found.connect_ms:.0f} ms"
    return [ok(name, said + (" and serves the gateway of this journal" if found.is_busy else ""))]


async def check_version(found: Examined) -> list[Finding]:
    """Which LLRP does it speak?"""
    if not found.version:
        return []
    newest = max(found.version, found.newest_version)
    said = LLRP_VERSIONS.get(newest, f"version number {newest}, which nobody knows")
    if found.version not in VERSIONS:
        return [fail("  LLRP version", said, "set the reader to LLRP 1.0.1 or 1.1")]
    return [ok("  LLRP version", said)]


async def check_tls(found: Examined) -> list[Finding]:
    """How long does its certificate hold?"""
    if found.certificate is None:
        return []
    return [expiry("  TLS", "the reader's certificate", found.certificate)]


async def check_clock(found: Examined) -> list[Finding]:
    """Does its clock agree with this machine's?"""
    if found.skew_s is None:
        return [ok("  clock", "tells its uptime alone; reads take this machine's time")] if found.version else []
    said = f"{found.skew_s:+.3f} s against this machine"
    if abs(found.skew_s) > MAX_SKEW_S:
        return [fail("  clock", said, "set an NTP server on the reader, and check that this machine keeps time")]
    return [ok("  clock", said)]


async def check_antennas(found: Examined) -> list[Finding]:
    """Is every antenna of the configuration there and connected?"""
    if found.capabilities is None:
        return []
    ports = Capabilities.of(found.capabilities).antennas
    wanted = found.reader.settings.antennas
    absent = [port for port in wanted if port > ports]
    loose = [port for port in wanted if port not in absent and found.antennas and not found.antennas.get(port)]
    if absent:
        said = f"{_ports(absent)} of {_ports(wanted)} not on this reader, which has {ports}"
        return [fail("  antennas", said, "correct `antennas` in the configuration")]
    if loose:
        said = f"{_ports(loose)} of {_ports(wanted)} not connected"
        return [fail("  antennas", said, "check cable and antenna, or take the port out of the configuration")]
    if not found.antennas:
        return [fail("  antennas", "the reader does not tell which are connected", "check the cables by eye")]
    return [ok("  antennas", f"{_ports(wanted)} connected")]


async def check_region(found: Examined) -> list[Finding]:
    """Which country's rules does it transmit under?"""
    if found.capabilities is None:
        return []
    rules = found.capabilities.find("RegulatoryCapabilities")
    country = rules.fields["CountryCode"] if rules else 0
    if not rules or not country:
        mend = "set the region in the reader's own configuration: without it it may not transmit"
        return [fail("  region", "not set", mend)]
    standard = rules.fields["CommunicationsStandard"]
    return [ok("  region", f"country {country} (ISO 3166), communications standard {standard}")]


async def check_firmware(found: Examined) -> list[Finding]:
    """What is it, and what does it run?"""
    if found.capabilities is None:
        return []
    facts = Capabilities.of(found.capabilities)
    if not facts.firmware:
        return [fail("  firmware", "the reader does not tell its version", "update its firmware")]
    vendor = VENDORS.get(facts.vendor, f"manufacturer {facts.vendor}")
    return [ok("  firmware", f"{facts.firmware} on {vendor} model {facts.model}")]


READER_CHECKS: Final = (
    Check("reach", check_reach),
    Check("TLS", check_tls),
    Check("LLRP version", check_version),
    Check("clock", check_clock),
    Check("antennas", check_antennas),
    Check("region", check_region),
    Check("firmware", check_firmware),
)


async def check_readers(readers: list[Attached], *, held_by_gateway: bool) -> list[Finding]:
    """All readers at once: the driver's word on its options first, then LLRP readers in full, others by their door."""
    examinations = (_check_reader(reader, held_by_gateway=held_by_gateway) for reader in readers)
    return [finding for findings in await asyncio.gather(*examinations) for finding in findings]


async def _check_reader(reader: Attached, *, held_by_gateway: bool) -> list[Finding]:
    name = f"reader {reader.settings.name}"
    try:
        find_driver(reader.driver)(reader.settings, EpcTable(), SystemClock(), lambda _: None)
    except DriverNotFoundError as error:
        return [fail(name, str(error), "install the package that brings the driver, or correct `driver`")]
    except ReaderError as error:
        return [fail(name, str(error), "correct this reader's `address` and `options` in the configuration")]
    if reader.driver != "llrp":
        return [await check_door(name, reader.settings.address, reader.driver)]
    found = await examine(reader, held_by_gateway=held_by_gateway)
    return [finding for check in READER_CHECKS for finding in await check.look(found)]


def _ports(ports: list[int] | tuple[int, ...]) -> str:
    return ", ".join(map(str, ports))
