"""The waits between attempts: few at once, never none, spread out, short again after a link that held."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from readers.backoff import FIRST_WAIT_S, LONGEST_WAIT_S, Backoff

CHANCES = st.integers().map(lambda seed: Random(seed).random) | st.sampled_from((lambda: 0.0, lambda: 0.999999))


@given(CHANCES)
def test_a_reader_that_refuses_is_called_at_most_ten_times_in_any_first_minute(chance: Callable[[], float]) -> None:
    backoff = Backoff(chance)
    attempts, at_s = 1, 0.0
    while True:
        wait_s = backoff.next_wait_s()
        assert FIRST_WAIT_S / 2 <= wait_s <= LONGEST_WAIT_S
        at_s += wait_s
        if at_s >= 60:
            break
        attempts += 1
    assert attempts <= 10
    rest = [backoff.next_wait_s() for _ in range(100)]
    assert min(rest) >= LONGEST_WAIT_S / 2


@given(CHANCES, st.integers(1, 20))
def test_after_a_link_that_held_the_first_wait_is_short_again(chance: Callable[[], float], failures: int) -> None:
    backoff = Backoff(chance)
    for _ in range(failures):
        backoff.next_wait_s()
    backoff.reset()
    assert backoff.next_wait_s() <= FIRST_WAIT_S


def test_a_site_full_of_readers_does_not_come_back_at_once() -> None:
    firsts = {Backoff(lambda n=number: n / 100).next_wait_s() for number in range(100)}
    assert len(firsts) == 100
