"""A shortened day: clerks, scans and doors of two sites through the whole chain; the office is exact to the unit."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from simulators.office import Desk
from simulators.scenario import SCENARIOS
from tallyman.demo.run import DemoSettings, run_demo

SCANNED = ("deeds", "documents", "orders", "inspections", "channels")
"""Of each there are some; of counts one."""

OFFICE = """
[[sites]]
code = "SUB"
plan = "shop"

[office]
orders = 9
begins_s = 1.0
gap_s = [0.2, 0.6]
travel_s = 2.0
[[office.channels]]
code = "web"
kind = "website"
buffer = 3
[[office.channels]]
code = "market"
kind = "marketplace"
protected = 6
[[office.channels]]
code = "social"
kind = "social"
[[office.goods]]
sku = "RICE-5KG"
name = "Rice, 5 kg"
gtin = "09521141007006"
lot = "R26"
received = 30
[[office.transfers]]
from_site = "JKT"
to_site = "SUB"
sku = "RICE-5KG"
quantity = 6
lost = 1

[[plans.shop.zones]]
code = "packing"
kind = "packing"
rect = [8.0, 7.0, 12.0, 16.0]

[[outages]]
site = "SUB"
at_s = 4
for_s = 10

[flow]"""


@pytest.fixture
def settings(tmp_path: Path, empty_database_url: str) -> DemoSettings:
    """The one door's plan at two sites, with an office; the day ends by itself."""
    text = (SCENARIOS / "one-door.toml").read_text()
    day = tmp_path / "short-day.toml"
    day.write_text(text.replace('"one-door"', '"short-day"').replace("\n[flow]", OFFICE))
    return DemoSettings(
        scenario=str(day),
        for_s=None,
        speed=60.0,
        seed=1,
        headless=True,
        report=tmp_path / "report.json",
        fresh=False,
        http_port=0,
        data_dir=tmp_path,
        database_url=empty_database_url,
        mqtt_url=None,
        recording=None,
    )


def report_of(settings: DemoSettings) -> dict[str, Any]:
    assert settings.report is not None
    report: dict[str, Any] = json.loads(settings.report.read_text())
    return report


def office_balances(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [wrong for wrong in report["wrong_balances"] if "RICE-5KG" in wrong["balance"]]


async def test_a_day_ends_as_its_books_say(settings: DemoSettings) -> None:
    await run_demo(settings, asyncio.Event())
    report = report_of(settings)
    for what in SCANNED:
        assert report[f"{what}_checked"] >= 5, what
        assert report[f"{what}_wrong"] == 0, report[f"wrong_{what}"]
    assert (report["counts_checked"], report["counts_wrong"]) == (1, 0), report["wrong_counts"]
    assert office_balances(report) == []
    assert report["lost_events"] == report["duplicated_events"] == report["quarantined"] == 0
    assert report["verify"] == "ok"
    assert report["crossed_units_checked"] > 0, "a truck came under a receipt"
    assert report["late_reads"] == 0, "the world slows down rather than lose reads"
    assert 0 < report["achieved_speed"] <= settings.speed


async def test_a_unit_left_behind_is_told(settings: DemoSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: one unit of what is put away is left behind, and the books do not know."""
    scan, short, stop = Desk._scan, [], asyncio.Event()

    def one_less(self: Desk, intent: str, one: Any, quantity: int, *rest: Any, **more: Any) -> Any:
        if intent == "put_away" and not short:
            short.append(quantity)
            quantity -= 1
            stop.set()
        return scan(self, intent, one, quantity, *rest, **more)

    monkeypatch.setattr(Desk, "_scan", one_less)
    assert await run_demo(settings, stop) == 1
    assert short
    assert len(office_balances(report_of(settings))) == 2, "a unit too many in receiving, one too few in storage"
