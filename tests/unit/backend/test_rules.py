"""What movements and scans mean, as a table."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from backend.catalog.model import REAL_KINDS, VIRTUAL_KINDS, Portal, Site, Zone
from backend.effects import rules
from backend.effects.identity import Named, Unnamed, of_epc, of_scan
from backend.effects.rules import Held
from backend.effects.scanning import SCANS
from backend.ledger.model import SELLABLE, Slot
from gs1.element import parse_scan
from gs1.epc import encode_sgtin96

KEY = (datetime(2026, 3, 2, tzinfo=UTC), "g", "e", 1)
ZONES = {kind: Zone(number, 1, kind, kind) for number, kind in enumerate((*REAL_KINDS, *VIRTUAL_KINDS), 1)}
SITE = Site(1, "a", ZONES, {"d": Portal(1, 1, "d", ZONES["dock"])})


def heap(zone: str, lot: str, units: int, expires_on: date | None = None, condition: str = SELLABLE) -> Held:
    return Held(Slot(ZONES[zone].zone_id, 1, len(lot), condition), expires_on, lot, units)


def test_movements() -> None:
    seen = rules.moved("arrived", None, KEY, 5, 9)
    assert (seen.place_id, seen.unknown_id, seen.lingers, seen.leaves, seen.present) == (5, 9, True, False, True)
    out = rules.moved("crossed", "out", KEY, 5, 9)
    assert (out.place_id, out.lingers, out.leaves, out.present) == (5, False, True, False)
    back = rules.moved("crossed", "in", KEY, 5, 9)
    assert (back.place_id, back.lingers, back.leaves, back.present) == (5, False, False, True)
    gone = rules.moved("departed", None, KEY, None, 9)
    assert (gone.place_id, gone.present) == (None, False)


def test_goods_are_taken_by_zone_then_expiry_then_size() -> None:
    early, late = date(2026, 6, 1), date(2027, 6, 1)
    held = [
        heap("storage", "x", 50, early),
        heap("pick_face", "ab", 5, late),
        heap("pick_face", "abc", 5, early),
        heap("pick_face", "", 9),
        heap("pick_face", "abcd", 0, early),
        heap("pick_face", "abcde", 9, early, "damaged"),
        heap("scrap", "q", 9, early),
        heap("packing", "p", 9, early),
    ]
    found = rules.sources(SCANS["pick", ""], SITE, held, ZONES["packing"], None)
    assert [one.lot for one in found] == ["abc", "ab", "", "x"]
    assert [one.lot for one in rules.sources(SCANS["pick", ""], SITE, held, ZONES["packing"], "x")] == ["x"]
    assert [one.lot for one in rules.sources(SCANS["pick", ""], SITE, held, ZONES["pick_face"], None)] == ["x"]


def test_what_the_heaps_lack_is_owed() -> None:
    heaps = [heap("pick_face", "a", 3), heap("storage", "bb", 4)]
    owing = Slot(ZONES["pick_face"].zone_id, 1, 0, SELLABLE)
    moves = rules.take(9, heaps, owing, ZONES["packing"].zone_id, SELLABLE)
    assert [(move.taken, move.quantity) for move in moves] == [(heaps[0].slot, 3), (heaps[1].slot, 4), (owing, 2)]
    assert {move.given.zone_id for move in moves} == {ZONES["packing"].zone_id}
    assert [move.quantity for move in rules.take(2, heaps, owing, 1, SELLABLE)] == [2]


def test_what_was_promised_is_taken_first_and_owed_where_it_lies_nowhere() -> None:
    held = [heap("pick_face", "a", 5), heap("storage", "bb", 3), heap("storage", "a", 2)]
    owing = Slot(ZONES["pick_face"].zone_id, 1, 0, SELLABLE)
    found = rules.promised_first(held, {2: 2, 1: 6, 3: 4, 4: 0}, owing)
    assert [(one.slot.zone_id, one.slot.lot_id, one.units) for one in found] == [
        (ZONES["pick_face"].zone_id, 1, 5),
        (ZONES["storage"].zone_id, 2, 2),
        (ZONES["storage"].zone_id, 1, 1),
        (ZONES["storage"].zone_id, 2, 1),
        (ZONES["storage"].zone_id, 1, 1),
        (ZONES["pick_face"].zone_id, 3, 4),
    ]


def test_what_breaks_is_the_lot_that_lies_there() -> None:
    held = [heap("storage", "ab", 5), heap("storage", "abc", 2), heap("pick_face", "x", 3), heap("storage", "q", 0)]
    held += [heap("customer", "abcd", 9)]
    lies = rules.lot_that_lies(SITE, ZONES["pick_face"], held)
    assert isinstance(lies, Held)
    assert lies.lot == "x"
    several = rules.lot_that_lies(SITE, ZONES["storage"], [*held, heap("storage", "", 4)])
    assert "several lots, without a lot (4), ab (5), abc (2): scan the code with its lot" in str(several)
    assert "no lot of these goods, site a holds ab, abc, x: say which" in str(
        rules.lot_that_lies(SITE, ZONES["dock"], held)
    )
    assert "nor does site a: say which" in str(rules.lot_that_lies(SITE, ZONES["dock"], []))


def test_the_zone_that_owes_is_the_likeliest() -> None:
    assert rules.fallback(SCANS["pick", ""], SITE, ZONES["packing"]).kind == "pick_face"
    assert rules.fallback(SCANS["pick", ""], SITE, ZONES["pick_face"]).kind == "storage"
    bare = Site(1, "a", {kind: ZONES[kind] for kind in VIRTUAL_KINDS}, {})
    assert rules.fallback(SCANS["pick", ""], bare, None).kind == "unknown"


@pytest.mark.parametrize("filter_value", [0, 1, 5])
@pytest.mark.parametrize("company_digits", [6, 7, 12])
def test_a_label_and_every_tag_of_a_thing_have_one_identity(filter_value: int, company_digits: int) -> None:
    epc = encode_sgtin96("09506000134352", 42, company_digits, filter_value)
    label = of_scan(parse_scan("(01)09506000134352(21)42"))
    assert of_epc(epc) == label == Named("sgtin", "(01)09506000134352(21)42", "09506000134352")


@pytest.mark.parametrize(
    ("epc", "cause"),
    [
        ("AD380100B2C3D4E5F6071829", "bad_epc"),
        ("00", "bad_epc"),
        ("35000000000000000000000B", "not_counted:gid"),
    ],
)
def test_what_names_nothing_to_count(epc: str, cause: str) -> None:
    found = of_epc(bytes.fromhex(epc))
    assert isinstance(found, Unnamed)
    assert found.cause == cause


def test_a_gtin_alone_names_no_single_thing() -> None:
    assert of_scan(parse_scan("09506000134352")) is None
    named = of_scan(parse_scan("(00)095060001343520000"))
    assert named is not None
    assert named.kind == "sscc"
