"""Conformance: which statements may run where, and what they leave."""

from __future__ import annotations

import asyncio
from datetime import datetime
from decimal import Decimal

import pytest
from sqlalchemy import Executable, func, insert, select, text, true, update
from sqlalchemy.exc import IntegrityError

from craton.calls.context import context
from craton.data.database import Database
from craton.data.store import Store, Unit, transact
from craton.data.tables import tables_of
from craton.errors import CallInsideTransaction, ForeignTable, OutsideStep, QueryWrote, StatementRefused
from tests.data.bank import SET, Bank, Poor, unit_step
from tests.data.books.tables import account, card, item, transfer


class Statements:
    """Part of `StoreConformance`."""

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

    async def test_a_command_that_does_nothing_is_done(self, bank: Bank) -> None:
        async def body(unit: Unit) -> str:
            return "nothing"

        assert await bank.run(body) == "nothing"

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
