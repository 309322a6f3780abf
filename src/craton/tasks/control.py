"""`Control`: how workers reach controllers, in the same process or by HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from craton.tasks.messages import Report, Requested, Take, Verdict


class Control(Protocol):
    """Gives out jobs and takes reports: of one module, or of all that are behind one door."""

    async def take(self, asked: Take) -> list[Requested]:
        """Jobs, each leased to the worker, its attempt and fence written down, before they are answered; as soon as
        there are any, else none after `asked.wait` seconds. Jobs asked for by id that are missing are not to be done.
        """
        ...

    async def report(self, reports: Sequence[Report]) -> list[Verdict]:
        """What becomes of each, in their order, once that is durable. The same report may come again."""
        ...
