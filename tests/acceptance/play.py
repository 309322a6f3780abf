"""One run: a store in real processes, its customers, the storm, the quiet after it, and the audit."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path

from apps.store.crashtest.audit import Case, audit
from apps.store.crashtest.books import provider_url, quiet, read_books, unfinished
from apps.store.crashtest.customers import Customer
from apps.store.crashtest.wishes import draw
from craton import Caller, Tokens
from craton.lab.browser import Browser, Stuck
from craton.testing.processes import Processes, start_processes
from tests.acceptance.storm import Storm

SCARCE, LEFT = 3, 12
"""How many products there is too little of, and how much there is of each."""
TROUBLE = {
    "rates": {
        "timeout_after": 0.01, "disconnect_after": 0.03, "disconnect_before": 0.02, "unavailable": 0.03, "slow": 0.03,
    },
    "duplicate": 0.2, "reorder": 0.2, "delay": 0.3,
}
"""What befalls requests to the payment provider besides what their cards bring with them."""


@dataclass(frozen=True)
class Setting:
    """What is run. `database` is a PostgreSQL URL, or None for SQLite.

    `weather` is what befalls the processes, for `storm` seconds at most; after that all must become quiet. Customers
    give up after `patience` seconds.
    """

    seed: int
    topology: str
    database: str | None
    package: str = "apps.store"
    customers: int = 200
    storm: float = 30.0
    weather: Callable[[Storm], Coroutine[None, None, None]] = Storm.rage
    patience: float = 180.0


@dataclass
class Outcome:
    """What came of it."""

    setting: Setting
    findings: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    tally: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    times: dict[str, float] = field(default_factory=dict)
    storm: Storm | None = None

    def __str__(self) -> str:
        setting, spent = self.setting, ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.times.items())
        engine = "PostgreSQL" if setting.database else "SQLite"
        starts = sum(" craton: ready" in line for line in self.lines)
        return "\n  ".join((
            f"seed {setting.seed}: {setting.topology} on {engine}, {setting.customers} customers: {spent}",
            f"{self.storm.summary() if self.storm else 'no storm'}, {starts} starts of processes",
            f"orders: {listed(self.orders)}", f"answers: {listed(self.answers)}", f"asked again: {listed(self.tally)}",
            f"findings: {len(self.findings)}",
        ))


def listed(counted: Counter[str]) -> str:
    """What was counted, the most frequent first."""
    return ", ".join(f"{name} {number}" for name, number in counted.most_common()) or "none"


class Play:
    """A run in progress."""

    def __init__(self, setting: Setting, folder: Path) -> None:
        self.setting, self.folder = setting, folder
        self.outcome = Outcome(setting)
        self.began = time.monotonic()
        self.customers: list[Customer] = []

    async def run(self) -> Outcome:
        """From the first process to the audit. What there is to know of it is in the folder afterwards."""
        setting = self.setting
        try:
            async with start_processes(
                setting.package, topology=setting.topology, database=setting.database, data=self.folder / "data",
                say=self.hear,
            ) as processes:
                self.spent("start")
                await self.act(processes)
        finally:
            self.write_down()
        return self.outcome

    def hear(self, name: str, line: str) -> None:
        """Keep what the processes say."""
        self.outcome.lines.append(f"{time.monotonic() - self.began:7.2f} {name}: {line}")

    def spent(self, name: str) -> None:
        """Note how long a part took."""
        self.outcome.times[name] = time.monotonic() - self.began - sum(self.outcome.times.values())

    async def act(self, processes: Processes) -> None:
        """All that is done with the store."""
        initial = await self.prepare(processes)
        self.spent("carts")
        await self.weather(processes)
        try:
            async with asyncio.timeout(self.setting.patience):
                await quiet(processes)
        except TimeoutError:
            self.outcome.findings.append(f"quiet: {await unfinished(processes)} sagas go on")
        self.spent("quiet")
        await asyncio.gather(*(customer.look() for customer in self.customers))
        case = Case(await read_books(processes), self.customers, initial)
        self.outcome.findings += audit(case)
        self.count(case)
        await asyncio.gather(*(self.visit(customer.repeat(self.outcome.findings)) for customer in self.customers))
        self.spent("audit")

    async def prepare(self, processes: Processes) -> dict[str, int]:
        """Make some products scarce, let customers fill their carts; what stock there is."""
        seed, chance = self.setting.seed, random.Random(self.setting.seed)
        assert (await Browser(provider_url(processes)).ask("POST", "/control", TROUBLE | {"seed": seed})).status == 200
        admin = administrator(processes)
        stock = {row["sku"]: row["on_hand"] for row in (await admin.ask("GET", "/admin/stock")).body}
        scarce = chance.sample(sorted(stock), SCARCE)
        for sku in scarce:
            change = {"delta": LEFT - stock[sku], "reason": "not counted well"}
            assert (await admin.ask("POST", f"/admin/stock/{sku}/adjust", change, key=sku)).status == 201
        skus = sorted(stock.keys() - set(scarce))
        self.customers += [
            Customer.of(
                draw(chance, n, skus=skus, scarce=scarce), processes.url, seed=seed, tally=self.outcome.tally,
                patience=self.setting.patience,
            )
            for n in range(self.setting.customers)
        ]
        await asyncio.gather(*(customer.fill_cart() for customer in self.customers))
        return stock | dict.fromkeys(scarce, LEFT)

    async def weather(self, processes: Processes) -> None:
        """All buy at once, while one process after the other is killed, until all is quiet."""
        setting = self.setting
        self.outcome.storm = storm = Storm(processes, random.Random(setting.seed))
        raging = asyncio.create_task(setting.weather(storm))
        buying = asyncio.ensure_future(asyncio.gather(*(self.visit(customer.buy()) for customer in self.customers)))
        try:
            async with asyncio.timeout(setting.storm):
                await asyncio.shield(buying)
                await quiet(processes)
        except TimeoutError:
            pass
        finally:
            raging.cancel()
            with suppress(asyncio.CancelledError):
                await raging
        self.spent("storm")
        await buying

    async def visit(self, doing: Coroutine[None, None, None]) -> None:
        """What a customer does. One who gives up says so."""
        try:
            await doing
        except Stuck as stuck:
            self.outcome.findings.append(f"visit: {stuck}")

    def count(self, case: Case) -> None:
        """What came of it, in numbers."""
        self.outcome.orders.update(order["status"] for order in case.books["orders_orders"])
        for deed in (deed for customer in self.customers for deed in customer.deeds if deed.what != "add"):
            self.outcome.answers[f"{deed.what} {deed.answer.status} {deed.answer.fault}".strip()] += 1

    def write_down(self) -> None:
        """Leave all that is known in the folder."""
        self.folder.joinpath("lines.log").write_text("\n".join(self.outcome.lines))
        self.folder.joinpath("findings.txt").write_text("\n".join([str(self.outcome), *self.outcome.findings]))
        kills = self.outcome.storm.kills if self.outcome.storm else []
        deeds = [{"wish": asdict(c.wish), "subject": c.subject, "orders": c.orders,
                  "deeds": [asdict(deed) for deed in c.deeds]} for c in self.customers]
        text = json.dumps({"kills": kills, "customers": deeds}, indent=1)
        self.folder.joinpath("history.json").write_text(text)


def administrator(processes: Processes) -> Browser:
    """A browser that may do everything."""
    caller = Caller("service:auditor", frozenset({"admin"}))
    token = Tokens(processes.plan.folder.secret(), "store").issue(caller, lifetime=timedelta(hours=1))
    headers = {"Authorization": f"Bearer {token}"}
    return Browser(processes.url, headers=headers)
