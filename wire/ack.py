"""What the backend answers: how far a gateway's events are committed, in which store, and what became of its scans.

Protocol (docs/adr/0001, docs/adr/0002). Every batch, also a duplicate or a gapped one, is answered with an Ack of the
current `through`. The retained copy is only a hint. `store` names the database; it changes when a database is restored
or promoted, and only a store made later may take a gateway back to lower numbers.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from wire.errors import MessageError
from wire.events import (
    PROTOCOL_VERSION,
    Document,
    Epoch,
    Frozen,
    Intent,
    Lot,
    Name,
    Operator,
    Pallet,
    Photo,
    Quantity,
    Reason,
    Utc,
    explain,
)


class ScanOutcome(Frozen):
    """What became of one scan. `stored`: the gateway's journal has it; the rest is the backend's word."""

    device: Name
    scan_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    state: Literal["stored", "applied", "refused"]
    reason: Annotated[str, StringConstraints(max_length=500)] = ""


class Ack(Frozen):
    """Everything of (gateway, epoch) up to and including `through` is committed in `store`."""

    type: Literal["ack"] = "ack"
    version: Literal[1] = PROTOCOL_VERSION
    gateway: Name
    epoch: Epoch
    store: Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]{8,36}$")]
    store_made_at: Utc
    """When the database got this name: of two stores the one made later counts, in whatever order they are heard."""
    through: Annotated[int, Field(ge=0)]
    at: Utc
    """The backend's clock when it answered: gateways measure their own offset against it."""
    scans: tuple[ScanOutcome, ...] = ()


class ScanRequest(Frozen):
    """What a handheld publishes to its gateway. The device repeats it until it hears `stored`."""

    version: Literal[1] = PROTOCOL_VERSION
    scan_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    operator: Operator
    intent: Intent
    code: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    zone: Name | None = None
    quantity: Quantity = 1
    lot: Lot | None = None
    document: Document | None = None
    pallet: Pallet | None = None
    reason: Reason | None = None
    photo: Photo | None = None
    scanned_at: Utc


class GatewayStatus(Frozen):
    """The gateway's retained birth message, and (with `online` false) its last will: what it judges, and under which
    configuration. A zone or portal that the backend does not know is shown from here, never guessed."""

    type: Literal["status"] = "status"
    version: Literal[1] = PROTOCOL_VERSION
    site: Name
    gateway: Name
    online: bool
    epoch: Epoch
    config_hash: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    zones: tuple[Name, ...] = ()
    portals: tuple[Name, ...] = ()
    readers: tuple[Name, ...] = ()
    at: Utc


def decode_ack(payload: bytes) -> Ack:
    """Parse an acknowledgement. Raises MessageError."""
    try:
        return Ack.model_validate_json(payload)
    except ValidationError as error:
        raise MessageError(explain(error)) from error


def decode_status(payload: bytes) -> GatewayStatus:
    """Parse a gateway's birth or last will. Raises MessageError."""
    try:
        return GatewayStatus.model_validate_json(payload)
    except ValidationError as error:
        raise MessageError(explain(error)) from error


def decode_scan_request(payload: bytes) -> ScanRequest:
    """Parse a handheld's scan. Raises MessageError."""
    try:
        return ScanRequest.model_validate_json(payload)
    except ValidationError as error:
        raise MessageError(explain(error)) from error


def decode_scan_outcome(payload: bytes) -> ScanOutcome:
    """Parse what became of a scan, as the device hears it. Raises MessageError."""
    try:
        return ScanOutcome.model_validate_json(payload)
    except ValidationError as error:
        raise MessageError(explain(error)) from error
