"""What others must be told of paid orders: written with the order, sent at once, and again until all have taken it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from sqlalchemy import bindparam, delete, insert, select

from bench.baselines.database import AsyncConnection, Database
from bench.baselines.faults import Fault, Unavailable
from bench.baselines.http import Peer
from bench.baselines.json import dumped, reader
from bench.baselines.tables import outbox
from bench.baselines.values import Paid

TOLD = ("shipping", "recommendations", "notifications")
PAUSE = 5.0
"""Seconds after which what was not taken is sent again."""
ENTER = insert(outbox).values(order_id=bindparam("order"), body=bindparam("content"), written=bindparam("at"))
LEFT = select(outbox.c.body).where(outbox.c.written < bindparam("before")).order_by(outbox.c.written).limit(100)
TAKEN = delete(outbox).where(outbox.c.order_id == bindparam("order"))
log = logging.getLogger(__name__)


async def enter(db: AsyncConnection, paid: Paid) -> None:
    """Others must be told. In the transaction in which the order is paid."""
    await db.execute(ENTER, {"order": paid.order, "content": dumped(paid), "at": time.time()})


class Outbox:
    """Tells them. Each takes it once, however often it is told."""

    def __init__(self, database: Database, peers: Mapping[str, Peer]) -> None:
        self.database, self.peers = database, peers
        self.telling = set[asyncio.Task[Any]]()

    async def __aenter__(self) -> Self:
        self.begin(self.look())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for task in self.telling:
            task.cancel()
        await asyncio.gather(*self.telling, return_exceptions=True)

    def soon(self, paid: Paid) -> None:
        """Tell them now, while the customer is answered."""
        self.begin(self.tell(paid))

    def begin(self, work: Any) -> None:
        """Have something done beside."""
        task = asyncio.create_task(work)
        self.telling.add(task)
        task.add_done_callback(self.telling.discard)

    async def tell(self, paid: Paid) -> None:
        """Tell all; what one does not take stays to be sent again."""
        told = await asyncio.gather(
            *(self.peers[name].post("/paid", paid, object) for name in TOLD), return_exceptions=True
        )
        for error in told:
            if isinstance(error, BaseException):
                return log.warning("%s is to be told again: %s", paid.order, error)
        async with self.database.reading() as db:
            await db.execute(TAKEN, {"order": paid.order})

    async def look(self) -> None:
        """Tell again what was not taken."""
        while True:
            await asyncio.sleep(PAUSE)
            async with self.database.reading() as db:
                bodies = (await db.execute(LEFT, {"before": time.time() - PAUSE})).scalars().all()
            for body in bodies:
                await self.again(reader(Paid).validate_json(body))

    async def again(self, paid: Paid) -> None:
        """Tell all once more, the cart first."""
        try:
            await self.peers["carts"].post(f"/checkouts/{paid.cart}/close", {"order": paid.order}, object)
        except (Fault, Unavailable) as error:
            return log.warning("%s is to be told again: %s", paid.order, error)
        await self.tell(paid)
