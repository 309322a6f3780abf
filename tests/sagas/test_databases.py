"""Sagas whose database goes away, does not say, or refuses at the end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select

from craton import CallError, Failed
from craton.data.store import transact
from craton.data.tables import tables_of
from craton.run.process import Process
from craton.sagas.journal import LeaseLost
from craton.testing.start import Running, calling, start
from tests.data.proxy import Cut, Proxy
from tests.sagas.register import TOLD, Register, register
from tests.sagas.shop import BANK, Inventory, Order, Orders, shop, stock
from tests.until import until

COMMITS = 6
"""As many as a checkout of the shop makes."""


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str | None:
    """Where the register is kept."""
    if request.param == "sqlite":
        return None
    return f"{request.getfixturevalue('postgresql')}/register_{abs(hash(request.node.name)) % 10**6}"


async def insist(running: Running, key: str) -> Order:
    """Ask under the same key until there is an answer."""
    while True:
        try:
            with calling(key=key, timeout=5):
                return await running.get(Orders).checkout("a", 1, 50)
        except CallError as error:
            assert not isinstance(error, Failed), error
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_saga_that_loses_any_of_its_commits_ends_as_if_it_had_not(postgresql: str, cut: Cut) -> None:
    BANK.__init__()  # type: ignore[misc]
    async with Proxy(f"{postgresql}/lost_{cut}") as proxy, start(shop, database=proxy.url) as running:
        await stocked(host(running), COMMITS)
        orders = []
        for number in range(COMMITS):
            proxy.cut, proxy.spare = cut, number
            orders.append(await insist(running, f"{number}"))
        assert proxy.cuts == COMMITS
        assert {order.state for order in orders} == {"confirmed"} and len(set(orders)) == COMMITS
        assert sorted(BANK.of("capture")) == sorted(order.id for order in orders)
        assert await running.get(Inventory).left("a") == 0


async def test_a_saga_whose_database_is_away_for_a_moment_goes_on_when_it_is_back(
    postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    BANK.__init__()  # type: ignore[misc]
    asked = BANK.ask
    async with Proxy(f"{postgresql}/away") as proxy, start(shop, database=proxy.url) as running:
        await stocked(host(running), COMMITS)

        async def ask(key: str, what: str, order: str, amount: int) -> None:
            await asked(key, what, order, amount)
            if what == "authorize":
                asyncio.get_running_loop().call_later(0.1 * len(BANK.of("authorize")) / COMMITS, leave)

        def leave() -> None:  # at another moment of each order
            proxy.refuse = 1
            proxy.hang_up()

        monkeypatch.setattr(BANK, "ask", ask)
        orders = [await insist(running, f"{number}") for number in range(COMMITS)]
        assert {order.state for order in orders} == {"confirmed"} and len(set(orders)) == COMMITS
        assert sorted(BANK.of("capture")) == sorted(order.id for order in orders)
        await asyncio.sleep(0.2)  # the last one may still be about to leave
        proxy.refuse = 0
        assert await running.get(Inventory).left("a") == 0


@pytest.mark.parametrize("how", ["enter", "announce"])
async def test_a_saga_that_is_refused_at_its_last_commit_fails_and_leaves_nothing(how: str, url: str | None) -> None:
    TOLD.clear()
    async with start(register, database=url) as running:
        method: Any = getattr(running.get(Register), how)
        for _ in range(2):
            with calling(key="1"), pytest.raises(Failed, match="IntegrityError"):
                await method("nobody's")
        assert await running.get(Register).entries() == ()
        assert [told.partition(" entry-")[0] for told in TOLD] == ([] if how == "enter" else ["entered", "not entered"])
        await running.get(Register).open("ann's")
        with calling(key="2"):
            entry = await method("ann's")
        assert await running.get(Register).entries() == (entry,)


async def test_a_saga_that_began_here_a_moment_ago_is_not_taken_over_from_oneself(
    postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    BANK.__init__()  # type: ignore[misc]
    BANK.silent = 3
    async with start(shop, database=f"{postgresql}/own") as running:
        await stocked(host(running), 1)
        sagas = host(running).hosted["orders"].sagas
        look = sagas.journal.abandoned
        monkeypatch.setattr(sagas.journal, "abandoned", lambda mine: look(set()))  # it began after the look was begun
        asking = asyncio.create_task(insist(running, "1"))
        while not asking.done():
            await sagas.adopt()
            await asyncio.sleep(0.01)
        found = await host(running).store.read("orders", select(tables_of("orders").saga.c.fence))
        assert found.scalars().all() == [1]


async def test_what_another_replica_began_first_is_not_taken_for_ones_own(postgresql: str) -> None:
    BANK.__init__()  # type: ignore[misc]
    BANK.silent = 5
    url = f"{postgresql}/first"
    async with start(shop, database=url) as one, start(shop, database=url) as two:
        await stocked(host(one), 1)
        asking = asyncio.create_task(insist(one, "1"))
        first, second = (host(running).hosted["orders"].sagas for running in (one, two))
        await until(lambda: any(ongoing.run.record.stored for ongoing in first.ongoing.values()))
        record = next(iter(first.ongoing.values())).run.record
        assert await first.journal.check(record) is not None
        with pytest.raises(LeaseLost):
            await second.journal.check(replace(record, stored=False))
        await asking


async def test_two_replicas_that_are_asked_at_once_carry_a_saga_out_once(postgresql: str) -> None:
    BANK.__init__()  # type: ignore[misc]
    url = f"{postgresql}/twice"
    async with start(shop, database=url) as one, start(shop, database=url) as two:
        await stocked(host(one), 3 * COMMITS)
        keys = [f"twice {number}" for number in range(3 * COMMITS)]
        orders = await asyncio.gather(*(insist(running, key) for key in keys for running in (one, two)))
        assert orders[::2] == orders[1::2] and len(set(orders)) == 3 * COMMITS
        assert sorted(BANK.of("capture")) == sorted({order.id for order in orders})
        assert await one.get(Inventory).left("a") == 0


def host(running: Running) -> Process:
    """The process that hosts all modules."""
    return next(process for process in running.processes.values() if process.hosted)


async def stocked(process: Process, count: int) -> None:
    """Put so many into the shop."""
    row = insert(stock).values(sku="a", count=count)
    await transact(process.store, "inventory", lambda unit: unit.execute("inventory", row))
