"""What a saga promises, in every structure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import func, insert, select, text

from craton import Failed, KeyReused, NotAllowed, OutcomeUnknown, StillRunning
from craton.data.store import transact
from craton.data.tables import tables_of
from craton.run.process import Process
from craton.sagas import asking
from craton.sagas.sagas import SagaStatus, saga_id
from craton.testing.start import Running, calling, start, user
from tests.sagas.shop import (
    BANK,
    Declined,
    Inventory,
    Order,
    OrderDesk,
    Orders,
    OutOfStock,
    Payments,
    Refused,
    shop,
    stock,
)

STRUCTURES = [("monolith", "local"), ("monolith", "wire"), ("microservices", "local"), ("microservices", "wire")]


@pytest.fixture(params=STRUCTURES, ids=lambda s: "-".join(s))
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    topology, link = request.param
    BANK.__init__()  # type: ignore[misc]
    async with start(shop, topology=topology, link=link) as running:
        await fill(running)
        yield running


def host(running: Running, module: str) -> Process:
    return next(p for p in running.processes.values() if module in p.hosted)


async def fill(running: Running) -> None:
    store, row = host(running, "inventory").store, insert(stock).values(sku="a", count=10)
    await transact(store, "inventory", lambda unit: unit.execute("inventory", row))


async def count(running: Running, module: str, table: str) -> int:
    found = getattr(tables_of(module), table)
    return int((await host(running, module).store.read(module, select(func.count()).select_from(found))).scalar_one())


async def left_running(running: Running, *, timeout: float) -> str:  # noqa: ASYNC109
    """The saga of a checkout that goes on after its deadline. On a busy machine its outcome may be unknown at first:
    then it is asked for again, as clients do."""
    while True:
        try:
            with calling(caller=user("ann"), key="1", timeout=timeout), pytest.raises(StillRunning) as found:
                await running.get(Orders).checkout("a", 1, 50)
        except OutcomeUnknown:
            continue
        assert found.value.saga is not None
        return found.value.saga


async def final(running: Running, saga: str) -> SagaStatus:
    """The saga's status once it rests."""
    status = None
    for _ in range(400):
        status = await running.door.saga("orders", saga, caller=user("ann"))
        if status is not None and status.state not in ("running", "undoing"):
            return status
        await asyncio.sleep(0.025)
    raise AssertionError(f"{saga} does not come to rest: {status}")


async def test_a_saga_that_succeeds_does_every_step_once(running: Running) -> None:
    with calling(key="1"):
        order = await running.get(Orders).checkout("a", 3, 50)
    assert order.state == "confirmed"
    assert await running.get(Orders).all() == (order,)
    assert await running.get(Inventory).left("a") == 7
    assert BANK.of("capture") == [order.id]
    assert await running.get(Payments).charged() == (order.id,)


@pytest.mark.parametrize(("arguments", "fault", "voided"), [
    (("a", 11, 50), OutOfStock("a", 10), 0),
    (("a", 1, 101), Declined("too much"), 0),
    (("a", 1, 50, "no"), Refused("no"), 1),
    (("a", 1, 99), Declined("at the last moment"), 1),
])
async def test_a_fault_undoes_what_was_done_and_is_the_answer(
    running: Running, arguments: tuple[str, int, int], fault: Exception, voided: int
) -> None:
    for _ in range(2):
        with calling(key="1"), pytest.raises(type(fault)) as found:
            await running.get(Orders).checkout(*arguments)
        assert found.value == fault
    assert [o.state for o in await running.get(Orders).all()] == ["cancelled"]
    assert await running.get(Inventory).left("a") == 10
    assert len(BANK.of("void")) == voided
    assert BANK.of("capture") == []


async def test_the_same_key_gives_the_same_ids_in_every_structure(running: Running) -> None:
    with calling(key="the same"):
        order = await running.get(Orders).plain("a", 1)
    assert order.id == "order-" + order.id[6:]
    async with start(shop) as other:
        await fill(other)
        with calling(key="the same"):
            assert await other.get(Orders).plain("a", 1) == order


async def test_concurrent_calls_under_one_key_are_one_saga(running: Running) -> None:
    async def ask() -> object:
        with calling(key="1"):
            return await running.get(Orders).checkout("a", 1, 50)

    answers = await asyncio.gather(*(ask() for _ in range(8)))
    assert len(set(answers)) == 1
    assert await running.get(Inventory).left("a") == 9
    assert len(BANK.of("capture")) == 1


async def test_another_request_under_the_key_is_refused(running: Running) -> None:
    with calling(key="1"):
        await running.get(Orders).plain("a", 1)
    with calling(key="1"), pytest.raises(KeyReused):
        await running.get(Orders).plain("a", 2)


async def test_many_sagas_at_once_sell_no_more_than_there_is(running: Running) -> None:
    async def buy(number: int) -> bool:
        with calling(key=str(number)):
            try:
                await running.get(Orders).checkout("a", 1, 50)
            except OutOfStock:
                return False
            return True

    sold = await asyncio.gather(*(buy(n) for n in range(25)))
    assert sum(sold) == 10
    assert await running.get(Inventory).left("a") == 0
    assert sorted(BANK.of("capture")) == sorted(o.id for o in await running.get(Orders).all() if o.state == "confirmed")


async def test_an_unknown_outcome_is_asked_again_under_the_same_key(running: Running) -> None:
    BANK.silent = 3
    with calling(key="1"):
        order = await running.get(Orders).checkout("a", 1, 50)
    assert order.state == "confirmed"
    assert BANK.of("capture") == [order.id]
    assert BANK.of("authorize") == [order.id]


async def test_a_merged_saga_without_effects_leaves_no_journal() -> None:
    async with start(shop) as running:
        await fill(running)
        with calling(key="1"):
            await running.get(Orders).plain("a", 1)
        assert await count(running, "orders", "saga") == 0
        assert await count(running, "orders", "journal") == 0
        assert await count(running, "orders", "inbox") == 1
        assert await count(running, "inventory", "inbox") == 0


async def test_a_saga_goes_on_after_its_deadline_and_can_be_asked_about(running: Running) -> None:
    BANK.silent = 4
    saga = await left_running(running, timeout=0.3)
    with pytest.raises(NotAllowed):
        await running.door.saga("orders", saga, caller=user("bob"))
    status = await final(running, saga)
    assert status.state == "done"
    assert status.answer["state"] == "confirmed"
    with calling(caller=user("ann"), key="1"):
        assert (await running.get(Orders).checkout("a", 1, 50)).id == status.answer["id"]
    assert await running.door.saga("orders", "saga-that-is-not", caller=user("ann")) is None


async def test_what_fails_after_the_pivot_parks_the_saga(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: OrderDesk, order: str) -> object:
        raise ZeroDivisionError("a bug after the money was taken")

    desk = host(running, "orders").hosted["orders"]
    monkeypatch.setattr(asking, "BROKEN", 1)
    endpoint = desk.endpoints["confirm"]
    object.__setattr__(endpoint, "body", lambda arguments: broken(desk.instance, ""))
    command = endpoint.ask.__self__  # type: ignore[attr-defined]
    monkeypatch.setattr(command, "body", lambda arguments: broken(desk.instance, ""))
    assert (await final(running, await left_running(running, timeout=1.0))).state == "parked"
    assert [o.state for o in await running.get(Orders).all()] == ["placed"]
    assert len(BANK.of("capture")) == 1
    assert BANK.of("void") == []
    assert await running.get(Inventory).left("a") == 9


async def test_an_undone_step_that_never_came_will_never_run(running: Running) -> None:
    inventory = host(running, "inventory")
    release, reserve = inventory.endpoints["inventory.release"], inventory.endpoints["inventory.reserve"]
    await release.ask(release.method.arguments(order="o"), key="late:undo", undoes="late")
    with pytest.raises(Exception, match="undone before it ran"):
        await reserve.ask(reserve.method.arguments(order="o", sku="a", count=1), key="late")
    assert await running.get(Inventory).left("a") == 10


async def test_a_saga_that_takes_another_path_when_replayed_is_parked(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    BANK.silent = 1000
    with calling(caller=user("ann"), key="1", timeout=1), pytest.raises(OutcomeUnknown):
        await running.get(Orders).checkout("a", 1, 50)
    home = host(running, "orders").name
    await running.close(home)

    async def checkout(self: OrderDesk, sku: str, count: int, amount: int, refuse: str = "") -> Order:
        await self.saga.step(self.cancel, "another")
        raise AssertionError("not reached")

    with monkeypatch.context() as changed:
        changed.setattr(OrderDesk, "checkout", checkout)
        await running.open(home)
        assert (await final(running, saga_id("1"))).state == "parked"
    rows = await host(running, "orders").store.read("orders", text("SELECT error FROM orders_saga"))
    assert "must take the same path" in rows.scalar_one()


async def test_a_bug_before_the_pivot_undoes_and_answers_failed(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "BROKEN", 1)
    with calling(key="1"), pytest.raises(Failed):
        await running.get(Orders).checkout("no such sku", 1, 50)
    assert [o.state for o in await running.get(Orders).all()] == ["cancelled"]
    with calling(key="1"), pytest.raises(Failed):
        await running.get(Orders).checkout("no such sku", 1, 50)
