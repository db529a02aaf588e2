"""Keyset cursors: a page names the last row it showed, and the next one starts behind it.

No page is ever skipped or shown twice because rows were added meanwhile, and the hundredth page costs what the first
does. A cursor is opaque to the caller: base64url of a JSON array of the ordering columns' values, and the name of the
list it belongs to, so a cursor of one list is refused by another.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Generic, TypeVar

from pydantic import BaseModel, Field

from backend.api.problems import ProblemError
from backend.api.storable import require_instant, require_number, require_text

DEFAULT_LIMIT: Final = 100

MAX_LIMIT: Final = 1000
"""A thousand rows are about 200 KiB of JSON: beyond it a caller is better served by another page."""

MAX_CURSOR_CHARS: Final = 1000
"""Cursors hold a handful of names and numbers; anything longer is not one of ours."""

Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT, description="How many rows a page holds at most")]
Cursor = Annotated[
    str, Field(max_length=MAX_CURSOR_CHARS, description="`next` of the page before; leave out for the first page")
]

Value = str | int | datetime

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """Some rows of a list. `next` is the cursor of the page behind this one, null on the last."""

    rows: list[T]
    next: str | None = None


class Paged(BaseModel):
    """Query parameters of every list that has pages."""

    limit: Limit = DEFAULT_LIMIT
    cursor: Cursor | None = None


def encode(list_name: str, values: Sequence[Value]) -> str:
    """The cursor behind the row whose ordering columns hold `values`."""
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    packed = json.dumps([list_name, *plain], ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode(list_name: str, cursor: str, kinds: Sequence[type[Value]]) -> tuple[Any, ...]:
    """The values of a cursor of `list_name`, of the given kinds. Raises ProblemError for any other text."""
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return _values(list_name, json.loads(packed), kinds)
    except (binascii.Error, ValueError) as error:
        raise ProblemError(
            "invalid-request",
            "cursor: not one that this list gave out; start again without a cursor",
            errors=[{"where": "cursor", "what": "unknown"}],
        ) from error


def _values(list_name: str, packed: object, kinds: Sequence[type[Value]]) -> tuple[Value, ...]:
    if not isinstance(packed, list) or packed[:1] != [list_name] or len(packed) != len(kinds) + 1:
        raise ValueError("a cursor of another list")
    return tuple(_value(one, kind) for one, kind in zip(packed[1:], kinds, strict=True))


def _value(plain: object, kind: type[Value]) -> Value:
    if kind is datetime:
        if not isinstance(plain, str):
            raise ValueError("not a time")
        return require_instant(datetime.fromisoformat(plain))
    if type(plain) is not kind:
        raise ValueError("a value of another kind")
    if isinstance(plain, str):
        return require_text(plain)
    assert isinstance(plain, int)
    return require_number(plain)


def page(list_name: str, rows: Sequence[T], limit: int, keys: Sequence[Sequence[Value]]) -> Page[T]:
    """A page of up to `limit` rows out of `rows`, which the caller asked for one longer than the page.

    `keys` holds the ordering columns' values of each row.
    """
    if len(rows) <= limit:
        return Page(rows=list(rows))
    return Page(rows=list(rows[:limit]), next=encode(list_name, keys[limit - 1]))
