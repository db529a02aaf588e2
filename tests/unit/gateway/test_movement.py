"""The table of states, and the rows that carry a state over a restart."""

from __future__ import annotations

import pytest

from gateway.config import GatewayConfig
from gateway.coverage import Coverage
from gateway.movement import (
    HABIT_SIZE,
    TABLE,
    Book,
    Decision,
    Finding,
    State,
    StoredState,
    pack_state,
    unpack_state,
)
from gateway.tags import Tags
from readers.read import EpcTable, from_us

CONFIG = GatewayConfig.model_validate(
    {
        "site": "s",
        "gateway": "g",
        "zones": [{"code": "a"}, {"code": "b"}],
        "portals": [{"code": "d", "inside_zone": "b"}],
        "readers": [
            {
                "name": "r",
                "address": "x",
                "antennas": [
                    {"port": 1, "zone": "a"},
                    {"port": 4, "zone": "a"},
                    {"port": 2, "zone": "b"},
                    {"port": 3, "portal": "d", "side": "in"},
                ],
            }
        ],
    }
)
AT = 1_700_000_000_000_000


@pytest.fixture
def book() -> tuple[Book, Tags]:
    epcs = EpcTable()
    epcs.number(b"\xaa" * 12)
    tags = Tags(epcs, (), ())
    tags.grow()
    return Book(tags, Coverage(CONFIG), epcs), tags


def decision(finding: Finding, where: int, at_us: int = AT, antennas: int = 1) -> Decision:
    return Decision(0, finding, where, at_us, 0.9, 3, antennas, at_us - 1000, "m/1")


def test_a_tag_walks_the_table(book: tuple[Book, Tags]) -> None:
    entered, tags = book
    walk = [
        (Finding.SETTLED, 0, "arrived", State.PRESENT, 0),
        (Finding.SETTLED, 1, "moved", State.PRESENT, 1),
        (Finding.CROSSED_OUT, 0, "crossed", State.OUT, -1),
        (Finding.CROSSED_IN, 0, "crossed", State.PRESENT, 1),
        (Finding.SILENT, 1, "departed", State.ABSENT, -1),
        (Finding.CROSSED_OUT, 0, "crossed", State.OUT, -1),
        (Finding.SETTLED, 0, "arrived", State.PRESENT, 0),
    ]
    for step, (finding, where, kind, state, place) in enumerate(walk):
        movement = entered.enter(decision(finding, where, AT + step), AT + step + 5)
        assert movement is not None
        assert (movement.kind, tags.state[0], tags.place[0]) == (kind, state, place)
        assert movement.decided_at > movement.observed_at


def test_a_movement_names_places_and_evidence(book: tuple[Book, Tags]) -> None:
    entered, _ = book
    arrived = entered.enter(decision(Finding.SETTLED, 0, antennas=0b11), AT + 50_000)
    moved = entered.enter(decision(Finding.SETTLED, 1), AT + 50_000)
    crossed = entered.enter(decision(Finding.CROSSED_OUT, 0), AT + 50_000)
    assert arrived is not None
    assert moved is not None
    assert crossed is not None
    assert arrived.evidence is not None
    assert arrived.evidence.antennas == ("r/1", "r/4")
    assert (moved.from_zone, moved.zone) == ("a", "b")
    assert (crossed.portal, crossed.direction, crossed.zone) == ("d", "out", None)


def test_a_movement_is_no_older_than_the_one_it_replaces(book: tuple[Book, Tags]) -> None:
    entered, tags = book
    entered.enter(decision(Finding.SETTLED, 0, AT + 40_000), AT + 50_000)
    crossed = entered.enter(decision(Finding.CROSSED_IN, 0, AT), AT + 250_000)
    assert crossed is not None
    assert crossed.evidence is not None
    assert crossed.observed_at == from_us(AT + 40_000)
    assert crossed.evidence.last_at == from_us(AT)
    assert tags.place[0] == 1
    assert tags.decided_at_us[0] == AT + 40_000


@pytest.mark.parametrize("state", [State.ABSENT, State.OUT])
def test_silence_means_nothing_for_a_tag_that_is_nowhere(book: tuple[Book, Tags], state: State) -> None:
    entered, tags = book
    tags.state[0] = state
    assert entered.enter(decision(Finding.SILENT, 0), AT) is None
    assert tags.state[0] == state


def test_every_state_knows_every_crossing_and_every_place() -> None:
    for state in State:
        for finding in (Finding.SETTLED, Finding.CROSSED_IN, Finding.CROSSED_OUT):
            assert (state, finding) in TABLE


def test_a_row_comes_back_as_it_was_written() -> None:
    habit = (1.5, 4.0, *[0.25] * (HABIT_SIZE - 2))
    for stored in (StoredState(State.PRESENT, "a", AT, AT - 5, habit), StoredState(State.OUT, None, AT, AT - 5, None)):
        fields = (stored.state, stored.zone, stored.seen_us, stored.decided_us, stored.habit)
        assert unpack_state(pack_state(*fields)) == stored


@pytest.mark.parametrize("habit", ["[1.7,11.9,4]", "[0,0,0,0,0]", "null", "[2,-4,1,1,1]"])
def test_a_habit_learnt_by_another_method_is_left_out(habit: str) -> None:
    stored = unpack_state(f'{{"s":1,"z":"a","t":{AT},"d":{AT},"h":{habit},"g":[1.7,11.9,4]}}')
    assert (stored.state, stored.zone, stored.habit) == (State.PRESENT, "a", None)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"s":9,"z":null,"t":0,"d":0,"h":null}'])
def test_a_row_of_someone_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"stored state|Expecting|not a valid State"):
        unpack_state(text)
