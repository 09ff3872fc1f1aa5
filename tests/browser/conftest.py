"""A tablet: the real page in a real browser, served by the real server over a gateway of ours."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Request,
    WebSocket,
    async_playwright,
)

from tests.api.fake import FakeGateway
from tests.api.served import Served, served

CHROMIUM = Path("/usr/bin/chromium")

FLAGS = [
    # Root and containers have no sandbox of their own to offer; the page is ours.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
    # One process for all tabs: a test must find as many as there were before it.
    "--renderer-process-limit=1",
    "--disable-features=SpareRendererForSitePerProcess",
]

LANDSCAPE = {"width": 1280, "height": 800}
PORTRAIT = {"width": 800, "height": 1280}


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Debian's browser; nothing is ever downloaded."""
    if not CHROMIUM.exists():
        pytest.fail("the browser tests need Debian's `chromium`: apt-get install chromium")
    return browser_type_launch_args | {"executable_path": str(CHROMIUM), "args": FLAGS}


@pytest.fixture(scope="session")
def base_url() -> None:
    """Every test has a server of its own; the plugin's fixture of this name is deprecated style."""


# The plugin's own two run on the loop of the first test that comes by; these on the session's.


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as playwright:
        yield playwright


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(launch_browser: Callable[[], Awaitable[Browser]]) -> AsyncIterator[Browser]:
    browser = await launch_browser()
    # What a browser starts with its first page stays for the others.
    page = await browser.new_page()
    await page.goto("about:blank")
    await page.close()
    yield browser
    await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(new_context: Callable[[], Awaitable[BrowserContext]]) -> AsyncIterator[Page]:
    """A page of a browser of its own; the browser has ended what it started for it afterwards."""
    before = _children()
    context = await new_context()
    yield await context.new_page()
    await context.close()
    async with asyncio.timeout(10):
        while _children() - before:
            await asyncio.sleep(0.02)


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


@dataclass
class Tablet:
    """A page that shows the table, what it complained of, and whom it asked."""

    page: Page
    gateway: FakeGateway
    server: Served
    outage: bool = False
    """The daemon is gone on purpose: a browser complains about every failed request."""
    complaints: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    @property
    def stop(self) -> Locator:
        return self.page.get_by_role("button", name="STOP", exact=True)

    @property
    def stop_note(self) -> Locator:
        return self.page.locator("#stop-note")

    @property
    def alarm(self) -> Locator:
        return self.page.locator(".alarm")

    def card(self, section: str) -> Locator:
        return self.page.get_by_role("article", name=section)

    def word(self, section: str) -> Locator:
        return self.card(section).locator(".word")

    async def end_daemon(self) -> None:
        self.outage = True
        await self.server.end()

    def listen(self) -> None:
        def heard(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.complaints.append(message.text)

        def asked(request: Request | WebSocket) -> None:
            self.addresses.append(request.url)

        self.page.on("console", heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", asked)
        self.page.on("websocket", asked)


@pytest_asyncio.fixture(loop_scope="session")
async def tablet(page: Page) -> AsyncIterator[Tablet]:
    gateway = FakeGateway()
    async with served(gateway) as server:
        tablet = Tablet(page, gateway, server)
        tablet.listen()
        await page.set_viewport_size(LANDSCAPE)
        await page.goto(server.http)
        await tablet.card("thoracic").wait_for()
        await gateway.until(lambda: gateway.watchers > 0)
        yield tablet
        await page.close()
    if not tablet.outage:
        assert tablet.complaints == []
    own = (server.http, server.http.replace("http", "ws"))
    assert [each for each in tablet.addresses if not each.startswith(own)] == []
