"""What the API shows of stock, of single things and of movements."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field

from backend.api import paging
from backend.api.paging import Page, Paged
from backend.api.problems import ProblemError
from backend.api.storable import Instant
from backend.catalog.model import VIRTUAL_KINDS
from backend.store.database import Connection, Database, Queries, Record
from wire.events import Epc

SQL: Final = Queries(Path(__file__).with_name("views.sql"))

COLUMNS: Final = ("site", "zone", "sku", "lot", "condition")
"""What stock can be grouped by, in the order in which rows are sorted."""


def _group(text: str) -> str:
    names = text.split(",")
    if unknown := [name for name in names if name not in COLUMNS]:
        raise ValueError(f"{unknown[0]!r} is none of {', '.join(COLUMNS)}")
    return text


class StockView(BaseModel):
    """Units in one group. A column that was not asked for is null; `expires_on` comes with SKU and lot. Below zero:
    taken before it was given (owed)."""

    site: str | None
    zone: str | None
    sku: str | None
    lot: str | None
    condition: str | None
    expires_on: date | None
    units: int


class StockParams(Paged):
    """Which stock, as of when, and how finely told."""

    site: str | None = None
    zone: Annotated[str | None, Field(description="A zone's code; a virtual one too, such as in_transit")] = None
    sku: str | None = None
    lot: Annotated[str | None, Field(description="A lot's code; empty for stock without a lot")] = None
    condition: str | None = None
    as_of: Annotated[Instant | None, Field(description="As it was at this instant, late events included")] = None
    group: Annotated[str, AfterValidator(_group), Field(description="Columns to tell apart, separated by commas")] = (
        ",".join(COLUMNS)
    )
    virtual: Annotated[bool, Field(description="Also zones that stand for what is outside the house")] = False


class ItemView(BaseModel):
    """One serialised thing. Its place is decided by its newest observation; `present` says whether it is seen now."""

    epc: str
    identity: str | None
    kind: str
    sku: str | None
    sku_name: str | None
    lot: str | None
    expires_on: date | None
    quantity: int
    condition: str
    parent: str | None
    document: str | None
    site: str
    zone: str
    observed_at: datetime | None
    gateway: str | None
    left_at: datetime | None
    present: bool


class EpcParams(BaseModel):
    """One thing, by the upper-case hex of its EPC memory."""

    epc: Epc


class HistoryParams(Paged):
    """One thing's past, by the upper-case hex of its EPC memory."""

    epc: Epc


class HistoryView(BaseModel):
    """Something seen of a thing (`movement`: `what` is its kind) or changed by it (`posting`: `what` is its reason)."""

    entry: Literal["movement", "posting"]
    id: str
    observed_at: datetime
    recorded_at: datetime
    what: str
    site: str
    zone: str | None
    portal: str | None
    direction: str | None
    from_zone: str | None
    to_zone: str | None
    quantity: int | None
    document: str | None
    actor: str
    confidence: float | None


class MovementView(BaseModel):
    """What a gateway decided about one tag. `id` is gateway, epoch and number."""

    id: str
    kind: Literal["arrived", "moved", "departed", "crossed"]
    epc: str
    sku: str | None
    site: str
    zone: str | None
    from_zone: str | None
    portal: str | None
    direction: Literal["in", "out"] | None
    observed_at: datetime
    decided_at: datetime
    recorded_at: datetime
    confidence: float


class MovementParams(Paged):
    """Which movements."""

    site: str | None = None
    sku: str | None = None
    kind: Literal["arrived", "moved", "departed", "crossed"] | None = None


class CardParams(Paged):
    """Whose stock card."""

    sku: str
    site: str
    zone: Annotated[str | None, Field(description="Only this zone; moves inside the site count then")] = None
    lot: Annotated[str | None, Field(description="Only this lot; empty for stock without a lot")] = None


class CardEntry(BaseModel):
    """Something that changed stock: `delta` units, after which there were `units`. A change of condition alone has a
    delta of nothing."""

    posting_id: int
    observed_at: datetime
    recorded_at: datetime
    delta: int
    units: int
    from_place: str
    to_place: str
    lot: str
    from_condition: str
    to_condition: str
    reason: str
    document: str | None
    actor: str
    role: str
    gateway: str | None
    photo: Annotated[str | None, Field(description="Where a picture lies that came with the scan")]
    reverses_id: int | None


async def card(database: Database, params: CardParams) -> Page[CardEntry]:
    """A page of a SKU's stock card at a site, newest first."""
    kinds = (datetime, int)
    below = paging.decode("card", params.cursor, kinds) if params.cursor else (None,) * len(kinds)
    rows = await database.pool.fetch(
        SQL["stock_card"],
        params.sku,
        params.site,
        params.zone,
        params.lot,
        list(VIRTUAL_KINDS),
        *below,
        params.limit + 1,
    )
    views = [CardEntry(**{name: row[name] for name in CardEntry.model_fields}) for row in rows]
    return paging.page("card", views, params.limit, [(view.observed_at, view.posting_id) for view in views])


async def stock(database: Database, params: StockParams) -> Page[StockView]:
    """A page of stock in the order of its columns."""
    kinds = (str,) * len(COLUMNS)
    after = paging.decode("stock", params.cursor, kinds) if params.cursor else (None,) * len(COLUMNS)
    rows = await database.pool.fetch(
        SQL["stock_rows"],
        params.group.split(","),
        params.site,
        params.zone,
        params.sku,
        params.lot,
        params.condition,
        params.virtual or params.zone is not None,
        params.as_of,
        list(VIRTUAL_KINDS),
        *after,
        params.limit + 1,
    )
    views = [StockView(**row) for row in rows]
    return paging.page("stock", views, params.limit, [[row[name] or "" for name in COLUMNS] for row in rows])


async def item(database: Database, params: EpcParams) -> ItemView:
    """One thing. Raises ProblemError when nobody has seen or announced it."""
    rows = await database.pool.fetch(SQL["item_by_epc"], bytes.fromhex(params.epc))
    if not rows:
        raise ProblemError("not-found", f"no item has the EPC {params.epc}")
    return ItemView(**{**rows[0], "epc": params.epc})


async def history(database: Database, params: HistoryParams) -> Page[HistoryView]:
    """A page of one thing's past, newest first. Raises ProblemError when nobody has seen or announced it."""
    await item(database, EpcParams(epc=params.epc))
    kinds = (datetime, datetime, str, str)
    below = paging.decode("history", params.cursor, kinds) if params.cursor else (None,) * len(kinds)
    rows = await database.pool.fetch(SQL["item_history"], bytes.fromhex(params.epc), *below, params.limit + 1)
    views = [HistoryView(**row) for row in rows]
    keys = [(view.observed_at, view.recorded_at, view.entry, view.id) for view in views]
    return paging.page("history", views, params.limit, keys)


async def movements(database: Database, params: MovementParams) -> Page[MovementView]:
    """A page of movements, newest first in the order in which they came in."""
    kinds = (datetime, str, str, int)
    below = paging.decode("movements", params.cursor, kinds) if params.cursor else (None,) * len(kinds)
    rows = await database.pool.fetch(
        SQL["recent_movements"], *below, params.site, params.kind, params.sku, params.limit + 1
    )
    keys = [(row["recorded_at"], row["gateway"], row["epoch"], row["seq"]) for row in rows]
    return paging.page("movements", [_movement_view(row) for row in rows], params.limit, keys)


async def latest_movements(connection: Connection, count: int) -> list[MovementView]:
    """The last `count` movements of all sites that came in, oldest first."""
    rows = await connection.fetch(SQL["recent_movements"], *(None,) * 7, count)
    return [_movement_view(row) for row in reversed(rows)]


def _movement_view(row: Record) -> MovementView:
    identity = f"{row['gateway']}/{row['epoch']}/{row['seq']}"
    return MovementView(**{**row, "id": identity, "epc": _hex(row["epc"])})


def _hex(epc: bytes) -> str:
    return epc.hex().upper()
