"""Simulated crashes: an application whose services can be killed at any await and any commit, and started again.

All services of a topology run on one loop with virtual time. To kill one is to never run its code again: no `finally`,
no callback, no timer. Its databases are closed without a commit. Then it is started again, as by a supervisor.
"""

from __future__ import annotations

import asyncio
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from craton.application import Application
from craton.calls.context import NOBODY, Caller
from craton.calls.link import Request
from craton.contract import Method
from craton.errors import CallError, Failed, NotRun, OutcomeUnknown
from craton.topology import Topology
from craton.values import Fault
from tests.crash.loop import CrashLoop
from tests.crash.order import orderly
from tests.crash.service import Service, answer, unanswered

PATIENCE = 300.0
"""Virtual seconds after which there must be an answer, and quiet."""
RESTART = 0.2
"""Virtual seconds until a dead service is started again."""


@dataclass(slots=True)
class Plan:
    """What goes wrong in a run. `kills`: at which points, counted from 1 over all services, the service there dies.

    `fates`: what becomes of the n-th request for a method between services, by ("inventory.reserve", n), from 1: "lost"
    on its way, "mute" (its reply is lost), "late" (it arrives when all is over), "twice" (now, and when all is over).
    """

    kills: frozenset[int] = frozenset()
    fates: Mapping[tuple[str, int], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Point:
    """Where a service may die. Between two points of one `moment` nothing happens outside the memory of that service,
    so that a death at either leaves the same world behind."""

    service: str
    place: str
    moment: tuple[int, int]


class Numbered:
    """Ids that are the same in each run."""

    def __init__(self) -> None:
        self.last = 0

    def new(self, kind: str) -> str:
        self.last += 1
        return f"{kind}-{self.last:08}"


class World:
    """A topology whose services die and rise again, and the client who asks until he is answered."""

    def __init__(
        self, application: Application, topology: Topology, folder: Path, *, plan: Plan | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.application, self.topology, self.folder, self.plan = application, topology, folder, plan or Plan()
        self.environ = environ or {}
        self.databases = {service.name: f"sqlite:///{folder / service.name}.db" for service in topology.services}
        self.names = [service.name for service in topology.services]
        if len(self.names) > 1:
            self.names.append("gateway")
        self.services: dict[str, Service] = {}
        self.lives: list[Service] = []
        self.ids = Numbered()
        self.counting = False
        self.points: list[Point] = []
        self.commits: list[int] = []
        self.changes = 0
        self.requests = Counter[str]()
        self.late: list[tuple[str, Request]] = []

    # ------------------------------------------------------------------ what happens, and what goes wrong

    def comes_to(self, service: Service, place: str) -> bool:
        """A service comes to a point; whether it dies there."""
        if not self.counting:
            return False
        loop: Any = asyncio.get_running_loop()
        if " craton." not in place:
            self.changes += 1  # the application's own awaits may touch the outside
        self.points.append(Point(service.name, place, (loop.turns, self.changes)))
        if len(self.points) not in self.plan.kills:
            return False
        service.die()
        return True

    def note_statement(self, text: str) -> None:
        """A statement is about to run on a writing connection. For each COMMIT: how many points had been come to."""
        if text == "COMMIT":
            self.changes += 1
            if self.counting:
                self.commits.append(len(self.points))

    def fate_of(self, request: Request) -> str:
        """What becomes of the next request between services."""
        self.changes += 1
        self.requests[request.method] += 1
        return self.plan.fates.get((request.method, self.requests[request.method]), "")

    def up(self, name: str) -> Service | None:
        """A service that can be asked."""
        service = self.services.get(name)
        return service if service is not None and service.ready else None

    # ------------------------------------------------------------------ its life

    async def keep(self, name: str) -> None:
        """For ever: start a service, and start it again when it has died."""
        while True:
            service = self.services[name] = Service(self, name)
            self.lives.append(service)
            opening = service.spawn(service.open())
            await asyncio.wait({opening, service.died}, return_when=asyncio.FIRST_COMPLETED)
            if opening.done():
                opening.result()
            await service.died
            await asyncio.sleep(RESTART)

    async def start(self) -> list[asyncio.Task[None]]:
        """Start all services; points count from now on. Returns who keeps them."""
        keepers = [asyncio.get_running_loop().create_task(self.keep(name)) for name in self.names]
        while not all(self.up(name) for name in self.names):
            await asyncio.sleep(0.01)
            broken(keepers)
        self.counting = True
        return keepers

    def busy(self) -> bool:
        """Whether anything is still going on."""
        hosted = [h for s in self.services.values() for h in s.process.hosted.values() if s.alive]
        effects = any(e.running for h in hosted for e in h.settle.effects.values())
        return effects or any(h.sagas.ongoing for h in hosted) or not all(self.up(name) for name in self.names)

    async def settle(self) -> None:
        """Wait until nothing goes on any more, and nothing is picked up either."""
        until = asyncio.get_running_loop().time() + PATIENCE
        quiet = 0
        while quiet < 3:
            await asyncio.sleep(0.6)  # longer than the pulse with which sagas are picked up
            quiet = 0 if self.busy() else quiet + 1
            assert asyncio.get_running_loop().time() < until, "something still goes on"

    async def deliver_late(self) -> None:
        """What was delayed arrives now."""
        while self.late:
            name, request = self.late.pop(0)
            if (service := self.up(name)) is not None:
                arrived = service.spawn(answer(service.process.handler, request))
                await asyncio.wait({arrived, service.died}, return_when=asyncio.FIRST_COMPLETED)

    # ------------------------------------------------------------------ its client

    async def ask(
        self, name: str, *args: Any, key: str | None, caller: Caller = NOBODY, once: bool = False, **kwargs: Any
    ) -> Any:
        """Call "orders.checkout" from outside, under the same key again and again, until there is an answer.

        A Fault, or Failed, is an answer, and is returned. AssertionError when none comes. With `once`, None instead.
        """
        arguments = self.method(name).bind(args, kwargs)
        until, last = asyncio.get_running_loop().time() + PATIENCE, None
        while asyncio.get_running_loop().time() < until:
            try:
                return await self.ask_once(name, arguments, key=key, caller=caller)
            except (Fault, Failed) as final:
                return final
            except CallError as error:
                last = str(error)
            if once:
                return None
            await asyncio.sleep(0.1)
        raise AssertionError(f"{name} was not answered within {PATIENCE:g} s: {last}")

    async def ask_once(self, name: str, arguments: msgspec.Struct, *, key: str | None, caller: Caller) -> Any:
        """One try."""
        door = self.up(self.names[-1])
        if door is None:
            raise NotRun("the door is closed")
        task = door.spawn(door.process.call(name, arguments, caller=caller, key=key, timeout=10.0))
        await asyncio.wait({task, door.died}, return_when=asyncio.FIRST_COMPLETED)
        if unanswered(task):
            raise OutcomeUnknown("the door went away")
        return task.result()

    def method(self, name: str) -> Method:
        """A method of a contract."""
        return next(m for module, m in self.application.methods() if f"{module.name}.{m.name}" == name)


def broken(keepers: list[asyncio.Task[None]]) -> None:
    """Raise why a service could not be started."""
    for keeper in keepers:
        if keeper.done():
            keeper.result()


def simulate(world: World, work: Callable[[], Awaitable[Any]]) -> Any:
    """Run `work` in a world, then end the world, and bury all that it left."""
    loop = CrashLoop()
    asyncio.set_event_loop(loop)
    try:
        with orderly():
            return loop.run_until_complete(live(world, work))
    finally:
        bury(world, loop)


async def live(world: World, work: Callable[[], Awaitable[Any]]) -> Any:
    """Run `work` while the services live."""
    keepers = await world.start()
    working = asyncio.ensure_future(work())
    await asyncio.wait({working, *keepers}, return_when=asyncio.FIRST_COMPLETED)
    broken(keepers)
    result = await working
    loop: Any = asyncio.get_running_loop()
    if loop.errors:
        raise loop.errors[0]
    return result


def bury(world: World, loop: CrashLoop) -> None:
    """Kill what lives, and close what the dead have left: their coroutines are unwound where they can harm no more."""
    for service in world.lives:
        if service.alive:
            service.die()
    context = world.lives[0].context if world.lives else Context()  # of a dead service: each await there raises Killed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for task in loop.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]  # asyncio's own way to say so
                unwind(task.get_coro(), context)
        loop.tasks.clear()
        loop.close()
        asyncio.set_event_loop(None)
    for service in world.lives:
        service.forget()
    world.services.clear()


def unwind(coroutine: Any, context: Context) -> None:
    """Close a coroutine that will never be resumed."""
    for _ in range(20):  # its `finally` blocks may await, which keeps it open
        with suppress(BaseException):
            context.copy().run(coroutine.close)
            return
