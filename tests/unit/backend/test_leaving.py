"""What leaves and comes back within one transaction has done neither."""

from __future__ import annotations

from itertools import groupby

from hypothesis import given
from hypothesis import strategies as st

from backend.documents.model import Back, Left
from backend.ingest.leaving import Gone, lasting
from tests.house import at


def out(seconds: float, item_id: int | None = 1, document_id: int = 7) -> Gone:
    return Gone(item_id, at(seconds), Left(document_id, 1, 1, 1, 1))


def back(seconds: float, item_id: int = 1, document_id: int = 7) -> Back:
    return Back(document_id, item_id, at(seconds), Left(document_id, 1, 1, 1, 1))


def test_what_undoes_each_other_is_taken_away() -> None:
    assert lasting([out(1)], [back(2)]) == ([], [])
    assert lasting([out(1), out(3)], [back(2)]) == ([out(3)], [])
    assert lasting([out(2)], [back(1)]) == ([out(2)], [back(1)])
    assert lasting([out(2), out(4)], [back(1), back(3), back(5)]) == ([], [back(1)])


def test_other_things_documents_and_units_undo_nothing() -> None:
    gone = [out(1, None), out(1, 2), out(1, 1, 8)]
    left, turned = lasting(gone, [back(2)])
    assert (sorted(left, key=str), turned) == (sorted(gone, key=str), [back(2)])


@given(st.lists(st.booleans(), max_size=12), st.booleans())
def test_a_thing_that_crosses_to_and_fro_ends_as_its_crossings_do(ways: list[bool], was_out: bool) -> None:
    """`ways`: True is out; a thing that is out cannot leave, one that is in cannot come back."""
    taken = [way for way, _ in groupby(ways)]
    if taken and taken[0] == was_out:
        taken = taken[1:]
    gone = [out(seconds) for seconds, way in enumerate(taken) if way]
    came = [back(seconds) for seconds, way in enumerate(taken) if not way]
    left, turned = lasting(gone, came)
    assert len(turned) == (was_out and bool(taken))
    assert len(left) == bool(taken and taken[-1])
