"""A small LLRP reader for tests of the client, written from the specification alone: no time, no radio, no socket.

It answers request by request, and can be told to refuse (`refuses`: message name → status code), to be deaf
(`ignores`), and to hold reports while its client is away. ROSpecs and configuration outlive connections; `reboot`
forgets them. `Talk` is a client session and such a reader, or a test in the reader's place, in one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable

from readers.llrp.codec import Framer, decode, encode
from readers.llrp.connection import ClientSession, SessionEvent
from readers.llrp.delivery import Memory
from readers.llrp.message import Message, Parameter
from readers.llrp.report import ReportDecoder
from readers.llrp.requests import InventoryPlan
from readers.llrp.steps import Phase
from readers.llrp.vendor import IMPINJ
from readers.read import EpcTable

NOW_US = 1_700_000_000_000_000
KEEPALIVE_S = 5.0
OTHER_VENDOR = 161
UNSUPPORTED_MESSAGE = 109
UNSUPPORTED_VERSION = 110


def status(code: int) -> Parameter:
    return Parameter("LLRPStatus", {"StatusCode": code, "ErrorDescription": "no" if code else ""})


def reader_event(event: Parameter, stamp: str = "UTCTimestamp", at_us: int = NOW_US) -> Message:
    data = Parameter("ReaderEventNotificationData", {}, [Parameter(stamp, {"Microseconds": at_us}), event])
    return Message("READER_EVENT_NOTIFICATION", 0, {}, [data])


def rospec_event(rospec_id: int, kind: int) -> Message:
    fields = {"EventType": kind, "ROSpecID": rospec_id, "PreemptingROSpecID": 0}
    return reader_event(Parameter("ROSpecEvent", fields))


def report(
    epc: bytes, at_us: int = NOW_US, antenna: int = 1, stamp: str = "UTC", more: tuple[Parameter, ...] = ()
) -> Message:
    parts = [
        Parameter("EPC_96", {"EPC": epc}),
        Parameter("AntennaID", {"AntennaID": antenna}),
        Parameter("PeakRSSI", {"PeakRSSI": -60}),
        Parameter(f"LastSeenTimestamp{stamp}", {"Microseconds": at_us}),
        *more,
    ]
    return Message("RO_ACCESS_REPORT", 9, {}, [Parameter("TagReportData", {}, parts)])


def capabilities_of(vendor: int, antennas: int, gpis: int, gpos: int, holds: bool) -> list[Parameter]:
    """The least that the specification demands, so that a handshake is short."""
    general = {
        "MaxNumberOfAntennaSupported": antennas,
        "CanSetAntennaProperties": False,
        "HasUTCClockCapability": True,
        "DeviceManufacturerName": vendor,
        "ModelName": 7,
        "ReaderFirmwareVersion": "1.2",
    }
    parts = [
        Parameter("ReceiveSensitivityTableEntry", {"Index": 1, "ReceiveSensitivityValue": 0}),
        Parameter("GPIOCapabilities", {"NumGPIs": gpis, "NumGPOs": gpos}),
        Parameter("PerAntennaAirProtocol", {"AntennaID": 1, "ProtocolID": [1]}),
    ]
    flags = dict.fromkeys(
        (
            "CanDoRFSurvey",
            "CanReportBufferFillWarning",
            "SupportsClientRequestOpSpec",
            "CanDoTagInventoryStateAwareSingulation",
        ),
        False,
    )
    limits = dict.fromkeys(
        (
            "MaxNumPriorityLevelsSupported",
            "ClientRequestOpSpecTimeout",
            "MaxNumROSpecs",
            "MaxNumSpecsPerROSpec",
            "MaxNumInventoryParameterSpecsPerAISpec",
            "MaxNumAccessSpecs",
            "MaxNumOpSpecsPerAccessSpec",
        ),
        1,
    )
    llrp = Parameter("LLRPCapabilities", {**flags, "SupportsEventAndReportHolding": holds, **limits})
    return [Parameter("GeneralDeviceCapabilities", general, parts), llrp]


NEGOTIATED = {"GET_SUPPORTED_VERSION_RESPONSE", "SET_PROTOCOL_VERSION_RESPONSE"}
"""Answers that exist in LLRP 1.1 only, and come in header version 2 whatever was agreed before (1.1 §9.1)."""


class ScriptedReader:
    """The reader's side. `hear` takes the client's bytes and gives the reader's."""

    def __init__(
        self, *, versions: tuple[int, ...] = (1,), vendor: int = OTHER_VENDOR, gpis: int = 0, holds: bool = True
    ) -> None:
        self.versions, self.vendor, self.gpis, self.holds = versions, vendor, gpis, holds
        self.refuses: dict[str, int] = {}
        self.ignores: set[str] = set()
        self.unplugged: set[int] = set()
        self.inputs: dict[int, bool] = dict.fromkeys(range(1, gpis + 1), False)
        self.outputs: dict[int, bool] = {}
        self.asked: list[Message] = []
        self.held: list[bytes] = []
        self.connections = 0
        self.reboot()

    def reboot(self) -> None:
        """Everything a client set is forgotten."""
        self.rospecs: dict[int, Parameter] = {}
        self.access_specs: dict[int, Parameter] = {}
        self.is_holding = False
        self.keepalive_s = 0.0

    def connect(self) -> bytes:
        """A client came, and is accepted."""
        self.connections += 1
        self._framer = Framer()
        self._version = 1
        return encode(reader_event(Parameter("ConnectionAttemptEvent", {"Status": 0})))

    def hear(self, data: bytes) -> bytes:
        """The client's bytes; what the reader says to the messages that are whole."""
        return b"".join(self._answer(decode(frame)) for frame in self._framer.feed(data))

    def keepalive(self) -> bytes:
        """To be said every `keepalive_s`."""
        return self._say(Message("KEEPALIVE", 1))

    @property
    def active(self) -> list[int]:
        """ROSpecs that inventory now."""
        return [number for number, spec in self.rospecs.items() if spec.fields["CurrentState"] == 2]

    def _answer(self, request: Message) -> bytes:
        self.asked.append(request)
        name = request.name
        if name in self.ignores or name == "KEEPALIVE_ACK":
            return b""
        code = self.refuses.get(name)
        if name == "GET_SUPPORTED_VERSION" and 2 not in self.versions:
            code = code if code is not None else UNSUPPORTED_VERSION
        if code in (UNSUPPORTED_MESSAGE, UNSUPPORTED_VERSION):
            return self._say(Message("ERROR_MESSAGE", request.id, {}, [status(code)]))
        if name == "ENABLE_EVENTS_AND_REPORTS":
            held, self.held = self.held, []
            return b"".join(held)
        if name == "GET_REPORT":
            return self._say(Message("RO_ACCESS_REPORT", request.id))
        if name == "CUSTOM_MESSAGE":
            data = bytes.fromhex("011f0008") + (code or 0).to_bytes(2, "big") + bytes(2)
            fields = {"VendorIdentifier": IMPINJ, "MessageSubtype": 22, "Data": data}
            return self._say(Message("CUSTOM_MESSAGE", request.id, fields))
        fields, parts = {}, []
        if not code:
            fields, parts, code = self._carry_out(request)
        elif name == "GET_SUPPORTED_VERSION":
            fields = {"CurrentVersion": 1, "SupportedVersion": 1}
        return self._say(Message(f"{name}_RESPONSE", request.id, fields, [status(code), *parts]))

    def _say(self, message: Message) -> bytes:
        message.version = 2 if message.name in NEGOTIATED else self._version
        return encode(message)

    def _carry_out(self, request: Message) -> tuple[dict[str, int], list[Parameter], int]:
        """Fields, parameters and status of the answer."""
        name = request.name
        if name.endswith(("_ROSPEC", "_ROSPECS")):
            return {}, *self._spec(request, self.rospecs, "ROSpec")
        if name.endswith(("_ACCESSSPEC", "_ACCESSSPECS")):
            return {}, *self._spec(request, self.access_specs, "AccessSpec")
        match name:
            case "GET_SUPPORTED_VERSION":
                return {"CurrentVersion": self._version, "SupportedVersion": max(self.versions)}, [], 0
            case "SET_PROTOCOL_VERSION":
                self._version = request.fields["ProtocolVersion"]
            case "GET_READER_CAPABILITIES":
                return {}, capabilities_of(self.vendor, 4, self.gpis, 4, self.holds), 0
            case "SET_READER_CONFIG":
                self._configure(request)
            case "GET_READER_CONFIG":
                return {}, self._configuration(request.fields["RequestedData"]), 0
        return {}, [], 0

    def _configure(self, request: Message) -> None:
        for parameter in request.parameters:
            if parameter.name == "KeepaliveSpec":
                self.keepalive_s = parameter.fields["PeriodicTriggerValue"] / 1000
            elif parameter.name == "EventsAndReports":
                self.is_holding = parameter.fields["HoldEventsAndReportsUponReconnect"]
            elif parameter.name == "GPOWriteData":
                self.outputs[parameter.fields["GPOPortNumber"]] = parameter.fields["GPOData"]

    def _configuration(self, requested: int) -> list[Parameter]:
        if requested == 9:
            states = ({"GPIPortNum": n, "Config": True, "State": int(high)} for n, high in self.inputs.items())
            return [Parameter("GPIPortCurrentState", fields) for fields in states]
        ports = ({"AntennaConnected": n not in self.unplugged, "AntennaID": n, "AntennaGain": 0} for n in range(1, 5))
        return [Parameter("AntennaProperties", fields) for fields in ports]

    def _spec(self, request: Message, specs: dict[int, Parameter], kind: str) -> tuple[list[Parameter], int]:
        verb = request.name.split("_")[0]
        if verb == "GET":
            return list(specs.values()), 0
        if verb == "ADD":
            (spec,) = request.parameters
            number = spec.fields[f"{kind}ID"]
            if number in specs:
                return [], 101
            specs[number] = spec
            return [], 0
        number = request.fields[f"{kind}ID"]
        chosen = list(specs) if number == 0 else [number] if number in specs else []
        if number and not chosen:
            return [], 101
        for one in chosen:
            if verb == "DELETE":
                del specs[one]
            else:
                specs[one].fields["CurrentState"] = self._state_after(verb, specs[one], kind)
        return [], 0

    @staticmethod
    def _state_after(verb: str, spec: Parameter, kind: str) -> int:
        if kind == "AccessSpec" or verb in ("DISABLE", "STOP"):
            return {"DISABLE": 0, "STOP": 1}.get(verb, 1)
        if verb == "START":
            return 2
        boundary = spec.find("ROBoundarySpec")
        assert boundary is not None
        start = boundary.find("ROSpecStartTrigger")
        assert start is not None
        return 2 if start.fields["ROSpecStartTriggerType"] == 1 else 1


class Talk:
    """A session, and the reader's side of the script: a ScriptedReader, or the test, message by message."""

    def __init__(
        self, plan: InventoryPlan | None = None, reader: ScriptedReader | None = None, memory: Memory | None = None
    ) -> None:
        self.now_s = 100.0
        self.at_us = NOW_US
        self.epcs = EpcTable()
        self.plan = plan or InventoryPlan(antennas=(1, 2), keepalive_ms=int(KEEPALIVE_S * 1000))
        self.memory = memory or Memory()
        self.reader = reader or ScriptedReader()
        self.events: list[SessionEvent] = []
        self.asked: list[Message] = []
        self.reconnect()

    def reconnect(self) -> None:
        """A new connection of the same driver."""
        self.session = ClientSession("door", self.plan, ReportDecoder(self.epcs), self.now_s, self.memory)
        self._framer = Framer()
        self.sent = b""

    def say(self, *messages: Message | bytes) -> None:
        """The test says this in the reader's place."""
        data = b"".join(message if isinstance(message, bytes) else encode(message) for message in messages)
        self.events += self.session.receive_data(data, self.now_s, self.at_us)
        self.hear()

    def wait(self, seconds: float) -> None:
        self.now_s += seconds
        self.at_us += round(seconds * 1e6)
        self.events += self.session.handle_timeout(self.now_s, self.at_us)
        self.hear()

    def hear(self) -> None:
        data = self.session.data_to_send()
        self.sent += data
        self.asked += [decode(frame) for frame in self._framer.feed(data)]

    def event(self, name: str, **fields: object) -> None:
        self.say(reader_event(Parameter(name, dict(fields))))

    def answer(self, code: int = 0, *parts: Parameter) -> None:
        """Answer the last request with this status, and nothing but `parts`."""
        request = self.asked[-1]
        if request.name == "CUSTOM_MESSAGE":
            data = bytes.fromhex("011f0008") + code.to_bytes(2, "big") + bytes(2)
            self.say(
                Message("CUSTOM_MESSAGE", request.id, {"VendorIdentifier": IMPINJ, "MessageSubtype": 22, "Data": data})
            )
            return
        fields = {"CurrentVersion": 1, "SupportedVersion": 1} if request.name == "GET_SUPPORTED_VERSION" else {}
        name = f"{request.name}_RESPONSE"
        version = 2 if name in NEGOTIATED else 1
        self.say(Message(name, request.id, fields, [status(code), *parts], version))

    def greet(self, vendor: int = IMPINJ, gpis: int = 0) -> None:
        self.event("ConnectionAttemptEvent", Status=0)
        self.say(Message("ERROR_MESSAGE", self.asked[-1].id, {}, [status(UNSUPPORTED_VERSION)]))
        self.answer(0, *capabilities_of(vendor, 4, gpis, 4, True))

    def until(self, phase: Phase) -> None:
        """Answer with success until the session is there."""
        while self.session.phase is not phase:
            self.answer()

    def begin(self) -> None:
        """A whole handshake, by the test's answers."""
        self.greet()
        self.until(Phase.INVENTORYING)

    def run(self) -> None:
        """A whole handshake with the scripted reader."""
        self.say(self.reader.connect())
        self.pump()

    def pump(self) -> None:
        """Carry bytes both ways until nobody says anything."""
        self.hear()
        while self.sent:
            data, self.sent = self.sent, b""
            self.say(self.reader.hear(data))

    def of(self, kind: type) -> list[SessionEvent]:
        return [event for event in self.events if isinstance(event, kind)]


class ScriptedServer:
    """A ScriptedReader on a TCP port. `heard` is called with each message before it is answered; it may cut the link
    by raising ConnectionResetError.
    """

    def __init__(self, reader: ScriptedReader | None = None, heard: Callable[[Message], None] | None = None) -> None:
        self.reader = reader or ScriptedReader()
        self.heard = heard
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def listening(
        self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[ScriptedServer]:
        server = await asyncio.start_server(self._serve, host, port, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Reset every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def say(self, *messages: Message) -> None:
        """To the client that is there."""
        for writer in self._writers:
            writer.write(b"".join(encode(message) for message in messages))

    async def _serve(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        beating = asyncio.create_task(self._beat(writer))
        try:
            writer.write(self.reader.connect())
            while data := await stream.read(65536):
                before = len(self.reader.asked)
                answer = self.reader.hear(data)
                for message in self.reader.asked[before:]:
                    if self.heard is not None:
                        self.heard(message)
                writer.write(answer)
        except OSError:
            writer.transport.abort()
        except asyncio.CancelledError:
            return  # the loop ends; a cancelled task of asyncio's server would be logged as a fault
        finally:
            beating.cancel()
            self._writers.discard(writer)
            writer.close()

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(self.reader.keepalive_s or 0.05)
            if self.reader.keepalive_s:
                writer.write(self.reader.keepalive())
