"""`tallyman llrp`: files of messages shown and checked, whatever stands in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from readers.llrp.codec import HEADER, encode
from readers.llrp.message import Message, Parameter
from tallyman import llrp
from tallyman.cli import app

KEEPALIVE = encode(Message("KEEPALIVE", 7))
CLOSE = encode(
    Message(
        "CLOSE_CONNECTION_RESPONSE",
        8,
        {},
        [Parameter("LLRPStatus", {"StatusCode": 110, "ErrorDescription": 'no "2"'})],
    )
)
PHASE = encode(
    Message(
        "RO_ACCESS_REPORT",
        9,
        {},
        [
            Parameter(
                "TagReportData",
                {},
                [Parameter("EPC_96", {"EPC": bytes(11) + b"\7"}), Parameter("ImpinjRFPhaseAngle", {"PhaseAngle": 12})],
            )
        ],
    )
)
REFUSED = HEADER.pack(1 << 10 | 22, 13, 1) + bytes(3)
GOOD = KEEPALIVE + CLOSE + PHASE


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["llrp", *map(str, words)])


def written(folder: Path, data: bytes) -> Path:
    path = folder / "messages.bin"
    path.write_bytes(data)
    return path


def test_a_good_file_is_shown(tmp_path: Path) -> None:
    result = run("decode", written(tmp_path, GOOD))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "@0 KEEPALIVE id=7 version=1",
        "@10 CLOSE_CONNECTION_RESPONSE id=8 version=1",
        '    LLRPStatus StatusCode=M_UnsupportedVersion(110) ErrorDescription="no \\"2\\""',
        f"@{len(KEEPALIVE + CLOSE)} RO_ACCESS_REPORT id=9 version=1",
        "    TagReportData",
        "        EPC_96 EPC=000000000000000000000007",
        "        ImpinjRFPhaseAngle PhaseAngle=12",
    ]


def test_a_good_file_is_shown_as_json(tmp_path: Path) -> None:
    result = run("decode", written(tmp_path, GOOD), "--json")
    assert result.exit_code == 0
    keepalive, close, report = [json.loads(line) for line in result.stdout.splitlines()]
    assert keepalive == {"offset": 0, "name": "KEEPALIVE", "id": 7, "version": 1, "fields": {}, "parameters": []}
    assert close["parameters"][0]["fields"] == {"StatusCode": 110, "ErrorDescription": 'no "2"'}
    [tag] = report["parameters"]
    assert [(inner["name"], inner["fields"]) for inner in tag["parameters"]] == [
        ("EPC_96", {"EPC": "000000000000000000000007"}),
        ("ImpinjRFPhaseAngle", {"PhaseAngle": 12}),
    ]


def test_a_good_file_passes_the_check(tmp_path: Path) -> None:
    result = run("check", written(tmp_path, GOOD))
    assert (result.exit_code, result.stdout) == (
        0,
        f"3 messages in {len(GOOD)} bytes: all the same written again\n",
    )


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_a_message_that_cannot_be_read_costs_only_itself(
    tmp_path: Path, chunk_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llrp, "CHUNK_BYTES", chunk_bytes)
    path = written(tmp_path, KEEPALIVE + REFUSED + KEEPALIVE)
    result = run("decode", path, "--json")
    assert result.exit_code == 1
    first, refused, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert (first["name"], last["name"], last["offset"]) == ("KEEPALIVE", "KEEPALIVE", 23)
    assert (refused["offset"], refused["status_code"], refused["bytes"]) == (10, 101, REFUSED.hex())
    result = run("check", path)
    assert result.exit_code == 1
    assert result.stdout.startswith("@10 FAULT START_ROSPEC: ")
    assert result.stdout.endswith("2 messages in 33 bytes: 1 faults\n")


@pytest.mark.parametrize(
    ("tail", "complaint"),
    [
        (CLOSE[:-1], f"half a message: the file ends after {len(CLOSE) - 1} of its {len(CLOSE)} bytes"),
        (CLOSE[:4], "half a message: the file ends 4 bytes into a header of 10"),
        (b"HTTP/1.1 400", "garbage: a header with reserved bits set"),
        (HEADER.pack(1 << 10, 5, 0), "garbage: a header claims 5 bytes"),
        (HEADER.pack(1 << 10, 2**32 - 1, 0), "garbage: a header claims 4294967295 bytes"),
    ],
)
@pytest.mark.parametrize("command", ["decode", "check"])
def test_what_is_no_message_is_said_with_its_offset(tmp_path: Path, tail: bytes, complaint: str, command: str) -> None:
    result = run(command, written(tmp_path, KEEPALIVE + tail))
    assert result.exit_code == 1
    assert f"@10 FAULT {complaint}" in result.stdout


def test_a_difference_is_told_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(message: Message) -> bytes:
        return encode(message)[:-1] + b"\xff"

    monkeypatch.setattr(llrp, "encode", forgetful)
    result = run("check", written(tmp_path, KEEPALIVE))
    assert result.exit_code == 1
    assert "@0 KEEPALIVE differs from byte 9 on: 07 became ff" in result.stdout


def test_an_empty_file_holds_nothing_wrong(tmp_path: Path) -> None:
    result = run("check", written(tmp_path, b""))
    assert (result.exit_code, result.stdout) == (0, "0 messages in 0 bytes: all the same written again\n")


def test_a_recorded_conversation_passes(shared_data: Path) -> None:
    result = run("check", shared_data / "llrp" / "dx101_a.bin")
    assert (result.exit_code, result.stdout) == (0, "934 messages in 42353 bytes: all the same written again\n")
    result = run("decode", shared_data / "llrp" / "dx101_a.bin", "--json")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 934
