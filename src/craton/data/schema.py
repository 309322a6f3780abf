"""What tables a database has, and whether they are those that its modules need: asked at every start of a service, so
without Alembic, which takes half as long to load as all the rest."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, MetaData, column, inspect, select, table

from craton.data.store import backend
from craton.data.tables import tables_of
from craton.errors import DeclarationError
from craton.module import Module, load

R = TypeVar("R")
ONE_AT_A_TIME = Lock()
"""Alembic keeps the migration in progress in a global of its own."""


class Schema(Protocol):
    """A database while its tables are made or looked at; no other process migrates it meanwhile."""

    def run(self, module: str, work: Callable[[Connection], R]) -> R:
        """Run `work` in one transaction, as the owner of the module's tables."""
        ...


async def pending(url: str, modules: Sequence[Module]) -> list[str]:
    """What `migrate` would still apply; a service with anything here is not ready."""
    return await asyncio.to_thread(pending_all, url, modules)


def pending_all(url: str, modules: Sequence[Module]) -> list[str]:
    """The same, where no event loop runs."""
    with ONE_AT_A_TIME, open_schema(url, writing=False) as schema:
        if schema is None:
            return [f"{module.name}: everything" for module in modules]
        return [line for module in modules for line in schema.run(module.name, partial(missing, module))]


def open_schema(url: str, *, writing: bool) -> AbstractContextManager[Schema | None]:
    """The database at a URL; None where there is none yet and it is only to be looked at."""
    if backend(url) == "sqlite":
        from craton.data.stores.sqlite_schema import SQLiteSchema

        return SQLiteSchema(url, writing=writing)
    from craton.data.stores.postgresql_schema import PostgreSQLSchema

    return PostgreSQLSchema(url, writing=writing)


def missing(module: Module, connection: Connection) -> list[str]:
    """The framework's tables and the revisions that are not there."""
    there = inspect(connection)
    declared = () if module.migrations is not None else metadata_of(module).tables
    tables = (*tables_of(module.name).metadata.tables, *declared)
    own = [f"{module.name}: table {t}" for t in tables if not there.has_table(t)]
    if module.migrations is None or (not own and (newest := heads(module)) and newest == applied(module, connection)):
        return own
    from craton.data.migrations import unapplied

    return own + unapplied(module, connection)


def applied(module: Module, connection: Connection) -> set[str]:
    """The newest revisions that the database has."""
    noted = version_table(module)
    if not inspect(connection).has_table(noted):
        return set()
    return set(connection.execute(select(column("version_num")).select_from(table(noted))).scalars())


def heads(module: Module) -> set[str] | None:
    """The revisions that no other one follows; None where their files do not say so plainly, and Alembic must tell."""
    files = [file for file in (folder_of(module) / "versions").glob("*.py") if file.name != "__init__.py"]
    found = [assigned(file) for file in files]
    if not all(isinstance(names.get("revision"), str) and "down_revision" in names for names in found):
        return None
    followed = {name for names in found for name in listed(names["down_revision"])}
    return {names["revision"] for names in found} - followed


def assigned(file: Path) -> dict[str, Any]:
    """What a file assigns to single names, as far as it is plain: texts, tuples of texts, None."""
    tree = ast.parse(file.read_bytes())
    pairs = [(node.targets[0], node.value) for node in tree.body if isinstance(node, ast.Assign)]
    pairs += [(node.target, node.value) for node in tree.body if isinstance(node, ast.AnnAssign) and node.value]
    return {name.id: ast.literal_eval(value) for name, value in pairs if isinstance(name, ast.Name) and plain(value)}


def plain(value: ast.expr) -> bool:
    """Whether a value is written out."""
    parts = value.elts if isinstance(value, ast.Tuple | ast.List) else [value]
    return all(isinstance(part, ast.Constant) for part in parts)


def listed(names: Any) -> Iterator[str]:
    """None, one name, or several."""
    yield from (names,) if isinstance(names, str) else names or ()


def version_table(module: Module) -> str:
    """Where Alembic notes the revision of a module's tables."""
    return f"{module.name}_alembic"


def folder_of(module: Module) -> Path:
    """The folder that holds a module's `versions`."""
    if module.migrations is None:
        raise DeclarationError(f"module {module.name} has no migrations: give Module(migrations='package.migrations').")
    parent, _, name = module.migrations.rpartition(".")
    spec = find_spec(parent) if parent else None
    if spec is None or not spec.submodule_search_locations:
        raise DeclarationError(f"module {module.name}: there is no package {parent!r} to hold its migrations.")
    return Path(next(iter(spec.submodule_search_locations))) / name


def metadata_of(module: Module) -> MetaData:
    """The tables that a module declares; none where it has none."""
    if module.tables is None:
        return MetaData()
    found = load(module.tables, what=f"the tables of module {module.name}")
    if not isinstance(found, MetaData):
        raise DeclarationError(f"the tables of module {module.name}: {module.tables} is no sqlalchemy.MetaData.")
    return found
