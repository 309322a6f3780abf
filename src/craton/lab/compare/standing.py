"""What a side of a comparison is made of while it runs: its processes, each a part of something, and their database."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from craton.calls.links.rpc.address import Address
from craton.errors import CratonError, SettingsError
from craton.lab.compare.processes import families, family
from craton.lab.compare.servers import Server
from craton.lab.compare.stand import PartKind, PartNow, Trouble
from craton.run.child import NOWHERE, Child, Program

LOOK = 0.05
"""Seconds between two looks whether something answers, or runs that should not."""
SIGNALS: Mapping[Trouble, signal.Signals] = {"slowed": signal.SIGUSR1, "failing": signal.SIGUSR2}
WELL = signal.SIGWINCH
"""What tells a process how it is to be in trouble, and that it is well again: the last one does nothing to a process
that does not know it."""
OBEYS = 10.0
"""Seconds within which a process must have done what it was told."""


@dataclass(frozen=True, slots=True)
class Member:
    """A program, and the part of the side that it belongs to. `troubles`: what it can be told to be, besides killed."""

    program: Program
    part: str
    kind: PartKind
    troubles: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """How it is deployed: pairs of services of which the first asks the second (None: that has to be seen), how many
    databases there are, environment variables that must be set over all its programs, and lines of deployment files,
    written by people and generated."""

    links: frozenset[tuple[str, str]] | None = None
    databases: int = 0
    settings: int = 0
    lines: int = 0
    generated: int = 0


@dataclass
class Standing:
    """A side that runs: see `Stand`, which this is."""

    name: str
    what: str
    ours: bool
    url: str
    services: Mapping[str, tuple[str, ...]]
    server: Server
    folder: Path
    """Where processes write down what signal they have obeyed, each into a file of its own."""
    shape: Shape = Shape()
    started: float = 0.0
    members: dict[str, Member] = field(default_factory=dict)
    children: dict[str, Child] = field(default_factory=dict)

    def parts(self) -> Sequence[PartNow]:
        """What it consists of now: its programs, those of a part together, and the database."""
        below, found = families(), dict[tuple[str, PartKind], list[int]]()
        for name, child in self.children.items():
            pids = found.setdefault((self.members[name].part, self.members[name].kind), [])
            pids += family(child.pid, below) if child.pid else []
        if self.server.pid:
            found["postgresql", "database"] = family(self.server.pid, below)
        return [PartNow(name, kind, tuple(pids)) for (name, kind), pids in found.items()]

    def confine(self, cores: Sequence[int]) -> None:
        """Keep all of its processes on these processors; those that start later as well."""
        if not hasattr(os, "sched_setaffinity"):
            raise SettingsError("this system does not let a program choose its processors: leave --phases scaling out.")
        for name, child in self.children.items():
            plain = self.members[name].program
            confined = ["taskset", "--cpu-list", ",".join(map(str, cores)), *plain.command]
            child.program = replace(plain, command=confined)
        for pid in (pid for part in self.parts() for pid in part.pids):
            confine(pid, cores)

    @asynccontextmanager
    async def trouble(self, service: str, kind: Trouble) -> AsyncIterator[None]:
        """Have a service in trouble within an `async with` block."""
        struck = {name: child for name, child in self.children.items() if self.is_of(name, service)}
        if not struck:
            raise SettingsError(f"{self.name} has no service {service}: it has {', '.join(self.services)}.")
        if kind == "killed":
            async with kept_dead(list(struck.values())):
                yield
            return
        if not all(self.members[name].troubles for name in struck):
            raise SettingsError(f"{service} of {self.name} cannot be {kind}: its program does not know how.")
        try:
            await self.have_obeyed(struck.values(), SIGNALS[kind])
        except CratonError:
            tell(struck.values(), WELL)
            raise
        try:
            yield
        finally:
            await self.have_obeyed(struck.values(), WELL)

    async def have_obeyed(self, children: Iterable[Child], what: signal.Signals) -> None:
        """Signal processes, and wait until those that run have done what it says."""
        until = time.monotonic() + OBEYS
        while left := [child for child in children if child.pid and self.obeyed(child) != what.name]:
            tell(left, what)
            await asyncio.sleep(LOOK)
            if time.monotonic() > until:
                raise CratonError(f"{left[0].name} of {self.name} does nothing when it is sent {what.name}.")

    def obeyed(self, child: Child) -> str:
        """The last signal that a process has obeyed."""
        try:
            return (self.folder / str(child.pid)).read_text()
        except OSError:
            return ""

    def is_of(self, name: str, service: str) -> bool:
        """Whether a process belongs to a service."""
        return self.members[name].part == service and self.members[name].kind == "service"

    def settled(self) -> bool:
        """Whether every process that should run answers."""
        return all(child.pid and is_up(child.program.answers_at) for child in self.children.values())

    async def connections(self) -> Mapping[str, int]:
        """Connections to the database that each part has open now."""
        query = "SELECT client_port FROM pg_stat_activity WHERE client_port > 0 AND pid <> pg_backend_pid()"
        ports = {port for (port,) in await self.server.ask(query)}
        found = {part.name: ports & ports_of(part.pids) for part in self.parts() if part.kind != "database"}
        return {name: len(own) for name, own in found.items()}


def confine(pid: int, cores: Sequence[int]) -> None:
    """Keep all threads of a process on these processors."""
    with suppress(OSError):  # it has just ended
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), cores)


@asynccontextmanager
async def kept_dead(children: Sequence[Child]) -> AsyncIterator[None]:
    """Kill these processes, and those that are started in their place."""

    async def kill() -> None:
        while True:
            tell(children, signal.SIGKILL)
            await asyncio.sleep(LOOK)

    killing = asyncio.create_task(kill())
    try:
        await asyncio.sleep(0)
        yield
    finally:
        killing.cancel()
        await asyncio.gather(killing, return_exceptions=True)


def tell(children: Iterable[Child], what: signal.Signals) -> None:
    """Signal what runs of these."""
    for child in children:
        with suppress(ProcessLookupError):
            if child.pid is not None:
                os.kill(child.pid, what)


def is_up(address: Address) -> bool:
    """Whether somebody takes connections there now."""
    if address == NOWHERE:
        return True
    place = address.path or (address.host, address.port)
    with socket.socket(socket.AF_UNIX if address.path else socket.AF_INET) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(place)
        except OSError:
            return False
    return True


def ports_of(pids: Sequence[int]) -> set[int]:
    """The ports of this machine that the TCP connections of these processes begin at."""
    found = set[int]()
    for pid in pids:
        with suppress(psutil.Error):
            found |= {c.laddr.port for c in psutil.Process(pid).net_connections("tcp") if c.laddr and c.raddr}
    return found
