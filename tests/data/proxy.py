"""A wire between a test and PostgreSQL that can be cut at COMMIT."""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Literal, Self

from sqlalchemy.engine import URL, make_url

Cut = Literal["before", "after"]


class Proxy:
    """Forwards bytes. With `cut` set, the next COMMIT is lost before the server sees it, or its reply after; the next
    but so many that `spare` says. So many new connections as `refuse` says are closed at once."""

    def __init__(self, url: str) -> None:
        self.target: URL = make_url(url)
        self.cut: Cut | None = None
        self.cuts = self.spare = self.refuse = 0
        self.open = set[asyncio.StreamWriter]()

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, family=socket.AF_INET)
        port = self.server.sockets[0].getsockname()[1]
        self.url = self.target.set(port=port).render_as_string(hide_password=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.close()
        await self.server.wait_closed()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.refuse:
            self.refuse -= 1
            return writer.close()
        self.open.add(writer)
        up, to_server = await asyncio.open_connection(self.target.host, self.target.port)
        back = asyncio.ensure_future(self.forward(up, writer))
        try:
            while data := await reader.read(65536):
                commits = b"COMMIT" in data
                cut = self.cut if commits and not self.spare else None
                self.spare -= bool(commits and self.spare)
                if cut is not None:
                    self.cut, self.cuts = None, self.cuts + 1
                    back.cancel()
                if cut != "before":
                    to_server.write(data)
                if cut == "after":
                    await up.read(65536)
                if cut is not None:
                    return
        finally:
            back.cancel()
            to_server.close()
            writer.close()
            self.open.discard(writer)

    def hang_up(self) -> None:
        """Close every connection that is open now."""
        for writer in self.open:
            writer.close()

    async def forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What the server says."""
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()
