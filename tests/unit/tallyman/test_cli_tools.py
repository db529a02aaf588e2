"""The engineer's commands from the command line: what they refuse, and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from readers.read import EpcTable, ReaderState
from readers.recording import TapeFile, read_recording
from readers.tape import TapeReader
from tallyman.cli import app

ROW = "2023-01-06T17:36:0{}.{}+01:00;AD3830770CCDD0AD38300370;;1;-60;865,7;10.0.0.2;;"
GATEWAY = (
    'site = "s"\ngateway = "g"\nzones = [{code = "z"}]\n'
    'readers = [{name = "r", address = "10.0.0.2", antennas = [{port = 1, zone = "z"}]}]\n'
)


@pytest.fixture
def door(tmp_path: Path) -> Path:
    path = tmp_path / "door.csv"
    path.write_text("\n".join(ROW.format(n // 10, n % 10) for n in range(60)), encoding="utf-8")
    (tmp_path / "gateway.toml").write_text(GATEWAY)
    return path


@pytest.fixture
def tape(door: Path) -> Path:
    """The door on a tape, from one recording broken off and another that went on a minute later."""
    path, epcs = door.with_suffix(".tape"), EpcTable()
    batches = list(read_recording(door, epcs))
    reader = TapeReader("10.0.0.2", "llrp", "10.0.0.2", (1,))
    begin_us = int(batches[0].reads["at_us"][0])
    for part, later_us in ((batches[:40], 0), (batches[40:], 60_000_000)):
        file = TapeFile(path, [reader], epcs, begin_us)
        file.take(ReaderState("10.0.0.2", frozenset({1}), int(part[0].reads["at_us"][0]) + later_us, "on"))
        for batch in part:
            for column in ("at_us", "first_at_us"):
                batch.reads[column] += later_us
            file.take(type(batch)(batch.reader, batch.reads, batch.received_at_us + later_us))
        file.close()
    return path


def ends(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_replay_of_a_tape_counts_the_gap_between_two_recordings_as_off(tape: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    code, said = ends("replay", tape, "--config", tmp_path / "gateway.toml", "--out", out, "--speed", "1000")
    assert code == 0
    assert "1 movements from 60 reads" in said
    # nobody looked for a minute, so nobody may say that the tag left
    assert [json.loads(line)["kind"] for line in out.read_text().splitlines()] == ["arrived"]


def test_tail_of_a_recording_ends_with_it(door: Path) -> None:
    code, said = ends("tail", door, "--speed", "50")
    assert code == 0
    assert "1 tags  60 reads" in said


def test_doctor_ends_with_1_when_something_fails(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('site = "s"\nspeling = 1\n')
    code, said = ends("doctor", "--config", tmp_path / "bad.toml")
    assert code == 1
    assert "FAIL configuration" in said
    assert "speling" in said


def test_commands_that_do_not_say_what_is_meant(door: Path, tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    for arguments in (
        ["replay", door],
        ["replay", door, "--config", config],
        ["replay", door, "--serve", "--config", config],
        ["record", tmp_path / "x.csv", "--config", config],
        ["tail", door, "--config", config],
    ):
        assert ends(*arguments)[0] == 2, arguments
