"""Many rows as one parameter: a table made of JSON, so that one statement, always the same, changes any number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import (
    Alias,
    BigInteger,
    ColumnElement,
    Float,
    FromClause,
    String,
    and_,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.types import UserDefinedType

from craton.data.store import Store, backend

KINDS: dict[type, Any] = {str: String(), int: BigInteger(), float: Float()}
ENCODER = msgspec.json.Encoder()


class Json(UserDefinedType[str]):
    """PostgreSQL's JSON, without a type of SQLAlchemy that would encode what is JSON already."""

    cache_ok = True

    def get_col_spec(self, **options: Any) -> str:
        """Its name."""
        return "JSON"


def rows_of(store: Store, name: str = "given", /, **columns: type) -> FromClause:
    """What the parameter `rows` holds, as a table: its columns are of type str, int or float, and may be null."""
    text = bindparam("rows", type_=String())
    if backend(store.url) == "sqlite":
        each = func.json_each(text).table_valued("value")
        picked = [func.json_extract(each.c.value, f"$.{c}", type_=KINDS[kind]).label(c) for c, kind in columns.items()]
        return select(*picked).subquery(name)
    typed = [column(c, KINDS[kind]) for c, kind in columns.items()]
    table: Alias = func.json_to_recordset(cast(text, Json())).table_valued(*typed, name=name)
    return table.render_derived(with_types=True)  # type: ignore[attr-defined, no-any-return]


def same(store: Store, id: ColumnElement[Any], rows: FromClause) -> ColumnElement[bool]:
    """Whether a row of a table has the id that stands in the column `job`."""
    joined = id == rows.c.job
    return joined if backend(store.url) == "sqlite" else and_(joined, among(store, id))


def among(store: Store, id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether an id is among those of the column `job`; looked for by the index of ids.

    PostgreSQL would read a small table as a whole, and meet a conflict with whoever changes it.
    """
    wanted = select(rows_of(store, "wanted", job=str).c.job)
    return id.in_(wanted) if backend(store.url) == "sqlite" else id == func.any(func.array(wanted.scalar_subquery()))


def given(rows: Iterable[Mapping[str, Any] | msgspec.Struct]) -> dict[str, str]:
    """The parameter, of mappings or structs with the columns' names."""
    return {"rows": ENCODER.encode(list(rows)).decode()}
