"""llrpkit, which nobody here wrote, reads our bytes and writes the same ones, for every message and vendor parameter it
knows."""

from __future__ import annotations

import pytest

from readers.llrp.codec import encode
from readers.llrp.message import Message, Parameter
from readers.llrp.table import PARAMETERS, VENDOR_PARAMETERS
from tests.fuzz.examples import every_message, every_vendor_parameter

codec = pytest.importorskip("llrpkit.protocol.codec")
pytest.importorskip("llrpkit.protocol.impinj")

pytestmark = pytest.mark.peer

CLIENT_REQUEST = {"ClientRequestOpSpec", "ClientRequestOpSpecResult", "ClientRequestResponse"}
"""Not in the toolkit's definition, which llrpkit is made from."""


def holds(message: Message | Parameter, names: set[str]) -> bool:
    return any(inner.name in names or holds(inner, names) for inner in message.parameters)


def test_llrpkit_reads_and_writes_every_message_of_version_1() -> None:
    compared = 0
    for message in every_message(1):
        if not holds(message, CLIENT_REQUEST):
            frame = encode(message)
            theirs = codec.decode_message(frame)
            assert theirs.to_bytes() == frame, message.name
            compared += type(theirs).__name__ == message.name
    assert compared >= 75


def test_llrpkit_reads_and_writes_every_vendor_parameter() -> None:
    """Those it does not know pass through it as bytes, inside parameters that it does."""
    known = set()
    for message in every_vendor_parameter(1):
        frame = encode(message)
        theirs = codec.decode_message(frame)
        assert theirs.to_bytes() == frame, message.parameters[0].name
        if type(theirs.custom[0]).__name__ == message.parameters[0].name:
            known.add(message.parameters[0].name)
    assert len(known) == len(codec.CUSTOM_PARAMETER_REGISTRY) >= 30


def test_llrpkit_reads_the_same_values() -> None:
    message = next(m for m in reversed(every_message(1)) if m.name == "READER_EVENT_NOTIFICATION")
    [event] = message.parameters
    values = {inner.name: inner.fields for inner in event.parameters}
    theirs = codec.decode_message(encode(message)).reader_event_notification_data
    assert theirs.reader_exception_event.message == values["ReaderExceptionEvent"]["Message"]
    assert theirs.connection_attempt_event.status == values["ConnectionAttemptEvent"]["Status"]
    assert theirs.gpi_event.gpi_port_number == values["GPIEvent"]["GPIPortNumber"]
    assert theirs.antenna_event.antenna_id == values["AntennaEvent"]["AntennaID"]


def test_llrpkit_has_the_same_numbers() -> None:
    ours = {entry.type: entry.name for entry in PARAMETERS if entry.since == 1 and entry.name not in CLIENT_REQUEST}
    theirs = {number: cls.__name__ for number, cls in codec.PARAMETER_REGISTRY.items()}
    theirs[1023] = "Custom"
    assert {n: name.replace("_", "") for n, name in ours.items()} == {n: t.replace("_", "") for n, t in theirs.items()}
    vendors = {(entry.vendor, entry.type): entry.name for entry in VENDOR_PARAMETERS}
    for key, cls in codec.CUSTOM_PARAMETER_REGISTRY.items():
        assert vendors[key] == cls.__name__
