"""The office's books against the backend: documents, orders, what channels may promise, inspections,
counts.

The API is asked, as the people of the office would ask it; the balances below it are compared in compare.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from simulators.books import Inspected, Line, Paper
from simulators.office import OfficeDay
from tallyman.demo.compare import MAX_WRONG_SHARE
from tallyman.demo.office import Clerks

PAGE: Final = 200
"""Rows asked for at a time."""

Units = tuple[int, int, int]

PROMISED: Final = ("held", "fulfilled", "released", "short")


@dataclass(slots=True)
class Paperwork:
    """How many of each were looked at, and which differ."""

    checked: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    units_crossed: int = 0
    units_misjudged: int = 0
    """Units that went or came under documents by radio, and by how many the documents differ."""
    misjudged: list[dict[str, Any]] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether nothing differs, and of units by radio at most one in a hundred."""
        return not any(self.wrong.values()) and self.units_misjudged <= MAX_WRONG_SHARE * self.units_crossed

    def judge(self, code: str, sku: str, truth: tuple[int, int], told: tuple[int, int]) -> None:
        """Units of a SKU that went and came under a document by radio."""
        self.units_crossed += sum(truth)
        off = sum(abs(one - other) for one, other in zip(truth, told, strict=True))
        self.units_misjudged += off
        if off:
            self.misjudged.append({"document": code, "sku": sku, "truth": truth, "database": told})

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
        if self.units_crossed:
            numbers |= {"crossed_units_checked": self.units_crossed, "crossed_units_wrong": self.units_misjudged}
        listed = {f"wrong_{what}": wrong for what, wrong in self.wrong.items()}
        return {**numbers, **listed, "wrong_crossed_units": self.misjudged}


async def check_paperwork(api: aiohttp.ClientSession, clerks: Clerks) -> Paperwork:
    """Everything the office's books say, against what the API shows; and each deed that went otherwise than planned."""
    result, day = Paperwork(), clerks.day
    result.checked["deeds"] = clerks.done
    result.wrong["deeds"] = [{"deed": what} for what in clerks.refused]
    await _documents(api, day.books.papers, result)
    await _crossed(api, clerks.dock.papers, result)
    await _orders(api, day, result)
    await _inspections(api, day, result)
    await _counts(api, day, result)
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


async def _documents(api: aiohttp.ClientSession, papers: Mapping[str, Paper], result: Paperwork) -> None:
    """Documents whose goods were scanned: exactly."""
    for code, paper in papers.items():
        kind, status, lines = await _shown(api, code)
        truth = {sku: (line.expected, line.gone, line.come) for sku, line in paper.lines.items()}
        result.take("documents", code, (paper.kind, paper.status, truth), (kind, status, lines))


async def _crossed(api: aiohttp.ClientSession, papers: Mapping[str, Paper], result: Paperwork) -> None:
    """Documents whose goods crossed doors by radio: their state and what they expect exactly, and with the radio's
    bounds the units that went and came, of other goods too."""
    for code, paper in papers.items():
        kind, status, lines = await _shown(api, code)
        expected = {sku: line.expected for sku, line in paper.lines.items()}
        told = {sku: numbers[0] for sku, numbers in lines.items() if numbers[0]}
        result.take("documents", code, (paper.kind, paper.status, expected), (kind, status, told))
        for sku in sorted({*paper.lines, *lines}):
            truth = paper.lines.get(sku, Line(0))
            _, gone, come = lines.get(sku, (0, 0, 0))
            result.judge(code, sku, (truth.gone, truth.come), (gone, come))


async def _shown(
    api: aiohttp.ClientSession, code: str
) -> tuple[str | None, str | None, dict[str, tuple[int, int, int]]]:
    shown = await _get(api, f"documents/{code}") or {"lines": []}
    lines = {line["sku"]: (line["expected"], line["gone"], line["come"]) for line in shown["lines"]}
    return shown.get("kind"), shown.get("status"), lines


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


async def _counts(api: aiohttp.ClientSession, day: OfficeDay, result: Paperwork) -> None:
    """Each blind count to the unit: what was counted, and what differs. What moved meanwhile does not."""
    for code, sheet in day.books.counts.items():
        shown = await _get(api, f"counts/{code}") or {"lines": [], "things": []}
        lines = {(one["sku"], one["condition"]): (one["counted"], one["difference"]) for one in shown["lines"]}
        told = (shown.get("site"), shown.get("zones"), shown.get("status"), lines, shown["things"])
        truth = {key: tuple(line) for key, line in sheet.lines.items()}
        result.take("counts", code, (sheet.site, [sheet.zone], sheet.status, truth, []), told)


async def _channels(api: aiohttp.ClientSession, day: OfficeDay, result: Paperwork) -> None:
    for channel in day.books.channels:
        for goods in day.office.goods:
            shown = await _get(api, f"channels/{channel}/available", sku=goods.sku) or {"sites": []}
            told = {row["site"]: row["available"] for row in shown["sites"]}
            for site in day.desks:
                truth = day.books.available(channel, site, goods.sku)
                result.take("channels", f"{channel}/{site}/{goods.sku}", truth, told.get(site, 0))
