"""All controllers of a process behind one `Control`, for workers that ask for jobs of any module."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import count

from msgspec.structs import replace

from craton.calls.context import CONTEXT, Context
from craton.errors import CallError
from craton.tasks.claims import LONGEST_WAIT, POLL
from craton.tasks.controller import Controller
from craton.tasks.messages import Report, Requested, Take, Verdict


class Together:
    """See `Control`. `controllers`: by module; it may be filled later."""

    def __init__(self, controllers: Mapping[str, Controller]) -> None:
        self.controllers, self.turns = controllers, count()
        self.waiting = set[asyncio.Event]()
        self.looking: asyncio.Task[None] | None = None

    async def take(self, asked: Take) -> list[Requested]:
        """Of all modules, or of `asked.modules`."""
        wanted = [c for name, c in self.controllers.items() if not asked.modules or name in asked.modules]
        if len(wanted) == 1:
            return await wanted[0].take(asked)
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        until = loop.time() + (0.0 if asked.jobs else min(asked.wait, LONGEST_WAIT))
        with ExitStack() as stack:
            for listeners in (controller.claims.listeners for controller in wanted):
                listeners.add(woken.set)
                stack.callback(listeners.discard, woken.set)
            while not (found := await self.take_now(wanted, asked)) and loop.time() < until:
                await self.pause(woken, until - loop.time())
        return found

    async def take_now(self, wanted: Sequence[Controller], asked: Take) -> list[Requested]:
        """What there is now; each time another module comes first. CallError where none of them can say."""
        found, first, errors = list[Requested](), next(self.turns) % max(1, len(wanted)), list[CallError]()
        try:
            for controller in (*wanted[first:], *wanted[:first]):
                if (left := rest(asked, found)) is not None:
                    try:
                        found += await controller.take(left)
                    except CallError as error:
                        errors.append(error)
        except asyncio.CancelledError:
            for job in found:
                self.controllers[job.taskmodule].claims.refuse([job], asked.worker)
            raise
        if errors and len(errors) == len(wanted):
            raise errors[0]
        return found

    async def pause(self, woken: asyncio.Event, seconds: float) -> None:
        """Wait until something is due, so many seconds at most."""
        self.waiting.add(woken)
        if self.looking is None or self.looking.done():
            self.looking = asyncio.get_running_loop().create_task(self.look(), name="jobs of all modules")
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            pass
        finally:
            self.waiting.discard(woken)
            woken.clear()

    async def look(self) -> None:
        """While workers wait: look for what becomes due, or what another process has stored, once for all of them."""
        CONTEXT.set(Context())
        while self.waiting:
            await asyncio.sleep(POLL)
            try:
                due = [await controller.claims.is_due() for controller in self.controllers.values()]
            except Exception:  # the database may be away: they find out themselves
                due = [True]
            for woken in self.waiting if any(due) else ():
                woken.set()

    async def report(self, reports: Sequence[Report]) -> list[Verdict]:
        """Each to the controller of its job's module; refused where it is not here."""
        by_module: dict[str, list[Report]] = {}
        for report in reports:
            by_module.setdefault(report.taskmodule, []).append(report)
        here = {name: mine for name, mine in by_module.items() if name in self.controllers}
        answers = await asyncio.gather(*(self.controllers[name].report(mine) for name, mine in here.items()))
        found = {name: iter(verdicts) for name, verdicts in zip(here, answers, strict=True)}
        return [next(found[r.taskmodule]) if r.taskmodule in found else "refused" for r in reports]


def rest(asked: Take, found: Sequence[Requested]) -> Take | None:
    """What is still asked for when some has been found; None where that is nothing."""
    if asked.jobs:
        beside = sum(job.taskid not in asked.jobs for job in found)
        return replace(asked, more=max(0, asked.more - beside))
    room, most = asked.room - sum(job.taskweight for job in found), asked.most - len(found)
    return replace(asked, room=room, most=most, wait=0.0) if most > 0 and (room > 0 or not found) else None
