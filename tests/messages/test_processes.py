"""Events between real processes, some of which are killed."""

from __future__ import annotations

import asyncio
import signal

import pytest

from craton import CallError
from craton.testing.processes import Processes
from craton.testing.start import Running, calling, start
from tests.messages.mail.application import mail
from tests.messages.mail.contracts import Learner, Orders
from tests.messages.post_office import become, learned, told

ORDERS, EVENTS = 5, 12


async def insist(running: Running, order: int, number: int) -> None:
    """One event, asked for under its key until there is an answer."""
    while True:
        try:
            with calling(key=f"{order}/{number}", timeout=5):
                return await running.get(Orders).place(f"o-{order}", (number,))
        except CallError:
            await asyncio.sleep(0.1)


async def place_all(running: Running, order: int) -> None:
    """All events of an order, one after another."""
    for number in range(EVENTS):
        await insist(running, order, number)


async def patiently(running: Running, order: int) -> list[str]:
    """What the learner has seen, asked for until it answers."""
    while True:
        try:
            return await learned(running, f"o-{order}")()
        except CallError:
            await asyncio.sleep(0.1)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("topology", "killed"), [
    ("apart", ("learner", "orders", "learner")),
    ("twice", ("crowd.1", "desk.2", "crowd.2", "desk.1")),
])
async def test_events_arrive_once_and_in_order_whoever_is_killed(
    topology: str, killed: tuple[str, ...], postgresql: str
) -> None:
    database = f"{postgresql}/mail_{topology}" if topology == "twice" else None
    async with start(mail, topology=topology, link="rpc", database=database) as running:
        assert isinstance(running, Processes)
        placing = [asyncio.create_task(place_all(running, order)) for order in range(ORDERS)]
        for name in killed:
            await asyncio.sleep(0.5)
            running.kill(name, with_signal=signal.SIGKILL)
        await asyncio.gather(*placing)
        wanted = [f"placed {number}" for number in range(EVENTS)]
        for order in range(ORDERS):
            await become(wanted, lambda order=order: patiently(running, order), 60)  # type: ignore[misc]
            await become(wanted, told(running, f"o-{order}"), 60)


@pytest.mark.timeout(120)
async def test_a_subscriber_that_is_stopped_for_a_while_delays_nobody_else() -> None:
    async with start(mail, topology="apart", link="rpc") as running:
        assert isinstance(running, Processes)
        await running.get(Orders).place("o-0", (0,))
        await become(["placed 0"], learned(running, "o-0"))
        running.kill("learner", with_signal=signal.SIGSTOP)
        try:
            for number in range(1, 6):
                await running.get(Orders).place("o-0", (number,))
            await become([f"placed {n}" for n in range(6)], told(running, "o-0"), 5)
        finally:
            running.kill("learner", with_signal=signal.SIGCONT)
        await become([f"placed {n}" for n in range(6)], learned(running, "o-0"), 40)
        assert len(await running.get(Learner).learned()) == 6
