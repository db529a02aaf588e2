"""Go-back-N: window logic by itself, then with a real journal over a channel that loses, repeats and reorders."""

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.journal import JournalFile, Outgoing
from gateway.journal import Store as StoreName
from gateway.window import Window
from tests.postgres import roomy
from wire.events import EVENT, Movement

Answer = tuple[str, int, StoreName]
"""Epoch, how far it is committed, and where."""

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def sending(window: Window, count: int, now: float = 0.0) -> list[int]:
    """Send batches of ten while the window wants; their first numbers."""
    firsts = []
    while len(firsts) < count and (seq := window.wants()) is not None:
        firsts.append(seq)
        window.sent(seq + 9, now)
    return firsts


def test_the_window_is_bounded_and_slides() -> None:
    window = Window(3, 2.0, 60.0)
    assert sending(window, 9) == [1, 11, 21]
    window.answered(10, 0.1)
    assert sending(window, 9) == [31]
    window.answered(40, 0.2)
    assert window.deadline is None
    assert sending(window, 1) == [41]


def test_a_gap_leads_back_once() -> None:
    window = Window(4, 2.0, 60.0)
    sending(window, 4)
    window.answered(10, 0.1)
    window.answered(10, 0.2)  # the third batch met a missing second one
    assert window.wants() == 11
    assert sending(window, 9) == [11, 21, 31, 41]
    window.answered(10, 0.3)  # the fourth one's answer of the first time
    assert window.wants() is None
    assert window.times_back == 1


def test_answers_to_what_was_sent_twice_do_not_breed_more() -> None:
    window = Window(4, 2.0, 60.0)
    sending(window, 4)
    window.tick(2.0)  # the backend was only slow
    assert sending(window, 9) == [1], "one at a time after a silence"
    for through in (10, 20, 30, 40):
        window.answered(through, 2.1)
    sending(window, 4, now=2.2)
    window.answered(40, 2.3)  # the repeated first batch: a repeat that was owed
    assert window.times_back == 1


def test_the_answer_to_a_question_is_no_gap() -> None:
    window = Window(4, 2.0, 60.0)
    sending(window, 1)
    window.answered(10, 0.1)
    window.asked()
    sending(window, 1, now=0.2)
    window.answered(10, 0.3)
    assert window.wants() == 21
    assert window.times_back == 0
    window.answered(10, 0.4)
    assert (window.wants(), window.times_back) == (11, 1), "the next repeat is one"


def test_silence_doubles_the_timeout_up_to_its_limit() -> None:
    window = Window(4, 2.0, 10.0)
    now, waits = 0.0, []
    for _ in range(5):
        assert sending(window, 9, now)[0] == 1
        assert window.deadline is not None
        waits.append(window.deadline - now)
        window.tick(window.deadline - 0.01)
        assert window.wants() != 1 or window.deadline is not None
        now = window.deadline
        window.tick(now)
    assert waits == [2.0, 4.0, 8.0, 10.0, 10.0]
    sending(window, 9, now)
    window.answered(10, now)
    assert window.timeout_s == 2.0
    assert len(sending(window, 9, now)) == 4


def test_a_late_answer_says_nothing_and_one_from_ahead_is_believed() -> None:
    window = Window(2, 2.0, 60.0)
    sending(window, 2)
    window.answered(20, 0.1)
    window.answered(10, 0.2)
    assert (window.through, window.wants()) == (20, 21)
    window.answered(55, 0.3)
    assert window.wants() == 56


def test_a_restart_changes_the_generation() -> None:
    window = Window(2, 2.0, 60.0)
    sending(window, 2)
    before = window.generation
    window.restart(5)
    assert window.generation != before
    assert (window.wants(), window.deadline) == (6, None)


@dataclass
class Store:
    """A backend's database, `number` counting those made: its cursors and what it applied, in order."""

    number: int
    cursors: dict[str, int] = field(default_factory=dict)
    applied: list[int] = field(default_factory=list)

    def receive(self, sent: Outgoing) -> Answer:
        through = self.cursors.get(sent.epoch, 0)
        if sent.first_seq <= through + 1 and sent.last_seq > through:
            assert sent.payloads, "nothing was trimmed, so nothing may be declared lost"
            for payload in sent.payloads[through + 1 - sent.first_seq :]:
                event = EVENT.validate_json(payload)
                assert isinstance(event, Movement)
                self.applied.append(int(event.epc, 16))
            through = self.cursors[sent.epoch] = sent.last_seq
        return sent.epoch, through, StoreName(f"{self.number:08x}", self.number)

    def restored(self, number: int) -> "Store":
        return Store(number, dict(self.cursors), list(self.applied))


class LossyChannel(RuleBasedStateMachine):
    """Whatever the channel does, each store has applied 1 … n once, in order; once healed, all of it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="window-", dir=roomy()))
        self.journal = JournalFile(self.folder / "j", 1 << 30, 72.0, "refuse")
        self.window = Window(3, 2.0, 8.0)
        self.store = Store(1)
        self.backups: list[Store] = []
        self.stores = 1
        self.now = 0.0
        self.up: list[Outgoing] = []
        self.down: list[Answer] = []

    def teardown(self) -> None:
        self.heal()
        self.journal.close()
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        self.decide(5)

    @rule(count=st.integers(1, 30))
    def decide(self, count: int) -> None:
        first = self.journal.position.end + 1
        self.journal.append(
            [
                Movement(kind="arrived", epc=f"{number:024X}", zone="dock", observed_at=AT, decided_at=AT)
                for number in range(first, first + count)
            ],
            [],
            [],
        )
        self.send()

    @rule()
    def send(self) -> None:
        while (seq := self.window.wants()) is not None and seq <= self.journal.position.end:
            outgoing = self.journal.read_from(seq, 7, 1 << 20)
            assert outgoing is not None
            self.window.sent(outgoing.last_seq, self.now)
            self.up.append(outgoing)

    @precondition(lambda self: self.up)
    @rule(data=st.data(), fate=st.sampled_from(["deliver", "deliver", "deliver", "repeat", "lose"]))
    def batch_travels(self, data: st.DataObject, fate: str) -> None:
        at = data.draw(st.integers(0, len(self.up) - 1))
        batch = self.up[at] if fate == "repeat" else self.up.pop(at)
        if fate != "lose":
            self.down.append(self.store.receive(batch))

    @precondition(lambda self: self.down)
    @rule(data=st.data(), fate=st.sampled_from(["deliver", "deliver", "deliver", "repeat", "lose"]))
    def ack_travels(self, data: st.DataObject, fate: str) -> None:
        at = data.draw(st.integers(0, len(self.down) - 1))
        ack = self.down[at] if fate == "repeat" else self.down.pop(at)
        if fate != "lose":
            self.take(ack)

    def take(self, ack: Answer) -> None:
        epoch, through, store = ack
        effect = self.journal.ack(epoch, through, store, round(self.now * 1e6))
        assert effect != "new_epoch"
        if effect == "rewound":
            self.window.restart(through)
        elif effect in ("advanced", "repeated"):
            self.window.answered(through, self.now)
        self.send()

    @rule(seconds=st.sampled_from([0.5, 2.0, 9.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.window.tick(self.now)
        self.send()

    @rule()
    def probe(self) -> None:
        """What the publisher does when it is idle: repeat the last event that the backend has."""
        if self.journal.position.acked and self.window.deadline is None:
            outgoing = self.journal.read_from(self.journal.position.acked, 1, 1 << 20)
            assert outgoing is not None
            self.up.append(outgoing)

    @rule()
    def link_drops(self) -> None:
        self.up.clear()
        self.down.clear()
        self.window.restart(self.journal.position.acked)

    @rule()
    def gateway_restarts(self) -> None:
        self.journal.close()
        self.journal = JournalFile(self.folder / "j", 1 << 30, 72.0, "refuse")
        self.window = Window(3, 2.0, 8.0)
        self.window.restart(self.journal.position.acked)

    @rule()
    def backup(self) -> None:
        self.backups.append(self.store.restored(0))

    @precondition(lambda self: self.backups)
    @rule(data=st.data())
    def database_is_restored(self, data: st.DataObject) -> None:
        backup = data.draw(st.sampled_from(range(len(self.backups))))
        self.stores += 1
        self.store = self.backups[backup].restored(self.stores)

    @invariant()
    def once_and_in_order(self) -> None:
        assert self.store.applied == list(range(1, len(self.store.applied) + 1))

    def heal(self) -> None:
        for _ in range(200):
            self.send()
            self.probe()
            batches, self.up = self.up, []
            acks = self.down + [self.store.receive(batch) for batch in batches]
            self.down = []
            for ack in acks:
                self.take(ack)
            self.now += 10.0
            self.window.tick(self.now)
            if not self.up and self.store.applied == list(range(1, self.journal.position.end + 1)):
                break
        assert self.store.applied == list(range(1, self.journal.position.end + 1))


TestLossyChannel = LossyChannel.TestCase
TestLossyChannel.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
