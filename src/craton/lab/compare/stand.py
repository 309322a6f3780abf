"""A stand: one side of a comparison, running on this machine, with all that it needs, so that it can be measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

PartKind = Literal["service", "gateway", "database", "worker", "companion"]
Trouble = Literal["killed", "slowed", "failing"]


@dataclass(frozen=True, slots=True)
class PartNow:
    """A part of a side, and the ids of its processes at this moment, their children included."""

    name: str
    kind: PartKind
    pids: tuple[int, ...]


class Stand(Protocol):
    """One side that runs. `url` is where visitors go; `services` are the modules of each service (of a program beside:
    its programs, without modules); `started` is how many seconds it took until it answered."""

    name: str
    what: str
    ours: bool
    url: str
    services: Mapping[str, tuple[str, ...]]
    started: float

    def parts(self) -> Sequence[PartNow]:
        """What it consists of now: processes come and go."""
        ...

    def confine(self, cores: Sequence[int]) -> None:
        """Keep all of its processes, the database's too, on these processors; those that start later as well."""
        ...

    def trouble(self, service: str, kind: Trouble) -> AbstractAsyncContextManager[None]:
        """Have a service in trouble within an `async with` block: all its processes killed, and those that start again,
        too; every call to it, and every request that it serves itself, half a second slower; or answered by a failure.
        """
        ...

    def settled(self) -> bool:
        """Whether every process that should run answers."""
        ...

    async def connections(self) -> Mapping[str, int]:
        """Connections to the database that each part has open now."""
        ...


OpenStand = Callable[[], AbstractAsyncContextManager[Stand]]
"""Brings a side up, from nothing."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How to bring sides up. `database`: the URL of a PostgreSQL server to be used by all (its processor time is then
    seen only where it runs on this machine); None: a server for each side, started and removed again. `gateway` is
    "envoy" or "craton"; `tls` is a folder that `craton certs` made; `settings` are environment variables for every
    process. `replicas`: processes for services by name ("*": all). `record`: a file in which the processes note what
    happens inside (see `craton run --record`).
    """

    package: str
    database: str | None = None
    gateway: str = "envoy"
    tls: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    replicas: Mapping[str, int] = field(default_factory=dict)
    record: str | None = None
