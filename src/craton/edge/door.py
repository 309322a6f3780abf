"""The door: what the edge needs of a running service."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from craton.application import Application
from craton.calls.context import Caller
from craton.sagas.sagas import SagaStatus


class Door(Protocol):
    """One running service, as the edge sees it: it answers for every module of the application, hosted here or not."""

    application: Application

    async def call(  # a time-out is part of what is asked here: it travels on to other services
        self, name: str, arguments: msgspec.Struct, *, caller: Caller, key: str | None = None, timeout: float,  # noqa: ASYNC109
        trace: str = "",
    ) -> Any:
        """The result of "orders.checkout", an async iterator where it streams. Raises its faults and CallError."""
        ...

    async def saga(self, module: str, id: str, *, caller: Caller) -> SagaStatus | None:
        """Where a saga of this caller stands; None where there is none. NotAllowed for another's, but to an admin."""
        ...

    async def ready(self) -> bool:
        """Whether it can take calls."""
        ...
