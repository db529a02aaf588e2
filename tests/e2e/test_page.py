"""The page in a real browser: what stands in the database is what stands on the screen, and it follows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from backend.alerts.service import Alert, AlertKind, raise_alerts
from backend.alerts.wording import Detail
from backend.api.guard import Guard
from backend.store.database import Database
from tests.browser import IN_TIME_MS, opened
from tests.serving import House, Serving, at, serving

pytestmark = pytest.mark.browser


@pytest.fixture
async def page(browser: Browser, served: Serving) -> AsyncIterator[Page]:
    """The page of the served house."""
    async with opened(browser, served.url) as page:
        yield page


async def warn(house: House, site: str, kind: AlertKind, detail: Detail) -> None:
    """Raise an alert at a site, whose key is a number that means nothing to anybody."""
    async with house.database.transaction() as connection:
        site_id = await connection.fetchval("SELECT site_id FROM site WHERE code = $1", site)
        await raise_alerts(connection, [Alert(kind, "4711", site_id, detail)], at(0))


async def furnished(house: House) -> None:
    await house.put("jakarta", "dock", "CASE", 12)
    await house.put("jakarta", "rack", "CASE", 1240)
    await house.put("jakarta", "rack", "DRUM", 8)
    await house.put("surabaya", "rack", "DRUM", 310)
    await house.put("surabaya", "dock", "DRUM", -2)
    await house.put("jakarta", "in_transit", "CASE", 40)
    await house.database.pool.execute(
        "INSERT INTO gateway (gateway, site_id, online, status, status_at)"
        " SELECT code || '-edge', site_id, code = 'jakarta', $1, $2 FROM site",
        {"zones": ["attic", "dock", "rack"], "portals": ["d1"], "readers": ["r1", "r2"]},
        at(0),
    )
    await warn(house, "surabaya", "gateway_offline", Detail(gateway="surabaya-edge", site="surabaya"))
    await warn(house, "jakarta", "owed", Detail(zone="rack", sku="CASE", condition="sellable", units=1240))
    await warn(house, "jakarta", "left_pallet", Detail(pallet="(00)095060001343520005", things=3))
    await warn(house, "jakarta", "short", Detail(order="W-1001", sku="CASE", lot="L7", units=1))
    antenna = "antenna 2 of the far door is not connected; the reader says it has been so since it was started"
    await warn(house, "jakarta", "antenna_lost", Detail(gateway="jakarta-edge", reader="r1", detail=antenna))
    for serial in range(6):
        await house.add_item(serial, "jakarta", "rack")
        await house.cross(serial, "jakarta", "in" if serial % 2 else "out", serial)


async def test_stock_movements_and_gateways_are_shown_and_follow(page: Page, served: Serving) -> None:
    await furnished(served.house)
    jakarta, surabaya = page.locator("[data-site=jakarta]"), page.locator("[data-site=surabaya]")
    await expect(page.locator(".connection")).to_have_text("Live")
    await expect(jakarta.locator("[data-zone=rack] .units")).to_have_text("1,248")
    await expect(jakarta.locator("strong")).to_have_text("1,260")
    await expect(jakarta.locator("[data-zone=in_transit]")).to_have_text("40")
    await expect(surabaya.locator("[data-zone=dock]")).to_contain_text("owed")
    await expect(page.locator("[data-figure=in-transit]")).to_have_text("40")
    await expect(page.locator(".movements li")).to_have_count(6)
    await expect(page.locator(".movements li").first).to_contain_text("crossed in")
    await expect(page.locator("[data-gateway=jakarta-edge]")).to_contain_text("not in the catalog: attic")
    await expect(page.locator("[data-gateway=surabaya-edge]")).to_have_attribute("data-online", "false")
    told = page.locator(".alerts li")
    await expect(told).to_have_count(5)
    for kind, about in (
        ("Antenna lost", "jakarta · gateway jakarta-edge · reader r1 · antenna 2 of the far door"),
        ("Short", "jakarta · order W-1001 · CASE · lot L7 · 1 unit"),
        ("Left pallet", "jakarta · pallet (00)095060001343520005 · 3 things"),
        ("Owed", "jakarta · zone rack · CASE · sellable · 1,240 units"),
        ("Gateway offline", "surabaya · gateway surabaya-edge"),
    ):
        await expect(told.filter(has_text=kind)).to_contain_text(about)
    await expect(page.locator(".alerts")).not_to_contain_text("4711")
    if picture := os.environ.get("TALLYMAN_SCREENSHOTS"):
        await asyncio.sleep(0.5)
        await page.screenshot(path=Path(picture) / "light.png", full_page=True)
        await page.emulate_media(color_scheme="dark")
        await page.screenshot(path=Path(picture) / "dark.png", full_page=True)
        await page.set_viewport_size({"width": 420, "height": 860})
        await page.screenshot(path=Path(picture) / "narrow.png", full_page=True)
    await served.house.put("jakarta", "rack", "CASE", 2)
    await served.house.cross(0, "jakarta", "in", 60)
    await expect(jakarta.locator("[data-zone=rack] .units")).to_have_text("1,250")
    await expect(page.locator(".movements li")).to_have_count(7)


async def test_the_filter_shows_one_sku(page: Page, served: Serving) -> None:
    await furnished(served.house)
    jakarta = page.locator("[data-site=jakarta]")
    await expect(jakarta.locator("strong")).to_have_text("1,260")
    await page.get_by_placeholder("Filter by SKU").fill("dru")
    await expect(jakarta.locator("strong")).to_have_text("8")
    await expect(page.locator("[data-figure=skus]")).to_have_text("1")
    await expect(page.locator(".movements li")).to_have_count(0)
    await page.get_by_placeholder("Filter by SKU").fill("")
    await expect(jakarta.locator("strong")).to_have_text("1,260")


async def test_the_page_says_that_the_line_is_gone_and_comes_back(
    browser: Browser, database: Database, unused_tcp_port: int
) -> None:
    await House(database).furnish()
    page = await browser.new_page()
    async with serving(database, port=unused_tcp_port) as served:
        await served.house.put("jakarta", "rack", "CASE", 5)
        await page.goto(served.url)
        await expect(page.locator(".connection")).to_have_text("Live", timeout=IN_TIME_MS)
        await expect(page.locator("[data-site=jakarta] strong")).to_have_text("5", timeout=IN_TIME_MS)
    await expect(page.locator(".connection")).to_contain_text("lost", timeout=IN_TIME_MS)
    await expect(page.locator("[data-site=jakarta] strong")).to_have_text("5")
    async with serving(database, port=unused_tcp_port) as served:
        await served.house.put("jakarta", "rack", "CASE", 5)
        await expect(page.locator("[data-site=jakarta] strong")).to_have_text("10", timeout=2 * IN_TIME_MS)
        await page.close()


async def test_with_a_token_the_page_asks_for_it(browser: Browser, database: Database) -> None:
    await House(database).furnish()
    async with serving(database, Guard("a-token-of-some-length")) as served:
        page = await browser.new_page()
        page.set_default_timeout(IN_TIME_MS)
        await page.goto(served.url)
        await page.get_by_label("This server asks for its token").fill("wrong")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=IN_TIME_MS)
        await page.get_by_label("This server asks for its token").fill("a-token-of-some-length")
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator("[data-site=jakarta] h2")).to_have_text("Jakarta", timeout=IN_TIME_MS)
        await page.close()
