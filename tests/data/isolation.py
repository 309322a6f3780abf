"""Conformance: commands at once, conflicts, and what ends in the midst."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from craton.calls.context import context
from craton.data.migrations import migrate
from craton.data.store import Conflict, Unit, open_store
from craton.data.tables import tables_of
from craton.errors import Misuse, NotRun
from tests.data.bank import ADD, SET, Bank, Poor
from tests.data.books.tables import MODULES, NAMES, account, card, transfer


class Isolation:
    """Part of `StoreConformance`."""

    @pytest.mark.parametrize("seed", range(4))
    async def test_money_is_conserved_whatever_stalls_breaks_or_is_cancelled(self, bank: Bank, seed: int) -> None:
        chance = random.Random(seed)
        await bank.open(*[100] * 8)

        async def client() -> list[bool]:
            return [await outcome(bank, chance) for _ in range(12)]

        done = sum(map(sum, await asyncio.gather(*[client() for _ in range(16)])))
        await asyncio.sleep(0.1)  # what was cancelled at its COMMIT goes on
        balances, expected = await bank.balances(), dict.fromkeys(range(8), 100)
        assert sum(balances.values()) == 800
        assert min(balances.values()) >= 0
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


async def outcome(bank: Bank, chance: random.Random) -> bool:
    """Whether a transfer was done that may stall, break, or be cancelled."""
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
    except (Poor, ValueError, NotRun, asyncio.CancelledError):
        return False
    return True
