"""What the database can hold, of the values that a caller may write: Python's are larger in every direction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, Field

MAX_NUMBER: Final = (1 << 63) - 1


def require_text(text: str) -> str:
    """A text without NUL and without half a surrogate pair. Raises ValueError for any other."""
    if "\0" in text:
        raise ValueError("holds a NUL character, which no name does")
    text.encode()  # UnicodeEncodeError is a ValueError
    return text


def require_number(number: int) -> int:
    """A number of 64 bits. Raises ValueError for a larger one."""
    if abs(number) > MAX_NUMBER:
        raise ValueError("is larger than any number here")
    return number


def require_instant(at: datetime) -> datetime:
    """A time that has its offset and lies in the calendar's years in UTC too. Raises ValueError for any other."""
    if at.tzinfo is None:
        raise ValueError("a time without its offset")
    try:
        at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("lies beyond the years that a calendar has") from error
    return at


Instant = Annotated[AwareDatetime, AfterValidator(require_instant)]
"""For models whose time reaches the database as it was given."""

Text = Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")]
"""A name or a word that somebody gives."""
