"""Codes to scans: commands, double triggers, refusals; and whatever comes, an id is given once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from readers.barcode.session import Commanded, Counted, Refused, Repeated, ScanContext, ScanSession

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
EAN, OTHER = "]E09506000134352", "96385074"


def session(repeat_ms: int = 500, **defaults: object) -> ScanSession:
    ids = count(1)
    return ScanSession(ScanContext.model_validate(defaults), lambda: f"s{next(ids)}", repeat_ms)


def ready(repeat_ms: int = 500) -> ScanSession:
    return session(repeat_ms, operator="dewi", intent="receive", zone="dock")


def at(ms: float) -> datetime:
    return START + timedelta(milliseconds=ms)


def counted(meaning: object) -> Counted:
    assert isinstance(meaning, Counted), meaning
    return meaning


def test_a_code_is_a_scan_as_the_configuration_says() -> None:
    request = counted(ready().read(EAN + "\r\n", at(0))).request
    assert (request.scan_id, request.operator, request.intent, request.zone) == ("s1", "dewi", "receive", "dock")
    assert (request.code, request.scanned_at, request.quantity) == (EAN, START, 1)


def test_a_double_trigger_is_one_scan_and_a_later_one_another() -> None:
    one = ready()
    assert counted(one.read(EAN, at(0))).request.scan_id == "s1"
    assert one.read(EAN, at(500)) == Repeated("s1")
    assert counted(one.read(EAN, at(501))).request.scan_id == "s2"
    assert counted(one.read(OTHER, at(502))).request.scan_id == "s3"
    assert one.read(EAN, at(503)) == Repeated("s2")


def test_a_clock_set_back_makes_no_repeat() -> None:
    one = ready()
    counted(one.read(EAN, at(0)))
    counted(one.read(EAN, at(-100)))


def test_commands_hold_until_changed_or_reset() -> None:
    one = ready()
    assert isinstance(one.read("]C0TM:intent=pick;document=SO-1", at(0)), Commanded)
    first = counted(one.read(EAN, at(1000))).request
    assert (first.intent, first.document, first.operator) == ("pick", "SO-1", "dewi")
    assert isinstance(one.read("TM:operator=ani", at(1100)), Commanded)
    second = counted(one.read(EAN, at(1200))).request
    assert (second.intent, second.operator) == ("pick", "ani"), "a command between makes two scans"
    assert isinstance(one.read("TM:reset", at(1300)), Commanded)
    assert counted(one.read(EAN, at(1400))).request.intent == "receive"


def test_quantity_lot_reason_and_photo_are_for_the_next_scan_alone() -> None:
    one = ready()
    one.read("TM:quantity=12", at(0))
    one.read("TM:lot=L7", at(1))
    one.read("TM:reason=fell;photo=cam/17", at(1.5))
    first = counted(one.read(EAN, at(2))).request
    assert (first.quantity, first.lot, first.reason, first.photo) == (12, "L7", "fell", "cam/17")
    second = counted(one.read(OTHER, at(3))).request
    assert (second.quantity, second.lot, second.reason, second.photo) == (1, None, None, None)


def test_a_refused_code_keeps_the_quantity_for_its_next_try() -> None:
    one = ready()
    one.read("TM:quantity=12", at(0))
    assert isinstance(one.read("9506000134353", at(1)), Refused)
    assert counted(one.read(EAN, at(2))).request.quantity == 12


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("TM:intent=steal", "intent"),
        ("TM:colour=red", "no command 'colour=red'"),
        ("TM:", "no command"),
        ("TM:zone=a b", "zone"),
        ("TM:quantity=0", "quantity"),
        ("TM:intent=pick;operator=", "operator"),
    ],
)
def test_a_bad_command_is_refused_and_changes_nothing(command: str, says: str) -> None:
    one = ready()
    meaning = one.read(command, at(0))
    assert isinstance(meaning, Refused)
    assert says in meaning.reason
    assert one.context == ready().context


def test_without_operator_or_intent_nothing_counts() -> None:
    one = session()
    meaning = one.read(EAN, at(0))
    assert isinstance(meaning, Refused)
    assert "operator and intent not set: scan TM:operator=" in meaning.reason
    one.read("TM:operator=dewi", at(1))
    one.read("TM:intent=count", at(2))
    counted(one.read(EAN, at(3)))


@pytest.mark.parametrize(
    ("code", "says"),
    [("hello", "hello"), ("9506000134353", "check digit"), ("]C101095060001343523748", "(01) and (37)")],
)
def test_a_code_that_is_none_is_refused_at_once(code: str, says: str) -> None:
    meaning = ready().read(code, at(0))
    assert isinstance(meaning, Refused)
    assert says in meaning.reason


CODES = [EAN, OTHER, "hello", "TM:intent=pick", "TM:reset", "TM:quantity=3", "TM:x", "TM:operator=ani"]


@given(st.lists(st.tuples(st.sampled_from(CODES), st.integers(0, 800)), max_size=40), st.sampled_from([0, 500]))
def test_whatever_is_read_ids_are_new_and_repeats_are_near(readings: list[tuple[str, int]], repeat_ms: int) -> None:
    one, now_ms = session(repeat_ms, operator="dewi"), 0
    given_ids: dict[str, tuple[str, int]] = {}
    for code, gap_ms in readings:
        now_ms += gap_ms
        before = one.context
        meaning = one.read(code, at(now_ms))
        if isinstance(meaning, Counted):
            assert meaning.request.scan_id not in given_ids
            assert before.intent is not None
            given_ids[meaning.request.scan_id] = code, now_ms
        elif isinstance(meaning, Repeated):
            first_code, first_ms = given_ids[meaning.scan_id]
            assert first_code == code
            assert now_ms - first_ms <= repeat_ms
        elif isinstance(meaning, Refused):
            assert meaning.reason
            assert one.context == before
        else:
            assert code.startswith("TM:")


@given(st.text(max_size=60))
def test_any_text_means_something(text: str) -> None:
    assert isinstance(ready().read(text, START), Counted | Refused | Commanded)
