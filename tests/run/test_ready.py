"""A process is ready while its own database answers, whatever other services do."""

from __future__ import annotations

import pytest

from craton import NotRun
from craton.testing.start import start
from tests.calls.test_unkeyed import app


async def test_it_is_ready_while_its_own_database_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with start(app, topology="microservices") as running:
        ready = [await running.processes[name].ready() for name in ("notes", "work", "gateway")]
        await running.close("notes")
        without = [await running.processes[name].ready() for name in ("work", "gateway")]

        async def away() -> float:
            raise NotRun("the database is away")

        monkeypatch.setattr(running.processes["work"].store, "now", away)
        gone = await running.processes["work"].ready()
    assert (ready, without, gone) == ([True, True, True], [True, True], False)
