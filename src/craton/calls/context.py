"""What a call carries, in the one context variable there is: caller, key, deadline, trace, unit of work, saga."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace

from craton.contract import Kind
from craton.values import Value


class Caller(Value):
    """Who asks. `subject` is "user:…", "guest:…" or "service:…"; made only by the edge and by tests."""

    subject: str
    roles: frozenset[str] = frozenset()


NOBODY = Caller("")


def scoped(key: str, caller: Caller) -> str:
    """A key that came from outside, in the scope of its caller: nobody finds another's answer under it."""
    return f"{quote(caller.subject, safe=':@') or 'anyone'}/{key}"


class Context(msgspec.Struct, frozen=True):
    """The call in progress. `deadline` is in seconds of the event loop's clock; `key` is the call's idempotency key.

    `given` is the key that the next call is to run under. `kind` is what the call in progress is; `inner` counts the
    keyed calls it has made; `unit` is the transaction and `run` the saga that it is part of.
    """

    caller: Caller = NOBODY
    key: str | None = None
    given: str | None = None
    deadline: float | None = None
    trace: str = ""
    kind: Kind | None = None
    inner: Counter[str] | None = None
    unit: Any = None
    run: Any = None

    def left(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return None if self.deadline is None else self.deadline - asyncio.get_running_loop().time()


CONTEXT: ContextVar[Context] = ContextVar("craton", default=Context())  # noqa: B039  # it is frozen


class context:  # it is used as a function
    """The current context with changes, for the time of a `with` block."""

    __slots__ = ("changes", "token")

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def __enter__(self) -> Context:
        changed = replace(CONTEXT.get(), **self.changes)
        self.token = CONTEXT.set(changed)
        return changed

    def __exit__(self, *error: object) -> None:
        CONTEXT.reset(self.token)
