"""Migrations: Alembic for each module's tables, and the framework's own tables beside them. No service loads this."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, Connection, Table

from craton.data.schema import ONE_AT_A_TIME, folder_of, metadata_of, missing, open_schema, version_table
from craton.data.tables import indexed, tables_of
from craton.errors import DeclarationError
from craton.module import Module

R = TypeVar("R")


async def migrate(url: str, modules: Sequence[Module]) -> list[str]:
    """Bring the tables of these modules to their newest form, and say what was applied. Makes what is missing."""
    check_names(modules)
    return await asyncio.to_thread(migrate_all, url, modules)


def migrate_all(url: str, modules: Sequence[Module]) -> list[str]:
    """Each module in a transaction of its own."""
    with ONE_AT_A_TIME, open_schema(url, writing=True) as schema:
        assert schema is not None
        return [line for module in modules for line in schema.run(module.name, partial(upgrade, module))]


def upgrade(module: Module, connection: Connection) -> list[str]:
    """Apply what is missing."""
    found = missing(module, connection)
    indexed(module.name).create_all(connection)
    if module.migrations is not None:
        command.upgrade(config_of(module, connection), "head")
    else:  # a first sketch: its tables are made as they are declared, and never altered
        metadata_of(module).create_all(connection)
    return found


def unapplied(module: Module, connection: Connection) -> list[str]:
    """The revisions that are not there."""
    scripts = ScriptDirectory.from_config(config_of(module, connection))
    current = MigrationContext.configure(connection, opts={"version_table": version_table(module)}).get_current_heads()
    revisions = list(scripts.iterate_revisions(tuple(scripts.get_heads()), current or "base"))
    return [f"{module.name}: {r.revision} {r.doc}".rstrip(" .") for r in reversed(revisions)]


def config_of(module: Module, connection: Connection | None) -> Config:
    """Alembic's configuration for one module, without any file of its own."""
    config = Config(cmd_opts=Namespace(quiet=True))
    config.set_main_option("script_location", str(Path(__file__).with_name("revisions")))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", str(folder_of(module) / "versions"))
    config.set_main_option("revision_environment", "false")
    config.attributes.update(
        connection=connection, metadata=metadata_of(module), version_table=version_table(module)
    )
    return config


def check_names(modules: Iterable[Module]) -> None:
    """DeclarationError for a table that is not named after its module, or that bears the name of one of Craton's."""
    for module in modules:
        for table in metadata_of(module).tables.values():
            check_table(module, table)


def check_table(module: Module, table: Table) -> None:
    """The same, for one table; and for what Alembic would not see."""
    name = table.name
    if not name.startswith(f"{module.name}_"):
        raise DeclarationError(
            f"module {module.name}: its table {name} must be named {module.name}_{name}, "
            "so that modules may share a database."
        )
    if name in {*tables_of(module.name).metadata.tables, version_table(module)}:
        raise DeclarationError(f"module {module.name}: {name} is a table of Craton: give yours another name.")
    for column in table.columns:
        if any(isinstance(constraint, CheckConstraint) for constraint in column.constraints):
            raise DeclarationError(
                f"module {module.name}: put the CheckConstraint of {name}.{column.name} beside the columns of the "
                "table, not into one of them: Alembic does not see it there."
            )


async def revise(module: Module, message: str) -> Path | None:
    """Write a new revision: what turns the migrated tables into the declared ones. None where they agree already."""
    check_names([module])
    return await asyncio.to_thread(revise_now, module, message)


def revise_now(module: Module, message: str) -> Path | None:
    """Compare with a database made for the purpose."""
    (folder_of(module) / "versions").mkdir(parents=True, exist_ok=True)

    def write(connection: Connection) -> Path | None:
        if not compare(module, connection):
            return None
        config = config_of(module, connection)
        number = 1 + len(list(ScriptDirectory.from_config(config).walk_revisions()))
        script: Any = command.revision(config, message=message, autogenerate=True, rev_id=f"{number:04}")
        return Path(script.path)

    return in_fresh_database(module, write)


async def differences(module: Module) -> list[str]:
    """How the tables that the migrations make differ from those that the module declares. Empty is right."""
    check_names([module])
    if module.migrations is None:
        return []
    return await asyncio.to_thread(in_fresh_database, module, partial(compare, module))


def compare(module: Module, connection: Connection) -> list[str]:
    """The differences, one a line."""
    options = {"version_table": version_table(module), "compare_type": True, "compare_server_default": True}
    found = compare_metadata(MigrationContext.configure(connection, opts=options), metadata_of(module))
    return [str(difference) for difference in found]


def in_fresh_database(module: Module, work: Callable[[Connection], R]) -> R:
    """Run `work` in a new SQLite database to which the module's migrations, and nothing else, have been applied."""
    with ONE_AT_A_TIME, TemporaryDirectory() as directory:
        with open_schema(f"sqlite:///{directory}/fresh.db", writing=True) as schema:
            assert schema is not None
            schema.run(module.name, lambda connection: command.upgrade(config_of(module, connection), "head"))
            return schema.run(module.name, work)
