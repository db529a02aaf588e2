"""Arrays as PostgreSQL writes them, for the statements of the hot path; their SQL says `$1::text::bigint[]`.

asyncpg's own encoder asks two abstract base classes about each element, to see whether it is an array in turn. With a
dozen arrays of a thousand elements that is more work than parsing, judging and posting the batch; a joined text costs a
fifth of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


def numbers(values: Iterable[int | None]) -> str:
    """Integers; None becomes NULL."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def instants(values: Iterable[datetime | None]) -> str:
    """Aware instants; None becomes NULL."""
    return "{" + ",".join(["NULL" if value is None else value.isoformat() for value in values]) + "}"


def truths(values: Iterable[bool]) -> str:
    """Booleans."""
    return "{" + ",".join(["t" if value else "f" for value in values]) + "}"


def texts(values: Iterable[str | None]) -> str:
    """Texts; None becomes NULL. Whatever a text holds, it stays one element."""
    return "{" + ",".join(["NULL" if value is None else _quoted(value) for value in values]) + "}"


def octets(values: Iterable[bytes]) -> str:
    """Byte strings."""
    return "{" + ",".join([f'"\\\\x{value.hex()}"' for value in values]) + "}"


def _quoted(text: str) -> str:
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
