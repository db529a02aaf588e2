"""The client's side of one LLRP connection, without any I/O: bytes and time in, bytes and reader events out.

The reader speaks first (LLRP 1.0.1 §18.1). Until the inventory runs, each phase asks one thing and waits for one
answer; STEPS below is the whole machine:

    phase            asks                             success            refused
    GREETING         nothing: the reader says whether it accepts us      CAPABILITIES | closed (ReaderRefusedError)
    CAPABILITIES     GET_READER_CAPABILITIES          EXTENSIONS         CONFIGURING, taken for the plainest reader
    EXTENSIONS       Impinj's enable-extensions       CONFIGURING        CONFIGURING, without vendor parameters
    CONFIGURING      SET_READER_CONFIG                ANTENNAS           KEEPALIVE
    KEEPALIVE        SET_READER_CONFIG, the least     ANTENNAS           closed
    ANTENNAS         GET_READER_CONFIG                CLEARING           CLEARING, all antennas believed connected
    CLEARING         DELETE_ROSPEC ours               ADDING             ADDING: there was none
    ADDING           ADD_ROSPEC                       ENABLING           CLEARING_ALL
    CLEARING_ALL     DELETE_ROSPEC 0                  ADDING_AGAIN       ADDING_AGAIN
    ADDING_AGAIN     ADD_ROSPEC                       ENABLING           closed
    ENABLING         ENABLE_ROSPEC                    INVENTORYING       CLEARING_ALL (once, else closed)
    INVENTORYING     nothing: reports come            STOPPED when the reader says that our ROSpec ended
    STOPPED          nothing, for RESTART_WAIT_S      RESTARTING
    RESTARTING       START_ROSPEC                     INVENTORYING       CLEARING: the reader forgot our ROSpec
    CLOSING          CLOSE_CONNECTION                 CLOSED             CLOSED

In every phase: KEEPALIVE is acknowledged; reports and events are passed on; a message that does not decode costs
itself and is counted; an answer nobody waits for is dropped; ERROR_MESSAGE with the id of the request refuses it.
A header that cannot be true, silence beyond the watchdog (two keepalive periods), an answer that does not come within
ANSWER_TIMEOUT_S and the reader's own ConnectionCloseEvent end the session: `failure` says why. A session serves one
connection; nothing of it, no half message either, is carried into the next.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

import numpy as np

from readers.errors import DecodeError, FrameError, LinkLostError, ReaderError, ReaderRefusedError, ReaderStatusError
from readers.llrp import requests
from readers.llrp.codec import Framer, decode, encode
from readers.llrp.message import Message, Parameter
from readers.llrp.report import ReportDecoder
from readers.llrp.requests import ROSPEC_ID, Capabilities, InventoryPlan
from readers.llrp.vendor import IMPINJ
from readers.read import GpiChange, ReadBatch, ReaderEvent, ReaderNotice, ReaderState

ANSWER_TIMEOUT_S: Final = 10.0
"""Readers answer within milliseconds; a busy one that reboots its radio takes a few seconds."""

RESTART_WAIT_S: Final = 1.0
"""A reader that ends our ROSpec at once each time is not asked more often than this."""

WATCHDOG_PERIODS: Final = 2
"""So many keepalive periods without a byte mean that the reader is gone (the kernel would take hours to say so)."""

RO_ACCESS_REPORT: Final = 61
M_SUCCESS: Final = 0

NoticeKind = Literal["overflow", "antenna_lost", "antenna_back", "fault"]

REFUSALS: Final[Mapping[int, str]] = {
    1: "a connection that the reader made exists already",
    2: "another client is connected",
    3: "the reader gives no reason",
    4: "another client tried to connect",
}
"""ConnectionAttemptStatusType other than success."""


class Phase(StrEnum):
    """Where the session stands; the table at the top says what each means."""

    GREETING = "greeting"
    CAPABILITIES = "capabilities"
    EXTENSIONS = "extensions"
    CONFIGURING = "configuring"
    KEEPALIVE = "keepalive"
    ANTENNAS = "antennas"
    CLEARING = "clearing"
    ADDING = "adding"
    CLEARING_ALL = "clearing all"
    ADDING_AGAIN = "adding again"
    ENABLING = "enabling"
    INVENTORYING = "inventorying"
    STOPPED = "stopped"
    RESTARTING = "restarting"
    CLOSING = "closing"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table: `otherwise` None ends the session when the reader refuses."""

    request: Callable[[ClientSession, int], Message]
    answer: str
    then: Phase
    otherwise: Phase | None


def _add(session: ClientSession, message_id: int) -> Message:
    return requests.add_rospec(message_id, session.plan, session.capabilities, session.usable_antennas())


STEPS: Final[Mapping[Phase, Step]] = {
    Phase.CAPABILITIES: Step(
        lambda _, number: requests.get_capabilities(number),
        "GET_READER_CAPABILITIES_RESPONSE",
        Phase.EXTENSIONS,
        Phase.CONFIGURING,
    ),
    Phase.EXTENSIONS: Step(
        lambda _, number: requests.enable_impinj_extensions(number),
        "CUSTOM_MESSAGE",
        Phase.CONFIGURING,
        Phase.CONFIGURING,
    ),
    Phase.CONFIGURING: Step(
        lambda session, number: requests.set_config(number, session.plan, session.capabilities),
        "SET_READER_CONFIG_RESPONSE",
        Phase.ANTENNAS,
        Phase.KEEPALIVE,
    ),
    Phase.KEEPALIVE: Step(
        lambda session, number: requests.set_keepalive(number, session.plan),
        "SET_READER_CONFIG_RESPONSE",
        Phase.ANTENNAS,
        None,
    ),
    Phase.ANTENNAS: Step(
        lambda _, number: requests.get_antennas(number),
        "GET_READER_CONFIG_RESPONSE",
        Phase.CLEARING,
        Phase.CLEARING,
    ),
    Phase.CLEARING: Step(
        lambda _, number: requests.rospec_request("DELETE_ROSPEC", number),
        "DELETE_ROSPEC_RESPONSE",
        Phase.ADDING,
        Phase.ADDING,
    ),
    Phase.ADDING: Step(_add, "ADD_ROSPEC_RESPONSE", Phase.ENABLING, Phase.CLEARING_ALL),
    Phase.CLEARING_ALL: Step(
        lambda _, number: requests.rospec_request("DELETE_ROSPEC", number, 0),
        "DELETE_ROSPEC_RESPONSE",
        Phase.ADDING_AGAIN,
        Phase.ADDING_AGAIN,
    ),
    Phase.ADDING_AGAIN: Step(_add, "ADD_ROSPEC_RESPONSE", Phase.ENABLING, None),
    Phase.ENABLING: Step(
        lambda _, number: requests.rospec_request("ENABLE_ROSPEC", number),
        "ENABLE_ROSPEC_RESPONSE",
        Phase.INVENTORYING,
        Phase.CLEARING_ALL,
    ),
    Phase.RESTARTING: Step(
        lambda _, number: requests.rospec_request("START_ROSPEC", number),
        "START_ROSPEC_RESPONSE",
        Phase.INVENTORYING,
        Phase.CLEARING,
    ),
    Phase.CLOSING: Step(
        lambda _, number: Message("CLOSE_CONNECTION", number),
        "CLOSE_CONNECTION_RESPONSE",
        Phase.CLOSED,
        Phase.CLOSED,
    ),
}

QUIET: Final = frozenset({Phase.CLEARING, Phase.CLEARING_ALL, Phase.ADDING, Phase.RESTARTING, Phase.CLOSING})
"""Phases whose refusal is part of the plan and worth no notice."""


class ClientSession:
    """One connection's state. `now_s` is any monotonic clock, `at_us` the gateway's UTC in microseconds.

    After each call the owner sends `data_to_send()`, hands on the returned events, and closes the transport once
    `phase` is CLOSED; `failure` is then None after a clean close.
    """

    def __init__(self, reader: str, plan: InventoryPlan, reports: ReportDecoder, now_s: float) -> None:
        self.plan: InventoryPlan = plan
        self.capabilities: Capabilities = Capabilities()
        self.phase = Phase.GREETING
        self.failure: ReaderError | None = None
        self.damaged = 0
        """Messages that did not decode."""
        self._reader = reader
        self._reports = reports
        reports.reset()
        self._framer = Framer()
        self._out = bytearray()
        self._events: list[ReaderEvent] = []
        self._report_frames: list[bytes] = []
        self._last_id = 0
        self._awaited_id = 0
        self._heard_s = now_s
        self._answer_due_s: float | None = now_s + ANSWER_TIMEOUT_S
        self._watching = False
        self._refusals: Counter[Phase] = Counter()
        self._lost_antennas: set[int] = set()
        self._uptime_offset_us: int | None = None

    def data_to_send(self) -> bytes:
        """Bytes for the reader since the last call."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def next_deadline_s(self) -> float | None:
        """When `handle_timeout` wants to be called; None while nothing can time out."""
        if self.closed:
            return None
        watchdog_s = self._heard_s + self._patience_s if self._watching else None
        return min((due for due in (self._answer_due_s, watchdog_s) if due is not None), default=None)

    def usable_antennas(self) -> tuple[int, ...]:
        """The planned antennas that the reader has; all of them when it does not say how many it has."""
        most = self.capabilities.antennas
        return tuple(port for port in self.plan.antennas if not most or port <= most)

    def receive_data(self, data: bytes, now_s: float, at_us: int) -> list[ReaderEvent]:
        """Take bytes from the reader. Reads of one call come as one ReadBatch unless an event lies between them."""
        if self.phase is Phase.CLOSED:
            return []
        self._heard_s = now_s
        broken: FrameError | None = None
        try:
            frames = self._framer.feed(data)
        except FrameError as error:
            frames, broken = list(error.frames), error
        for frame in frames:
            self._receive_frame(frame, now_s, at_us)
            if self.closed:
                break
        if broken is not None and not self.closed:
            self._fail(broken)
        return self._take_events(at_us)

    def connection_lost(self, reason: str) -> None:
        """The transport is gone. A half message that it left dies with this session."""
        if self.phase is Phase.CLOSING:
            self.phase = Phase.CLOSED
        elif not self.closed:
            self._fail(LinkLostError(f"{reason} while {self.phase}"))

    def handle_timeout(self, now_s: float, at_us: int) -> list[ReaderEvent]:
        """Time has passed: notice a silent reader or a missing answer, restart a stopped inventory."""
        if self.closed:
            return []
        if self._watching and now_s >= self._heard_s + self._patience_s:
            self._fail(LinkLostError(f"nothing heard for {now_s - self._heard_s:.1f} s, two keepalives missed"))
        elif self._answer_due_s is not None and now_s >= self._answer_due_s:
            if self.phase is Phase.STOPPED:
                self._enter(Phase.RESTARTING, now_s, at_us)
            elif self.phase is Phase.CLOSING:
                self.phase = Phase.CLOSED
            else:
                self._fail(LinkLostError(f"no answer within {ANSWER_TIMEOUT_S:.0f} s while {self.phase}"))
        return self._take_events(at_us)

    def close(self, now_s: float) -> None:
        """Leave politely: the ROSpec is deleted, so that no antenna radiates for nobody, and the link closed."""
        if self.phase in (Phase.CLOSED, Phase.CLOSING):
            return
        if self.phase is Phase.GREETING:
            self.phase = Phase.CLOSED
            return
        self._send(requests.rospec_request("DELETE_ROSPEC", self._next_id()))
        self._enter(Phase.CLOSING, now_s, 0)

    @property
    def closed(self) -> bool:
        """Whether the session is over, well or not."""
        return self.phase is Phase.CLOSED

    @property
    def _patience_s(self) -> float:
        return WATCHDOG_PERIODS * self.plan.keepalive_ms / 1000

    # --- what the reader says -------------------------------------------------------------------------------------

    def _receive_frame(self, frame: bytes, now_s: float, at_us: int) -> None:
        """One whole message. A damaged one is counted and costs nothing else."""
        try:
            if frame[1] == RO_ACCESS_REPORT and not frame[0] & 3:
                self._report_frames.append(frame)
                return
            message = decode(frame)
        except DecodeError as error:
            self._count_damage(error, at_us)
            return
        if message.name == "KEEPALIVE":
            self._send(Message("KEEPALIVE_ACK", message.id))
        elif message.name == "READER_EVENT_NOTIFICATION":
            self._receive_event(message, now_s, at_us)
        elif message.name == "ERROR_MESSAGE":
            self._receive_error(message, now_s, at_us)
        else:
            self._receive_answer(message, now_s, at_us)

    def _receive_answer(self, message: Message, now_s: float, at_us: int) -> None:
        step = STEPS.get(self.phase)
        if step is None or message.name != step.answer or message.id != self._awaited_id:
            return
        status = message.find("LLRPStatus")
        if status is not None and status.fields["StatusCode"] != M_SUCCESS:
            self._refused(step, status, now_s, at_us)
            return
        if self.phase is Phase.EXTENSIONS and not _impinj_success(message):
            self._refused(step, None, now_s, at_us)
            return
        if self.phase is Phase.CAPABILITIES:
            self._learn_capabilities(message, at_us)
        elif self.phase is Phase.ANTENNAS:
            self._learn_antennas(message, at_us)
        elif self.phase in (Phase.CONFIGURING, Phase.KEEPALIVE):
            self._watching = True
        self._enter(step.then, now_s, at_us)

    def _receive_error(self, message: Message, now_s: float, at_us: int) -> None:
        step, status = STEPS.get(self.phase), message.find("LLRPStatus")
        if step is not None and message.id == self._awaited_id:
            self._refused(step, status, now_s, at_us)
        else:
            self._notice("fault", f"the reader complains: {_describe(status)}", at_us)

    def _refused(self, step: Step, status: Parameter | None, now_s: float, at_us: int) -> None:
        """Go where the table says, or give up; a phase that was refused twice before is not tried for ever."""
        self._refusals[self.phase] += 1
        request = step.request(self, self._awaited_id).name
        if step.otherwise is None or (self._refusals[self.phase] > 1 and self.phase is Phase.ENABLING):
            code = status.fields["StatusCode"] if status else -1
            self._fail(ReaderStatusError(request, code, status.fields["ErrorDescription"] if status else ""))
            return
        if self.phase not in QUIET:
            self._notice("fault", f"{request} was refused: {_describe(status)}", at_us)
        self._enter(step.otherwise, now_s, at_us)

    def _learn_capabilities(self, message: Message, at_us: int) -> None:
        self.capabilities = Capabilities.of(message)
        usable = self.usable_antennas()
        missing = sorted(set(self.plan.antennas) - set(usable))
        if not usable:
            self._fail(ReaderError(f"the reader has no antenna {missing}, only 1-{self.capabilities.antennas}"))
        elif missing:
            self._notice("antenna_lost", f"the reader has no antenna {missing}", at_us)

    def _learn_antennas(self, message: Message, at_us: int) -> None:
        for properties in message.every("AntennaProperties"):
            port = properties.fields["AntennaID"]
            if port in self.plan.antennas and not properties.fields["AntennaConnected"]:
                self._lost_antennas.add(port)
                self._notice("antenna_lost", f"antenna {port} is not connected", at_us)

    def _count_damage(self, error: DecodeError, at_us: int) -> None:
        self.damaged += 1
        if self.damaged == 1:
            self._notice("fault", f"a message does not decode (more are only counted): {error}", at_us)

    # --- events -----------------------------------------------------------------------------------------------------

    def _receive_event(self, message: Message, now_s: float, at_us: int) -> None:
        data = message.find("ReaderEventNotificationData")
        if data is None:
            return
        self._gather_reads(at_us)  # with the offset of uptime as it was
        event_us = self._event_time(data, at_us)
        for parameter in data.parameters:
            match parameter.name:
                case "ConnectionAttemptEvent":
                    self._attempted(parameter.fields["Status"], now_s, at_us)
                case "ConnectionCloseEvent":
                    self._fail(LinkLostError("the reader closed the connection"))
                case "ROSpecEvent":
                    self._rospec_event(parameter.fields, now_s, at_us)
                case "AntennaEvent":
                    self._antenna_event(parameter.fields["AntennaID"], bool(parameter.fields["EventType"]), at_us)
                case "GPIEvent":
                    port, high = parameter.fields["GPIPortNumber"], bool(parameter.fields["GPIEvent"])
                    self._pass_on(GpiChange(self._reader, port, high, event_us), at_us)
                case "ReaderExceptionEvent":
                    self._notice("fault", f"the reader reports: {parameter.fields['Message']}", at_us)
                case "ReportBufferLevelWarningEvent":
                    percent = parameter.fields["ReportBufferPercentageFull"]
                    self._notice("overflow", f"the reader's report buffer is {percent} % full", at_us)
                case "ReportBufferOverflowErrorEvent":
                    self._notice("overflow", "the reader's report buffer overflowed; reads are lost", at_us)

    def _event_time(self, data: Parameter, at_us: int) -> int:
        """The event's time in UTC. A reader without a clock gives uptime, mapped by the smallest delay seen so far."""
        utc = data.find("UTCTimestamp")
        if utc is not None:
            return int(utc.fields["Microseconds"])
        uptime = data.find("Uptime")
        if uptime is None:
            return at_us
        uptime_us = int(uptime.fields["Microseconds"])
        offset_us = at_us - uptime_us
        if self._uptime_offset_us is None or offset_us < self._uptime_offset_us:
            self._uptime_offset_us = self._reports.uptime_offset_us = offset_us
        return uptime_us + self._uptime_offset_us

    def _attempted(self, status: int, now_s: float, at_us: int) -> None:
        """The reader's word on a connection: ours, or (status 4, established) somebody else's."""
        if self.phase is not Phase.GREETING:
            if status != M_SUCCESS:
                self._notice("fault", f"{REFUSALS.get(status, 'unknown connection event')} (status {status})", at_us)
        elif status == M_SUCCESS:
            self._enter(Phase.CAPABILITIES, now_s, at_us)
        else:
            self._fail(ReaderRefusedError(status, REFUSALS.get(status, "unknown reason")))

    def _rospec_event(self, fields: Mapping[str, int], now_s: float, at_us: int) -> None:
        """Start is 0; anything else of our own ROSpec (end, preemption) means that the reader stopped seeing."""
        if fields["ROSpecID"] == ROSPEC_ID and fields["EventType"] != 0 and self.phase is Phase.INVENTORYING:
            self.phase = Phase.STOPPED
            self._answer_due_s = now_s + RESTART_WAIT_S
            self._pass_on(ReaderState(self._reader, frozenset(), at_us, "the reader ended the inventory"), at_us)

    def _antenna_event(self, port: int, connected: bool, at_us: int) -> None:
        if port not in self.plan.antennas or connected is (port not in self._lost_antennas):
            return
        if connected:
            self._lost_antennas.discard(port)
            detail = f"antenna {port} is connected again"
        else:
            self._lost_antennas.add(port)
            detail = f"antenna {port} is not connected any more"
        self._notice("antenna_back" if connected else "antenna_lost", detail, at_us)
        if self.phase is Phase.INVENTORYING:
            self._say_antennas(at_us, detail)

    # --- moving on --------------------------------------------------------------------------------------------------

    def _enter(self, phase: Phase, now_s: float, at_us: int) -> None:
        """Take up a phase: ask what its step asks, and give the answer its time."""
        if self.closed:
            return
        if phase is Phase.EXTENSIONS and self.capabilities.vendor != IMPINJ:
            phase = Phase.CONFIGURING
        self.phase = phase
        step = STEPS.get(phase)
        if step is None:
            self._answer_due_s = None
            if phase is Phase.INVENTORYING:
                self._say_antennas(at_us, "inventorying")
            return
        if phase is Phase.CLEARING and self.capabilities.holds_reports:
            self._send(Message("ENABLE_EVENTS_AND_REPORTS", self._next_id()))
        self._awaited_id = self._next_id()
        self._answer_due_s = now_s + ANSWER_TIMEOUT_S
        self._send(step.request(self, self._awaited_id))

    def _say_antennas(self, at_us: int, detail: str) -> None:
        antennas = frozenset(self.usable_antennas()) - self._lost_antennas
        self._pass_on(ReaderState(self._reader, antennas, at_us, detail), at_us)

    def _fail(self, error: ReaderError) -> None:
        self.failure = error
        self.phase = Phase.CLOSED

    def _next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def _send(self, message: Message) -> None:
        self._out += encode(message)

    def _notice(self, kind: NoticeKind, detail: str, at_us: int) -> None:
        self._pass_on(ReaderNotice(self._reader, kind, detail, at_us), at_us)

    def _pass_on(self, event: ReaderEvent, at_us: int) -> None:
        """Keep the order: reads that came before an event are handed on before it."""
        self._gather_reads(at_us)
        self._events.append(event)

    def _gather_reads(self, at_us: int) -> None:
        """Decode the reports that came since the last call, all at once."""
        if not self._report_frames:
            return
        reads, faults = self._reports.decode_all(self._report_frames)
        self._report_frames = []
        for error in faults:
            self._count_damage(error, at_us)
        if not len(reads):
            return
        for port in self._lost_antennas & set(np.unique(reads["antenna"]).tolist()) if self._lost_antennas else ():
            self._antenna_event(port, True, at_us)
        self._events.append(ReadBatch(self._reader, reads, at_us))

    def _take_events(self, at_us: int) -> list[ReaderEvent]:
        self._gather_reads(at_us)
        events, self._events = self._events, []
        return events


def _describe(status: Parameter | None) -> str:
    if status is None:
        return "no status given"
    return f"status {status.fields['StatusCode']} {status.fields['ErrorDescription']}".rstrip()


def _impinj_success(message: Message) -> bool:
    """Whether a CUSTOM_MESSAGE is Impinj's answer to enable-extensions with M_Success in its LLRPStatus."""
    fields = message.fields
    if (fields["VendorIdentifier"], fields["MessageSubtype"]) != (IMPINJ, requests.IMPINJ_ENABLE_EXTENSIONS_RESPONSE):
        return False
    data: bytes = fields["Data"]
    return len(data) >= 6 and struct.unpack_from("!H", data, 4)[0] == M_SUCCESS
