"""LLRP as data: every message, parameter, field and enumeration, parsed once from the compact notation in
`table_messages`, `table_parameters`, `table_enumerations` and, for vendors, `table_impinj` and `table_zebra`. The codec
compiles what it needs from here.

Notation of one entry (messages and parameters alike):

    177 ROSpec                                                 type number, name as LLRP spells it
        ROSpecID:u32  Priority:u8  CurrentState:u8=ROSpecState     fields in wire order, `=` names an enumeration
        > ROBoundarySpec  SpecParameter+  ROReportSpec?            sub-parameters in wire order

A name alone occurs exactly once, `?` at most once, `*` any number of times, `+` at least once. `-:7` are seven reserved
bits. `Name = A | B` is a choice, used like a name. `#` starts a comment. Parameters below type 128 are TV (no length),
all others TLV.

`@2` behind an entry, a field or an enumeration's value: it came with header version 2, which is LLRP 1.1. A version-1
message has no such parameter, the field's bits are reserved there, and the value is none; `in_version` gives that view.

A vendor's entry is numbered `25882/56`: vendor and subtype. On the wire it is a Custom parameter, or a CUSTOM_MESSAGE,
with the entry's fields and parameters as its data. A vendor's enumerations name values and forbid none, for vendors add
to them with every firmware.

Field types: u1 u2 (bits), u8 u16 u32 u64 s8 s16 s32 (big-endian), u96 (12 bytes), and those with a 16-bit count in
front: u1v (bits), u8v u16v u32v (elements), utf8v (bytes); bytesToEnd takes what is left. Source: LLRP 1.0.1 §16,
1.1 §17.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from types import MappingProxyType
from typing import Final

from readers.llrp import table_enumerations, table_impinj, table_messages, table_parameters, table_zebra

FIRST_TLV_TYPE: Final = 128
"""Parameter types below this are TV encoded: one type byte, no length (LLRP 1.0.1 §16.2)."""

FIRST_VERSION: Final = 1
"""The header version of LLRP 1.0.1; 2 is that of LLRP 1.1."""

UNBOUNDED: Final = 1 << 30

OCCURRENCES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {"?": (0, 1), "*": (0, UNBOUNDED), "+": (1, UNBOUNDED)}
)

FIELD_BITS: Final[Mapping[str, int]] = MappingProxyType(
    {"u1": 1, "u2": 2, "u8": 8, "s8": 8, "u16": 16, "s16": 16, "u32": 32, "s32": 32, "u64": 64, "u96": 96}
)
"""Width of the field types that always have the same width."""

VARIABLE_TYPES: Final = frozenset({"u1v", "u8v", "u16v", "u32v", "utf8v", "bytesToEnd"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field. Reserved bits have no name. `bits` is 0 where the width varies; `enumeration` may be empty; `since` is
    the header version it came with."""

    name: str
    type: str
    bits: int
    enumeration: str = ""
    since: int = FIRST_VERSION


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for sub-parameters: which names may stand there and how often."""

    name: str
    names: frozenset[str]
    at_least: int
    at_most: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One message or parameter of the table; of a vendor's, `type` is the subtype. `vendor` is 0 for LLRP's own, and
    `since` the header version it came with."""

    name: str
    type: int
    fields: tuple[Field, ...]
    slots: tuple[Slot, ...]
    since: int = FIRST_VERSION
    vendor: int = 0

    @property
    def is_tv(self) -> bool:
        """Whether a parameter of this type has no length field."""
        return not self.vendor and self.type < FIRST_TLV_TYPE


def _lines(text: str) -> Iterator[str]:
    """The lines that say something, comments cut off, indentation kept."""
    for line in text.splitlines():
        said = line.split("#", 1)[0].rstrip()
        if said:
            yield said


def _split_since(word: str) -> tuple[str, int]:
    """`word@2` as the word and the version it came with."""
    bare, _, since = word.partition("@")
    return bare, int(since or FIRST_VERSION)


def _parse_field(word: str) -> Field:
    bare, since = _split_since(word)
    name, _, rest = bare.partition(":")
    kind, _, enumeration = rest.partition("=")
    if name == "-":
        return Field("", "reserved", int(kind))
    if kind not in FIELD_BITS and kind not in VARIABLE_TYPES:
        raise ValueError(f"field {word!r} has no known type")
    return Field(name, kind, FIELD_BITS.get(kind, 0), enumeration, since)


def _parse_slot(word: str, choices: Mapping[str, tuple[str, ...]]) -> Slot:
    at_least, at_most = OCCURRENCES.get(word[-1], (1, 1))
    name = word.rstrip("?*+")
    return Slot(name, frozenset(choices.get(name, (name,))), at_least, at_most)


def _parse_choices(text: str) -> dict[str, tuple[str, ...]]:
    choices = {}
    for line in "\n".join(_lines(text)).replace("\n    |", " |").splitlines():
        name, _, options = line.partition("=")
        choices[name.strip()] = tuple(option.strip() for option in options.split("|"))
    return choices


def _parse_entries(text: str, choices: Mapping[str, tuple[str, ...]]) -> Iterator[Entry]:
    heading: list[str] = []
    fields: list[Field] = []
    slots: list[Slot] = []
    in_slots = False
    for line in [*_lines(text), "end of table"]:
        if line.startswith(" "):
            words = line.split()
            in_slots = in_slots or words[0] == ">"
            if in_slots:
                slots += [_parse_slot(word, choices) for word in words if word != ">"]
            else:
                fields += [_parse_field(word) for word in words]
            continue
        if heading:
            yield _make_entry(heading, tuple(fields), tuple(slots))
        heading, fields, slots, in_slots = line.split(), [], [], False


def _make_entry(heading: list[str], fields: tuple[Field, ...], slots: tuple[Slot, ...]) -> Entry:
    number, name, *rest = heading
    _, since = _split_since(rest[0] if rest else "")
    vendor, _, kind = number.rpartition("/")
    return Entry(name, int(kind), fields, slots, since, int(vendor or 0))


def _parse_enumerations(text: str) -> Iterator[tuple[str, int, str, int]]:
    """Enumeration, value, label and the version it came with."""
    name = ""
    for line in _lines(text):
        if not line.startswith(" "):
            name = line
            continue
        words = line.split()
        for word, label in zip(words[::2], words[1::2], strict=True):
            value, since = _split_since(word)
            yield name, int(value), label, since


def _gather_labels(entries: list[tuple[str, int, str, int]], version: int) -> Mapping[str, Mapping[int, str]]:
    """The enumerations as `version` knows them; one of which it knows no value is empty."""
    gathered: dict[str, dict[int, str]] = {name: {} for name, *_ in entries}
    for name, value, label, since in entries:
        if since <= version:
            gathered[name][value] = label
    return MappingProxyType({name: MappingProxyType(labels) for name, labels in gathered.items()})


VERSIONS: Final = (1, 2)
"""Header versions that we speak: 1 is LLRP 1.0.1, 2 is LLRP 1.1."""

CHOICES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    _parse_choices(table_parameters.CHOICES) | _parse_choices(table_zebra.CHOICES)
)
"""What may stand where a choice is named."""

_LABELS: Final = [
    *_parse_enumerations(table_enumerations.ENUMERATIONS),
    *_parse_enumerations(table_impinj.ENUMERATIONS),
    *_parse_enumerations(table_zebra.ENUMERATIONS),
]

ENUMERATIONS_IN: Final = MappingProxyType({version: _gather_labels(_LABELS, version) for version in VERSIONS})
"""Header version → enumeration name → value → label."""

ENUMERATIONS: Final = ENUMERATIONS_IN[VERSIONS[-1]]
"""Enumeration name → value → label, those of every version together: versions add values and change none."""

MESSAGES: Final[tuple[Entry, ...]] = tuple(_parse_entries(table_messages.MESSAGES, CHOICES))

PARAMETERS: Final[tuple[Entry, ...]] = tuple(_parse_entries(table_parameters.PARAMETERS, CHOICES))

VENDOR_MESSAGES: Final[tuple[Entry, ...]] = (
    *_parse_entries(table_impinj.MESSAGES, CHOICES),
    *_parse_entries(table_zebra.MESSAGES, CHOICES),
)
"""What CUSTOM_MESSAGE carries, where we know it."""

VENDOR_PARAMETERS: Final[tuple[Entry, ...]] = (
    *_parse_entries(table_impinj.PARAMETERS, CHOICES),
    *_parse_entries(table_zebra.PARAMETERS, CHOICES),
)
"""What Custom carries, where we know it."""

_SINCE: Final = MappingProxyType({entry.name: entry.since for entry in (*PARAMETERS, *VENDOR_PARAMETERS)})


def _join_reserved(fields: list[Field]) -> Iterator[Field]:
    """Neighbouring reserved bits as one field."""
    for is_named, run in groupby(fields, lambda field: bool(field.name)):
        if is_named:
            yield from run
        else:
            yield Field("", "reserved", sum(field.bits for field in run))


def in_version(entry: Entry, version: int) -> Entry:
    """The entry as a message of this header version has it: later fields are reserved bits, later parameters are not
    there."""
    fields = [field if field.since <= version else Field("", "reserved", field.bits) for field in entry.fields]
    if any(field.since > version for field in entry.fields):
        fields = list(_join_reserved(fields))
    slots = []
    for slot in entry.slots:
        names = frozenset(name for name in slot.names if _SINCE[name] <= version)
        if names:
            slots.append(replace(slot, names=names))
    return replace(entry, fields=tuple(fields), slots=tuple(slots))
