"""The fold over observations and the postings that follow it, by example; the property test has the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from backend.effects.observation import LINGER, Goods, Observation
from backend.effects.timeline import Change, State, advance, fold, is_late, ledger, splice
from backend.ledger.model import SELLABLE, Slot

START = datetime(2026, 3, 2, tzinfo=UTC)
BOX = Goods(7, 8, 12)
UNKNOWN, SUPPLIER, DOCK, RACK, TRANSIT = 1, 2, 10, 11, 20
NOWHERE = State(None, BOX)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def read(seconds: float, zone: int, gateway: str = "g") -> Observation:
    return Observation((at(seconds), gateway, "e", int(seconds)), zone, UNKNOWN, lingers=True, present=True)


def left(seconds: float) -> Observation:
    return Observation((at(seconds), "g", "e", int(seconds)), TRANSIT, UNKNOWN, leaves=True, present=False)


def gone(seconds: float) -> Observation:
    return Observation((at(seconds), "g", "e", int(seconds)), present=False)


def moves(changes: list[Change]) -> list[tuple[datetime, int, int, int]]:
    return [(one.at, one.taken.zone_id, one.given.zone_id, one.quantity) for one in changes]


def test_the_first_place_takes_from_the_unknown_of_its_site() -> None:
    state, changes = advance(NOWHERE, [read(0, DOCK)])
    assert (state.place_id, state.origin_id, state.present) == (DOCK, UNKNOWN, True)
    assert moves(changes) == [(at(0), UNKNOWN, DOCK, 12)]


def test_an_announced_thing_comes_from_its_supplier() -> None:
    _, changes = advance(NOWHERE._replace(origin_id=SUPPLIER), [read(0, DOCK)])
    assert moves(changes) == [(at(0), SUPPLIER, DOCK, 12)]


def test_a_thing_without_sku_has_a_place_and_no_postings() -> None:
    state, changes = advance(State(None, None), [read(0, DOCK), read(5, RACK)])
    assert (state.place_id, changes) == (RACK, [])


def test_departed_moves_nothing() -> None:
    state, changes = advance(NOWHERE, [read(0, DOCK), gone(9)])
    assert (state.place_id, state.present, len(changes)) == (DOCK, False, 1)
    assert state.key == gone(9).key


def test_reads_count_again_once_they_persist_beyond_the_crossing() -> None:
    lingering = LINGER.total_seconds()
    state, _ = advance(NOWHERE, [left(100), read(100 + lingering - 1, DOCK)])
    assert (state.place_id, state.left_at) == (TRANSIT, at(100))
    state, _ = advance(state, [read(100 + lingering, DOCK)])
    assert (state.place_id, state.left_at) == (DOCK, None)


def test_a_late_read_before_a_move_goes_in_and_out() -> None:
    known = [read(0, DOCK), read(100, RACK)]
    state = fold(NOWHERE, known)
    late = read(50, TRANSIT)
    assert is_late(state, [late])
    after, changes = splice(NOWHERE, known, [late])
    assert after == state
    assert moves(changes) == [(at(50), DOCK, TRANSIT, 12), (at(100), TRANSIT, DOCK, 12)]


def test_a_late_read_of_the_same_place_posts_nothing() -> None:
    known = [read(0, DOCK), read(100, RACK)]
    assert splice(NOWHERE, known, [read(50, DOCK)])[1] == []


def test_a_late_crossing_takes_back_a_read_that_lingered() -> None:
    known = [read(0, DOCK), read(105, RACK)]
    state, changes = splice(NOWHERE, known, [left(100)])
    assert state.place_id == TRANSIT
    assert moves(changes) == [(at(100), DOCK, TRANSIT, 12), (at(105), RACK, DOCK, 12)]


def test_a_late_first_place_at_another_site_moves_the_origin() -> None:
    other_site = Observation((at(0), "h", "e", 1), 30, 3, lingers=True, present=True)
    state, changes = splice(NOWHERE, [read(50, DOCK)], [other_site])
    assert state.origin_id == 3
    assert moves(changes) == [(at(0), 3, 30, 12), (at(50), 30, UNKNOWN, 12)]


def test_a_document_binds_what_is_there_to_another_sku() -> None:
    bound = Observation((at(60), "", "", 1), goods=Goods(70, 80, 1), origin_id=SUPPLIER)
    _, changes = advance(NOWHERE, [read(0, DOCK), bound])
    after = [(one.taken, one.given, one.quantity) for one in changes[1:]]
    assert after == [
        (Slot(DOCK, 7, 8, SELLABLE), Slot(UNKNOWN, 7, 8, SELLABLE), 12),
        (Slot(SUPPLIER, 70, 80, SELLABLE), Slot(DOCK, 70, 80, SELLABLE), 1),
    ]


def test_damage_changes_the_condition_in_its_place() -> None:
    damaged = Observation((at(60), "g", "e", 60), condition="damaged")
    state, changes = advance(NOWHERE, [read(0, DOCK), damaged, read(70, RACK)])
    assert [(one.taken.condition, one.given.condition) for one in changes] == [
        (SELLABLE, SELLABLE),
        (SELLABLE, "damaged"),
        ("damaged", "damaged"),
    ]
    assert ledger(state) == {Slot(RACK, 7, 8, "damaged"): 12, Slot(UNKNOWN, 7, 8, SELLABLE): -12}
