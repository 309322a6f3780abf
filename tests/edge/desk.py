"""A small application and a small service, with which the edge is tested: both are real, and run in this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol
from uuid import UUID

import httpx
import msgspec
from starlette.types import ASGIApp

from craton.application import Application
from craton.calls.codec import encode_arguments
from craton.calls.context import NOBODY, Caller
from craton.contract import command, effect, query, saga
from craton.edge.authentication import Tokens
from craton.edge.rest import edge
from craton.edge.settings import EdgeSettings
from craton.errors import KeyReused, NotAllowed, StillRunning
from craton.module import Module
from craton.sagas.sagas import SagaStatus
from craton.values import Fault, Secret, Value


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Line(Value):
    """Some of one product."""

    sku: str
    quantity: int = 1


class Echo(Value):
    """What arrived."""

    said: tuple[str, ...]
    caller: str
    key: str | None
    seconds: float
    trace: str


class OutOfStock(Fault, status=409):
    """Not enough on hand."""

    sku: str
    available: int = 0


class NoSuchProduct(Fault, status=404):
    sku: str

    def __str__(self) -> str:
        return f"There is no product {self.sku}."


class Undeclared(Fault, status=418):
    sku: str


class Stock(Protocol):
    """Stock on hand."""

    @query(get="/stock/{sku}", allow="anyone", raises=NoSuchProduct)
    async def available(self, sku: str) -> int: ...

    @query(get="/stock/low", allow="anyone")
    async def low(self) -> tuple[Line, ...]: ...

    @query(get="/find", allow="anyone")
    async def find(
        self, text: str = "", sizes: frozenset[Size] = frozenset(), under: Decimal | None = None,
        at: datetime | None = None, ids: tuple[UUID, ...] = (), limit: int = 10, share: float = 0.5, sure: bool = False,
    ) -> tuple[str, ...]:
        """Find products.

        Those that fit all that was given.
        """
        ...

    @query(get="/lines", allow="anyone", raises=NoSuchProduct)
    def lines(self, count: int, fails: bool = False) -> AsyncIterator[Line]: ...

    @query(get="/wait", allow="anyone")
    async def wait(self) -> None: ...

    @query(post="/ask", allow="anyone")
    async def ask(self, lines: tuple[Line, ...] = ()) -> int: ...

    @command(put="/stock/{sku}", allow="clerk", raises=(OutOfStock, NoSuchProduct))
    async def reserve(self, sku: str, quantity: int) -> None: ...

    @command(patch="/stock/{sku}")
    async def correct(self, sku: str, by: int = 1) -> int: ...

    @command(delete="/stock/{sku}", allow="anyone")
    async def remove(self, sku: str, why: str = "") -> None: ...


class Orders(Protocol):
    """Orders, and what was paid for them."""

    @command(post="/orders", allow="anyone")
    async def place(self, lines: tuple[Line, ...], price: Decimal = Decimal(0), note: str | None = None) -> Echo: ...

    @command(post="/card")
    async def card(self, number: Secret, wait: timedelta = timedelta(0)) -> None: ...

    @saga(post="/checkout")
    async def checkout(self, cart: str) -> str: ...

    @effect
    async def capture(self, amount: int) -> int: ...

    @command(post="/break/{how}", allow="anyone")
    async def broken(self, how: str) -> None: ...

    @query
    async def hidden(self) -> None: ...


class Shelf(Stock):
    """Stock in memory."""

    def __init__(self) -> None:
        self.stopped = asyncio.Event()
        self.closed = asyncio.Event()

    async def available(self, sku: str) -> int:
        if sku == "none":
            raise NoSuchProduct(sku)
        return len(sku)

    async def low(self) -> tuple[Line, ...]:
        return (Line("low"),)

    async def find(
        self, text: str = "", sizes: frozenset[Size] = frozenset(), under: Decimal | None = None,
        at: datetime | None = None, ids: tuple[UUID, ...] = (), limit: int = 10, share: float = 0.5, sure: bool = False,
    ) -> tuple[str, ...]:
        found = sorted(size.value for size in sizes)
        return (text, *found, str(under), str(at), *map(str, ids), str(limit), str(share), str(sure))

    async def lines(self, count: int, fails: bool = False) -> AsyncIterator[Line]:
        try:
            async with asyncio.timeout(60):  # which must be left by the task that entered it
                for n in range(count):
                    yield Line("a", n)
                    await asyncio.sleep(0)
            if fails:
                raise NoSuchProduct("a")
        finally:
            self.closed.set()

    async def wait(self) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            self.stopped.set()

    async def ask(self, lines: tuple[Line, ...] = ()) -> int:
        return sum(line.quantity for line in lines)

    async def reserve(self, sku: str, quantity: int) -> None:
        if quantity > 5:
            raise OutOfStock(sku, available=5)

    async def correct(self, sku: str, by: int = 1) -> int:
        return by

    async def remove(self, sku: str, why: str = "") -> None:
        return None


class Desk(Orders):
    """Orders in memory. `errors` are what `broken` raises, by name."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.errors: dict[str, Exception] = {}

    async def place(self, lines: tuple[Line, ...], price: Decimal = Decimal(0), note: str | None = None) -> Echo:
        seen = self.service.seen
        said = (*(line.sku for line in lines), str(price), str(note))
        return Echo(said, seen["caller"].subject, seen["key"], seen["timeout"], seen["trace"])

    async def card(self, number: Secret, wait: timedelta = timedelta(0)) -> None:
        await asyncio.sleep(wait.total_seconds())
        self.service.charged = number.reveal()

    async def checkout(self, cart: str) -> str:
        if cart == "slow":
            raise StillRunning("orders.checkout", "saga-1")
        return f"order of {cart}"

    async def capture(self, amount: int) -> int:
        return amount

    async def broken(self, how: str) -> None:
        raise self.errors[how]

    async def hidden(self) -> None:
        return None


class Service:
    """A door that calls its implementations directly, and remembers what was asked with each key."""

    def __init__(self) -> None:
        self.application = Application(
            "store", [Module("stock", Stock, "tests.edge.desk:Shelf"), Module("orders", Orders, "tests.edge.desk:Desk")]
        )
        self.shelf, self.desk = Shelf(), Desk(self)
        self.seen: dict[str, Any] = {}
        self.bodies: dict[str, bytes] = {}
        self.up = True
        self.charged = ""

    async def call(self, name: str, arguments: msgspec.Struct, **options: Any) -> Any:
        module, _, method = name.partition(".")
        found = next(m for owner, m in self.application.methods() if (owner.name, m.name) == (module, method))
        body = encode_arguments(found, arguments)
        self.seen = options
        if options["key"] and self.bodies.setdefault(options["key"], body) != body:
            raise KeyReused(name)
        implementation = self.shelf if module == "stock" else self.desk
        result = getattr(implementation, method)(**msgspec.structs.asdict(arguments))
        return result if found.streams else await result

    async def saga(self, module: str, id: str, *, caller: Caller) -> SagaStatus | None:
        if id != "saga-1":
            return None
        if caller.subject != "user:ann" and "admin" not in caller.roles:
            raise NotAllowed("This saga is another's.")
        return SagaStatus(id, f"{module}.checkout", "done", answer={"order": 1})

    async def ready(self) -> bool:
        return self.up


TOKENS = Tokens(b"a secret of enough characters", "store")
ANN = Caller("user:ann", frozenset({"user"}))
CLERK = Caller("user:carl", frozenset({"user", "clerk"}))
ADMIN = Caller("user:ada", frozenset({"admin"}))


def authorized(caller: Caller) -> dict[str, str]:
    """The header by which the edge knows a caller."""
    if caller is NOBODY:
        return {}
    return {"Authorization": f"Bearer {TOKENS.issue(caller, lifetime=timedelta(hours=1))}"}


def app_of(service: Service, *, settings: EdgeSettings | None = None) -> ASGIApp:
    """The edge of a service."""
    return edge(service, TOKENS, settings=settings)


@asynccontextmanager
async def client(
    service: Service, caller: Caller = NOBODY, *, settings: EdgeSettings | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the edge of a service, that repeats nothing."""
    transport = httpx.ASGITransport(app_of(service, settings=settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://edge", headers=authorized(caller)) as made:
        yield made
