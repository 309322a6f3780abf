"""The same service by hand: FastAPI on uvicorn (uvloop, httptools, no access log), SQLAlchemy's asyncio engine.

As its documentation advises: one file, its models declared by pydantic and by SQLAlchemy's ORM.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(os.environ["DATABASE"])
session = async_sessionmaker(engine)


class Base(DeclarativeBase):
    """What SQLAlchemy wants."""


class Row(Base):
    """The table."""

    __tablename__ = "sales"
    id: Mapped[str] = mapped_column(primary_key=True)
    customer: Mapped[str]
    total: Mapped[int]


class Sale(BaseModel):
    """What was sold."""

    order: str
    customer: str
    total: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make the table."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/sales/{order}")
async def sale(order: str) -> Sale:
    """One row."""
    async with session() as db:
        row = await db.get(Row, order)
    if row is None:
        raise HTTPException(404)
    return Sale(order=row.id, customer=row.customer, total=row.total)


@app.post("/sales", status_code=204)
async def sell(wanted: Sale) -> None:
    """One row more."""
    async with session.begin() as db:
        db.add(Row(id=wanted.order, customer=wanted.customer, total=wanted.total))


if __name__ == "__main__":
    uvicorn.run(app, uds=sys.argv[1], http="httptools", loop="uvloop", access_log=False, log_level="warning")
