"""Two gateways see the same things in the same moment, some of them for the first time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.store.database import Database
from tests.house import Gateway, arrived, at, furnish, stock
from wire.clock import ScaledClock


@pytest.fixture
async def gateways(database: Database) -> AsyncIterator[list[Gateway]]:
    """Two gateways of one site, each with a worker of its own; the store must add up afterwards."""
    await furnish(database)
    yield [Gateway(IngestService(database, ScaledClock(at(3600))), "a", name) for name in ("ga", "gb")]
    assert await verify(database) == []


async def test_two_gateways_that_see_everything_at_once_agree(database: Database, gateways: list[Gateway]) -> None:
    things = range(1, 30)
    await gateways[0].say(*(arrived(serial, "dock", 0) for serial in things if serial % 2))

    async def walk(gateway: Gateway, zones: tuple[str, ...], offset: float) -> None:
        for turn in range(8):
            zone = zones[turn % len(zones)]
            await gateway.say(*(arrived(serial, zone, 10 + turn + offset, kind="moved") for serial in things))

    await asyncio.gather(walk(gateways[0], ("rack", "dock"), 0.25), walk(gateways[1], ("shelf", "rack"), 0.5))
    assert await stock(database) == {"a/rack/BOX//sellable": len(things)}
