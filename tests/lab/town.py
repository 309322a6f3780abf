"""A small application in which each kind of change of `craton diff` appears, beside what looks like it and is not."""

from __future__ import annotations

import asyncio
from typing import Protocol

from craton import Application, Event, Events, Module, Saga, command, effect, on, query, saga


class Sold(Event, key="sku"):
    sku: str


class Stock(Protocol):
    @query
    async def one(self, sku: str) -> int: ...

    @query
    async def many(self, skus: tuple[str, ...]) -> tuple[int, ...]: ...

    @command
    async def take(self, sku: str) -> None: ...

    @command
    async def give(self, sku: str) -> None: ...


class Till(Protocol):
    @query
    async def rate(self, sku: str) -> int: ...

    @effect
    async def pay(self, amount: int) -> None: ...


class Quiet(Protocol):
    @query
    async def nothing(self) -> None: ...


class Mail(Protocol):
    @on(Sold)
    async def tell(self, event: Sold) -> None: ...


class Desk(Protocol):
    @query
    async def price(self, sku: str) -> int: ...

    @query
    async def prices(self, skus: tuple[str, ...]) -> tuple[int, ...]: ...

    @query
    async def side_by_side(self, skus: tuple[str, ...]) -> tuple[int, ...]: ...

    @query
    async def by_a_function(self, skus: tuple[str, ...]) -> tuple[int, ...]: ...

    @query
    async def rates(self, skus: tuple[str, ...]) -> int: ...

    @query
    async def insisting(self, sku: str) -> int: ...

    @query
    async def at_once(self, skus: tuple[str, ...]) -> int: ...

    @query
    async def handed_on(self, sku: str) -> int: ...

    @query
    async def through_a_name(self, sku: str) -> int: ...

    @command
    async def buy(self, sku: str) -> None: ...

    @saga
    async def sell(self, sku: str) -> None: ...

    @saga
    async def swap(self, sku: str) -> None: ...

    @saga
    async def keep(self, sku: str) -> None: ...

    @saga
    async def later(self, sku: str) -> None: ...

    @saga
    async def together(self, sku: str) -> None: ...

    @saga
    async def each(self, skus: tuple[str, ...]) -> None: ...


class Shelf(Stock):
    async def one(self, sku: str) -> int:
        return len(sku)

    async def many(self, skus: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(len(sku) for sku in skus)

    async def take(self, sku: str) -> None: ...

    async def give(self, sku: str) -> None: ...


class Drawer(Till):
    async def rate(self, sku: str) -> int:
        return 1

    async def pay(self, amount: int) -> None: ...


class Silence(Quiet):
    async def nothing(self) -> None: ...


class Postman(Mail):
    async def tell(self, event: Sold) -> None: ...


class Counter(Desk):
    def __init__(self, saga: Saga, stock: Stock, till: Till, quiet: Quiet, events: Events) -> None:
        self.saga, self.goods = saga, stock
        self.till, self.events = till, events
        if quiet is not None:
            self.quiet = quiet

    async def price(self, sku: str) -> int:
        return await self.goods.one(sku)

    async def prices(self, skus: tuple[str, ...]) -> tuple[int, ...]:
        found = []
        for sku in skus:
            found.append(await self.looked_up(sku))
        return tuple(found)

    async def looked_up(self, sku: str) -> int:
        return await self.goods.one(sku)

    async def side_by_side(self, skus: tuple[str, ...]) -> tuple[int, ...]:
        return tuple(await asyncio.gather(*(self.goods.one(sku) for sku in skus)))

    async def by_a_function(self, skus: tuple[str, ...]) -> tuple[int, ...]:
        async def ask_one(sku: str) -> int:
            return await self.goods.one(sku)

        return tuple(await asyncio.gather(*(ask_one(sku) for sku in skus)))

    async def rates(self, skus: tuple[str, ...]) -> int:
        return sum([await self.till.rate(sku) for sku in skus])

    async def insisting(self, sku: str) -> int:
        while True:
            if found := await self.goods.one(sku):
                return found

    async def at_once(self, skus: tuple[str, ...]) -> int:
        total = 0
        for number in await self.goods.many(skus):
            total += number
        return total + sum([len(sku) for sku in skus])

    async def handed_on(self, sku: str) -> int:
        return await ask(self.goods, sku)

    async def through_a_name(self, sku: str) -> int:
        goods, total = self.goods, 0
        if (till := self.till) is not None:
            total = await till.rate(sku)
        return await goods.one(sku) + total

    async def buy(self, sku: str) -> None:
        await self.goods.one(sku)
        await self.events.publish(Sold(sku))

    async def sell(self, sku: str) -> None:
        saga = self.saga
        await saga.step(self.goods.take, sku).undo(self.goods.give, sku)
        await saga.step(self.note, sku)
        await saga.step(self.till.pay, 1)
        if sku:
            await saga.step(self.note, sku)

    async def swap(self, sku: str) -> None:
        await self.saga.step(self.goods.take, sku)
        await self.saga.step(self.goods.one, sku)
        await self.saga.step(self.checked, sku)

    async def keep(self, sku: str) -> None:
        await self.saga.step(self.note, sku)
        await self.saga.step(self.till.pay, 1)

    async def later(self, sku: str) -> None:
        await self.saga.step(self.goods.take, sku)
        await self.saga.sleep(60)
        await self.saga.step(self.note, sku)

    async def together(self, sku: str) -> None:
        saga = self.saga
        await saga.gather(saga.step(self.note, sku), saga.step(self.goods.take, sku), saga.step(self.note, sku))

    async def each(self, skus: tuple[str, ...]) -> None:
        for sku in skus:
            await self.saga.step(self.goods.take, sku).undo(self.goods.give, sku)

    @command
    async def note(self, sku: str) -> None: ...

    @command
    async def checked(self, sku: str) -> None:
        await self.till.rate(sku)


async def ask(stock: Stock, sku: str) -> int:
    """Code that is not followed."""
    return await stock.one(sku)


town = Application("town", [
    Module("desk", Desk, "tests.lab.town:Counter"), Module("stock", Stock, "tests.lab.town:Shelf"),
    Module("till", Till, "tests.lab.town:Drawer"), Module("quiet", Quiet, "tests.lab.town:Silence"),
    Module("mail", Mail, "tests.lab.town:Postman"),
])
