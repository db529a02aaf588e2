"""Messages whose parameters were moved about without regard for the table, written with true lengths all the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

from readers.llrp.codec import HEADER, TLV_HEADER
from readers.llrp.fields import Fault, compile_fields
from readers.llrp.message import Message, Parameter
from readers.llrp.table import MESSAGES, PARAMETERS, VERSIONS

ENTRIES: Final = {entry.name: entry for entry in (*MESSAGES, *PARAMETERS)}
PLANS: Final = {name: compile_fields(entry, VERSIONS[-1]) for name, entry in ENTRIES.items()}

MAX_DEPTH_MADE: Final = 20
"""Deeper than the codec allows."""

STRANGE_NUMBERS: Final = (0, 1, 2, 9, 127, 128, 255, 256, 65_535, 1 << 31, (1 << 64) - 1, -1, -128)


def rearrange(messages: Sequence[Message], chance: random.Random) -> bytes:
    """A message made of others."""
    message = chance.choice(messages)
    parameters = _changed(message.parameters, messages, chance, 1)
    version = message.version if chance.random() < 0.8 else chance.choice((0, 1, 2, 3))
    body = _fields(message, chance)
    for parameter in parameters:
        body += _written(parameter, chance)
    return HEADER.pack(version << 10 | ENTRIES[message.name].type, HEADER.size + len(body), message.id) + body


def _changed(
    parameters: Sequence[Parameter], messages: Sequence[Message], chance: random.Random, depth: int
) -> list[Parameter]:
    """A list of parameters with, now and then, one dropped, doubled, swapped, or taken from elsewhere."""
    changed = list(parameters)
    if chance.random() < 0.4 / depth:
        kind = chance.randrange(4)
        at = chance.randrange(len(changed) + 1)
        if kind == 0:
            del changed[at : at + 1]
        elif kind == 1:
            changed[at:at] = changed[at : at + 1] * chance.choice((1, 1, 2, 30))
        elif kind == 2:
            chance.shuffle(changed)
        else:
            changed.insert(at, _any_parameter(messages, chance))
    if depth > MAX_DEPTH_MADE:
        return changed
    return [Parameter(p.name, p.fields, _changed(p.parameters, messages, chance, depth + 1)) for p in changed]


def _any_parameter(messages: Sequence[Message], chance: random.Random) -> Parameter:
    """One from somewhere in a message."""
    part: Message | Parameter = chance.choice(messages)
    while part.parameters and (isinstance(part, Message) or chance.random() < 0.6):
        part = chance.choice(part.parameters)
    return part if isinstance(part, Parameter) else Parameter("KeepaliveSpec", _keepalive())


def _keepalive() -> dict[str, Any]:
    return {"KeepaliveTriggerType": 1, "PeriodicTriggerValue": 1000}


def _written(parameter: Parameter, chance: random.Random) -> bytes:
    entry = ENTRIES[parameter.name]
    body = _fields(parameter, chance)
    if entry.is_tv:
        return bytes([0x80 | entry.type]) + body
    for inner in parameter.parameters:
        body += _written(inner, chance)
    return TLV_HEADER.pack(entry.type, min(TLV_HEADER.size + len(body), 0xFFFF)) + body


def _fields(part: Message | Parameter, chance: random.Random) -> bytes:
    """The fields' bytes; at times one has a strange value, or a byte of them is another."""
    fields = dict(part.fields)
    if fields and chance.random() < 0.05:
        name = chance.choice(sorted(fields))
        if isinstance(fields[name], int):
            fields[name] = chance.choice(STRANGE_NUMBERS)
    body = bytearray()
    try:
        PLANS[part.name].write(fields, body)
    except Fault:
        body = bytearray()
        PLANS[part.name].write(part.fields, body)
    if body and chance.random() < 0.03:
        body[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(body)
