"""The reader's side of LLRP 1.0.1 without any I/O: requests in, responses, events and reports out.

One client at a time (§18.1). The reader speaks first and says whether it accepts the connection; ROSpecs, AccessSpecs
and the configuration belong to the reader and outlive connections; Impinj's extensions belong to the connection.

    on the link          reader says
    nobody               nothing is inventoried, unless reports are to be held for the next client
    a client connects    ConnectionAttemptEvent 0; with holding on, all else waits for ENABLE_EVENTS_AND_REPORTS
    another connects     ConnectionAttemptEvent 4 to the first, 2 to the newcomer, who is shown out
    CLOSE_CONNECTION     its response, then the end
    the reader leaves    ConnectionCloseEvent, then the end

A request is carried out whole or answered with the exact status; a message type that is unknown, or not a client's to
send, gets ERROR_MESSAGE (§14). Times are microseconds since 1970 UTC and come in as arguments.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from readers.errors import DecodeError, FrameError
from readers.llrp.codec import Framer, decode, encode, read_header
from readers.llrp.message import Message, Parameter
from readers.llrp.requests import IMPINJ_ENABLE_EXTENSIONS, IMPINJ_ENABLE_EXTENSIONS_RESPONSE
from readers.llrp.table import MESSAGES
from readers.llrp.vendor import IMPINJ
from simulators.llrp.checks import check_customs, check_rospec, unknown_id
from simulators.llrp.device import MAX_ACCESS_SPECS, ReaderConfiguration, ReaderModel, capabilities
from simulators.llrp.report import MAX_BUFFERED_TAGS, ReportContent, report_frame
from simulators.llrp.rospec import Hooks, Radio, ROSpec, State
from simulators.llrp.status import Code, refusal, status_of, success

ACCEPTED: Final = 0
CLIENT_EXISTS: Final = 2
ANOTHER_ATTEMPTED: Final = 4
"""ConnectionAttemptStatusType."""

GPI_EVENT: Final = 1
ROSPEC_EVENT: Final = 2
BUFFER_EVENT: Final = 3
AISPEC_EVENT: Final = 6
ANTENNA_EVENT: Final = 8
"""NotificationEventType: which of them go out is the client's choice."""

MAX_HELD: Final = 66_000
"""Events and reports kept for an absent client; then the oldest go and an overflow event tells (as Zebra's FX7500)."""

MAX_UNACKED_KEEPALIVES: Final = 5
"""A client that acknowledges none of so many is gone, and the next one may have the reader."""

PROTOCOL_VERSION: Final = 1

RESPONSES: Final = {
    entry.type: f"{entry.name}_RESPONSE"
    for entry in MESSAGES
    if any(other.name == f"{entry.name}_RESPONSE" for other in MESSAGES)
}
"""Request type → name of its response."""

Handler = Callable[[Message, int], Sequence[Parameter] | None]
"""Carries a request out; the response's parameters behind the status, or None when it has answered by itself.
Raises DecodeError for a request that cannot be carried out.
"""


def attempt_event(status: int, now_us: int) -> bytes:
    """The READER_EVENT_NOTIFICATION that answers, or reports, an attempt to connect."""
    return _event_frame(Parameter("ConnectionAttemptEvent", {"Status": status}), now_us, 0)


def _event_frame(event: Parameter, now_us: int, message_id: int) -> bytes:
    stamp = Parameter("UTCTimestamp", {"Microseconds": now_us})
    data = Parameter("ReaderEventNotificationData", {}, [stamp, event])
    return encode(Message("READER_EVENT_NOTIFICATION", message_id, {}, [data]))


class ReaderSide:
    """One simulated reader's protocol. After each call the owner sends `data_to_send()` and, when `closing`, closes."""

    def __init__(self, model: ReaderModel, antennas: int, flush_us: int) -> None:
        self.config = ReaderConfiguration(antennas, model.gpis, model.gpos)
        self.radio = Radio(Hooks(self._started, self._ended, self._spec_ended, self._report), flush_us)
        self.closing = False
        self.connected = False
        self._model = model
        self._framer = Framer()
        self._out = bytearray()
        self._held: deque[bytes] = deque()
        self._overflowed = False
        self._holding = False
        self._has_extensions = False
        self._unacked_keepalives = 0
        self._last_id = 0
        self._access_specs: dict[int, Parameter] = {}
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
        }

    @property
    def listening(self) -> bool:
        """Whether anybody will have what the radio sees: a client, or the buffer held for the next."""
        return self.connected or self.config.holds_on_reconnect

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
        self._has_extensions = False
        self._unacked_keepalives = 0
        self._holding = self.config.holds_on_reconnect
        self._out += attempt_event(ACCEPTED, now_us)

    def another_attempt(self, now_us: int) -> None:
        """A second client has tried; the one that is here hears of it."""
        self._out += attempt_event(ANOTHER_ATTEMPTED, now_us)

    def disconnect(self) -> None:
        """The link is gone, in whatever way."""
        self.connected = False
        self._out.clear()

    def leave(self, now_us: int) -> None:
        """The reader closes the link by itself: it says so, then nothing more (§13.2.6.12)."""
        if self.connected and not self.closing:
            self._out += _event_frame(Parameter("ConnectionCloseEvent"), now_us, self._next_id())
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
        self._out += encode(Message("KEEPALIVE", self._next_id()))

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
        self._rospec_event(0, rospec_id, now_us)

    def _ended(self, rospec_id: int, now_us: int) -> None:
        self._rospec_event(1, rospec_id, now_us)

    def _rospec_event(self, kind: int, rospec_id: int, now_us: int) -> None:
        fields = {"EventType": kind, "ROSpecID": rospec_id, "PreemptingROSpecID": 0}
        self._event(ROSPEC_EVENT, Parameter("ROSpecEvent", fields), now_us)

    def _spec_ended(self, rospec_id: int, index: int, now_us: int) -> None:
        fields = {"EventType": 0, "ROSpecID": rospec_id, "SpecIndex": index}
        self._event(AISPEC_EVENT, Parameter("AISpecEvent", fields), now_us)

    def _report(self, records: list[bytes]) -> None:
        self._emit(report_frame(records, self._next_id()))

    def _event(self, kind: int, event: Parameter, now_us: int) -> None:
        if kind in self.config.events:
            self._emit(_event_frame(event, now_us, self._next_id()))

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
        try:
            if header.version != PROTOCOL_VERSION:
                response = "ERROR_MESSAGE"
                raise refusal(f"protocol version {header.version}", Code.M_UNSUPPORTED_VERSION)
            message = decode(frame)
            handler = self._handlers.get(message.name)
            if handler is None:
                raise refusal(f"{message.name} is not for a reader", Code.M_UNSUPPORTED_MESSAGE)
            check_customs(message, self._has_extensions)
            parts = handler(message, now_us)
        except DecodeError as error:
            self._out += encode(Message(response, header.id, {}, [status_of(error)]))
            return
        if parts is not None:
            self._answer(message, parts)

    def _answer(self, request: Message, parts: Sequence[Parameter] = ()) -> None:
        self._out += encode(Message(f"{request.name}_RESPONSE", request.id, {}, [success(), *parts]))

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
        self.radio.add(rospec, ReportContent.of(rospec.find("ROReportSpec") or self.config.report_spec))
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
        number = spec.fields["AccessSpecID"]
        if number == 0 or number in self._access_specs:
            raise refusal("AccessSpecID 0, or there already", Code.A_INVALID, "AccessSpec", field="AccessSpecID")
        if spec.fields["CurrentState"]:
            raise refusal("an AccessSpec is added disabled", Code.A_INVALID, "AccessSpec", field="CurrentState")
        if len(self._access_specs) >= MAX_ACCESS_SPECS:
            raise refusal("there is room for no more", Code.P_OVERFLOW_PARAMETER, "AccessSpec")
        self._access_specs[number] = spec
        return ()

    def _access_ids(self, request: Message) -> list[int]:
        number = request.fields["AccessSpecID"]
        if number == 0:
            return list(self._access_specs)
        if number not in self._access_specs:
            raise unknown_id(request, "AccessSpecID")
        return [number]

    def _delete_access_spec(self, request: Message, _: int) -> Sequence[Parameter]:
        for number in self._access_ids(request):
            del self._access_specs[number]
        return ()

    def _enable_access_spec(self, request: Message, _: int) -> Sequence[Parameter]:
        for number in self._access_ids(request):
            self._access_specs[number].fields["CurrentState"] = True
        return ()

    def _disable_access_spec(self, request: Message, _: int) -> Sequence[Parameter]:
        for number in self._access_ids(request):
            self._access_specs[number].fields["CurrentState"] = False
        return ()

    def _get_access_specs(self, _: Message, __: int) -> Sequence[Parameter]:
        return list(self._access_specs.values())

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
        """What was held goes out, the oldest first; that some was lost is told before (no response, §13.1.6)."""
        self._holding = False
        if self._overflowed and self._held:
            self._overflowed = False
            self._event(BUFFER_EVENT, Parameter("ReportBufferOverflowErrorEvent"), now_us)
        self._out += b"".join(self._held)
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
        self._out += encode(Message("CUSTOM_MESSAGE", request.id, fields))
