"""A bank, as an application would write it, for the tests of the stores."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from craton.data.database import Database
from craton.data.store import Store, Unit, transact
from craton.values import Fault
from tests.data.books.tables import account, transfer

BALANCE = select(account.c.balance).where(account.c.id == bindparam("wanted"))
SET = update(account).where(account.c.id == bindparam("wanted")).values(balance=bindparam("to"))
ADD = update(account).where(account.c.id == bindparam("wanted")).values(balance=account.c.balance + bindparam("by"))


class Poor(Fault):
    account: int


class Bank:
    """A module's implementation, as an application would write it."""

    def __init__(self, store: Store) -> None:
        self.store, self.db = store, Database(store, "bank")

    async def balance(self, number: int) -> int:
        return int((await self.db.execute(BALANCE, {"wanted": number})).scalar_one())

    async def balances(self) -> dict[int, int]:
        return {row.id: row.balance for row in await self.db.execute(select(account))}

    async def open(self, *balances: int) -> None:
        rows = [dict(id=number, balance=balance) for number, balance in enumerate(balances)]
        await self.run(lambda unit: self.db.execute(insert(account), rows))

    async def run(self, body: Any) -> Any:
        return await transact(self.store, "bank", body)

    async def add(self, number: int, amount: int) -> None:
        await self.run(lambda unit: self.db.execute(ADD, {"wanted": number, "by": amount}))

    async def move(self, source: int, target: int, amount: int, *, stall: float | None = None) -> None:
        """A transfer that reads, thinks, and writes what it has worked out: wrong unless it is serializable."""
        before = await self.balance(source)
        if stall is not None:
            await asyncio.sleep(stall)
        if before < amount:
            raise Poor(source)
        await self.db.execute(SET, {"wanted": source, "to": before - amount})
        other = await self.balance(target)
        await self.db.execute(SET, {"wanted": target, "to": other + amount})
        await self.db.execute(insert(transfer).values(source=source, target=target, amount=amount))


async def unit_step(unit: Unit, work: Any) -> None:
    """What a saga does around a step: a savepoint, and back to it when the step raises."""
    await unit.savepoint("step")
    try:
        await work
    except BaseException:
        await unit.rollback_to("step")
        raise
    finally:
        await unit.release("step")
