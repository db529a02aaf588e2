"""Random LLRP messages that follow the table, for every test of the codec."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st

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
    in_version,
)

ENTRIES = (*MESSAGES, *PARAMETERS, *VENDOR_MESSAGES, *VENDOR_PARAMETERS)
BOOKS = {version: {e.name: in_version(e, version) for e in ENTRIES if e.since <= version} for version in VERSIONS}
DEEPEST = 4
"""Random parameters nest no deeper than needed for every mandatory one."""


def field_values(field: Field, version: int) -> st.SearchStrategy[Any]:
    labels = sorted(ENUMERATIONS_IN[version].get(field.enumeration, ()))
    if field.type in {"u8v", "bytesToEnd"} and not labels:
        return st.binary(max_size=20)
    if field.type == "utf8v":
        return st.text(max_size=20)
    if field.type in {"u8v", "u16v", "u32v"}:
        bits = int(field.type[1:-1])
        return st.lists(st.sampled_from(labels) if labels else st.integers(0, (1 << bits) - 1), max_size=5)
    if field.type == "u96":
        return st.binary(min_size=12, max_size=12)
    if labels:
        return st.sampled_from(labels)
    if field.type == "u1":
        return st.booleans()
    bits = FIELD_BITS[field.type]
    return st.integers(-1 << bits - 1, (1 << bits - 1) - 1) if field.type[0] == "s" else st.integers(0, (1 << bits) - 1)


@st.composite
def field_sets(draw: st.DrawFn, entry: Entry, version: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for field in entry.fields:
        if field.type == "u1v":
            bits = draw(st.integers(0, 130))
            number = draw(st.integers(0, (1 << bits) - 1)) if bits else 0
            size = (bits + 7) // 8
            fields[field.name] = (number << size * 8 - bits).to_bytes(size, "big")
            fields[field.name + "LengthBits"] = bits
        elif field.name:
            fields[field.name] = draw(field_values(field, version))
    return fields


@st.composite
def parameter_lists(draw: st.DrawFn, entry: Entry, depth: int, version: int) -> list[Parameter]:
    found: list[Parameter] = []
    for slot in entry.slots:
        most = min(slot.at_most, 1 if depth > DEEPEST else 2)
        least = slot.at_least
        for _ in range(draw(st.integers(least, max(least, most if depth <= DEEPEST else least)))):
            inner = BOOKS[version][draw(st.sampled_from(sorted(slot.names)))]
            fields, parameters = field_sets(inner, version), parameter_lists(inner, depth + 1, version)
            found.append(Parameter(inner.name, draw(fields), draw(parameters)))
    return found


@st.composite
def messages(draw: st.DrawFn) -> Message:
    version = draw(st.sampled_from(VERSIONS))
    entry = BOOKS[version][draw(st.sampled_from([e.name for e in MESSAGES if e.since <= version]))]
    fields, parameters = field_sets(entry, version), parameter_lists(entry, 1, version)
    return Message(entry.name, draw(st.integers(0, 0xFFFFFFFF)), draw(fields), draw(parameters), version)


@st.composite
def vendor_parameters(draw: st.DrawFn) -> Parameter:
    entry = draw(st.sampled_from(VENDOR_PARAMETERS))
    return Parameter(entry.name, draw(field_sets(entry, 1)), draw(parameter_lists(entry, 2, 1)))


@pytest.fixture(scope="session")
def any_message() -> st.SearchStrategy[Message]:
    """A strategy of messages of any type and version, with any parameters that the table allows."""
    return messages()


@pytest.fixture(scope="session")
def any_vendor_parameter() -> st.SearchStrategy[Parameter]:
    """A strategy of vendor parameters under their own names, as they may stand directly in a version-1 message."""
    return vendor_parameters()
