"""The PostgreSQL store."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Function, Integer, Select, bindparam, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.sql import quoted_name

from craton.calls.context import context
from craton.data.database import Database
from craton.data.migrations import migrate
from craton.data.schema import metadata_of, pending
from craton.data.store import Conflict, Store, Unit, open_store, transact
from craton.data.stores.postgresql import PostgreSQLStore
from craton.data.tables import tables_of
from craton.errors import ForeignTable, NotRun, OutcomeUnknown, QueryWrote, SettingsError
from tests.data.bank import ADD, SET, Bank, unit_step
from tests.data.books.tables import BANK, MODULES, NAMES, account, card, item
from tests.data.conformance import StoreConformance
from tests.data.proxy import Cut, Proxy
from tests.postgresql import Server, serve

numbers = count()
EVERYTHING = sum(1 + len(tables_of(name).metadata.tables) for name in NAMES)
"""Lines of a first migration: a revision for each module, and the tables of Craton."""


@pytest.fixture
async def url(postgresql: str) -> str:
    """One database for all, emptied for each: making one takes a second."""
    url = f"{postgresql}/books"
    await migrate(url, MODULES)
    tables = [f"{module}.{table}" for module in NAMES for table in tables_of(module).metadata.tables]
    own = [f"{module.name}.{table}" for module in MODULES for table in metadata_of(module).tables]
    await control(url, f"TRUNCATE {', '.join(tables + own)} RESTART IDENTITY")
    return url


@pytest.fixture
def fresh(postgresql: str) -> str:
    """The URL of a database that is not there yet."""
    return f"{postgresql}/fresh{next(numbers)}"


class TestPostgreSQL(StoreConformance):
    """The same for all stores."""


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    await migrate(url, MODULES)
    async with PostgreSQLStore(url, NAMES, connections=3, limit=0.4) as store:
        yield store


@pytest.fixture
async def bank(store: Store) -> Bank:
    bank = Bank(store)
    await bank.open(0, 0)
    return bank


async def control(url: str, *statements: str) -> None:
    """What an administrator does."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_role_per_module_keeps_modules_apart_even_where_the_schema_is_named(bank: Bank) -> None:
    for sql in ("SELECT * FROM shop.shop_item", "DELETE FROM shop.shop_item", "SELECT * FROM shop.shop_inbox"):
        with pytest.raises(ForeignTable):
            await bank.run(lambda unit, sql=sql: bank.db.execute(text(sql)))


async def test_a_query_cannot_write_by_calling_a_function_either(bank: Bank) -> None:
    following = text("SELECT nextval('bank_transfer_id_seq')")
    with pytest.raises(QueryWrote):
        await bank.db.execute(following)
    unit = bank.store.unit("bank", wide=True)
    unit.writable = False
    with context(unit=unit):
        with pytest.raises(QueryWrote):
            await unit_step(unit, bank.db.execute(following))
        unit.writable = True
        await bank.db.execute(ADD, {"wanted": 0, "by": 1})
        assert (await bank.db.execute(following)).scalar_one() == 1
    await unit.commit()
    assert await bank.balance(0) == 1


async def test_a_window_that_first_runs_a_query_is_as_serializable_as_any(bank: Bank) -> None:
    await bank.run(lambda unit: bank.db.execute(SET, [{"wanted": 0, "to": 50}, {"wanted": 1, "to": 50}]))
    both_have_read = asyncio.Barrier(2)

    async def window(number: int) -> None:
        unit = bank.store.unit("bank", wide=True)
        unit.writable = False
        with context(unit=unit):
            assert sum((await bank.balances()).values()) == 100
            await both_have_read.wait()
            unit.writable = True
            await bank.db.execute(SET, {"wanted": number, "to": -50})
        await unit.commit()

    outcomes = await asyncio.gather(
        *[asyncio.ensure_future(window(number)) for number in (0, 1)], return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [Conflict]
    assert sum((await bank.balances()).values()) == 0


async def test_a_connection_lost_before_its_commit_runs_the_command_again(bank: Bank, url: str) -> None:
    runs = 0

    async def body(unit: Unit) -> None:
        nonlocal runs
        runs += 1
        await bank.db.execute(ADD, {"wanted": 0, "by": 1})
        if runs == 1:
            await control(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE datname = current_database() AND pid <> pg_backend_pid()")
            await asyncio.sleep(0.05)
        await bank.db.execute(ADD, {"wanted": 1, "by": 1})

    await bank.run(body)
    assert runs == 2
    assert await bank.balances() == {0: 1, 1: 1}


@pytest.mark.parametrize(("cut", "there"), [("before", 0), ("after", 1)])
async def test_a_connection_lost_at_commit_leaves_the_outcome_unknown(url: str, cut: Cut, there: int) -> None:
    await migrate(url, MODULES)
    async with Proxy(url) as proxy, open_store(proxy.url, NAMES) as store:
        bank = Bank(store)
        await bank.open(0)
        proxy.cut = cut
        with pytest.raises(OutcomeUnknown):
            await bank.add(0, 1)
        assert proxy.cuts == 1
        await asyncio.sleep(0.1)
        assert await bank.balance(0) == there


SLOW_COMMIT = (
    "CREATE FUNCTION bank.slow() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$",
    "CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON bank.bank_account DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION bank.slow()",
)


async def test_a_caller_who_goes_away_at_commit_leaves_it_to_its_end(fresh: str) -> None:
    await migrate(fresh, MODULES)
    async with PostgreSQLStore(fresh, NAMES, connections=1) as store:
        bank = Bank(store)
        await bank.open(0)
        await control(fresh, *SLOW_COMMIT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bank.add(0, 1), 0.15)
        await bank.add(0, 10)
        assert await bank.balance(0) == 11


async def test_callers_who_go_away_leave_the_connections_whole(bank: Bank) -> None:
    for pause in range(30):
        task = asyncio.ensure_future(bank.add(0, 1))
        await asyncio.sleep(pause / 3000)
        task.cancel()
        await asyncio.wait([task])
    before = await bank.balance(0)
    await asyncio.gather(*[bank.add(0, 1) for _ in range(10)])
    assert await bank.balance(0) == before + 10


async def test_many_commands_and_queries_share_few_connections(bank: Bank, url: str) -> None:
    await asyncio.gather(*[bank.add(n % 2, 1) for n in range(30)], *[bank.balances() for _ in range(30)])
    assert await bank.balances() == {0: 15, 1: 15}
    connection = await asyncpg.connect(url)
    used = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()
    assert used <= 6


async def test_a_unit_that_sits_idle_too_long_is_run_again(bank: Bank) -> None:
    runs = 0

    async def body(unit: Unit) -> None:
        nonlocal runs
        runs += 1
        await bank.db.execute(ADD, {"wanted": 0, "by": 1})
        await asyncio.sleep(1.0 if runs == 1 else 0)

    await bank.run(body)
    assert runs == 2
    assert await bank.balance(0) == 1


async def test_a_broken_reference_found_at_commit_is_an_integrity_error(bank: Bank) -> None:
    with pytest.raises(IntegrityError, match="bank_card"):
        await bank.run(lambda unit: bank.db.execute(insert(card).values(id=1, account=99)))
    await bank.add(0, 1)


async def test_a_column_that_is_added_while_the_service_runs_disturbs_nothing(fresh: str) -> None:
    everything = text("SELECT * FROM bank_account ORDER BY id")

    await migrate(fresh, MODULES)
    async with open_store(fresh, NAMES) as store:
        bank = Bank(store)
        await bank.open(0)

        async def read(unit: Unit) -> Any:
            return (await bank.db.execute(everything)).all()

        for _ in range(8):
            await bank.db.execute(everything)
            await bank.run(read)
        await control(fresh, "ALTER TABLE bank.bank_account ADD COLUMN note TEXT")
        assert await bank.run(read) == [(0, 0, None)]
        assert (await bank.db.execute(everything)).all() == [(0, 0, None)]


async def test_a_part_that_fails_before_it_writes_is_undone_even_if_its_savepoint_was_not_sent(bank: Bank) -> None:
    share = select(account.c.id / bindparam("by", type_=Integer))
    await bank.db.execute(share, {"by": 1})
    runs = 0

    async def body(unit: Unit) -> None:
        nonlocal runs
        runs += 1
        await unit.savepoint("step")
        with pytest.raises(DBAPIError):
            await bank.db.execute(share, {"by": 0})
        await unit.rollback_to("step")
        await bank.db.execute(ADD, {"wanted": 0, "by": 1})
        await unit.release("step")

    await bank.run(body)
    assert runs == 2
    assert await bank.balances() == {0: 1, 1: 0}


async def test_what_is_written_later_comes_and_goes_with_its_part_and_tells_of_errors_at_commit(bank: Bank) -> None:
    add = insert(account)

    async def body(unit: Unit) -> None:
        await unit.later("bank", add, {"id": len(found) * 10 + 10, "balance": 1})
        await unit.savepoint("step")
        await unit.later("bank", add, {"id": len(found) * 10 + 11, "balance": 1})
        await unit.rollback_to("step")
        await unit.later("bank", add, {"id": len(found) * 10 + 12, "balance": -7})
        await unit.release("step")

    found: dict[int, int] = {}
    for n in range(4):
        await bank.run(body)
        found = {**found, n: 0}
    assert sorted(await bank.balances()) == [0, 1, 10, 12, 20, 22, 30, 32, 40, 42]
    unit = bank.store.unit("bank")
    await unit.later("bank", add, {"id": 10, "balance": 1})
    with pytest.raises(IntegrityError, match="bank_account_pkey"):
        await unit.commit()
    await bank.add(0, 1)
    assert await bank.balance(0) == 1


async def test_a_value_that_cannot_be_sent_leaves_the_connection_whole(bank: Bank) -> None:
    for n in range(4):
        with pytest.raises(DBAPIError, match="int32"):
            await bank.run(lambda unit: bank.db.execute(ADD, {"wanted": 2**40, "by": 1}))
        await bank.add(0, 1)
        assert await bank.balance(0) == n + 1


@pytest.mark.parametrize("quote", [False, True])
async def test_what_a_function_writes_that_is_called_by_a_select_is_undone_too(fresh: str, *, quote: bool) -> None:
    await migrate(fresh, MODULES)
    await control(fresh, "CREATE FUNCTION bank.sneak(by integer) RETURNS integer LANGUAGE sql AS "
                         "$$ UPDATE bank.bank_account SET balance = balance + by RETURNING balance $$")
    sneak: Select[Any] = select(Function(quoted_name("sneak", quote), bindparam("by", type_=Integer)))
    async with open_store(fresh, NAMES) as store:
        bank = Bank(store)
        await bank.open(0)

        async def body(unit: Unit) -> None:
            await unit.savepoint("step")
            await bank.db.execute(sneak, {"by": 5})
            await unit.rollback_to("step")

        for _ in range(3):
            await bank.run(body)
        assert await bank.balances() == {0: 0}


@pytest.fixture
def server() -> Iterator[Server]:
    """One that a test may stop."""
    yield from serve()


async def test_a_server_that_comes_back_is_used_again_and_one_that_is_away_is_told(server: Server) -> None:
    url = f"{server.url}/restarts"
    await migrate(url, MODULES)
    async with open_store(url, NAMES) as store:
        bank = Bank(store)
        await bank.open(0)
        await asyncio.gather(*[bank.add(0, 1) for _ in range(5)], *[bank.balance(0) for _ in range(5)])
        server.stop()
        for _ in range(2):
            with pytest.raises(NotRun, match="takes no connection"):
                await bank.balance(0)
            with pytest.raises(NotRun, match="takes no connection"):
                await bank.add(0, 1)
        server.start()
        assert await bank.balance(0) == 5
        await bank.add(0, 1)
        server.stop()
        server.start()
        await bank.add(0, 1)
        assert await bank.balance(0) == 7
    server.stop()
    with pytest.raises(NotRun, match="takes no connection"):
        async with open_store(url, NAMES):
            pass
    with pytest.raises(NotRun, match="takes no connection"):
        await migrate(url, MODULES)


async def test_what_has_not_been_migrated_is_told(fresh: str) -> None:
    url = fresh
    assert await pending(url, MODULES) == ["bank: everything", "shop: everything"]
    with pytest.raises(NotRun, match="craton migrate"):
        async with open_store(url, NAMES):
            pass
    await migrate(url, [BANK])
    assert "shop: 0001 Items" in await pending(url, MODULES)
    assert all(line.startswith("shop: ") for line in await pending(url, MODULES))
    async with open_store(url, NAMES) as store:
        shop = Database(store, "shop")
        with pytest.raises(NotRun, match="craton migrate"):
            await shop.execute(select(item))
        with pytest.raises(NotRun, match="craton migrate"):
            await transact(store, "shop", lambda unit: shop.execute(select(item)))


async def test_several_that_migrate_at_once_make_everything_once(fresh: str) -> None:
    url = fresh
    program = f"""
import asyncio
from craton.data.migrations import migrate
from tests.data.books.tables import MODULES
print(len(asyncio.run(migrate({url!r}, MODULES))))
"""
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = [int((await process.communicate())[0]) for process in processes]
    assert sorted(outputs) == [0, EVERYTHING]
    assert await pending(url, MODULES) == []


async def test_a_login_that_is_no_superuser_is_enough(postgresql: str) -> None:
    name = f"login{next(numbers)}"
    await control(f"{postgresql}/postgres", f"CREATE ROLE {name} LOGIN CREATEDB CREATEROLE")
    url = postgresql.replace("postgres@", f"{name}@") + f"/{name}"
    await migrate(url, MODULES)
    async with open_store(url, NAMES) as store:
        bank = Bank(store)
        await bank.open(3)
        assert await bank.balances() == {0: 3}
        with pytest.raises(ForeignTable):
            await bank.db.execute(text("SELECT * FROM shop.shop_item"))


async def test_a_login_that_may_not_make_things_is_told_what_an_administrator_must_run(postgresql: str) -> None:
    name = f"login{next(numbers)}"
    await control(f"{postgresql}/postgres", f"CREATE ROLE {name} LOGIN")
    url = postgresql.replace("postgres@", f"{name}@") + f"/{name}"
    with pytest.raises(SettingsError, match=f'CREATE DATABASE "{name}" OWNER {name}'):
        await migrate(url, MODULES)
    await control(f"{postgresql}/postgres", f'CREATE DATABASE "{name}" OWNER {name}')
    with pytest.raises(SettingsError, match="CREATE ROLE"):
        await migrate(url, MODULES)
    for module in NAMES:
        role = f"{name}_{module}"
        await control(f"{postgresql}/{name}", f"CREATE ROLE {role} NOLOGIN; GRANT {role} TO {name}")
    assert len(await migrate(url, MODULES)) == EVERYTHING
