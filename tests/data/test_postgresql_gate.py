"""The gate in front of PostgreSQL: how many units run at once."""

from __future__ import annotations

import asyncio

import pytest

from craton.data.stores.postgresql_gate import Gate


async def let_in(gate: Gate, *, alone: bool = False, background: bool = False) -> asyncio.Task[None]:
    """A task that has asked to be let in, and may have been."""
    task = asyncio.create_task(gate.enter(alone=alone, background=background))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return task


async def test_no_more_are_inside_than_there_is_room_for_and_the_first_come_first() -> None:
    gate = Gate(2)
    tasks = [await let_in(gate) for _ in range(4)]
    assert [task.done() for task in tasks] == [True, True, False, False]
    gate.leave()
    await tasks[2]
    assert gate.inside == 2 and not tasks[3].done()
    gate.leave()
    await tasks[3]


async def test_conflicts_leave_room_for_one_and_work_without_them_makes_it_wide_again() -> None:
    gate = Gate(8)
    for _ in range(4):
        await gate.enter(alone=False)
        gate.leave(lost=True)
    first, second = await let_in(gate), await let_in(gate)
    assert first.done() and not second.done()
    gate.leave()
    await second
    for _ in range(400):
        gate.leave()
        await gate.enter(alone=False)
    assert gate.room == 8


async def test_who_must_be_alone_is_the_next_and_meets_nobody() -> None:
    gate = Gate(4)
    await gate.enter(alone=False)
    alone, other = await let_in(gate, alone=True), await let_in(gate)
    assert not alone.done() and not other.done()
    gate.leave()
    await alone
    assert not other.done()
    gate.leave()
    await other


async def test_who_gives_up_waiting_takes_nobodys_place() -> None:
    gate = Gate(1)
    await gate.enter(alone=False)
    waiting, admitted, last = await let_in(gate), await let_in(gate), await let_in(gate)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.leave()  # lets the second in, which is cancelled before it knows
    admitted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await admitted
    await last
    gate.leave()
    assert gate.inside == 0 and not gate.waiting


async def order_of(gate: Gate, waiting: dict[str, asyncio.Task[None]]) -> str:
    """The names of those who wait, as they are let in one after another."""
    order = ""
    while waiting:
        gate.leave()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        (name,) = [name for name, task in waiting.items() if task.done()]
        del waiting[name]
        order += name
    return order


async def test_what_nobody_waits_for_comes_after_a_few_that_somebody_waits_for() -> None:
    gate = Gate(1)
    await gate.enter(alone=False)
    behind = {name: await let_in(gate, background=True) for name in "xy"}
    waited = {name: await let_in(gate) for name in "abcdefghij"}
    assert await order_of(gate, behind | waited) == "abcdxefghyij"


async def test_in_the_background_the_first_come_first_and_nobody_is_waited_for() -> None:
    gate = Gate(1)
    await (await let_in(gate, background=True))
    behind = {name: await let_in(gate, background=True) for name in "xyz"}
    alone = {"!": await let_in(gate, alone=True, background=True)}
    assert await order_of(gate, behind | alone) == "!xyz"


async def test_who_gives_up_in_the_background_takes_nobodys_place() -> None:
    gate = Gate(1)
    await gate.enter(alone=False)
    first, second = await let_in(gate, background=True), await let_in(gate, background=True)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.leave()
    await second
    gate.leave()
    assert gate.inside == 0 and not gate.background
