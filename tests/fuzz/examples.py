"""LLRP messages made from the table: each type as short as it may be, and as full; seeded, the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from readers.llrp.message import Message, Parameter
from readers.llrp.table import (
    ENUMERATIONS_IN,
    FIELD_BITS,
    MESSAGES,
    PARAMETERS,
    VENDOR_MESSAGES,
    VENDOR_PARAMETERS,
    VERSIONS,
    Entry,
    Field,
    Slot,
    in_version,
)

DEEPEST = 9
"""The table's own deepest path is 7; beyond this only a parameter that may hold itself goes on."""

ENTRIES = {version: {e.name: in_version(e, version) for e in PARAMETERS} for version in VERSIONS}


class Examples:
    """Makes messages of one header version; `is_full` fills every slot with one of each that may stand there, else only
    what must be there comes."""

    def __init__(self, version: int, *, is_full: bool, seed: int = 1) -> None:
        self._version = version
        self._is_full = is_full
        self._chance = random.Random(seed)

    def messages(self) -> Iterator[Message]:
        """One of each type, LLRP's own."""
        for number, entry in enumerate(MESSAGES, 1):
            if entry.since <= self._version:
                yield self.message(entry, number)

    def message(self, entry: Entry, number: int) -> Message:
        entry = in_version(entry, self._version)
        return Message(entry.name, number, self._fields(entry), self._parameters(entry, 1), self._version)

    def parameter(self, entry: Entry, depth: int = 1) -> Parameter:
        entry = in_version(entry, self._version)
        return Parameter(entry.name, self._fields(entry), self._parameters(entry, depth + 1))

    def _parameters(self, entry: Entry, depth: int) -> list[Parameter]:
        found = []
        for slot in entry.slots:
            found += [self.parameter(_entry(name, self._version), depth) for name in self._chosen(slot, entry, depth)]
        return found

    def _chosen(self, slot: Slot, entry: Entry, depth: int) -> list[str]:
        names = sorted(slot.names - {entry.name}) or [entry.name]
        if not self._is_full or depth > DEEPEST:
            return [self._chance.choice(names)] * slot.at_least
        return names if slot.at_most > 1 else [self._chance.choice(names)]

    def _fields(self, entry: Entry) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for field in entry.fields:
            if field.type == "u1v":
                fields[field.name] = self._chance.randbytes(12)
                fields[field.name + "LengthBits"] = 96
            elif field.name:
                fields[field.name] = self._value(field)
        return fields

    def _value(self, field: Field) -> Any:
        chance = self._chance
        labels = sorted(ENUMERATIONS_IN[self._version].get(field.enumeration, ()))
        if field.type in {"u8v", "u16v", "u32v"} and (labels or field.type != "u8v"):
            return [chance.choice(labels) if labels else chance.getrandbits(int(field.type[1:-1])) for _ in range(3)]
        if field.type in {"u8v", "bytesToEnd"}:
            return chance.randbytes(8)
        if field.type == "utf8v":
            return "door 7"
        if field.type == "u96":
            return chance.randbytes(12)
        if labels:
            return chance.choice(labels)
        if field.type == "u1":
            return bool(chance.getrandbits(1))
        bits = FIELD_BITS[field.type]
        return chance.getrandbits(bits) - (1 << bits - 1 if field.type[0] == "s" else 0)


VENDOR_ENTRIES = {e.name: e for e in VENDOR_PARAMETERS}


def _entry(name: str, version: int) -> Entry:
    return ENTRIES[version].get(name) or VENDOR_ENTRIES[name]


def every_message(version: int) -> list[Message]:
    """Each type short and full, and the vendors' messages."""
    short, full = Examples(version, is_full=False), Examples(version, is_full=True)
    vendors = [full.message(entry, number) for number, entry in enumerate(VENDOR_MESSAGES, 1000)]
    return [*short.messages(), *full.messages(), *vendors]


def every_vendor_parameter(version: int) -> list[Message]:
    """Each vendor parameter in a SET_READER_CONFIG of its own."""
    full = Examples(version, is_full=True)
    return [
        Message("SET_READER_CONFIG", number, {"ResetToFactoryDefault": False}, [full.parameter(entry)], version)
        for number, entry in enumerate(VENDOR_PARAMETERS, 1)
    ]
