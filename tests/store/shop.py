"""A running store with its payment provider, and the people in it: what the tests of this folder share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar

import httpx
import pytest

from apps.store.application import store
from apps.store.carts.contract import Cart, Carts
from apps.store.catalog.contract import Catalog, Draft
from apps.store.importer import register_webhook
from apps.store.inventory.contract import Inventory
from apps.store.money import Money
from apps.store.notifications.contract import Notifications
from apps.store.orders.contract import Order, Orders
from apps.store.orders.events import Address
from apps.store.shipping.contract import Shipping
from craton import (
    Application,
    Caller,
    Fault,
    InvalidArguments,
    KeyReused,
    NotAllowed,
    NotAuthenticated,
    NotRun,
    OutcomeUnknown,
    Secret,
    Tokens,
)
from craton.edge.server import serve_http
from craton.run.process import Process
from craton.testing.start import SECRET, Running, calling, start, user
from tests.store.audit import audit, settled

P = ParamSpec("P")
T = TypeVar("T")
HOLD = 30
"""Seconds that stock is held: less than the minute for which services believe each other's assertions, so that the
clock may be put forward by it while calls are under way."""
CART_LIFETIME = 3600
ADDRESS = Address(name="Ann", street="1 Main Street", city="Springfield", postcode="12345", country="US")
EMAIL = "ann@example.com"
ADMIN = user("admin", "admin")
FINAL = (InvalidArguments, KeyReused, NotAllowed, NotAuthenticated)
"""What asking again would not change."""
NUMBERS = count(1)


async def at_once(work: Iterable[Awaitable[T]]) -> list[T | Fault]:
    """What came of each, done at the same time: its result, or its fault. Other errors are raised."""
    found = await asyncio.gather(*work, return_exceptions=True)
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, Fault):
            raise one
    return found  # type: ignore[return-value]


async def until(true: Callable[[], Awaitable[bool]], *, seconds: float = 30, pause: float = 0.01) -> None:
    """Return as soon as it is true; TimeoutError where it is not by then."""
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110  # what is waited for happens in other processes
            await asyncio.sleep(pause)


class Structure(NamedTuple):
    """One way to run the store."""

    topology: str
    link: Literal["local", "wire", "rest", "grpc"] = "local"
    engine: Literal["sqlite", "postgresql"] = "sqlite"

    def __str__(self) -> str:
        return "-".join(self)


TOPOLOGIES = ("monolith", "hybrid", "microservices")
SQLITE = [Structure(topology, link) for topology in TOPOLOGIES for link in ("local", "wire")]
POSTGRESQL = [Structure("monolith", "local", "postgresql"), Structure("microservices", "local", "postgresql")]
STRUCTURES = [*SQLITE, *POSTGRESQL]
ORDINARY = {Structure("monolith"), Structure("microservices", "wire")}
"""Where all tests run each time; elsewhere those that are marked `everywhere` do, and all of them in `make chaos`."""
everywhere = pytest.mark.parametrize("shop", STRUCTURES, ids=str, indirect=True)


@dataclass(slots=True)
class MovableClock:
    """The machine's clock, which tests may put forward."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        """The time now, in UTC."""
        return datetime.now(UTC) + self.ahead

    def forward(self, seconds: float) -> None:
        """Let time pass."""
        self.ahead += timedelta(seconds=seconds)


class Bank:
    """The payment provider, as its operator, its auditors and its customers see it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=20, verify=False)

    async def control(self, **plan: Any) -> dict[str, Any]:
        """Change what goes wrong; what is in force then."""
        answer = await self.http.post("/control", json=plan)
        return dict(answer.raise_for_status().json())

    async def entries(self, order: str) -> list[dict[str, Any]]:
        """The payments of an order."""
        return list((await self.http.get("/books", params={"order": order})).json()["intents"])

    async def net(self, order: str) -> int:
        """What was paid for an order in the end."""
        return sum(entry["net"] for entry in await self.entries(order))

    async def decide(self, action_url: str, outcome: Literal["succeed", "fail"] = "succeed") -> None:
        """What the customer does where the bank sends them (3-D Secure)."""
        (await self.http.post(action_url, data={"outcome": outcome})).raise_for_status()


@dataclass(slots=True)
class Person:
    """Somebody who calls the store."""

    shop: Shop
    caller: Caller
    keys: Any = field(default_factory=lambda: count(1))

    @property
    def token(self) -> Secret:
        """What their browser sends."""
        return Secret(self.shop.tokens.issue(self.caller, lifetime=timedelta(hours=1)))

    async def ask(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """One call under a key of its own."""
        return await self.under(f"{self.caller.subject}/{next(self.keys)}", call, *args, **kwargs)

    async def under(self, key: str, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """One call under a key; where its outcome is unknown, asked again under the same key until it is known."""
        async with asyncio.timeout(30):
            while True:
                try:
                    with calling(caller=self.caller, key=key, timeout=10.0):
                        return await call(*args, **kwargs)
                except FINAL:
                    raise
                except (NotRun, OutcomeUnknown):
                    await asyncio.sleep(0.05)

    async def fill(self, *skus: str, quantity: int = 1) -> Cart:
        """A cart with these products."""
        carts = [await self.ask(self.shop.carts.add, sku, quantity) for sku in skus]
        return carts[-1]

    async def buy(
        self, cart: Cart, card: str = "pm_card_visa", *, key: str | None = None, address: Address = ADDRESS
    ) -> Order:
        """Check a cart out."""
        key = key or f"{self.caller.subject}/{next(self.keys)}"
        return await self.under(key, self.shop.orders.checkout, cart.id, cart.version, card, EMAIL, address)

    async def status_of(self, order: Order) -> str:
        """How far an order has come by now."""
        return (await self.ask(self.shop.orders.order, order.id)).status

    async def order_of(self, *skus: str, quantity: int = 1, card: str = "pm_card_visa") -> Order:
        """Fill a cart, and check it out."""
        return await self.buy(await self.fill(*skus, quantity=quantity), card)


class Shop:
    """A running store, with an HTTP face and a provider that sends its webhooks there."""

    def __init__(self, running: Running, bank: Bank, clock: MovableClock) -> None:
        self.running, self.bank, self.clock = running, bank, clock
        self.mail = Path(running.options["environ"]["CRATON_NOTIFICATIONS_FOLDER"])
        self.tokens = Tokens(SECRET, running.application.name, clock=clock)
        self.admin = Person(self, ADMIN)
        self.edge = running.edge
        self.faults = set[str]()
        self.connect(running)

    def connect(self, to: Running | Process) -> None:
        """Call the modules as they are now: a service that was opened again is another object, unless it is called from
        outside, through the door."""
        self.catalog, self.inventory = to.get(Catalog), to.get(Inventory)
        self.carts, self.orders = to.get(Carts), to.get(Orders)
        self.shipping, self.notifications = to.get(Shipping), to.get(Notifications)

    def customer(self) -> Person:
        """Somebody new, with an account."""
        return Person(self, user(f"{next(NUMBERS)}"))

    def guest(self) -> Person:
        """Somebody new, without one."""
        return Person(self, Caller(f"guest:{next(NUMBERS)}"))

    async def product(self, *, stock: int = 10, price: int = 1000) -> str:
        """A new product."""
        sku = f"sku-{next(NUMBERS)}"
        await self.admin.ask(self.catalog.create, Draft(sku=sku, name=sku, price=Money(price)))
        if stock:
            await self.admin.ask(self.inventory.restock, sku, stock)
        return sku

    async def buyers(self, number: int, sku: str, *, quantity: int = 1) -> list[tuple[Person, Cart]]:
        """People, each with a full cart."""
        people = [self.guest() for _ in range(number)]
        return [(person, await person.fill(sku, quantity=quantity)) for person in people]

    def home_of(self, module: str) -> str:
        """The service that hosts a module."""
        return self.running.topology.home_of(module).name

    async def quiet(self, *, webhooks: bool = False) -> None:
        """Return when nothing goes on any more: no saga, no effect; and no webhook, where these are waited for."""
        async def rests() -> bool:
            await settled(self.running, seconds=25)
            return not (webhooks and (await self.bank.control())["undelivered"])

        await until(rests)

    async def settled(self) -> None:
        """Return when nothing goes on any more inside the store."""
        await settled(self.running)

    async def check(self, *, webhooks: bool = False) -> None:
        """Wait for quiet, and find no fault in the books."""
        await self.quiet(webhooks=webhooks)
        found = [line for line in await audit(self.running, provider=self.bank.url) if line not in self.faults]
        self.faults |= set(found)  # one test's fault is not the next one's
        assert not found, "\n".join(found)

    @asynccontextmanager
    async def browser(self, person: Person | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """The store's HTTP API, as somebody's browser sees it."""
        headers = {} if person is None else {"Authorization": f"Bearer {person.token.reveal()}"}
        transport = httpx.ASGITransport(self.edge)
        async with httpx.AsyncClient(transport=transport, base_url="http://store", headers=headers) as http:
            yield http


def environ_of(provider: str, mail: Path) -> dict[str, str]:
    """The store's settings in tests. `mail` is the folder that e-mails go to."""
    return {
        "CRATON_PAYMENTS_API_BASE": provider, "CRATON_PAYMENTS_TIMEOUT": "0.5", "CRATON_USERS_ARGON2_MEMORY": "64",
        "CRATON_USERS_ADMIN_PASSWORD": "correct horse battery", "CRATON_ORDERS_HOLD": str(HOLD),
        "CRATON_CARTS_LIFETIME": str(CART_LIFETIME), "CRATON_INVENTORY_LOW": "2",
        "CRATON_NOTIFICATIONS_FOLDER": str(mail), "CRATON_STOREFRONT_LIMIT": "9",
        "CRATON_EDGE_RATE": "0", "CRATON_EDGE_SIGN_INS": "0",  # all people come from one address
    }


@asynccontextmanager
async def open_shop(
    structure: Structure, *, provider: str, data: Path, database: str | None = None, application: Application = store,
    clock: MovableClock | None = None, settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[Shop]:
    """Run the store, served over HTTP for the provider's webhooks; with more settings than all tests have."""
    clock = clock or MovableClock()
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(start(
            application, topology=structure.topology, link=structure.link, database=database, data=data, clock=clock,
            environ={**environ_of(provider, data / "mail"), **settings},
        ))
        bank = Bank(provider)
        stack.push_async_callback(bank.http.aclose)
        shop = Shop(running, bank, clock)
        port = await stack.enter_async_context(serve_http(shop.edge, "127.0.0.1:0", drain=1))
        await asyncio.to_thread(register_webhook, provider, f"http://127.0.0.1:{port}")
        yield shop
