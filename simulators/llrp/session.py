"""The reader's side of LLRP without any I/O: requests in, responses, events and reports out.

One client at a time (§18.1). The reader speaks first and says whether it accepts the connection; ROSpecs, AccessSpecs
and the configuration belong to the reader and outlive connections; Impinj's extensions belong to the connection.

    on the link          reader says
    nobody               nothing is inventoried, unless reports are to be held for the next client
    a client connects    ConnectionAttemptEvent 0; with holding on, all else waits for ENABLE_EVENTS_AND_REPORTS
    another connects     ConnectionAttemptEvent 4 to the first, 2 to the newcomer, who is shown out
    CLOSE_CONNECTION     its response, then the end
    the reader leaves    ConnectionCloseEvent, then the end

Every connection begins in LLRP 1.0.1 (header version 1). A reader that knows 1.1 answers GET_SUPPORTED_VERSION and
SET_PROTOCOL_VERSION, which come in header version 2 (LLRP 1.1 §9.1); to one that does not they are of an unsupported
version. What comes in another version than the one agreed on is refused.

A request is carried out whole or answered with the exact status; a message type that is unknown, or not a client's to
send, gets ERROR_MESSAGE (§14). Times are microseconds since 1970 UTC and come in as arguments.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from readers.errors import DecodeError, FrameError
from readers.llrp.codec import Framer, decode, encode, read_header
from readers.llrp.message import Message, Parameter
from readers.llrp.requests import IMPINJ_ENABLE_EXTENSIONS, IMPINJ_ENABLE_EXTENSIONS_RESPONSE
from readers.llrp.table import MESSAGES
from readers.llrp.vendor import IMPINJ
from simulators.llrp.access import AccessSpecs, is_selected
from simulators.llrp.checks import check_access_spec, check_customs, check_rospec, unknown_id
from simulators.llrp.clock import ReaderClock
from simulators.llrp.configuration import ANY_MAC, ReaderConfiguration
from simulators.llrp.models import ReaderModel, capabilities
from simulators.llrp.report import MAX_BUFFERED_TAGS, ReportContent, report_frame
from simulators.llrp.rospec import Hooks, Radio, ROSpec, Run, State, Window
from simulators.llrp.status import Code, refusal, status_of, success
from simulators.sighting import Sightings
from simulators.tag_memory import TagMemories, kept

ACCEPTED: Final = 0
CLIENT_EXISTS: Final = 2
REFUSED: Final = 3
ANOTHER_ATTEMPTED: Final = 4
"""ConnectionAttemptStatusType."""

GPI_EVENT: Final = 1
ROSPEC_EVENT: Final = 2
BUFFER_EVENT: Final = 3
EXCEPTION_EVENT: Final = 4
AISPEC_EVENT: Final = 6
AISPEC_EVENT_WITH_DETAILS: Final = 7
ANTENNA_EVENT: Final = 8
"""NotificationEventType: which of them go out is the client's choice."""

MAX_HELD: Final = 66_000
"""Events and reports kept for an absent client; then the oldest go and an overflow event tells (as Zebra's FX7500)."""

HELD_WARNING_PERCENT: Final = 80
"""A reader that can warns its next client that so much of the buffer is full."""

MAX_UNACKED_KEEPALIVES: Final = 5
"""A client that acknowledges none of so many is gone, and the next one may have the reader."""

FIRST_VERSION: Final = 1
NEGOTIATION_VERSION: Final = 2
NEGOTIATION: Final = frozenset({"GET_SUPPORTED_VERSION", "SET_PROTOCOL_VERSION"})
"""They come in header version 2, whatever has been agreed on, and are answered in it."""

NEGOTIATION_TYPES: Final = frozenset(entry.type for entry in MESSAGES if entry.name in NEGOTIATION)

VERSION_BITS: Final = 0b0001_1100
"""Of the first byte of a frame."""

ROSPEC_STARTED: Final = 0
ROSPEC_ENDED: Final = 1
ROSPEC_PREEMPTED: Final = 2
"""ROSpecEventType."""

AT_END_OF_ACCESS_SPEC: Final = 1
"""AccessReportTriggerType."""

RESPONSES: Final = {
    entry.type: f"{entry.name}_RESPONSE"
    for entry in MESSAGES
    if entry.name != "CLIENT_REQUEST_OP" and any(other.name == f"{entry.name}_RESPONSE" for other in MESSAGES)
}
"""Request type → name of its response, which says with a status what is wrong. CLIENT_REQUEST_OP is the reader's own
question, and the answer to it has no status."""

Handler = Callable[[Message, int], Sequence[Parameter] | None]
"""Carries a request out; the response's parameters behind the status, or None when it has answered by itself.
Raises DecodeError for a request that cannot be carried out.
"""


def attempt_event(status: int, now_us: int, clock: ReaderClock | None = None) -> bytes:
    """The READER_EVENT_NOTIFICATION that answers, or reports, an attempt to connect."""
    event = Parameter("ConnectionAttemptEvent", {"Status": status})
    return _event_frame(event, (clock or ReaderClock()).stamp(now_us), 0, FIRST_VERSION)


def _event_frame(event: Parameter, stamp: Parameter, message_id: int, version: int) -> bytes:
    data = Parameter("ReaderEventNotificationData", {}, [stamp, event])
    return encode(Message("READER_EVENT_NOTIFICATION", message_id, {}, [data], version))


class ReaderSide:
    """One simulated reader's protocol. After each call the owner sends `data_to_send()` and, when `closing`, closes.

    `report_every_n` overrules the N of every ROReportSpec: a reader that packs its reports in its own way.
    """

    def __init__(
        self,
        model: ReaderModel,
        antennas: int,
        flush_us: int,
        memories: TagMemories | None = None,
        booted_us: int = 0,
        report_every_n: int | None = None,
        mac: bytes = ANY_MAC,
    ) -> None:
        self.config = ReaderConfiguration(model, antennas, mac)
        self.clock = ReaderClock(model.has_utc_clock, booted_us)
        hooks = Hooks(self._started, self._ended, self._preempted, self._spec_ended, self._report)
        self.radio = Radio(hooks, flush_us, self.clock)
        self.access = AccessSpecs()
        self.closing = False
        self.connected = False
        self.reported = 0
        """Reads that went into reports, sent or held."""
        self._model = model
        self._report_every_n = report_every_n
        self._memories = TagMemories() if memories is None else memories
        self._version = FIRST_VERSION
        self._has_negotiated = False
        self._framer = Framer()
        self._out = bytearray()
        self._held: deque[bytes] = deque()
        self._overflowed = False
        self._holding = False
        self._has_extensions = False
        self._unacked_keepalives = 0
        self._last_id = 0
        self._handlers: dict[str, Handler] = {
            "GET_READER_CAPABILITIES": self._get_capabilities,
            "GET_READER_CONFIG": self._get_config,
            "SET_READER_CONFIG": self._set_config,
            "ADD_ROSPEC": self._add_rospec,
            "DELETE_ROSPEC": self._delete_rospec,
            "ENABLE_ROSPEC": self._enable_rospec,
            "DISABLE_ROSPEC": self._disable_rospec,
            "START_ROSPEC": self._start_rospec,
            "STOP_ROSPEC": self._stop_rospec,
            "GET_ROSPECS": self._get_rospecs,
            "ADD_ACCESSSPEC": self._add_access_spec,
            "DELETE_ACCESSSPEC": self._delete_access_spec,
            "ENABLE_ACCESSSPEC": self._enable_access_spec,
            "DISABLE_ACCESSSPEC": self._disable_access_spec,
            "GET_ACCESSSPECS": self._get_access_specs,
            "GET_REPORT": self._get_report,
            "CLOSE_CONNECTION": self._close_connection,
            "KEEPALIVE_ACK": self._keepalive_ack,
            "ENABLE_EVENTS_AND_REPORTS": self._enable_events,
            "CUSTOM_MESSAGE": self._custom,
            "GET_SUPPORTED_VERSION": self._get_version,
            "SET_PROTOCOL_VERSION": self._set_version,
        }

    @property
    def listening(self) -> bool:
        """Whether anybody will have what the radio sees: a client, or the buffer held for the next."""
        return self.connected or self.config.holds_on_reconnect

    @property
    def version(self) -> int:
        """Header version agreed on with the client."""
        return self._version

    def sees_unaltered(self, run: Run) -> bool:
        """Whether the client gets every sighting of an ROSpec as it is made: nothing is held, filtered or written."""
        is_plain = len(run.rospec.specs) == 1 and not run.observes and not run.filters()
        return self.connected and not self._holding and is_plain and not self.access.at_work and not len(self._memories)

    def take_ids(self, count: int) -> NDArray[np.uint32]:
        """The next `count` message ids."""
        ids = (self._last_id + np.arange(count)) % 0xFFFF_FFFF + 1
        self._last_id = int(ids[-1])
        return ids.astype(np.uint32)

    def send_frames(self, frames: bytes, reads: int) -> None:
        """Whole report frames that another has encoded, with ids from `take_ids`, and how many reads they hold."""
        self._out += frames
        self.reported += reads

    def data_to_send(self) -> bytes:
        """Bytes for the client since the last call."""
        data = bytes(self._out)
        self._out.clear()
        return data

    def connect(self, now_us: int) -> None:
        """A client has connected and is accepted."""
        self._framer = Framer()
        self._out.clear()
        self.connected, self.closing = True, False
        self._version = FIRST_VERSION
        self._has_negotiated = self._has_extensions = False
        self._unacked_keepalives = 0
        self._holding = self.config.holds_on_reconnect
        self._out += attempt_event(ACCEPTED, now_us, self.clock)

    def another_attempt(self, now_us: int) -> None:
        """A second client has tried; the one that is here hears of it."""
        event = Parameter("ConnectionAttemptEvent", {"Status": ANOTHER_ATTEMPTED})
        self._out += self._event_of(event, now_us)

    def disconnect(self) -> None:
        """The link is gone, in whatever way."""
        self.connected = False
        self._out.clear()

    def leave(self, now_us: int) -> None:
        """The reader closes the link by itself: it says so, then nothing more (§13.2.6.12)."""
        if self.connected and not self.closing:
            self._out += self._event_of(Parameter("ConnectionCloseEvent"), now_us)
            self.closing = True

    def receive_data(self, data: bytes, now_us: int) -> None:
        """Take bytes from the client and carry out what is whole. Bytes that cannot be LLRP end the connection."""
        broken = False
        try:
            frames = self._framer.feed(data)
        except FrameError as error:
            frames, broken = list(error.frames), True
        for frame in frames:
            if not self.closing:
                self._receive_frame(frame, now_us)
        self.closing = self.closing or broken

    def keepalive(self) -> None:
        """The keepalive timer has run out (every `config.keepalive_ms` of real time)."""
        if self._unacked_keepalives >= MAX_UNACKED_KEEPALIVES:
            self.closing = True
            return
        self._unacked_keepalives += 1
        self._out += encode(Message("KEEPALIVE", self._next_id(), version=self._version))

    def set_gpi(self, port: int, high: bool, now_us: int) -> None:
        """An input changed. An enabled port tells the client first, then pulls the triggers (§13.2.6.1)."""
        if self.config.gpi_high[port] is high:
            return
        self.config.gpi_high[port] = high
        if self.config.gpi_enabled[port]:
            self._event(GPI_EVENT, Parameter("GPIEvent", {"GPIPortNumber": port, "GPIEvent": high}), now_us)
            self.radio.gpi_changed(port, high, now_us)

    def set_antenna(self, port: int, is_connected: bool, now_us: int) -> None:
        """An antenna's cable is pulled or put back."""
        if is_connected is (port not in self.config.disconnected):
            return
        (self.config.disconnected.discard if is_connected else self.config.disconnected.add)(port)
        event = Parameter("AntennaEvent", {"EventType": int(is_connected), "AntennaID": port})
        self._event(ANTENNA_EVENT, event, now_us)

    def observe(self, window: Window, sightings: Sightings) -> None:
        """Take what the antennas saw in a window of the active ROSpec: tags that still answer, that the inventory's
        filters select, and on which the enabled AccessSpecs are carried out.
        """
        run = self.radio.active
        assert run is not None
        heard = _selected(run, self._memories.heard(sightings), self._memories)
        if not self.access.at_work:
            self.radio.observed(window, self._memories.renamed(heard))
            return
        shown = self._memories.renamed(heard)
        done, answered = self.access.carry_out(heard, self._memories, run.rospec.id)
        if not all(answered):
            rows = np.array(answered)
            numbers = np.cumsum(rows) - 1
            shown, done = kept(shown, rows), {int(numbers[row]): access for row, access in done.items()}
        at_once = self.config.access_report_trigger == AT_END_OF_ACCESS_SPEC
        self.radio.observed(window, shown, done, reports_access_at_once=at_once)

    def tell_exception(self, text: str, now_us: int) -> None:
        """Something is wrong with the reader itself: the client is told in a ReaderExceptionEvent."""
        self._event(EXCEPTION_EVENT, Parameter("ReaderExceptionEvent", {"Message": text}), now_us)

    def overflow(self, now_us: int) -> None:
        """The client does not take what is sent: what is seen until it does is lost, and it will be told."""
        self.radio.skip(now_us)
        if not self._overflowed:
            self._overflowed = True
            self._event(BUFFER_EVENT, Parameter("ReportBufferOverflowErrorEvent"), now_us)

    def drained(self) -> None:
        """The client takes data again."""
        self._overflowed = False

    # --- what goes out --------------------------------------------------------------------------------------------

    def _started(self, rospec_id: int, now_us: int) -> None:
        self._rospec_event(ROSPEC_STARTED, rospec_id, 0, now_us)

    def _ended(self, rospec_id: int, now_us: int) -> None:
        self._rospec_event(ROSPEC_ENDED, rospec_id, 0, now_us)

    def _preempted(self, rospec_id: int, by_id: int, now_us: int) -> None:
        self._rospec_event(ROSPEC_PREEMPTED, rospec_id, by_id, now_us)

    def _rospec_event(self, kind: int, rospec_id: int, by_id: int, now_us: int) -> None:
        fields = {"EventType": kind, "ROSpecID": rospec_id, "PreemptingROSpecID": by_id}
        self._event(ROSPEC_EVENT, Parameter("ROSpecEvent", fields), now_us)

    def _spec_ended(self, rospec_id: int, index: int, now_us: int) -> None:
        """With the details a client may ask for: this radio has no collisions and no empty slots to count."""
        event = Parameter("AISpecEvent", {"EventType": 0, "ROSpecID": rospec_id, "SpecIndex": index})
        if AISPEC_EVENT_WITH_DETAILS in self.config.events:
            slots = {"NumCollisionSlots": 0, "NumEmptySlots": 0}
            event.parameters.append(Parameter("C1G2SingulationDetails", slots))
            self._event(AISPEC_EVENT_WITH_DETAILS, event, now_us)
        else:
            self._event(AISPEC_EVENT, event, now_us)

    def _report(self, records: list[bytes]) -> None:
        self.reported += len(records)
        self._emit(report_frame(records, self._next_id(), self._version))

    def _event(self, kind: int, event: Parameter, now_us: int) -> None:
        if kind in self.config.events:
            self._emit(self._event_of(event, now_us))

    def _event_of(self, event: Parameter, now_us: int) -> bytes:
        return _event_frame(event, self.clock.stamp(now_us), self._next_id(), self._version)

    def _emit(self, frame: bytes) -> None:
        """Send an event or a report, or hold it for a client that is not there or has not asked yet."""
        if self.connected and not self._holding:
            self._out += frame
        elif self._holding or self.config.holds_on_reconnect:
            if len(self._held) >= MAX_HELD:
                self._held.popleft()
                self._overflowed = True
            self._held.append(frame)

    def _next_id(self) -> int:
        self._last_id = self._last_id % 0xFFFF_FFFF + 1
        return self._last_id

    # --- requests -------------------------------------------------------------------------------------------------

    def _receive_frame(self, frame: bytes, now_us: int) -> None:
        """Carry out one request, or answer what is wrong with it: in its own response if it has one."""
        header = read_header(frame)
        response = RESPONSES.get(header.type, "ERROR_MESSAGE")
        version = self._version
        try:
            if header.type in NEGOTIATION_TYPES and self._model.max_version >= NEGOTIATION_VERSION:
                version = NEGOTIATION_VERSION
            if header.version != version:
                response, version = "ERROR_MESSAGE", self._version
                raise refusal(f"protocol version {header.version}", Code.M_UNSUPPORTED_VERSION)
            message = decode(frame)
            handler = self._handlers.get(message.name)
            if handler is None:
                raise refusal(f"{message.name} is not for a reader", Code.M_UNSUPPORTED_MESSAGE)
            check_customs(message, self._has_extensions)
            parts = handler(message, now_us)
        except DecodeError as error:
            if error.status_code == Code.M_UNSUPPORTED_MESSAGE:
                response = "ERROR_MESSAGE"  # a reader that does not know the request does not know its response either
            fields = self._versions() if response == "GET_SUPPORTED_VERSION_RESPONSE" else {}
            self._out += encode(Message(response, header.id, fields, [status_of(error)], version))
            return
        if parts is not None:
            self._answer(message, parts)

    def _answer(self, request: Message, parts: Sequence[Parameter] = ()) -> None:
        fields = self._versions() if request.name == "GET_SUPPORTED_VERSION" else {}
        answer = Message(f"{request.name}_RESPONSE", request.id, fields, [success(), *parts], request.version)
        self._out += encode(answer)

    def _versions(self) -> dict[str, int]:
        return {"CurrentVersion": self._version, "SupportedVersion": self._model.max_version}

    def _get_version(self, _: Message, __: int) -> Sequence[Parameter]:
        return ()

    def _set_version(self, request: Message, _: int) -> None:
        """Once for a connection; what follows is in the version agreed on."""
        wanted = request.fields["ProtocolVersion"]
        if self._has_negotiated or not FIRST_VERSION <= wanted <= self._model.max_version:
            text = f"version {wanted}: this reader speaks 1-{self._model.max_version}, and is told once"
            raise refusal(text, Code.M_UNSUPPORTED_VERSION)
        self._has_negotiated = True
        self._answer(request)
        self._version = wanted

    def _get_capabilities(self, request: Message, _: int) -> Sequence[Parameter]:
        return capabilities(self._model, self.config.antennas, request.fields["RequestedData"])

    def _get_config(self, request: Message, _: int) -> Sequence[Parameter]:
        beyond = self.config.asks_beyond(request)
        if beyond is not None:
            raise refusal("there is no such port", Code.A_OUT_OF_RANGE, field=beyond, message=request.name)
        return self.config.answer(request)

    def _set_config(self, request: Message, _: int) -> Sequence[Parameter]:
        self.config.check(request)
        self.config.apply(request)
        return ()

    def _add_rospec(self, request: Message, _: int) -> Sequence[Parameter]:
        rospec = request.parameters[0]
        check_rospec(rospec, len(self.radio.rospecs), self.config)
        if rospec.fields["ROSpecID"] in self.radio.rospecs:
            raise refusal("this ROSpec is there already", Code.A_INVALID, "ROSpec", field="ROSpecID")
        content = ReportContent.of(rospec.find("ROReportSpec") or self.config.report_spec)
        if self._report_every_n is not None and not content.period_us:
            content = replace(content, every_n=self._report_every_n)
        self.radio.add(rospec, content)
        return ()

    def _rospecs(self, request: Message, *, or_all: bool = True) -> list[ROSpec]:
        """The ROSpec that a request names, or all for 0 where it may."""
        number = request.fields["ROSpecID"]
        if number == 0 and or_all:
            return list(self.radio.rospecs.values())
        if number not in self.radio.rospecs:
            raise unknown_id(request, "ROSpecID")
        return [self.radio.rospecs[number]]

    def _delete_rospec(self, request: Message, now_us: int) -> Sequence[Parameter]:
        for rospec in self._rospecs(request):
            self.radio.delete(rospec, now_us)
        return ()

    def _enable_rospec(self, request: Message, now_us: int) -> None:
        rospecs = self._rospecs(request)
        self._answer(request)
        for rospec in rospecs:
            self.radio.enable(rospec, now_us)

    def _disable_rospec(self, request: Message, now_us: int) -> Sequence[Parameter]:
        for rospec in self._rospecs(request):
            self.radio.disable(rospec, now_us)
        return ()

    def _start_rospec(self, request: Message, now_us: int) -> None:
        rospec = self._rospecs(request, or_all=False)[0]
        if not self.radio.can_start(rospec):
            raise unknown_id(request, "ROSpecID")
        self._answer(request)
        self.radio.start(rospec, now_us)

    def _stop_rospec(self, request: Message, now_us: int) -> Sequence[Parameter]:
        rospec = self._rospecs(request, or_all=False)[0]
        if rospec.state is State.DISABLED:
            raise unknown_id(request, "ROSpecID")
        self.radio.stop(rospec, now_us)
        return ()

    def _get_rospecs(self, _: Message, __: int) -> Sequence[Parameter]:
        return [rospec.described() for rospec in self.radio.rospecs.values()]

    def _add_access_spec(self, request: Message, _: int) -> Sequence[Parameter]:
        spec = request.parameters[0]
        check_access_spec(spec, len(self.access.specs), self.config)
        if spec.fields["AccessSpecID"] in self.access.specs:
            raise refusal("this AccessSpec is there already", Code.A_INVALID, "AccessSpec", field="AccessSpecID")
        self.access.add(spec)
        return ()

    def _access_ids(self, request: Message) -> list[int]:
        number = request.fields["AccessSpecID"]
        if number == 0:
            return list(self.access.specs)
        if number not in self.access.specs:
            raise unknown_id(request, "AccessSpecID")
        return [number]

    def _delete_access_spec(self, request: Message, _: int) -> Sequence[Parameter]:
        for number in self._access_ids(request):
            self.access.delete(number)
        return ()

    def _enable_access_spec(self, request: Message, _: int) -> Sequence[Parameter]:
        for number in self._access_ids(request):
            self.access.enable(number, True)
        return ()

    def _disable_access_spec(self, request: Message, _: int) -> Sequence[Parameter]:
        for number in self._access_ids(request):
            self.access.enable(number, False)
        return ()

    def _get_access_specs(self, _: Message, __: int) -> Sequence[Parameter]:
        return list(self.access.specs.values())

    def _get_report(self, _: Message, __: int) -> None:
        """Answered by what waits, at least by an empty report, or the client would not know (§13.1.1)."""
        records = self.radio.take()
        for start in range(0, len(records) or 1, MAX_BUFFERED_TAGS):
            self._report(records[start : start + MAX_BUFFERED_TAGS])

    def _close_connection(self, _: Message, __: int) -> Sequence[Parameter]:
        self.closing = True
        return ()

    def _keepalive_ack(self, _: Message, __: int) -> None:
        self._unacked_keepalives = 0

    def _enable_events(self, _: Message, now_us: int) -> None:
        """What was held goes out, the oldest first; that some was lost, or nearly, is told before (§13.1.6)."""
        self._holding = False
        percent = 100 * len(self._held) // MAX_HELD
        if self._overflowed and self._held:
            self._overflowed = False
            self._event(BUFFER_EVENT, Parameter("ReportBufferOverflowErrorEvent"), now_us)
        elif percent >= HELD_WARNING_PERCENT and self._model.warns_of_full_buffer:
            warning = Parameter("ReportBufferLevelWarningEvent", {"ReportBufferPercentageFull": percent})
            self._event(BUFFER_EVENT, warning, now_us)
        self._out += b"".join(_in_version(frame, self._version) for frame in self._held)
        self._held.clear()

    def _custom(self, request: Message, _: int) -> None:
        """Impinj's enable-extensions; the payload of its answer is an LLRPStatus (type 287, 8 bytes, M_Success)."""
        kind = (request.fields["VendorIdentifier"], request.fields["MessageSubtype"])
        if kind != (IMPINJ, IMPINJ_ENABLE_EXTENSIONS) or not self._model.has_impinj_extensions:
            raise refusal(f"vendor message {kind} is not supported", Code.M_UNSUPPORTED_MESSAGE)
        self._has_extensions = True
        fields = {
            "VendorIdentifier": IMPINJ,
            "MessageSubtype": IMPINJ_ENABLE_EXTENSIONS_RESPONSE,
            "Data": struct.pack("!HHHH", 287, 8, 0, 0),
        }
        self._out += encode(Message("CUSTOM_MESSAGE", request.id, fields, version=self._version))


def _in_version(frame: bytes, version: int) -> bytes:
    """A held frame as this connection speaks."""
    return bytes([frame[0] & ~VERSION_BITS | version << 2]) + frame[1:]


def _selected(run: Run, sightings: Sightings, memories: TagMemories) -> Sightings:
    """Sightings of the tags that the AISpec's select filters let take part, antenna by antenna."""
    filters = run.filters()
    if not filters or not len(sightings):
        return sightings
    for_all = filters.get(0)
    rows = [
        not (wanted := filters.get(antenna, for_all)) or is_selected(memories.of(epc), wanted)
        for epc, antenna in zip(sightings.epcs, sightings.antenna.tolist(), strict=True)
    ]
    return kept(sightings, np.array(rows))
