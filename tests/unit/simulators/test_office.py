"""The office's day: told beforehand, the same for the same seed, and no unit comes from nowhere or goes nowhere."""

from __future__ import annotations

from collections import Counter

import pytest

from simulators.api_call import ApiCall
from simulators.books import Books, ChannelTerms, Heap, Order
from simulators.errors import ScenarioError
from simulators.office import DeskScan, OfficeDay
from simulators.scenario import Office, load

START_US = 1_800_000_000_000_000


def day(seed: int = 1) -> OfficeDay:
    scenario = load("day")
    assert scenario.office is not None
    return OfficeDay(scenario, scenario.office, seed, START_US)


def played(seed: int = 1) -> tuple[OfficeDay, dict[str, list[ApiCall | DeskScan]]]:
    one = day(seed)
    return one, {site: list(desk.deeds()) for site, desk in one.desks.items()}


@pytest.mark.parametrize("seed", range(8))
def test_what_somebody_has_somebody_gave(seed: int) -> None:
    books = played(seed)[0].books
    total: Counter[str] = Counter()
    for heap, units in books.units.items():
        total[heap.sku] += units
        assert units >= 0 or heap.zone == "supplier", heap
    assert not any(total.values())
    assert sum(units for heap, units in books.units.items() if heap.zone == "in_transit") == 1, "the case that is lost"
    assert all(paper.status == "closed" for paper in books.papers.values())
    assert all(books.free(heap.site, heap.sku) >= 0 for heap in books.units)


def test_the_day_has_everything_in_it() -> None:
    one, deeds = played()
    kinds = Counter(paper.kind for paper in one.books.papers.values())
    assert kinds["receipt"] == kinds["return"] == 3
    assert (kinds["transfer"], kinds["shipment"] > 20) == (2, True)
    assert {order.channel for order in one.books.orders.values()} == {"web", "market", "social"}
    assert {order.status for order in one.books.orders.values()} == {"shipped", "cancelled", "confirmed"}
    scans = Counter(deed.scan.request.intent for each in deeds.values() for deed in each if isinstance(deed, DeskScan))
    assert set(scans) == {"receive", "put_away", "pick", "ship", "damage", "count"}
    assert {one.disposition for one in one.books.inspections} == {"damage", "scrap", "resell", "quarantine"}


def test_every_site_counts_while_goods_move_and_one_unit_is_gone() -> None:
    one, deeds = played()
    assert sorted(sheet.site for sheet in one.books.counts.values()) == ["JKT", "MDN", "SUB"]
    for code, sheet in one.books.counts.items():
        scans = [deed.scan.request for deed in deeds[sheet.site] if isinstance(deed, DeskScan)]
        counted = [scan for scan in scans if scan.document == code]
        during = scans[scans.index(counted[0]) : scans.index(counted[-1])]
        (pick,) = [scan for scan in during if scan.intent == "pick"]
        told = Counter[str]()
        for scan in counted:
            told[scan.code] += scan.quantity
        assert sum(scan.code == pick.code + counted[0].code[len(pick.code) :] for scan in counted) == 2, "in two halves"
        assert sum(told.values()) == sum(line.counted for key, line in sheet.lines.items() if key[1] == "sellable")
        assert sum(line.difference for line in sheet.lines.values()) == -1
        assert sheet.status == "approved"
        assert not {key[0] for key in sheet.lines} & {
            transfer.sku for transfer in one.office.transfers if transfer.to_site == sheet.site
        }


def test_a_desk_does_one_thing_after_the_other_and_the_same_again() -> None:
    first, again, other = played()[1], played()[1], played(2)[1]
    for site, deeds in first.items():
        instants = [deed.at_us for deed in deeds]
        assert instants == sorted(set(instants))
        assert deeds == again[site]
        assert deeds != other[site]


def test_scans_have_ids_of_their_own() -> None:
    ids = [deed.scan.request.scan_id for each in played()[1].values() for deed in each if isinstance(deed, DeskScan)]
    assert len(ids) == len(set(ids))


def test_goods_of_an_earlier_day_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"OIL-2L from an earlier day.*--fresh"):
        day().require_new(["COFFEE-250", "OIL-2L"])


def test_a_channel_leaves_alone_what_is_kept_for_others() -> None:
    books = Books({"web": ChannelTerms(3, 0), "market": ChannelTerms(0, 6)})
    books.units[Heap("a", "storage", "RICE", "L")] = 20
    books.units[Heap("a", "storage", "RICE", "L", "damaged")] = 5
    books.units[Heap("a", "in_transit", "RICE", "L")] = 5
    assert books.available("web", "a", "RICE") == 20 - 3 - 6
    assert books.available("market", "a", "RICE") == 20
    books.orders["o"] = Order("market", "a", "RICE", 4, status="confirmed")
    assert books.available("web", "a", "RICE") == 16 - 3 - 2
    books.orders["o"].status = "cancelled"
    assert books.available("market", "a", "RICE") == 20
    assert books.orders["o"].released == 4


def test_an_office_that_contradicts_itself_is_refused() -> None:
    office = load("day").office
    assert office is not None
    raw = office.model_dump()
    transfer = raw["transfers"][0]
    for wrong, said in (({"sku": "GHOST"}, "GHOST"), ({"lost": 6}, "some of it arrives")):
        with pytest.raises(ValueError, match=said):
            Office.model_validate(raw | {"transfers": [transfer | wrong]})
