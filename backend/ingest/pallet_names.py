"""Which names are a pallet's, and what was ever on it: asked before a batch locks its items, so that all are
locked in the one order."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from backend.store.database import Connection, Queries

SQL: Final = Queries(Path(__file__).with_name("pallets.sql"))

PALLET_HEADERS: Final = (b"\x31", b"\xf9", b"\xef")
"""SSCC-96, SSCC+ and SSCC++ (Tag Data Standard 2.3, table 14-1)."""


def names_pallet(name: bytes | str) -> bool:
    """Whether an EPC or an identity is that of a logistic unit."""
    return name.startswith("(00)") if isinstance(name, str) else name[:1] in PALLET_HEADERS


async def with_contents(connection: Connection, item_ids: Iterable[int]) -> set[int]:
    """These things and whatever was ever on them: what one transaction locks when it moves them."""
    return {row["item_id"] for row in await connection.fetch(SQL["with_contents"], list(item_ids))}
