"""The PostgreSQL store, where a statement is cancelled, or fails behind others that waited for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Function, Integer, Select, bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from craton.data.database import Database
from craton.data.migrations import migrate
from craton.data.store import Conflict, Unit, transact
from craton.data.stores.postgresql import PostgreSQLStore
from craton.errors import NotRun
from tests.data.bank import ADD, Bank
from tests.data.books.tables import MODULES, NAMES, account, item

numbers = count()
SLOW: Select[Any] = select(Function("pg_sleep", bindparam("seconds", type_=Integer)))


@pytest.fixture
async def single(postgresql: str) -> AsyncIterator[Bank]:
    """A bank with one connection, which knows the statements, and which another module has used last."""
    url = f"{postgresql}/broken{next(numbers)}"
    await migrate(url, MODULES)
    async with PostgreSQLStore(url, NAMES, connections=1) as store:
        bank = Bank(store)
        await bank.open(0, 0)
        await bank.run(lambda unit: bank.db.execute(SLOW, {"seconds": 0}))
        for _ in range(2):
            await bank.add(1, 1)
        await transact(store, "shop", lambda unit: Database(store, "shop").execute(select(item)))
        yield bank


async def test_a_command_that_passes_over_a_cancelled_statement_is_not_run_and_harms_no_later_one(single: Bank) -> None:
    async def body(unit: Unit) -> None:
        await single.db.execute(ADD, {"wanted": 0, "by": 100})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await single.db.execute(SLOW, {"seconds": 5})

    for _ in range(2):
        with pytest.raises(NotRun, match="cancelled"):
            await single.run(body)
    await single.add(0, 1)
    assert await single.balance(0) == 1


async def test_a_transaction_of_which_a_cancelled_statement_was_the_first_takes_no_other_one(single: Bank) -> None:
    async def body(unit: Unit) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await single.db.execute(select(Function("pg_sleep", 5)))
        await single.db.execute(ADD, {"wanted": 0, "by": 100})

    with pytest.raises(NotRun, match="cancelled"):
        await single.run(body)
    assert await single.balance(0) == 0


async def test_a_part_of_which_a_statement_was_cancelled_can_be_undone(single: Bank) -> None:
    async def body(unit: Unit) -> None:
        await single.db.execute(ADD, {"wanted": 0, "by": 1})
        await unit.savepoint("step")
        await single.db.execute(ADD, {"wanted": 0, "by": 100})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await single.db.execute(SLOW, {"seconds": 5})
        await unit.rollback_to("step")
        await single.db.execute(ADD, {"wanted": 0, "by": 10})

    await single.run(body)
    assert await single.balance(0) == 11


async def test_a_commit_that_the_server_refuses_leaves_the_connection_whole(
    single: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    unit = single.store.unit("bank")
    with pytest.raises(DBAPIError):
        await unit.execute("bank", text("UPDATE bank_account SET balance = balance / 0"))
    monkeypatch.setattr(unit, "failed", None)
    with pytest.raises(Conflict, match="ROLLBACK"):
        await unit.commit()
    await single.add(0, 1)
    assert await single.balance(0) == 1


async def test_a_row_that_waits_and_fails_is_told_even_if_a_value_behind_it_cannot_be_sent(single: Bank) -> None:
    async def body(unit: Unit) -> None:
        await single.db.execute(ADD, {"wanted": 0, "by": 100})
        await unit.later("bank", insert(account), {"id": 0, "balance": 1})
        await single.db.execute(ADD, {"wanted": 2**40, "by": 1})

    add = {"id": 7, "balance": 0}
    for number in range(2):
        await single.run(lambda unit, n=number: unit.later("bank", insert(account), {**add, "id": 7 + n}))
    with pytest.raises(IntegrityError, match="bank_account_pkey"):
        await asyncio.wait_for(single.run(body), 10)
    await single.add(0, 1)
    assert await single.balance(0) == 1


async def test_a_row_that_waits_and_fails_is_told_in_the_part_that_it_is_of(single: Bank) -> None:
    add, told = insert(account), []

    async def step(unit: Unit, name: str, work: Any) -> None:
        await unit.savepoint(name)
        try:
            await work()
        except IntegrityError:
            told.append(name)
            await unit.rollback_to(name)
        await unit.release(name)

    async def body(unit: Unit) -> None:
        await step(unit, "first", lambda: unit.later("bank", add, {"id": 0, "balance": 1}))
        await step(unit, "second", lambda: single.db.execute(ADD, {"wanted": 0, "by": 1}))

    for number in range(2):
        await single.run(lambda unit, n=number: unit.later("bank", add, {"id": 7 + n, "balance": 0}))
    await single.run(body)
    assert told == ["first"]
    assert await single.balance(0) == 1
