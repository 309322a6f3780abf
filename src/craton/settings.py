"""Settings of a module: values that differ from one installation to another, read from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

import msgspec

from craton.errors import SettingsError
from craton.values import Secret, Value


class Settings(Value):
    """The settings of a module: a field `api_base` of module `payments` is read from `CRATON_PAYMENTS_API_BASE`."""


S = TypeVar("S", bound=Settings)


def settings_of(kind: type[S], module: str, environ: Mapping[str, str]) -> S:
    """The settings of a module as its environment has them. SettingsError names every variable that is wrong."""
    prefix = f"CRATON_{module.upper()}_"
    given = {name.removeprefix(prefix).lower(): text for name, text in environ.items() if name.startswith(prefix)}
    hints = get_type_hints(kind, include_extras=True)
    fields = {f.name: f for f in msgspec.structs.fields(kind)}
    known = ", ".join(f"{prefix}{name.upper()}" for name in fields) or "none"
    wrong = [f"{prefix}{n.upper()} is no setting of {module}: it has {known}" for n in given if n not in fields]
    wrong += [f"{prefix}{n.upper()} is missing: set it" for n, f in fields.items() if f.required and n not in given]
    found: dict[str, Any] = {}
    for name in given.keys() & fields.keys():
        try:
            found[name] = msgspec.convert(given[name], hints[name], strict=False, dec_hook=decode)
        except msgspec.ValidationError as error:
            wrong.append(f"{prefix}{name.upper()} is wrong: {error}")
    if wrong:
        raise SettingsError("; ".join(sorted(wrong)) + ".")
    return kind(**found)


def decode(kind: type, text: object) -> object:
    """A secret from its text."""
    if kind is Secret and isinstance(text, str):
        return Secret(text)
    raise NotImplementedError(f"{kind.__name__} cannot be read from the environment")
