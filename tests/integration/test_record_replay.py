"""From a live reader onto a tape, through the pipeline, and out through a reader again."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from gateway.config import GatewayConfig
from readers.errors import ReaderError
from readers.read import EpcTable, ReadBatch, ReaderState, empty_reads
from readers.recording import TapeFile, read_events, read_recording
from readers.tape import TapeOpened, TapeReader
from simulators.llrp.reader import SimulatedReader
from simulators.recorded import RecordedSource
from tallyman.attach import chosen
from tallyman.errors import ReplayError, SourceError
from tallyman.record import record
from tallyman.replay import real_time, replay
from tallyman.serve import serve
from tallyman.tail import tail_live
from wire.clock import ScaledClock, SystemClock

TAGS = 9
ROWS = 300


def quiet() -> Console:
    return Console(file=io.StringIO(), width=140, height=30)


def said(console: Console) -> str:
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


@pytest.fixture
def door(tmp_path: Path) -> Path:
    """A recorded door: ROWS reads of TAGS tags through four antennas within three seconds."""
    row = "2023-01-06T17:36:{:09.6f}+01:00;AD38307700000000000000{:02X};;{};-60,5;865,7;door-1;1,25;"
    path = tmp_path / "door.csv"
    path.write_text("\n".join(row.format(10 + n / 100, n % TAGS, n % 4 + 1) for n in range(ROWS)), encoding="utf-8")
    return path


@pytest.fixture
async def reader(door: Path) -> AsyncIterator[tuple[str, RecordedSource]]:
    """The door behind a simulated reader: its address, and what it plays."""
    source = RecordedSource(door, "door-1")
    simulated = SimulatedReader("door-1", source, ScaledClock(datetime.now(UTC), 4), 4)
    port = await simulated.start()
    yield f"127.0.0.1:{port}", source
    await simulated.stop()


async def until_finished(source: RecordedSource, stop: asyncio.Event) -> None:
    while not source.finished:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    stop.set()


def sights(path: Path) -> Counter[tuple[bytes, int]]:
    epcs = EpcTable()
    return Counter(
        (epcs.epc(epc), antenna)
        for batch in read_recording(path, epcs)
        for epc, antenna in zip(batch.reads["epc"].tolist(), batch.reads["antenna"].tolist(), strict=True)
    )


async def test_a_live_reader_goes_onto_a_tape_whole(
    door: Path, reader: tuple[str, RecordedSource], tmp_path: Path
) -> None:
    address, source = reader
    out, stop, console = tmp_path / "live.tape", asyncio.Event(), quiet()
    ending = asyncio.create_task(until_finished(source, stop))
    readers = chosen(None, "door-1", address, "llrp", "1,2,3,4")
    assert await record(readers, out, SystemClock(), stop, console=console) == 0
    await ending
    assert sights(out) == sights(door)
    assert f"{ROWS} reads of {TAGS} tags" in said(console)
    opened, *events = read_events(out, EpcTable())
    assert isinstance(opened, TapeOpened)
    assert (opened.readers[0].address, opened.readers[0].antennas) == (address, (1, 2, 3, 4))
    states = [event for event in events if isinstance(event, ReaderState)]
    assert states[0].antennas == {1, 2, 3, 4}
    assert states[-1].antennas == frozenset()
    assert {event.reader for event in events} == {"door-1"}


async def test_a_reader_that_is_not_there_is_told_by_the_exit_code(tmp_path: Path) -> None:
    readers = chosen(None, None, "127.0.0.1:9", "llrp", "1")
    out = tmp_path / "none.tape"
    console = quiet()
    assert await record(readers, out, SystemClock(), asyncio.Event(), for_s=0.3, console=console) == 1
    assert "cannot connect to 127.0.0.1:9" in said(console)
    assert list(read_recording(out, EpcTable())) == []


async def test_a_recording_is_served_and_recorded_again(door: Path, tmp_path: Path) -> None:
    stop, console, out = asyncio.Event(), quiet(), tmp_path / "again.tape"
    serving = asyncio.create_task(serve(door, ScaledClock(datetime.now(UTC), 4), stop, console=console))
    while (found := re.search(r"127\.0\.0\.1:\d+", said(console))) is None:
        await asyncio.sleep(0.02)
        assert not serving.done()
    recording = asyncio.Event()
    readers = chosen(None, "door-1", found[0], "llrp", "1,2,3,4")
    task = asyncio.create_task(record(readers, out, SystemClock(), recording, console=quiet()))
    assert await serving == 0
    await asyncio.sleep(0.2)
    recording.set()
    assert await task == 0
    assert sights(out) == sights(door)
    assert f"served {ROWS} of {ROWS} reads" in said(console)


async def test_each_reader_of_a_recording_is_served_by_itself(tmp_path: Path) -> None:
    row = "2023-01-06T17:36:10.{}+01:00;AD383077000000000000000{};;{};-60;865,7;{};;"
    path = tmp_path / "two.csv"
    path.write_text("\n".join([row.format(1, 1, 1, "a"), row.format(2, 2, 2, "b"), row.format(3, 2, 2, "b")]), "utf-8")
    source = RecordedSource(path, "door", recorded_as="b")
    assert (source.count, source.antennas) == (2, {2})
    assert source.epcs == [bytes.fromhex("AD3830770000000000000002")]
    stop, console = asyncio.Event(), quiet()
    stop.set()
    assert await serve(path, SystemClock(), stop, console=console) == 0
    assert len(re.findall(r"127\.0\.0\.1:\d+", said(console))) == 2
    busy = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = busy.sockets[0].getsockname()[1]
    with pytest.raises(ReplayError, match="cannot listen"):
        await serve(path, SystemClock(), stop, port=port, console=console)
    busy.close()


async def test_the_tail_of_a_reader_that_is_not_there_says_why() -> None:
    console = quiet()
    readers = chosen(None, "door-1", "127.0.0.1:9", "llrp", "1")
    assert await tail_live(readers, SystemClock(), asyncio.Event(), for_s=0.3, console=console) == 1
    assert "door-1 off" in said(console)
    assert "cannot connect to 127.0.0.1:9" in said(console)


async def test_the_tail_of_a_live_reader(reader: tuple[str, RecordedSource]) -> None:
    address, source = reader
    stop, console = asyncio.Event(), quiet()
    ending = asyncio.create_task(until_finished(source, stop))
    readers = chosen(None, "door-1", address, "llrp", "1,2,3,4")
    assert await tail_live(readers, SystemClock(), stop, console=console) == 0
    await ending
    assert f"{TAGS} tags  {ROWS} reads" in said(console)
    assert "AD3830770000000000000001" in said(console)


def test_a_tape_and_its_source_are_judged_alike(door: Path, tmp_path: Path) -> None:
    """The same reads with the readers' own states, through the pipeline: the same movements."""
    config = GatewayConfig.model_validate(
        {
            "site": "s",
            "gateway": "g",
            "zones": [{"code": "z"}],
            "readers": [
                {"name": "door-1", "address": "x", "antennas": [{"port": port, "zone": "z"} for port in range(1, 5)]}
            ],
        }
    )
    epcs, tape_path = EpcTable(), tmp_path / "door.tape"
    batches = list(read_recording(door, epcs))
    first_us = int(batches[0].reads["at_us"].min())
    tape = TapeFile(tape_path, [TapeReader("door-1", "llrp", "x", (1, 2, 3, 4))], epcs, first_us)
    tape.take(ReaderState("door-1", frozenset({1, 2, 3, 4}), first_us, "began"))
    for batch in batches:
        tape.take(batch)
    tape.close()
    outs = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    one, two = replay(door, config, outs[0]), replay(tape_path, config, outs[1])
    assert (one.reads, one.movements) == (two.reads, two.movements) == (ROWS, TAGS)
    assert outs[0].read_text() == outs[1].read_text()
    assert {json.loads(line)["kind"] for line in outs[0].read_text().splitlines()} == {"arrived"}


def test_real_time_waits_as_long_as_it_took() -> None:
    slept: list[float] = []
    now = [100.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    wait = real_time(2.0, lambda: now[0], sleep)
    for at_us in (5_000_000, 6_000_000, 6_000_000, 9_000_000):
        wait(at_us)
    assert slept == [0.0, 0.5, 0.0, 1.5]


def test_which_reader_is_meant_must_be_clear(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(
        'site = "s"\ngateway = "g"\nzones = [{code = "z"}]\n'
        'readers = [{name = "a", address = "h1", antennas = [{port = 2, zone = "z"}]},'
        ' {name = "b", address = "h2", driver = "other", antennas = [{port = 1, zone = "z"}], options = {x = 1}}]\n'
    )
    both = chosen(path, None, None, "llrp", "1")
    assert [(one.driver, one.settings.name, one.settings.antennas) for one in both] == [
        ("llrp", "a", (2,)),
        ("other", "b", (1,)),
    ]
    assert chosen(path, "b", None, "llrp", "1")[0].settings.options == {"x": 1}
    with pytest.raises(SourceError, match="no reader 'c'"):
        chosen(path, "c", None, "llrp", "1")
    with pytest.raises(SourceError, match="--config"):
        chosen(None, None, None, "llrp", "1")
    with pytest.raises(SourceError, match="--antennas"):
        chosen(None, None, "h", "llrp", "one")


async def test_an_option_that_a_driver_refuses_ends_it(tmp_path: Path) -> None:
    readers = chosen(None, None, "127.0.0.1:x", "llrp", "1")
    with pytest.raises(ExceptionGroup) as caught:
        await record(readers, tmp_path / "x.tape", SystemClock(), asyncio.Event(), for_s=1, console=quiet())
    assert caught.group_contains(ReaderError)


def test_batches_of_a_tape_are_those_that_came(tmp_path: Path) -> None:
    epcs = EpcTable()
    tape = TapeFile(tmp_path / "x.tape", [TapeReader("r", "llrp", "a", (1,))], epcs, 0)
    sent = []
    for number in range(5):
        reads = empty_reads(number + 1)
        reads["epc"] = epcs.number(bytes([number, 0]))
        sent.append(ReadBatch("r", reads, 1000 * number))
        tape.take(sent[-1])
    tape.close()
    got = list(read_recording(tmp_path / "x.tape", EpcTable()))
    assert [(len(batch.reads), batch.received_at_us) for batch in got] == [(n + 1, 1000 * n) for n in range(5)]
    assert np.isnan(got[0].reads["rssi_dbm"]).all()
