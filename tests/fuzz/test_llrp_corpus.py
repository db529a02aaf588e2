"""The fuzzer's hard inputs, those that once failed, and a few thousand mutants, through every target."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from readers.errors import FrameError
from readers.llrp.codec import Framer
from tests.fuzz import run
from tests.fuzz.corpus import found_inputs, good_frames, hard_inputs, lying_lengths, reports
from tests.fuzz.mutation import Mutator
from tests.fuzz.targets import MAX_INPUT_BYTES, MAX_INPUT_MIB, TARGETS, BrokenPromiseError

HARD = hard_inputs() | found_inputs()
MUTANTS = 3_000
MIB = 1 << 20


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("target", TARGETS)
def test_a_hard_input_keeps_every_promise(target: str, name: str) -> None:
    data = HARD[name]
    assert len(data) <= MAX_INPUT_BYTES
    tracemalloc.start()
    try:
        result = TARGETS[target].parse(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= MAX_INPUT_MIB * MIB
    TARGETS[target].judge(data, result)


@pytest.mark.parametrize("target", TARGETS)
def test_mutants_keep_every_promise(target: str) -> None:
    mutator = Mutator(reports() if target == "report" else good_frames(), seed=20)
    parsed = 0
    for _ in range(MUTANTS):
        data = mutator.make()
        result = TARGETS[target].parse(data)
        TARGETS[target].judge(data, result)
        parsed += result is not None
    assert parsed > MUTANTS / 10, "most mutants are refused at once: the damage hides what is behind it"


def test_a_lying_header_is_refused_before_anything_is_kept() -> None:
    for name in ("0", "5", "9", "1048577", "4294967295"):
        framer = Framer()
        with pytest.raises(FrameError):
            framer.feed(lying_lengths()[f"a header that claims {name} bytes"])
        assert framer.pending == 0


def test_the_same_seed_makes_the_same_inputs() -> None:
    first, again, other = (Mutator(good_frames(), seed) for seed in (1, 1, 2))
    made = [first.make() for _ in range(50)]
    assert made == [again.make() for _ in range(50)]
    assert made != [other.make() for _ in range(50)]


class Unkempt:
    """A target that breaks its promise on one byte."""

    def parse(self, data: bytes) -> bytes:
        return data

    def judge(self, data: bytes, result: object) -> None:
        if b"\x8d" in data:
            raise BrokenPromiseError("an EPC")


def test_the_run_stops_at_a_failure_shows_it_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "FOUND", tmp_path / "found")
    monkeypatch.setattr(run, "TARGETS", {"unkempt": Unkempt()})
    assert run.fuzz(1000, seed=1) == 1
    [kept] = (tmp_path / "found").glob("unkempt-*.hex")
    assert b"\x8d" in bytes.fromhex(kept.read_text())
    assert kept.read_text().strip() in capsys.readouterr().out


def test_a_run_without_failures_says_its_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "TELL_EVERY", 500)
    monkeypatch.setattr(run, "MAX_INPUT_MS", 1e9)  # a busy machine's time is not this test's to judge
    assert run.fuzz(1000, seed=1) == 0
    said = capsys.readouterr().out
    assert "1000 inputs," in said
    assert "/s" in said
