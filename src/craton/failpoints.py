"""Failpoints: named places where `craton crashtest` may kill this process, cut its connections off, or stop it.

`reach("P3")` marks a place. Outside a crash test nobody listens, and it is an empty call, of about 40 nanoseconds. The
names are explained in docs/guarantees.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

LISTENERS: list[Callable[[str], None]] = []
"""Who is told, and may never return. Called on any thread, and blocks it."""


def reach(name: str) -> None:
    """The process comes to a failpoint."""
    if LISTENERS:
        LISTENERS[0](name)


def reach_soon(name: str) -> None:
    """The same, once what is sent now is on its way and before its answer is read."""
    if LISTENERS:
        asyncio.get_running_loop().call_soon(reach, name)
