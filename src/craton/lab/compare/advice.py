"""Advice about the database: what costs time there that need not, which method causes it, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from craton.data.statements import WORD
from craton.data.tables import tables_of
from craton.lab.compare.indexes import Scan, scans
from craton.lab.compare.results import Advice
from craton.lab.recording.figures import Figures, Recording, Spent

SLOW, SLOWER = 0.02, 5
"""Seconds, and how many times what most statements take: PostgreSQL finds what an index leads to in less than a
hundredth of it, but on a machine that has too much to do everything is slow."""
RUNS = 3
"""Of a statement, from which on it is said to be slow: the first has to be planned, and finds nothing in memory."""
WAITS = 5
"""Waits from which on they are no coincidence."""
LONG = 0.001
"""Seconds that such a wait takes at least, where it is worth a word."""


@dataclass(frozen=True)
class Advising:
    """Looks through a recording."""

    found: Recording

    def all(self, scanned: Sequence[Scan]) -> Iterator[Advice]:
        """What costs most comes first, of each kind."""
        for advice in (self.slow(), self.repeated(), self.looped(), self.unindexed(scanned), self.waiting()):
            yield from sorted(advice, key=lambda one: one.count * one.seconds, reverse=True)

    def slow(self) -> Iterator[Advice]:
        """Statements that take long; the longest run is not counted, which mostly is the first."""
        least = max(SLOW, SLOWER * self.median())
        for line, key, spent in self.statements():
            if spent.count >= RUNS and (seconds := usual(spent)) >= least:
                yield Advice(
                    kind="slow", method=line.method, statement=self.found.texts[key], count=spent.count,
                    seconds=seconds, text=f"{who(line)} ran a statement {spent.count} times that takes "
                    f"{milliseconds(seconds)}: look at its plan (EXPLAIN ANALYZE), ask for less, or keep the answer.",
                )

    def repeated(self) -> Iterator[Advice]:
        """The same statement in a loop."""
        for line in self.found.methods.values():
            for key, again in line.repeats.items():
                if self.is_own(self.found.texts[key]):
                    continue  # the framework writes down each step of a saga by itself
                times = again.count / again.runs
                yield Advice(
                    kind="n+1", method=line.method, statement=self.found.texts[key], count=times,
                    seconds=self.seconds_of(key), text=f"{line.method} runs the same statement {times:g} times in one "
                    "run: ask for all at once, with IN or a join.",
                )

    def looped(self) -> Iterator[Advice]:
        """The same remote call in a loop."""
        for line in self.found.methods.values():
            for asked, again in line.loops.items():
                times = again.count / again.runs
                yield Advice(
                    kind="n+1", method=line.method, statement=asked, count=times, seconds=0.0,
                    text=f"{line.method} asks {asked} {times:g} times in one run, each time over the network: let "
                    f"{asked.partition('.')[0]} have a method that takes many at once.",
                )

    def unindexed(self, scanned: Sequence[Scan]) -> Iterator[Advice]:
        """Tables that are read from end to end."""
        by_key = {scan.key: scan for scan in scanned}
        for line, key, spent in self.statements():
            if (scan := by_key.get(key)) is not None:
                yield Advice(
                    kind="index", method=line.method, statement=self.found.texts[key], count=spent.count,
                    seconds=usual(spent), text=f"{who(line)} has {scan.table} read from end to end, {scan.rows} rows: "
                    f"{scan.cure}.",
                )

    def waiting(self) -> Iterator[Advice]:
        """What waited before it could begin: of each module, and told of the method that waited longest."""
        waits: dict[tuple[str, str], list[tuple[Spent, Figures]]] = {}
        for line in self.found.methods.values():
            for kind, spent in line.waits.items():
                waits.setdefault((line.module, kind), []).append((spent, line))
        for (_, kind), found in waits.items():
            count, seconds = (sum(getattr(spent, name) for spent, _ in found) for name in ("count", "seconds"))
            _, line = max(found, key=lambda pair: pair[0].seconds)
            others = " (with others of its module)" if len(found) > 1 else ""
            if count >= WAITS and seconds / count >= LONG:
                yield Advice(
                    kind="pool", method=line.method, statement="", count=count, seconds=seconds / count,
                    text=f"{who(line)} waited {count} times for {milliseconds(seconds / count)} each{others}, "
                    f"{CURES[kind]}.",
                )

    def median(self) -> float:
        """What a statement takes mostly, each time that one runs."""
        found = [usual(spent) for _, _, spent in self.statements() for _ in range(spent.count)]
        return median(found) if found else 0.0

    def statements(self) -> Iterator[tuple[Figures, str, Spent]]:
        """All that ran, and for whom."""
        for line in self.found.methods.values():
            for key, spent in line.statements.items():
                yield line, key, spent

    def seconds_of(self, key: str) -> float:
        """How long a statement takes, whoever runs it."""
        together = Spent()
        for _, other, spent in self.statements():
            if other == key:
                together.add(spent.count, spent.seconds, spent.longest)
        return usual(together)

    def is_own(self, text: str) -> bool:
        """Whether a statement is about the framework's own tables."""
        modules = {line.module for line in self.found.methods.values()}
        tables = {name for module in modules for name in tables_of(module).metadata.tables}
        return not tables.isdisjoint(WORD.findall(text))


CURES = {
    "connection": "since all connections to the database were in use: ask for less, or see what else keeps them, or "
    "the machine, busy",
    "conflict": "since commands met conflicts in its database, and are let in a few at a time: let them change, and "
    "look through, fewer rows in common",
    "writer": "since SQLite has one writer: use PostgreSQL where much is written at once",
}


async def advise(found: Recording, database: str) -> tuple[Advice, ...]:
    """What there is to say about what was recorded, on the PostgreSQL server at a URL, whose databases hold the tables
    of the modules. (Each is found by its schema: the user must be allowed to connect to them, and to read.)"""
    return tuple(Advising(found).all(await scans(asked_of(found), database)))


def asked_of(found: Recording) -> dict[str, dict[str, str]]:
    """The statements that ran in the database of each module, by their keys."""
    asked: dict[str, dict[str, str]] = {}
    for line in found.methods.values():
        asked.setdefault(line.module, {}).update({key: found.texts[key] for key in line.statements})
    return asked


def usual(spent: Spent) -> float:
    """Seconds of a run, without the longest where there are others."""
    return spent.seconds if spent.count == 1 else (spent.seconds - spent.longest) / (spent.count - 1)


def who(line: Figures) -> str:
    """A method; pages; or the framework, at work for a module."""
    if "." in line.method:
        return line.method
    if not line.module:
        return "the framework"
    return f"a page of {line.module}" if line.runs else f"the framework, for {line.module},"


def milliseconds(seconds: float) -> str:
    """A time for people."""
    return f"{seconds * 1000:.3g} ms"
