"""A cable to a server, which a test can pull out, or leave in with nothing coming back."""

from __future__ import annotations

import asyncio
from typing import Self


class Cable:
    """Passes bytes on to a port of this machine, both ways. `silent`: nothing of what the server says gets through."""

    def __init__(self, port: int) -> None:
        self.server, self.port = port, 0
        self.silent = False
        self.ends: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.listening: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.plug()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.pull()

    async def plug(self) -> None:
        """Put it in, at the same place as before."""
        self.silent = False
        self.listening = await asyncio.start_server(self.connect, "127.0.0.1", self.port)
        self.port = self.listening.sockets[0].getsockname()[1]

    async def pull(self) -> None:
        """Pull it out: connections are lost, and new ones refused."""
        if self.listening:
            self.listening.close()
            self.listening = None
        await self.cut()

    async def cut(self) -> None:
        """Lose the connections that there are."""
        for end in self.ends:
            end.transport.abort()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            there, here = await asyncio.open_connection("127.0.0.1", self.server)
        except OSError:
            writer.transport.abort()
            return
        self.ends |= {writer, here}
        for source, end, comes_back in ((reader, here, False), (there, writer, True)):
            task = asyncio.ensure_future(self.copy(source, end, comes_back))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, comes_back: bool) -> None:
        """One direction of it; where one end is lost, so is the other."""
        try:
            while data := await reader.read(1 << 16):
                if not (comes_back and self.silent):
                    writer.write(data)
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self.ends.discard(writer)
