"""How the fields of one table entry are read from bytes and written to them. Neighbouring fields of fixed width become
one precompiled struct; bit fields are gathered into whole bytes of it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from struct import Struct
from typing import Any, Final, Protocol

from readers.llrp.table import ENUMERATIONS_IN, FIRST_VERSION, Entry, Field

COUNT: Final = Struct("!H")
"""The 16-bit count in front of a field of variable length."""

FORMATS: Final = {"u8": "B", "s8": "b", "u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "u96": "12s"}
BIT_GROUP_FORMATS: Final = {8: "B", 16: "H", 32: "I"}
ELEMENT_FORMATS: Final = {"u8v": "B", "u16v": "H", "u32v": "I"}


MAX_TOLD: Final = 5
"""An error names no more wrong values than fit a line: a field may hold 65,535 of them."""

Labels = Mapping[str, Mapping[int, str]]
"""Enumeration name → value → label, of those whose other values are refused."""


class Status(IntEnum):
    """What is wrong, independent of where: the last digits of an M_ (100 + n) or P_ (200 + n) status code."""

    PARAMETER_ERROR = 0
    FIELD_ERROR = 1
    UNEXPECTED_PARAMETER = 2
    MISSING_PARAMETER = 3
    DUPLICATE_PARAMETER = 4
    OVERFLOW_PARAMETER = 5
    OVERFLOW_FIELD = 6
    UNKNOWN_PARAMETER = 7
    UNSUPPORTED_MESSAGE = 9
    UNSUPPORTED_VERSION = 10
    A_INVALID = 300
    A_OUT_OF_RANGE = 301


class Fault(Exception):  # noqa: N818 - becomes a DecodeError or EncodeError once its place is known
    """A breach of the table on its way out to the message. `field` counts named fields from 0, -1 for none."""

    def __init__(self, status: Status, message: str, field: int = -1) -> None:
        super().__init__(message)
        self.status = status
        self.field = field
        self.path: list[str] = []
        self.types: list[int] = []

    def within(self, name: str, kind: int) -> None:
        """Note the parameter that the fault is in, innermost first."""
        self.path.append(name)
        self.types.append(kind)

    def code(self) -> int:
        """The LLRP status code: of the field, else of the parameter or message the fault is in."""
        if self.status >= Status.A_INVALID:
            return int(self.status)
        return (200 if self.path else 100) + int(self.status)


class Cursor:
    """A place in a frame, the end of what may be read there, and how many parameters the message may still hold."""

    __slots__ = ("data", "end", "position", "spare")

    def __init__(self, data: bytes, position: int, end: int, spare: int) -> None:
        self.data = data
        self.position = position
        self.end = end
        self.spare = spare


class Step(Protocol):
    """Reads and writes some neighbouring fields."""

    @property
    def names(self) -> tuple[str, ...]:
        """The fields' names."""

    def read(self, cursor: Cursor, into: dict[str, Any]) -> None:
        """Read at the cursor and move it on. Raises Fault."""

    def write(self, fields: Mapping[str, Any], body: bytearray) -> None:
        """Append the fields' bytes. Raises Fault for a value that does not fit; KeyError for a missing one."""


class _Bits:
    """Bit fields that fill whole bytes together: (name, shift, mask, is a bool, default) each, and the reserved bits'
    mask. A field that a later version made of reserved bits may be left out of a message of ours: it is 0 then, as the
    earlier version sends it."""

    __slots__ = ("format", "parts", "reserved")

    def __init__(self, group: Sequence[Field]) -> None:
        width = sum(field.bits for field in group)
        self.format = BIT_GROUP_FORMATS[width]
        self.parts: list[tuple[str, int, int, bool, int | None]] = []
        self.reserved = 0
        left = width
        for field in group:
            left -= field.bits
            mask = (1 << field.bits) - 1
            if field.name:
                is_bool = field.bits == 1 and not field.enumeration
                default = 0 if field.since > FIRST_VERSION else None
                self.parts.append((field.name, left, mask, is_bool, default))
            else:
                self.reserved |= mask << left

    def split(self, word: int, into: dict[str, Any]) -> None:
        if word & self.reserved:
            raise Fault(Status.A_INVALID, f"reserved bits are set (0x{word:x})")
        for name, shift, mask, is_bool, _ in self.parts:
            value = word >> shift & mask
            into[name] = bool(value) if is_bool else value

    def join(self, fields: Mapping[str, Any]) -> int:
        word = 0
        for name, shift, mask, _, default in self.parts:
            value = int(fields[name] if default is None else fields.get(name, default))
            if not 0 <= value <= mask:
                raise Fault(Status.A_OUT_OF_RANGE, f"{name} = {value} does not fit its bits")
            word |= value << shift
        return word


class _Fixed:
    """Fields of fixed width, one struct together; `first` is the number of the first of them that has a name."""

    __slots__ = ("_checks", "_has_bits", "_parts", "_struct", "names")

    def __init__(self, fields: Sequence[Field], labels: Labels, first: int) -> None:
        self.names = tuple(field.name for field in fields if field.name)
        self._parts: list[str | _Bits] = list(_gather_bits(fields))
        self._has_bits = any(isinstance(part, _Bits) for part in self._parts)
        self._struct = Struct(
            "!" + "".join(p.format if isinstance(p, _Bits) else FORMATS[_type_of(fields, p)] for p in self._parts)
        )
        self._checks = [
            (f.name, labels[f.enumeration], f.enumeration, first + self.names.index(f.name))
            for f in fields
            if f.enumeration in labels
        ]

    def read(self, cursor: Cursor, into: dict[str, Any]) -> None:
        at = cursor.position
        end = at + self._struct.size
        if end > cursor.end:
            raise Fault(Status.FIELD_ERROR, f"{cursor.end - at} of {self._struct.size} bytes of fields are here")
        values = self._struct.unpack_from(cursor.data, at)
        if self._has_bits:
            for part, value in zip(self._parts, values, strict=True):
                if isinstance(part, _Bits):
                    part.split(value, into)
                else:
                    into[part] = value
        else:
            into.update(zip(self.names, values, strict=True))
        cursor.position = end
        self._check(into)

    def write(self, fields: Mapping[str, Any], body: bytearray) -> None:
        self._check(fields)
        values = [part.join(fields) if isinstance(part, _Bits) else fields[part] for part in self._parts]
        for name, value in zip(self._parts, values, strict=True):
            if isinstance(value, bytes) and len(value) != 12:
                raise Fault(Status.A_OUT_OF_RANGE, f"{name} is {len(value)} bytes, not 12")
        try:
            body += self._struct.pack(*values)
        except struct.error as cause:
            raise Fault(Status.A_OUT_OF_RANGE, f"a value of {', '.join(self.names)} does not fit: {cause}") from None

    def _check(self, fields: Mapping[str, Any]) -> None:
        for name, labels, enumeration, number in self._checks:
            if fields[name] not in labels:
                raise Fault(Status.A_INVALID, f"{name} = {fields[name]} is no {enumeration}", field=number)


def _type_of(fields: Sequence[Field], name: str) -> str:
    return next(field.type for field in fields if field.name == name)


def _gather_bits(fields: Sequence[Field]) -> Iterator[str | _Bits]:
    """Fields by name, and runs of bit fields as groups as soon as they fill whole bytes that a struct can read."""
    group: list[Field] = []
    for field in fields:
        if not group and field.type in FORMATS:
            yield field.name
            continue
        group.append(field)
        if sum(member.bits for member in group) in BIT_GROUP_FORMATS:
            yield _Bits(group)
            group = []
    if group:
        raise ValueError(f"bit fields {[field.name for field in group]} do not fill whole bytes")


def _take_counted(cursor: Cursor, name: str, unit_bits: int) -> tuple[int, bytes]:
    """The count in front of a variable field and the bytes it announces; moves the cursor past them."""
    at = cursor.position + COUNT.size
    if at > cursor.end:
        raise Fault(Status.FIELD_ERROR, f"{name} has no room for its count")
    (count,) = COUNT.unpack_from(cursor.data, cursor.position)
    end = at + (count * unit_bits + 7) // 8
    if end > cursor.end:
        raise Fault(Status.FIELD_ERROR, f"{name} announces {end - at} bytes, {cursor.end - at} are here")
    cursor.position = end
    return count, cursor.data[at:end]


def _counted(name: str, count: int) -> bytes:
    if count > 0xFFFF:
        raise Fault(Status.OVERFLOW_FIELD, f"{name} has {count} elements, a 16-bit count cannot say so")
    return COUNT.pack(count)


class _BitArray:
    """u1v: bytes under the field's name, their number of bits under `<name>LengthBits`."""

    __slots__ = ("_length_name", "_name", "_number", "names")

    def __init__(self, field: Field, number: int) -> None:
        self._name = field.name
        self._number = number
        self._length_name = field.name + "LengthBits"
        self.names = (self._name, self._length_name)

    def read(self, cursor: Cursor, into: dict[str, Any]) -> None:
        bits, value = _take_counted(cursor, self._name, 1)
        if bits % 8 and value[-1] & (0xFF >> bits % 8):
            raise Fault(Status.A_INVALID, f"{self._name} has bits set behind its {bits} bits", field=self._number)
        into[self._name] = value
        into[self._length_name] = bits

    def write(self, fields: Mapping[str, Any], body: bytearray) -> None:
        value = bytes(fields[self._name])
        bits = fields.get(self._length_name, len(value) * 8)
        if (bits + 7) // 8 != len(value) or (bits % 8 and value[-1] & (0xFF >> bits % 8)):
            raise Fault(Status.A_OUT_OF_RANGE, f"{self._name}: {len(value)} bytes do not hold {bits} bits")
        body += _counted(self._name, bits) + value


class _Numbers:
    """u16v, u32v and enumerated u8v: a list of integers."""

    __slots__ = ("_enumeration", "_format", "_labels", "_name", "_number", "_unit_bits", "names")

    def __init__(self, field: Field, labels: Labels, number: int) -> None:
        self._name = field.name
        self._number = number
        self._format = ELEMENT_FORMATS[field.type]
        self._unit_bits = 8 * Struct("!" + self._format).size
        self._enumeration = field.enumeration
        self._labels = labels.get(field.enumeration)
        self.names = (field.name,)

    def read(self, cursor: Cursor, into: dict[str, Any]) -> None:
        count, value = _take_counted(cursor, self._name, self._unit_bits)
        into[self._name] = numbers = list(Struct(f"!{count}{self._format}").unpack(value))
        self._check(numbers)

    def write(self, fields: Mapping[str, Any], body: bytearray) -> None:
        numbers = fields[self._name]
        self._check(numbers)
        body += _counted(self._name, len(numbers))
        try:
            body += Struct(f"!{len(numbers)}{self._format}").pack(*numbers)
        except struct.error as cause:
            raise Fault(Status.A_OUT_OF_RANGE, f"an element of {self._name} does not fit: {cause}") from None

    def _check(self, numbers: Sequence[int]) -> None:
        if self._labels is not None and not self._labels.keys() >= set(numbers):
            strange = sorted(set(numbers) - self._labels.keys())[:MAX_TOLD]
            raise Fault(Status.A_INVALID, f"{self._name} has {strange}, no {self._enumeration}", field=self._number)


class _ByteArray:
    """u8v without an enumeration, and bytesToEnd (no count): bytes."""

    __slots__ = ("_has_count", "_name", "names")

    def __init__(self, field: Field) -> None:
        self._name = field.name
        self._has_count = field.type == "u8v"
        self.names = (field.name,)

    def read(self, cursor: Cursor, into: dict[str, Any]) -> None:
        if self._has_count:
            _, into[self._name] = _take_counted(cursor, self._name, 8)
        else:
            into[self._name] = cursor.data[cursor.position : cursor.end]
            cursor.position = cursor.end

    def write(self, fields: Mapping[str, Any], body: bytearray) -> None:
        value = bytes(fields[self._name])
        if self._has_count:
            body += _counted(self._name, len(value))
        body += value


class _Text:
    """utf8v: str."""

    __slots__ = ("_name", "_number", "names")

    def __init__(self, field: Field, number: int) -> None:
        self._name = field.name
        self._number = number
        self.names = (field.name,)

    def read(self, cursor: Cursor, into: dict[str, Any]) -> None:
        _, value = _take_counted(cursor, self._name, 8)
        try:
            into[self._name] = value.decode()
        except UnicodeDecodeError as cause:
            raise Fault(Status.A_INVALID, f"{self._name} is not UTF-8: {cause}", field=self._number) from None

    def write(self, fields: Mapping[str, Any], body: bytearray) -> None:
        try:
            value = fields[self._name].encode()
        except UnicodeEncodeError as cause:
            raise Fault(Status.A_INVALID, f"{self._name} is not UTF-8: {cause}") from None
        body += _counted(self._name, len(value)) + value


class FieldPlan:
    """All fields of one entry, compiled."""

    __slots__ = ("_names", "_steps")

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._names = frozenset(name for step in steps for name in step.names)

    def read(self, cursor: Cursor) -> dict[str, Any]:
        """The fields at the cursor, which moves past them. Raises Fault."""
        into: dict[str, Any] = {}
        for step in self._steps:
            step.read(cursor, into)
        return into

    def write(self, fields: Mapping[str, Any], body: bytearray) -> None:
        """Append the fields' bytes. Raises Fault for a missing, unknown or unfitting one."""
        if not self._names >= fields.keys():
            unknown = ", ".join(sorted(fields.keys() - self._names))
            raise Fault(Status.FIELD_ERROR, f"no such field: {unknown}")
        try:
            for step in self._steps:
                step.write(fields, body)
        except KeyError as cause:
            raise Fault(Status.FIELD_ERROR, f"the field {cause.args[0]} is missing") from None
        except (TypeError, ValueError, AttributeError) as cause:
            raise Fault(Status.FIELD_ERROR, f"a field has the wrong type: {cause}") from None


def compile_fields(entry: Entry, version: int) -> FieldPlan:
    """The plan of an entry's fields in this header version: runs of fixed width, and one step for each field of
    variable width."""
    labels: Labels = {} if entry.vendor else ENUMERATIONS_IN[version]
    steps: list[Step] = []
    run: list[Field] = []
    number = 0
    for field in entry.fields:
        if field.bits:
            run.append(field)
            continue
        if run:
            steps.append(_Fixed(run, labels, number))
            number += len(steps[-1].names)
            run = []
        steps.append(_variable_step(field, labels, number))
        number += 1
    if run:
        steps.append(_Fixed(run, labels, number))
    return FieldPlan(steps)


def _variable_step(field: Field, labels: Labels, number: int) -> Step:
    if field.type == "u1v":
        return _BitArray(field, number)
    if field.type == "utf8v":
        return _Text(field, number)
    if field.type == "bytesToEnd" or (field.type == "u8v" and not field.enumeration):
        return _ByteArray(field)
    return _Numbers(field, labels, number)
