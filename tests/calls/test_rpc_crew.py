"""What runs without a Task of its own finds all that it would find in one."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterator

import anyio
import pytest

from craton.calls.links.rpc import crew as crews
from craton.calls.links.rpc.crew import Crew
from tests.until import until

LEFT: contextvars.ContextVar[int] = contextvars.ContextVar("left", default=0)
Body = Callable[[int], Awaitable[object]]


class Piece:
    """One piece of work, and what came of it."""

    def __init__(self, number: int, body: Body) -> None:
        self.number, self.body = number, body
        self.task: asyncio.Task[None] | None = None
        self.result: object = None

    async def do(self) -> None:
        try:
            self.result = await self.body(self.number) or "ok"
        except (Exception, asyncio.CancelledError) as error:
            self.result = repr(error)


def clean() -> asyncio.Task[object]:
    """The present Task, which nobody has cancelled."""
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    return task


async def yields(number: int) -> None:
    await asyncio.sleep(0)


async def has_a_task(number: int) -> None:
    before = asyncio.current_task()
    await asyncio.sleep(0)
    assert before is not None and asyncio.current_task() is before


async def times_out(number: int) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.sleep(10)
    await asyncio.sleep(0)
    clean()


async def times_out_at_once(number: int) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.sleep(10)


async def has_time(number: int) -> None:
    async with asyncio.timeout(10):
        await asyncio.sleep(0)


async def waits_for(number: int) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.sleep(10), 0.001)


async def moves_on(number: int) -> None:
    with anyio.move_on_after(0.001) as scope:
        await anyio.sleep(10)
    assert scope.cancelled_caught


async def groups(number: int) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(yields(n)) for n in range(2)]
    async with anyio.create_task_group() as other:
        other.start_soon(yields, 1)
    assert all(task.done() for task in tasks)


async def groups_with_a_fault(number: int) -> None:
    async def bad() -> None:
        await asyncio.sleep(0)
        raise KeyError

    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(bad())
            await asyncio.sleep(10)
    clean()


async def leaves_a_variable(number: int) -> None:
    assert LEFT.get() == 0
    LEFT.set(number + 1)
    await asyncio.sleep(0)
    assert LEFT.get() == number + 1


async def leaves_a_variable_at_once(number: int) -> None:
    assert LEFT.get() == 0
    LEFT.set(number + 1)


async def leaves_a_cancellation(number: int) -> None:
    clean().cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(10)


async def cancels_itself_for_later(number: int) -> None:
    clean().cancel()


async def raises(number: int) -> str:
    with pytest.raises(KeyError):
        raise KeyError(number)
    return "ok"


BODIES = [
    has_a_task, times_out, times_out_at_once, has_time, waits_for, moves_on, groups, groups_with_a_fault,
    leaves_a_variable, leaves_a_variable_at_once, leaves_a_cancellation, cancels_itself_for_later, raises,
]


@pytest.mark.parametrize("body", BODIES)
async def test_work_finds_what_it_would_find_in_a_task_of_its_own(body: Body) -> None:
    crew = Crew[Piece](Piece.do)
    done = list[Piece]()
    for _ in range(3):  # the later ones meet Tasks that have worked before
        pieces = [Piece(n, body) for n in range(8)]
        for piece in pieces:
            crew.put(piece)
        await until(lambda pieces=pieces: all(p.result for p in pieces))  # type: ignore[misc]
        done += pieces
    assert [piece.result for piece in done] == ["ok"] * 24
    await crew.close()


async def test_work_that_does_not_wait_is_done_in_order_by_one_task() -> None:
    order = list[int]()

    async def note(number: int) -> None:
        order.append(number)

    crew = Crew[Piece](Piece.do)
    for _ in range(3):
        pieces = [Piece(n, note) for n in range(crews.TURN - 1)]
        for piece in pieces:
            crew.put(piece)
        await until(lambda: len(order) == crews.TURN - 1)
        assert order == [piece.number for piece in pieces]
        assert {piece.task for piece in pieces} == crew.tasks and len(crew.tasks) == 1
        order.clear()
    await crew.close()


async def test_work_that_waits_holds_up_no_other() -> None:
    gate = asyncio.Event()

    async def waits(number: int) -> None:
        if number % 2 == 0:
            await gate.wait()

    crew = Crew[Piece](Piece.do)
    pieces = [Piece(n, waits) for n in range(500)]
    for piece in pieces:
        crew.put(piece)
    await until(lambda: all(p.result for p in pieces if p.number % 2))
    assert not any(p.result for p in pieces if p.number % 2 == 0)
    gate.set()
    await until(lambda: all(p.result for p in pieces))
    assert len(crew.idle) <= crews.IDLE
    await crew.close()
    assert not crew.tasks


async def test_long_work_of_many_pieces_leaves_the_loop_its_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = 0

    async def short(number: int) -> None:
        return None

    def count() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(count)

    crew = Crew[Piece](Piece.do)
    pieces = [Piece(n, short) for n in range(crews.TURN * 10)]
    for piece in pieces:
        crew.put(piece)
    count()
    await until(lambda: all(p.result for p in pieces))
    assert turns >= 5
    await crew.close()


async def test_cancelling_one_piece_of_work_cancels_no_other() -> None:
    gate = asyncio.Event()

    async def waits(number: int) -> None:
        await gate.wait()

    crew = Crew[Piece](Piece.do)
    pieces = [Piece(n, waits) for n in range(20)]
    for piece in pieces:
        crew.put(piece)
    await until(lambda: all(p.task for p in pieces))
    tasks: Iterator[asyncio.Task[None] | None] = (piece.task for piece in pieces[::2])
    for task in tasks:
        assert task
        task.cancel()
    await until(lambda: all(p.result for p in pieces[::2]))
    gate.set()
    await until(lambda: all(p.result for p in pieces))
    assert [piece.result for piece in pieces] == ["CancelledError()", "ok"] * 10
    await crew.close()


class Array:
    """A value that cannot be compared."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth of an array is ambiguous")


async def test_a_context_variable_that_cannot_be_compared_stops_nobody() -> None:
    found: contextvars.ContextVar[Array] = contextvars.ContextVar("found")
    found.set(Array())

    async def finds(number: int) -> None:
        found.set(Array())
        await asyncio.sleep(0)

    crew, pieces = Crew[Piece](Piece.do), [Piece(number, finds) for number in range(5)]
    for piece in pieces:
        crew.put(piece)
    await until(lambda: all(piece.result == "ok" for piece in pieces))
    await crew.close()
