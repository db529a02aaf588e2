"""The client's side of one LLRP connection, without any I/O: bytes and time in, bytes and typed events out.

The reader speaks first (LLRP 1.0.1 §18.1). Until the inventory runs, each phase asks one thing and waits for one
answer; this is the whole machine (steps.py holds it as data):

    phase            asks                             success            refused
    GREETING         nothing: the reader says whether it accepts us      VERSION | closed (ReaderRefusedError)
    VERSION          GET_SUPPORTED_VERSION as 1.1     SETTING_VERSION    CAPABILITIES, in 1.0.1; silence the same
    SETTING_VERSION  SET_PROTOCOL_VERSION             CAPABILITIES       CAPABILITIES, in 1.0.1
    CAPABILITIES     GET_READER_CAPABILITIES          EXTENSIONS         CONFIGURING, taken for the plainest reader
    EXTENSIONS       Impinj's enable-extensions       CONFIGURING        CONFIGURING, without vendor parameters
    CONFIGURING      SET_READER_CONFIG                ANTENNAS           KEEPALIVE
    KEEPALIVE        SET_READER_CONFIG, the least     ANTENNAS           closed
    ANTENNAS         GET_READER_CONFIG                INPUTS             INPUTS, all antennas believed connected
    INPUTS           GET_READER_CONFIG                DISARMING          DISARMING
    DISARMING        DELETE_ACCESSSPEC ours           LOOKING            LOOKING: there was none
    LOOKING          GET_ROSPECS                      see below          CLEARING
    CLEARING         DELETE_ROSPEC, each of ours      ADDING, at last    the same: there was none
    ADDING           ADD_ROSPEC                       ENABLING           CLEARING_ALL
    CLEARING_ALL     DELETE_ROSPEC 0                  ADDING_AGAIN       ADDING_AGAIN
    ADDING_AGAIN     ADD_ROSPEC                       ENABLING           closed
    ENABLING         ENABLE_ROSPEC                    ARMED              CLEARING_ALL (once, else closed)
    ARMED            nothing: the reader's photo-eye starts the ROSpec   INVENTORYING; at once if nothing has to
    INVENTORYING     nothing: reports come            STOPPED, or ARMED with a trigger, when our ROSpec ended
    STOPPED          nothing, for RESTART_WAIT_S      RESTARTING
    RESTARTING       START_ROSPEC                     INVENTORYING       CLEARING: the reader forgot our ROSpec
    CLOSING          CLOSE_CONNECTION                 CLOSED             CLOSED

Before ANTENNAS asks, ENABLE_EVENTS_AND_REPORTS lets the reader send what it held while we were away: every later answer
is then newer than every event it held. LOOKING finds what an earlier connection left (docs/adr/0012). Our ROSpec for
the same plan is adopted as it stands: active or waiting for its trigger ARMED, idle RESTARTING, disabled ENABLING. One
of ours for another plan goes to CLEARING, an active one of a stranger to CLEARING_ALL: it has the radio.

In every phase: KEEPALIVE is acknowledged; reports and events are passed on; a message that does not decode costs itself
and is counted, and refuses the request whose answer it is; an answer nobody waits for is dropped; ERROR_MESSAGE with
the id of the request refuses it. From CAPABILITIES on others may `ask` beside the phases (exchange.py), and once the
inventory is set up work on tags (access_desk.py). A header that cannot be true, silence beyond the watchdog (two
keepalive periods), half a message for FRAME_PATIENCE_S, an answer that does not come in time and the reader's own
ConnectionCloseEvent end the session: `failure` says why. A session serves one connection; nothing of it, no half
message either, is carried into the next but what `Memory` holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import groupby
from typing import Final

from readers.errors import DecodeError, EncodeError, FrameError, LinkLostError, ReaderError, ReaderRefusedError
from readers.llrp import requests
from readers.llrp.access import AccessJob, AccessOutcome
from readers.llrp.access_desk import AccessDesk
from readers.llrp.antennas import Antennas
from readers.llrp.codec import Framer, Header, decode, encode, read_header
from readers.llrp.delivery import Delivery, Memory
from readers.llrp.exchange import ANSWER_TIMEOUT_S, M_SUCCESS, Answer, Exchange, fault_of, refusal_of
from readers.llrp.message import Message
from readers.llrp.report import ReportDecoder
from readers.llrp.requests import LLRP_1_0_1, Capabilities, InventoryPlan
from readers.llrp.steps import STEPS, Phase, Step
from readers.llrp.table import MESSAGES
from readers.llrp.vendor import IMPINJ
from readers.read import ReaderEvent

MAX_VERSION_LOSSES: Final = 2
"""After so many connections in a row that ended, or fell silent, over 1.1 the reader is not asked for it any more."""

VERSION_PHASES: Final = frozenset({Phase.VERSION, Phase.SETTING_VERSION, Phase.CAPABILITIES})
"""A reader that cannot bear to be asked for 1.1 may show it in its next answer."""

RESTART_WAIT_S: Final = 1.0
"""A reader that ends our ROSpec at once each time is not asked more often than this."""

WATCHDOG_PERIODS: Final = 2
"""So many keepalive periods without a byte mean that the reader is gone (the kernel would take hours to say so)."""

FRAME_PATIENCE_S: Final = 30.0
"""A message must be whole this long after its first byte: the longest of any reader takes a second on a slow line,
and one that trickles for ever would never trip the watchdog."""

RO_ACCESS_REPORT: Final = 61

SessionEvent = ReaderEvent | Answer | AccessOutcome
"""What a session gives its owner: what the reader saw, and the ends of what others asked of it."""

REFUSALS: Final[Mapping[int, str]] = {
    1: "a connection that the reader made exists already",
    2: "another client is connected",
    3: "the reader gives no reason",
    4: "another client tried to connect",
}
"""ConnectionAttemptStatusType other than success."""

MESSAGE_TYPES: Final[Mapping[str, int]] = {entry.name: entry.type for entry in MESSAGES}


class ClientSession:
    """One connection's state. `now_s` is any monotonic clock, `at_us` the gateway's UTC in microseconds.

    After each call the owner sends `data_to_send()`, hands on the returned events, and closes the transport once
    `closed`; `failure` is then None after a clean close. `next_deadline_s` is None only then.
    """

    def __init__(
        self, reader: str, plan: InventoryPlan, reports: ReportDecoder, now_s: float, memory: Memory | None = None
    ) -> None:
        self.plan: InventoryPlan = plan
        self.capabilities: Capabilities = Capabilities()
        self.version = LLRP_1_0_1
        self.phase = Phase.GREETING
        self.failure: ReaderError | None = None
        self.damaged = 0
        """Messages that did not decode."""
        self.memory = memory if memory is not None else Memory()
        antennas = Antennas(plan.antennas, self.memory.lost_antennas)
        self.delivery = Delivery(reader, antennas, reports, self.memory, now_s)
        self._ended: list[SessionEvent] = []
        """Ends of what others asked."""
        self._exchange = Exchange()
        self._access = AccessDesk(self._ask, self._ended.append)
        self._framer = Framer()
        self._out = bytearray()
        self._now_s = now_s
        self._last_id = self._awaited_id = self._polled_id = self._enabled_id = 0
        self._asked = ""
        self._heard_s = now_s
        self._patience_s = WATCHDOG_PERIODS * plan.keepalive_ms / 1000
        self._half_since_s: float | None = None
        self._phase_due_s: float | None = now_s + ANSWER_TIMEOUT_S
        self._poll_due_s: float | None = None
        self._polls = plan.report_every_n > 1
        self.watching = False
        """Keepalives are on their way."""
        self.hears_events = False
        """The reader tells of its ROSpecs."""
        self.is_running = False
        """Our ROSpec is active."""
        self.version_unanswered = False
        """The question for LLRP 1.1 was met with silence."""
        self.to_clear: list[int] = []
        """ROSpecs of ours that are not this plan's."""
        self._refusals: Counter[Phase] = Counter()
        self.asks_version = plan.may_speak_1_1 and self.memory.version_losses < MAX_VERSION_LOSSES
        """LLRP 1.1 is tried on this connection."""
        self._when_due: tuple[Callable[[], None], ...] = (
            self._went_silent,
            self._stayed_half,
            self._phase_overdue,
            self._poll,
            self._expire_requests,
            self._end_access,
        )

    # --- what the owner asks ------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """Whether the session is over, well or not."""
        return self.phase is Phase.CLOSED

    @property
    def is_ready(self) -> bool:
        """Whether everything is set up: the reader inventories, or will when its trigger says so."""
        return self.phase in (Phase.ARMED, Phase.INVENTORYING)

    @property
    def rospec_id(self) -> int:
        """The number of our ROSpec for this plan on this reader."""
        return requests.rospec_id(self.plan, self.capabilities, self.antennas.usable)

    @property
    def antennas(self) -> Antennas:
        """Which antennas of the plan the reader has, and which are connected."""
        return self.delivery.antennas

    def data_to_send(self) -> bytes:
        """Bytes for the reader since the last call."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def next_deadline_s(self) -> float | None:
        """When `handle_timeout` wants to be called; None once closed."""
        return None if self.closed else min(due_s for due_s in self._dues() if due_s is not None)

    def receive_data(self, data: bytes, now_s: float, at_us: int) -> list[SessionEvent]:
        """Take bytes from the reader. Reads of one call come as one ReadBatch unless an event lies between them."""
        if self.phase is Phase.CLOSED:
            return []
        self._tell_time(now_s, at_us)
        self._heard_s = now_s
        broken: FrameError | None = None
        try:
            frames = self._framer.feed(data)
        except FrameError as error:
            frames, broken = list(error.frames), error
        for are_reports, run in groupby(frames, key=_is_report):
            if are_reports:
                self._receive_reports(list(run))
                continue
            for frame in run:
                self._receive_frame(frame)
                if self.closed:
                    return self.take_events()
        if broken is not None and not self.closed:
            self.fail(broken)
        if not self._framer.pending:
            self._half_since_s = None
        elif frames or self._half_since_s is None:
            self._half_since_s = now_s
        return self.take_events()

    def handle_timeout(self, now_s: float, at_us: int) -> list[SessionEvent]:
        """Time has passed: whatever was due by `now_s` happens."""
        self._tell_time(now_s, at_us)
        for due_s, happen in zip(self._dues(), self._when_due, strict=True):
            if due_s is not None and due_s <= now_s and not self.closed:
                happen()
        return self.take_events()

    def take_events(self) -> list[SessionEvent]:
        """What happened since the last call that returned events; for calls that return none."""
        events: list[SessionEvent] = [*self.delivery.take()]
        if self._ended:
            events += self._ended
            self._ended.clear()
        return events

    def _tell_time(self, now_s: float, at_us: int) -> None:
        self._now_s = now_s
        self.delivery.at(now_s, at_us)

    def connection_lost(self, reason: str) -> list[SessionEvent]:
        """The transport is gone. A half message that it left dies with this session."""
        if self.phase is Phase.CLOSING:
            self._end(None)
        elif not self.closed:
            self.fail(LinkLostError(f"{reason} while {self.phase}"))
        return self.take_events()

    def close(self, now_s: float) -> None:
        """Leave politely: the ROSpec is deleted, so that no antenna radiates for nobody, and the link closed."""
        if self.phase in (Phase.CLOSED, Phase.CLOSING):
            return
        self._now_s = now_s
        if self.phase in (Phase.GREETING, Phase.VERSION, Phase.SETTING_VERSION):
            self._end(None)
            return
        self._send(requests.rospec_request("DELETE_ROSPEC", self._next_id(), self.rospec_id))
        self._enter(Phase.CLOSING)

    def ask(self, request: Message, now_s: float) -> int:
        """Send a request of one's own, whose id is replaced; returns the id under which its Answer comes.

        Raises LinkLostError while the reader is not yet, or not any more, there for it, EncodeError for a message that
        the table forbids or that is no request.
        """
        if self.phase in (Phase.GREETING, Phase.VERSION, Phase.SETTING_VERSION, Phase.CLOSING, Phase.CLOSED):
            raise LinkLostError(f"the reader takes no request while {self.phase}")
        self._now_s = now_s
        return self._ask(request)

    def access(self, job: AccessJob, now_s: float) -> int:
        """Take a job on tags; returns the number under which its AccessOutcome comes. Raises as `ask` does."""
        if not self.is_ready and self.phase not in (Phase.STOPPED, Phase.RESTARTING):
            raise LinkLostError(f"the reader works on no tags while {self.phase}")
        self._now_s = now_s
        return self._access.submit(job, now_s)

    def _ask(self, request: Message) -> int:
        if f"{request.name}_RESPONSE" not in MESSAGE_TYPES and request.name != "CUSTOM_MESSAGE":
            raise EncodeError(f"{request.name} is no request that a reader answers")
        message = replace(request, id=self._next_id())
        self._send(message)
        self._exchange.open(message, self._now_s)
        return message.id

    # --- time ---------------------------------------------------------------------------------------------------------

    def _dues(self) -> tuple[float | None, ...]:
        """When each of `_when_due` happens; None: not now. At least one does: in every phase an answer is due, or
        keepalives are.
        """
        half_s = self._half_since_s
        return (
            self._heard_s + self._patience_s if self.watching else None,
            None if half_s is None else half_s + FRAME_PATIENCE_S,
            self._phase_due_s,
            self._poll_due_s,
            self._exchange.due_s,
            self._access.due_s,
        )

    def _went_silent(self) -> None:
        self.fail(LinkLostError(f"nothing heard for {self._now_s - self._heard_s:.1f} s, two keepalives missed"))

    def _stayed_half(self) -> None:
        self.fail(LinkLostError(f"half a message, and no more of it within {FRAME_PATIENCE_S:.0f} s"))

    def _phase_overdue(self) -> None:
        step = STEPS.get(self.phase)
        if self.phase is Phase.STOPPED:
            self._enter(Phase.RESTARTING)
        elif self.phase is Phase.CLOSING:
            self._end(None)
        elif step is not None and step.silence is not None:
            self.memory.version_losses += 1
            self.version_unanswered = True
            self._enter(step.silence)
        else:
            patience_s = step.patience_s if step else ANSWER_TIMEOUT_S
            self.fail(LinkLostError(f"no answer within {patience_s:.0f} s while {self.phase}"))

    def _poll(self) -> None:
        """Fetch what waits for its report to be full: LLRP 1.0.1 knows no limit of time."""
        self._polled_id = self._next_id()
        self._send(Message("GET_REPORT", self._polled_id))
        self._poll_due_s = self._now_s + self.plan.report_wait_ms / 1000

    def _expire_requests(self) -> None:
        for answer in self._exchange.expire(self._now_s):
            self._settle(answer)

    def _end_access(self) -> None:
        self._access.time_passed(self._now_s)

    # --- what the reader says -----------------------------------------------------------------------------------------

    def _receive_frame(self, frame: bytes) -> None:
        """One whole message. A damaged one is counted and costs nothing else."""
        header = read_header(frame)
        try:
            message = decode(frame)
        except DecodeError as error:
            self._receive_damaged(header, error)
            return
        if message.name == "KEEPALIVE":
            self._send(Message("KEEPALIVE_ACK", message.id))
        elif message.name == "READER_EVENT_NOTIFICATION":
            self._receive_event(message)
        elif message.name == "ERROR_MESSAGE":
            self._receive_error(message)
        else:
            self._receive_answer(message)

    def _receive_reports(self, frames: list[bytes]) -> None:
        """Reports with no other message between them; the damaged ones cost only themselves."""
        reads, faults = self.delivery.decode(frames)
        for error in faults.values():
            self._count_damage(error)
        if self.phase is Phase.ARMED and not self.hears_events and len(reads):
            self._enter(Phase.INVENTORYING)
        self.delivery.add(reads)
        if self._access.is_working:
            for place, frame in enumerate(frames):
                if place not in faults:
                    self._access.take_report(frame, self._now_s)

    def _count_damage(self, error: DecodeError) -> None:
        self.damaged += 1
        if self.damaged == 1:
            self.delivery.notice("fault", f"a message does not decode (more are only counted): {error}")

    def _receive_damaged(self, header: Header, error: DecodeError) -> None:
        self._count_damage(error)
        step = STEPS.get(self.phase)
        if step is not None and header.id == self._awaited_id and header.type == MESSAGE_TYPES[step.answer]:
            self._refused(step, error)
        elif (answer := self._exchange.failed(header.id, error)) is not None:
            self._settle(answer)

    def _receive_answer(self, message: Message) -> None:
        step = STEPS.get(self.phase)
        if step is None or message.name != step.answer or message.id != self._awaited_id:
            if (answer := self._exchange.answered(message)) is not None:
                self._settle(answer)
            return
        fault = fault_of(self._asked, message)
        if fault is not None:
            self._refused(step, fault)
            return
        learnt = step.learn(self, message) if step.learn is not None else None
        if not self.closed:
            self._enter(learnt if learnt is not None else step.then)

    def _receive_error(self, message: Message) -> None:
        step, status = STEPS.get(self.phase), message.find("LLRPStatus")
        if step is not None and (message.id == self._awaited_id or self.phase is Phase.VERSION):
            self._refused(step, refusal_of(self._asked, status))
        elif (answer := self._exchange.answered(message)) is not None:
            self._settle(answer)
        elif message.id and message.id == self._polled_id:
            self._polls, self._poll_due_s = False, None
            self.delivery.notice("fault", "the reader knows no GET_REPORT: a report's last tags wait until it is full")
        elif not message.id or message.id != self._enabled_id:
            self.delivery.notice("fault", f"the reader complains: {refusal_of('a message', status)}")

    def _refused(self, step: Step, fault: ReaderError) -> None:
        """Go where the table says, or give up; a phase that was refused before is not tried for ever."""
        self._refusals[self.phase] += 1
        if step.otherwise is None or (self._refusals[self.phase] > 1 and self.phase is Phase.ENABLING):
            self.fail(fault)
            return
        if not step.quiet:
            self.delivery.notice("fault", f"refused: {fault}")
        if self.phase is Phase.EXTENSIONS:
            self.capabilities = replace(self.capabilities, has_extensions=False)
        elif self.phase in (Phase.LOOKING, Phase.RESTARTING):
            self.to_clear = [self.rospec_id]
        self._enter(step.otherwise)

    def _settle(self, answer: Answer) -> None:
        """A request of somebody beside the phases has ended."""
        if not self._access.answered(answer, self._now_s):
            self._ended.append(answer)

    # --- events -------------------------------------------------------------------------------------------------------

    def _receive_event(self, message: Message) -> None:
        data = message.find("ReaderEventNotificationData")
        if data is None:
            return
        event_us = self.delivery.time_of(data)
        for parameter in data.parameters:
            match parameter.name:
                case "ConnectionAttemptEvent":
                    self._attempted(parameter.fields["Status"], event_us)
                case "ConnectionCloseEvent":
                    self.fail(LinkLostError("the reader closed the connection"))
                case "ROSpecEvent":
                    self._rospec_event(parameter.fields)
                case _:
                    self.delivery.take_event(parameter, event_us)
            if self.closed:
                return

    def _attempted(self, status: int, event_us: int) -> None:
        """The reader's word on a connection: ours, or (status 4, established) somebody else's."""
        if self.phase is not Phase.GREETING:
            if status != M_SUCCESS:
                self.delivery.notice("fault", f"{REFUSALS.get(status, 'unknown connection event')} (status {status})")
        elif status == M_SUCCESS:
            self.delivery.check_clock(event_us)
            self._enter(Phase.VERSION)
        else:
            self.fail(ReaderRefusedError(status, REFUSALS.get(status, "unknown reason")))

    def _rospec_event(self, fields: Mapping[str, int]) -> None:
        """Start is 0; anything else of our own ROSpec (end, preemption) means that the reader stopped seeing."""
        if fields["ROSpecID"] != self.rospec_id:
            return
        self.is_running = fields["EventType"] == 0
        if self.is_running and self.phase in (Phase.ARMED, Phase.STOPPED):
            self._enter(Phase.INVENTORYING)
        elif not self.is_running and self.phase is Phase.INVENTORYING:
            self._enter(Phase.ARMED if self.plan.start is not None else Phase.STOPPED)

    # --- moving on ----------------------------------------------------------------------------------------------------

    def _enter(self, phase: Phase) -> None:
        """Take up a phase: ask what its step asks, and give the answer its time."""
        if self.closed:
            return
        self.phase = phase = self._skip(phase)
        self._phase_due_s = self._poll_due_s = None
        step = STEPS.get(phase)
        if step is None:
            self._rest()
            return
        if phase is Phase.ANTENNAS and self.capabilities.holds_reports is not False:
            self._enabled_id = self._next_id()
            self._send(Message("ENABLE_EVENTS_AND_REPORTS", self._enabled_id))
        elif phase is Phase.CLEARING_ALL:
            self.to_clear.clear()
        elif phase in (Phase.ADDING, Phase.ADDING_AGAIN):
            self.is_running = False
        self._awaited_id = self._next_id()
        self._phase_due_s = self._now_s + step.patience_s
        request = step.request(self, self._awaited_id)
        self._asked = request.name
        self._send(request)

    def _skip(self, phase: Phase) -> Phase:
        """Pass over phases that have nothing to ask of this reader."""
        if phase is Phase.VERSION and not self.asks_version:
            phase = Phase.CAPABILITIES
        if phase is Phase.EXTENSIONS and self.capabilities.vendor != IMPINJ:
            phase = Phase.CONFIGURING
        if phase is Phase.INPUTS and not self.capabilities.gpis:
            phase = Phase.DISARMING
        if phase is Phase.CLEARING and not self.to_clear:
            phase = Phase.ADDING
        if phase is Phase.ARMED and (self.is_running or self.plan.start is None):
            phase = Phase.INVENTORYING
        return phase

    def _rest(self) -> None:
        """A phase that asks nothing: the owner hears what the antennas do, and the reader's word leads on."""
        match self.phase:
            case Phase.INVENTORYING:
                self._poll_due_s = self._now_s + self.plan.report_wait_ms / 1000 if self._polls else None
                self.delivery.say_on(self.phase)
            case Phase.ARMED:
                self.delivery.say_off(self.phase, idle=True)
            case Phase.STOPPED:
                self._phase_due_s = self._now_s + RESTART_WAIT_S
                self.delivery.say_off("the reader ended the inventory")
            case Phase.CLOSED:
                self._end(None)

    def fail(self, error: ReaderError) -> None:
        """End the session, and say why."""
        self.failure = error
        self._end(error)

    def _end(self, error: ReaderError | None) -> None:
        """The session is over; whoever waits for an answer hears so."""
        if self.asks_version and error is not None and self.phase in VERSION_PHASES:
            self.memory.version_losses += 1
        self.phase = Phase.CLOSED
        self.delivery.release()
        ended = error or LinkLostError("the connection was closed")
        own = self._access.asked_id
        self._access.abandon(ended)
        for answer in self._exchange.abandon(ended):
            if answer.request_id != own:
                self._ended.append(answer)

    def _next_id(self) -> int:
        self._last_id = self._last_id % 0xFFFF_FFFF + 1
        return self._last_id

    def _send(self, message: Message) -> None:
        version = message.version if self.phase in (Phase.VERSION, Phase.SETTING_VERSION) else self.version
        self._out += encode(replace(message, version=version))


def _is_report(frame: bytes) -> bool:
    """Whether a frame's header says RO_ACCESS_REPORT: asked of every frame of a stream that holds little else."""
    return frame[1] == RO_ACCESS_REPORT and not frame[0] & 3
