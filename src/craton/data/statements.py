"""What a statement is: whether an application may run it, and whose the tables are that it names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from craton.errors import StatementRefused

VERBS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH", "VALUES", "TABLE"})
QUIET = re.compile(r"(?:\s|;|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
WORD = re.compile(r"\w+")


def check_verb(module: str, sql: str) -> None:
    """StatementRefused for statements that would end a transaction, change tables, or change the connection."""
    word = WORD.match(sql, QUIET.match(sql).end())  # type: ignore[union-attr]  # it matches nothing, too
    if word is None or word[0].upper() not in VERBS:
        raise StatementRefused(module, short(sql))


def short(sql: str) -> str:
    """A statement on one line, and not too long for a message."""
    line = " ".join(sql.split())
    return line if len(line) <= 80 else line[:77] + "..."


def owner_of(table: str, modules: Iterable[str]) -> str | None:
    """The module that a table belongs to: its name is `<module>_...`; of several that fit, the longest."""
    name = table.lower()
    return max((m for m in modules if name.startswith(f"{m.lower()}_")), key=len, default=None)
