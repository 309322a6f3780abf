"""Asking running services what is left lying: `craton sagas`, `jobs`, `letters`, `lag`, and tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from craton.application import implementations, needs_of
from craton.calls.context import context
from craton.calls.stub import Remote
from craton.contract import Method
from craton.errors import CallError, NotRun, OutcomeUnknown
from craton.messages.letters import MANY, Letter
from craton.run.operator import (
    CANCEL_JOB,
    COUNTS,
    DISCARD_LETTER,
    JOB,
    JOBS,
    LAG,
    LETTER,
    LETTERS,
    OPERATOR,
    PROJECTIONS,
    REBUILD,
    RETRY_JOB,
    RETRY_LETTER,
    RETRY_SAGA,
    SAGA,
    SAGAS,
    JobCount,
    LagLine,
    ProjectionLine,
    SagaLine,
    SagaShown,
)
from craton.run.process import Process
from craton.task import JobStatus, State
from craton.tasks.operations import JobDetail
from craton.topology import GATEWAY

TIME = 10.0
"""Seconds within which a service must answer."""
AWAY = object()


class Operator:
    """Asks running services, through a process of their topology. `away` tells which modules did not answer the latest
    question, and why; `more`, how many letters it did not show.

    Pages for administrators may ask for one in their factory: it is theirs to see to who uses it. It asks the modules
    that the factory asks for (`asking` is its module), since a service can reach no others.
    """

    def __init__(self, process: Process, *, asking: str = GATEWAY.name) -> None:
        self.process, self.asking = process, asking
        self.modules = [module.name for module in process.application.modules if not module.asgi]
        if asking != GATEWAY.name:
            needs = needs_of(implementations(process.application, [asking])[asking]).values()
            self.modules = [module.name for module in process.application.modules if module.contract in needs]
        self.modules = [name for name in self.modules if name not in process.topology.abroad]
        self.away: dict[str, str] = {}
        self.more = 0

    async def sagas(self, *, state: str = "") -> tuple[SagaLine, ...]:
        """The sagas in a state; with "", all that have not ended."""
        found = await self.ask_all(SAGAS, state=state)
        return tuple(line for lines in found for line in lines)

    async def saga(self, id: str) -> SagaShown | None:
        """One saga; None where none of the modules that answer knows it."""
        return next((shown for shown in await self.ask_all(SAGA, id=id) if shown is not None), None)

    async def retry_saga(self, id: str) -> bool:
        """Put a parked saga back on its way. False where it is not parked."""
        return any(await self.ask_all(RETRY_SAGA, id=id))

    async def jobs(self, *states: State, task: str = "", limit: int = 100) -> tuple[JobStatus, ...]:
        """The jobs in these states, or all; of one task ("transcoding.encode"), or of all; the newest first."""
        module, _, name = task.partition(".")
        asked: dict[str, Any] = dict(states=states, task=name, most=limit)
        found = await self.ask_all(JOBS, among=[module] if task else self.working(), **asked)
        listed = sorted((job for jobs in found for job in jobs), key=lambda job: job.created, reverse=True)
        return tuple(listed[:limit])

    async def job(self, id: str) -> JobDetail | None:
        """One job; None where none of the modules that answer has it."""
        found = await self.ask_all(JOB, among=self.working(), id=id)
        return next((shown for shown in found if shown is not None), None)

    async def job_counts(self) -> tuple[JobCount, ...]:
        """How many jobs of each task are in each state."""
        return tuple(count for counts in await self.ask_all(COUNTS, among=self.working()) for count in counts)

    async def cancel_job(self, id: str) -> bool:
        """Have a job stopped. False where it has ended."""
        return any(await self.ask_all(CANCEL_JOB, among=self.working(), id=id))

    async def retry_job(self, id: str) -> bool:
        """Do a job again that failed, expired or was cancelled. False where it cannot be."""
        return any(await self.ask_all(RETRY_JOB, among=self.working(), id=id))

    def working(self) -> list[str]:
        """The modules that have tasks. NotRun where there is none."""
        found = [name for name in self.modules if self.process.application.module(name).tasks]
        if not found:
            raise NotRun(f"no module of {self.process.application.name} has tasks.")
        return found

    async def letters(self, *, status: str = "", limit: int = MANY) -> tuple[Letter, ...]:
        """The events that handlers could not apply: those of a status, or all (""); the oldest first."""
        pages = await self.ask_all(LETTERS, status=status, limit=limit)
        found = sorted((letter for page in pages for letter in page.letters), key=lambda letter: letter.created)
        self.more = max(0, sum(page.count for page in pages) - limit)
        return tuple(found[:limit])

    async def letter(self, id: str) -> Letter | None:
        """One of them."""
        return next((letter for letter in await self.ask_all(LETTER, id=id) if letter is not None), None)

    async def retry_letter(self, id: str) -> bool:
        """Try one again now. False where there is none, or it waits behind another."""
        return any(await self.ask_all(RETRY_LETTER, id=id))

    async def discard_letter(self, id: str) -> bool:
        """Never apply one. False where there is none."""
        return any(await self.ask_all(DISCARD_LETTER, id=id))

    async def lag(self) -> tuple[LagLine, ...]:
        """The events that are stored and not confirmed yet."""
        return tuple(line for lines in await self.ask_all(LAG) for line in lines)

    async def projections(self) -> tuple[ProjectionLine, ...]:
        """The read models that are kept by events."""
        return tuple(line for lines in await self.ask_all(PROJECTIONS) for line in lines)

    async def rebuild(self, id: str) -> bool:
        """Begin to build a read model, such as "orders.book", anew while it is used. False where that cannot be."""
        module = id.partition(".")[0]
        return module in self.modules and any(await self.ask_all(REBUILD, among=[module], id=id))

    async def ask_all(self, method: Method, *, among: Sequence[str] | None = None, **arguments: Any) -> list[Any]:
        """The answers of all modules that answer, or of some; NotRun where none does."""
        asked = self.modules if among is None else among
        away: dict[str, str] = {}
        answers = await asyncio.gather(*(self.ask(module, method, arguments, away) for module in asked))
        self.away = away
        if len(away) == len(asked):
            raise NotRun(f"no service answers: {next(iter(away.values()))}")
        return [answer for answer in answers if answer is not AWAY]

    async def ask(self, module: str, method: Method, arguments: dict[str, Any], away: dict[str, str]) -> Any:
        """One module's answer; AWAY where it does not answer."""
        name, asked = f"{module}.{method.name}", method.arguments(**arguments)
        hosted = self.process.endpoints.get(name)
        with context(caller=OPERATOR, deadline=asyncio.get_running_loop().time() + TIME, unit=None, run=None):
            try:
                if hosted:
                    return await hosted.ask(asked, key=self.key(method))
                remote = self.process.remote(name, method, asking=self.asking)
                return await self.send(remote, asked, key=self.key(method))
            except CallError as error:
                away[module] = str(error)
                return AWAY

    def key(self, method: Method) -> str | None:
        """A new key for what changes something."""
        return None if method.kind == "query" else self.process.ids.new("operator")

    async def send(self, remote: Remote, asked: msgspec.Struct, *, key: str | None) -> Any:
        """Ask once; but where it is unknown what came of a change, ask until that is known."""
        try:
            return await remote.ask(asked, key=key)
        except OutcomeUnknown:
            return await remote.insist(asked, key=key)
