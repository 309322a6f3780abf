"""Sagas whose database goes away, does not say, or refuses at the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert

from craton import CallError, Failed
from craton.data.store import transact
from craton.testing.start import Running, calling, start
from tests.data.proxy import Cut, Proxy
from tests.sagas.register import TOLD, Register, register
from tests.sagas.shop import BANK, Inventory, Order, Orders, shop, stock

COMMITS = 8
"""More than a checkout of the shop makes."""


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
        store, row = next(iter(running.processes.values())).store, insert(stock).values(sku="a", count=COMMITS)
        await transact(store, "inventory", lambda unit: unit.execute("inventory", row))
        orders = []
        for number in range(COMMITS):
            proxy.cut, proxy.spare = cut, number
            orders.append(await insist(running, f"{number}"))
        assert proxy.cuts == COMMITS
        assert {order.state for order in orders} == {"confirmed"} and len(set(orders)) == COMMITS
        assert sorted(BANK.of("capture")) == sorted(order.id for order in orders)
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
