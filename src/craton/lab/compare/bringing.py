"""Bringing a side of a comparison up: its programs in stages, by the clock, and then its data."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from ssl import CERT_NONE, create_default_context
from urllib.error import URLError
from urllib.request import urlopen

from craton.errors import CratonError
from craton.lab.compare.standing import LOOK, Member, Standing
from craton.run.child import GivenUp, Program, ending, next_line, start
from craton.run.supervisor import first_of, running

PATIENCE = 60.0
"""Seconds within which a side must answer once its processes have started."""
LAST_LINES = 20
"""How many lines of each process are kept, to be told where it fails."""


async def bring_up(
    stand: Standing, stack: AsyncExitStack,
    *, outside: Sequence[Member], stages: Sequence[Sequence[Member]], health: str, setup: Program | None,
) -> Standing:
    """Start what stands in for the outside world, then, by the clock, all else until it answers at `health`; then set
    up its data."""
    await stack.enter_async_context(run_members([outside], stand))
    began = time.monotonic()
    lines = await stack.enter_async_context(run_members(stages, stand))
    await until_answered(stand.url + health)
    stand.started = time.monotonic() - began
    if setup is not None:
        await run_once(setup, lines)
    return stand


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
    return CratonError(f"{error}:\n{lines.of()}") if isinstance(error, GivenUp) else error


async def run_once(program: Program, lines: Lines) -> None:
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


