"""What every worker must do: each check is a function named as the sentence that must hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from workers.conformance.checks import acknowledging, doorbells, endings, stopping, troubles, working
from workers.conformance.kit import Kit

Check = Callable[[Kit], Awaitable[None]]
BEGIN = ("a_", "an_", "the_", "jobs_", "several_")


def checks_of(*groups: object) -> dict[str, Check]:
    """The checks in files, by name."""
    return {name: check for group in groups for name, check in vars(group).items() if name.startswith(BEGIN)}


@dataclass(frozen=True)
class Way:
    """Checks that are tried together. `lonely`: each of them starts a process of the worker for itself."""

    checks: dict[str, Check]
    broker: bool = False
    lonely: bool = False


WAYS = {
    "over HTTP alone": Way(checks_of(working, endings, troubles)),
    "with a broker": Way(checks_of(working, endings, troubles, doorbells), broker=True),
    "starting and stopping": Way(checks_of(stopping), lonely=True),
    "killed beside a broker": Way(checks_of(acknowledging), broker=True, lonely=True),
}
