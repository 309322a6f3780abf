"""The databases of a topology: one for each service, in the data folder or on one PostgreSQL server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from craton.application import Application
from craton.data.migrations import differences, migrate
from craton.errors import DeclarationError, SettingsError
from craton.topology import Topology, check_database


def engine_of(base: str | None) -> Literal["sqlite", "postgresql"]:
    """The kind of database: SQLite files in the data folder where no URL is given, else PostgreSQL."""
    if base and not (base.startswith("postgresql://") and urlsplit(base).path.strip("/")):
        raise SettingsError(
            "--database takes a PostgreSQL URL, such as postgresql://user:password@host:port/name; without it, "
            "each service has an SQLite file in the folder of --data."
        )
    return "postgresql" if base else "sqlite"


def databases_of(topology: Topology, *, base: str | None, folder: Path) -> dict[str, str]:
    """The URL of each service's database, where it keeps data. SettingsError where SQLite would serve replicas."""
    keeping = (service for service in topology.services if {*service.modules} - topology.sites)
    ours = [service.name for service in keeping if not service.command]
    found = {name: database_of(name, topology, base=base, folder=folder) for name in ours}
    for name, url in found.items():
        check_database(topology.service(name), url)
    return found


def database_of(service: str, topology: Topology, *, base: str | None, folder: Path) -> str:
    """A file in the folder, or a database named after the base; the base itself where there is only one service."""
    if base is None:
        return f"sqlite:///{folder.absolute() / service}.db"
    url = urlsplit(base)
    return base if len(topology.services) == 1 else url._replace(path=f"{url.path}_{service}").geturl()


async def migrate_all(application: Application, topology: Topology, databases: Mapping[str, str]) -> list[str]:
    """Bring these services' databases to what their modules need, and say what was applied."""
    applied = []
    for service, url in databases.items():
        modules = application.kept(topology.service(service).modules)
        applied += await migrate(url, modules) if modules else []
    return applied


async def check_migrations(application: Application) -> None:
    """DeclarationError where a module's migrations do not make the tables that it declares."""
    for module in application.modules:
        if found := await differences(module):
            raise DeclarationError(
                f"module {module.name}: its migrations do not make the tables it declares: {'; '.join(found)}. "
                f"Write what is missing: craton migrate ... --revise 'what changed' --module {module.name}"
            )
