"""LLRP as data: every message, parameter, field and enumeration, parsed once from the compact notation in
`table_messages`, `table_parameters` and `table_enumerations`. The codec compiles what it needs from here.

Notation of one entry (messages and parameters alike):

    177 ROSpec                                                 type number, name as LLRP spells it
        ROSpecID:u32  Priority:u8  CurrentState:u8=ROSpecState     fields in wire order, `=` names an enumeration
        > ROBoundarySpec  SpecParameter+  ROReportSpec?            sub-parameters in wire order

A name alone occurs exactly once, `?` at most once, `*` any number of times, `+` at least once. `-:7` are seven reserved
bits. `Name = A | B` is a choice, used like a name. `#` starts a comment. Parameters below type 128 are TV (no length),
all others TLV.

Field types: u1 u2 (bits), u8 u16 u32 u64 s8 s16 (big-endian), u96 (12 bytes), and those with a 16-bit count in front:
u1v (bits), u8v u16v u32v (elements), utf8v (bytes); bytesToEnd takes what is left. Source: LLRP 1.0.1 §16, 1.1 §17.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from readers.llrp import table_enumerations, table_messages, table_parameters

FIRST_TLV_TYPE: Final = 128
"""Parameter types below this are TV encoded: one type byte, no length (LLRP 1.0.1 §16.2)."""

UNBOUNDED: Final = 1 << 30

OCCURRENCES: Final[Mapping[str, tuple[int, int]]] = MappingProxyType(
    {"?": (0, 1), "*": (0, UNBOUNDED), "+": (1, UNBOUNDED)}
)

FIELD_BITS: Final[Mapping[str, int]] = MappingProxyType(
    {"u1": 1, "u2": 2, "u8": 8, "s8": 8, "u16": 16, "s16": 16, "u32": 32, "u64": 64, "u96": 96}
)
"""Width of the field types that always have the same width."""

VARIABLE_TYPES: Final = frozenset({"u1v", "u8v", "u16v", "u32v", "utf8v", "bytesToEnd"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field. Reserved bits have no name. `bits` is 0 where the width varies; `enumeration` may be empty."""

    name: str
    type: str
    bits: int
    enumeration: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for sub-parameters: which names may stand there and how often."""

    name: str
    names: frozenset[str]
    at_least: int
    at_most: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One message or parameter of the table."""

    name: str
    type: int
    fields: tuple[Field, ...]
    slots: tuple[Slot, ...]

    @property
    def is_tv(self) -> bool:
        """Whether a parameter of this type has no length field."""
        return self.type < FIRST_TLV_TYPE


def _lines(text: str) -> Iterator[str]:
    """The lines that say something, comments cut off, indentation kept."""
    for line in text.splitlines():
        said = line.split("#", 1)[0].rstrip()
        if said:
            yield said


def _parse_field(word: str) -> Field:
    name, _, rest = word.partition(":")
    kind, _, enumeration = rest.partition("=")
    if name == "-":
        return Field("", "reserved", int(kind))
    if kind not in FIELD_BITS and kind not in VARIABLE_TYPES:
        raise ValueError(f"field {word!r} has no known type")
    return Field(name, kind, FIELD_BITS.get(kind, 0), enumeration)


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
            yield Entry(heading[1], int(heading[0]), tuple(fields), tuple(slots))
        heading, fields, slots, in_slots = line.split(), [], [], False


def _parse_enumerations(text: str) -> dict[str, dict[int, str]]:
    enumerations: dict[str, dict[int, str]] = {}
    name = ""
    for line in _lines(text):
        if not line.startswith(" "):
            name = line
            enumerations[name] = {}
            continue
        words = line.split()
        enumerations[name].update((int(value), label) for value, label in zip(words[::2], words[1::2], strict=True))
    return enumerations


CHOICES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(_parse_choices(table_parameters.CHOICES))
"""What may stand where a choice is named."""

ENUMERATIONS: Final[Mapping[str, Mapping[int, str]]] = MappingProxyType(
    _parse_enumerations(table_enumerations.ENUMERATIONS)
)
"""Enumeration name → value → label."""

MESSAGES: Final[tuple[Entry, ...]] = tuple(_parse_entries(table_messages.MESSAGES, CHOICES))

PARAMETERS: Final[tuple[Entry, ...]] = tuple(_parse_entries(table_parameters.PARAMETERS, CHOICES))
