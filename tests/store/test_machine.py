"""The store against its model: a hypothesis state machine in every structure, with faults, stops, and things at once.

After each step every answer must be explained by some order of what was asked, the books must pass the audit, and the
provider must agree. By default a few walks in each structure; `make chaos` takes many.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.store.conftest import quick_folder
from tests.store.model import Op
from tests.store.shop import CART_LIFETIME, HOLD, STRUCTURES, MovableClock, Shop, Structure, open_shop
from tests.store.unit_simulation import simulated
from tests.store.unruly import unruly
from tests.store.walk import CARDS, PEOPLE, PRODUCTS, Walk

WALKS, STEPS = int(os.environ.get("STORE_WALKS", "4")), int(os.environ.get("STORE_STEPS", "8"))

MOST = 20
"""Walks through one store."""


@dataclass(slots=True)
class StoppedClock(MovableClock):
    """A clock that moves only when it is put forward."""

    base: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        """The time now, in UTC."""
        return self.base + self.ahead


class Stage:
    """A store for walks, on an event loop of its own. It serves some walks after another, as long as they end well."""

    def __init__(self, structure: Structure, database: str | None = None) -> None:
        self.structure, self.database = structure, database
        self.runner, self.stack = asyncio.Runner(), AsyncExitStack()
        self.sound, self.left = True, MOST
        try:
            self.shop: Shop = self.runner.run(self.open())
        except BaseException:
            self.close()
            raise

    async def open(self) -> Shop:
        """Start everything."""
        folder = self.stack.enter_context(quick_folder())
        provider = self.stack.enter_context(simulated(folder / "provider"))
        shop = await self.stack.enter_async_context(open_shop(
            self.structure, provider=provider.url, data=folder, database=self.database, clock=StoppedClock(),
        ))
        shop.connect(shop.running.door)
        await shop.bank.control(duplicate=0.2, reorder=0.2, withhold=2.0)
        return shop

    def close(self) -> None:
        """Stop everything."""
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def fresh(self) -> Stage:
        """This one; another, where a walk ended badly here, or many have left their traces."""
        self.left -= 1
        if self.sound and self.left >= 0:
            return self
        self.close()
        return Stage(self.structure, self.database and f"{self.database}_")


who, sku = st.sampled_from(PEOPLE), st.sampled_from(list(PRODUCTS))
few, deal = st.integers(1, 3), st.integers(0, 2).map(str)
in_carts = st.one_of(
    st.builds(Op, st.sampled_from(["add", "add", "set"]), who, sku, few),
    st.builds(Op, st.sampled_from(["remove", "clear", "refresh"]), who, sku),
    st.builds(Op, st.just("merge"), st.sampled_from(PEOPLE[:2])),
)
buying = st.builds(Op, st.just("buy"), who, number=st.sampled_from([0, 0, 0, 1]), card=st.sampled_from(list(CARDS)))
resuming = st.builds(Op, st.just("resume"), deal=deal)
about_orders = st.builds(
    Op, st.sampled_from(["cancel", "ship", "refund", "resume", "resume", "decide"]),
    number=st.integers(1, 10), deal=deal,
)
administering = st.builds(
    Op, st.sampled_from(["price", "restock", "adjust", "expire_holds", "expire_orders", "expire_carts"]),
    st.just("admin"), sku, few,
)
ending = st.builds(Op, st.just("discontinue"), st.just("admin"), st.just("pot"))
anything = st.one_of(buying, about_orders, in_carts, administering)
SLOW = [
    HealthCheck.data_too_large, HealthCheck.filter_too_much, HealthCheck.large_base_example, HealthCheck.too_slow,
]
PHASES = [Phase.generate] if os.environ.get("NOSHRINK") else [Phase.reuse, Phase.generate, Phase.shrink]
MODULES = ("orders", "payments", "inventory", "carts", "shipping", "notifications", "recommendations", "catalog")
WALKED = {Structure("monolith"), Structure("hybrid", "wire"), Structure("microservices")}
"""Where walks are taken each time."""
TROUBLES = st.lists(st.tuples(
    st.sampled_from(["authorize", "capture", "cancel", "refund"]),
    st.sampled_from(["disconnect_after", "disconnect_before", "unavailable", "timeout_after", "late"]),
), max_size=2)


class Machine(RuleBasedStateMachine):
    """People and time, doing what they like. What is drawn depends on chance alone, so that it can be replayed."""

    stage: ClassVar[Stage]

    def __init__(self) -> None:
        super().__init__()
        type(self).stage = self.stage.fresh()
        self.walk = Walk(self.stage.shop)

    @initialize()
    def everybody_has_a_cart(self) -> None:
        self.stage.runner.run(self.walk.begin())

    @rule(ops=st.lists(anything, min_size=1, max_size=4), troubles=TROUBLES)
    def things_happen(self, ops: list[Op], troubles: list[tuple[str, str]]) -> None:
        self.happen(ops, troubles=troubles)

    @rule(ops=st.lists(in_carts, min_size=2, max_size=4))
    def carts_are_filled(self, ops: list[Op]) -> None:
        self.happen(ops)

    @rule(ops=st.lists(buying, min_size=2, max_size=4))
    def there_is_a_rush(self, ops: list[Op]) -> None:
        self.happen(ops)

    @rule(op=buying)
    def somebody_buys(self, op: Op) -> None:
        self.happen([op])

    @rule(ops=st.lists(about_orders, min_size=2, max_size=4))
    def orders_are_pulled_at(self, ops: list[Op]) -> None:
        self.happen(ops)

    @rule(ops=st.lists(st.one_of(buying, resuming, administering), min_size=2, max_size=4), decided=st.booleans())
    def the_bank_takes_too_long(self, ops: list[Op], decided: bool) -> None:
        if decided and self.walk.orders:
            self.happen([Op("decide", deal=str(number)) for number in range(3)])
        self.walk.time_passes(HOLD + 1)
        self.happen(ops)

    @rule(ops=st.lists(anything, min_size=1, max_size=3), module=st.sampled_from(MODULES))
    def a_service_stops(self, ops: list[Op], module: str) -> None:
        self.happen(ops, stop=self.stage.shop.home_of(module))

    @rule(ops=st.lists(st.one_of(in_carts, buying, resuming), max_size=3), end=ending)
    def a_product_is_sold_no_longer(self, ops: list[Op], end: Op) -> None:
        self.happen([end, *ops])

    @rule(ops=st.lists(anything, min_size=1, max_size=4), seed=st.integers(0, 1000))
    def events_travel_badly(self, ops: list[Op], seed: int) -> None:
        with unruly(self.stage.shop.running, seed):
            self.happen(ops)

    @rule(seconds=st.sampled_from([HOLD + 1, HOLD + 1, CART_LIFETIME + 1]))
    def time_passes(self, seconds: int) -> None:
        self.walk.time_passes(seconds)

    def happen(self, ops: list[Op], *, stop: str = "", troubles: Sequence[tuple[str, str]] = ()) -> None:
        """Do it, and look at the books."""
        async def work() -> None:
            await self.walk.together(ops, stop=stop, troubles=troubles)
            await self.stage.shop.check()

        self.stage.sound = False
        self.stage.runner.run(work())
        self.stage.sound = True


@pytest.fixture(params=[s if s in WALKED else pytest.param(s, marks=pytest.mark.chaos) for s in STRUCTURES], ids=str)
def machine(request: pytest.FixtureRequest) -> Iterator[type[Machine]]:
    """The machine in one structure."""
    database = None
    if request.param.engine == "postgresql":
        database = f"{request.getfixturevalue('postgresql')}/walks_{request.param.topology}"
    class Here(Machine):
        stage = Stage(request.param, database)

    yield Here
    Here.stage.close()


@pytest.mark.timeout(3600)
def test_some_order_explains_what_people_were_answered_when_they_asked_at_once(machine: type[Machine]) -> None:
    run_state_machine_as_test(machine, settings=settings(
        max_examples=WALKS, stateful_step_count=STEPS, deadline=None, report_multiple_bugs=False, print_blob=True,
        suppress_health_check=SLOW, phases=PHASES,
    ))
