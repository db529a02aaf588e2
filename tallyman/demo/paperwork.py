"""The office's books against the backend: documents, orders, what channels may promise, inspections.

The API is asked, as the people of the office would ask it; the balances below it are compared in compare.py.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from simulators.books import Inspected
from simulators.office import OfficeDay
from tallyman.demo.office import Clerks

PAGE: Final = 200
"""Rows asked for at a time."""

PROMISED: Final = ("held", "fulfilled", "released", "short")


@dataclass(slots=True)
class Paperwork:
    """How many of each were looked at, and which differ."""

    checked: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Whether nothing differs."""
        return not any(self.wrong.values())

    def take(self, what: str, name: str, truth: object, database: object) -> None:
        """One number, or a few that belong together."""
        self.checked[what] += 1
        self.wrong.setdefault(what, [])
        if truth != database:
            self.wrong[what].append({what: name, "truth": str(truth), "database": str(database)})

    def report(self) -> dict[str, Any]:
        """As the demo's report holds it: `<what>_checked`, `<what>_wrong`, `wrong_<what>`."""
        numbers = {f"{what}_checked": count for what, count in self.checked.items()}
        numbers |= {f"{what}_wrong": len(wrong) for what, wrong in self.wrong.items()}
        return {**numbers, **{f"wrong_{what}": wrong for what, wrong in self.wrong.items()}}


async def check_paperwork(api: aiohttp.ClientSession, clerks: Clerks) -> Paperwork:
    """Everything the office's books say, against what the API shows; and each deed that went otherwise than planned."""
    result, day = Paperwork(), clerks.day
    result.checked["deeds"] = clerks.done
    result.wrong["deeds"] = [{"deed": what} for what in clerks.refused]
    await _documents(api, day, result)
    await _orders(api, day, result)
    await _inspections(api, day, result)
    await _channels(api, day, result)
    return result


async def _get(api: aiohttp.ClientSession, path: str, **params: str | int) -> dict[str, Any] | None:
    """What the API shows; None for what it does not have."""
    async with api.get(f"/api/v1/{path}", params=params) as response:
        if response.status == HTTPStatus.NOT_FOUND:
            return None
        response.raise_for_status()
        shown: dict[str, Any] = await response.json()
        return shown


async def _documents(api: aiohttp.ClientSession, day: OfficeDay, result: Paperwork) -> None:
    for code, paper in day.books.papers.items():
        shown = await _get(api, f"documents/{code}") or {"lines": []}
        lines = {line["sku"]: (line["expected"], line["gone"], line["come"]) for line in shown["lines"]}
        truth = {sku: (line.expected, line.gone, line.come) for sku, line in paper.lines.items()}
        result.take(
            "documents", code, (paper.kind, paper.status, truth), (shown.get("kind"), shown.get("status"), lines)
        )


async def _orders(api: aiohttp.ClientSession, day: OfficeDay, result: Paperwork) -> None:
    for code, order in day.books.orders.items():
        shown = await _get(api, f"orders/{code}") or {"lines": []}
        stands = [
            (line["sku"], line["quantity"], line["picked"], *(_sum(line["promises"], what) for what in PROMISED))
            for line in shown["lines"]
        ]
        truth = [(order.sku, order.quantity, order.picked, order.held, order.fulfilled, order.released, 0)]
        result.take(
            "orders", code, (order.channel, order.status, truth), (shown.get("channel"), shown.get("status"), stands)
        )
    for code in sorted(day.books.refused):
        result.take("orders", code, None, await _get(api, f"orders/{code}"))


def _sum(promises: list[dict[str, Any]], what: str) -> int:
    return sum(promise[what] for promise in promises)


async def _inspections(api: aiohttp.ClientSession, day: OfficeDay, result: Paperwork) -> None:
    found: Counter[Inspected] = Counter()
    page = await _get(api, "inspections", limit=PAGE)
    while page is not None:
        for row in page["rows"]:
            if row["reason"] == day.reason:
                found[Inspected(*(row[name] for name in Inspected._fields))] += 1
        page = await _get(api, "inspections", limit=PAGE, cursor=page["next"]) if page["next"] else None
    truth = Counter(day.books.inspections)
    for one in sorted(truth | found):
        result.take("inspections", "/".join(map(str, one)), truth[one], found[one])


async def _channels(api: aiohttp.ClientSession, day: OfficeDay, result: Paperwork) -> None:
    for channel in day.books.channels:
        for goods in day.office.goods:
            shown = await _get(api, f"channels/{channel}/available", sku=goods.sku) or {"sites": []}
            told = {row["site"]: row["available"] for row in shown["sites"]}
            for site in day.desks:
                truth = day.books.available(channel, site, goods.sku)
                result.take("channels", f"{channel}/{site}/{goods.sku}", truth, told.get(site, 0))
