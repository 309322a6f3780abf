"""What events promise, in every structure."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from craton import Failed, Misuse
from craton.data.tables import tables_of
from craton.messages import lane
from craton.messages.relay import Relay
from craton.testing.start import Running
from tests.messages.mail.contracts import Learner, Orders, Placed, Seen, Teller
from tests.messages.mail.modules import ASKING, Stuck
from tests.messages.post_office import become, host, learned, relay, rows, sent, told, write


async def test_each_subscriber_applies_an_event_once(running: Running) -> None:
    await running.get(Orders).place("o-1", (1,))
    await become(True, lambda: sent(running))
    assert await learned(running, "o-1")() == ["placed 1"]
    assert await told(running, "o-1")() == ["placed 1"]


async def test_events_of_a_key_arrive_in_the_order_of_their_commands(running: Running) -> None:
    orders = running.get(Orders)
    for number in range(0, 40, 4):
        await asyncio.gather(*(orders.place(f"o-{o}", tuple(range(number, number + 4))) for o in range(5)))
    await orders.close("o-3")
    wanted = [f"placed {number}" for number in range(40)]
    for order in range(5):
        await become(wanted, learned(running, f"o-{order}"))
        await become(wanted + ["closed"] * (order == 3), told(running, f"o-{order}"))


async def test_a_handler_may_ask_another_module_before_it_writes(running: Running) -> None:
    ASKING.add("o-1")
    await running.get(Orders).place("o-1", (1, 2, 3))
    await become([f"placed {n}" for n in (1, 2, 3)], learned(running, "o-1"))


async def test_an_event_vanishes_with_its_command(running: Running) -> None:
    with pytest.raises((Failed, Stuck)):
        await running.get(Orders).fail("o-1")
    await running.get(Orders).place("o-1", (2,))
    await become(["placed 2"], learned(running, "o-1"))
    assert [row["type"] for row in await rows(running, "orders", "outbox")] == ["Placed"]


async def test_an_event_without_a_key_has_no_number(running: Running) -> None:
    await running.get(Orders).notice("hello")
    await become(["hello"], told(running, ""))
    assert [row["sequences"] for row in await rows(running, "orders", "outbox")] == ['{"teller":0}']
    assert await rows(running, "orders", "sequence") == []


async def test_an_event_that_nobody_hears_of_is_sent_at_once(running: Running) -> None:
    await running.get(Orders).close("o-1")
    found = {row["type"]: row["status"] for row in await rows(running, "orders", "outbox")}
    assert found["Ignored"] == "sent"


async def test_a_saga_begins_by_an_event(running: Running) -> None:
    await running.get(Orders).close("o-1", "sold out")
    await become(["sold out"], told(running, "file o-1"))
    await become(["closed"], told(running, "o-1"))
    begun = [(row["fence"], row["attempts"]) for row in await rows(running, "teller", "saga")]
    assert begun == [(1, 1)], "it was begun under the lease that it was stored with, and taken over by nobody"


async def test_what_is_sent_again_is_applied_once(running: Running) -> None:
    orders = running.get(Orders)
    await orders.place("o-1", (1, 2, 3))
    await orders.notice("hello")
    await orders.close("o-1", "sold out")
    await become(True, lambda: sent(running))
    await become(["sold out"], told(running, "file o-1"))
    t = tables_of("orders").outbox  # as if no confirmation had come
    again = dict(status="stored", pending="teller", due=0.0)
    await write(running, "orders", update(t).where(t.c.type != "Ignored").values(**again))
    relay(running).wake()
    await become(True, lambda: sent(running))
    await asyncio.sleep(0.1)
    told_all = [Seen("o-1", f"placed {n}") for n in (1, 2, 3)] + [
        Seen("", "hello"), Seen("o-1", "closed"), Seen("file o-1", "sold out")]
    assert sorted(await running.get(Teller).told(), key=str) == sorted(told_all, key=str)


async def test_a_subscriber_whose_service_is_away_gets_its_events_in_order_when_it_is_back(running: Running) -> None:
    if len(running.topology.services) == 1:
        pytest.skip("all of it is one service")
    orders = running.get(Orders)
    await orders.place("o-1", (1,))
    await become(["placed 1"], learned(running, "o-1"))
    await become(True, lambda: sent(running))
    await running.close("learner")
    for number in range(2, 12):
        await orders.place("o-1", (number,))
    await become([f"placed {n}" for n in range(1, 12)], told(running, "o-1"))
    await become((10, ("learner",)), lambda: waiting(running))
    await running.open("learner")
    await become([f"placed {n}" for n in range(1, 12)], learned(running, "o-1"))
    await become(True, lambda: sent(running))


async def test_what_is_held_back_is_let_go_when_something_has_arrived_and_not_before(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(running.topology.services) == 1:
        pytest.skip("all of it is one service")
    monkeypatch.setattr(lane, "PROBE", 2)
    await running.close("learner")
    released = list[str]()
    outbox, release = relay(running).outbox, relay(running).outbox.release

    async def noted(destination: str) -> None:
        released.append(destination)
        await release(destination)

    outbox.release = noted  # type: ignore[method-assign]
    for number in range(30):
        await running.get(Orders).place("o-1", (number,))
    await become([f"placed {n}" for n in range(30)], told(running, "o-1"))
    await asyncio.sleep(1.0)
    assert "learner" not in released
    await running.open("learner")
    await become([f"placed {n}" for n in range(30)], learned(running, "o-1"))
    await become(True, lambda: sent(running))
    assert "learner" in released


async def test_events_for_a_module_that_is_gone_are_dropped(running: Running) -> None:
    await running.get(Orders).close("o-1")
    await become(True, lambda: sent(running))
    t = tables_of("orders").outbox
    await write(running, "orders", update(t).values(status="stored", pending="gone", due=0.0))
    relay(running).wake()
    await become(True, lambda: sent(running))


async def waiting(running: Running) -> tuple[int, tuple[str, ...]]:
    """How many events wait, and for whom."""
    lag = await relay(running).lag()
    return lag.stored, lag.away


async def test_a_handler_is_called_by_its_events_alone(running: Running) -> None:
    with pytest.raises(Misuse, match=r"learner.learn is called by its events alone: publish one of Placed\."):
        await running.get(Learner).learn(Placed("o-1"))


async def test_two_relays_of_one_outbox_change_nothing(running: Running) -> None:
    process = host(running, "orders")
    if process.store.exclusive:
        pytest.skip("SQLite serves one process")
    other = Relay(process.store, "orders", owner="other", transport=process.post.transport, known={"learner", "teller"})
    task = asyncio.get_running_loop().create_task(other.run())
    t = tables_of("orders").outbox
    try:
        for number in range(20):
            await running.get(Orders).place(f"o-{number % 3}", (number,))
            if number % 4 == 0:  # as if the process that relays it had died
                await write(running, "orders", update(t).values(lease_until=0.0))
        await become(True, lambda: sent(running))
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await other.close()
    for order in range(3):
        await become([f"placed {n}" for n in range(20) if n % 3 == order], learned(running, f"o-{order}"))
