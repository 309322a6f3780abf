"""The SQLite store."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from craton.data.database import Database
from craton.data.migrations import migrate
from craton.data.store import ALONE, Conflict, Unit, open_store, transact
from craton.data.stores.sqlite import SQLiteStore
from craton.errors import NotRun, SettingsError
from tests.data.bank import ADD, SET, Bank, Poor
from tests.data.books.tables import MODULES, NAMES, account, card, item
from tests.data.conformance import StoreConformance

SLOW = text("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000000) SELECT sum(x) FROM n")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/test.db"


class TestSQLite(StoreConformance):
    """The file of one process."""


@pytest.fixture
async def store(url: str) -> AsyncIterator[SQLiteStore]:
    await migrate(url, MODULES)
    async with SQLiteStore(url, NAMES, patience=0.3, limit=1.0) as store:
        yield store


@pytest.fixture
async def bank(store: SQLiteStore) -> Bank:
    bank = Bank(store)
    await bank.open(0, 0)
    return bank


def commits(store: SQLiteStore) -> list[str]:
    """A list that grows by each COMMIT from now on."""
    seen: list[str] = []
    store.writer.connection.raw.set_trace_callback(lambda sql: seen.append(sql) if sql == "COMMIT" else None)
    return seen


async def test_commands_at_once_share_a_commit(bank: Bank, store: SQLiteStore) -> None:
    seen = commits(store)
    await asyncio.gather(*[bank.add(0, 1) for _ in range(50)])
    assert await bank.balance(0) == 50
    assert len(seen) <= 3


async def test_an_answer_waits_until_it_is_durable(bank: Bank, store: SQLiteStore) -> None:
    seen = commits(store)

    async def fault(unit: Unit) -> None:
        assert await bank.balance(0) == 1
        raise Poor(0)

    first = asyncio.ensure_future(bank.add(0, 1))
    await asyncio.sleep(0)
    with pytest.raises(Poor):
        await bank.run(fault)
    assert len(seen) == 1, "the fault was decided on what the first had written"
    assert first.done()


async def suspended(bank: Bank, meanwhile: Any) -> int:
    """How often a command runs that reads, lets `meanwhile` happen, and writes."""
    runs = 0

    async def body(unit: Unit) -> None:
        nonlocal runs
        runs += 1
        before = await bank.balance(0)
        if runs == 1:
            await asyncio.wait_for(meanwhile(), 5)
        await bank.db.execute(SET, {"wanted": 0, "to": before + 1})

    await bank.run(body)
    return runs


async def test_a_command_that_waits_having_only_read_is_in_nobodys_way(bank: Bank) -> None:
    shop = Database(bank.store, "shop")
    assert 1 == await suspended(bank, lambda: in_own_context(transact(
        bank.store, "shop", lambda unit: shop.execute(insert(item).values(sku="pen", left=1))
    )))
    assert (await shop.execute(select(item.c.sku))).scalar_one() == "pen"
    assert await bank.balance(0) == 1


async def test_it_runs_again_where_its_module_has_changed_meanwhile(bank: Bank) -> None:
    assert 2 == await suspended(bank, lambda: in_own_context(bank.add(0, 10)))
    assert await bank.balance(0) == 11


async def in_own_context(work: Any) -> None:
    """As another request would do it."""
    await asyncio.ensure_future(work)


async def test_savepoints_survive_the_loss_of_the_baton(bank: Bank) -> None:
    async def body(unit: Unit) -> None:
        await unit.savepoint("a")
        await bank.balance(0)
        shop, pen = Database(bank.store, "shop"), insert(item).values(sku="pen", left=1)
        await in_own_context(transact(bank.store, "shop", lambda unit: shop.execute(pen)))
        await bank.db.execute(SET, {"wanted": 0, "to": 5})
        await unit.rollback_to("a")
        await bank.db.execute(SET, {"wanted": 1, "to": 6})
        await unit.release("a")

    await bank.run(body)
    assert await bank.balances() == {0: 0, 1: 6}


async def test_a_command_that_waits_after_a_write_runs_again_and_in_the_end_alone(bank: Bank) -> None:
    runs = 0

    async def body(unit: Unit) -> None:
        nonlocal runs
        runs += 1
        await bank.db.execute(ADD, {"wanted": 0, "by": 1})
        await asyncio.sleep(0.6)
        await bank.db.execute(ADD, {"wanted": 1, "by": 1})

    task = asyncio.ensure_future(bank.run(body))
    await asyncio.sleep(0.01)
    started = time.monotonic()
    await bank.add(0, 10)
    assert time.monotonic() - started < 0.55, "nobody waits until it has slept"
    await task
    assert runs == 3
    assert await bank.balances() == {0: 11, 1: 1}


async def test_a_sagas_window_may_take_longer_but_not_for_ever(bank: Bank, store: SQLiteStore) -> None:
    async def window(pause: float) -> None:
        unit = store.unit("bank", wide=True)
        await unit.execute("bank", ADD, {"wanted": 0, "by": 1})
        await asyncio.sleep(pause)
        await unit.execute("bank", ADD, {"wanted": 1, "by": 1})
        await unit.commit()

    await window(0.2)
    assert await bank.balances() == {0: 1, 1: 1}
    with pytest.raises(Conflict):
        await window(1.2)
    await asyncio.wait_for(bank.add(0, 1), 2)
    assert await bank.balances() == {0: 2, 1: 1}


async def test_a_statement_that_rolls_everything_back_harms_no_innocent_one(bank: Bank) -> None:
    rollback = text("INSERT OR ROLLBACK INTO bank_account VALUES (0, 0)")
    jobs: list[Any] = []
    for _ in range(6):
        jobs += [bank.add(0, 1), bank.run(lambda unit: bank.db.execute(rollback))]
    outcomes = await asyncio.wait_for(asyncio.gather(*jobs, return_exceptions=True), 10)
    assert outcomes[::2] == [None] * 6
    assert all(isinstance(outcome, IntegrityError) for outcome in outcomes[1::2]), outcomes
    assert await bank.balance(0) == 6


async def test_an_error_that_lost_work_has_caused_is_not_believed(bank: Bank) -> None:
    first = asyncio.ensure_future(bank.run(lambda unit: bank.db.execute(insert(account).values(id=7, balance=1))))

    async def go_away() -> None:
        first.cancel()

    second = text("INSERT OR ROLLBACK INTO bank_account VALUES (7, 2)")
    outcomes = await asyncio.gather(
        first, go_away(), bank.run(lambda unit: bank.db.execute(second)), return_exceptions=True
    )
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert not isinstance(outcomes[2], BaseException)
    assert await bank.balance(7) == 2


async def test_the_third_attempt_shares_its_commit_with_nobody(bank: Bank, store: SQLiteStore) -> None:
    unit = store.unit("bank", attempt=ALONE)
    await unit.execute("bank", insert(card).values(id=1, account=99))
    outcomes = await asyncio.gather(unit.commit(), bank.add(0, 1), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [IntegrityError, type(None)]


async def test_a_slow_query_does_not_stop_the_loop(bank: Bank) -> None:
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before)

    ticking = asyncio.ensure_future(tick())
    started = time.perf_counter()
    assert (await bank.db.execute(SLOW)).scalar_one() == 4500001500000
    took = time.perf_counter() - started
    ticking.cancel()
    assert longest < took / 2


async def test_a_slow_query_that_nobody_waits_for_stops(bank: Bank) -> None:
    endless = text("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT sum(x) FROM n")
    for _ in range(8):  # twice as many as there are threads
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bank.db.execute(endless), 0.05)
    assert (await asyncio.wait_for(bank.db.execute(SLOW), 20)).scalar_one() == 4500001500000


async def test_another_programs_lock_is_waited_for_without_stopping_the_loop(bank: Bank, store: SQLiteStore) -> None:
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.gather(*[bank.add(0, 1) for _ in range(5)])
    started = time.perf_counter()
    await asyncio.sleep(0.1)
    assert time.perf_counter() - started < 0.5
    assert await bank.balance(0) == 0
    other.execute("COMMIT")
    await waiting
    assert await bank.balance(0) == 5
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(NotRun, match="another program holds the database's lock"):
        await bank.add(0, 1)
    other.close()
    assert await bank.balance(0) == 5


async def test_a_full_disk_is_told_and_changes_nothing(bank: Bank, store: SQLiteStore) -> None:
    store.writer.connection.raw.execute("PRAGMA max_page_count=1")

    async def much(unit: Unit) -> None:
        await bank.db.execute(ADD, {"wanted": 0, "by": 1})
        await bank.db.execute(insert(account), [dict(id=n, balance=n) for n in range(10, 20_000)])

    outcomes = await asyncio.gather(
        bank.add(1, 1), bank.run(much), bank.add(1, 1), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), NotRun, type(None)]
    assert "the disk is full" in str(outcomes[1])
    assert await bank.balances() == {0: 0, 1: 2}
    store.writer.connection.raw.execute("PRAGMA max_page_count=100000")
    await bank.run(much)
    assert len(await bank.balances()) == 19_992


async def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "test.db").write_bytes(b"not a database, but long enough to look like a file of one" * 50)
    with pytest.raises(SettingsError, match="not an SQLite database"):
        async with open_store(f"sqlite:///{tmp_path}/test.db", NAMES):
            pass
    with pytest.raises(SettingsError, match="not an SQLite database"):
        await migrate(f"sqlite:///{tmp_path}/test.db", MODULES)


async def test_a_file_that_may_not_be_written_is_told(tmp_path: Path) -> None:
    url, file = f"sqlite:///{tmp_path}/test.db", tmp_path / "test.db"
    await migrate(url, MODULES[:1])
    with file.open("r+b") as header:  # its format's version for writers: a newer one, so that it may be read alone
        header.seek(18)
        header.write(b"\x03")
    with pytest.raises(SettingsError, match=r"test\.db: the file may not be written: mend its permissions"):
        await migrate(url, MODULES)


async def test_a_damaged_file_is_told(bank: Bank, store: SQLiteStore) -> None:
    await bank.run(lambda unit: bank.db.execute(insert(account), [dict(id=n, balance=n) for n in range(5, 20_000)]))
    store.writer.connection.raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = store.path.stat().st_size
    with store.path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    with pytest.raises(NotRun, match="damaged"):
        await bank.db.execute(text("SELECT sum(balance) FROM bank_account"))


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true"])
async def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="SQLite needs a file"):
        open_store(url, NAMES)


async def test_a_second_process_is_refused_and_told_why(store: SQLiteStore, url: str) -> None:
    """A store in this process has the file."""
    program = f"""
import asyncio
from craton.data.store import open_store
async def main():
    async with open_store({url!r}, ["bank"]):
        pass
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stderr=subprocess.PIPE)
    errors = (await process.communicate())[1].decode()
    assert "SettingsError: SQLite serves one process per file" in errors
    with pytest.raises(SettingsError, match="one process per file"):
        await migrate(url, MODULES)


CRASHING = """
import asyncio, sys
from craton.data.store import open_store
from tests.data.bank import ADD, SET, Bank, Poor
from tests.data.conformance import StoreConformance
from sqlalchemy import insert
from tests.data.books.tables import NAMES, transfer

async def main(url, first):
    async with open_store(url, NAMES) as store:
        bank = Bank(store)
        async def once(number):
            async def body(unit):
                await bank.db.execute(insert(transfer).values(id=number, source=0, target=1, amount=1))
                await bank.db.execute(ADD, {"wanted": 0, "by": -1})
                await bank.db.execute(ADD, {"wanted": 1, "by": 1})
            await bank.run(body)
            sys.stdout.write(f"{number}\\n")
            sys.stdout.flush()
        for start in range(first, first + 1_000_000, 20):
            await asyncio.gather(*[once(start + n) for n in range(20)])

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_a_killed_process_loses_nothing_that_it_has_acknowledged(url: str) -> None:
    await migrate(url, MODULES)
    async with open_store(url, NAMES) as store:
        await Bank(store).open(0, 0)
    acknowledged: set[int] = set()
    for round_, seconds in enumerate((0.3, 0.5, 0.7)):
        command = [sys.executable, "-c", CRASHING, url, str(round_ * 1_000_000)]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        acknowledged.add(int(await process.stdout.readline()))
        await asyncio.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        rest = await process.stdout.read()
        await process.wait()
        acknowledged |= {int(line) for line in rest.splitlines(keepends=True) if line.endswith(b"\n")}
        async with open_store(url, NAMES) as store:
            bank = Bank(store)
            stored = set((await bank.db.execute(text("SELECT id FROM bank_transfer"))).scalars())
            assert acknowledged <= stored
            assert await bank.balances() == {0: -len(stored), 1: len(stored)}
    assert len(acknowledged) > 50
