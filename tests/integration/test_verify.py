"""`verify` names every kind of damage that is done behind the backend's back."""

from __future__ import annotations

import pytest

from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.store.database import Database
from tests.house import Gateway, arrived, at, crossed, furnish, scan
from wire.clock import ScaledClock
from wire.events import Lost, ReaderHealth


async def live(database: Database) -> None:
    """A store with a bit of everything in it."""
    await furnish(database)
    service = IngestService(database, ScaledClock(at(3600)))
    gateway = Gateway(service, "a", "ga")
    await gateway.say(crossed(1, "in", 0), arrived(2, "dock", 1), arrived(3, "attic", 2))
    await gateway.say(arrived(1, "rack", 9), ReaderHealth(reader="r", state="lost", observed_at=at(9)))
    await gateway.say(scan("pick", "09506000134352", 20, zone="shelf"))
    lost = Lost(site="a", gateway="ga", epoch=gateway.epoch, from_seq=7, through_seq=9, reason="r", sent_at=at(0))
    assert (await service.apply(lost)).through == 9


async def test_nothing_differs_in_a_store_left_alone(database: Database) -> None:
    await live(database)
    assert await verify(database) == []


@pytest.mark.parametrize(
    ("damage", "rule", "what"),
    [
        ("UPDATE balance SET net = net + 1 WHERE net = -2", "balance", "its postings add up to -2"),
        ("DELETE FROM posting WHERE posting_id = (SELECT max(posting_id) FROM posting)", "balance", "add up to"),
        ("UPDATE posting SET quantity = 2 WHERE posting_id = 1", "item", "its postings add up to"),
        ("DELETE FROM balance WHERE net = 1", "balance", "number"),
        (
            "UPDATE item SET zone_id = (SELECT min(zone_id) FROM zone WHERE code = 'shelf') WHERE item_id = 1",
            "place",
            "a/shelf",
        ),
        ("UPDATE item SET zone_id = 9999 WHERE item_id = 1", "place", "does not exist"),
        ("UPDATE item SET condition = 'damaged' WHERE item_id = 1", "item", "its postings add up to"),
        ("DELETE FROM movement WHERE seq = 2", "cursor", "2"),
        ("DELETE FROM movement WHERE seq = 2", "place", "its observations say"),
        ("DELETE FROM quarantine", "cursor", "3"),
        ("DELETE FROM reader_health", "cursor", "5"),
        ("DELETE FROM scan", "cursor", "6"),
        ("DELETE FROM lost_range", "cursor", "7"),
        ("INSERT INTO movement SELECT * FROM movement WHERE seq = 2", "cursor", "2"),
        ("UPDATE ingest_cursor SET through = 12", "cursor", "12"),
        ("UPDATE ingest_cursor SET through = 4", "cursor", "5"),
        ("DELETE FROM ingest_cursor", "cursor", "1"),
    ],
)
async def test_damage_is_named(database: Database, damage: str, rule: str, what: str) -> None:
    await live(database)
    await database.pool.execute(damage)
    findings = [finding for finding in await verify(database) if finding.rule == rule]
    assert findings, await verify(database)
    assert any(what in str(finding) for finding in findings), findings
