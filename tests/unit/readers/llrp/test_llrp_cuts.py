"""A link that is reset at every byte of the handshake, in either direction, or falls silent at any message of it: the
session says so, and the next one on the same reader inventories, with one ROSpec of ours and no other.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from readers.errors import LinkLostError
from readers.llrp.exchange import ANSWER_TIMEOUT_S
from readers.llrp.requests import GpiTrigger, InventoryPlan
from readers.llrp.steps import VERSION_PATIENCE_S, Phase
from readers.llrp.vendor import IMPINJ
from readers.read import ReaderState
from tests.scripted_reader import ScriptedReader, Talk

PLAN = InventoryPlan(antennas=(1, 2))
ARMED = InventoryPlan(antennas=(1, 2), start=GpiTrigger(1), run_ms=1000)


class Budget:
    """Lets so many bytes of one direction pass; `spent` afterwards."""

    def __init__(self, spare: int) -> None:
        self.spare = spare
        self.spent = False

    def __call__(self, data: bytes) -> bytes:
        if self.spent:
            return b""
        passed = data[: self.spare]
        self.spare -= len(passed)
        self.spent = len(passed) < len(data)
        return passed


def new_reader(versions: tuple[int, ...] = (1, 2)) -> ScriptedReader:
    return ScriptedReader(vendor=IMPINJ, gpis=1, versions=versions)


def shake(talk: Talk, down: Callable[[bytes], bytes], up: Callable[[bytes], bytes]) -> None:
    """A handshake whose bytes go through `down` and `up`."""
    talk.say(down(talk.reader.connect()))
    while talk.sent:
        data, talk.sent = talk.sent, b""
        talk.say(down(talk.reader.hear(up(data))))


def handshake_bytes(direction: str) -> int:
    whole = Budget(1 << 20)
    talk = Talk(PLAN, new_reader())
    shake(talk, *((whole, bytes) if direction == "down" else (bytes, whole)))
    assert talk.session.phase is Phase.INVENTORYING
    return (1 << 20) - whole.spare


@pytest.mark.parametrize("plan", [PLAN, ARMED], ids=["always", "photo-eye"])
@pytest.mark.parametrize("direction", ["down", "up"])
def test_reset_at_every_byte_of_the_handshake(direction: str, plan: InventoryPlan) -> None:
    step = 1 if plan is PLAN else 7
    for spare in range(0, handshake_bytes(direction), step):
        reader, budget = new_reader(), Budget(spare)
        talk = Talk(plan, reader)
        shake(talk, *((budget, bytes) if direction == "down" else (bytes, budget)))
        talk.events += talk.session.connection_lost("reset by peer")
        assert isinstance(talk.session.failure, LinkLostError), spare
        assert talk.session.next_deadline_s() is None
        talk.events.clear()
        talk.reconnect()
        talk.run()
        assert talk.session.is_ready, spare
        assert list(reader.rospecs) == [talk.session.rospec_id], spare
        assert len([event for event in talk.events if isinstance(event, ReaderState)]) == 1, spare


def silent_at() -> list[str]:
    talk = Talk(PLAN, new_reader())
    talk.run()
    return [message.name for message in talk.asked if message.name != "ENABLE_EVENTS_AND_REPORTS"]


@pytest.mark.parametrize("asked", ["nothing", *dict.fromkeys(silent_at())])
def test_silence_at_every_stage_is_noticed_in_its_time(asked: str) -> None:
    reader = new_reader()
    reader.ignores.add(asked)
    talk = Talk(PLAN, reader)
    began_s = talk.now_s
    if asked != "nothing":
        talk.run()
    while not talk.session.closed and not talk.session.is_ready:
        due_s = talk.session.next_deadline_s()
        assert due_s is not None
        talk.wait(due_s - talk.now_s)
        if asked != "nothing":
            talk.pump()
    if asked == "GET_SUPPORTED_VERSION":
        assert talk.session.phase is Phase.INVENTORYING
        assert talk.now_s - began_s == pytest.approx(VERSION_PATIENCE_S)
        return
    assert isinstance(talk.session.failure, LinkLostError)
    assert talk.now_s - began_s <= ANSWER_TIMEOUT_S + 1e-6
    reader.ignores.clear()
    talk.reconnect()
    talk.run()
    assert talk.session.is_ready
    assert list(reader.rospecs) == [talk.session.rospec_id]


def test_silence_while_inventorying_is_noticed_after_two_keepalives() -> None:
    talk = Talk(PLAN, new_reader())
    talk.run()
    began_s = talk.now_s
    while not talk.session.closed:
        due_s = talk.session.next_deadline_s()
        assert due_s is not None
        talk.wait(due_s - talk.now_s)
    assert talk.now_s - began_s == pytest.approx(2 * PLAN.keepalive_ms / 1000)


@pytest.mark.parametrize("cut", [lambda data: data[:-1], lambda data: data[: len(data) // 2], lambda data: data[:1]])
def test_every_half_answer_dies_with_its_connection(cut: Callable[[bytes], bytes]) -> None:
    for turns in range(12):
        talk = Talk(PLAN, new_reader())
        data = talk.reader.connect()
        for _ in range(turns):
            talk.say(data)
            data, talk.sent = talk.reader.hear(talk.sent), b""
        if not data:
            break
        talk.say(cut(data))
        talk.session.connection_lost("the reader closed the connection")
        talk.reconnect()
        talk.run()
        assert talk.session.is_ready
        assert talk.session.damaged == 0
