"""Effects as steps of a saga that shares their database: their rows are written with its journal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from craton.data.store import Conflict
from craton.data.stores.sqlite_unit import SQLiteUnit
from craton.data.tables import tables_of
from craton.testing.start import Running, calling, start
from tests.sagas.shop import BANK, Orders, shop
from tests.sagas.test_sagas import fill, host


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    """The shop with one database."""
    BANK.__init__()  # type: ignore[misc]
    async with start(shop) as running:
        await fill(running)
        yield running


async def bought(running: Running) -> str:
    """The state of an order that was checked out."""
    with calling(key="1"):
        return (await running.get(Orders).checkout("a", 1, 50)).state


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the bank is asked from now on."""
    found, ask = list[str](), type(BANK).ask

    async def counted(self: Any, key: str, what: str, order: str, amount: int) -> None:
        found.append(what)
        await ask(self, key, what, order, amount)

    monkeypatch.setattr(type(BANK), "ask", counted)
    return found


async def test_an_effect_has_no_commits_of_its_own(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    commits, commit = list[str](), SQLiteUnit.commit

    async def counted(self: SQLiteUnit) -> None:
        commits.append("saga" if self.wide else self.module)
        await commit(self)

    monkeypatch.setattr(SQLiteUnit, "commit", counted)
    assert await bought(running) == "confirmed"
    assert commits == ["saga", "payments", "saga", "payments", "saga"], "the cashier's own commands, in between"


async def test_its_answer_is_kept_under_its_key(running: Running) -> None:
    assert await bought(running) == "confirmed"
    inbox = tables_of("payments").inbox.c
    rows = await host(running, "payments").store.read(
        "payments", select(inbox.method, inbox.status, inbox.lease_until).where(inbox.method != "payments.record")
    )
    assert sorted(rows.all()) == [("payments.authorize", "done", None), ("payments.capture", "done", None)]


@pytest.mark.parametrize("silent", [0, 1])
async def test_what_it_has_answered_is_not_asked_again_after_a_conflict(
    running: Running, asked: list[str], silent: int
) -> None:
    endpoint = host(running, "orders").hosted["orders"].endpoints["confirm"]
    body, tries = endpoint.body, iter([Conflict("other work came between"), None])
    assert body is not None

    async def overtaken(arguments: Any) -> Any:
        if (conflict := next(tries)) is not None:
            raise conflict
        return await body(arguments)

    object.__setattr__(endpoint, "body", overtaken)
    BANK.silent = silent
    assert await bought(running) == "confirmed"
    assert asked == ["authorize"] * (1 + silent) + ["capture"]
    assert next(tries, "none is left") == "none is left"
