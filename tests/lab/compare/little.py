"""A little side over real HTTP, whose capacity follows from arithmetic, and whose troubles are known."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiohttp import web

from craton.lab.compare.isolation import Enter
from craton.lab.compare.stand import PartNow, Trouble
from craton.lab.load.generator import Generator
from craton.lab.load.visitor import visit
from craton.lab.scenario import Scenario, Visitor

SLOW = 0.5
"""Seconds that a slowed service takes longer."""
PATIENCE = 0.1
"""Seconds that a page waits for hints, which it can do without."""


async def look(visitor: Visitor) -> None:
    """A page that needs nobody but the front; it shows hints where it gets them."""
    await visitor.get("/look")


async def buy(visitor: Visitor) -> None:
    """A page that needs the stock."""
    await visitor.get("/buy")


walk = Scenario("walk", {look: 1, buy: 1}, think=(0.01, 0.02))


class Service:
    """One service: so many at once, so many seconds each. Where more wait than `breaks_at`, each takes four times as
    long from then on, until nobody waits: what is called a metastable failure."""

    def __init__(self, slots: int, seconds: float, *, breaks_at: int | None = None) -> None:
        self.count, self.seconds, self.breaks_at = slots, seconds, breaks_at
        self.slots, self.waiting, self.broken = asyncio.Semaphore(slots), 0, False
        self.trouble: Trouble | None = None

    async def ask(self) -> None:
        """Have it do one thing."""
        if self.trouble == "killed":
            raise ConnectionError
        if self.trouble == "failing":
            raise web.HTTPInternalServerError
        if self.trouble == "slowed":
            await asyncio.sleep(SLOW)
        await self.work()

    async def work(self) -> None:
        """Wait for a slot, and use it."""
        self.waiting += 1
        if self.breaks_at is not None and self.waiting > self.breaks_at:
            self.broken = True
        async with self.slots:
            self.waiting -= 1
            self.broken = self.broken and self.waiting > 0
            await asyncio.sleep(self.seconds * (4 if self.broken else 1))


class LittleSide:
    """A front, a stock and hints. `again`: seconds that a service which was killed needs until it answers again."""

    name, what, ours, url, started = "little", "3 services", True, "", 0.1
    services: Mapping[str, tuple[str, ...]]

    def __init__(self, *, again: float = 0.0, **services: Service) -> None:
        free = {name: Service(1000, 0.0) for name in ("front", "stock", "hints")}
        self.again, self.all = again, free | services
        self.services = {name: (name,) for name in self.all}
        self.cores: Sequence[int] = ()

    def parts(self) -> Sequence[PartNow]:
        """All of it is in this process."""
        return [PartNow(name, "service", (os.getpid(),)) for name in self.all]

    def confine(self, cores: Sequence[int]) -> None:
        """As many times the slots as there are cores."""
        self.cores = cores
        for service in self.all.values():
            service.slots = asyncio.Semaphore(service.count * len(cores))

    @asynccontextmanager
    async def trouble(self, service: str, kind: Trouble) -> AsyncIterator[None]:
        """A service in trouble."""
        self.all[service].trouble = kind
        try:
            yield
        finally:
            pause = self.again if kind == "killed" else 0.0
            asyncio.get_running_loop().call_later(pause, setattr, self.all[service], "trouble", None)

    def settled(self) -> bool:
        """Whether none is dead."""
        return all(service.trouble != "killed" for service in self.all.values())

    async def connections(self) -> Mapping[str, int]:
        """It has no database."""
        return {}

    async def look(self, request: web.Request) -> web.Response:
        """A page that shows hints where they come soon."""
        await self.front(request)
        try:
            async with asyncio.timeout(PATIENCE):
                await self.all["hints"].ask()
        except (ConnectionError, TimeoutError, web.HTTPInternalServerError):
            return web.Response(text="no hints")
        return web.Response(text="hints")

    async def buy(self, request: web.Request) -> web.Response:
        """A page that is nothing without the stock."""
        await self.front(request)
        try:
            await self.all["stock"].ask()
        except ConnectionError:
            raise web.HTTPServiceUnavailable from None
        return web.Response(text="bought")

    async def front(self, request: web.Request) -> None:
        """What every page needs; a dead front says nothing at all."""
        try:
            await self.all["front"].ask()
        except ConnectionError:
            assert request.transport
            request.transport.abort()
            raise asyncio.CancelledError from None


def visiting(side: LittleSide, *, limit: float = 10.0) -> Generator:
    """Visitors for it, who wait so many seconds."""
    return Generator("tests.lab.compare.little:walk", side.url, limit=limit)


def enter(side: LittleSide) -> Enter:
    """Lets one visitor in."""
    return lambda seed: visit(side.url, seed=seed)


@asynccontextmanager
async def open_little(side: LittleSide) -> AsyncIterator[LittleSide]:
    """It, at an address."""
    application = web.Application()
    application.add_routes([web.get("/look", side.look), web.get("/buy", side.buy)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        side.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield side
    finally:
        await runner.cleanup()
