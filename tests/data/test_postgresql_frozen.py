"""PostgreSQL ends the transaction of a process that is stopped for too long: what the process sees when it goes on."""

from __future__ import annotations

import asyncio
import time

import pytest
from sqlalchemy import text

from craton import OutcomeUnknown
from craton.data.migrations import migrate
from craton.data.store import Conflict
from craton.data.stores.postgresql import PostgreSQLStore
from tests.sagas.register import register

LIMIT = 0.1


@pytest.mark.parametrize("turns", range(5))
async def test_a_unit_that_was_stopped_for_too_long_is_run_again_at_whatever_moment_it_finds_out(
    postgresql: str, turns: int
) -> None:
    url = f"{postgresql}/frozen_{turns}"
    await migrate(url, [register.module("register")])
    async with PostgreSQLStore(url, ["register"], limit=LIMIT) as store:
        for ending in ("SELECT 1", None):
            unit = store.unit("register")
            await unit.execute("register", text("INSERT INTO register_accounts VALUES ('ann')"))
            time.sleep(5 * LIMIT)  # noqa: ASYNC251  # the whole process stands still
            for _ in range(turns):
                await asyncio.sleep(0)
            with pytest.raises((Conflict, OutcomeUnknown)):
                if ending:
                    await unit.execute("register", text(ending))
                await unit.commit()
        again = store.unit("register")
        await again.execute("register", text("INSERT INTO register_accounts VALUES ('ann')"))
        await again.commit()
        assert (await store.read("register", text("SELECT id FROM register_accounts"))).scalars().all() == ["ann"]
