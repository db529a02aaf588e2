"""What the API takes and shows of orders."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from backend.api.paging import Paged
from backend.orders.model import Status

MAX_LINES: Final = 500
"""A line each for what a person can put into one basket; more is several orders."""

MAX_UNITS: Final = 1_000_000_000
"""Of one line: what fits any warehouse, and sums of it fit the database's numbers."""

MAX_HOLD_S: Final = 7 * 24 * 3600.0
"""A reservation that nobody confirms within a week is an order or nothing."""

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,99}$", description="The caller's own name for it")]
Text = Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")]
Units = Annotated[int, Field(ge=1, le=MAX_UNITS)]


class OrderLineBody(BaseModel):
    """A line of what is asked for."""

    sku: Text
    quantity: Units
    least_days: Annotated[int, Field(ge=0, le=3650, description="The lot must live so many days more")] = 0


class OrderBody(BaseModel):
    """An order. The code is the caller's: the same code with the same order changes nothing a second time."""

    code: Code
    channel: Text
    lines: Annotated[list[OrderLineBody], Field(min_length=1, max_length=MAX_LINES)]
    region: Annotated[Text, Field(description="Where it goes: decides which site is the cheapest")] = ""
    sites: Annotated[list[Text] | None, Field(min_length=1, description="The only sites that may serve it")] = None
    backorder: Annotated[bool, Field(description="Promise what is there and let the rest wait for stock")] = False
    most_sites: Annotated[int, Field(ge=1, le=100, description="Into how many parcels it may be split")] = 3
    hold_s: Annotated[
        float | None,
        Field(gt=0, le=MAX_HOLD_S, description="Seconds until it must be confirmed; null confirms it at once"),
    ] = 900.0


class PromisedUnits(BaseModel):
    """Units promised to a line, of one lot at one site."""

    site: str
    lot: str
    units: int


class GrantedLine(BaseModel):
    """What a line was promised, and what of it waits for stock, with the reason."""

    line: int
    sku: str
    quantity: int
    promised: list[PromisedUnits]
    waiting: int = 0
    reason: str | None = None


class GrantedView(BaseModel):
    """A reservation that was made."""

    order: str
    status: Status
    expires_at: datetime | None
    lines: list[GrantedLine]


class PromiseView(BaseModel):
    """One promise to a line and what became of it. `short`: the physical world took these units away."""

    site: str
    lot: str
    expires_on: date | None
    held: int
    fulfilled: int
    released: int
    short: int


class OrderLineView(BaseModel):
    """A line with its promises."""

    line: int
    sku: str
    quantity: int
    least_days: int
    waiting: int
    picked: int
    promises: list[PromiseView]


class OrderHead(BaseModel):
    """An order without its lines."""

    code: str
    channel: str
    region: str
    status: Status
    expires_at: datetime | None
    placed_at: datetime
    changed_at: datetime
    revision: int


class OrderView(OrderHead):
    """An order."""

    lines: list[OrderLineView]


class OrderCode(BaseModel):
    """One order, by its code."""

    code: Code


class OrderParams(Paged):
    """Which orders."""

    status: Status | None = None
    channel: str | None = None


class ChangeBody(BaseModel):
    """What happens to an order."""

    event: Literal["confirm", "pack", "cancel"]


MAX_BULK: Final = 500
"""Orders in one request: two groups of the granter, answered within a second."""


class BulkBody(BaseModel):
    """Many orders at once, each by itself: one that is refused takes no other with it."""

    orders: Annotated[list[OrderBody], Field(min_length=1, max_length=MAX_BULK)]


class BulkOutcome(BaseModel):
    """What became of one order: what it was granted, or the problem that stands in its way."""

    order: str
    granted: GrantedView | None = None
    problem: dict[str, Any] | None = None


class BulkView(BaseModel):
    """What became of many orders, in the order in which they were asked for."""

    outcomes: list[BulkOutcome]
