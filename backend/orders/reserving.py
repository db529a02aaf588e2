"""One group of requests in one transaction: look, source, write (see granter).

    lock the shelves ──▶ source each request (pure) ──▶ write orders, lines, promises and kept answers

A request is known twice over: by the code of its order, and by its Idempotency-Key where it came with one. The same
request again gets its answer again; another one under the same code or key is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from backend.api.idempotency import SQL as KEY_SQL
from backend.api.idempotency import Answer
from backend.api.problems import ProblemError
from backend.catalog.service import sku_ids
from backend.channels.service import promised_by_channel
from backend.orders.model import Lot, Wish
from backend.orders.sourcing import Asked, Shelf, Sourced, Stand
from backend.orders.terms import Terms
from backend.orders.views import GrantedLine, GrantedView, PromisedUnits
from backend.stock.promises import Wanted, hold
from backend.store.database import Connection, Queries, Record

SQL: Final = Queries.beside(__file__)


class OrderLine(NamedTuple):
    """A line of an order that is asked for, by code."""

    sku: str
    quantity: int
    least_days: int = 0


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What is asked for. `hold_s`: how long the reservation waits to be confirmed; None: it is confirmed at once."""

    code: str
    channel: str
    lines: tuple[OrderLine, ...]
    region: str = ""
    sites: tuple[str, ...] | None = None
    backorder: bool = False
    most_sites: int = 3
    hold_s: float | None = 900.0

    @property
    def digest(self) -> bytes:
        """What makes two orders the same."""
        return hashlib.sha256(repr(self).encode()).digest()


class Keyed(NamedTuple):
    """An Idempotency-Key, and the digest of the request that came with it."""

    key: str
    digest: bytes


class Request(NamedTuple):
    """An order that somebody asks for."""

    order: NewOrder
    actor: str
    keyed: Keyed | None = None


Outcome = GrantedView | Answer | ProblemError
"""What a request is answered with: what it was granted, what it was answered before, or why it is refused."""


class TakenMeanwhileError(Exception):
    """Another process made an order or kept an answer of the same name after this group looked: look again."""


class _Made(NamedTuple):
    """A request that is granted, until it is written."""

    request: Request
    asked: Asked
    sourced: Sourced
    view: GrantedView


@dataclass(slots=True)
class ReservingWork:
    """What one transaction does for a group of requests."""

    connection: Connection
    now: datetime
    terms: Terms
    skus: dict[str, int] = field(default_factory=dict)
    names: dict[int, tuple[str, str]] = field(default_factory=dict)
    known: dict[str, bytes] = field(default_factory=dict)
    kept: dict[tuple[str, str], Record] = field(default_factory=dict)
    made: dict[str, _Made] = field(default_factory=dict)
    keys: dict[tuple[str, str], Keyed] = field(default_factory=dict)

    async def reserve(self, requests: Sequence[Request]) -> list[Outcome]:
        """Serve requests in their order, in the caller's transaction. Raises TakenMeanwhileError."""
        await self._know(requests)
        stand = await self._look(requests)
        outcomes = [self._serve(request, stand) for request in requests]
        await self._write()
        return [
            await as_it_stands(self.connection, outcome) if isinstance(outcome, str) else outcome
            for outcome in outcomes
        ]

    async def _know(self, requests: Sequence[Request]) -> None:
        """Which orders and keys were there before."""
        rows = await self.connection.fetch(SQL["known_orders"], sorted({one.order.code for one in requests}))
        self.known = {row["code"]: row["digest"] for row in rows}
        keys = sorted({(one.actor, one.keyed.key) for one in requests if one.keyed is not None})
        if keys:
            rows = await self.connection.fetch(KEY_SQL["kept_answers"], *(list(one) for one in zip(*keys, strict=True)))
            self.kept = {(row["actor"], row["key"]): row for row in rows}

    async def _look(self, requests: Sequence[Request]) -> Stand:
        """Everything that the requests ask about, under locks."""
        self.skus = await sku_ids(self.connection, (line.sku for one in requests for line in one.order.lines))
        stand, self.names = await lock_stand(self.connection, self.terms, self.skus.values(), self.now)
        return stand

    def _serve(self, request: Request, stand: Stand) -> Outcome | str:
        """The outcome of one request, or the code of an order that was made before."""
        order = request.order
        try:
            before = self._before(request)
            if before is not None:
                return before
            asked = self._asked(order)
        except ProblemError as error:
            return error
        sourced = stand.source(asked)
        if sourced.lacking and not order.backorder:
            return _not_available(order, sourced)
        view = self._view(order, asked, sourced)
        self.made[order.code] = _Made(request, asked, sourced, view)
        if request.keyed is not None:
            self.keys[request.actor, request.keyed.key] = request.keyed
        return view

    def _before(self, request: Request) -> Outcome | str | None:
        """What the same request was answered before. Raises ProblemError for another one under its code or key."""
        order, keyed = request.order, request.keyed
        if keyed is not None:
            kept = self.kept.get((request.actor, keyed.key))
            digest = kept["digest"] if kept else self.keys.get((request.actor, keyed.key), keyed).digest
            if digest != keyed.digest:
                raise ProblemError("key-reused", f"the key {keyed.key!r} was used for another request")
            if kept:
                return Answer(kept["status"], kept["answer"])
        earlier = self.made.get(order.code)
        digest = earlier.request.order.digest if earlier is not None else self.known.get(order.code)
        if digest is None:
            return None
        if digest != order.digest:
            raise ProblemError("code-taken", f"order {order.code!r} exists and asks for something else")
        return earlier.view if earlier is not None else order.code

    def _asked(self, order: NewOrder) -> Asked:
        """The order by numbers. Raises ProblemError for what does not exist."""
        channel = self.terms.channels.get(order.channel)
        if channel is None:
            raise ProblemError("refused", f"no channel {order.channel!r}: define it first")
        if not channel.open:
            raise ProblemError("refused", f"channel {order.channel!r} is closed")
        for line in order.lines:
            if line.sku not in self.skus:
                raise ProblemError("refused", f"no SKU {line.sku!r}: import it first")
        for site in order.sites or ():
            if site not in self.terms.sites:
                raise ProblemError("refused", f"no site {site!r}")
        wishes = tuple(
            Wish(number, self.skus[line.sku], line.quantity, line.least_days)
            for number, line in enumerate(order.lines, 1)
        )
        site_ids = None if order.sites is None else tuple(self.terms.sites[code] for code in order.sites)
        return Asked(channel.channel_id, order.region, wishes, site_ids, order.backorder, order.most_sites)

    def _view(self, order: NewOrder, asked: Asked, sourced: Sourced) -> GrantedView:
        lacking = {one.line_no: one for one in sourced.lacking}
        lines = []
        for wish, line in zip(asked.wishes, order.lines, strict=True):
            units = [
                PromisedUnits(
                    site=self.names[one.availability_id][0], lot=self.names[one.availability_id][1], units=one.quantity
                )
                for one in sourced.grants
                if one.line_no == wish.line_no
            ]
            waits = lacking.get(wish.line_no)
            lines.append(
                GrantedLine(
                    line=wish.line_no,
                    sku=line.sku,
                    quantity=line.quantity,
                    promised=units,
                    waiting=waits.quantity if waits else 0,
                    reason=waits.reason if waits else None,
                )
            )
        return GrantedView(order=order.code, status=_status(order), expires_at=self._expiry(order), lines=lines)

    def _expiry(self, order: NewOrder) -> datetime | None:
        return None if order.hold_s is None else self.now + timedelta(seconds=order.hold_s)

    async def _write(self) -> None:
        if not self.made:
            return
        made = list(self.made.values())
        orders = [one.request.order for one in made]
        rows = await self.connection.fetch(
            SQL["add_orders"],
            [order.code for order in orders],
            [one.asked.channel_id for one in made],
            [order.region for order in orders],
            [_status(order) for order in orders],
            [",".join(map(str, one.asked.site_ids or ())) for one in made],
            [order.backorder for order in orders],
            [order.most_sites for order in orders],
            [self._expiry(order) for order in orders],
            [one.request.actor for one in made],
            self.now,
            [order.digest for order in orders],
        )
        if len(rows) < len(made):
            raise TakenMeanwhileError
        ids = {row["code"]: row["order_id"] for row in rows}
        line_ids = await self._write_lines(made, ids)
        wanted: list[Wanted] = [
            (grant.availability_id, grant.quantity, "order", line_ids[ids[one.request.order.code], grant.line_no])
            for one in made
            for grant in one.sourced.grants
        ]
        await hold(self.connection, wanted, self.now)
        await self.connection.execute(
            SQL["tell_orders"], [order.code for order in orders], [_status(order) for order in orders], self.now
        )
        await self._keep_answers(made)

    async def _write_lines(self, made: Sequence[_Made], ids: dict[str, int]) -> dict[tuple[int, int], int]:
        lines: list[tuple[Any, ...]] = []
        for one in made:
            waiting = {lacking.line_no: lacking.quantity for lacking in one.sourced.lacking}
            order_id = ids[one.request.order.code]
            lines += (
                (order_id, wish.line_no, wish.sku_id, wish.quantity, waiting.get(wish.line_no, 0), wish.least_days)
                for wish in one.asked.wishes
            )
        rows = await self.connection.fetch(SQL["add_lines"], *(list(column) for column in zip(*lines, strict=True)))
        return {(row["order_id"], row["line_no"]): row["line_id"] for row in rows}

    async def _keep_answers(self, made: Sequence[_Made]) -> None:
        keyed = [
            (one.request.actor, one.request.keyed.key, one.request.keyed.digest, one.view.model_dump_json())
            for one in made
            if one.request.keyed is not None
        ]
        if keyed:
            columns = (list(column) for column in zip(*keyed, strict=True))
            rows = await self.connection.fetch(KEY_SQL["keep_answers"], *columns, self.now)
            if len(rows) < len(keyed):
                raise TakenMeanwhileError


async def lock_stand(
    connection: Connection, terms: Terms, sku_ids: Iterable[int], now: datetime
) -> tuple[Stand, dict[int, tuple[str, str]]]:
    """What every site may still promise of these SKUs, locked until the transaction ends; and for each availability
    the codes of its site and lot."""
    shelves: dict[tuple[int, int], Shelf] = {}
    names: dict[int, tuple[str, str]] = {}
    today: dict[int, date] = {}
    rows = await connection.fetch(SQL["lock_stand"], sorted(set(sku_ids)), now)
    for row in sorted(rows, key=lambda row: row["expires_on"] or date.max):
        today[row["site_id"]] = row["today"]
        shelf = shelves.setdefault((row["site_id"], row["sku_id"]), Shelf())
        shelf.lots.append(Lot(row["availability_id"], row["expires_on"], max(0, row["free"])))
        names[row["availability_id"]] = (row["site"], row["lot"])
    kept = [place for place in shelves if terms.rulebook.protects(*place)]
    for place, promised in (await promised_by_channel(connection, kept)).items():
        shelves[place].promised = promised
    return Stand(today, terms.rulebook, terms.costs, shelves), names


async def as_it_stands(connection: Connection, code: str) -> GrantedView:
    """What an order that was made before is promised now."""
    head = await connection.fetchrow(SQL["order_head"], code)
    assert head is not None
    lines = await connection.fetch(SQL["order_lines"], head["order_id"])
    promises = await connection.fetch(SQL["order_promises"], [line["line_id"] for line in lines])
    return GrantedView(
        order=code,
        status=head["status"],
        expires_at=head["expires_at"],
        lines=[
            GrantedLine(
                line=line["line_no"],
                sku=line["sku"],
                quantity=line["quantity"],
                promised=[
                    PromisedUnits(site=one["site"], lot=one["lot"], units=one["held"] + one["fulfilled"])
                    for one in promises
                    if one["line_id"] == line["line_id"] and one["held"] + one["fulfilled"]
                ],
                waiting=line["waiting"],
            )
            for line in lines
        ],
    )


def _status(order: NewOrder) -> str:
    return "confirmed" if order.hold_s is None else "reserved"


def _not_available(order: NewOrder, sourced: Sourced) -> ProblemError:
    errors = [
        {
            "line": one.line_no,
            "sku": order.lines[one.line_no - 1].sku,
            "asked": order.lines[one.line_no - 1].quantity,
            "lacking": one.quantity,
            "reason": one.reason,
        }
        for one in sourced.lacking
    ]
    first = errors[0]
    return ProblemError("not-available", f"line {first['line']}, {first['sku']}: {first['reason']}", errors=errors)
