"""LLRP bytes ↔ `Message`, driven by the table and strict about it: order, multiplicity, enumerations, lengths and
reserved bits. Every entry is compiled once, at import. Nothing here touches a socket or a clock.

A fault names the LLRP status code a reader answers with (LLRP 1.1 §14.2.1): M_ codes (100-111) for the message itself,
P_ codes (200-209) for a parameter, A_ codes (300, 301) for the value of a field. What LLRP 1.1 added does not exist in
a version-1 message: it is refused as a 1.0.1 device would refuse it, unknown.

Vendor parameters decode as `Custom` with their bytes, so what is decoded encodes to the same bytes again; `vendor`
gives those we know their names and fields, and `encode` takes them by name wherever a Custom may stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct
from types import MappingProxyType
from typing import Any, Final

from readers.errors import DecodeError, EncodeError, FrameError
from readers.llrp.fields import Cursor, Fault, FieldPlan, Status, compile_fields
from readers.llrp.message import Message, Parameter
from readers.llrp.table import (
    FIRST_TLV_TYPE,
    MESSAGES,
    PARAMETERS,
    VENDOR_MESSAGES,
    VENDOR_PARAMETERS,
    VERSIONS,
    Entry,
    Slot,
    in_version,
)

__all__ = [
    "HEADER",
    "MAX_DEPTH",
    "MAX_FRAME_BYTES",
    "MAX_PARAMETERS",
    "TLV_HEADER",
    "VERSIONS",
    "Framer",
    "Header",
    "decode",
    "decode_vendor_message",
    "decode_vendor_parameter",
    "encode",
    "encode_vendor_parameter",
    "read_header",
]

HEADER: Final = Struct("!HII")
"""Reserved (3 bits), version (3), type (10); length including this header; message id (LLRP 1.0.1 §16.1)."""

MAX_HEADER_WORD: Final = 0x1FFF
"""A header's first 16 bits are no more while its reserved bits are clear."""

TLV_HEADER: Final = Struct("!HH")
"""Reserved (6 bits), type (10); length including this header (§16.2)."""

CUSTOM_HEADER: Final = Struct("!II")
"""Vendor and subtype, in front of the data of a Custom parameter (§8.2)."""

CUSTOM_MESSAGE_HEADER: Final = Struct("!IB")
"""Vendor and subtype, in front of the data of a CUSTOM_MESSAGE (§8.1)."""

CUSTOM_TYPE: Final = 1023
"""The number of both Custom and CUSTOM_MESSAGE."""

MAX_FRAME_BYTES: Final = 1 << 20
"""No message is longer: twice the longest reply known from any reader (about 500 KiB), so that a lying header cannot
make us buffer up to 4 GiB."""

MAX_DEPTH: Final = 12
"""Parameters nest no deeper. The table's own deepest path is 7; only ParameterError may hold itself."""

MAX_PARAMETERS: Final = 10_000
"""A message holds no more parameters: above a 500-tag report with every field (about 8,000), and low enough that
decoding any frame stays within tens of milliseconds. Longer reports go through `report.ReportDecoder`."""


@dataclass(frozen=True, slots=True)
class Header:
    """A frame's header. `length` includes the ten header bytes."""

    version: int
    type: int
    length: int
    id: int


def read_header(frame: bytes) -> Header:
    """The header of a frame that `Framer` cut: enough to route it or to answer it. Raises FrameError below 10 bytes."""
    if len(frame) < HEADER.size:
        raise FrameError(f"a frame of {len(frame)} bytes is shorter than its header of {HEADER.size}")
    word, length, message_id = HEADER.unpack_from(frame)
    return Header(word >> 10 & 7, word & 0x3FF, length, message_id)


class Framer:
    """Cuts a byte stream into whole frames. One for each connection: after a FrameError the stream has no known
    frame boundary any more, so every later call raises again.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._fault = ""

    @property
    def pending(self) -> int:
        """Bytes of a frame that has begun and is not whole yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Every frame that is whole now. Raises FrameError for a header that cannot be true; the frames that were
        whole before it are in the error's `frames`.
        """
        if self._fault:
            raise FrameError(self._fault)
        self._buffer += data
        frames: list[bytes] = []
        start, end = 0, len(self._buffer)
        with memoryview(self._buffer) as buffer:
            while end - start >= HEADER.size:
                word, length, _ = HEADER.unpack_from(buffer, start)
                if word > MAX_HEADER_WORD or not HEADER.size <= length <= MAX_FRAME_BYTES:
                    self._fault = _header_fault(word, length)
                    break
                if end - start < length:
                    break
                frames.append(bytes(buffer[start : start + length]))
                start += length
        if self._fault:
            self._buffer.clear()
            raise FrameError(self._fault, frames=tuple(frames))
        del self._buffer[:start]
        return frames


def _header_fault(word: int, length: int) -> str:
    """Why a header cannot be true."""
    if word > MAX_HEADER_WORD:
        return f"a header with reserved bits set (0x{word:04x}): the stream is not LLRP or out of step"
    if length < HEADER.size:
        return f"a header claims {length} bytes, less than its own {HEADER.size}"
    return f"a header claims {length} bytes, above the cap of {MAX_FRAME_BYTES}"


class _EntryPlan:
    """One entry of the table, compiled for one header version: how its fields are read and written, and what may stand
    inside it. A vendor's entry has the type of Custom and its vendor and subtype as `prefix`.
    """

    __slots__ = ("fields", "holds_vendors", "is_tv", "name", "names", "prefix", "slots", "type")

    def __init__(self, entry: Entry, version: int, prefix: bytes = b"") -> None:
        self.name = entry.name
        self.type = CUSTOM_TYPE if entry.vendor else entry.type
        self.is_tv = entry.is_tv
        self.prefix = prefix
        entry = in_version(entry, version)
        self.fields: FieldPlan = compile_fields(entry, version)
        self.slots = entry.slots
        self.names = frozenset[str]().union(*(slot.names for slot in entry.slots))
        self.holds_vendors = not _VENDOR_NAMES.isdisjoint(self.names)

    def slot_name(self, vendors: _EntryPlan) -> str:
        """The name under which a vendor's parameter fills a slot here: Custom where it has no slot of its own."""
        return vendors.name if vendors.name in self.names else "Custom"


_VENDOR_NAMES: Final = frozenset(entry.name for entry in VENDOR_PARAMETERS)

Plans = Mapping[str, _EntryPlan]


class _Book:
    """Everything that messages of one header version may hold, by name and by number."""

    __slots__ = ("message_types", "messages", "parameter_types", "parameters", "vendor_messages", "vendor_parameters")

    def __init__(self, version: int) -> None:
        own = {e.name: _EntryPlan(e, version) for e in MESSAGES if e.since <= version}
        self.message_types: Mapping[int, _EntryPlan] = {plan.type: plan for plan in own.values()}
        self.vendor_messages: Mapping[tuple[int, int], _EntryPlan] = {
            (e.vendor, e.type): _EntryPlan(e, version, CUSTOM_MESSAGE_HEADER.pack(e.vendor, e.type))
            for e in VENDOR_MESSAGES
        }
        self.messages: Plans = own | {plan.name: plan for plan in self.vendor_messages.values()}
        own = {e.name: _EntryPlan(e, version) for e in PARAMETERS if e.since <= version}
        self.parameter_types: Mapping[int, _EntryPlan] = {plan.type: plan for plan in own.values()}
        self.vendor_parameters: Mapping[tuple[int, int], _EntryPlan] = {
            (e.vendor, e.type): _EntryPlan(e, version, CUSTOM_HEADER.pack(e.vendor, e.type)) for e in VENDOR_PARAMETERS
        }
        self.parameters: Plans = own | {plan.name: plan for plan in self.vendor_parameters.values()}


_BOOKS: Final[Mapping[int, _Book]] = MappingProxyType({version: _Book(version) for version in VERSIONS})

_LATER: Final[Mapping[int, str]] = MappingProxyType({e.type: e.name for e in PARAMETERS if e.since > VERSIONS[0]})
"""Parameters that a version-1 message may not hold: type → name, to say so."""


def decode(frame: bytes) -> Message:
    """One whole frame as a Message. Raises DecodeError, with an LLRP status code, for anything the table forbids, and
    FrameError for bytes shorter than a header.
    """
    header = read_header(frame)
    book = _BOOKS.get(header.version)
    plan = (book or _BOOKS[VERSIONS[-1]]).message_types.get(header.type)
    try:
        return _decode(frame, header, book, plan)
    except Fault as fault:
        raise _error(plan.name if plan else f"message type {header.type}", fault) from None


def _error(name: str, fault: Fault) -> DecodeError:
    """The error that a fault inside the entry `name` becomes."""
    return DecodeError(
        str(fault),
        status_code=fault.code(),
        where="/".join(filter(None, [name, *reversed(fault.path)])),
        types=tuple(reversed(fault.types)),
        field=fault.field,
    )


def _decode(frame: bytes, header: Header, book: _Book | None, plan: _EntryPlan | None) -> Message:
    if book is None:
        raise Fault(Status.UNSUPPORTED_VERSION, f"protocol version {header.version}")
    if plan is None:
        raise Fault(Status.UNSUPPORTED_MESSAGE, f"no such message type in protocol version {header.version}")
    if header.length != len(frame):
        raise Fault(Status.FIELD_ERROR, f"the header claims {header.length} bytes of {len(frame)}")
    cursor = Cursor(frame, HEADER.size, len(frame), MAX_PARAMETERS)
    fields = plan.fields.read(cursor)
    parameters = _read_parameters(plan, cursor, 1, book)
    return Message(plan.name, header.id, fields, parameters, header.version)


def decode_vendor_parameter(vendor: int, subtype: int, data: bytes, version: int, depth: int) -> Parameter | None:
    """The data of a Custom parameter that lies `depth` deep in its message (1: directly in it), under its vendor's
    name; None when the table does not know it. Raises DecodeError."""
    plan = _BOOKS[version].vendor_parameters.get((vendor, subtype))
    return Parameter(plan.name, *_decode_data(plan, data, version, depth)) if plan else None


def decode_vendor_message(message: Message) -> Message:
    """A CUSTOM_MESSAGE under its vendor's name; any other, or one the table does not know, comes back unchanged.
    Raises DecodeError."""
    if message.name != "CUSTOM_MESSAGE":
        return message
    key = (message.fields["VendorIdentifier"], message.fields["MessageSubtype"])
    plan = _BOOKS[message.version].vendor_messages.get(key)
    if plan is None:
        return message
    fields, parameters = _decode_data(plan, message.fields["Data"], message.version, 0)
    return Message(plan.name, message.id, fields, parameters, message.version)


def _decode_data(plan: _EntryPlan, data: bytes, version: int, depth: int) -> tuple[dict[str, Any], list[Parameter]]:
    """A vendor entry's fields and parameters. The data is a parameter's inside, so faults are P_ codes."""
    cursor = Cursor(data, 0, len(data), MAX_PARAMETERS)
    try:
        return plan.fields.read(cursor), _read_parameters(plan, cursor, depth + 1, _BOOKS[version])
    except Fault as fault:
        fault.within(plan.name, plan.type)
        raise _error("", fault) from None


def _read_parameters(plan: _EntryPlan, cursor: Cursor, depth: int, book: _Book) -> list[Parameter]:
    """The rest of the cursor as sub-parameters of `plan`, held against its slots."""
    found: list[Parameter] = []
    data, end = cursor.data, cursor.end
    order = _SlotOrder(plan)
    while cursor.position < end:
        kind, start, stop = _read_parameter_header(cursor)
        inner = book.parameter_types.get(kind)
        if inner is None:
            later = f" in this protocol version: {_LATER[kind]}" if kind in _LATER else f": {kind}"
            raise Fault(Status.UNKNOWN_PARAMETER, f"no such parameter type{later}")
        if kind == CUSTOM_TYPE and plan.holds_vendors:
            inner, start = _known_inside(plan, inner, data, start, stop, book)
        order.take(inner.name)
        cursor.spare -= 1
        if cursor.spare < 0 or depth > MAX_DEPTH:
            raise Fault(Status.OVERFLOW_PARAMETER, f"more than {MAX_PARAMETERS} parameters, or deeper than {MAX_DEPTH}")
        body = Cursor(data, start, stop or end, cursor.spare)
        try:
            fields = inner.fields.read(body)
            parameters = [] if inner.is_tv else _read_parameters(inner, body, depth + 1, book)
        except Fault as fault:
            fault.within(inner.name, inner.type)
            raise
        cursor.spare = body.spare
        cursor.position = body.position
        found.append(Parameter(inner.name, fields, parameters))
    order.finish()
    return found


def _known_inside(
    plan: _EntryPlan, custom: _EntryPlan, data: bytes, start: int, stop: int, book: _Book
) -> tuple[_EntryPlan, int]:
    """Plan and first byte of a vendor's parameter that has its own slot in `plan`; else those of a plain Custom."""
    if stop - start < CUSTOM_HEADER.size:
        return custom, start
    vendor, subtype = CUSTOM_HEADER.unpack_from(data, start)
    known = book.vendor_parameters.get((vendor, subtype))
    if known is None or known.name not in plan.names:
        return custom, start
    return known, start + CUSTOM_HEADER.size


def _read_parameter_header(cursor: Cursor) -> tuple[int, int, int]:
    """Type, first payload byte and end of the parameter at the cursor; the end is 0 for a TV, whose type tells it."""
    data, at, end = cursor.data, cursor.position, cursor.end
    first = data[at]
    if first & 0x80:
        return first & 0x7F, at + 1, 0
    if end - at < TLV_HEADER.size:
        raise Fault(Status.PARAMETER_ERROR, f"{end - at} bytes are left over, too few for a parameter")
    word, length = TLV_HEADER.unpack_from(data, at)
    if word >> 10:
        raise Fault(Status.UNKNOWN_PARAMETER, f"reserved bits are set in the parameter header 0x{word:04x}")
    if word < FIRST_TLV_TYPE:
        raise Fault(Status.UNKNOWN_PARAMETER, f"parameter type {word} is written with a length, but has none")
    if length < TLV_HEADER.size or at + length > end:
        raise Fault(Status.PARAMETER_ERROR, f"parameter type {word} claims {length} bytes, {end - at} are here")
    return word, at + TLV_HEADER.size, at + length


class _SlotOrder:
    """Holds a sequence of sub-parameter names against the slots of an entry, as it is read or written."""

    __slots__ = ("_count", "_index", "_plan")

    def __init__(self, plan: _EntryPlan) -> None:
        self._plan = plan
        self._index = 0
        self._count = 0

    def take(self, name: str) -> None:
        """Place the next sub-parameter. Raises Fault where it may not stand."""
        slots = self._plan.slots
        at = self._index
        count = self._count
        while at < len(slots):
            slot = slots[at]
            if name in slot.names and count < slot.at_most:
                self._index, self._count = at, count + 1
                return
            if count < slot.at_least:
                raise self._misplaced(name, slot)
            at, count = at + 1, 0
        raise self._misplaced(name, None)

    def finish(self) -> None:
        """Nothing follows. Raises Fault when a mandatory sub-parameter never came."""
        count = self._count
        for slot in self._plan.slots[self._index :]:
            if count < slot.at_least:
                raise Fault(Status.MISSING_PARAMETER, f"{slot.name} is missing")
            count = 0

    def _misplaced(self, name: str, missing: Slot | None) -> Fault:
        plan = self._plan
        if name not in plan.names:
            return Fault(Status.UNEXPECTED_PARAMETER, f"{name} does not belong here")
        current = plan.slots[self._index]
        if name in current.names and self._count >= current.at_most:
            return Fault(Status.DUPLICATE_PARAMETER, f"{name} comes more often than it may")
        if missing is not None and any(name in slot.names for slot in plan.slots[self._index :]):
            return Fault(Status.MISSING_PARAMETER, f"{missing.name} is missing before {name}")
        return Fault(Status.UNEXPECTED_PARAMETER, f"{name} comes out of order")


def encode(message: Message) -> bytes:
    """The frame of a Message. Raises EncodeError, naming the place, for anything the table forbids."""
    book = _BOOKS.get(message.version)
    if book is None or not 0 <= message.id < 1 << 32:
        raise EncodeError(f"{message.name}: version {message.version} or id {message.id} does not fit the header")
    plan = book.messages.get(message.name)
    if plan is None:
        raise EncodeError(f"no LLRP message of protocol version {message.version} is named {message.name!r}")
    body = bytearray(HEADER.size) + plan.prefix
    try:
        plan.fields.write(message.fields, body)
        _write_parameters(plan, message.parameters, body, 1, book)
    except Fault as fault:
        path = "/".join([message.name, *reversed(fault.path)])
        raise EncodeError(f"{path}: {fault}") from None
    if len(body) > MAX_FRAME_BYTES:
        raise EncodeError(f"{message.name}: {len(body)} bytes are above the cap of {MAX_FRAME_BYTES}")
    HEADER.pack_into(body, 0, message.version << 10 | plan.type, len(body), message.id)
    return bytes(body)


def encode_vendor_parameter(parameter: Parameter, version: int) -> Parameter:
    """A vendor's parameter, by its name in the table, as the Custom that carries it. Raises EncodeError, also when the
    table has no such name."""
    plan = _BOOKS[version].parameters.get(parameter.name)
    if plan is None or not plan.prefix:
        raise EncodeError(f"no vendor parameter is named {parameter.name!r}")
    body = bytearray()
    try:
        _write_parameter(plan, parameter, body, 1, _BOOKS[version])
    except Fault as fault:
        raise EncodeError(f"{'/'.join([parameter.name, *reversed(fault.path)])}: {fault}") from None
    vendor, subtype = CUSTOM_HEADER.unpack(plan.prefix)
    data = bytes(body[TLV_HEADER.size + CUSTOM_HEADER.size :])
    return Parameter("Custom", {"VendorIdentifier": vendor, "ParameterSubtype": subtype, "Data": data})


def _write_parameters(plan: _EntryPlan, parameters: list[Parameter], body: bytearray, depth: int, book: _Book) -> None:
    order = _SlotOrder(plan)
    for parameter in parameters:
        inner = book.parameters.get(parameter.name)
        if inner is None:
            raise Fault(Status.UNKNOWN_PARAMETER, f"no LLRP parameter is named {parameter.name!r} in this version")
        order.take(plan.slot_name(inner) if inner.prefix else inner.name)
        if depth > MAX_DEPTH:
            raise Fault(Status.OVERFLOW_PARAMETER, f"parameters nest deeper than {MAX_DEPTH}")
        try:
            _write_parameter(inner, parameter, body, depth, book)
        except Fault as fault:
            fault.within(inner.name, inner.type)
            raise
    order.finish()


def _write_parameter(plan: _EntryPlan, parameter: Parameter, body: bytearray, depth: int, book: _Book) -> None:
    if plan.is_tv:
        if parameter.parameters:
            raise Fault(Status.UNEXPECTED_PARAMETER, "a parameter without length holds no others")
        body.append(0x80 | plan.type)
        plan.fields.write(parameter.fields, body)
        return
    start = len(body)
    body += bytes(TLV_HEADER.size)
    body += plan.prefix
    plan.fields.write(parameter.fields, body)
    _write_parameters(plan, parameter.parameters, body, depth + 1, book)
    length = len(body) - start
    if length > 0xFFFF:
        raise Fault(Status.OVERFLOW_FIELD, f"{length} bytes do not fit a parameter's 16-bit length")
    TLV_HEADER.pack_into(body, start, plan.type, length)
