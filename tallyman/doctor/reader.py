"""Readers: is each there, what does it speak, does its clock agree, are its antennas connected, where may it transmit?

The examination is a conversation of its own with the reader, ended politely; a reader serves one client, so one that
the gateway holds says so and is not asked further.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Final

from readers.driver import find_driver
from readers.errors import DriverNotFoundError, ProtocolError, ReaderError
from readers.llrp import requests
from readers.llrp.codec import Framer, decode, encode
from readers.llrp.endpoint import parse_address
from readers.llrp.message import Message
from readers.llrp.requests import Capabilities
from tallyman.attach import Attached
from tallyman.doctor.finding import Check, Finding, fail, ok

ANSWER_S: Final = 5.0
"""For the connection and for each answer; a reader on the site's network needs milliseconds."""

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
    skew_s: float | None = None
    capabilities: Message | None = None
    antennas: dict[int, bool] = field(default_factory=dict)


async def examine(reader: Attached, *, held_by_gateway: bool) -> Examined:
    """Ask one LLRP reader everything; never raises for what the reader does."""
    found = Examined(reader, held_by_gateway)
    try:
        address = parse_address(reader.settings.address)
        found.address = f"{address.host}:{address.port}"
        began_s = time.monotonic()
        async with asyncio.timeout(ANSWER_S):
            incoming, outgoing = await asyncio.open_connection(address.host, address.port)
        found.connect_ms = (time.monotonic() - began_s) * 1000
    except TimeoutError:
        found.failure = f"{found.address} does not answer within {ANSWER_S:g} s"
        return found
    except (OSError, ReaderError) as error:
        found.failure = f"{found.address or reader.settings.address}: {error}"
        return found
    try:
        await _converse(found, _Conversation(incoming, outgoing))
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


class _Conversation:
    """Messages over one connection."""

    def __init__(self, incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._framer = Framer()
        self._heard: list[bytes] = []

    async def hear(self, *names: str) -> Message:
        """The next message of one of these names. Raises EOFError, TimeoutError, ProtocolError."""
        async with asyncio.timeout(ANSWER_S):
            while True:
                while self._heard:
                    message = decode(self._heard.pop(0))
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


async def _converse(found: Examined, talk: _Conversation) -> None:
    hello = await talk.hear("READER_EVENT_NOTIFICATION")
    now_s = time.time()
    found.version = hello.version
    data = hello.find("ReaderEventNotificationData")
    stamp = data.find("UTCTimestamp") if data else None
    attempt = data.find("ConnectionAttemptEvent") if data else None
    if stamp is not None:
        found.skew_s = stamp.fields["Microseconds"] / 1e6 - now_s
    if attempt is not None and attempt.fields["Status"] in BUSY:
        found.is_busy = True
        return
    found.capabilities = await talk.ask(requests.get_capabilities(1))
    antennas = await talk.ask(requests.get_antennas(2))
    for one in antennas.every("AntennaProperties"):
        found.antennas[one.fields["AntennaID"]] = bool(one.fields["AntennaConnected"])
    await talk.ask(Message("CLOSE_CONNECTION", 3))


async def check_reach(found: Examined) -> list[Finding]:
    """Does it answer, and has it time for us?"""
    name = f"reader {found.reader.settings.name}"
    if found.failure:
        mend = "check its power, its cable and `address` in the configuration; LLRP listens on port 5084"
        return [fail(name, found.failure, mend)]
    if found.is_busy and not found.held_by_gateway:
        return [fail(name, "serves another client", "find what else connects to it and stop that: a reader serves one")]
    said = f"{found.address} answers in {found.connect_ms:.0f} ms"
    return [ok(name, said + (" and serves the gateway of this journal" if found.is_busy else ""))]


async def check_version(found: Examined) -> list[Finding]:
    """Which LLRP does it speak?"""
    if not found.version:
        return []
    version = LLRP_VERSIONS.get(found.version)
    if version is None or found.version > 2:
        said = f"speaks version {version or found.version} of the protocol"
        return [fail("  LLRP version", said, "set the reader to LLRP 1.0.1 or 1.1")]
    return [ok("  LLRP version", version)]


async def check_clock(found: Examined) -> list[Finding]:
    """Does its clock agree with this machine's?"""
    if found.skew_s is None:
        return []
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
    Check("LLRP version", check_version),
    Check("clock", check_clock),
    Check("antennas", check_antennas),
    Check("region", check_region),
    Check("firmware", check_firmware),
)


async def check_readers(readers: list[Attached], *, held_by_gateway: bool) -> list[Finding]:
    """All readers at once; one whose driver does not speak LLRP only has its driver looked up."""
    llrp = [reader for reader in readers if reader.driver == "llrp"]
    examined = await asyncio.gather(*(examine(reader, held_by_gateway=held_by_gateway) for reader in llrp))
    findings = [finding for found in examined for check in READER_CHECKS for finding in await check.look(found)]
    return findings + [_driver(reader) for reader in readers if reader.driver != "llrp"]


def _driver(reader: Attached) -> Finding:
    name = f"reader {reader.settings.name}"
    try:
        find_driver(reader.driver)
    except DriverNotFoundError as error:
        return fail(name, str(error), "install the package that brings the driver, or correct `driver`")
    return ok(name, f"driver {reader.driver} is installed; only LLRP readers are examined further")


def _ports(ports: list[int] | tuple[int, ...]) -> str:
    return ", ".join(map(str, ports))
