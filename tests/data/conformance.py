"""What every store must do; a store's own test file adds its URL, and what is its alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Executable, bindparam, func, insert, select, text, true, update
from sqlalchemy.exc import IntegrityError

from craton.calls.context import context
from craton.data.database import Database
from craton.data.migrations import migrate
from craton.data.store import Conflict, Store, Unit, open_store, transact
from craton.data.tables import tables_of
from craton.errors import (
    CallInsideTransaction,
    ForeignTable,
    Misuse,
    NotRun,
    OutsideStep,
    QueryWrote,
    StatementRefused,
)
from craton.values import Fault
from tests.data.books.tables import MODULES, NAMES, account, card, item, transfer

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


class StoreConformance:
    """Subclasses provide the fixture `url`: of a database that is there for one test."""

    @pytest.fixture
    async def store(self, url: str) -> AsyncIterator[Store]:
        await migrate(url, MODULES)
        async with open_store(url, NAMES) as store:
            yield store

    @pytest.fixture
    def bank(self, store: Store) -> Bank:
        return Bank(store)

    @pytest.mark.parametrize("seed", range(4))
    async def test_money_is_conserved_whatever_stalls_breaks_or_is_cancelled(self, bank: Bank, seed: int) -> None:
        chance = random.Random(seed)
        await bank.open(*[100] * 8)
        done = 0

        async def once() -> None:
            nonlocal done
            source, target = chance.sample(range(8), 2)
            stall = chance.choice([None, None, None, 0.0, 0.001, 0.004])
            breaks = chance.random() < 0.1

            async def body(unit: Unit) -> None:
                await bank.move(source, target, chance.randint(1, 60), stall=stall)
                if breaks:
                    raise ValueError("a bug")

            task = asyncio.ensure_future(bank.run(body))
            if chance.random() < 0.1:
                asyncio.get_running_loop().call_later(chance.random() * 0.01, task.cancel)
            try:
                await task
                done += 1
            except (Poor, ValueError, NotRun, asyncio.CancelledError):
                pass

        async def client() -> None:
            for _ in range(12):
                await once()

        await asyncio.gather(*[client() for _ in range(16)])
        await asyncio.sleep(0.1)
        balances = await bank.balances()
        assert sum(balances.values()) == 800
        assert min(balances.values()) >= 0
        expected = dict.fromkeys(range(8), 100)
        rows = (await bank.db.execute(select(transfer))).all()
        for row in rows:
            expected[row.source] -= row.amount
            expected[row.target] += row.amount
        assert balances == expected
        assert len(rows) >= done > 20

    async def test_increments_of_one_row_at_once_all_arrive(self, bank: Bank) -> None:
        await bank.open(0)

        async def increment(unit: Unit) -> None:
            before = await bank.balance(0)
            await asyncio.sleep(0)
            await bank.db.execute(SET, {"wanted": 0, "to": before + 1})

        await asyncio.gather(*[bank.run(increment) for _ in range(40)])
        assert await bank.balances() == {0: 40}

    async def test_two_that_each_rely_on_what_the_other_changes_do_not_both_succeed_by_it(self, bank: Bank) -> None:
        await bank.open(50, 50)
        both_have_read = asyncio.Barrier(2)
        first = {0: True, 1: True}

        async def withdraw(number: int) -> None:
            """Allowed while both accounts together hold enough."""
            together = sum((await bank.balances()).values())
            if first[number]:
                first[number] = False
                await both_have_read.wait()
            if together < 100:
                raise Poor(number)
            await bank.db.execute(SET, {"wanted": number, "to": -50})

        done = await asyncio.gather(
            *[bank.run(lambda unit, n=n: withdraw(n)) for n in (0, 1)], return_exceptions=True
        )
        assert sorted(type(outcome).__name__ for outcome in done) == ["NoneType", "Poor"]
        assert sum((await bank.balances()).values()) == 0

    async def test_a_query_that_writes_is_refused(self, bank: Bank) -> None:
        await bank.open(1)
        statements: list[Executable] = [
            update(account).values(balance=2),
            insert(account).values(id=9, balance=9).returning(account.c.id),
            text("UPDATE bank_account SET balance = 3"),
            text("  /* a */ -- b\n DELETE FROM bank_account"),
        ]
        for statement in statements:
            with pytest.raises(QueryWrote, match="bank"):
                await bank.db.execute(statement)
        assert await bank.balances() == {0: 1}

    async def test_another_modules_tables_are_refused_however_they_are_named(self, bank: Bank) -> None:
        await transact(bank.store, "shop", lambda unit: Database(bank.store, "shop").execute(
            insert(item).values(sku="pen", left=1)
        ))
        await bank.open(1)
        statements: list[Executable] = [
            select(item), text("SELECT count(*) FROM shop_item"), select(account).join(item, true()),
            text("SELECT id FROM bank_account WHERE id IN (SELECT 1 FROM shop_item)"), update(item).values(left=7),
            select(tables_of("shop").inbox),
        ]
        for statement in statements:
            with pytest.raises((ForeignTable, QueryWrote)):
                await bank.db.execute(statement)
            with pytest.raises(ForeignTable, match="shop_"):
                await bank.run(lambda unit, s=statement: bank.db.execute(s))
        left = await Database(bank.store, "shop").execute(select(item.c.left))
        assert left.scalar_one() == 1

    async def test_statements_that_end_transactions_or_change_tables_are_refused(self, bank: Bank) -> None:
        await bank.open(1)
        for sql in ("COMMIT", "rollback", "DROP TABLE bank_account", "CREATE TABLE bank_x (a INTEGER)", "SAVEPOINT a",
                    "/* hidden */ BEGIN", "VACUUM", ""):
            with pytest.raises(StatementRefused):
                await bank.run(lambda unit, sql=sql: bank.db.execute(text(sql)))
            with pytest.raises(StatementRefused):
                await bank.db.execute(text(sql))
        assert await bank.balances() == {0: 1}

    async def test_names_that_are_no_tables_are_allowed(self, bank: Bank) -> None:
        await bank.open(5, 6)
        recent = select(account).where(account.c.balance > 5).cte("recent")
        assert (await bank.db.execute(select(func.count()).select_from(recent))).scalar_one() == 1
        assert (await bank.db.execute(text("WITH shop AS (SELECT 1) SELECT count(*) FROM shop"))).scalar_one() == 1

    async def test_a_command_sees_its_own_writes_and_others_see_them_after_it(self, bank: Bank) -> None:
        await bank.open(1)
        written, go_on = asyncio.Event(), asyncio.Event()

        async def body(unit: Unit) -> None:
            await bank.db.execute(SET, {"wanted": 0, "to": 2})
            assert await bank.balance(0) == 2
            written.set()
            await go_on.wait()

        task = asyncio.ensure_future(bank.run(body))
        await written.wait()
        assert await bank.balance(0) == 1
        go_on.set()
        await task
        assert await bank.balance(0) == 2

    async def test_after_its_first_write_a_command_asks_no_other_module(self, bank: Bank) -> None:
        shop = Database(bank.store, "shop")

        async def ask_first(unit: Unit) -> None:
            assert (await shop.execute(select(item))).all() == []
            await bank.db.execute(insert(account).values(id=1, balance=1))

        async def write_first(unit: Unit) -> None:
            await bank.db.execute(insert(account).values(id=2, balance=1))
            await shop.execute(select(item))

        await bank.run(ask_first)
        with pytest.raises(CallInsideTransaction, match="ask first"):
            await bank.run(write_first)
        assert await bank.balances() == {1: 1}

    async def test_a_query_of_another_module_inside_a_command_cannot_write(self, bank: Bank) -> None:
        shop = Database(bank.store, "shop")
        with pytest.raises(QueryWrote):
            await bank.run(lambda unit: shop.execute(insert(item).values(sku="pen", left=1)))
        assert (await shop.execute(select(item))).all() == []

    async def test_a_fault_leaves_nothing_behind(self, bank: Bank) -> None:
        await bank.open(10)

        async def body(unit: Unit) -> None:
            await bank.db.execute(SET, {"wanted": 0, "to": 0})
            raise Poor(0)

        with pytest.raises(Poor):
            await bank.run(body)
        assert await bank.balances() == {0: 10}

    async def test_after_an_error_a_unit_refuses_more_and_commits_nothing(self, bank: Bank) -> None:
        await bank.open(10)

        async def swallow(unit: Unit) -> None:
            await bank.db.execute(SET, {"wanted": 0, "to": 11})
            with pytest.raises(IntegrityError):
                await bank.db.execute(insert(account).values(id=0, balance=1))

        async def go_on(unit: Unit) -> None:
            await swallow(unit)
            await bank.db.execute(SET, {"wanted": 0, "to": 12})

        for body in (swallow, go_on):
            with pytest.raises(IntegrityError):
                await bank.run(body)
        assert await bank.balances() == {0: 10}

    async def test_rolling_back_to_a_savepoint_undoes_what_came_after_it_an_error_included(self, bank: Bank) -> None:
        await bank.open(10, 10)

        async def body(unit: Unit) -> None:
            await bank.db.execute(SET, {"wanted": 0, "to": 11})
            await unit.savepoint("step")
            await bank.db.execute(SET, {"wanted": 1, "to": 99})
            with pytest.raises(IntegrityError):
                await bank.db.execute(insert(account).values(id=0, balance=1))
            with pytest.raises(IntegrityError):
                await unit.savepoint("more")
            await unit.rollback_to("step")
            assert await bank.balance(1) == 10
            await bank.db.execute(SET, {"wanted": 1, "to": 12})
            await unit.release("step")

        await bank.run(body)
        assert await bank.balances() == {0: 11, 1: 12}

    async def test_savepoints_nest_and_may_share_a_name(self, bank: Bank) -> None:
        await bank.open(0)

        async def body(unit: Unit) -> None:
            for value in (1, 2):
                await unit.savepoint("step")
                await bank.db.execute(SET, {"wanted": 0, "to": value})
            await unit.rollback_to("step")
            assert await bank.balance(0) == 1
            await unit.release("step")
            await unit.rollback_to("step")
            assert await bank.balance(0) == 0
            await bank.db.execute(SET, {"wanted": 0, "to": 5})
            await unit.release("step")

        await bank.run(body)
        assert await bank.balances() == {0: 5}

    async def test_a_conflict_runs_a_command_again_three_times_at_most(self, bank: Bank) -> None:
        runs = 0

        async def body(unit: Unit) -> None:
            nonlocal runs
            runs += 1
            await bank.db.execute(insert(account).values(id=1, balance=1))
            raise Conflict("as if")

        with pytest.raises(NotRun, match="other work"):
            await bank.run(body)
        assert runs == 4
        with context(deadline=asyncio.get_running_loop().time() - 1), pytest.raises(NotRun):
            await bank.run(body)
        assert runs == 5
        assert await bank.balances() == {}

    async def test_a_conflict_is_not_swallowed_by_a_handler_of_exceptions(self, bank: Bank) -> None:
        runs = 0

        async def body(unit: Unit) -> None:
            nonlocal runs
            runs += 1
            try:
                if runs == 1:
                    raise Conflict("as if")
            except Exception:
                pytest.fail("swallowed")
            await bank.db.execute(insert(account).values(id=1, balance=1))

        await bank.run(body)
        assert runs == 2
        assert await bank.balances() == {1: 1}

    async def test_a_command_that_breaks_at_its_commit_harms_no_innocent_one(self, bank: Bank) -> None:
        await bank.open(*[0] * 12)

        async def broken(number: int) -> None:
            await bank.db.execute(insert(card).values(id=number, account=99))  # checked at COMMIT

        jobs: list[Any] = []
        for number in range(12):
            jobs += [bank.add(number, 1), bank.run(lambda unit, n=number: broken(n))]
        outcomes = await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), 20)
        assert outcomes[::2] == [None] * 12
        assert all(isinstance(outcome, IntegrityError) for outcome in outcomes[1::2]), outcomes[1::2]
        assert set((await bank.balances()).values()) == {1}
        assert (await bank.db.execute(select(card))).all() == []

    async def test_a_cancelled_command_cancels_no_other(self, bank: Bank) -> None:
        await bank.open(0, 0)
        tasks = [asyncio.ensure_future(bank.add(0, 1)) for _ in range(10)]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(outcome is None for outcome in outcomes[1::2]), outcomes
        assert 5 <= (await bank.balances())[0] <= 10

    async def test_a_cancelled_command_leaves_the_way_free(self, bank: Bank) -> None:
        await bank.open(0)

        async def stall(unit: Unit) -> None:
            await bank.db.execute(SET, {"wanted": 0, "to": 9})
            await asyncio.sleep(60)

        task = asyncio.ensure_future(bank.run(stall))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(bank.add(0, 1), 5)
        assert await bank.balances() == {0: 1}

    async def test_what_was_answered_is_there_when_the_store_is_opened_again(self, url: str) -> None:
        await migrate(url, MODULES)
        async with open_store(url, NAMES) as store:
            await Bank(store).open(7)
        async with open_store(url, NAMES) as store:
            assert await Bank(store).balances() == {0: 7}

    async def test_rows_stay_readable_after_the_transaction_has_ended(self, bank: Bank) -> None:
        await bank.open(*range(300))
        rows = await bank.run(lambda unit: bank.db.execute(select(account.c.balance).order_by(account.c.id)))
        await bank.add(0, 1000)
        assert rows.scalars().all() == list(range(300))

    async def test_results_tell_how_many_rows_and_what_they_returned(self, bank: Bank) -> None:
        await bank.open(1, 2, 3)

        async def body(unit: Unit) -> None:
            changed = await bank.db.execute(update(account).where(account.c.balance > 1).values(balance=0))
            assert changed.rowcount == 2
            back = await bank.db.execute(insert(account).values(id=7, balance=7).returning(account.c.id))
            assert back.all() == [(7,)]
            made = await bank.db.execute(insert(transfer).values(source=0, target=1, amount=1))
            assert made.inserted_primary_key == (1,)

        await bank.run(body)

    async def test_values_keep_their_types(self, bank: Bank) -> None:
        await bank.open(1)
        row = dict(id=1, account=0, fee=Decimal("1.50"), valid_until=datetime(2030, 1, 2, 3, 4, 5))
        await bank.run(lambda unit: bank.db.execute(insert(card).values(row)))
        assert [dict(found) for found in (await bank.db.execute(select(card))).mappings()] == [row]

    async def test_several_statements_of_one_command_may_be_awaited_together(self, bank: Bank) -> None:
        await bank.open(1, 2, 3)

        async def body(unit: Unit) -> int:
            found = await asyncio.gather(*[bank.balance(number) for number in range(3)])
            await asyncio.gather(*[bank.db.execute(ADD, {"wanted": n, "by": 1}) for n in range(3)])
            return sum(found)

        assert await bank.run(body) == 6
        assert await bank.balances() == {0: 2, 1: 3, 2: 4}

    async def test_a_task_that_outlives_its_command_can_do_nothing_more(self, bank: Bank) -> None:
        await bank.open(1)
        late: list[asyncio.Task[Any]] = []

        async def body(unit: Unit) -> None:
            async def later() -> None:
                await asyncio.sleep(0.05)
                await bank.db.execute(SET, {"wanted": 0, "to": 5})

            await bank.balance(0)
            late.append(asyncio.ensure_future(later()))

        await bank.run(body)
        with pytest.raises(Misuse, match="has ended"):
            await late[0]
        assert await bank.balances() == {0: 1}

    async def test_a_command_that_does_nothing_is_done(self, bank: Bank) -> None:
        async def body(unit: Unit) -> str:
            return "nothing"

        assert await bank.run(body) == "nothing"

    async def test_the_same_key_at_once_is_answered_once(self, bank: Bank) -> None:
        await bank.open(0)
        inbox = tables_of("bank").inbox

        async def body(unit: Unit) -> bool:
            found = await unit.execute("bank", select(inbox.c.status).where(inbox.c.key == "k"))
            if found.first() is not None:
                return False
            await bank.db.execute(ADD, {"wanted": 0, "by": 1})
            row = dict(key="k", method="bank.add", fingerprint="", status="done", created=0.0)
            await unit.execute("bank", insert(inbox).values(row))
            return True

        outcomes = await asyncio.gather(*[bank.run(body) for _ in range(8)])
        assert sorted(outcomes) == [False] * 7 + [True]
        assert await bank.balances() == {0: 1}

    async def test_a_window_takes_the_writes_of_one_module_at_a_time_and_reads_of_all(self, bank: Bank) -> None:
        shop, store = Database(bank.store, "shop"), bank.store
        unit = store.unit("shop", wide=True)
        with context(unit=unit):
            await shop.execute(insert(item).values(sku="pen", left=1))
            unit.module, unit.wrote = "bank", False
            with pytest.raises(QueryWrote):
                await unit_step(unit, shop.execute(insert(item).values(sku="ink", left=1)))
            assert (await shop.execute(select(item.c.sku))).scalars().all() == ["pen"]
            await bank.db.execute(insert(account).values(id=1, balance=1))
            with pytest.raises(CallInsideTransaction):
                await shop.execute(select(item))
            unit.wrote, unit.writable = False, False
            assert await bank.balances() == {1: 1}
            with pytest.raises(QueryWrote):
                await unit_step(unit, bank.db.execute(SET, {"wanted": 1, "to": 9}))
            unit.writable, unit.module = True, "shop"
            await shop.execute(update(item).values(left=2))
        await unit.commit()
        assert await bank.balances() == {1: 1}
        assert (await shop.execute(select(item.c.sku, item.c.left))).all() == [("pen", 2)]

    async def test_a_saga_reaches_the_database_in_its_steps_only(self, bank: Bank) -> None:
        with context(run=object()), pytest.raises(OutsideStep):
            await bank.balances()

    async def test_the_clock_is_the_databases(self, store: Store) -> None:
        first = await store.now()
        await asyncio.sleep(0.02)
        assert 0.01 < await store.now() - first < 5
        assert first > 1_700_000_000


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
