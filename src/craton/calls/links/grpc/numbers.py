"""The numbers of fields: given once, written down in `proto.lock`, and never given to another field."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from craton.errors import DeclarationError

LOCK = "proto.lock"
Numbered = dict[str, tuple[str, int]]
"""The type and the number of each field of a message, or of each value of an enumeration."""


@dataclass
class Numbers:
    """What fields of messages are numbered by: those in `locked` keep their numbers, new ones follow after all of
    them in the order in which they are declared. `given` is what was asked for, with what is locked and gone."""

    locked: Mapping[str, Numbered] = field(default_factory=dict)
    given: dict[str, Numbered] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Numbers:
        """Those in a lock file; none where there is no file."""
        try:
            tables = tomllib.loads(file.read_text())
            return cls({name: numbered(table) for name, table in tables.items()})
        except FileNotFoundError:
            return cls()
        except (tomllib.TOMLDecodeError, ValueError, AttributeError) as error:
            raise DeclarationError(
                f"{file} cannot be read: {error}: take it from version control, or write it anew with `craton proto`."
            ) from error

    def of(self, message: str, types: Mapping[str, str]) -> dict[str, int]:
        """The number of each field of a message, by its name and type."""
        kept = dict(self.locked.get(message, {}))
        for name, kind in types.items():
            was, number = kept.get(name, (kind, 0))
            if was != kind:
                raise DeclarationError(
                    f"{message}.{name} was {was} under number {number} and is now {kind}, which its clients cannot "
                    f"read: give the field a new name, or, where it has no clients yet, take it out of {LOCK}."
                )
            kept[name] = kind, number or 1 + max((taken for _, taken in kept.values()), default=0)
        self.given[message] = kept
        return {name: kept[name][1] for name in types}

    def gone(self, message: str, names: Mapping[str, Any]) -> dict[str, int]:
        """What a message once had: neither names nor numbers may come again."""
        return {name: number for name, (_, number) in self.locked.get(message, {}).items() if name not in names}


def numbered(table: Mapping[str, str]) -> Numbered:
    """One table of a lock file: `sku = "string = 1"`."""
    parts = {name: text.rpartition(" = ") for name, text in table.items()}
    return {name: (kind, int(number)) for name, (kind, _, number) in parts.items()}
