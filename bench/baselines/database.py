"""PostgreSQL through SQLAlchemy's asyncio engine on asyncpg: one engine to read by, one for transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import ARRAY, BindParameter, Integer, String, bindparam
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

POOL = 10
"""Connections of each engine, as many as a pool of ours has at most."""


class Database:
    """`reading` commits each statement by itself, which saves BEGIN and ROLLBACK; `writing` is for transactions. Both
    are READ COMMITTED: what decides about money and stock is read with row locks."""

    def __init__(self, url: str) -> None:
        address = url.replace("postgresql://", "postgresql+asyncpg://", 1)
        self.autocommit = create_async_engine(
            address, pool_size=POOL, max_overflow=0, isolation_level="AUTOCOMMIT", pool_reset_on_return=None
        )
        self.transactions = create_async_engine(address, pool_size=POOL, max_overflow=0)

    def reading(self) -> Any:
        """A connection on which each statement stands alone: `async with database.reading() as db`."""
        return self.autocommit.connect()

    def writing(self) -> Any:
        """A transaction."""
        return self.transactions.begin()

    async def close(self) -> None:
        """Close all connections."""
        await self.autocommit.dispose()
        await self.transactions.dispose()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database, closed at the end."""
    database = Database(url)
    try:
        yield database
    finally:
        await database.close()


def texts(name: str) -> BindParameter[Any]:
    """A list of texts, as one parameter: the statement is the same for any number of them."""
    return bindparam(name, type_=ARRAY(String))


def numbers(name: str) -> BindParameter[Any]:
    """A list of numbers, as one parameter."""
    return bindparam(name, type_=ARRAY(Integer))


__all__ = ["AsyncConnection", "Database", "numbers", "opened", "texts"]
