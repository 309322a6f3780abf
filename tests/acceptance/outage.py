"""Services that are killed while people shop: what each request was answered, and whether it had to be."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from craton import Application, Caller, Tokens
from craton.application import implementations
from craton.implementation import hints_of_needs, needed
from craton.testing.processes import Processes
from craton.topology import Topology

PEOPLE, PAUSE, PATIENCE = 4, 0.05, 90.0
SKUS = ("mug-stoneware", "webcam-4k")
ADDRESS = {"name": "Ada", "street": "1 Main Street", "city": "Springfield", "postcode": "12345", "country": "US"}
SIGHTS: Sequence[tuple[str, str, Any]] = (
    ("catalog", "GET /products?limit=5", None),
    ("inventory", f"GET /stock/{SKUS[0]}", None),
    ("recommendations", "POST /recommendations", {"skus": SKUS[:1]}),
    ("shipping", "POST /shipping/quote", {"country": "US", "goods": {"amount": 1000, "currency": "USD"}}),
    ("users", "POST /sessions/guest", None),
    ("carts", "GET /carts/mine", None),
    ("orders", "GET /orders", None),
    ("payments", "GET /admin/payments", None),
    ("notifications", "GET /admin/messages", None),
    ("storefront", "GET /", None),
)
"""What people look at, and whose it is."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One request, and what it was answered."""

    module: str
    route: str
    began: float
    ended: float
    status: int
    unclear: str

    @property
    def ok(self) -> bool:
        """Whether it was answered as on any other day."""
        return self.status < 300


@dataclass
class Outage:
    """One service that was killed; `ready` is when it said so again, `until` when all was answered well."""

    service: str
    began: float
    until: float = float("inf")
    ready: float = float("nan")

    def during(self, visit: Visit) -> bool:
        """Whether a request may have met it."""
        return visit.began < self.until and visit.ended > self.began


@dataclass
class Town:
    """A store in real processes, and the people in it."""

    processes: Processes
    visits: list[Visit] = field(default_factory=list)
    outages: list[Outage] = field(default_factory=list)
    bought: Counter[str] = field(default_factory=Counter)
    last: dict[str, Visit] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.needs = needs_of_all(self.processes.application, self.processes.topology)

    async def run(self, services: Sequence[str]) -> None:
        """People shop, while one service after the other is killed; then all must be well."""
        people = [asyncio.create_task(Person(self, number).shop()) for number in range(PEOPLE)]
        try:
            await self.stock_up()
            await self.well(since=time.monotonic())
            for service in services:
                outage = Outage(service, time.monotonic())
                self.outages.append(outage)
                assert self.processes.kill(service)
                await self.well(since=outage.began + 0.2)
                outage.until = time.monotonic()
            await self.well(since=time.monotonic())
        finally:
            for person in people:
                person.cancel()
            ended = await asyncio.gather(*people, return_exceptions=True)
        wrong = [error for error in ended if isinstance(error, Exception)]
        if wrong:
            raise ExceptionGroup("people", wrong)

    async def stock_up(self) -> None:
        """Have enough of everything: what is sold out is no failure, but would look like one."""
        person = Person(self, PEOPLE)
        async with httpx.AsyncClient(base_url=self.processes.url, headers=person.admin, timeout=30) as client:
            for sku in SKUS:
                body, key = {"delta": 100_000, "reason": "many come"}, {"Idempotency-Key": f'"{sku}"'}
                (await client.post(f"/admin/stock/{sku}/adjust", json=body, headers=key)).raise_for_status()

    def hear(self, name: str, line: str) -> None:
        """Note when a service that was killed is ready again."""
        if self.outages and name == self.outages[-1].service and line.endswith("craton: ready"):
            self.outages[-1].ready = time.monotonic()

    async def well(self, *, since: float) -> None:
        """Wait until every route has answered as it should, asked after this moment."""
        routes = {route for _, route, _ in SIGHTS} | {"POST /cart/items", "POST /orders"}
        async with asyncio.timeout(PATIENCE):
            while not all(self.answers(route, since) for route in routes):  # noqa: ASYNC110  # many may end it
                await asyncio.sleep(0.02)

    def answers(self, route: str, since: float) -> bool:
        """Whether a route was answered as it should be, the last time that it was asked."""
        visit = self.last.get(route)
        return visit is not None and visit.ok and visit.began > since

    def note(self, visit: Visit) -> None:
        """Keep what was answered."""
        self.visits.append(visit)
        self.last[visit.route] = visit

    def findings(self) -> list[str]:
        """What should not have been: a failure of what needs nothing that was away, or one that is not clear."""
        found = []
        for visit in (visit for visit in self.visits if not visit.ok):
            away = {outage.service for outage in self.outages if outage.during(visit)}
            if not away & self.needs[visit.module]:
                found.append(f"{visit.route} needs nothing of {sorted(away)}, and answered {visit.status}")
            elif visit.unclear:
                found.append(f"{visit.route} answered {visit.status} without {sorted(away)}: {visit.unclear}")
        return found

    def summary(self) -> str:
        """What each route was answered in each outage, and how long that was."""
        lines = []
        for outage in self.outages:
            met = [visit for visit in self.visits if outage.during(visit)]
            told = Counter((visit.route.partition("?")[0], visit.status) for visit in met if not visit.ok)
            others = f"{sum(visit.ok for visit in met)} answered as ever"
            failed = ", ".join(f"{route} {status} x{number}" for (route, status), number in sorted(told.items()))
            ready, well = outage.ready - outage.began, outage.until - outage.began
            lines.append(f"{outage.service} killed: ready after {ready:.1f} s, all well after {well:.1f} s; "
                         f"{others}; {failed}")
        return "\n  ".join([*lines, f"{sum(self.bought.values())} orders"])


class Person:
    """Somebody who looks at everything, and buys one thing after the other, asking again where there was no answer."""

    def __init__(self, town: Town, number: int) -> None:
        self.town, self.number, self.turn = town, number, 0
        processes = town.processes
        tokens = Tokens(processes.plan.folder.secret(), processes.application.name)
        self.who, self.admin = (
            {"Authorization": f"Bearer {tokens.issue(caller, lifetime=timedelta(hours=1))}"}
            for caller in (Caller(f"guest:{number}"), Caller(f"service:{number}", frozenset({"admin"})))
        )

    async def shop(self) -> None:
        """For ever."""
        async with httpx.AsyncClient(base_url=self.town.processes.url, timeout=30) as self.client:
            while True:
                await self.look()
                await self.buy()

    async def look(self) -> None:
        """Look at everything once."""
        for module, route, body in SIGHTS:
            await self.ask(module, route, body)

    async def buy(self) -> None:
        """Buy one thing, under keys that stay the same until that is done."""
        self.turn += 1
        body: Any = {"sku": SKUS[self.number % len(SKUS)], "quantity": 1}
        cart = await self.insist("carts", "POST /cart/items", body, key=f"add-{self.turn}")
        body = {"cart": cart["id"], "version": cart["version"], "payment": "pm_card_visa", "email": "ada@example.com",
                "address": ADDRESS}
        order = await self.insist("orders", "POST /orders", body, key=f"buy-{self.turn}")
        self.town.bought[order["id"]] += 1

    async def insist(self, module: str, route: str, body: Any, *, key: str) -> Any:
        """Ask until there is an answer, looking around meanwhile."""
        while True:
            answer = await self.ask(module, route, body, key=key)
            if answer is not None and answer.status_code in (200, 201):
                return answer.json()
            again = answer is None or answer.status_code in (202, 503, 504) or "still-running" in answer.text
            assert again, answer and answer.text
            await self.look()

    async def ask(self, module: str, route: str, body: Any, *, key: str = "") -> httpx.Response | None:
        """One request; what it was answered is noted. None where the gateway did not answer at all."""
        await asyncio.sleep(PAUSE)
        verb, path = route.split(" ")
        headers = (self.admin if "/admin/" in path else self.who) | {"Prefer": "wait=2"}
        headers |= {"Idempotency-Key": f'"{key}"'} if key else {}
        began, answer = time.monotonic(), None
        with suppress(httpx.TransportError):
            answer = await self.client.request(verb, path, json=body, headers=headers)
        status = answer.status_code if answer is not None else 599
        self.town.note(Visit(module, route, began, time.monotonic(), status, unclear(answer)))
        return answer


def unclear(answer: httpx.Response | None) -> str:
    """What is missing in an answer that should tell a program what to do; nothing where nothing is."""
    if answer is None:
        return "no answer"
    if answer.status_code < 300 or answer.headers.get("content-type", "").startswith("text/html"):
        return ""
    if answer.headers.get("content-type") != "application/problem+json":
        return f"not a problem: {answer.text[:200]}"
    told = answer.json()
    if told["status"] != answer.status_code or not told["title"] or not told["type"].startswith("urn:craton:"):
        return f"not a whole problem: {told}"
    if answer.status_code == 503 and "retry-after" not in answer.headers:
        return "no Retry-After"
    known = {503: "not-run", 504: "outcome-unknown", 409: "still-running"}
    return "" if told["type"].endswith(known.get(answer.status_code, "-")) else f"unexpected: {told}"


def needs_of_all(application: Application, topology: Topology) -> dict[str, frozenset[str]]:
    """The services that each module cannot do without: its own, and those of what it needs, as declared."""
    homes = {module.contract: module.name for module in application.modules}
    made = implementations(application, [module.name for module in application.modules])
    asks = {
        name: [homes[kind] for kind, optional in map(needed, hints_of_needs(factory).values())
               if not optional and isinstance(kind, type) and kind in homes]
        for name, factory in made.items()
    }

    def reached(name: str, met: frozenset[str] = frozenset()) -> frozenset[str]:
        if name in met:
            return met
        met |= {name}
        for other in asks[name]:
            met |= reached(other, met)
        return met

    return {name: frozenset(topology.home_of(other).name for other in reached(name)) for name in made}
