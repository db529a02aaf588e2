"""What the API takes and shows of counts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from backend.api import paging
from backend.api.paging import Page, Paged
from backend.api.problems import ProblemError
from backend.api.storable import Instant, Text
from backend.counts.model import LOOK_BACK, REPEATS, CountEvent, Subject
from backend.store.database import Database, Queries, Record
from wire.events import Epc

SQL: Final = Queries(Path(__file__).with_name("views.sql"))

MAX_READS: Final = 50_000
"""In one request: more tags than a zone holds; a longer sweep is sent in parts, which make one."""

MAX_WORDS: Final = 5000
MAX_CELLS: Final = 5000
MAX_SHOWN: Final = 20_000
"""Lines, things and passes shown with a count, those that differ first, the last passes: more than a day has."""

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$")]
"""As long as a scan's document may be."""
Units = Annotated[int, Field(ge=0, le=1_000_000_000)]
Value = Annotated[
    Decimal, Field(ge=0, max_digits=20, decimal_places=4, description="In the currency of the SKUs' values")
]
Days = Annotated[int, Field(ge=1, le=3650)]


class CountBody(BaseModel):
    """A count to be made."""

    code: Code
    site: Text
    zones: Annotated[list[Text], Field(min_length=1, max_length=1000)]
    subject: Annotated[Subject, Field(description="Things with a tag or serial number, units without, or both")] = (
        "both"
    )
    skus: Annotated[
        list[Text] | None, Field(min_length=1, max_length=MAX_CELLS, description="These alone; null: all")
    ] = None
    blind: Annotated[bool, Field(description="Whoever counts is not shown what is expected")] = True
    tolerance_units: Annotated[Units | None, Field(description="null: the site's")] = None
    tolerance_value: Annotated[Value | None, Field(description="null: the site's")] = None


class ReadBody(BaseModel):
    """A tag that a sweep found."""

    epc: Epc
    at: AwareDatetime


class UnitsBody(BaseModel):
    """Units without serial numbers in one spot. Of two words on the same spot the newer counts; spots add up."""

    sku: Text
    quantity: Units
    at: AwareDatetime
    lot: Annotated[Text | None, Field(description="null: nobody looked; it is taken for whatever should be there")] = (
        None
    )
    condition: Literal["sellable", "damaged", "quarantined", "returned", "refurbishing"] = "sellable"
    spot: Text = ""


class PassBody(BaseModel):
    """What somebody found in a zone. An empty list says that nothing was there, none at all that nobody looked."""

    zone: Text
    started_at: AwareDatetime
    ended_at: AwareDatetime
    operator: Annotated[Text | None, Field(min_length=1, description="Who counted, if not the caller")] = None
    reads: Annotated[list[ReadBody] | None, Field(max_length=MAX_READS)] = None
    units: Annotated[list[UnitsBody] | None, Field(max_length=MAX_WORDS)] = None

    @model_validator(mode="after")
    def _something(self) -> PassBody:
        if self.reads is None and self.units is None:
            raise ValueError("say what was found: reads, units, or both")
        return self


class CountEventBody(BaseModel):
    """What happens to a count."""

    event: CountEvent
    partial: Annotated[bool, Field(description="A close leaves alone the zones that nobody counted")] = False


class RuleBody(BaseModel):
    """How a site counts: days between two counts of each class, how many SKUs in zones a day, what one person may
    approve."""

    a_days: Days = 30
    b_days: Days = 90
    c_days: Days = 180
    daily_lines: Annotated[int, Field(ge=1, le=MAX_CELLS)] = 100
    tolerance_units: Units = 0
    tolerance_value: Value = Decimal(0)


class PlanBody(BaseModel):
    """What is counted of what is due."""

    subject: Subject = "both"


class Planned(BaseModel):
    """The counts that were made for the day."""

    counts: list[str]


class DueView(BaseModel):
    """A SKU in a zone that should be counted; the higher the score, the sooner."""

    zone: str
    sku: str
    abc: str | None
    score: float
    since: datetime
    counted: bool
    counts: int
    variances: int
    owed: bool
    quarantined: int


class DueList(BaseModel):
    """What a site should count today, the most urgent first."""

    rows: list[DueView]


class CountCode(BaseModel):
    """One count."""

    code: Code


class PassView(BaseModel):
    """Who counted a zone, when."""

    zone: str
    subject: str
    started_at: datetime
    ended_at: datetime
    operator: str
    actor: str


class LineView(BaseModel):
    """What was expected and counted of one kind of goods in a zone. The two expectations differ only where units moved
    while they were being told."""

    zone: str
    sku: str
    lot: str
    condition: str
    subject: str
    expected_least: int
    expected_most: int
    counted: int
    difference: int
    value: Decimal | None


class ThingView(BaseModel):
    """A thing that is not where the ledger had it."""

    epc: str | None
    identity: str | None
    sku: str | None
    finding: Literal["missing", "found"]
    zone: str
    from_place: str
    at: datetime


class UnreadView(BaseModel):
    """A tag that names nothing that is counted, and why."""

    epc: str
    reason: str


class ExpectedView(BaseModel):
    """What the ledger has now."""

    zone: str
    sku: str
    lot: str
    condition: str
    units: int


class CountHead(BaseModel):
    """A count in a list."""

    code: str
    site: str
    subject: str
    blind: bool
    status: str
    zones: list[str]
    made_at: datetime
    changed_at: datetime


class CountView(CountHead):
    """One count. Lines and things come with its close; `expected` is shown while it is open and not blind."""

    skus: list[str] | None
    round: int
    tolerance_units: int
    tolerance_value: Decimal
    actor: str
    approved_at: datetime | None
    approved_by: str | None
    revision: int
    passes: list[PassView]
    expected: list[ExpectedView] | None
    lines: list[LineView]
    things: list[ThingView]
    unread: list[UnreadView]


class PassTaken(BaseModel):
    """What was taken in, and the tags that name nothing that is counted."""

    reads: int
    units: int
    unread: list[UnreadView]


class CountParams(Paged):
    """Which counts."""

    site: str | None = None
    status: Literal["open", "closed", "approved", "cancelled"] | None = None


class AccuracyParams(Paged):
    """Of which counts, and told apart by what."""

    by: Literal["site", "zone", "sku", "class"] = "site"
    site: str | None = None
    since: Instant | None = None


class AccuracyView(BaseModel):
    """How well the ledger agreed with what was counted. Shares are null where nothing was expected."""

    name: str
    lines: int
    agreed: int
    expected_units: int
    different_units: int
    expected_value: Decimal
    different_value: Decimal
    line_accuracy: float
    unit_accuracy: float | None
    value_accuracy: float | None


class OffenderParams(Paged):
    """Whose repeat offenders."""

    site: str | None = None


class OffenderView(BaseModel):
    """A SKU in a zone that keeps differing: how often in its last counts, and by how many units in all."""

    site: str
    zone: str
    sku: str
    counts: int
    variances: int
    units: int


async def count(database: Database, code: str) -> CountView:
    """One count. Raises ProblemError `not-found`."""
    async with database.snapshot() as connection:
        head = await connection.fetchrow(SQL["head"], code)
        if head is None:
            raise ProblemError("not-found", f"no count {code!r}")
        number, is_open = head["count_id"], head["status"] == "open"
        expected = None
        if is_open and not head["blind"]:
            expected = await connection.fetch(SQL["expected"], head["zone_ids"], head["sku_ids"], MAX_SHOWN)
        outcome: list[list[Record]] = [[], []]
        if not (is_open and head["blind"]):
            outcome = [await connection.fetch(SQL[name], number, MAX_SHOWN) for name in ("lines", "things")]
        passes = await connection.fetch(SQL["passes"], number, MAX_SHOWN)
        unread = await connection.fetch(SQL["unread"], number, MAX_SHOWN)
    return CountView(
        **{name: head[name] for name in CountView.model_fields if name in head},
        passes=[PassView(**row) for row in reversed(passes)],
        expected=None if expected is None else [ExpectedView(**row) for row in expected],
        lines=[LineView(**row) for row in outcome[0]],
        things=[ThingView(**row) for row in outcome[1]],
        unread=[UnreadView(**row) for row in unread],
    )


async def counts(database: Database, params: CountParams) -> Page[CountHead]:
    """A page of counts, newest first."""
    (below,) = paging.decode("counts", params.cursor, (int,)) if params.cursor else (None,)
    rows = await database.pool.fetch(SQL["list_counts"], below, params.site, params.status, params.limit + 1)
    views = [CountHead(**{name: row[name] for name in CountHead.model_fields}) for row in rows]
    return paging.page("counts", views, params.limit, [(row["count_id"],) for row in rows])


async def accuracy(database: Database, params: AccuracyParams) -> Page[AccuracyView]:
    """A page of how well counts and ledger agreed."""
    (after,) = paging.decode("accuracy", params.cursor, (str,)) if params.cursor else ("",)
    rows = await database.pool.fetch(SQL["accuracy"], params.by, params.since, params.site, after, params.limit + 1)
    views = [
        AccuracyView(
            **row,
            line_accuracy=row["agreed"] / row["lines"],
            unit_accuracy=_share(row["different_units"], row["expected_units"]),
            value_accuracy=_share(row["different_value"], row["expected_value"]),
        )
        for row in rows
    ]
    return paging.page("accuracy", views, params.limit, [(view.name,) for view in views])


def _share(different: Decimal | int, expected: Decimal | int) -> float | None:
    """Which share agreed; more that differs than was expected is no agreement at all."""
    return max(0.0, 1 - float(different) / float(expected)) if expected > 0 else None


async def offenders(database: Database, params: OffenderParams) -> Page[OffenderView]:
    """A page of what keeps differing."""
    after = paging.decode("offenders", params.cursor, (str, str, str)) if params.cursor else ("", "", "")
    rows = await database.pool.fetch(SQL["offenders"], LOOK_BACK, REPEATS, params.site, *after, params.limit + 1)
    views = [OffenderView(**row) for row in rows]
    return paging.page("offenders", views, params.limit, [(view.site, view.zone, view.sku) for view in views])
