"""Asking running services what is left lying: `craton sagas`, `craton letters`, `craton lag`, and tests."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from craton.application import implementations, needs_of
from craton.calls.context import context
from craton.calls.stub import Remote
from craton.contract import Method
from craton.errors import CallError, NotRun, OutcomeUnknown
from craton.messages.letters import MANY, Letter
from craton.run.operator import (
    DISCARD_LETTER,
    LAG,
    LETTER,
    LETTERS,
    OPERATOR,
    PROJECTIONS,
    REBUILD,
    RETRY_LETTER,
    RETRY_SAGA,
    SAGA,
    SAGAS,
    LagLine,
    ProjectionLine,
    SagaLine,
    SagaShown,
)
from craton.run.process import Process
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
        return module in self.modules and any(await self.ask_all(REBUILD, only=module, id=id))

    async def ask_all(self, method: Method, *, only: str | None = None, **arguments: Any) -> list[Any]:
        """The answers of all modules that answer, or of one; NotRun where none does."""
        asked = self.modules if only is None else [only]
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
