"""What every worker must do: each check is a function named as the sentence that must hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from workers.conformance.checks import doorbells, endings, stopping, troubles, working
from workers.conformance.kit import Kit

Check = Callable[[Kit], Awaitable[None]]


def checks_of(*groups: object) -> dict[str, Check]:
    """The checks of files, by name."""
    found = {name: check for group in groups for name, check in vars(group).items() if name.startswith(BEGIN)}
    return {name: check for name, check in found.items() if callable(check)}


BEGIN = ("a_", "an_", "the_", "jobs_", "several_", "what_")
EVERYWHERE = checks_of(working, endings, troubles)
"""Over HTTP alone, and with a broker."""
ALONE = checks_of(stopping)
"""How a process of its own starts and stops: the same with a broker and without."""
WITH_BROKER = checks_of(doorbells)
