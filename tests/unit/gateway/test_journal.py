"""The journal file: numbering, atomicity, acknowledgement, stores, epochs, trimming, quota, damage."""

import logging
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.config import JournalSettings
from gateway.errors import JournalError, JournalFullError
from gateway.journal import Journal, JournalFile, Outgoing, Store
from gateway.pipeline import TagRow
from wire.ack import ScanOutcome
from wire.events import EVENT, Movement, Scan

AT = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
HOUR_US = 3_600_000_000
STORE_A, STORE_B, STORE_C = Store("aaaaaaaa", 1), Store("bbbbbbbb", 2), Store("cccccccc", 3)
ANY = 1 << 20


def arrival(number: int) -> Movement:
    at = AT + timedelta(seconds=number)
    return Movement(kind="arrived", epc=f"{number:024X}", zone="dock", observed_at=at, decided_at=at)


def arrivals(first: int, last: int) -> list[Movement]:
    return [arrival(number) for number in range(first, last + 1)]


def scan(number: int) -> Scan:
    return Scan(
        scan_id=f"s{number}", device="hand-1", operator="ani", intent="pick", code="4006381333931", observed_at=AT
    )


def made(folder: Path, quota_bytes: int = 1 << 30, keep_acked_h: float = 72, on_full: str = "refuse") -> JournalFile:
    return JournalFile(folder / "gate.journal", quota_bytes, keep_acked_h, on_full)  # type: ignore[arg-type]


def held(journal: JournalFile, seq: int = 1, limit: int = 1_000_000) -> list[int]:
    """Which arrivals `read_from` gives, by the number in their EPC."""
    out = journal.read_from(seq, limit, 1 << 30)
    events = [EVENT.validate_json(payload) for payload in out.payloads] if out else []
    return [int(event.epc, 16) for event in events if isinstance(event, Movement)]


def test_numbers_run_from_one_and_over_a_restart(tmp_path: Path) -> None:
    journal = made(tmp_path)
    assert journal.append(arrivals(1, 3), [], []) == range(1, 4)
    assert journal.append([], [TagRow(b"\x01", "{}")], []) is None
    epoch = journal.position.epoch
    journal.close()
    journal = made(tmp_path)
    assert journal.append(arrivals(4, 4), [], []) == range(4, 5)
    assert (journal.position.epoch, journal.position.end, journal.position.backlog) == (epoch, 4, 4)
    assert held(journal) == [1, 2, 3, 4]
    assert held(journal, seq=3, limit=1) == [3]
    assert journal.read_from(5, 10, ANY) is None
    journal.close()


def test_two_files_have_two_epochs(tmp_path: Path) -> None:
    one, other = made(tmp_path / "one"), made(tmp_path / "other")
    assert one.position.epoch != other.position.epoch
    one.close()
    other.close()


def test_a_batch_is_cut_by_bytes_but_never_empty(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.append(arrivals(1, 10), [], [])
    size = len(journal.read_from(1, 1, ANY).payloads[0])  # type: ignore[union-attr]
    out = journal.read_from(1, 10, 3 * (size + 1))
    assert out is not None
    assert (out.first_seq, out.last_seq, len(out.payloads)) == (1, 3, 3)
    tight = journal.read_from(2, 10, 1)
    assert tight is not None
    assert (tight.first_seq, tight.last_seq) == (2, 2)
    journal.close()


def test_tag_states_are_replaced_and_forgotten(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.append([], [TagRow(b"\x01", "old"), TagRow(b"\x02", "two")], [])
    journal.append([], [TagRow(b"\x01", "new")], [b"\x02"])
    journal.close()
    journal = made(tmp_path)
    assert journal.load_tags() == [TagRow(b"\x01", "new")]
    journal.close()


def test_a_failed_append_keeps_neither_events_nor_tags(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.append(arrivals(1, 1), [], [])
    with pytest.raises(JournalError):
        journal.append(arrivals(2, 2), [TagRow(None, "{}")], [])  # type: ignore[arg-type]
    assert journal.position.end == 1
    assert journal.append(arrivals(2, 2), [], []) == range(2, 3)
    assert held(journal) == [1, 2]
    assert journal.load_tags() == []
    journal.close()


def test_an_ack_moves_up_and_ignores_what_is_late_or_strange(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.append(arrivals(1, 10), [], [])
    epoch = journal.position.epoch
    assert journal.ack("0" * 16, 5, STORE_A, 0) == "ignored"
    assert journal.ack(epoch, 4, STORE_A, 0) == "advanced"
    assert journal.ack(epoch, 4, STORE_A, 0) == "repeated"
    assert journal.ack(epoch, 2, STORE_A, 0) == "ignored"
    assert (journal.position.acked, journal.position.backlog) == (4, 6)
    journal.close()
    journal = made(tmp_path)
    assert (journal.position.acked, journal.position.store) == (4, STORE_A.name)
    journal.close()


def test_a_new_store_rewinds_and_a_replaced_one_is_not_heard_again(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.append(arrivals(1, 10), [], [])
    epoch = journal.position.epoch
    journal.ack(epoch, 9, STORE_A, 0)
    assert journal.ack(epoch, 3, STORE_B, 0) == "rewound"
    assert journal.ack(epoch, 10, STORE_A, 0) == "ignored", "its answer may still be under way"
    assert held(journal, seq=journal.position.acked + 1) == [4, 5, 6, 7, 8, 9, 10]
    assert journal.ack(epoch, 6, STORE_B, 0) == "advanced"
    assert journal.ack(epoch, 8, STORE_C, 0) == "advanced", "a new store may also know more"
    assert journal.position.acked == 8
    journal.close()


def test_of_two_stores_the_later_made_counts_in_whatever_order_they_are_heard(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A gateway that never heard of the old store may hear the new one first: the old one is not news."""
    journal = made(tmp_path)
    journal.append(arrivals(1, 10), [], [])
    epoch = journal.position.epoch
    assert journal.ack(epoch, 2, STORE_B, 0) == "advanced"
    assert journal.ack(epoch, 9, STORE_A, 0) == "ignored"
    assert journal.ack(epoch, 500, STORE_A, 0) == "ignored"
    journal.close()
    journal = made(tmp_path)
    assert journal.ack(epoch, 9, STORE_A, 0) == "ignored", "nor after a restart"
    assert journal.ack(epoch, 5, STORE_B, 0) == "advanced"
    assert caplog.text.count("--new-store") == 2, "once for each run of the program"
    journal.close()


def test_a_journal_of_the_first_version_goes_on(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.append(arrivals(1, 4), [], [])
    epoch = journal.position.epoch
    journal.ack(epoch, 2, STORE_A, 0)
    journal.close()
    file = sqlite3.connect(tmp_path / "gate.journal")
    file.executescript(
        "ALTER TABLE journal DROP COLUMN store_made_us; DROP INDEX scan_unjudged;"
        "CREATE TABLE past_store (store TEXT PRIMARY KEY) WITHOUT ROWID; PRAGMA user_version = 1;"
    )
    file.close()
    journal = made(tmp_path)
    assert (journal.position.epoch, journal.position.acked, journal.position.store) == (epoch, 2, STORE_A.name)
    assert journal.ack(epoch, 3, STORE_A, 0) == "advanced"
    assert journal.ack(epoch, 1, STORE_B, 0) == "rewound"
    assert held(journal, seq=2) == [2, 3, 4]
    journal.close()


def test_acknowledged_rows_stay_as_long_as_promised(tmp_path: Path) -> None:
    journal = made(tmp_path, keep_acked_h=72)
    journal.append(arrivals(1, 10), [], [])
    epoch = journal.position.epoch
    journal.ack(epoch, 4, STORE_A, 0)
    journal.ack(epoch, 6, STORE_A, 10 * HOUR_US)
    assert journal.trim(71 * HOUR_US) == 0
    assert journal.trim(72 * HOUR_US) == 4
    assert journal.read_from(4, 10, ANY) is None, "trimmed, and nobody misses it"
    assert journal.trim(81 * HOUR_US) == 0
    assert journal.trim(82 * HOUR_US) == 2
    assert journal.trim(1000 * HOUR_US) == 0, "nobody has acknowledged the rest"
    assert held(journal, seq=7) == [7, 8, 9, 10]
    journal.close()


def test_what_a_new_store_asks_for_and_is_trimmed_is_declared_lost(tmp_path: Path) -> None:
    journal = made(tmp_path, keep_acked_h=1)
    journal.append(arrivals(1, 10), [], [])
    epoch = journal.position.epoch
    journal.ack(epoch, 6, STORE_A, 0)
    journal.trim(HOUR_US)
    assert journal.ack(epoch, 2, STORE_B, HOUR_US) == "rewound"
    lost = journal.read_from(3, 100, ANY)
    assert lost is not None
    assert (lost.first_seq, lost.last_seq, lost.payloads) == (3, 6, ())
    assert "trimmed" in lost.why_lost
    assert held(journal, seq=7) == [7, 8, 9, 10]
    journal.ack(epoch, 6, STORE_B, HOUR_US)
    assert held(journal, seq=7) == [7, 8, 9, 10]
    journal.close()


def test_a_backend_that_knows_more_opens_a_new_epoch_with_what_is_unsent(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.append(arrivals(1, 10), [], [])
    journal.append_scans([scan(1)])
    epoch = journal.position.epoch
    journal.ack(epoch, 4, STORE_A, 0)
    assert journal.ack(epoch, 500, STORE_A, 0) == "new_epoch"
    at = journal.position
    assert at.epoch != epoch
    assert (at.acked, at.end, at.store) == (0, 7, STORE_A.name)
    assert held(journal) == [5, 6, 7, 8, 9, 10]
    assert journal.append(arrivals(11, 11), [], []) == range(8, 9)
    assert journal.append_scans([scan(1)])[0].state == "stored"
    assert journal.position.end == 8, "the scan is still known"
    journal.close()
    assert made(tmp_path).position.epoch == at.epoch


def test_scans_count_once_and_their_outcomes_are_remembered(tmp_path: Path) -> None:
    journal = made(tmp_path)
    assert [one.state for one in journal.append_scans([scan(1), scan(2), scan(1)])] == ["stored"] * 3
    assert journal.position.end == 2
    refused = ScanOutcome(device="hand-1", scan_id="s1", state="refused", reason="unknown code")
    stranger = ScanOutcome(device="hand-9", scan_id="s1", state="applied")
    assert journal.record_outcomes([refused, stranger]) == [refused]
    assert journal.record_outcomes([refused]) == []
    journal.close()
    journal = made(tmp_path)
    assert journal.append_scans([scan(1)]) == [refused]
    assert journal.position.end == 2
    journal.close()


def test_a_full_journal_refuses_and_keeps_what_it_has(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = made(tmp_path, quota_bytes=400_000)
    appended = 0

    def append_more(count: int = 100) -> None:
        journal.append(arrivals(appended + 1, appended + count), [TagRow(b"\x01", str(appended))], [])

    while journal.used_bytes < 370_000:
        append_more()
        appended += 100
    with pytest.raises(JournalFullError, match="restore the link"):
        append_more(400)
    assert journal.used_bytes <= 400_000
    assert held(journal) == list(range(1, appended + 1))
    assert journal.load_tags() == [TagRow(b"\x01", str(appended - 100))]
    assert sum("% full" in record.getMessage() for record in caplog.records) == 1, "the alarm sounds once, before"
    journal.ack(journal.position.epoch, appended, STORE_A, 0)
    journal.append(arrivals(1, 100), [], [])
    assert held(journal, seq=appended + 1) == list(range(1, 101)), "rows the backend has make room"
    journal.close()


def test_drop_oldest_declares_what_it_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = made(tmp_path, quota_bytes=400_000, on_full="drop_oldest")
    for first in range(1, 6001, 100):
        journal.append(arrivals(first, first + 99), [], [])
    assert journal.position.end == 6000
    lost = journal.read_from(1, 100, ANY)
    assert lost is not None
    assert lost.first_seq == 1
    assert not lost.payloads
    assert "full" in lost.why_lost
    assert held(journal, seq=lost.last_seq + 1) == list(range(lost.last_seq + 1, 6001))
    assert "events lost" in caplog.text
    assert journal.ack(journal.position.epoch, lost.last_seq, STORE_A, 0) == "advanced"
    journal.close()


def test_a_full_disk_is_said_and_nothing_is_half_kept(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.append(arrivals(1, 10), [], [])
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages + 3}")
    with pytest.raises(JournalFullError, match="disk"):
        journal.append(arrivals(11, 500), [TagRow(b"\x01", "{}")], [])
    assert journal.position.end == 10
    assert journal.load_tags() == []
    journal._db.execute("PRAGMA max_page_count = 1000000")
    assert journal.append(arrivals(11, 500), [], []) == range(11, 501)
    journal.close()


def test_one_gateway_at_a_time(tmp_path: Path) -> None:
    journal = made(tmp_path)
    with pytest.raises(JournalError, match="in use"):
        made(tmp_path)
    journal.close()
    made(tmp_path).close()


@pytest.mark.parametrize(
    "content", [b"this is no database, whatever its name says" * 200, b"SQLite format 3\x00" * 300]
)
def test_a_damaged_file_is_named_and_not_touched(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "gate.journal"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"gate\.journal"):
        made(tmp_path)
    assert path.read_bytes() == content


def test_a_foreign_database_is_not_taken_over(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "gate.journal") as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    with pytest.raises(JournalError, match="no journal"):
        made(tmp_path)


def test_a_page_overwritten_with_rubbish_is_an_error_not_a_wrong_answer(tmp_path: Path) -> None:
    journal = made(tmp_path)
    journal.append(arrivals(1, 2000), [], [])
    journal.close()
    path = tmp_path / "gate.journal"
    content = bytearray(path.read_bytes())
    content[20 * 4096 : 60 * 4096] = b"\xa5" * (40 * 4096)
    path.write_bytes(content)
    with pytest.raises(JournalError, match="damaged"):
        held(made(tmp_path))


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be made"):
        made(tmp_path / "file")


async def test_the_asyncio_shell_answers_alike(tmp_path: Path) -> None:
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    journal = await Journal.open(JournalSettings(path=tmp_path / "gate.journal"))
    assert await journal.append(arrivals(1, 2), [TagRow(b"\x01", "{}")], []) == range(1, 3)
    assert await journal.append_scans([scan(1)])
    out = await journal.read_from(1, 2, ANY)
    assert isinstance(out, Outgoing)
    assert await journal.ack(journal.position.epoch, 3, STORE_A, 0) == "advanced"
    assert journal.position.backlog == 0
    assert 0 < journal.used_fraction < 0.01
    assert await journal.load_tags() == [TagRow(b"\x01", "{}")]
    assert await journal.trim(100 * HOUR_US) == 3
    await journal.close()
    again = await Journal.open(JournalSettings(path=tmp_path / "gate.journal"))
    assert again.position.end == 3
    await again.close()
