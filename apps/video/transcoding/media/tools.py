"""ffmpeg and ffprobe as child processes: within limits, and never alive longer than who started them."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from shutil import which

MEMORY = 4 << 30
"""Bytes of address space that one ffmpeg may have: a file that asks for more is refused by it, and harms nobody."""
LARGEST = 64 << 30
"""Bytes of the largest file that it may write."""
KEPT = 4000
"""Bytes of what it says that are kept, from the end."""
SAFE = ("-hide_banner", "-nostdin", "-loglevel", "error")
Heard = Callable[[int], Awaitable[None]]
"""Is told now and then how many frames are done."""


class MediaError(Exception):
    """ffmpeg or ffprobe failed; the message is what it said last."""


def guarded(program: str, arguments: tuple[str, ...]) -> list[str]:
    """The command line, led by what sets its limits and lets it die with its parent, where the system has it."""
    found = []
    if which("prlimit"):
        found += ["prlimit", f"--as={MEMORY}", f"--fsize={LARGEST}", "--core=0"]
    if which("setpriv"):
        found += ["setpriv", "--pdeathsig", "KILL"]
    return [*found, program, *arguments]


@asynccontextmanager
async def running(program: str, *arguments: str) -> AsyncIterator[Process]:
    """A child that is killed when the block is left before it ends; MediaError when it ends badly."""
    command = guarded(program, arguments)
    child = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, limit=1 << 20)
    said = asyncio.create_task(last_words(child))
    try:
        yield child
        status = await child.wait()
        words = await said
        if status:
            raise MediaError(words or f"{program} ended with status {status} and said nothing")
    finally:
        if child.returncode is None:
            child.kill()
        await asyncio.shield(asyncio.gather(child.wait(), said))


async def last_words(child: Process) -> str:
    """What a child says on its standard error, of which only the end is kept."""
    assert child.stderr is not None
    kept = b""
    while part := await child.stderr.read(KEPT):
        kept = (kept + part)[-KEPT:]
    return kept.decode(errors="replace").strip()


async def lines(program: str, *arguments: str) -> AsyncGenerator[str, None]:
    """What a program prints, line by line; MediaError when it ends badly."""
    async with running(program, *arguments) as child:
        assert child.stdout is not None
        async for line in child.stdout:
            yield line.decode(errors="replace").rstrip("\r\n")


async def printed(program: str, *arguments: str) -> str:
    """All that a program prints."""
    async with aclosing(lines(program, *arguments)) as found:
        return "\n".join([line async for line in found])


async def ffmpeg(*arguments: str, heard: Heard | None = None) -> int:
    """Run ffmpeg; how many frames it made. `heard` is told of them meanwhile, about twice a second."""
    frames = 0
    progress = ("-progress", "pipe:1", "-stats_period", "0.5")
    async with aclosing(lines("ffmpeg", *SAFE, "-y", *progress, *arguments)) as found:
        async for line in found:
            name, _, text = line.partition("=")
            if name == "frame" and text.strip().isdecimal():
                frames = int(text)
                if heard is not None:
                    await heard(frames)
    return frames
