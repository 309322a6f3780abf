"""What the processes of a side use while something is measured: processor time and memory, by part."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil

from craton.lab.compare.processes import Life, life_of
from craton.lab.compare.stand import PartKind, PartNow, Stand

INTERVAL = 1.0
"""Seconds between two looks. Only what a process of a side used after the last look, before it was killed, is lost."""


@dataclass(frozen=True, slots=True)
class Used:
    """What one part used: seconds of processors, by all its processes, those that have ended included."""

    name: str
    kind: PartKind
    processes: int
    seconds: float


Key = tuple[int, float]
"""A process by its id and the time when it began: ids are used again."""


class Tally:
    """The processor time of one part, from the first look on."""

    def __init__(self, lives: Mapping[Key, Life]) -> None:
        self.lives = lives
        self.before = sum(life.seconds for life in lives.values())
        self.lost = 0.0

    def look(self, lives: Mapping[Key, Life]) -> None:
        """Note what it is now. Who has ended counts in who waited for it; where nobody of this part did, as it was."""
        alive = {pid for pid, _ in lives}
        ended = [life for key, life in self.lives.items() if key not in lives]
        self.lost += sum(life.seconds for life in ended if life.parent not in alive)
        self.lives = lives

    @property
    def seconds(self) -> float:
        """What was used."""
        return self.lost + sum(life.seconds for life in self.lives.values()) - self.before


class Meter:
    """Adds up the processor time of a side: `async with Meter(stand) as meter: ...`, then `meter.used`."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.parts: Sequence[PartNow] = ()
        self.tallies: dict[str, Tally] = {}

    async def __aenter__(self) -> Self:
        self.parts = self.stand.parts()
        self.tallies = {part.name: Tally(lives_of(part.pids)) for part in self.parts}
        self.looking = asyncio.create_task(self.keep_looking())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None,
    ) -> None:
        self.look()
        self.looking.cancel()
        await asyncio.gather(self.looking, return_exceptions=True)

    async def keep_looking(self) -> None:
        """Look now and then, so that what killed processes have used is not lost."""
        while True:
            await asyncio.sleep(INTERVAL)
            self.look()

    def look(self) -> None:
        """Read all clocks."""
        self.parts = self.stand.parts()
        for part in self.parts:
            self.tallies.setdefault(part.name, Tally({})).look(lives_of(part.pids))

    @property
    def used(self) -> Sequence[Used]:
        """What each part has used until the last look."""
        return [Used(p.name, p.kind, len(p.pids), self.tallies[p.name].seconds) for p in self.parts]


def lives_of(pids: Sequence[int]) -> Mapping[Key, Life]:
    """These processes as they are now."""
    found = {pid: life_of(pid) for pid in pids}
    return {(pid, life.began): life for pid, life in found.items() if life}


def memory_of(stand: Stand) -> Mapping[str, int]:
    """The memory of each part, in bytes: what several processes share counts once, in equal shares (PSS)."""
    return {part.name: sum(map(memory, part.pids)) for part in stand.parts()}


def memory(pid: int) -> int:
    """The memory of a process; where the system does not tell shares, what it holds, shared or not."""
    process = psutil.Process(pid)
    try:
        return int(getattr(process.memory_full_info(), "pss", 0) or process.memory_info().rss)
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
