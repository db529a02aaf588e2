"""The event that a handheld's request becomes says all that the request said."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.scans import as_event
from wire.ack import ScanRequest
from wire.events import Scan

REQUEST = ScanRequest(
    scan_id="s1",
    operator="ani",
    intent="damage",
    code="9506000134352",
    zone="rack",
    quantity=3,
    lot="L7",
    document="PO-1",
    pallet="(00)095060001343520000",
    reason="fell from the rack",
    photo="cam/17",
    scanned_at=datetime(2026, 11, 23, 8, tzinfo=UTC),
)


def test_nothing_of_a_request_is_left_out() -> None:
    said = REQUEST.model_dump(exclude={"version", "scanned_at"})
    assert set(said) | {"kind", "device", "observed_at"} == set(Scan.model_fields), "a field that one of them lacks"
    assert all(value is not None for value in said.values())
    event = as_event("hand-1", REQUEST)
    assert (event.device, event.observed_at) == ("hand-1", REQUEST.scanned_at)
    assert {name: getattr(event, name) for name in said} == said
