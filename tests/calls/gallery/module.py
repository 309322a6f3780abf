"""An implementation that keeps nothing, and remembers what it did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

from craton import Call, Events, Secret
from tests.calls.gallery.contract import Limit, Page, Painting, Paintings, Price, Room, Sold, Taken, Visitors


class Walls(Paintings):
    """One gallery. `door` is what slow answers wait for."""

    def __init__(self, call: Call, events: Events) -> None:
        self.call, self.events, self.bought = call, events, list[str]()
        self.door, self.began, self.stopped, self.made = asyncio.Event(), 0, 0, 0

    async def echo(self, painting: Painting) -> Painting:
        return painting

    async def page(self, limit: Limit = 3) -> Page[Price]:
        return Page(tuple(Price(Decimal(n)) for n in range(limit)), more=True)

    async def find(self, title: str) -> Painting | None:
        return None

    async def seen(self, title: str | None = None) -> tuple[str, ...]:
        return ("nobody",) if title is None else (title,)

    async def nothing(self) -> None:
        return None

    async def wait(self) -> int:
        self.began += 1
        try:
            await self.door.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        return self.began

    async def prices(self, count: int, broken_at: int = -1, digits: int = 1) -> AsyncIterator[Price]:
        try:
            for n in range(count):
                if n == broken_at:
                    raise Taken("the rest")
                self.made += 1
                yield Price(Decimal(10 ** (digits - 1) + n) if digits > 1 else Decimal(n))
        finally:
            self.stopped += 1

    async def me(self) -> str:
        return f"{self.call.caller.subject} {sorted(self.call.caller.roles)} {round(self.call.left or 0)}"

    async def sign_in(self, password: Secret) -> str:
        return "welcome"

    async def buy(self, title: str) -> int:
        if title == "sold":
            raise Taken(title, "Ann")
        self.bought.append(title)
        await self.events.publish(Sold(title))
        return len(self.bought)

    async def slowly(self, title: str) -> int:
        self.began += 1
        await self.door.wait()
        return await self.buy(title)

    async def burn(self, title: str) -> None:
        self.bought.append(f"burnt {title}")

    async def move(self, title: str, room: Room) -> None:
        self.bought.append(f"moved {title} to {room}")

    async def scan(self, size: int) -> bytes:
        return bytes(size)

    async def broken(self) -> int:
        raise ValueError("the secret is 42")


class Crowd(Visitors):
    """Asks the gallery."""

    def __init__(self, paintings: Paintings) -> None:
        self.paintings, self.news = paintings, list[str]()

    async def look(self, title: str) -> tuple[str, ...]:
        return await self.paintings.seen(title)

    async def total(self, count: int, broken_at: int = -1) -> int:
        return sum([int(price.amount) async for price in self.paintings.prices(count, broken_at)])

    async def wait(self) -> int:
        return await self.paintings.wait()

    async def heard(self) -> tuple[str, ...]:
        return tuple(self.news)

    async def hear(self, event: Sold) -> None:
        self.news.append(event.title)
