"""An outbox by hand: SQLAlchemy's asyncio engine on asyncpg, aio-pika, RabbitMQ.

Tuned: the relay is woken in its process after a commit (it polls besides), claims up to 500 rows with SKIP LOCKED,
publishes them all at once with confirms, and marks them with one update; the receiver prefetches 500 and applies each
in a transaction of its own, with an inbox row, before it acknowledges. The queue is a quorum queue, as ours is.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import aio_pika
from sqlalchemy import BigInteger, Column, Identity, MetaData, String, Table, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bench.peers.database import ASYNCPG
from bench.shop import tables
from bench.tally import TALLY

SETTINGS = f"outbox by hand: {ASYNCPG}, aio-pika {version('aio-pika')}, each event applied with an inbox row"
BATCH, POLL, QUEUE = 500, 1.0, "audience"
outbox = Table(
    "outbox", MetaData(),
    Column("position", BigInteger, Identity(), primary_key=True),
    Column("id", String, nullable=False),
    Column("type", String, nullable=False),
    Column("body", String, nullable=False),
    Column("status", String, nullable=False, index=True),
)
inbox = Table(
    "inbox", outbox.metadata,
    Column("message", String, primary_key=True),
    Column("subscriber", String, primary_key=True),
)
STORE = insert(outbox).values(type="Dispatched", status="stored").inline()
DUE = select(outbox.c.position, outbox.c.id, outbox.c.body).where(outbox.c.status == "stored").order_by(
    outbox.c.position
).limit(BATCH).with_for_update(skip_locked=True)
MARK = update(outbox).where(outbox.c.position.in_(bindparam("found", expanding=True))).values(status="sent")
TAKE = upsert(inbox).values(subscriber="audience.hear").on_conflict_do_nothing()
APPLY = insert(tables.audience)


async def engine_at(url: str) -> AsyncEngine:
    """An engine with ten connections, and the tables."""
    engine = create_async_engine(url, pool_size=10, max_overflow=0, pool_timeout=60)
    async with engine.begin() as connection:
        await connection.run_sync(outbox.metadata.create_all)
        await connection.run_sync(tables.audience_metadata.create_all)
    return engine


@asynccontextmanager
async def orders(url: str, broker: str) -> AsyncIterator[Callable[[str, int], Awaitable[None]]]:
    """What publishes, and the relay beside it."""
    engine, stored = await engine_at(url), asyncio.Event()

    async def publish(order: str, at: int) -> None:
        async with engine.begin() as connection:
            await connection.execute(STORE, {"id": uuid4().hex, "body": json.dumps({"order": order, "at": at})})
        stored.set()

    async with await aio_pika.connect_robust(broker) as connected:
        channel = await connected.channel(publisher_confirms=True)
        relaying = asyncio.create_task(relay(engine, channel, stored))
        yield publish
        relaying.cancel()
    await engine.dispose()


async def relay(engine: AsyncEngine, channel: Any, stored: asyncio.Event) -> None:
    """For ever: what is stored goes to RabbitMQ."""
    while True:
        stored.clear()
        while await turn(engine, channel) == BATCH:
            pass
        try:
            async with asyncio.timeout(POLL):
                await stored.wait()
        except TimeoutError:
            pass


async def turn(engine: AsyncEngine, channel: Any) -> int:
    """One batch."""
    async with engine.begin() as connection:
        rows = (await connection.execute(DUE)).all()
        if rows:
            await asyncio.gather(*(send(channel, row) for row in rows))
            await connection.execute(MARK, {"found": [row.position for row in rows]})
    return len(rows)


async def send(channel: Any, row: Any) -> None:
    """Publish one, and wait for its confirm."""
    message = aio_pika.Message(
        row.body.encode(), message_id=row.id, type="Dispatched", delivery_mode=aio_pika.DeliveryMode.PERSISTENT
    )
    await channel.default_exchange.publish(message, routing_key=QUEUE, mandatory=True)


async def serve(url: str, broker: str) -> None:
    """The receiver, until ended."""
    engine = await engine_at(url)

    async def take(message: Any) -> None:
        found = json.loads(message.body)
        async with engine.begin() as connection:
            if (await connection.execute(TAKE, {"message": message.message_id})).rowcount:
                await connection.execute(APPLY, tables.row(found["order"]))
        TALLY.add(found["at"])
        await message.ack()

    async with await aio_pika.connect_robust(broker) as connected:
        channel = await connected.channel()
        await channel.set_qos(prefetch_count=500)
        queue = await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
        await queue.consume(take)
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve(*sys.argv[1:]))
