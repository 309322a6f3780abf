"""`Call`: what an implementation may know of the call in progress."""

from __future__ import annotations

from craton.calls.context import CONTEXT, Caller


class Call:
    """The call in progress: ask for it in `__init__`. Outside a call it knows a caller without name or roles."""

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
