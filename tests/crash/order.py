"""What makes simulated runs alike, whatever chance and the machine's speed would have, and makes them quick."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine, Float, create_engine, literal_column

from craton.application import implementations
from craton.calls import retry
from craton.data.store import open_store
from craton.data.stores import sqlite, sqlite_connection
from craton.run import process
from tests.crash.points import OWNER

SEED, EPOCH = 7, 1_700_000_000
checked = cache(implementations)
"""The implementations of a service, looked for and checked once instead of at each start."""


def pauses() -> Any:
    """What stands in for Backoff.pause: pauses by chance, but the same in each run."""
    dice, pause = random.Random(SEED), retry.Backoff.pause

    def seeded(backoff: retry.Backoff) -> float:
        backoff.random = dice
        return pause(backoff)

    return seeded


@cache
def first_engine() -> Engine:
    """The engine whose compiled statements all others use."""
    return create_engine("sqlite://")


def make_engine(url: str, **options: Any) -> Engine:
    """An engine that compiles no statement again."""
    engine, first = create_engine(url, **options), first_engine()
    engine.dialect, engine._compiled_cache = first.dialect, first._compiled_cache
    return engine


def make_store(url: str, modules: tuple[str, ...], **options: Any) -> Any:
    """A store that its service knows from the start, so that it can be closed half open."""
    store = open_store(url, modules, **options)
    owner: Any = OWNER.get()
    owner.stores.append(store)
    return store


connect = sqlite_connection.SQLiteConnection.__init__


def make_connection(self: Any, *args: Any, **options: Any) -> None:
    """A connection on which `virtual_now()` is the time of the loop."""
    connect(self, *args, **options)
    self.raw.create_function("virtual_now", 0, virtual_now)


def virtual_now() -> float:
    """What the database's clock says."""
    return EPOCH + asyncio.get_running_loop().time()


async def now(store: Any) -> float:
    """The same, for who asks a store."""
    return virtual_now()


@contextmanager
def orderly() -> Iterator[None]:
    """Runs within this `with` block depend on nothing but their plan."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(sqlite.SQLiteStore, "moment", literal_column("virtual_now()", Float)))
        stack.enter_context(patch.object(sqlite.SQLiteStore, "now", now))
        stack.enter_context(patch.object(sqlite_connection.SQLiteConnection, "__init__", make_connection))
        stack.enter_context(patch.object(retry.Backoff, "pause", pauses()))
        stack.enter_context(patch.object(sqlite, "BRISK", float("inf")))
        stack.enter_context(patch.object(sqlite_connection, "create_engine", make_engine))
        stack.enter_context(patch.object(process, "implementations", checked))
        stack.enter_context(patch.object(process, "open_store", make_store))
        yield
