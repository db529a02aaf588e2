"""Keyset cursors: what goes in comes out, and nothing else is taken for one."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.api import paging
from backend.api.problems import ProblemError

AT = datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


@given(TEXTS, st.integers(-(2**63) + 1, 2**63 - 1), st.datetimes(timezones=st.just(UTC)))
def test_a_cursor_holds_its_values(text: str, number: int, at: datetime) -> None:
    cursor = paging.encode("things", (text, number, at))
    assert paging.decode("things", cursor, (str, int, datetime)) == (text, number, at)


@given(st.text(max_size=60))
def test_any_other_text_is_a_problem_and_nothing_worse(text: str) -> None:
    with pytest.raises(ProblemError) as caught:
        paging.decode("things", text, (str,))
    assert caught.value.kind == "invalid-request"


def packed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        paging.encode("others", ("a", 1, AT)),
        paging.encode("things", ("a", 1)),
        paging.encode("things", ("a", "1", AT)),
        packed('["things","a",true,"2026-03-02T08:00:00+00:00"]'),
        packed('["things","a",1,"2026-03-02T08:00:00"]'),
        packed('["things","a",1,"soon"]'),
        packed('["things","a",1,"0001-01-01T00:00:00+14:00"]'),
        packed('["things","a",9223372036854775808,"2026-03-02T08:00:00+00:00"]'),
        packed('["things","a\\u0000",1,"2026-03-02T08:00:00+00:00"]'),
        packed('["things","a\\ud800",1,"2026-03-02T08:00:00+00:00"]'),
        packed('{"things":1}'),
        packed("[" * 500),
    ],
    ids=[
        "another list",
        "too short",
        "wrong kind",
        "bool",
        "no offset",
        "no time",
        "no year",
        "65 bits",
        "NUL",
        "half a pair",
        "object",
        "deep",
    ],
)
def test_cursors_of_another_make_are_refused(cursor: str) -> None:
    with pytest.raises(ProblemError):
        paging.decode("things", cursor, (str, int, datetime))


def test_a_page_names_its_last_row_only_when_there_is_more() -> None:
    rows = ["a", "b", "c"]
    keys = [(row,) for row in rows]
    full = paging.page("things", rows, 2, keys)
    assert full.rows == ["a", "b"]
    assert full.next is not None
    assert paging.decode("things", full.next, (str,)) == ("b",)
    assert paging.page("things", rows, 3, keys).next is None
    assert paging.page("things", [], 3, []).rows == []
