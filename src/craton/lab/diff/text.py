"""A difference as text for people: the weightiest first, one thing a line, with where it stands and how it is known."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence

from craton.lab.diff.change import Change
from craton.lab.diff.difference import Difference

WIDTH = 118
"""How wide text is for people, in characters."""
ROOM = 45
"""How much of that who asks may take."""
Row = tuple[str, ...]
"""The cells of a line; a row of one cell belongs to the row before it."""
HEADS = {
    "transaction":
        "Sagas that commit otherwise: what + joins is one transaction; at each | others see what is done so far, and a "
        "crash is made good from a journal. (* an effect, ? not always, … again)",
    "read outside": "Reads that leave a saga's transaction: others may change what was seen before the saga commits.",
    "read inside": "Reads that join a saga's transaction: what was seen holds until it commits.",
    "loop remote": "Loops that make remote calls in each turn.",
    "loop local": "Loops whose calls become local.",
    "call remote": "Calls that become remote: they take time, and may fail with NotRun or OutcomeUnknown.",
    "call local": "Calls that become local: they take no time, and no network can lose them.",
    "event remote": "Events that go to another service.",
    "event local": "Events that stay in their service.",
    "database": "Databases. Rows do not move by themselves.",
}


def text(difference: Difference) -> str:
    """A difference for people."""
    lines = [f"{difference.application}: from {difference.before} to {difference.after}", *counts(difference)]
    for name, head in HEADS.items():
        changes = [change for change in difference.changes if section(change) == name]
        if changes:
            lines += ["", *textwrap.wrap(head, WIDTH), *table(list(WRITERS[changes[0].effect](changes)))]
    if not difference.changes:
        lines.append("Nothing changes.")
    if difference.not_followed:
        lines += ["", "Not followed: what is asked where a module is handed on."]
        lines += [f"  {what}" for what in difference.not_followed]
    return "\n".join(lines)


def section(change: Change) -> str:
    """Under which head a change stands."""
    if change.effect in ("transaction", "database", "count"):
        return change.effect
    if change.effect == "read":
        return f"read {change.after}"
    return f"{change.effect} {'local' if change.after == 'local' else 'remote'}"


def counts(difference: Difference) -> Iterator[str]:
    """What is counted, in one line."""
    found = [
        f"{c.asking} {c.before} -> {c.after}{' with the gateway' if c.asking == 'processes' else ''}"
        for c in difference.changes if c.effect == "count"
    ]
    if found:
        yield from textwrap.wrap(f"{', '.join(found)} (declared)", WIDTH, break_on_hyphens=False)


def table(rows: Sequence[Row]) -> list[str]:
    """Rows in columns."""
    widths = [max(map(len, column)) for column in zip(*(row for row in rows if len(row) > 1), strict=True)]
    return [line for row in rows for line in (below(row[0]) if len(row) == 1 else [across(row, widths)])]


def across(row: Row, widths: Sequence[int]) -> str:
    """One row in its columns."""
    return "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def below(cell: str) -> list[str]:
    """What belongs to the row before it."""
    return textwrap.wrap(
        cell, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 14, break_long_words=False, break_on_hyphens=False,
    )


def transactions(changes: Sequence[Change]) -> Iterator[Row]:
    """A saga, in how many parts it commits, and its steps before and after."""
    for change in changes:
        yield change.asking, f"{parts(change.before)} -> {parts(change.after)}", place(change), known(change)
        yield (f"before  {change.before}",)
        yield (f"after   {change.after}",)


def parts(steps: str) -> str:
    """In how many parts a saga commits; one that needs no journal is a transaction."""
    number, again = steps.count("|") + 1, steps.count("| …")
    if number == 1 and "*" not in steps:
        return "one transaction"
    return f"{number - again} parts" + (" or more" if again else "")


def reads(changes: Sequence[Change]) -> Iterator[Row]:
    """A read: who asks what, as a part of which saga."""
    for change in changes:
        yield f"{change.asking} -> {change.asked[0]}", change.hint, place(change), known(change)


def loops(changes: Sequence[Change]) -> Iterator[Row]:
    """A loop, what it asks, and what would be better."""
    for change in changes:
        yield change.asking, place(change), known(change)
        hint = f" ({change.hint})" if change.hint and change.after != "local" else ""
        yield (f"in each turn {', '.join(change.asked)}{hint}",)


def calls(changes: Sequence[Change]) -> Iterator[Row]:
    """The calls of one method in one file, of which the same is known, in one line."""
    groups: dict[tuple[str, str, str], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.asked[0], known(change), change.file), []).append(change)
    for (asked, source, file), those in groups.items():
        for part in packed(those):
            lines = ",".join(dict.fromkeys(str(change.line) for change in part))
            yield f"{names(part)} -> {asked}", part[0].kind or "need", f"{file}:{lines}" if file else "", source


def packed(changes: Sequence[Change]) -> list[list[Change]]:
    """Changes in parts whose names fit into a line."""
    parts: list[list[Change]] = [[]]
    for change in changes:
        if parts[-1] and len(names([*parts[-1], change])) > ROOM:
            parts.append([])
        parts[-1].append(change)
    return parts


def events(changes: Sequence[Change]) -> Iterator[Row]:
    """An event, from where, and all who hear of it."""
    groups: dict[tuple[str, str, str, str], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.kind, change.asking, place(change), known(change)), []).append(change)
    for (event, asking, at, source), those in groups.items():
        yield event, f"from {asking}", at, source
        yield (f"to {', '.join(change.asked[0] for change in those)}",)


def databases(changes: Sequence[Change]) -> Iterator[Row]:
    """What shared a database and does not, or the reverse."""
    for change in changes:
        yield change.asking, "parts" if "|" in change.after else "joins", known(change)
        yield (change.after if "|" in change.after else change.before,)


WRITERS: dict[str, Callable[[Sequence[Change]], Iterator[Row]]] = {
    "transaction": transactions, "read": reads, "loop": loops, "call": calls, "event": events, "database": databases,
}


def names(changes: Sequence[Change]) -> str:
    """Who asks, each once: "orders.checkout, resume; carts.refresh"."""
    methods: dict[str, dict[str, None]] = {}
    for change in changes:
        module, _, method = change.asking.partition(".")
        methods.setdefault(module, {})[method] = None
    return "; ".join(f"{module}.{', '.join(those)}".rstrip(".") for module, those in methods.items())


def place(change: Change) -> str:
    """Where it stands in the code."""
    return f"{change.file}:{change.line}" if change.file else ""


def known(change: Change) -> str:
    """How it is known."""
    rate = f" {change.calls:.3g} a request" if change.calls is not None else ""
    return ", ".join(change.known) + rate
