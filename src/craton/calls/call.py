"""`Call`: what an implementation may know of the call in progress."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager

from craton.calls.context import CONTEXT, NOBODY, Caller, context, scoped
from craton.errors import Misuse, OutcomeUnknown


class Call:
    """The call in progress: ask for it in `__init__`. Outside a call it knows a caller without name or roles.

    `verify` gives the caller whose token it is.
    """

    def __init__(self, verify: Callable[[str], Caller] | None = None) -> None:
        self._verify = verify

    @property
    def caller(self) -> Caller:
        """Who asks."""
        return CONTEXT.get().caller

    @property
    def key(self) -> str:
        """The call's idempotency key, to give to the outside world; empty where the call has none."""
        return CONTEXT.get().key or ""

    @property
    def left(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return CONTEXT.get().left()

    def acting(self, token: str | None) -> AbstractContextManager[object]:
        """In pages: what is asked in a `with` block is asked by whom the token names, such as one from a cookie; by
        nobody where there is none. NotAuthenticated where it is not valid (any more)."""
        outside("acting(token)")
        if CONTEXT.get().key is not None:
            raise Misuse("Call.acting comes before Call.keyed: the key is of whoever acts.")
        if self._verify is None:
            raise Misuse("Call() alone verifies no tokens: in a test, give it Call(verify=tokens.verify).")
        return context(caller=self._verify(token) if token else NOBODY)

    def keyed(self, key: str) -> AbstractContextManager[object]:
        """In pages: what is asked in a `with` block happens once for this key (of the caller's own), however often the
        form that holds it is sent. Without it, each call happens anew."""
        outside("keyed(key)")
        return context(key=scoped(key, CONTEXT.get().caller), inner=Counter())

    @asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """A shorter deadline for what is asked in an `async with` block: OutcomeUnknown where it has passed. Use it
        where an answer is worth having only soon."""
        left, now = self.left, asyncio.get_running_loop().time()
        deadline = now + (seconds if left is None else min(seconds, left))
        try:
            with context(deadline=deadline):
                async with asyncio.timeout_at(deadline):
                    yield
        except TimeoutError as error:
            raise OutcomeUnknown(f"there was no answer within {seconds:g} s.") from error


def outside(what: str) -> None:
    """Misuse where a module is at work: there, who asks, and under which key, was said by whoever called it."""
    if CONTEXT.get().kind is not None:
        raise Misuse(f"Call.{what} is for pages: within a module's method the caller and the key are given.")
