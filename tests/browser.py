"""A real browser for tests of the page: the system's Chromium, which speaks to nobody but the test."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from typing import Final

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from backend.api.web import DIST

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# No sandbox: containers grant none to root. The rest keeps the browser from speaking to anybody but this test.
FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

IN_TIME_MS: Final = 20_000


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """The system's Chromium; the test is skipped where there is none, or where the page is not built."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip(f"no browser on PATH (looked for {', '.join(BROWSERS)})")
    if not (DIST / "index.html").is_file():
        pytest.skip("the page is not built: run `make web`")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def opened(browser: Browser, url: str, *, borne: str | None = None) -> AsyncIterator[Page]:
    """The page at a URL. Fails when it said anything to the console, other than what holds `borne`, or asked anything
    of another host."""
    page = await browser.new_page(viewport={"width": 1360, "height": 860}, color_scheme="light")
    page.set_default_timeout(IN_TIME_MS)
    expect.set_options(timeout=IN_TIME_MS)
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: asked.url.startswith(url) or complaints.append(f"asked {asked.url}"))
    await page.goto(url)
    yield page
    assert not [said for said in complaints if borne is None or borne not in said]
