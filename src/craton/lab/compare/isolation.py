"""Isolation: each service in turn killed, slowed and made to fail; what visitors could still do, and how soon all of it
again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import product

from craton.lab.compare.driver import Driver
from craton.lab.compare.results import Blow, Isolation
from craton.lab.compare.stand import Stand, Trouble
from craton.lab.load.figures import ALL, Load
from craton.lab.scenario import Action, Scenario, Visitor

KINDS: tuple[Trouble, ...] = ("killed", "slowed", "failing")
ENOUGH = 5
"""How often each action is expected while a service is in trouble: the chance that it never comes is 0.7 %."""
LOOK = 0.2
"""Seconds between two looks whether everything is done again."""

Enter = Callable[[int], AbstractAsyncContextManager[Visitor]]
"""A new visitor, for a seed."""


@dataclass(frozen=True, kw_only=True)
class Blows:
    """What is done to each service: `rate` actions a second arrive while it is in trouble for `seconds`, or for as long
    as it takes until rare actions have come, too. What is not done within `limit` seconds has not survived. `patience`:
    seconds that a side is given to do everything again.
    """

    rate: float = 20.0
    seconds: float = 5.0
    limit: float = 2.0
    patience: float = 60.0
    kinds: tuple[Trouble, ...] = KINDS
    seed: int = 1

    def lasting(self, weights: Collection[float]) -> float:
        """How long each trouble lasts, where actions have these weights: rare ones are to come, too."""
        return max(self.seconds, ENOUGH * sum(weights) / min(weights) / self.rate)


@dataclass(frozen=True)
class Striking:
    """A side that is struck. `driver` makes visitors come, `enter` lets one in whom this process plays itself."""

    stand: Stand
    scenario: Scenario
    driver: Driver
    enter: Enter
    blows: Blows

    async def run(self) -> Isolation:
        """Each service, each kind. It ends where a side is not healthy again: what came after would not be true."""
        found: list[Blow] = []
        for service, kind in product(self.stand.services, self.blows.kinds):
            if await self.healthy() is None:
                break
            found.append(await self.strike(service, kind))
        blows = self.blows
        return Isolation(rate=blows.rate, seconds=self.seconds, blows=tuple(found), limit=blows.limit)

    @property
    def seconds(self) -> float:
        """How long each trouble lasts."""
        return self.blows.lasting(self.scenario.mix.values())

    async def strike(self, service: str, kind: Trouble) -> Blow:
        """One service in one kind of trouble, while visitors come, and then again without."""
        modules = self.stand.services[service]
        async with self.stand.trouble(service, kind):
            load = await self.come(self.seconds)
        async with self.visited():
            after = await self.recovered(service, kind)
        return Blow(
            service=service, modules=modules, kind=kind, survived=self.survived(load), healthy_after=after,
        )

    async def recovered(self, service: str, kind: Trouble) -> float | None:
        """How long it takes. Once all is well a service is killed again, and this time may start again at once: what
        is timed begins with a kill."""
        if kind == "killed":
            if await self.healthy() is None:
                return None
            async with self.stand.trouble(service, kind):
                pass
        return await self.healthy()

    async def come(self, seconds: float) -> Load:
        """Visitors for some time."""
        return await self.driver.open(rate=self.blows.rate, seconds=seconds, seed=self.blows.seed, warmup=0.0)

    @asynccontextmanager
    async def visited(self) -> AsyncIterator[None]:
        """Have visitors come meanwhile: a service that starts again has something to do at once."""
        left = False

        async def come() -> None:
            while not left:
                await self.come(1.0)

        coming = asyncio.create_task(come())
        try:
            yield
        finally:
            left = True
            await coming

    async def healthy(self) -> float | None:
        """Seconds until every action is done again, and every process runs; None where that takes too long."""
        began, turn = time.monotonic(), 0
        while time.monotonic() - began < self.blows.patience:
            if await self.all_done(turn) and self.stand.settled():
                return time.monotonic() - began
            await asyncio.sleep(LOOK)
            turn += 1
        return None

    async def all_done(self, turn: int) -> bool:
        """Whether every action is done now, by visitors who have not been here before."""
        done = await asyncio.gather(*(self.done(action, turn) for action in self.scenario.mix))
        return all(done)

    async def done(self, action: Action, turn: int) -> bool:
        """Whether one action is done within the limit."""
        with suppress(Exception):  # whatever it is, it was not done
            async with asyncio.timeout(self.blows.limit), self.enter(turn) as visitor:
                if self.scenario.arrive:
                    await self.scenario.arrive(visitor)
                await action(visitor)
                return True
        return False

    def survived(self, load: Load) -> dict[str, float]:
        """The share of each action that was done within the limit."""
        return {action: load.within(self.blows.limit, action) for action in (ALL, *self.scenario.names)}
