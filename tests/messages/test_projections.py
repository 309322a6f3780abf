"""Read models: each event is in them once, in order, whatever is interrupted, and whoever commits late."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, insert, select, update

from craton import Database, DeclarationError, Misuse, Projected
from craton.calls.context import context
from craton.data.store import Unit, commit, transact
from craton.data.tables import tables_of
from craton.failpoints import LISTENERS
from craton.messages.projections import BATCH, Overtaken
from craton.run.process import Process
from craton.testing.start import Running, start
from tests.messages.accounts import (
    BY_HAND,
    LATER,
    LATER_BESIDE,
    LIST,
    LIST_BESIDE,
    Balances,
    Bank,
    Branch,
    Paid,
    Tables,
    bank,
)

OUTBOX, CHECKPOINTS = tables_of("bank").outbox, tables_of("bank").projection


@pytest.fixture(params=["sqlite", "postgresql"])
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    database = None
    if request.param == "postgresql":
        database = f"{request.getfixturevalue('postgresql')}/projections_{secrets.token_hex(4)}"
    async with start(bank, database=database) as running:
        yield running


def process(running: Running) -> Process:
    return next(p for p in running.processes.values() if p.hosted)


def by_hand(running: Running) -> Projected:
    """A projection that goes on only when a test says so."""
    streams = process(running).streams["bank"]
    return streams.project("by hand", Balances(Database(streams.store, "bank"), BY_HAND))


def projected(running: Running, name: str) -> Projected:
    return next(p for p in process(running).streams["bank"].projections if p.name == name)


async def write(running: Running, *statements: object) -> None:
    async def all_of(unit: Unit) -> None:
        for statement in statements:
            await unit.execute("bank", statement)  # type: ignore[arg-type]

    await transact(process(running).store, "bank", all_of)


async def rows(running: Running, tables: Tables) -> list[tuple[object, ...]]:
    t = tables.accounts.c
    found = await process(running).store.read("bank", select(t.account, t.balance, t.events).order_by(t.account))
    return [tuple(row) for row in found]


class Crash(BaseException):
    """The process ends here, as far as the transaction is concerned."""


@contextmanager
def crashing(point: str, *, at: int = 1) -> Iterator[list[str]]:
    """Ends this task when it reaches a failpoint for the nth time."""
    reached: list[str] = []
    task = asyncio.current_task()

    def listen(name: str) -> None:
        if name == point and asyncio.current_task() is task:
            reached.append(name)
            if len(reached) == at:
                raise Crash(name)

    LISTENERS.append(listen)
    try:
        yield reached
    finally:
        LISTENERS.remove(listen)


async def test_an_inline_projection_knows_at_once_and_another_one_soon(running: Running) -> None:
    accounts = running.get(Bank)
    await accounts.open("a", 0)
    await accounts.pay("a", 5)
    assert await accounts.listed() == (("a", 5),)
    await projected(running, "later").catch_up()
    assert await accounts.soon() == (("a", 5),)
    await accounts.pay("a", 2)
    async with asyncio.timeout(5):
        while await accounts.soon() != (("a", 7),):  # noqa: ASYNC110  # a query tells nobody when it changes
            await asyncio.sleep(0.005)


async def test_many_events_are_applied_in_several_transactions_each_with_its_checkpoint(running: Running) -> None:
    accounts, later = running.get(Bank), by_hand(running)
    await accounts.open("a", 0)
    with crashing("E3", at=3), pytest.raises(Crash):
        await accounts.pay_often("a", 2 * BATCH)
        await later.catch_up()
    assert await rows(running, BY_HAND) == [("a", 2 * BATCH - 1, 2 * BATCH)]
    assert await later.behind() == 1
    await later.catch_up()
    assert await rows(running, BY_HAND) == [("a", 2 * BATCH, 2 * BATCH + 1)]
    assert await later.behind() == 0


async def test_what_is_interrupted_between_checkpoint_and_read_model_is_done_once(running: Running) -> None:
    accounts, later = running.get(Bank), by_hand(running)
    with crashing("E3"), pytest.raises(Crash):
        await accounts.open("a", 0)
        await accounts.pay("a", 5)
        await later.catch_up()
    assert await rows(running, BY_HAND) == []
    for _ in range(2):
        await later.catch_up()
        assert await rows(running, BY_HAND) == [("a", 5, 2)]


@pytest.mark.parametrize("point", ["E1", "E2"])
async def test_a_command_that_is_interrupted_leaves_no_event_and_no_read_model(running: Running, point: str) -> None:
    accounts = running.get(Bank)
    await accounts.open("a", 0)
    with crashing(point), pytest.raises(Crash):
        await accounts.pay("a", 5)
    assert await accounts.balance("a") == (0, 1)
    assert await rows(running, LIST) == [("a", 0, 1)]
    assert await accounts.pay("a", 5) == 5
    assert await rows(running, LIST) == [("a", 5, 2)]


async def test_a_projection_that_fails_stands_still_and_goes_on_when_it_is_mended(running: Running) -> None:
    accounts, later = running.get(Bank), by_hand(running)
    await write(running, insert(BY_HAND.accounts).values(account="b", balance=0, events=0))
    await accounts.open("a", 0)
    await accounts.open("b", 0)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await later.catch_up()
    assert await later.behind() == 2
    await write(running, delete(BY_HAND.accounts))
    await later.catch_up()
    assert await rows(running, BY_HAND) == [("a", 0, 1), ("b", 0, 1)]


async def test_two_who_catch_up_at_once_apply_each_event_once(running: Running) -> None:
    accounts, later = running.get(Bank), by_hand(running)
    await accounts.open("a", 0)
    await accounts.pay_often("a", BATCH + 20)
    await asyncio.gather(*(later.catch_up() for _ in range(4)))
    assert await rows(running, BY_HAND) == [("a", BATCH + 20, BATCH + 21)]


async def test_a_projection_does_not_catch_up_inside_a_transaction(running: Running) -> None:
    with pytest.raises(Misuse, match="cannot catch up inside a transaction"):
        await transact(process(running).store, "bank", lambda unit: by_hand(running).catch_up())


# ---------------------------------------------------------------------- late commits


async def test_what_commits_late_is_neither_skipped_nor_overtaken(request: pytest.FixtureRequest) -> None:
    database = f"{request.getfixturevalue('postgresql')}/late_{secrets.token_hex(4)}"
    async with start(bank, database=database) as running:
        accounts, later, here = running.get(Bank), by_hand(running), process(running)
        await accounts.open("a", 0)
        await accounts.open("b", 0)
        repository = branch(running).accounts
        slow = here.store.unit("bank")  # it begins, and has its number, before the others
        with context(unit=slow):
            await (await repository.load("a")).append(Paid("a", 1))
        await accounts.pay("b", 2)
        await later.catch_up()
        assert await rows(running, BY_HAND) == [("a", 0, 1), ("b", 0, 1)]  # b's waits for what may come before it
        await commit(slow)
        await later.catch_up()
        assert await rows(running, BY_HAND) == [("a", 1, 2), ("b", 2, 2)]


def branch(running: Running) -> Branch:
    found = process(running).hosted["bank"].instance
    assert isinstance(found, Branch)
    return found


async def test_a_reader_that_knows_only_positions_would_skip_what_commits_late(request: pytest.FixtureRequest) -> None:
    """The bug that the reader does not have, so that the test above is known to see it."""
    database = f"{request.getfixturevalue('postgresql')}/late_{secrets.token_hex(4)}"
    async with start(bank, database=database) as running:
        accounts, here = running.get(Bank), process(running)
        await accounts.open("a", 0)
        await accounts.open("b", 0)
        slow = here.store.unit("bank")
        with context(unit=slow):
            await (await branch(running).accounts.load("a")).append(Paid("a", 1))
        await accounts.pay("b", 2)
        last = (await here.store.read("bank", select(OUTBOX.c.position).order_by(OUTBOX.c.position.desc()))).scalars()
        seen = last.first()
        await commit(slow)
        missed = select(OUTBOX.c.position).where(OUTBOX.c.type == "Paid", OUTBOX.c.position < seen)
        assert len((await here.store.read("bank", missed)).all()) == 1


# ---------------------------------------------------------------------- from the beginning


@pytest.mark.parametrize("name", ["list", "later"])
async def test_a_read_model_is_rebuilt_from_its_events(running: Running, name: str) -> None:
    accounts, tables = running.get(Bank), {"list": LIST, "later": LATER}[name]
    await accounts.open("a", 0)
    await accounts.pay_often("a", 3)
    await projected(running, "later").catch_up()
    await write(running, update(tables.accounts).values(balance=77), insert(tables.accounts).values(
        account="never", balance=1, events=1,
    ))
    await projected(running, name).rebuild()
    assert await rows(running, tables) == [("a", 3, 4)]
    assert await rows(running, LIST_BESIDE) == await rows(running, LATER_BESIDE) == []
    await accounts.pay("a", 1)
    await projected(running, "later").catch_up()
    assert await rows(running, LIST) == await rows(running, LATER) == [("a", 4, 5)]


@pytest.mark.parametrize("name", ["list", "later"])
async def test_writing_goes_on_while_a_read_model_is_rebuilt(running: Running, name: str) -> None:
    accounts, tables = running.get(Bank), {"list": LIST, "later": LATER}[name]
    await accounts.open("a", 0)
    await accounts.pay_often("a", 2 * BATCH)
    done = asyncio.Event()
    writing = [asyncio.create_task(write_until(done, accounts, who)) for who in ("a", "b", "c")]
    for _ in range(3):
        await projected(running, name).rebuild()
    done.set()
    paid = await asyncio.gather(*writing)
    await projected(running, "later").catch_up()
    assert min(paid) > 0
    assert await rows(running, tables) == [
        ("a", 2 * BATCH + paid[0], 2 * BATCH + 1 + paid[0]), ("b", paid[1], paid[1] + 1), ("c", paid[2], paid[2] + 1),
    ]
    assert await rows(running, LIST) == await rows(running, LATER)


async def write_until(done: asyncio.Event, accounts: Bank, account: str) -> int:
    """How often it was paid."""
    await accounts.open(account, 0)
    paid = 0
    while not done.is_set() or not paid:
        await accounts.pay(account, 1)
        paid += 1
        await asyncio.sleep(0)
    return paid


async def test_a_rebuild_that_is_interrupted_leaves_the_old_read_model_and_can_be_repeated(running: Running) -> None:
    accounts, book = running.get(Bank), projected(running, "list")
    await accounts.open("a", 0)
    await accounts.pay("a", 2)
    with crashing("E4"), pytest.raises(Crash):
        await book.rebuild()
    assert await rows(running, LIST) == [("a", 2, 2)]
    await book.rebuild()
    assert await rows(running, LIST) == [("a", 2, 2)]


class Halting(Projected):
    """One of another process, which stops after its nth look at how far its rebuild is, until it is told to go on."""

    def __init__(self, like: Projected, *, after: int) -> None:
        super().__init__(
            like.store, like.module, name=like.name, live=like.live, beside=like.beside, inline=like.inline
        )
        self.looks, self.halted, self.told = after, asyncio.Event(), asyncio.Event()

    async def at(self, name: str) -> tuple[int, int]:
        found = await super().at(name)
        self.looks -= name != self.name
        if not self.looks:
            self.halted.set()
            await self.told.wait()
        return found


@pytest.mark.parametrize("name", ["list", "later"])
@pytest.mark.parametrize("after", [1, 2])
async def test_of_two_rebuilds_at_once_the_later_one_counts_and_nothing_is_lost(
    running: Running, name: str, after: int
) -> None:
    accounts, book = running.get(Bank), projected(running, name)
    tables = {"list": LIST, "later": LATER}[name]
    await accounts.open("a", 0)
    await accounts.pay_often("a", BATCH + 20)
    await projected(running, "later").catch_up()
    complete = [("a", BATCH + 20, BATCH + 21)]
    one, two, three = (Halting(book, after=n) for n in (after, 2, 9))
    rebuilding = []
    for other in (one, two):
        rebuilding.append(asyncio.create_task(other.rebuild()))
        await other.halted.wait()
    one.told.set()
    with pytest.raises(Overtaken):
        await rebuilding[0]
    assert await rows(running, tables) == complete
    await three.rebuild()
    assert await rows(running, tables) == complete
    two.told.set()
    with pytest.raises(Overtaken):
        await rebuilding[1]
    assert await rows(running, tables) == complete
    assert await rows(running, LIST_BESIDE) == await rows(running, LATER_BESIDE) == []


async def test_who_asks_for_a_rebuild_that_is_asked_for_already_is_told(running: Running) -> None:
    book = Halting(projected(running, "list"), after=1)
    assert book.ask_rebuild()
    assert not book.ask_rebuild()
    tending = asyncio.create_task(book.turn())
    await book.halted.wait()
    assert not book.ask_rebuild()
    await projected(running, "list").rebuild()
    book.told.set()
    await tending  # it leaves the matter to the later one
    assert book.ask_rebuild()


async def test_a_projection_without_tables_beside_cannot_be_rebuilt(running: Running) -> None:
    streams = process(running).streams["bank"]
    db = Database(streams.store, "bank")
    alone = streams.project("alone", Balances(db, LATER))
    with pytest.raises(Misuse, match="has no tables to be rebuilt in"):
        await alone.rebuild()


async def test_tables_beside_must_be_others_of_the_same_form(running: Running) -> None:
    streams = process(running).streams["bank"]
    db = Database(streams.store, "bank")
    with pytest.raises(DeclarationError, match="beside= is not the same projection"):
        streams.project("twice", Balances(db, LATER), beside=Balances(db, LATER))


async def test_an_event_that_a_projection_cannot_read_is_named_and_nothing_is_skipped(
    running: Running
) -> None:
    accounts, later = running.get(Bank), by_hand(running)
    await accounts.open("a", 0)
    await later.catch_up()
    await write(running, insert(OUTBOX).values(
        id="event-1", stream="account=a", type="Paid", version=9, body='{"much": 1}', sequences="{}", pending="",
        status="sent", due=0.0, attempts=0, trace="", created=0.0, place=2, xid=process(running).store.transaction,
    ))
    with pytest.raises(Misuse, match=r"account=a holds Paid \(version 9\) at place 2, which by hand cannot read"):
        await later.catch_up()
    assert await later.behind() == 1


# ---------------------------------------------------------------------- for operators


@pytest.mark.parametrize("name", ["list", "later"])
async def test_an_operator_lists_read_models_and_has_one_built_anew(running: Running, name: str) -> None:
    accounts, tables = running.get(Bank), {"list": LIST, "later": LATER}[name]
    await accounts.open("a", 0)
    await running.catch_up()
    await write(running, update(tables.accounts).values(balance=77))
    assert await running.operator.rebuild(f"bank.{name}")
    await until_at_rest(running)
    assert await rows(running, tables) == [("a", 0, 1)]
    listed = {line.id: (line.inline, line.behind) for line in await running.operator.projections()}
    assert listed == {"bank.list": (True, 0), "bank.later": (False, 0)}
    assert not await running.operator.rebuild("bank.none")


async def until_at_rest(running: Running) -> None:
    async with asyncio.timeout(10):
        while any(line.rebuilding for line in await running.operator.projections()):  # noqa: ASYNC110  # it is asked
            await asyncio.sleep(0.01)


async def trouble(running: Running, id: str) -> str:
    return next(line.error for line in await running.operator.projections() if line.id == id)


async def test_why_a_read_model_stands_still_is_told(running: Running) -> None:
    accounts = running.get(Bank)
    await write(running, insert(LATER.accounts).values(account="a", balance=0, events=0))
    await accounts.open("a", 0)
    async with asyncio.timeout(10):
        while not (error := await trouble(running, "bank.later")):  # noqa: ASYNC110  # it is asked
            await asyncio.sleep(0.01)
    assert "unique" in error.lower()
    await write(running, delete(LATER.accounts))
    await running.catch_up()
    assert await rows(running, LATER) == [("a", 0, 1)]
