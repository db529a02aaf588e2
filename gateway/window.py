"""Which events to send now, and when to send them again: go-back-N over numbered events (pure).

Every batch, also a repeated or a gapped one, is answered with how far the backend is (`through`). Batches are sent one
after another, at most `size` unanswered. Three things lead back to `through + 1`:

    an answer that repeats `through` while batches are in flight    a batch before the answered one is missing:
                                                                    go back, once for each `through`
    no answer within the timeout                                    go back; the timeout doubles up to `retry_max_s`,
                                                                    and one batch at a time is tried until one is heard
    the link came back, the store changed, a new epoch began        start afresh

What was sent again may be answered twice; the second answer repeats `through` as well and must not lead back again, or
each repetition would breed the next. So answers still owed to the batches given up are counted, and as many repeats
are not taken for a gap. Should a real one hide among them, the timeout finds it.

Times are seconds of any clock that does not jump, passed in.
"""

from __future__ import annotations

from collections import deque


class Window:
    """The state of one gateway's sending. `through`: the backend has everything up to here; `next_seq`: to be sent."""

    def __init__(self, size: int, retry_s: float, retry_max_s: float) -> None:
        self.through = 0
        self.next_seq = 1
        self.generation = 0
        """Changes whenever the window went back: what was read from the journal before is not to be sent any more."""
        self.times_back = 0
        self._size = size
        self._retry_s = retry_s
        self._retry_max_s = retry_max_s
        self._in_flight: deque[int] = deque()
        self._went_back_for = -1
        self._repeats_owed = 0
        self._silences = 0
        self.deadline: float | None = None
        """When silence has lasted too long; None while nothing is in flight."""

    def restart(self, through: int) -> None:
        """Forget what is in flight and begin at `through + 1`."""
        self._went_back_for = -1
        self._silences = 0
        self.through = through
        self._go_back(answered=0)

    def wants(self) -> int | None:
        """The number to send from, or None while enough is in flight."""
        return self.next_seq if len(self._in_flight) < (1 if self._silences else self._size) else None

    def sent(self, last_seq: int, now: float) -> None:
        """A batch from `next_seq` to `last_seq` is on its way."""
        self._in_flight.append(last_seq)
        self.next_seq = last_seq + 1
        if self.deadline is None:
            self.deadline = now + self.timeout_s

    def answered(self, through: int, now: float) -> None:
        """The backend said how far it is. An answer below `through` is late and says nothing."""
        if through > self.through:
            self._advance(through, now)
        elif through == self.through:
            if self._repeats_owed:
                self._repeats_owed -= 1
            elif self._in_flight and self._went_back_for != through:
                self._went_back_for = through
                self.times_back += 1
                self._go_back(answered=1)

    def asked(self) -> None:
        """Something that the backend has was sent once more: its answer will repeat `through` and is no gap."""
        self._repeats_owed += 1

    def tick(self, now: float) -> None:
        """Go back when the answer is overdue."""
        if self.deadline is not None and now >= self.deadline:
            self._silences += 1
            self._went_back_for = self.through
            self.times_back += 1
            self._go_back(answered=0)

    @property
    def timeout_s(self) -> float:
        """How long to wait for the next answer."""
        return min(self._retry_s * 2.0 ** min(self._silences, 30), self._retry_max_s)

    def _advance(self, through: int, now: float) -> None:
        self.through = through
        self._silences = 0
        while self._in_flight and self._in_flight[0] <= through:
            self._in_flight.popleft()
        self.next_seq = max(self.next_seq, through + 1)
        self.deadline = now + self.timeout_s if self._in_flight else None

    def _go_back(self, answered: int) -> None:
        self._repeats_owed = max(0, len(self._in_flight) - answered)
        self._in_flight.clear()
        self.next_seq = self.through + 1
        self.deadline = None
        self.generation += 1
