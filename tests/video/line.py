"""The line between a browser and the site, where it matters how good it is."""

from __future__ import annotations

import asyncio


class Line:
    """A slow connection to a server, which can be cut."""

    def __init__(self, port: int) -> None:
        self.port, self.whole, self.writers = port, True, list[asyncio.StreamWriter]()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if not self.whole:
            writer.transport.abort()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers += [writer, back]
        await asyncio.gather(self.copy(reader, back, pause=0.01), self.copy(there, writer), return_exceptions=True)

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, pause: float = 0.0) -> None:
        """One direction: at most so much at once."""
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        writer.close()

    def cut(self) -> None:
        """Break all connections, and take no others."""
        self.whole = False
        for writer in self.writers:
            writer.transport.abort()
