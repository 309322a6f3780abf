"""One child process of the supervisor: started, watched, started again when it dies, and stopped in order."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from craton.calls.links.rpc.address import Address
from craton.calls.retry import Backoff
from craton.errors import CratonError

SUPERVISOR = "craton"
"""The name that the supervisor's own lines stand under."""
WRONG = 2
"""The exit code of a process that was told something wrong: starting it again would not help."""
DEATHS = 3  # before it was ever ready: then it is given up
LINE_LIMIT = 1 << 20
HEALTH_SECONDS = 2.0
PR_SET_PDEATHSIG = 1
NOWHERE = Address()
SETTLED = 1.0
"""Seconds after which a program that answers nowhere is taken to be ready."""
libc = ctypes.CDLL(None) if sys.platform == "linux" else None


Say = Callable[[str, str], None]
"""Prints a line under a name."""


class GivenUp(CratonError):
    """A child cannot be kept running; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run: its name for people, its command, its environment, and where it answers once it is ready: with 200
    to a GET of `health`, where that is a path. One that answers nowhere is ready when it has lived for a second.

    `drain` lets one that does not do so itself finish its requests, before it is asked to stop.
    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    answers_at: Address = NOWHERE
    drain: Callable[[], Awaitable[None]] | None = None
    health: str = ""


class Child:
    """A program that is kept running. `run` does that until it is cancelled; then it asks the program to stop.

    `ready` is set when it has answered for the first time; `pid` is None while it does not run.
    """

    def __init__(self, program: Program, say: Say, *, patience: float) -> None:
        self.program, self.name, self.say, self.patience = program, program.name, say, patience
        self.ready = asyncio.Event()
        self.pid: int | None = None
        self.deaths = 0
        self.backoff = Backoff(first=0.1, most=5.0)

    async def run(self) -> None:
        """Start it, and start it again whenever it dies. GivenUp where that is of no use."""
        while True:
            code = await self.live()
            self.judge(code)
            pause = self.backoff.pause()
            self.say(SUPERVISOR, f"{self.name} {ending(code)}; starting it again in {pause:.1f} s")
            await asyncio.sleep(pause)

    def judge(self, code: int) -> None:
        """Give it up where starting it again would be of no use."""
        self.deaths += 1
        if not self.ready.is_set() and (code == WRONG or self.deaths >= DEATHS):
            times = f" {self.deaths} times" if self.deaths > 1 else ""
            raise GivenUp(f"{self.name} {ending(code)}{times} before it was ready: its last lines say why")

    async def live(self) -> int:
        """One life of the program; its exit code, negative for the signal that ended it."""
        process = await start(self.program)
        self.pid = process.pid
        reading, watching = asyncio.create_task(self.read(process)), asyncio.create_task(self.watch())
        try:
            return await process.wait()
        except asyncio.CancelledError:
            await self.stop(process)
            raise
        finally:
            self.pid = None
            send(process, signal.SIGKILL)  # what it may have started
            watching.cancel()
            await asyncio.wait([reading], timeout=1)  # what it said last; somebody else may hold its output open
            reading.cancel()

    async def read(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what it says, line by line."""
        assert process.stdout
        while line := await next_line(process.stdout):
            self.say(self.name, line.decode(errors="replace").rstrip())

    async def watch(self) -> None:
        """Note when it answers: who got so far is started again soon when it dies."""
        place = self.program.answers_at
        if place == NOWHERE:
            await asyncio.sleep(SETTLED)
        while place != NOWHERE and not await answers(place, self.program.health):  # noqa: ASYNC110  # another process
            await asyncio.sleep(0.05)
        self.ready.set()
        self.backoff.tries = 0

    async def stop(self, process: asyncio.subprocess.Process) -> None:
        """Ask it to stop, and make it stop when it takes too long."""
        try:
            async with asyncio.timeout(self.patience):
                if self.program.drain:
                    await self.program.drain()
                send(process, signal.SIGTERM)
                await process.wait()
        except TimeoutError:
            self.say(SUPERVISOR, f"{self.name} did not stop within {self.patience:g} s; killed")
        finally:
            send(process, signal.SIGKILL)
            await process.wait()


async def start(program: Program) -> asyncio.subprocess.Process:
    """Start a program in a process group of its own, so that Ctrl-C reaches it only through the supervisor."""
    try:
        return await asyncio.create_subprocess_exec(
            *program.command, env=program.environ, start_new_session=True, preexec_fn=die_with(os.getpid()),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            limit=LINE_LIMIT,
        )
    except OSError as error:
        raise GivenUp(f"{program.name}: {program.command[0]} cannot be started: {error.strerror}") from error


def die_with(parent: int) -> Callable[[], None] | None:
    """What a child does before its program begins: arrange to be killed when the supervisor dies (on Linux)."""
    if libc is None:
        return None

    def arrange() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before that
            os._exit(1)

    return arrange


def send(process: asyncio.subprocess.Process, what: signal.Signals) -> None:
    """Signal a process and all of its group."""
    try:
        os.killpg(process.pid, what)
    except (ProcessLookupError, PermissionError):  # gone
        pass


async def next_line(stream: asyncio.StreamReader) -> bytes:
    """The next line; a piece of it where it is endless; empty at the end."""
    try:
        return await stream.readuntil()
    except asyncio.IncompleteReadError as error:
        return error.partial
    except asyncio.LimitOverrunError as error:
        return await stream.readexactly(error.consumed)


async def answers(address: Address, health: str = "") -> bool:
    """Whether somebody accepts connections there, and says that it is healthy, where it is to be asked."""
    try:
        if address.path:
            reader, writer = await asyncio.open_unix_connection(address.path)
        else:
            reader, writer = await asyncio.open_connection(address.host, address.port)
        try:
            return not health or await is_healthy(reader, writer, health)
        finally:
            writer.transport.abort()
    except OSError:
        return False


async def is_healthy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> bool:
    """Whether a GET is answered with 200."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    with suppress(TimeoutError):
        async with asyncio.timeout(HEALTH_SECONDS):
            return b" 200 " in await reader.readline()
    return False


def ending(code: int) -> str:
    """How a process ended, in words."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"stopped with exit code {code}"
