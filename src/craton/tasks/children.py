"""The child processes of a worker, as the worker sees them: started when they are needed, used again, killed whole."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Self

from craton.tasks.attempt import Attempt
from craton.tasks.child import SIZE, TO_WORKER, Begun, Recorded, Start, Told, Work, framed
from craton.tasks.outcomes import Outcome, failed


class Child:
    """One child process, and the socket to it."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
    ) -> None:
        self.process, self.reader, self.writer = process, reader, writer

    @classmethod
    async def start(cls, environ: Mapping[str, str]) -> Self:
        """A new one."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "craton.tasks.child", str(theirs.fileno()), pass_fds=[theirs.fileno()],
                    env=environ, start_new_session=True, stdin=asyncio.subprocess.DEVNULL,
                )
            except BaseException:
                ours.close()
                raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        writer.write(framed(Start(sys.path)))
        return cls(process, reader, writer)

    async def carry_out(self, work: Work, attempt: Attempt) -> Outcome:
        """Do one job; how it ended. That the process dies is an outcome, too."""
        try:
            self.writer.write(framed(work))
            while not isinstance(message := await self.next(), Outcome):
                await self.take(message, attempt)
            return message
        except (asyncio.IncompleteReadError, ConnectionError):
            return failed("died", f"the process of the handler {ending(await self.process.wait())}")

    async def take(self, message: Begun | Told, attempt: Attempt) -> None:
        """Something it says on the way."""
        if isinstance(message, Begun):
            attempt.begun()
            return
        await attempt.tell(message.share, message.checkpoint)
        if message.checkpoint is not None:
            self.writer.write(framed(Recorded()))

    async def next(self) -> Begun | Told | Outcome:
        """What it says next."""
        (size,) = SIZE.unpack(await self.reader.readexactly(SIZE.size))
        message: Begun | Told | Outcome = TO_WORKER.decode(await self.reader.readexactly(size))
        return message

    async def kill(self) -> None:
        """End it, and all that was started in it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.writer.transport.abort()
        await self.process.wait()


class Children:
    """The child processes of one worker. `environ` is theirs."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.idle: list[Child] = []
        self.killing: set[asyncio.Task[None]] = set()

    async def carry_out(self, work: Work, attempt: Attempt) -> Outcome:
        """Do one job in one of them. Cancelled, it kills that one, with all that the job has started."""
        child = await self.one()
        try:
            outcome = await child.carry_out(work, attempt)
        except BaseException:
            await self.killed(child)
            raise
        if child.process.returncode is None:
            self.idle.append(child)
        else:
            await self.killed(child)  # others of its group may live on
        return outcome

    async def one(self) -> Child:
        """One that is idle, or a new one."""
        while self.idle:
            child = self.idle.pop()
            if child.process.returncode is None and not child.reader.at_eof():
                return child
            await self.killed(child)
        return await Child.start(self.environ)

    async def killed(self, child: Child) -> None:
        """Kill one, whoever is cancelled meanwhile."""
        killing = asyncio.get_running_loop().create_task(child.kill())
        self.killing.add(killing)
        killing.add_done_callback(self.killing.discard)
        await asyncio.shield(killing)

    async def close(self) -> None:
        """End all of them."""
        while self.idle:
            await self.killed(self.idle.pop())
        if self.killing:
            await asyncio.wait(self.killing)


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code < 0:
        name = signal.Signals(-code).name
        return f"was killed by {name}" + (": perhaps memory ran out" if name == "SIGKILL" else "")
    return f"stopped with exit code {code}"
