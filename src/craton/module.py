"""A module: one business capability, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from importlib import import_module
from typing import Any, Protocol

from craton.errors import DeclarationError
from craton.settings import Settings
from craton.task import Task


class Pages(Protocol):
    """What a module with `asgi` promises others: nothing that they could call."""


@dataclass(frozen=True)
class Module:
    """A contract, the import path of its implementation, its tables, settings and owner; or an ASGI application.

    `implementation` ("package.file:Class"), `tables` ("package.file:metadata", a SQLAlchemy MetaData) and `migrations`
    ("package.folder") are import paths: a service loads only those of the modules it hosts. So is `asgi`, in place of
    contract and implementation: "package.file:app", an ASGI application, or a function or class that makes one of its
    needs; it is served under `path`, where no route of a contract stands. `tasks`: the tasks that the module submits,
    each with the import path of its handler ("package.file:function"), "" where workers in other languages have it.
    `sign_ins`: its forms that check passwords ("/login"), which the edge counts as it counts methods with
    `sign_in=True`.
    """

    name: str
    contract: type = Pages
    implementation: str = ""
    _: KW_ONLY
    asgi: str | None = None
    path: str = "/"
    sign_ins: tuple[str, ...] = ()
    owner: str = ""
    tables: str | None = None
    migrations: str | None = None
    settings: type[Settings] | None = None
    tasks: Mapping[Task[Any, Any], str] = field(default_factory=dict, hash=False)

    @property
    def code(self) -> str:
        """The import path of what is made of the module's needs."""
        return self.asgi or self.implementation


def load(path: str, *, what: str) -> Any:
    """What stands at "package.file:name"; `what` names the place that asked for it."""
    file, colon, name = path.partition(":")
    if not colon:
        raise DeclarationError(f"{what}: {path!r} is not an import path: write it as 'package.file:name'.")
    try:
        imported = import_module(file)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{file}.".startswith(f"{error.name}."):
            raise  # the file exists, and imports something that does not: its own traceback says more
        raise DeclarationError(f"{what}: there is no {file}: correct the import path {path!r}.") from error
    if not hasattr(imported, name):
        raise DeclarationError(f"{what}: {file} has no {name}: correct the import path {path!r}.")
    return getattr(imported, name)
