"""A POST repeated with its key changes nothing twice, whatever happens in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from backend.api.idempotency import KEEP_DAYS, Answer, KeyStore
from backend.api.problems import ProblemError
from backend.store.database import Database
from tests.postgres import START


class StoppedClock:
    """A clock that moves by hand."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> object:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def keys(database: Database, clock: StoppedClock) -> KeyStore:
    return KeyStore(database, clock)


async def add_site(database: Database) -> Answer:
    """A change to count: one more site each time it is done, through a service's own transaction."""
    async with database.transaction() as connection:
        number = await connection.fetchval("INSERT INTO site (code) SELECT 's' || count(*) FROM site RETURNING site_id")
    return Answer(200, f'{{"number":{number}}}')


async def sites(database: Database) -> int:
    return int(await database.pool.fetchval("SELECT count(*) FROM site"))


ONE, OTHER = KeyStore.digest("POST", "/a", b"1"), KeyStore.digest("POST", "/a", b"2")


async def test_a_repeat_gets_the_first_answer(keys: KeyStore, database: Database) -> None:
    first = await keys.once("me", "k", ONE, add_site)
    assert await keys.once("me", "k", ONE, add_site) == first
    assert await sites(database) == 1
    assert await keys.once("me", "k2", ONE, add_site) != first
    assert await keys.once("you", "k", OTHER, add_site) != first
    assert await sites(database) == 3


async def test_another_request_may_not_use_the_key(keys: KeyStore, database: Database) -> None:
    await keys.once("me", "k", ONE, add_site)
    with pytest.raises(ProblemError) as caught:
        await keys.once("me", "k", OTHER, add_site)
    assert (caught.value.kind, caught.value.status) == ("key-reused", 422)
    assert await sites(database) == 1


@pytest.mark.parametrize(("key", "kind"), [(None, "key-missing"), ("", "key-missing"), ("k" * 201, "invalid-request")])
async def test_a_key_is_needed(keys: KeyStore, database: Database, key: str | None, kind: str) -> None:
    with pytest.raises(ProblemError) as caught:
        await keys.once("me", key, ONE, add_site)
    assert caught.value.kind == kind
    assert await sites(database) == 0


async def test_of_many_at_once_one_does_the_work(keys: KeyStore, database: Database) -> None:
    answers = await asyncio.gather(*(keys.once("me", "k", ONE, add_site) for _ in range(10)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, ProblemError)]
    assert {answer.kind for answer in refused} <= {"key-in-progress"}
    assert len({answer for answer in answers if isinstance(answer, Answer)}) == 1
    assert await sites(database) == 1


async def test_what_is_refused_leaves_nothing_and_the_key_free(keys: KeyStore, database: Database) -> None:
    async def refused(joined: Database) -> Answer:
        await add_site(joined)
        raise ProblemError("refused", "no")

    with pytest.raises(ProblemError):
        await keys.once("me", "k", ONE, refused)
    assert await sites(database) == 0
    await keys.once("me", "k", OTHER, add_site)
    assert await sites(database) == 1


async def test_a_fault_inside_a_service_undoes_only_its_own_part(keys: KeyStore, database: Database) -> None:
    async def half(joined: Database) -> Answer:
        await add_site(joined)
        try:
            async with joined.transaction() as connection:
                await connection.execute("INSERT INTO site (code) VALUES ('s0')")
        except asyncpg.UniqueViolationError:
            return await add_site(joined)
        raise AssertionError("the code was taken")

    await keys.once("me", "k", ONE, half)
    assert await sites(database) == 2


async def test_old_keys_are_forgotten(keys: KeyStore, database: Database, clock: StoppedClock) -> None:
    await keys.once("me", "k", ONE, add_site)
    await clock.sleep(KEEP_DAYS * 86400 - 1)
    await keys.sweep()
    await keys.once("me", "k", ONE, add_site)
    assert await sites(database) == 1
    await clock.sleep(2)
    await keys.sweep()
    await keys.once("me", "k", OTHER, add_site)
    assert await sites(database) == 2


def test_requests_differ_by_what_they_are_made_of() -> None:
    assert KeyStore.digest("ab", b"c") != KeyStore.digest("a", b"bc")
    assert KeyStore.digest("a", "b") == KeyStore.digest("a", b"b")
