"""All controllers of a process behind one `Control`, for workers that ask for jobs of any module."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import count

from msgspec.structs import replace

from craton.tasks.claims import LONGEST_WAIT, POLL
from craton.tasks.controller import Controller
from craton.tasks.messages import Report, Requested, Take, Verdict


class Together:
    """See `Control`. `controllers`: by module; it may be filled later."""

    def __init__(self, controllers: Mapping[str, Controller]) -> None:
        self.controllers, self.turns = controllers, count()

    async def take(self, asked: Take) -> list[Requested]:
        """Of all modules, or of `asked.modules`."""
        wanted = [c for name, c in self.controllers.items() if not asked.modules or name in asked.modules]
        if len(wanted) == 1:
            return await wanted[0].take(asked)
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        until = loop.time() + (0.0 if asked.jobs else min(asked.wait, LONGEST_WAIT))
        for controller in wanted:
            controller.claims.listeners.add(woken.set)
        try:
            while not (found := await self.take_now(wanted, asked)) and loop.time() < until:
                await pause(woken, min(POLL, until - loop.time()))
            return found
        finally:
            for controller in wanted:
                controller.claims.listeners.discard(woken.set)

    async def take_now(self, wanted: Sequence[Controller], asked: Take) -> list[Requested]:
        """What there is now; each time another module comes first."""
        found, first = list[Requested](), next(self.turns) % max(1, len(wanted))
        for controller in (*wanted[first:], *wanted[:first]):
            room, most = asked.room - sum(job.taskweight for job in found), asked.most - len(found)
            if asked.jobs or (room > 0 and most > 0):
                found += await controller.take(replace(asked, room=room, most=most, wait=0.0))
        return found

    async def report(self, reports: Sequence[Report]) -> list[Verdict]:
        """Each to the controller of its job's module; refused where it is not here."""
        by_module: dict[str, list[Report]] = {}
        for report in reports:
            by_module.setdefault(report.taskmodule, []).append(report)
        here = {name: mine for name, mine in by_module.items() if name in self.controllers}
        answers = await asyncio.gather(*(self.controllers[name].report(mine) for name, mine in here.items()))
        found = {name: iter(verdicts) for name, verdicts in zip(here, answers, strict=True)}
        return [next(found[r.taskmodule]) if r.taskmodule in found else "refused" for r in reports]


async def pause(woken: asyncio.Event, seconds: float) -> None:
    """Wait until something happens, so many seconds at most."""
    try:
        async with asyncio.timeout(seconds):
            await woken.wait()
    except TimeoutError:
        return
    woken.clear()
