"""What a dumb scanner means: codes become scans with operator, purpose and id, and command codes set them (pure).

    heard                                           what follows
    -----                                           ------------
    TM:operator=… intent=… zone=… document=…        set for the scans that follow
    TM:pallet=…                                     likewise
    TM:quantity=… lot=… reason=… photo=…            set for the next scan alone
    TM:reset                                        everything as the configuration says
    TM: and anything else, or a value not allowed   refused, nothing changed
    a code heard `repeat_ms` ago or less            the same scan: the trigger was pulled twice
    a code while operator or intent is not set      refused
    a code that is no GS1 code, or contradicts one  refused, and why
    any other code                                  a scan with a new id

A refused code may be tried again at once. A command between two readings of a code makes them two scans. Several
settings may stand in one command code, parted by `;`. Print them as Code 128 or QR.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import Field, ValidationError

from gs1.element import parse_scan
from gs1.errors import ScanError
from wire.ack import ScanRequest
from wire.events import Document, Frozen, Intent, Lot, Name, Operator, Pallet, Photo, Quantity, Reason, explain

COMMAND: Final = "TM:"
"""What command codes begin with; no GS1 code does."""

ONE_SCAN_ONLY: Final = frozenset({"quantity", "lot", "reason", "photo"})
"""Settings that are forgotten with the scan they were for."""

DEFAULT_REPEAT_MS: Final = 500
"""A trigger held too long reads again within 300 ms; a person needs longer to aim at the next label."""

RepeatMs = Annotated[int, Field(ge=0, le=10_000)]
"""How long the same code is the same scan; 0 makes every reading a scan."""

_AIM_IDENTIFIER: Final = re.compile(r"^\][A-Za-z][0-9A-Za-z]")


class ScanContext(Frozen):
    """Who scans, what for, and where: as the configuration says, then as command codes change it."""

    operator: Operator | None = None
    intent: Intent | None = None
    zone: Name | None = None
    document: Document | None = None
    pallet: Pallet | None = None
    quantity: Quantity = 1
    lot: Lot | None = None
    reason: Reason | None = None
    photo: Photo | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """A new scan, to be kept."""

    request: ScanRequest


@dataclass(frozen=True, slots=True)
class Repeated:
    """The same scan again: nothing new."""

    scan_id: str


@dataclass(frozen=True, slots=True)
class Commanded:
    """A command code was obeyed; this holds from now on."""

    context: ScanContext


@dataclass(frozen=True, slots=True)
class Refused:
    """What was read is no scan, and why."""

    code: str
    reason: str


Meaning = Counted | Repeated | Commanded | Refused


class ScanSession:
    """One wired scanner. `make_id` gives each scan its id; ids are never used twice."""

    def __init__(self, defaults: ScanContext, make_id: Callable[[], str], repeat_ms: int = DEFAULT_REPEAT_MS) -> None:
        self.context = defaults
        self._defaults = defaults
        self._make_id = make_id
        self._repeat = timedelta(milliseconds=repeat_ms)
        self._recent: dict[str, tuple[datetime, str]] = {}

    def read(self, code: str, at: datetime) -> Meaning:
        """What a code read at this time means."""
        code = code.strip("\r\n\t ")
        bare = _AIM_IDENTIFIER.sub("", code).strip()
        if bare.startswith(COMMAND):
            return self._obey(bare)
        recent = {known: seen for known, seen in self._recent.items() if at - self._repeat <= seen[0] <= at}
        self._recent = recent
        if code in recent:
            return Repeated(recent[code][1])
        return self._scan(code, at)

    def _obey(self, command: str) -> Meaning:
        self._recent.clear()
        settings = command.removeprefix(COMMAND).split(";")
        if settings == ["reset"]:
            self.context = self._defaults
            return Commanded(self.context)
        changed: dict[str, str] = {}
        for setting in settings:
            name, equals, value = (part.strip() for part in setting.partition("="))
            if not equals or name not in ScanContext.model_fields:
                known = ", ".join(ScanContext.model_fields)
                return Refused(command, f"no command {setting!r}: write reset, or name=value with one of {known}")
            changed[name] = value
        try:
            self.context = ScanContext.model_validate(self.context.model_dump() | changed)
        except ValidationError as error:
            return Refused(command, explain(error))
        return Commanded(self.context)

    def _scan(self, code: str, at: datetime) -> Meaning:
        context = self.context
        missing = [name for name in ("operator", "intent") if getattr(context, name) is None]
        if missing:
            return Refused(code, f"{' and '.join(missing)} not set: scan {COMMAND}{missing[0]}=… first")
        try:
            parse_scan(code)
            request = ScanRequest.model_validate(
                {**context.model_dump(), "scan_id": self._make_id(), "code": code, "scanned_at": at}
            )
        except ScanError as error:
            return Refused(code, str(error))
        self._recent[code] = at, request.scan_id
        self.context = context.model_copy(update={name: getattr(self._defaults, name) for name in ONE_SCAN_ONLY})
        return Counted(request)
