"""An endpoint: one method of one module, hosted here or elsewhere, as everything that calls it sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from craton.calls import codec
from craton.calls.context import Context
from craton.contract import Method
from craton.errors import CallInsideTransaction, CommandInsideCommand, Misuse, OutsideStep

ENDPOINTS = "__craton_endpoints__"


class Ask(Protocol):
    """Carries out one call: `undoes` is the key of the call that this one undoes."""

    async def __call__(self, arguments: msgspec.Struct, *, key: str | None = None, undoes: str | None = None) -> Any:
        """The method's result. Raises its faults and CallError."""
        ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one module. `store` is its database where it is hosted here; `body` its plain implementation;
    `effect`, where it is one, what asks the outside."""

    module: str
    method: Method
    ask: Ask
    store: Any = None
    body: Callable[..., Any] | None = None
    effect: Any = None

    @property
    def name(self) -> str:
        """The wire name: `inventory.reserve`."""
        return f"{self.module}.{self.method.name}"


def endpoint_of(call: Callable[..., Any]) -> Endpoint:
    """The endpoint behind `self.inventory.reserve` or `self.place`."""
    try:
        found: Endpoint = getattr(call.__self__, ENDPOINTS)[call.__name__]  # type: ignore[attr-defined]
    except (AttributeError, KeyError):
        raise OutsideStep(f"{call!r}, which is no marked method of a module") from None
    return found


def check_call(endpoint: Endpoint, now: Context) -> None:
    """The laws of who may call what, the same for a call that stays here and one that leaves."""
    if now.run is not None:
        raise OutsideStep(endpoint.name)
    check_open(endpoint)
    if endpoint.method.kind == "query":
        if now.unit is not None and now.unit.wrote and now.unit.module != endpoint.module:
            raise CallInsideTransaction(now.unit.module, endpoint.module)
    elif now.unit is not None:
        raise CommandInsideCommand(f"a command of {now.unit.module}", endpoint.name)
    elif now.kind == "query":
        raise CommandInsideCommand("a query", endpoint.name)


def check_open(endpoint: Endpoint) -> None:
    """Refuse to call what only events call."""
    if endpoint.method.on:
        events = ", ".join(event.__name__ for event in endpoint.method.on)
        raise Misuse(f"{endpoint.name} is called by its events alone: publish one of {events}.")


def key_for(now: Context, name: str, method: Method, arguments: msgspec.Struct) -> str | None:
    """The key of the next call: the one given from outside, or one derived from the key of the call in progress.

    It is derived from what is called with which arguments, and how often that has been called so far: so that an effect
    that is asked again meets its own answers, and goes its own way where the world has moved on.
    """
    if not method.keyed:
        return None
    if now.given is not None or now.key is None or now.inner is None:
        return now.given
    call = codec.fingerprint(name, codec.record_arguments(method, arguments))
    now.inner[call] += 1
    return f"{now.key}/{call}.{now.inner[call]}"
