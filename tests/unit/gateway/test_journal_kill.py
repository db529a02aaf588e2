"""A journal whose process is killed in the middle of writing: what it confirmed is there, whole, once, in order."""

import json
import random
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.journal import JournalFile
from gateway.pipeline import TagRow
from wire.events import EVENT, Movement

WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from gateway.journal import JournalFile
from gateway.pipeline import TagRow
from wire.events import Movement

at = datetime(2026, 11, 23, tzinfo=UTC)
journal = JournalFile(Path(sys.argv[1]), 1 << 30, 72.0, "refuse")
while True:
    first = journal.position.end + 1
    events = [
        Movement(kind="arrived", epc=f"{seq:024X}", zone="dock", observed_at=at, decided_at=at)
        for seq in range(first, first + first % 7 + 1)
    ]
    last = first + len(events) - 1
    journal.append(events, [TagRow(bytes([seq % 50]), str(seq)) for seq in range(first, last + 1)], [])
    print(last, flush=True)
"""


def numbers(journal: JournalFile) -> list[int]:
    out = journal.read_from(1, 1_000_000, 1 << 30)
    events = [EVENT.validate_json(payload) for payload in out.payloads] if out else []
    return [int(event.epc, 16) for event in events if isinstance(event, Movement)]


def assert_whole(journal: JournalFile, confirmed: int) -> None:
    assert numbers(journal) == list(range(1, journal.position.end + 1)), "no gap, no duplicate, in order"
    assert journal.position.end >= confirmed
    newest = {seq % 50: str(seq) for seq in range(1, journal.position.end + 1)}
    assert {row.epc[0]: row.state for row in journal.load_tags()} == newest, "tags' state stands where the events do"


@pytest.mark.parametrize("seed", range(5))
def test_kill_9_between_any_two_instructions(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    path = tmp_path / "gate.journal"
    confirmed = 0
    for _ in range(2):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(chance.randint(1, 60)):
            confirmed = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split("\n")
        process.stdout.close()
        process.wait()
        confirmed = max([confirmed, *(int(line) for line in rest[:-1] if line)])
        journal = JournalFile(path, 1 << 30, 72.0, "refuse")
        assert_whole(journal, confirmed)
        journal.close()


@pytest.mark.parametrize("seed", range(20))
def test_a_torn_write_ahead_log_loses_only_what_was_not_synced(tmp_path: Path, seed: int) -> None:
    """A power cut tears the tail of the log: every commit before the tear stands, none is invented."""
    chance = random.Random(seed)
    at = datetime(2026, 11, 23, tzinfo=UTC)
    path = tmp_path / "gate.journal"
    journal = JournalFile(path, 1 << 30, 72.0, "refuse")
    wal = tmp_path / "gate.journal-wal"
    synced: list[tuple[int, int]] = [(0, 0)]
    for seq in range(1, 40):
        event = Movement(kind="arrived", epc=f"{seq:024X}", zone="dock", observed_at=at, decided_at=at)
        journal.append([event], [TagRow(bytes([seq % 50]), json.dumps(seq))], [])
        synced.append((wal.stat().st_size, seq))
    torn = tmp_path / "torn"
    torn.mkdir()
    shutil.copy(path, torn)
    whole = wal.read_bytes()
    cut = chance.randrange(synced[5][0], len(whole))
    tail = chance.randbytes(chance.choice([0, 0, 4096]))
    (torn / "gate.journal-wal").write_bytes(whole[:cut] + tail)
    journal.close()
    promised = max(seq for size, seq in synced if size <= cut)
    survivor = JournalFile(torn / "gate.journal", 1 << 30, 72.0, "refuse")
    assert_whole(survivor, promised)
    assert survivor.position.end == promised
    survivor.close()
