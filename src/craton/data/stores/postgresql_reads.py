"""Reads that go to PostgreSQL together: all that one turn of the event loop asks for, over one connection, on one way.

Each way there and back costs both sides more than a small statement does. The statements are written one after another
with one Sync behind them, and are answered together; each sees what is committed when it runs, as ever. Where one of
them fails, the server passes over those after it: whoever gets no rows asks again, alone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from craton.data.store import Rows
from craton.data.stores.direct import Plan, Run
from craton.data.stores.postgresql_batch import Batch, Columns, Read, columns_of
from craton.data.stores.postgresql_connection import PREPARED, Connections, Fetched, PostgreSQLConnection
from craton.data.stores.postgresql_wire import EXECUTE, SYNC, bound, closing, encoded, parsing, plain, writable
from craton.errors import CratonError

MOST = 16
"""Reads that go together."""
MANY = 200
"""Rows from which on a statement is better read by asyncpg, whose reading is compiled."""
PATIENCE = 5.0
"""Seconds for which the answer is waited for after all who wanted it have gone."""


class Reads:
    """Statements outside units that have been run before. `become` gives what makes a connection a module's."""

    def __init__(self, connections: Connections, become: Callable[[str], Sequence[str]]) -> None:
        self.connections, self.become = connections, become
        self.waiting: deque[Read] = deque()
        self.columns: dict[Plan, Columns | None] = {}
        self.fetching: asyncio.Task[None] | None = None

    async def ask(self, module: str, run: Run) -> Rows | None:
        """The result; None where the statement is to be run alone."""
        columns = self.known(run.bound.plan)
        if columns is None or not writable(run.given) or self.connections.closed:
            return None
        try:
            read = Read(module, run.sql, encoded(run.given), columns)
        except UnicodeError:
            return None
        self.waiting.append(read)
        if len(self.waiting) == 1:
            asyncio.get_running_loop().call_soon(self.go)
        rows = await read.answer
        if rows is None:
            return None
        if len(rows) >= MANY:
            self.columns[run.bound.plan] = None
        return run.result(Fetched(run, rows, f"SELECT {len(rows)}"), read.connection)

    def known(self, plan: Plan) -> Columns | None:
        """How the rows of a statement are read."""
        try:
            return self.columns[plan]
        except KeyError:
            if len(self.columns) >= PREPARED:
                self.columns.clear()
            return self.columns.setdefault(plan, columns_of(plan.description))

    def go(self) -> None:
        """Send what waits over connections that nobody uses; over the next one, where there is none."""
        while self.waiting and (connection := self.connections.free()) is not None:
            self.send(connection)
        if self.waiting and self.fetching is None:
            self.fetching = asyncio.get_running_loop().create_task(self.fetch())

    async def fetch(self) -> None:
        """Wait for a connection. Where there is none, whoever asks alone hears why."""
        try:
            connection = await self.connections.acquire("")
        except CratonError:
            while self.waiting:
                self.waiting.popleft().tell(None)
            return
        finally:
            self.fetching = None
        self.send(connection)
        self.go()

    def send(self, connection: PostgreSQLConnection) -> None:
        """Send some of what waits."""
        chosen = [self.waiting.popleft() for _ in range(min(MOST, len(self.waiting)))]
        wanted = [read for read in chosen if not read.answer.done()]
        if not wanted:
            self.connections.give_back(connection)
            return
        transport = connection.driver._transport
        messages, steps = self.written(connection, wanted)
        batch = Batch(transport, steps, lambda failed: self.done(connection, failed=failed))
        for read in wanted:
            read.answer.add_done_callback(lambda answer: self.look(batch) if answer.cancelled() else None)
        transport.write(b"".join(messages))

    def written(
        self, connection: PostgreSQLConnection, reads: Sequence[Read]
    ) -> tuple[Sequence[bytes], Sequence[Read | None]]:
        """What to write, and whose answers come in which order: those of a module together, as its role."""
        messages, steps = [closing(name) for name in connection.names.outdated()], list[Read | None]()
        for read in sorted(reads, key=lambda read: (read.module != connection.module, read.module)):
            if read.module != connection.module:
                messages += map(plain, self.become(read.module))
                steps.append(None)
                connection.module = read.module
            name, new = connection.names.of(read.sql)
            if new:
                messages.append(parsing(name, read.sql))
            messages += (bound(name, read.values), EXECUTE)
            steps.append(read)
            read.connection = connection.alchemy.sync_connection
        return [*messages, SYNC], steps

    def look(self, batch: Batch) -> None:
        """Somebody has gone. Where nobody waits any more, the answer must come in some time."""
        if all(read is None or read.answer.done() for read in batch.steps):
            asyncio.get_running_loop().call_later(PATIENCE, batch.abandon)

    def done(self, connection: PostgreSQLConnection, *, failed: bool) -> None:
        """A connection is free again. After a failure its role went back, and some statement may be outdated."""
        if failed:
            connection.module, connection.names.epoch = None, -1
        self.connections.give_back(connection)
        self.go()

    async def close(self) -> None:
        """Let go of those that still wait."""
        while self.waiting:
            self.waiting.popleft().tell(None)
        if self.fetching is not None:
            await asyncio.gather(self.fetching, return_exceptions=True)
