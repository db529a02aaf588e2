"""Files of LLRP messages, one behind the other as a connection carries them: shown, or checked by rewriting."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from readers.errors import DecodeError, FrameError
from readers.llrp.codec import HEADER, Framer, decode, encode, read_header
from readers.llrp.message import Message, Parameter
from readers.llrp.table import (
    ENUMERATIONS,
    MESSAGES,
    PARAMETERS,
    VENDOR_MESSAGES,
    VENDOR_PARAMETERS,
)
from readers.llrp.vendor import name_vendors

CHUNK_BYTES: Final = 1 << 20
"""Read at once: a capture of days does not have to fit into memory."""

MAX_SHOWN_BYTES: Final = 64
"""Bytes of a message that does not decode shown as hex; the JSON has them all."""

_ENUMERATED: Final = {
    (entry.name, field.name): ENUMERATIONS[field.enumeration]
    for entry in (*MESSAGES, *PARAMETERS, *VENDOR_MESSAGES, *VENDOR_PARAMETERS)
    for field in entry.fields
    if field.enumeration
}
"""(entry, field) → value → label."""


@dataclass(frozen=True, slots=True)
class Found:
    """One message of a file, or where the file is none: exactly one of `message` and `fault` is there.

    `frame` is empty where no frame could be cut: half a message at the end, or bytes that are no LLRP.
    """

    offset: int
    frame: bytes
    message: Message | None = None
    fault: str = ""
    status_code: int = 0


def read_messages(path: Path) -> Iterator[Found]:
    """Every message of the file in order, each fault at its offset. Behind bytes that are no LLRP header nothing can be
    found any more, so such a fault is the last. Raises OSError."""
    framer = Framer()
    offset = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            fault = ""
            try:
                frames = framer.feed(chunk)
            except FrameError as error:
                frames, fault = list(error.frames), str(error)
            for frame in frames:
                yield _read(offset, frame)
                offset += len(frame)
            if fault:
                yield Found(offset, b"", fault=f"garbage: {fault}; nothing after it can be found")
                return
    if framer.pending:
        yield Found(offset, b"", fault=_half_message(path, offset, framer.pending))


def _read(offset: int, frame: bytes) -> Found:
    try:
        return Found(offset, frame, decode(frame))
    except DecodeError as error:
        return Found(offset, frame, fault=str(error), status_code=error.status_code)


def _half_message(path: Path, offset: int, size: int) -> str:
    if size < HEADER.size:
        return f"half a message: the file ends {size} bytes into a header of {HEADER.size}"
    with path.open("rb") as file:
        file.seek(offset)
        header = read_header(file.read(HEADER.size))
    return f"half a message: the file ends after {size} of its {header.length} bytes"


def decode_file(path: Path, *, as_json: bool) -> Iterator[tuple[str, bool]]:
    """A text for each message, and whether it is good: indented lines, or one JSON object.

    In JSON, enumerations are their numbers and bytes are hex; a fault has `error`, `status_code` and the `bytes`.
    """
    for found in read_messages(path):
        yield (json.dumps(_as_object(found)) if as_json else _as_text(found)), found.message is not None


def _as_object(found: Found) -> dict[str, Any]:
    if found.message is None:
        fault = {"offset": found.offset, "error": found.fault}
        return fault | ({"status_code": found.status_code, "bytes": found.frame.hex()} if found.frame else {})
    message = name_vendors(found.message)
    head = {"offset": found.offset, "name": message.name, "id": message.id, "version": message.version}
    return head | _inside(message)


def _inside(part: Message | Parameter) -> dict[str, Any]:
    fields = {name: value.hex() if isinstance(value, bytes) else value for name, value in part.fields.items()}
    return {"fields": fields, "parameters": [{"name": inner.name} | _inside(inner) for inner in part.parameters]}


def _as_text(found: Found) -> str:
    if found.message is None:
        shown = found.frame[:MAX_SHOWN_BYTES].hex() + ("…" if len(found.frame) > MAX_SHOWN_BYTES else "")
        status = f" (status {found.status_code})" if found.status_code else ""
        return f"@{found.offset} FAULT {found.fault}{status}" + (f"\n    {shown}" if shown else "")
    message = name_vendors(found.message)
    lines = [f"@{found.offset} {message.name} id={message.id} version={message.version}{_fields(message)}"]
    lines += _lines(message.parameters, "    ")
    return "\n".join(lines)


def _lines(parameters: list[Parameter], indent: str) -> Iterator[str]:
    for parameter in parameters:
        yield f"{indent}{parameter.name}{_fields(parameter)}"
        yield from _lines(parameter.parameters, indent + "    ")


def _fields(part: Message | Parameter) -> str:
    return "".join(f" {name}={_value(part.name, name, value)}" for name, value in part.fields.items())


def _value(entry: str, field: str, value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex() or "-"
    if isinstance(value, str):
        return json.dumps(value)
    labels = _ENUMERATED.get((entry, field))
    if isinstance(value, list):
        return "[" + ",".join(labels.get(each, str(each)) if labels else str(each) for each in value) + "]"
    return f"{labels[value]}({value})" if labels and value in labels else str(value)


def check_file(path: Path) -> tuple[list[str], str]:
    """What is wrong with a file, a line each, and a summary. Every message is written again from its values, with
    vendor parameters as bytes and by name, and held against its bytes."""
    wrong = []
    messages = total = 0
    for found in read_messages(path):
        total += len(found.frame)
        if found.message is None:
            wrong.append(_as_text(found).partition("\n")[0])
            continue
        messages += 1
        for written in (encode(found.message), encode(name_vendors(found.message))):
            if written != found.frame:
                wrong.append(f"@{found.offset} {found.message.name} {_difference(found.frame, written)}")
                break
    verdict = "all the same written again" if not wrong else f"{len(wrong)} faults"
    return wrong, f"{messages} messages in {total} bytes: {verdict}"


def _difference(frame: bytes, written: bytes) -> str:
    at = next(
        (i for i, (a, b) in enumerate(zip(frame, written, strict=False)) if a != b), min(len(frame), len(written))
    )
    return (
        f"differs from byte {at} on: {frame[at : at + 8].hex() or 'end'} became {written[at : at + 8].hex() or 'end'}"
    )
