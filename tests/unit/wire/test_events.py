"""Batches on the wire: there and back, one bad event among good ones, envelopes that cannot be used."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from wire.ack import decode_ack, decode_scan_outcome, decode_scan_request, decode_status
from wire.errors import MessageError
from wire.events import (
    MAX_BATCH_BYTES,
    MAX_EVENTS_PER_BATCH,
    BadEvent,
    Batch,
    Lost,
    Movement,
    ReaderHealth,
    ReceivedBatch,
    Scan,
    decode_upstream,
    encode,
    encode_batch,
)

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
EPOCH = "0123456789abcdef"


def arrival(**changes: Any) -> Movement:
    fields: dict[str, Any] = {"kind": "arrived", "epc": "30740000", "zone": "dock", "observed_at": AT, "decided_at": AT}
    return Movement(**fields | changes)


EVENTS = [
    arrival(),
    Movement(kind="crossed", epc="E280", portal="d1", direction="out", observed_at=AT, decided_at=AT, confidence=0.5),
    Scan(scan_id="1", device="hand-1", operator="ani", intent="pick", code='\x1d01"é', observed_at=AT),
    ReaderHealth(reader="r1", state="overflow", detail="lost reports", observed_at=AT),
]


def wire(*events: bytes, first_seq: int = 5) -> bytes:
    return encode_batch("jkt", "gate", EPOCH, first_seq, "2026-11-23T08:00:00Z", events)


def test_a_batch_of_encoded_events_is_the_batch_of_the_model() -> None:
    payload = wire(*(encode(event) for event in EVENTS))
    received = decode_upstream(payload)
    assert isinstance(received, ReceivedBatch)
    assert list(received.events) == EVENTS
    assert (received.first_seq, received.last_seq, received.sent_at) == (5, 8, AT)
    model = Batch(site="jkt", gateway="gate", epoch=EPOCH, first_seq=5, sent_at=AT, events=tuple(EVENTS))
    assert Batch.model_validate_json(payload) == model
    assert json.loads(encode(model)) == json.loads(payload)
    assert model.last_seq == 8


def test_one_bad_event_costs_only_itself() -> None:
    received = decode_upstream(wire(encode(EVENTS[0]), b'{"kind":"arrived","epc":"xyz"}', b"42", encode(EVENTS[1])))
    assert isinstance(received, ReceivedBatch)
    good, bad, worse, last = received.events
    assert (good, last) == (EVENTS[0], EVENTS[1])
    assert isinstance(bad, BadEvent)
    assert "epc" in bad.reason
    assert bad.raw == {"kind": "arrived", "epc": "xyz"}
    assert isinstance(worse, BadEvent)
    assert received.last_seq == 8, "it keeps its number"


def test_a_lost_range_passes() -> None:
    lost = Lost(site="jkt", gateway="gate", epoch=EPOCH, from_seq=1, through_seq=4, reason="full", sent_at=AT)
    assert decode_upstream(encode(lost)) == lost


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"type":"other"}',
        wire(),
        wire(encode(EVENTS[0]), first_seq=0),
        wire(encode(EVENTS[0])).replace(b'"version":1', b'"version":2'),
        wire(encode(EVENTS[0])).replace(EPOCH.encode(), b"short"),
        wire(encode(EVENTS[0])).replace(b"00Z", b"00"),
        wire(*[encode(EVENTS[0])] * (MAX_EVENTS_PER_BATCH + 1)),
        b" " * (MAX_BATCH_BYTES + 1),
        b'{"type":"lost","from_seq":0}',
    ],
)
def test_an_unusable_envelope_is_one_error(payload: bytes) -> None:
    with pytest.raises(MessageError):
        decode_upstream(payload)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_message_error(payload: bytes) -> None:
    for decode in (decode_upstream, decode_ack, decode_status, decode_scan_request, decode_scan_outcome):
        with pytest.raises(MessageError):
            decode(payload)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
    )
)
def test_any_event_keeps_its_place(raw: Any) -> None:
    payload = wire(encode(EVENTS[0]), json.dumps(raw).encode(), encode(EVENTS[1]))
    received = decode_upstream(payload)
    assert isinstance(received, ReceivedBatch)
    assert len(received.events) == 3
    assert isinstance(received.events[1], BadEvent)
    assert (received.events[0], received.events[2]) == (EVENTS[0], EVENTS[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"epc": "30"},
        {"epc": "abcd"},
        {"epc": "0000" * 32},
        {"zone": None},
        {"kind": "crossed"},
        {"kind": "crossed", "portal": "d1"},
        {"confidence": 1.5},
        {"decided_at": AT - timedelta(microseconds=1)},
        {"observed_at": datetime(2026, 11, 23, 8, 0)},  # noqa: DTZ001  # a time without a zone is the fault
        {"surprise": 1},
    ],
)
def test_an_impossible_movement_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        arrival(**changes)


def test_times_become_utc() -> None:
    jakarta = AT.astimezone(timezone(timedelta(hours=7)))
    moved = arrival(observed_at=jakarta, decided_at=jakarta)
    assert moved.observed_at.utcoffset() == timedelta(0)
    assert moved == arrival()


@pytest.mark.parametrize("offset_h", [0, 7, -5])
def test_an_instant_means_the_same_however_its_zone_is_written(offset_h: int) -> None:
    """UTC is parsed in one pass, any other offset piece by piece: neither may differ in what is understood."""
    there = timezone(timedelta(hours=offset_h))
    event = json.loads(encode(arrival()))
    event |= {"observed_at": AT.astimezone(there).isoformat(), "decided_at": AT.astimezone(there).isoformat()}
    payload = encode_batch("north", "g1", EPOCH, 1, AT.isoformat(), [json.dumps(event).encode()])
    received = decode_upstream(payload)
    assert isinstance(received, ReceivedBatch)
    (movement,) = received.events
    assert isinstance(movement, Movement)
    assert movement == arrival()
    assert movement.observed_at.utcoffset() == timedelta(0)


def test_what_is_not_strictly_typed_is_still_understood() -> None:
    event = json.loads(encode(arrival())) | {"confidence": "0.5"}
    payload = encode_batch("north", "g1", EPOCH, 1, AT.isoformat(), [json.dumps(event).encode()])
    received = decode_upstream(payload)
    assert isinstance(received, ReceivedBatch)
    assert received.events == (arrival(confidence=0.5),)
