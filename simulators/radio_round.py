"""Gen2 inventory while one antenna is on: rounds of 2^Q slots, collisions, capture, Q that follows the crowd. Pure.

A round opens with a Query that names Q; each tag that takes part draws one of 2^Q slots. A slot with one tag gives a
read; where several answer the strongest is heard if it outweighs the others together (capture), else none; who was
not read answers in the next round. The reader sets Q for it by the number of collisions (Schoute: 2.39 tags in each, at
the best frame length). Rounds follow until nobody answers or the antenna's time is up.

Slot times from a recorded dock door (consecutive reads lie 1.04 ms apart at least) and, for the start of a visit,
Tagwatch's law of inventory time (19 ms on an R420); the standard leaves Q's control to the maker.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

FIRST_Q: Final = 5
"""A reader set to a population of 32."""
MOST_Q: Final = 15
TAGS_IN_A_COLLISION: Final = 2.39

START_US: Final = 19_000
QUERY_US: Final = 700.0
EMPTY_US, READ_US, COLLISION_US = 150.0, 1_040.0, 450.0

CAPTURE_SHARE: Final = 0.9
"""Of the power in a slot: about 10 dB above all others."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def inventory(
    rssi_dbm: Floats, decoded: Floats, start_us: int, end_us: int, chance: np.random.Generator
) -> tuple[Ints, Ints]:
    """Which of the tags that take part are read, and when (microseconds), in order of time.

    `rssi_dbm` is their level at the reader, `decoded` the probability that an answer without a collision is understood.
    """
    waiting = np.arange(len(rssi_dbm))
    power = 10.0 ** (rssi_dbm / 10)
    now_us, q = float(start_us + START_US), FIRST_Q
    rows: list[Ints] = []
    times: list[Floats] = []
    while len(waiting) and now_us < end_us:
        slot = chance.integers(0, 1 << q, len(waiting))
        answers = np.bincount(slot, minlength=1 << q)
        in_slot = np.bincount(slot, weights=power[waiting], minlength=1 << q)
        heard = power[waiting] >= CAPTURE_SHARE * in_slot[slot]
        heard &= chance.random(len(waiting)) < decoded[waiting]
        collided = answers > 1
        collided[slot[heard]] = False
        spent_us = np.where(collided, COLLISION_US, np.where(answers > 0, READ_US, EMPTY_US))
        ends_us = now_us + QUERY_US + np.cumsum(spent_us)
        rows.append(waiting[heard])
        times.append(ends_us[slot[heard]])
        waiting, now_us = waiting[~heard], float(ends_us[-1])
        left = max(1.0, TAGS_IN_A_COLLISION * int(np.count_nonzero(collided)))
        q = min(MOST_Q, round(float(np.log2(left))))
    if not rows:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    read, at_us = np.concatenate(rows), np.concatenate(times).astype(np.int64)
    order = np.argsort(at_us, kind="stable")
    order = order[at_us[order] < end_us]
    return read[order], at_us[order]
