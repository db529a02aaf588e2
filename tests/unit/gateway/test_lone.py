"""Crossings of lone tags wait for the zones inside; those of loads do not."""

from __future__ import annotations

from dataclasses import replace

from gateway.bystanders import LEAST_LOAD
from gateway.lone import LOAD_US, PATIENCE_US, QUIET_US, LoneCrossings
from gateway.movement import Decision, Finding
from gateway.tags import NEVER_US

AT_US = 1_700_000_000_000_000
SWEEP_US = 250_000


def decision(tag: int, finding: Finding = Finding.CROSSED_OUT, *, door: int = 0, belated: bool = False) -> Decision:
    return Decision(tag, finding, door, AT_US - 500_000, 0.9, 3, 1, AT_US - 2_000_000, "m/1", belated)


def told_at_us(crossed: list[Decision], sighted_until_us: int) -> dict[int, int]:
    """Which tags were told to have crossed, and how long after AT_US; zones read all of them until then."""
    now_us = AT_US
    leavers = LoneCrossings(lambda _: min(now_us, sighted_until_us))
    told = {each.tag: 0 for each in leavers.sweep(crossed, now_us)}
    while leavers.awake:
        now_us += SWEEP_US
        told |= {each.tag: now_us - AT_US for each in leavers.sweep([], now_us)}
    return told


def test_a_lone_tag_has_crossed_when_its_zone_reads_it_no_more() -> None:
    assert told_at_us([decision(1)], AT_US + 1_000_000) == {1: 1_000_000 + QUIET_US}


def test_a_lone_tag_that_its_zone_goes_on_reading_has_stayed() -> None:
    assert told_at_us([decision(1)], AT_US + PATIENCE_US) == {}


def test_where_no_zone_reads_a_tag_it_does_not_wait() -> None:
    assert told_at_us([decision(1)], NEVER_US) == {1: 0}


def test_a_load_does_not_wait_but_as_many_lone_tags_at_several_doors_do() -> None:
    tags = range(LEAST_LOAD + 1)
    assert told_at_us([decision(tag) for tag in tags], AT_US + PATIENCE_US) == dict.fromkeys(tags, 0)
    assert told_at_us([decision(tag, door=tag % 2) for tag in tags], AT_US + PATIENCE_US) == {}


def test_what_comes_in_or_is_told_late_does_not_wait() -> None:
    coming = [decision(1, Finding.CROSSED_IN), decision(2, belated=True)]
    assert told_at_us(coming, AT_US + PATIENCE_US) == {1: 0, 2: 0}


def test_a_tag_that_comes_back_in_has_not_gone() -> None:
    leavers = LoneCrossings(lambda _: AT_US)
    assert leavers.sweep([decision(1)], AT_US) == []
    back = decision(1, Finding.CROSSED_IN)
    assert leavers.sweep([back], AT_US + SWEEP_US) == [back]
    assert leavers.sweep([], AT_US + 2 * QUIET_US) == []


def test_what_a_door_tells_late_of_the_time_before_takes_nothing_back() -> None:
    leavers = LoneCrossings(lambda _: AT_US)
    went = decision(1)
    assert leavers.sweep([went], AT_US) == []
    came = Decision(1, Finding.CROSSED_IN, 1, AT_US - 60_000_000, 0.9, 3, 1, AT_US - 62_000_000, "m/1", belated=True)
    assert leavers.sweep([came], AT_US + SWEEP_US) == [came]
    assert leavers.sweep([], AT_US + QUIET_US) == [went]


def after_it_went(back: list[Decision], sighted_us: int, going: int = 1) -> dict[int, int]:
    """Which tags were told to come back, and how long after it seemed so; a load went out 2 s before."""
    now_us, last_us = AT_US, AT_US - 1_000_000
    leavers = LoneCrossings(lambda _: last_us)
    gone = [decision(tag) for tag in range(max(going, LEAST_LOAD + 1))]
    assert {each.tag for each in leavers.sweep(gone, now_us)} >= set(range(going))
    seemed_us = now_us = AT_US + 2_000_000
    back = [replace(each, observed_us=seemed_us - 500_000) for each in back]
    told = {each.tag: 0 for each in leavers.sweep(back, now_us)}
    while leavers.awake:
        now_us += SWEEP_US
        last_us = sighted_us if now_us >= sighted_us else last_us
        told |= {each.tag: now_us - seemed_us for each in leavers.sweep([], now_us)}
    return told


def test_a_lone_tag_seems_to_come_back_and_no_zone_reads_it() -> None:
    assert after_it_went([decision(1, Finding.CROSSED_IN)], AT_US + 20_000_000) == {}


def test_a_lone_tag_is_back_when_a_zone_reads_it() -> None:
    assert after_it_went([decision(1, Finding.CROSSED_IN)], AT_US + 4_000_000) == {1: 2_000_000}


def test_a_load_that_turns_back_waits_for_nothing() -> None:
    tags = range(LEAST_LOAD + 1)
    back = [decision(tag, Finding.CROSSED_IN) for tag in tags]
    assert after_it_went(back, AT_US + 20_000_000, len(tags)) == dict.fromkeys(tags, 0)


def test_where_no_zone_knew_a_tag_its_coming_back_does_not_wait() -> None:
    leavers = LoneCrossings(lambda _: NEVER_US)
    leavers.sweep([decision(1)], AT_US)
    back = replace(decision(1, Finding.CROSSED_IN), observed_us=AT_US + LOAD_US)
    assert leavers.sweep([back], AT_US + LOAD_US) == [back]
