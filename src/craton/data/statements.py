"""What a statement is: whether an application may run it, and whose the tables are that it names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from craton.errors import StatementRefused

TEXTS = 2_000
"""Texts to remember what they are."""
VERBS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "WITH", "VALUES", "TABLE"})
QUIET = re.compile(r"(?:\s|;|\(|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)
WORD = re.compile(r"\w+")
MODIFIES = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"})
PLAIN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$""", re.DOTALL)
CALL = re.compile(r"(\w+)\s*\(")
QUOTED_CALL = re.compile(r'"\s*\(')
KNOWN = frozenset(
    "ALL AND ANY AS AVG BETWEEN BY CASE CAST COALESCE COUNT DISTINCT ELSE EXISTS EXTRACT FILTER FROM HAVING IN JOIN "
    "LENGTH LIKE LIMIT LOWER MAX MIN NOT NULLIF ON OR OVER ROUND SELECT SOME SUM THEN UNION UPPER USING VALUES VARCHAR "
    "NUMERIC WHEN WHERE WITH".split()
)
"""Words before a parenthesis that stand for nothing that could write."""
PART = re.compile(r"[()]\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO)\b", re.IGNORECASE)


@lru_cache(TEXTS)
def verb_of(sql: str) -> str:
    """The first word, in capitals."""
    word = WORD.match(sql, QUIET.match(sql).end())  # type: ignore[union-attr]  # it matches nothing, too
    return word[0].upper() if word is not None else ""


def check_verb(module: str, sql: str) -> None:
    """StatementRefused for statements that would end a transaction, change tables, or change the connection."""
    if verb_of(sql) not in VERBS:
        raise StatementRefused(module, short(sql))


def short(sql: str) -> str:
    """A statement on one line, and not too long for a message."""
    line = " ".join(sql.split())
    return line if len(line) <= 80 else line[:77] + "..."


def owner_of(table: str, modules: Iterable[str]) -> str | None:
    """The module that a table belongs to: its name is `<module>_...`; of several that fit, the longest."""
    name = table.lower()
    return max((m for m in modules if name.startswith(f"{m.lower()}_")), key=len, default=None)


@lru_cache(TEXTS)
def modifies(sql: str) -> bool:
    """Whether a statement says that it writes; what a function does that it calls is not seen here."""
    verb = verb_of(sql)
    return verb in MODIFIES or (verb == "WITH" and PART.search(PLAIN.sub(" ", sql)) is not None)


@lru_cache(TEXTS)
def harmless(sql: str) -> bool:
    """Whether a statement certainly writes nothing: it calls no function but those that are known."""
    called = {name.upper() for name in CALL.findall(PLAIN.sub(" ", sql))} - KNOWN
    return not (called or modifies(sql) or QUOTED_CALL.search(sql))
