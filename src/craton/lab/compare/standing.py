"""What a side of a comparison is made of while it runs: its processes, each a part of something, and their database."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from ssl import CERT_NONE, create_default_context
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from craton.calls.links.rpc.address import Address
from craton.errors import CratonError, SettingsError
from craton.lab.compare.servers import Server
from craton.lab.compare.stand import PartKind, PartNow, Trouble
from craton.run.child import NOWHERE, Child, GivenUp, Program, ending, next_line, start
from craton.run.supervisor import first_of, running

LOOK = 0.05
"""Seconds between two looks whether something answers, or runs that should not."""
PATIENCE = 60.0
"""Seconds within which a side must answer once its processes have started."""
LAST_LINES = 20
"""How many lines of each process are kept, to be told where it fails."""
SIGNALS: Mapping[Trouble, signal.Signals] = {"slowed": signal.SIGUSR1, "failing": signal.SIGUSR2}
WELL = signal.SIGWINCH
"""What tells a process how it is to be in trouble, and that it is well again: the last one does nothing to a process
that does not know it."""


@dataclass(frozen=True, slots=True)
class Member:
    """A program, and the part of the side that it belongs to. `troubles`: what it can be told to be, besides killed."""

    program: Program
    part: str
    kind: PartKind
    troubles: bool = False


class Lines:
    """What processes said last, by name."""

    def __init__(self) -> None:
        self.said: dict[str, deque[str]] = {}

    def __call__(self, name: str, line: str) -> None:
        """Keep a line."""
        self.said.setdefault(name, deque(maxlen=LAST_LINES)).append(line)

    def of(self, *names: str) -> str:
        """The last lines of these processes, or of all."""
        return "\n".join(f"{name}: {line}" for name in names or self.said for line in self.said.get(name, ()))


@dataclass
class Standing:
    """A side that runs: see `Stand`, which this is."""

    name: str
    what: str
    ours: bool
    url: str
    services: Mapping[str, tuple[str, ...]]
    server: Server
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
            tell(struck.values(), SIGNALS[kind])
            yield
        finally:
            tell(struck.values(), WELL)

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


@asynccontextmanager
async def run_members(stages: Sequence[Sequence[Member]], stand: Standing) -> AsyncIterator[Lines]:
    """Start all, a stage when the one before it is ready, and keep them running. What is raised when one of them cannot
    be kept running tells its last words."""
    lines = Lines()
    try:
        async with AsyncExitStack() as stack:
            for stage in stages:
                await stack.enter_async_context(run_stage(stage, stand, lines))
            yield lines
    except BaseExceptionGroup as errors:  # of the tasks that keep the processes running
        raise with_lines(first_of(errors), lines) from None


@asynccontextmanager
async def run_stage(stage: Sequence[Member], stand: Standing, lines: Lines) -> AsyncIterator[None]:
    """Start some programs, which then belong to the side."""
    stand.members |= {member.program.name: member for member in stage}
    async with running([member.program for member in stage], lines) as children:
        stand.children |= {child.name: child for child in children}
        yield


def with_lines(error: BaseException, lines: Lines) -> BaseException:
    """The same, with what was said last, where a program was given up."""
    return GivenUp(f"{error}:\n{lines.of()}") if isinstance(error, GivenUp) else error


async def run_setup(program: Program, lines: Lines) -> None:
    """Run a program to its end. CratonError, with its last words, where it fails."""
    process = await start(program)
    assert process.stdout
    try:
        while line := await next_line(process.stdout):
            lines(program.name, line.decode(errors="replace").rstrip())
        if code := await process.wait():
            raise CratonError(f"{' '.join(program.command)} {ending(code)}:\n{lines.of(program.name)}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until_answered(url: str, *, seconds: float = PATIENCE) -> None:
    """Wait until a GET is answered with 200. CratonError where it never is."""
    until, seen = time.monotonic() + seconds, "nothing"
    while time.monotonic() < until:
        seen = await asyncio.to_thread(status_of, url)
        if seen == "200":
            return
        await asyncio.sleep(LOOK)
    raise CratonError(f"{url} did not answer within {seconds:g} s; the last it said was {seen}.")


def status_of(url: str) -> str:
    """What a GET is answered with now: a status, or why there is none."""
    context = create_default_context()
    context.check_hostname, context.verify_mode = False, CERT_NONE  # who it is shows elsewhere; here, that it is there
    try:
        with urlopen(url, timeout=2, context=context) as response:
            return str(response.status)
    except (URLError, OSError) as error:
        return str(getattr(error, "code", error))


def families() -> Mapping[int, Sequence[int]]:
    """The children of every process on this machine."""
    found: dict[int, list[int]] = {}
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            found.setdefault(process.ppid(), []).append(process.pid)
    return found


def family(pid: int, below: Mapping[int, Sequence[int]]) -> list[int]:
    """A process, and all that it started, directly or not."""
    return [pid, *(descendant for child in below.get(pid, ()) for descendant in family(child, below))]


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
