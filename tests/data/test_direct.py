"""What runs directly answers as what SQLAlchemy runs itself: the first run of a statement goes the whole way."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.exc import DBAPIError, IntegrityError, ResourceClosedError, StatementError
from sqlalchemy.types import TypeDecorator, TypeEngine

from craton.data.store import Parameters, Rows
from craton.data.stores.direct import Plans
from craton.data.stores.postgresql_connection import PostgreSQLConnection, engine_of, parsed
from craton.data.stores.sqlite_connection import SQLiteConnection

Execute = Callable[..., Awaitable[Rows]]


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Reversed(TypeDecorator[str]):
    """A type of an application's own."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value[::-1]

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value[::-1]


VALUES: dict[str, tuple[TypeEngine[Any], Any]] = {
    "small": (sa.SmallInteger(), -3),
    "big": (sa.BigInteger(), 2**62),
    "yes": (sa.Boolean(), True),
    "ratio": (sa.Float(), 0.1),
    "money": (sa.Numeric(12, 2), Decimal("1234567.89")),
    "plain": (sa.String(20), "Grüße ' \" %s :x $1"),
    "long": (sa.Text(), "x" * 5000),
    "data": (sa.LargeBinary(), b"\0\xff bytes"),
    "day": (sa.Date(), date(2030, 2, 28)),
    "moment": (sa.DateTime(), datetime(2030, 1, 2, 3, 4, 5, 678901)),
    "clock": (sa.Time(), time(23, 59, 1, 2)),
    "span": (sa.Interval(), timedelta(days=3, seconds=5, microseconds=7)),
    "colour": (sa.Enum(Colour, native_enum=False), Colour.BLUE),
    "json": (sa.JSON(), {"a": [1, 2.5, None, "ü"], "b": {}}),
    "id": (sa.Uuid(), UUID(int=7)),
    "text_id": (sa.Uuid(as_uuid=False), str(UUID(int=8))),
    "own": (Reversed(), "abc"),
}
ONLY_POSTGRESQL: dict[str, tuple[TypeEngine[Any], Any]] = {
    "zoned": (sa.DateTime(timezone=True), datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)),
    "array": (pg.ARRAY(sa.Integer), [1, 2, 3]),
    "texts": (pg.ARRAY(sa.String), ["a", None, "c"]),
    "jsonb": (pg.JSONB(), {"k": [True, {"n": 1}]}),
    "native": (sa.Enum(Colour, name="colour_of_direct"), Colour.RED),
    "address": (pg.INET(), None),
    "range": (pg.INT4RANGE(), pg.Range(1, 5)),
    "bits": (pg.BYTEA(), b"\1\2"),
    "double": (pg.DOUBLE_PRECISION(), 1e300),
}


class Direct:
    """Subclasses provide `execute` and `values`."""

    @pytest.fixture
    async def things(
        self, execute: Execute, values: dict[str, tuple[TypeEngine[Any], Any]]
    ) -> AsyncIterator[sa.Table]:
        columns = [sa.Column(name, kind) for name, (kind, _) in values.items()]
        key = sa.Column("number", sa.Integer, primary_key=True)
        made = sa.Column("made", sa.Integer, server_default="7")
        table = sa.Table("direct_thing", sa.MetaData(), key, *columns, made)
        if "native" in values:
            await execute(pg.CreateEnumType(values["native"][0]))
        await execute(sa.schema.CreateTable(table))
        yield table

    @pytest.fixture
    def row(self, values: dict[str, tuple[TypeEngine[Any], Any]]) -> dict[str, Any]:
        return {name: value for name, (_, value) in values.items()}

    async def test_values_of_all_types_go_in_and_out_as_they_are(
        self, execute: Execute, things: sa.Table, row: dict[str, Any]
    ) -> None:
        add, ask = sa.insert(things), sa.select(things).where(things.c.number == sa.bindparam("wanted"))
        nothing = dict.fromkeys(row)
        for number in range(3):
            await execute(add, {"number": number, **row})
            await execute(add, {"number": number + 10, **nothing})
        for number in range(3):
            full = (await execute(ask, {"wanted": number})).mappings().one()
            assert dict(full) == {"number": number, **row, "made": 7}
            assert all(isinstance(full[name], type(value)) for name, value in row.items())
            assert dict((await execute(ask, {"wanted": number + 10})).mappings().one()) == {
                "number": number + 10, **nothing, "made": 7,
            }
            assert (await execute(ask, {"wanted": 99})).all() == []

    async def test_results_are_those_of_sqlalchemy(self, execute: Execute, things: sa.Table) -> None:
        add = sa.insert(things)
        change = sa.update(things).where(things.c.number < sa.bindparam("below")).values(small=sa.bindparam("to"))
        back, gone = sa.insert(things).returning(things.c.number, things.c.made), sa.delete(things)
        ask = sa.select(things.c.number, things.c.plain.label("said")).order_by(things.c.number)
        for n in range(3):
            made = await execute(add, {"plain": f"a{n}"})
            assert made.inserted_primary_key == (2 * n + 1,) and made.is_insert and made.rowcount == 1
            if not made.returns_rows:  # on PostgreSQL SQLAlchemy asks for the new row's key, and reads it itself
                with pytest.raises(ResourceClosedError):
                    made.all()
            assert (await execute(back, {"plain": f"b{n}"})).one() == (2 * n + 2, 7)
            changed = await execute(change, {"below": n + 1, "to": 5})
            assert changed.rowcount == n and changed.last_updated_params() == {"below": n + 1, "to": 5}
            rows = (await execute(ask)).all()
            assert len(rows) == 2 * n + 2 and rows[0].said == "a0"
            assert rows[0]._mapping[things.c.number] == 1 and rows[0]._fields == ("number", "said")
            assert (await execute(ask)).scalars().first() == 1
            assert list((await execute(ask)).partitions(1))[1][0].said == "b0"
            assert (await execute(ask)).columns("said").fetchmany(2) == [("a0",), ("b0",)]
            assert (await execute(ask)).keys() == ["number", "said"]
        assert [(await execute(gone)).rowcount for _ in range(3)] == [6, 0, 0]

    async def test_statements_made_anew_each_time_keep_their_own_values(
        self, execute: Execute, things: sa.Table
    ) -> None:
        for n in range(4):
            await execute(sa.insert(things).values(number=n, plain=f"n{n}"))
        for n in range(4):
            other = things.alias()
            found = await execute(sa.select(other.c.number, other.c.plain).where(other.c.number == n))
            assert found.mappings().one()[other.c.plain] == f"n{n}"
            several = sa.select(things.c.number).where(things.c.number.in_(range(n))).order_by(things.c.number)
            assert (await execute(several)).scalars().all() == list(range(n))
            limited = sa.select(things.c.number).order_by(things.c.number).limit(n)
            assert len((await execute(limited)).all()) == n
            assert (await execute(sa.text("SELECT :n + 1"), {"n": n})).scalar_one() == n + 1

    async def test_a_list_of_any_length_is_looked_for(self, execute: Execute, things: sa.Table) -> None:
        for n in range(5):
            await execute(sa.insert(things), {"number": n, "plain": f"n{n}", "own": f"own{n}"})
        given: sa.BindParameter[Any] = sa.bindparam("given", expanding=True)
        ask = sa.select(things.c.number).where(things.c.number.in_(given), things.c.plain != sa.bindparam("but"))
        ask = ask.order_by(things.c.number)
        other = sa.select(things.c.number).where(things.c.number.not_in(given), things.c.number < 4)
        of_type = sa.select(things.c.number).where(things.c.own.in_(sa.bindparam("owns", expanding=True)))
        constant = sa.select(things.c.number).where(things.c.number.in_((1, 3)), things.c.plain == sa.bindparam("is"))
        for _ in range(3):
            lists: list[Any] = [[], [3], (1, 2), [0, 1, 2, 4], {1, 2}, range(2), range(4), [9]]
            for wanted in lists:
                found = (await execute(ask, {"given": wanted, "but": "n2"})).scalars().all()
                assert found == [n for n in sorted(wanted) if n in (0, 1, 3, 4)], wanted
                rest = (await execute(other, {"given": wanted})).scalars().all()
                assert sorted(rest) == [n for n in range(4) if n not in wanted], wanted
            for owns in (["own1"], ["own3", "own4"], ["1nwo"]):
                found = (await execute(of_type, {"owns": owns})).scalars().all()
                assert sorted(found) == [n for n in range(5) if f"own{n}" in owns]
            assert (await execute(constant, {"is": "n3"})).scalars().all() == [3]
            assert (await execute(constant, {"is": "n2"})).scalars().all() == []
            for numbers in ([1], [2, 3], [0, 4], [0, 2, 4]):
                made = sa.select(things.c.number).where(things.c.number.in_(numbers)).order_by(things.c.number)
                assert (await execute(made)).scalars().all() == numbers
                gone = sa.update(things).where(things.c.number.in_(numbers)).values(small=len(numbers))
                assert (await execute(gone)).rowcount == len(numbers)

    async def test_a_list_of_one_is_one(self, execute: Execute, things: sa.Table) -> None:
        add = sa.insert(things)
        for n in range(4):
            assert (await execute(add, [{"number": n, "plain": f"n{n}"}])).rowcount == 1
        await execute(add, [{"number": n, "plain": f"n{n}"} for n in (10, 11)])
        ask = sa.select(things.c.plain).order_by(things.c.number)
        assert (await execute(ask)).scalars().all() == ["n0", "n1", "n2", "n3", "n10", "n11"]

    async def test_errors_are_those_of_sqlalchemy(self, execute: Execute, things: sa.Table) -> None:
        add, ask = sa.insert(things), sa.select(things).where(things.c.number == sa.bindparam("wanted"))
        await execute(add, {"number": 1, "plain": "first"})
        told = []
        for _ in range(3):
            with pytest.raises(IntegrityError) as failed:
                await execute(add, {"number": 1, "plain": "again"})
            assert isinstance(failed.value, DBAPIError)
            told.append((type(failed.value.orig), failed.value.statement, failed.value.params, str(failed.value)))
            await execute(add, {"number": len(told) + 1, "plain": "next"})
            with pytest.raises(StatementError, match="wanted"):
                await execute(ask, {})
            with pytest.raises((StatementError, TypeError)):
                await execute(add, {"number": 60 + len(told), "json": object()})
            assert (await execute(ask, {"wanted": 1})).one().plain == "first"
        assert told[0] == told[1] == told[2]


class TestSQLite(Direct):
    """On SQLite."""

    @pytest.fixture
    def values(self) -> dict[str, tuple[TypeEngine[Any], Any]]:
        return VALUES

    @pytest.fixture
    def execute(self, tmp_path: Path) -> Execute:
        connection = SQLiteConnection(tmp_path / "direct.db", Plans())

        async def run(statement: Any, parameters: Parameters = None) -> Rows:
            return connection.run(lambda sql: None, statement, parameters)

        return run


    def test_statements_with_lists_go_directly_the_second_time(self, tmp_path: Path) -> None:
        plans, table = Plans(), sa.Table("direct_thing", sa.MetaData(), sa.Column("number", sa.Integer))
        connection = SQLiteConnection(tmp_path / "direct.db", plans)
        connection.run(lambda sql: None, sa.schema.CreateTable(table), None)
        ask = sa.select(table).where(table.c.number.in_(sa.bindparam("given", expanding=True)))
        own, add = sa.select(table).where(table.c.number.in_((1, 2))), sa.insert(table)
        runs: list[tuple[Any, Parameters]] = [(ask, {"given": [1, 2]}), (own, None), (add, [{"number": 1}])]
        for statement, parameters in runs:
            assert plans.find(statement, parameters) is None
            connection.run(lambda sql: None, statement, parameters)
            assert plans.find(statement, parameters) is not None
        assert plans.find(ask, {"given": [1, 2, 3]}) is None


class TestPostgreSQL(Direct):
    """On PostgreSQL."""

    @pytest.fixture
    def values(self) -> dict[str, tuple[TypeEngine[Any], Any]]:
        return VALUES | ONLY_POSTGRESQL

    @pytest.fixture
    async def execute(self, postgresql: str) -> AsyncIterator[Execute]:
        engine = engine_of(parsed(f"{postgresql}/postgres"))
        connection = await PostgreSQLConnection.open(engine, Plans())
        await connection.sql("DROP TABLE IF EXISTS direct_thing; DROP TYPE IF EXISTS colour_of_direct")

        async def run(statement: Any, parameters: Parameters = None) -> Rows:
            return await connection.run(lambda sql: None, statement, parameters)

        yield run
        await connection.close()

    async def test_a_column_of_another_type_is_read_as_what_it_is_now(
        self, execute: Execute, things: sa.Table
    ) -> None:
        ask = sa.select(things.c.small)
        await execute(sa.insert(things).values(number=1, small=4))
        assert [(await execute(ask)).scalar_one() for _ in range(3)] == [4, 4, 4]
        await execute(sa.text("ALTER TABLE direct_thing ALTER COLUMN small TYPE bigint"))
        with pytest.raises(DBAPIError, match="cached"):
            await execute(ask)
        assert [(await execute(ask)).scalar_one() for _ in range(3)] == [4, 4, 4]
