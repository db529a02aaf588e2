"""What a clerk asks of the backend's API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

OK: Final = 200
NOT_AVAILABLE: Final = 409


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A request to `/api/v1/<path>` at an instant, the answer's status that it must have, and whether the clerk sends
    it twice under one key, as after a lost answer."""

    at_us: int
    path: str
    body: Mapping[str, Any]
    expect: int = OK
    twice: bool = False
