"""How a saga asks for a step that is elsewhere: under one key, until it knows, or until its patience ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from craton.calls.context import context
from craton.calls.receiver import as_call_error
from craton.calls.retry import FINAL, Backoff
from craton.errors import CallError, Failed, OutcomeUnknown, StillRunning
from craton.sagas.saga import Bound
from craton.values import Fault

ANSWER = 5.0
"""Seconds that one try may take."""
PATIENCE = 30.0
"""Seconds until a step that can be undone, or never happened, is given up."""
BROKEN = 5
"""How often a step may break (Failed) before it is given up."""


@dataclass(slots=True)
class Asking:
    """One step elsewhere. `patient` never gives up; `patient_if_unknown` gives up only what surely did not happen."""

    call: Bound
    key: str
    undoes: str | None = None
    patient: bool = False
    patient_if_unknown: bool = False
    backoff: Backoff = field(default_factory=Backoff)
    unknown: bool = False
    broken: int = 0

    async def insist(self) -> Any:
        """The step's answer. Raises its faults; CallError when it is given up."""
        started = asyncio.get_running_loop().time()
        while True:
            try:
                return await self.once()
            except CallError as error:
                waited = asyncio.get_running_loop().time() - started
                if not self.again(error, waited):
                    raise
            await asyncio.sleep(self.backoff.pause())

    async def once(self) -> Any:
        """One try."""
        deadline = asyncio.get_running_loop().time() + ANSWER
        with context(run=None, unit=None, kind="saga", key=None, given=None, inner=None, deadline=deadline):
            try:
                async with asyncio.timeout_at(deadline):
                    return await self.call.endpoint.ask(self.call.arguments, key=self.key, undoes=self.undoes)
            except TimeoutError as error:
                raise OutcomeUnknown(f"{self.call.endpoint.name} did not answer within {ANSWER} s") from error
            except Exception as error:  # an effect hosted here breaks in the same way as one that is asked over a link
                if isinstance(error, Fault) and type(error) in self.call.endpoint.method.raises:
                    raise
                raise as_call_error(self.call.endpoint.name, error) from error

    def again(self, error: CallError, waited: float) -> bool:
        """Whether to ask once more."""
        self.unknown = self.unknown or isinstance(error, OutcomeUnknown | Failed)
        if isinstance(error, Failed):
            self.broken += 1
            return self.broken < BROKEN * (4 if self.patient else 1)
        if isinstance(error, FINAL) and not isinstance(error, StillRunning):
            return False
        return self.patient or (self.unknown and self.patient_if_unknown) or waited < PATIENCE
