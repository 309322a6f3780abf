"""Chromium in front of a site that is tested: who sits there, what is looked at, and what axe says of it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest_asyncio

if TYPE_CHECKING:  # it takes a while to load, and most tests do without
    from playwright.async_api import Browser, Page

QUIETLY = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required", "--mute-audio",
)
AXE = Path(__file__).parent / "node/node_modules/axe-core/axe.min.js"
SHOTS = os.environ.get("CRATON_SHOTS")
"""A folder for pictures of the pages, for people to look at."""
Colour = Literal["light", "dark"]
LOOKS: dict[str, tuple[int, Colour]] = {
    "wide-light": (1280, "light"), "narrow-dark": (375, "dark"), "narrow-light": (375, "light"),
    "wide-dark": (1280, "dark"),
}
LOOKED_AT = list(LOOKS)[:4 if SHOTS else 2]
"""Each width and each colour; in all combinations where pictures are made."""
CHECK = """async only => (await axe.run({runOnly: only})).violations.map(one => [one.id, one.help, ...one.nodes.map(
    node => node.html.slice(0, 200) + " " + node.any.concat(node.all).map(check => check.message).join("; ")
)].join(" | "))"""
ALL = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
OF_LOOKS = ("color-contrast", "target-size", "scrollable-region-focusable")
"""What a page that is right on one screen may have wrong on another."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser, without a window."""
    from playwright.async_api import async_playwright

    found = shutil.which("chromium") or shutil.which("chromium-browser")
    assert found, "there is no chromium: run scripts/system"
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=found, args=[*QUIETLY])
        try:
            yield browser
        finally:
            await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium, once for all tests."""
    async with chromium() as found:
        yield found


@dataclass(slots=True)
class Seat:
    """A browser in front of a site."""

    browser: Browser
    url: str

    @asynccontextmanager
    async def sits(
        self, *, look: str = "wide-light", bypass: bool = False, cookies: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Page]:
        """Somebody new, with these cookies, on a screen of some width and colour; no script may break, and none be
        refused. `bypass`: without the pages' own policy, for axe alone."""
        width, colour = LOOKS[look]
        context = await self.browser.new_context(
            base_url=self.url, viewport={"width": width, "height": 800}, color_scheme=colour, reduced_motion="reduce",
            bypass_csp=bypass,
        )
        try:
            for name, value in (cookies or {}).items():
                await context.add_cookies([{"name": name, "value": value, "url": self.url}])
            page, broken = await context.new_page(), list[str]()
            page.on("pageerror", lambda error: broken.append(str(error)))
            page.on("console", lambda said: broken.append(said.text) if "Content Security" in said.text else None)
            yield page
            assert not broken, "\n".join(broken)
        finally:
            await context.close()


class Tour:
    """Looks at pages on all screens, and collects what is wrong with them."""

    def __init__(self, page: Page) -> None:
        self.page, self.found = page, list[str]()

    async def see(self, name: str, path: str = "", *, status: int = 200) -> None:
        """One page, on all screens; the one that is shown already, where no address is given."""
        if path:
            answer = await self.page.goto(path)
            assert answer and answer.status == status, (path, answer and answer.status)
        for index, look in enumerate(LOOKED_AT):
            await look_at(self.page, LOOKS[look])
            self.found += await faults_of(self.page, look, name, only=OF_LOOKS if index else ALL)

    def check(self) -> None:
        """Nothing was found."""
        assert not self.found, "\n".join(self.found)


async def look_at(page: Page, look: tuple[int, Colour]) -> None:
    """A page as it is on a screen of some width and colour."""
    width, colour = look
    await page.set_viewport_size({"width": width, "height": 800})
    await page.emulate_media(color_scheme=colour)


async def faults_of(page: Page, look: str, name: str, *, only: Sequence[str]) -> list[str]:
    """What axe finds on the page that is shown, and whether it is wider than the screen."""
    found = await faults(page, only)
    if await is_too_wide(page):
        found.append("the page is wider than the screen")
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}-{look}.png", full_page=True)
    return [f"{name} ({look}): {one}" for one in found]


async def faults(page: Page, only: Sequence[str]) -> list[str]:
    """What axe finds on the page that is shown."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.add_script_tag(path=AXE)
    found: list[str] = await page.evaluate(CHECK, only)
    return found


async def is_too_wide(page: Page) -> bool:
    """Whether a page is wider than the screen."""
    return bool(await page.evaluate("() => document.documentElement.scrollWidth > innerWidth"))


async def becomes(page: Page, true: str, *, seconds: float = 60) -> None:
    """Wait until something is true in a page, whose own policy holds for what is tried in it, too."""
    async with asyncio.timeout(seconds):
        while not await page.evaluate(true):  # noqa: ASYNC110  # it happens in the browser
            await asyncio.sleep(0.1)
