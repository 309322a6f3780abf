"""The storm: what befalls the processes while customers buy."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from apps.store.crashtest.books import busy
from craton.run.child import answers
from craton.testing.processes import Processes
from tests.postgresql import Server

UNDER_WAY = 20
"""Sagas that go on when something is stopped for a while."""


@dataclass
class Storm:
    """What befalls the processes. `kills` is when which was killed, in seconds since the storm began."""

    processes: Processes
    chance: random.Random
    every: float = 1.0
    kills: list[tuple[float, str]] = field(default_factory=list)

    async def rage(self) -> None:
        """For ever: one kill after the other."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for turn in itertools.count(1):
            await asyncio.sleep(max(0.0, began + turn * self.every - loop.time()))
            found = [name for name in services(self.processes) if await self.serves(name)]
            if found and self.processes.kill(name := self.chance.choice(found)):
                self.kills.append((loop.time() - began, name))

    async def serves(self, name: str) -> bool:
        """Whether a process has anything to lose: one that is still starting has not."""
        return await answers(self.processes.children[name].program.answers_at)

    async def freeze(self, name: str, *, seconds: float) -> None:
        """Stop a process for a while, as a machine that is moved; then let it go on as if nothing had been."""
        await busy(self.processes, sagas=UNDER_WAY)
        assert self.processes.kill(name, with_signal=signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            assert self.processes.kill(name, with_signal=signal.SIGCONT)

    async def crash(self, database: Server, *, seconds: float) -> None:
        """Crash the database server, have it away for a while, and start it again, three times."""
        for turn in range(3):
            await busy(self.processes, sagas=UNDER_WAY)
            await asyncio.to_thread(database.stop, signal.SIGQUIT)
            self.kills.append((float(turn), "postgresql"))
            try:
                await asyncio.sleep(seconds)
            finally:
                await asyncio.to_thread(database.start)

    def summary(self) -> str:
        """How often which was killed."""
        counted = Counter(name for _, name in self.kills)
        return f"{len(self.kills)} kills ({', '.join(f'{name} {n}' for name, n in sorted(counted.items()))})"


def services(processes: Processes) -> Sequence[str]:
    """What may be killed: the application's own processes. A companion is part of the outside world."""
    companions = {companion.name for companion in processes.plan.companions}
    return [name for name in processes.children if name not in companions]
