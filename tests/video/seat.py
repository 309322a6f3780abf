"""A browser in front of the site: who sits there, what is looked at, and the line between the two."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page

from tests.video.cinema import Person

AXE = Path(__file__).parents[1] / "node/node_modules/axe-core/axe.min.js"
QUIETLY = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required",
)
SHOTS = os.environ.get("CRATON_SHOTS")
"""A folder for pictures of the pages, for people to look at."""
LOOKS: dict[str, tuple[int, Literal["light", "dark"]]] = {
    "wide-light": (1280, "light"), "narrow-dark": (375, "dark"), "narrow-light": (375, "light"),
    "wide-dark": (1280, "dark"),
}
LOOKED_AT = list(LOOKS.items())[:4 if SHOTS else 2]
CHECK = """async only => (await axe.run({runOnly: only})).violations.map(one => [one.id, one.help, ...one.nodes.map(
    node => node.html.slice(0, 200) + " " + node.any.concat(node.all).map(check => check.message).join("; ")
)].join(" | "))"""
ALL = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
OF_LOOKS = ("color-contrast", "target-size", "scrollable-region-focusable")
"""What a page that is right on one screen may have wrong on another."""


@dataclass(slots=True)
class Seat:
    """A browser in front of the site."""

    browser: Browser
    url: str

    @asynccontextmanager
    async def sits(self, person: Person | None = None, *, bypass: bool = False) -> AsyncIterator[Page]:
        """Somebody new. `bypass`: without the pages' own policy, for axe alone."""
        context = await self.browser.new_context(
            base_url=self.url, viewport={"width": 1280, "height": 800}, reduced_motion="reduce", bypass_csp=bypass,
        )
        if person:
            token = person.headers["Authorization"].removeprefix("Bearer ")
            await context.add_cookies([{"name": "video_session", "value": token, "url": self.url}])
        try:
            page = await context.new_page()
            broken: list[str] = []
            page.on("pageerror", lambda error: broken.append(str(error)))
            page.on("console", lambda said: broken.append(said.text) if "Content Security" in said.text else None)
            yield page
            assert not broken, broken
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
        for index, (look, (width, colour)) in enumerate(LOOKED_AT):
            await self.page.set_viewport_size({"width": width, "height": 800})
            await self.page.emulate_media(color_scheme=colour)
            self.found += await faults_of(self.page, look, name, only=OF_LOOKS if index else ALL)

    def check(self) -> None:
        """Nothing was found."""
        assert not self.found, "\n".join(self.found)


async def faults_of(page: Page, look: str, name: str, *, only: Sequence[str]) -> list[str]:
    """What axe finds on the page that is shown, and whether it is wider than the screen."""
    if not await page.evaluate("() => 'axe' in window"):
        await page.add_script_tag(path=AXE)
    found: list[str] = await page.evaluate(CHECK, only)
    if await page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
        found.append("the page is wider than the screen")
    if SHOTS:
        await page.screenshot(path=f"{SHOTS}/{name}-{look}.png", full_page=True)
    return [f"{name} ({look}): {one}" for one in found]


async def becomes(page: Page, true: str, *, seconds: float = 60) -> None:
    """Wait until something is true in a page, whose own policy holds for what is tried in it, too."""
    async with asyncio.timeout(seconds):
        while not await page.evaluate(true):  # noqa: ASYNC110  # it happens in the browser
            await asyncio.sleep(0.1)


class Line:
    """A slow connection to a server, which can be cut."""

    def __init__(self, port: int) -> None:
        self.port, self.whole, self.writers = port, True, list[asyncio.StreamWriter]()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if not self.whole:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers += [writer, back]
        await asyncio.gather(self.copy(reader, back, pause=0.01), self.copy(there, writer), return_exceptions=True)

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, pause: float = 0.0) -> None:
        """One direction: at most so much at once."""
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        writer.close()

    def cut(self) -> None:
        """Break all connections, and take no others."""
        self.whole = False
        for writer in self.writers:
            writer.transport.abort()
