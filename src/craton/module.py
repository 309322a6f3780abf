"""A module: one business capability, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from craton.errors import DeclarationError


@dataclass(frozen=True, kw_only=True)
class Module:
    """A contract, the import path of its implementation, its tables, settings and owner.

    `implementation` ("package.file:Class"), `tables` ("package.file:metadata", a SQLAlchemy MetaData) and `migrations`
    ("package.folder") are import paths: a service loads only those of the modules it hosts.
    """

    name: str
    contract: type
    implementation: str
    owner: str = ""
    tables: str | None = None
    migrations: str | None = None
    settings: type | None = None

    def __init__(
        self, name: str, contract: type, implementation: str, *, owner: str = "", tables: str | None = None,
        migrations: str | None = None, settings: type | None = None,
    ) -> None:
        values = dict(
            name=name, contract=contract, implementation=implementation, owner=owner, tables=tables,
            migrations=migrations, settings=settings,
        )
        for field, value in values.items():
            object.__setattr__(self, field, value)


def load(path: str, *, what: str) -> Any:
    """What stands at "package.file:name"; `what` names the place that asked for it."""
    file, colon, name = path.partition(":")
    if not colon:
        raise DeclarationError(f"{what}: {path!r} is not an import path; write it as 'package.file:name'.")
    try:
        return getattr(import_module(file), name)
    except ModuleNotFoundError as error:
        raise DeclarationError(f"{what}: there is no {path}: {error}.") from error
    except AttributeError as error:
        raise DeclarationError(f"{what}: {file} has no {name}.") from error
