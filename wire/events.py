"""What a gateway tells the backend: movements, scans, reader health, in numbered batches.

A gateway numbers its events 1, 2, 3 … within an `epoch`; a batch carries a run of them and the number of its first
(docs/adr/0001, docs/adr/0002). The envelope parses apart from its events, so one bad event costs only itself.

Times are aware UTC. `observed_at` is the time of the last read used; `decided_at` the watermark at the decision and
never before it. EPCs travel as upper-case hex of the tag's EPC memory bank, without the PC word.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, from_json
from pydantic_core.core_schema import datetime_schema, lax_or_strict_schema

from wire.errors import MessageError

PROTOCOL_VERSION: Final = 1

MAX_EVENTS_PER_BATCH: Final = 1000
"""A batch is one transaction in the backend; past a thousand rows its locks are held longer than it gains."""

MAX_BATCH_BYTES: Final = 1 << 20
"""Brokers commonly refuse packets beyond a few MiB; a thousand events are about 350 KiB."""

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""A site, zone, portal, reader, gateway or device: safe in a topic, a file name and a URL."""

Epc = Annotated[str, StringConstraints(pattern=r"^(?:[0-9A-F]{4}){1,31}$")]
"""EPC memory as upper-case hex, whole 16-bit words, at most 496 bits (Gen2 PC word, 5-bit length)."""

Epoch = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
"""The random identity of one journal file; sequence numbers mean nothing without it."""

Seq = Annotated[int, Field(ge=1, lt=1 << 63)]


def _utc(at: datetime) -> datetime:
    """The same instant in UTC. An offset can carry the first or the last day beyond what a date can be."""
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from error


class _SaidInUtc:
    """In strict mode an instant must be said in UTC, which is parsed without a step through Python."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return lax_or_strict_schema(lax_schema=handler(source), strict_schema=datetime_schema(tz_constraint=0))


Utc = Annotated[AwareDatetime, AfterValidator(_utc), _SaidInUtc]


class Frozen(BaseModel):
    """Immutable, and an unknown field is an error: a misspelt name must not vanish."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Evidence(Frozen):
    """What a decision rests on: how many reads, by which antennas (`reader/antenna`), from when to when."""

    reads: Annotated[int, Field(ge=1)]
    antennas: tuple[str, ...] = ()
    first_at: Utc
    last_at: Utc


class Movement(Frozen):
    """A decided change of one tag: it `arrived` in a zone, `moved` between two, `departed` (is no longer seen; that
    never means shipped) or `crossed` a portal inwards or outwards."""

    kind: Literal["arrived", "moved", "departed", "crossed"]
    epc: Epc
    zone: Name | None = None
    """The zone arrived in, moved to, or departed from."""
    from_zone: Name | None = None
    portal: Name | None = None
    direction: Literal["in", "out"] | None = None
    observed_at: Utc
    decided_at: Utc
    confidence: Annotated[float, Field(ge=0.0, le=1.0)] = 1.0
    evidence: Evidence | None = None
    method: Annotated[str, StringConstraints(max_length=40)] = ""
    """Name and version of the rule that decided, such as `portal-all/3`."""

    def model_post_init(self, _context: object, /) -> None:
        """Refuse a crossing without portal and direction, and any other kind without a zone."""
        if self.kind == "crossed":
            if self.portal is None or self.direction is None:
                raise ValueError("a crossed movement needs portal and direction")
        elif self.zone is None:
            raise ValueError(f"a movement of kind {self.kind} needs a zone")
        if self.decided_at < self.observed_at:
            raise ValueError("decided_at lies before observed_at")


Intent = Literal["receive", "put_away", "pick", "pack", "ship", "count", "damage", "move", "aggregate", "disaggregate"]
Pallet = Annotated[str, StringConstraints(min_length=1, max_length=512)]
"""A code as scanned, of the pallet or case that a thing is put on; only `aggregate` has it."""
Operator = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Quantity = Annotated[int, Field(ge=1, le=1_000_000)]
Lot = Annotated[str, StringConstraints(max_length=20)]
Document = Annotated[str, StringConstraints(max_length=64)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=400)]
"""Why, in the operator's words: what broke, and how."""
Photo = Annotated[str, StringConstraints(min_length=1, max_length=200)]
"""Where a picture lies: a reference of the company's own, never the picture."""


class Scan(Frozen):
    """One barcode read by a person with a purpose. `scan_id` is made on the device, so a repeat changes nothing."""

    kind: Literal["scan"] = "scan"
    scan_id: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    device: Name
    operator: Operator
    intent: Intent
    code: Annotated[str, StringConstraints(min_length=1, max_length=512)]
    """What the scanner sent, AIM symbology identifier included where it gives one; FNC1 is 0x1D."""
    zone: Name | None = None
    quantity: Quantity = 1
    lot: Lot | None = None
    document: Document | None = None
    pallet: Pallet | None = None
    reason: Reason | None = None
    photo: Photo | None = None
    observed_at: Utc


class ReaderHealth(Frozen):
    """A reader's link or hardware changed state: the backend shows it and raises or clears an alert."""

    kind: Literal["reader_health"] = "reader_health"
    reader: Name
    state: Literal["connected", "lost", "overflow", "antenna_lost", "antenna_back", "fault"]
    detail: Annotated[str, StringConstraints(max_length=500)] = ""
    observed_at: Utc


Event = Annotated[Movement | Scan | ReaderHealth, Field(discriminator="kind")]
EVENT: TypeAdapter[Movement | Scan | ReaderHealth] = TypeAdapter(Event)
_EVENTS: TypeAdapter[list[Movement | Scan | ReaderHealth]] = TypeAdapter(list[Event])


class BadEvent(Frozen):
    """An event of a batch that does not parse: kept as it came, with the reason, for the quarantine."""

    raw: Any
    reason: str


class Batch(Frozen):
    """A run of events `first_seq … first_seq + len(events) - 1` of one gateway's epoch."""

    type: Literal["batch"] = "batch"
    version: Literal[1] = PROTOCOL_VERSION
    site: Name
    gateway: Name
    epoch: Epoch
    first_seq: Seq
    sent_at: Utc
    events: Annotated[tuple[Event, ...], Field(min_length=1, max_length=MAX_EVENTS_PER_BATCH)]

    @property
    def last_seq(self) -> int:
        """Number of the last event in the batch."""
        return self.first_seq + len(self.events) - 1


class Lost(Frozen):
    """A range of numbers whose events no longer exist anywhere, and why. It moves the cursor and raises an alarm."""

    type: Literal["lost"] = "lost"
    version: Literal[1] = PROTOCOL_VERSION
    site: Name
    gateway: Name
    epoch: Epoch
    from_seq: Seq
    through_seq: Seq
    reason: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    sent_at: Utc


class ReceivedBatch(BaseModel):
    """A batch as the backend receives it: the envelope checked, each event parsed or kept as a `BadEvent`."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    site: Name
    gateway: Name
    epoch: Epoch
    first_seq: Seq
    sent_at: Utc
    events: tuple[Movement | Scan | ReaderHealth | BadEvent, ...]

    @property
    def last_seq(self) -> int:
        """Number of the last event in the batch."""
        return self.first_seq + len(self.events) - 1


class _Envelope(Frozen):
    type: Literal["batch"]
    version: Literal[1]
    site: Name
    gateway: Name
    epoch: Epoch
    first_seq: Seq
    sent_at: Utc
    events: Annotated[list[Any], Field(min_length=1, max_length=MAX_EVENTS_PER_BATCH)]


def encode(message: BaseModel) -> bytes:
    """JSON bytes of any message of this package; absent fields are left out."""
    return message.model_dump_json(exclude_none=True).encode()


def encode_batch(site: str, gateway: str, epoch: str, first_seq: int, sent_at: str, events: Sequence[bytes]) -> bytes:
    """A batch from events already encoded (the journal keeps them so). `sent_at` is ISO 8601 with an offset."""
    head = (
        f'{{"type":"batch","version":{PROTOCOL_VERSION},"site":"{site}","gateway":"{gateway}",'
        f'"epoch":"{epoch}","first_seq":{first_seq},"sent_at":"{sent_at}","events":['
    )
    return head.encode() + b",".join(events) + b"]}"


def decode_upstream(payload: bytes) -> ReceivedBatch | Lost:
    """Parse what a gateway published on its events topic.

    Raises MessageError when the envelope itself is unusable; an event that does not parse becomes a `BadEvent`.
    """
    if len(payload) > MAX_BATCH_BYTES:
        raise MessageError(f"message of {len(payload)} bytes is beyond the limit of {MAX_BATCH_BYTES}")
    try:
        # What a gateway writes is read in one pass; whatever that does not take is looked at piece by piece.
        whole = Batch.model_validate_json(payload, strict=True)
    except ValidationError:
        return _decode_in_parts(payload)
    return ReceivedBatch.model_construct(
        site=whole.site,
        gateway=whole.gateway,
        epoch=whole.epoch,
        first_seq=whole.first_seq,
        sent_at=whole.sent_at,
        events=whole.events,
    )


def _decode_in_parts(payload: bytes) -> ReceivedBatch | Lost:
    try:
        raw = from_json(payload)
    except ValueError as error:
        raise MessageError(f"not JSON: {error}") from error
    try:
        if isinstance(raw, dict) and raw.get("type") == "lost":
            return Lost.model_validate(raw)
        envelope = _Envelope.model_validate(raw)
    except ValidationError as error:
        raise MessageError(explain(error)) from error
    return ReceivedBatch(
        site=envelope.site,
        gateway=envelope.gateway,
        epoch=envelope.epoch,
        first_seq=envelope.first_seq,
        sent_at=envelope.sent_at,
        events=tuple(_parse_events(envelope.events)),
    )


def _parse_events(raws: list[Any]) -> Sequence[Movement | Scan | ReaderHealth | BadEvent]:
    try:
        return _EVENTS.validate_python(raws)
    except ValidationError:
        return [_parse_event(raw) for raw in raws]


def _parse_event(raw: Any) -> Movement | Scan | ReaderHealth | BadEvent:
    try:
        return EVENT.validate_python(raw)
    except ValidationError as error:
        return BadEvent(raw=raw, reason=explain(error))


def explain(error: ValidationError) -> str:
    """A validation error as one line: each fault as `where: what`."""
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc']) or 'message'}: {fault['msg']}" for fault in error.errors()
    )
