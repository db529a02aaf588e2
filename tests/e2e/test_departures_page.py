"""What left without a document, on the page: listed by load, and settled with a click or a key."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Browser, Page, Route, expect

from backend.documents.making import DocumentLine, DocumentSpec, make_document
from backend.ingest.service import IngestService
from backend.ingest.verify import verify
from backend.store.database import Database
from tests.browser import opened
from tests.house import Gateway, SetClock, arrived, crossed, furnish, place, stock
from tests.serving import serving

pytestmark = pytest.mark.browser


@dataclass
class Dock:
    """The page of a house, its gateway at site `a`, and its database."""

    page: Page
    gateway: Gateway
    database: Database
    clock: SetClock

    async def ship(self, code: str) -> None:
        spec = DocumentSpec(code, "shipment", "a", (DocumentLine("BOX", 5),))
        await make_document(self.database, self.clock, spec, "dewi")

    async def leave(self, *serials: int, at_s: float) -> None:
        """Boxes go out of door `d`, one each second."""
        await self.gateway.say(*(crossed(one, "out", at_s + place) for place, one in enumerate(serials)))


a_request_fails = pytest.mark.parametrize("dock", ["Failed to load resource"], indirect=True, ids=[""])
"""What the browser then tells the console."""


@pytest.fixture
async def dock(request: pytest.FixtureRequest, browser: Browser, database: Database) -> AsyncIterator[Dock]:
    """Twenty boxes on the rack of site `a`; nothing has left yet."""
    await furnish(database)
    clock = SetClock(600)
    gateway = Gateway(IngestService(database, clock), "a", "ga")
    await gateway.say(*(arrived(serial, "rack", serial) for serial in range(1, 21)))
    async with (
        serving(database, clock=clock) as served,
        opened(browser, served.url, borne=getattr(request, "param", None)) as page,
    ):
        yield Dock(page, gateway, database, clock)
    assert await verify(database) == []


async def test_loads_are_listed_and_settled_with_one_click(dock: Dock) -> None:
    page, card = dock.page, dock.page.get_by_role("region", name="Left without a document")
    await expect(page.locator(".connection")).to_have_text("Live")
    await expect(card).to_have_count(0)
    await dock.ship("S-8")
    await dock.leave(1, 2, 3, at_s=610)
    await dock.leave(4, at_s=660)
    loads = card.locator("[data-door='a/d']")
    await expect(loads).to_have_count(2)
    await expect(loads.first).to_contain_text("1 thing")
    await expect(loads.last).to_contain_text("3 × BOX")
    await expect(loads.last.get_by_label("What left a by d")).to_have_value("document S-8")
    if picture := os.environ.get("TALLYMAN_SCREENSHOTS"):
        await loads.last.get_by_text("One by one").click()
        await page.screenshot(path=Path(picture) / "departures.png")
        await page.emulate_media(color_scheme="dark")
        await page.set_viewport_size({"width": 420, "height": 860})
        await page.screenshot(path=Path(picture) / "departures-narrow.png")
    await loads.last.get_by_role("button", name="Settle", exact=True).first.click()
    await expect(card).to_contain_text("3 things at a · d settled: went with S-8")
    await expect(loads).to_have_count(1)
    assert (await stock(dock.database))["a/customer/BOX//sellable"] == 3
    actor = await dock.database.pool.fetchval("SELECT DISTINCT actor FROM posting WHERE reason = 'settled'")
    assert actor == "local"


async def test_one_thing_of_a_load_is_settled_by_the_keyboard_alone(dock: Dock) -> None:
    page, card = dock.page, dock.page.locator(".departures")
    await dock.leave(1, 2, at_s=610)
    choice = card.get_by_label("What left a by d")
    await expect(choice).to_have_value("")
    await expect(card.get_by_role("button", name="Settle", exact=True)).to_be_disabled()
    await choice.focus()
    await page.keyboard.type("shelf")
    await expect(choice).to_have_value("zone shelf")
    for key in ("Tab", "Tab", "Enter", "Tab", "Enter"):
        await page.keyboard.press(key)
    await expect(card).to_contain_text("1 thing at a · d settled: never left, in shelf")
    await expect(card.locator("#settled")).to_be_focused()
    await expect(card.locator("[data-door='a/d']")).to_contain_text("1 thing")
    assert await place(dock.database, 2) == "a/shelf"
    assert await place(dock.database, 1) == "a/in_transit"


@a_request_fails
async def test_a_refusal_is_shown_and_nothing_is_settled(dock: Dock) -> None:
    page, card = dock.page, dock.page.locator(".departures")
    await dock.ship("S-8")
    await dock.leave(1, at_s=610)
    choice = card.get_by_label("What left a by d")
    await expect(choice).to_have_value("document S-8")
    await dock.database.pool.execute("UPDATE document SET site_id = (SELECT site_id FROM site WHERE code = 'b')")
    await card.get_by_role("button", name="Settle", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("takes nothing out of site 'a'")
    assert await dock.database.pool.fetchval("SELECT count(*) FROM departure WHERE settled_at IS NULL") == 1
    await choice.select_option("lost")
    await card.get_by_role("button", name="Settle", exact=True).click()
    await expect(card).to_contain_text("settled: lost, written off")
    await expect(page.locator(".alerts")).to_have_count(0)


async def test_what_somebody_else_settles_goes_from_the_page(dock: Dock) -> None:
    card = dock.page.locator(".departures")
    await dock.leave(1, 2, at_s=610)
    await expect(card).to_contain_text("2 things")
    body = {"site": "a", "portal": "d", "first_at": "2026-01-01T00:00:00Z", "last_at": "2027-01-01T00:00:00Z"}
    headers = {"Idempotency-Key": "k"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{dock.page.url}api/v1/departures/settle", json=body | {"zone": "rack"}, headers=headers) as said,
    ):
        assert await said.json() == {"settled": 2}
    await expect(card).to_have_count(0)


@a_request_fails
async def test_a_word_that_may_not_have_arrived_is_said_again_under_its_key(dock: Dock) -> None:
    page, card = dock.page, dock.page.locator(".departures")
    await dock.leave(1, at_s=610)
    keys: list[str] = []

    async def cut_once(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        await (route.abort() if len(keys) == 1 else route.continue_())

    await page.route("**/departures/settle", cut_once)
    await card.get_by_label("What left a by d").select_option("zone rack")
    settle = card.get_by_role("button", name="Settle", exact=True)
    await settle.click()
    await expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    await settle.click()
    await expect(card).to_contain_text("never left, in rack")
    assert len(keys) == 2
    assert keys[0] == keys[1]
