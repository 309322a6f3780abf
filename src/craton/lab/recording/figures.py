"""What was recorded: the figures of each method, as they stand in a file, and how they are read while it grows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from craton.errors import SettingsError

GIVE = "give what `craton run --record FILE` wrote"


class Sent(msgspec.Struct):
    """What was asked over a link: `size` are the bytes of requests and replies, their heads not included."""

    count: int = 0
    size: int = 0

    def add(self, count: int, size: int) -> None:
        """More of it."""
        self.count += count
        self.size += size


class Spent(msgspec.Struct):
    """How often something was done, and the seconds that it took, and that it took at most."""

    count: int = 0
    seconds: float = 0.0
    longest: float = 0.0

    def add(self, count: int, seconds: float, longest: float) -> None:
        """More of it."""
        self.count += count
        self.seconds += seconds
        self.longest = max(self.longest, longest)


class Repeated(msgspec.Struct):
    """In how many runs something was done many times, how often in all of these, and in one of them at most."""

    runs: int = 0
    count: int = 0
    most: int = 0

    def add(self, runs: int, count: int, most: int) -> None:
        """More of it."""
        self.runs += runs
        self.count += count
        self.most = max(self.most, most)


class Figures(msgspec.Struct, omit_defaults=True):
    """What one method did. (A module's name stands for its pages, and for what the framework does for it; "" for what
    it does for nobody in particular.)

    `calls`: how often it asked methods of other modules; `remote`: which of these went over a link. `statements` are
    those that it had run in its module's database, by the key of their text; `commits` of transactions that wrote;
    `events` that were published, by type; `waits` for a connection of the pool ("connection"), for commands that would
    conflict ("conflict"), or for the one writer that SQLite has ("writer"). `repeats`: statements that one run of it
    brought about many times, by itself or by methods of other modules beside it; `loops`: the same of remote calls.
    """

    method: str
    runs: int
    calls: dict[str, int]
    remote: dict[str, Sent] = msgspec.field(default_factory=dict)
    statements: dict[str, Spent] = msgspec.field(default_factory=dict)
    commits: int = 0
    events: dict[str, int] = msgspec.field(default_factory=dict)
    waits: dict[str, Spent] = msgspec.field(default_factory=dict)
    repeats: dict[str, Repeated] = msgspec.field(default_factory=dict)
    loops: dict[str, Repeated] = msgspec.field(default_factory=dict)
    texts: dict[str, str] = msgspec.field(default_factory=dict)
    """The texts of statements that this process has not told before."""

    @property
    def module(self) -> str:
        """Whose it is."""
        return self.method.partition(".")[0]

    @property
    def busy(self) -> bool:
        """Whether it was asked for something, or changed something: not only looked whether there is anything to do."""
        return bool(self.runs or self.commits or self.remote)

    def add(self, other: Figures) -> None:
        """What was found later."""
        self.runs += other.runs
        self.commits += other.commits
        for counted, more in ((self.calls, other.calls), (self.events, other.events)):
            for name, number in more.items():
                counted[name] = counted.get(name, 0) + number
        for name, sent in other.remote.items():
            self.remote.setdefault(name, Sent()).add(sent.count, sent.size)
        for spent, others in ((self.statements, other.statements), (self.waits, other.waits)):
            for name, took in others.items():
                spent.setdefault(name, Spent()).add(took.count, took.seconds, took.longest)
        for repeated, again in ((self.repeats, other.repeats), (self.loops, other.loops)):
            for name, found in again.items():
                repeated.setdefault(name, Repeated()).add(found.runs, found.count, found.most)
        self.texts |= other.texts


class Recording:
    """The figures of all methods, and the texts of statements by their keys."""

    def __init__(self, lines: Iterable[Figures] = ()) -> None:
        self.methods: dict[str, Figures] = {}
        self.texts: dict[str, str] = {}
        for line in lines:
            self.add(line)

    def add(self, line: Figures) -> None:
        """One line of a file."""
        self.methods.setdefault(line.method, Figures(line.method, 0, {})).add(line)
        self.texts |= line.texts

    def put(self, other: Recording) -> None:
        """What was recorded later."""
        for line in other.methods.values():
            self.add(line)

    @property
    def busy(self) -> bool:
        """Whether any of it was more than looking whether there is something to do."""
        return any(line.busy for line in self.methods.values())


class Reader:
    """Reads a file while processes add to it."""

    def __init__(self, file: str) -> None:
        self.file, self.place = Path(file), 0

    def more(self, *, last: bool = False) -> Recording:
        """What has come since the last time, in whole lines; the `last` time, all. SettingsError where it is something
        else."""
        try:
            with self.file.open("rb") as opened:
                opened.seek(self.place)
                found = opened.read()
        except OSError as error:
            raise SettingsError(f"{self.file} cannot be read ({error.strerror}): {GIVE}.") from error
        whole = found if last else found[: found.rfind(b"\n") + 1]
        self.place += len(whole)
        try:
            return Recording(msgspec.json.decode(line, type=Figures) for line in whole.splitlines())
        except msgspec.MsgspecError as error:
            raise SettingsError(f"{self.file} is no recorded traffic: {GIVE}.") from error


def recorded(file: str) -> Recording:
    """All that a file holds."""
    return Reader(file).more(last=True)


def traffic(file: str) -> dict[tuple[str, str], float]:
    """How often each method asks another each time it runs, over all that was recorded in a file."""
    methods = recorded(file).methods.values()
    return {
        (one.method, asked): number / one.runs
        for one in methods if one.runs and "." in one.method for asked, number in one.calls.items()
    }
