"""Migrations, partitions and the store's identity against a real PostgreSQL."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest

from backend.errors import MigrationError, SchemaError, StoreUnavailableError
from backend.store.database import Database, renew_store
from backend.store.migrate import MIGRATIONS, ensure_partitions, migrate, month
from tests.postgres import START
from wire.clock import ScaledClock

CLOCK = ScaledClock(START)

OPERATORS_GUIDE = Path(__file__).parents[2] / "docs" / "operators-guide.md"


async def test_a_second_run_changes_nothing(empty_database_url: str) -> None:
    assert await migrate(empty_database_url, CLOCK) == [path.stem for path in sorted(MIGRATIONS.glob("*.sql"))]
    async with Database.open(empty_database_url) as database:
        first = await database.store_id()
    assert await migrate(empty_database_url, CLOCK) == []
    async with Database.open(empty_database_url) as database:
        assert await database.store_id() == first


async def test_a_changed_migration_is_refused(empty_database_url: str, tmp_path: Path) -> None:
    file = tmp_path / "0001_a.sql"
    file.write_text("CREATE TABLE a (b int)")
    (tmp_path / "0002_c.sql").write_text(
        "CREATE TABLE posting (recorded_at timestamptz) PARTITION BY RANGE (recorded_at)"
    )
    (tmp_path / "0003_d.sql").write_text(
        "CREATE TABLE movement (recorded_at timestamptz) PARTITION BY RANGE (recorded_at)"
    )
    assert await migrate(empty_database_url, CLOCK, tmp_path) == ["0001_a", "0002_c", "0003_d"]
    file.write_text("CREATE TABLE a (b text)")
    with pytest.raises(MigrationError, match="0001_a was changed"):
        await migrate(empty_database_url, CLOCK, tmp_path)


async def test_a_failing_migration_leaves_nothing(empty_database_url: str, tmp_path: Path) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE a (b int); SELECT 1 / 0")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database_url, CLOCK, tmp_path)
    connection = await asyncpg.connect(empty_database_url)
    assert await connection.fetchval("SELECT to_regclass('a')") is None
    await connection.close()


async def migrate_until(name: str, database_url: str, folder: Path) -> str:
    """Apply the migrations before the one of this name, and tell its full name."""
    (after,) = MIGRATIONS.glob(f"*_{name}.sql")
    for path in MIGRATIONS.glob("*.sql"):
        if path.name < after.name:
            shutil.copy(path, folder)
    await migrate(database_url, CLOCK, folder)
    return after.stem


async def test_what_lines_had_picked_is_put_on_their_promises(empty_database_url: str, tmp_path: Path) -> None:
    """Of seven picked units the lot that expires first has its three, the next four; what shipped counts too."""
    picked = await migrate_until("picked", empty_database_url, tmp_path)
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(
        "INSERT INTO site (code) VALUES ('a'); INSERT INTO sku (code) VALUES ('BOX');"
        "INSERT INTO lot (sku_id, code, expires_on)"
        " VALUES (1, '', NULL), (1, 'NEW', '2027-01-01'), (1, 'OLD', '2026-06-01');"
        "INSERT INTO availability (site_id, sku_id, lot_id, condition, on_hand, reserved)"
        " VALUES (1, 1, 1, 'sellable', 9, 6), (1, 1, 2, 'sellable', 9, 6), (1, 1, 3, 'sellable', 9, 1);"
        "INSERT INTO channel (code, kind) VALUES ('web', 'website');"
        "INSERT INTO sales_order"
        " (code, channel_id, status, backorder, most_sites, placed_at, changed_at, actor, digest)"
        " SELECT code, 1, 'picking', false, 1, now(), now(), '', '' FROM unnest(ARRAY['o', 'p']) AS o (code);"
        "INSERT INTO order_line (order_id, line_no, sku_id, quantity, picked) VALUES (1, 1, 1, 14, 7), (2, 1, 1, 1, 0);"
        "INSERT INTO allocation (availability_id, holder_kind, holder_id, granted, held, fulfilled, made_at)"
        " VALUES (1, 'order', 1, 5, 5, 0, now()), (2, 'order', 1, 6, 6, 0, now()), (3, 'order', 1, 3, 1, 2, now()),"
        " (1, 'order', 2, 1, 1, 0, now())"
    )
    assert picked in await migrate(empty_database_url, CLOCK)
    rows = await connection.fetch("SELECT picked FROM allocation ORDER BY allocation_id")
    await connection.close()
    assert [row["picked"] for row in rows] == [0, 4, 3, 0]


async def test_a_kind_of_zone_that_a_rule_named_twice_is_named_where_it_was_named_first(
    empty_database_url: str, tmp_path: Path
) -> None:
    once = await migrate_until("sources_once", empty_database_url, tmp_path)
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute(
        "INSERT INTO site (code) VALUES ('a'); INSERT INTO scan_rule (site_id, intent, place, sources) VALUES"
        " (1, 'move', 'scanned', '{storage,dock,storage,returns,dock}'), (1, 'pick', 'scanned', '{dock}'),"
        " (1, 'receive', 'scanned', '{supplier}'), (1, 'count', 'stays', '{}')"
    )
    assert once in await migrate(empty_database_url, CLOCK)
    rows = await connection.fetch("SELECT sources FROM scan_rule ORDER BY cardinality(sources) DESC, intent")
    await connection.close()
    assert [row["sources"] for row in rows] == [["storage", "dock", "returns"], ["dock"], ["supplier"], []]


async def test_a_time_zone_that_is_none_stops_the_migration_and_is_found_as_the_guide_says(
    empty_database_url: str, tmp_path: Path
) -> None:
    await migrate_until("site_days", empty_database_url, tmp_path)
    connection = await asyncpg.connect(empty_database_url)
    await connection.execute("INSERT INTO site (code, time_zone) VALUES ('a', 'Asia/Jakarta'), ('b', 'Mars/Olympus')")
    with pytest.raises(asyncpg.PostgresError, match='time zone "Mars/Olympus" not recognized'):
        await migrate(empty_database_url, CLOCK)
    (asked,) = re.findall(r"`(SELECT code, time_zone FROM site .*?)`", OPERATORS_GUIDE.read_text())
    assert [row["code"] for row in await connection.fetch(asked)] == ["b"]
    await connection.execute("UPDATE site SET time_zone = 'UTC' WHERE code = 'b'")
    await connection.close()
    assert (await migrate(empty_database_url, CLOCK))[0] == "0016_site_days"


async def test_numbers_must_follow_each_other(tmp_path: Path, empty_database_url: str) -> None:
    (tmp_path / "0002_a.sql").write_text("SELECT 1")
    with pytest.raises(MigrationError, match="should be number 0001"):
        await migrate(empty_database_url, CLOCK, tmp_path)


async def test_an_empty_database_says_what_to_do(empty_database_url: str) -> None:
    with pytest.raises(SchemaError, match="tallyman migrate"):
        async with Database.open(empty_database_url):
            pass


async def test_no_server_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError):
        async with Database.open(f"postgresql://postgres@/x?host={tmp_path}"):
            pass


async def test_the_store_gets_a_new_name(database: Database) -> None:
    before = await database.store_id()
    renewed = await renew_store(database, CLOCK)
    assert renewed != before
    assert await database.store_id() == renewed


async def partitions(database: Database) -> set[str]:
    rows = await database.pool.fetch(
        "SELECT relid::regclass::text AS name FROM pg_partition_tree('movement') WHERE isleaf"
    )
    return {row["name"] for row in rows}


async def test_partitions_stand_ahead_of_the_clock(database: Database) -> None:
    assert {"movement_2026_03", "movement_2026_04", "movement_2026_05", "movement_rest"} <= await partitions(database)
    async with database.pool.acquire() as connection:
        await ensure_partitions(connection, datetime(2026, 12, 31, tzinfo=UTC))
        await ensure_partitions(connection, datetime(2026, 12, 31, tzinfo=UTC))
    assert {"movement_2026_12", "movement_2027_01", "movement_2027_02"} <= await partitions(database)


async def test_rows_of_a_month_without_partition_stay_in_rest(database: Database) -> None:
    async with database.pool.acquire() as connection:
        await connection.execute(
            "INSERT INTO posting (recorded_at, observed_at, from_balance_id, to_balance_id, quantity, reason, actor,"
            " role) VALUES ($1, $1, 1, 2, 1, 'test', 'test', 'test')",
            datetime(2030, 1, 5, tzinfo=UTC),
        )
        await ensure_partitions(connection, datetime(2030, 1, 5, tzinfo=UTC))
        assert await connection.fetchval("SELECT to_regclass('posting_2030_01')") is None
        assert await connection.fetchval("SELECT to_regclass('posting_2030_02')") is not None
        assert await connection.fetchval("SELECT count(*) FROM posting") == 1


def test_months_carry_over_the_year() -> None:
    assert month(datetime(2026, 11, 30, 23, tzinfo=UTC), 2) == datetime(2027, 1, 1, tzinfo=UTC)
