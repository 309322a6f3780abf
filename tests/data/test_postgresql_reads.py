"""Reads that go to PostgreSQL together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Float, Integer, String, bindparam, func, literal_column, select
from sqlalchemy.exc import DBAPIError

from craton.data.migrations import migrate
from craton.data.stores.postgresql import PostgreSQLStore
from craton.data.stores.postgresql_reads import MANY
from tests.data.books.tables import MODULES, NAMES

FIRST, SECOND = NAMES[:2]
WHO: Any = select(literal_column("pg_backend_pid()"), literal_column("CAST(current_user AS text)"))
REST = select(func.mod(13, bindparam("by", type_=Integer)))
WAIT: Any = select(literal_column("1")).select_from(func.pg_sleep(bindparam("seconds", type_=Float)))
ECHO = select(bindparam("said", type_=String).label("said"))
ROWS = select(func.generate_series(1, bindparam("rows", type_=Integer)).column_valued("i"))
EACH: Any = select(*(literal_column(value).label(f"column_{n}") for n, value in enumerate((
    "true", "false", "CAST(-7 AS smallint)", "70000", "CAST(-9223372036854775808 AS bigint)", "CAST(0.1 AS float8)",
    "CAST('-Infinity' AS float8)", "CAST('12.340' AS numeric)", "'Größe'", "CAST('x' AS varchar(4))",
    "CAST('ab' AS char(3))", "CAST('' AS text)", "CAST(NULL AS text)", "CAST(NULL AS integer)",
))))


@pytest.fixture
async def store(postgresql: str) -> AsyncIterator[PostgreSQLStore]:
    url = f"{postgresql}/books"
    await migrate(url, MODULES)
    async with PostgreSQLStore(url, NAMES, connections=3) as store:
        for statement, given in (
            (WHO, {}), (REST, {"by": 1}), (WAIT, {"seconds": 0.0}), (ECHO, {"said": ""}), (ROWS, {"rows": 1}),
        ):
            await store.read(FIRST, statement, given)  # from now on it is known
        yield store


async def all_of(*asked: Any) -> list[Any]:
    """What is asked at once, or the errors."""
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_what_is_asked_at_once_is_read_over_one_connection_as_each_module(store: PostgreSQLStore) -> None:
    found = [result.one() for result in await all_of(*(store.read(name, WHO) for name in [FIRST, SECOND] * 4))]
    assert len({process for process, _ in found}) == 1
    assert [role for _, role in found] == [store.roles[FIRST], store.roles[SECOND]] * 4


async def test_values_come_as_asyncpg_reads_them(store: PostgreSQLStore) -> None:
    alone = (await store.read(FIRST, EACH)).one()
    together = (await store.read(FIRST, EACH)).one()
    assert store.reads.columns, "it was read together"
    assert tuple(together) == tuple(alone)
    assert [type(value) for value in together] == [type(value) for value in alone]


async def test_a_read_that_fails_fails_alone(store: PostgreSQLStore) -> None:
    *good, bad, other = await all_of(
        store.read(FIRST, REST, {"by": 5}), store.read(SECOND, ECHO, {"said": "hello"}),
        store.read(FIRST, REST, {"by": 0}), store.read(SECOND, ECHO, {"said": "still here"}),
    )
    assert [result.scalar_one() for result in (*good, other)] == [3, "hello", "still here"]
    assert isinstance(bad, DBAPIError) and "division by zero" in str(bad)
    assert (await store.read(FIRST, WHO)).one()[1] == store.roles[FIRST]


@pytest.mark.parametrize("said", ["nothing\0more", "half \ud83d"])
async def test_a_value_that_cannot_be_sent_fails_alone(store: PostgreSQLStore, said: str) -> None:
    bad, good = await all_of(store.read(FIRST, ECHO, {"said": said}), store.read(FIRST, ECHO, {"said": "fine"}))
    assert good.scalar_one() == "fine"
    assert isinstance(bad, Exception)


async def test_reads_are_answered_though_their_connection_ends(store: PostgreSQLStore) -> None:
    process, _ = (await store.read(FIRST, WHO)).one()
    reading = asyncio.gather(*(store.read(FIRST, statement, given) for statement, given in (
        (WAIT, {"seconds": 0.3}), (ECHO, {"said": "after it"}),
    )))
    await asyncio.sleep(0.1)
    administrator = await asyncpg.connect(store.url)
    await administrator.execute(f"SELECT pg_terminate_backend({process})")
    await administrator.close()
    assert [result.scalar_one() for result in await reading] == [1, "after it"]


async def test_who_goes_away_leaves_the_others_their_answers(store: PostgreSQLStore) -> None:
    leaving = asyncio.create_task(store.read(FIRST, ECHO, {"said": "unheard"}))
    staying = asyncio.create_task(store.read(FIRST, ECHO, {"said": "heard"}))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).scalar_one() == "heard"
    assert [(await store.read(FIRST, REST, {"by": n})).scalar_one() for n in (2, 3, 4, 5)] == [1, 1, 1, 3]


async def test_more_than_there_are_connections_for_are_all_answered(store: PostgreSQLStore) -> None:
    found = await all_of(*(store.read(NAMES[n % 2], ECHO, {"said": f"{n}"}) for n in range(200)))
    assert [result.scalar_one() for result in found] == [f"{n}" for n in range(200)]


async def test_many_rows_come_whole_and_are_left_to_asyncpg_from_then_on(store: PostgreSQLStore) -> None:
    for _ in range(2):
        rows = (await store.read(FIRST, ROWS, {"rows": 50 * MANY})).scalars().all()
        assert list(rows) == list(range(1, 50 * MANY + 1))
    assert None in store.reads.columns.values()


async def test_statements_are_known_anew_when_the_tables_have_changed(store: PostgreSQLStore) -> None:
    await store.read(FIRST, ECHO, {"said": "before"})
    store.plans.forget()
    await store.read(FIRST, ECHO, {"said": "learned"})
    assert (await store.read(FIRST, ECHO, {"said": "after"})).scalar_one() == "after"
