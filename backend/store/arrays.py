"""Arrays as PostgreSQL writes them, for the statements of the hot path; their SQL says `$1::text::bigint[]`.

asyncpg's own encoder asks two abstract base classes about each element, to see whether it is an array in turn. With a
dozen arrays of a thousand elements that is more work than parsing, judging and posting the batch.

JSON writes lists of numbers, truths and instants as PostgreSQL writes arrays, but for the brackets, and pydantic's
encoder does so natively: an instant takes 0.2 µs where `isoformat` takes 0.7.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from pydantic_core import to_json

T = TypeVar("T")


def numbers(values: Iterable[int | float | None]) -> str:
    """Numbers; None becomes NULL."""
    return _literal(to_json([*values]))


def instants(values: Iterable[datetime | None]) -> str:
    """Aware instants; None becomes NULL."""
    return _literal(to_json([*values]))


def truths(values: Iterable[bool | None]) -> str:
    """Booleans; None becomes NULL."""
    return _literal(to_json([*values]))


def texts(values: Collection[str | None]) -> str:
    """Texts; None becomes NULL. Whatever a text holds, it stays one element."""
    data = to_json([*values])
    if b"\\" not in data:
        return _literal(data)
    # JSON names what it escapes (\n), PostgreSQL takes what stands behind the stroke as it is
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def octets(values: Iterable[bytes]) -> str:
    """Byte strings."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"


def sparse(values: Sequence[T | None], write: Callable[[Sequence[T | None]], str]) -> str:
    """`write(values)`, or an empty array where all of them are None: beside longer ones `unnest` fills it up with
    NULLs, and nobody has to read them."""
    return "{}" if values.count(None) == len(values) else write(values)


def _literal(data: bytes) -> str:
    return "{" + data[1:-1].decode() + "}"


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
