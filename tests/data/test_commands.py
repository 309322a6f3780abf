"""Commands under a key: what was done once is never said not to have happened."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest

from craton import command
from craton.calls.context import context
from craton.contract import Method, methods_of
from craton.data.commands import Body, Command
from craton.data.effects import Settling
from craton.data.inbox import Inbox
from craton.data.migrations import migrate
from craton.data.store import Conflict, Store, open_store
from craton.errors import KeyReused, NotRun, OutcomeUnknown
from tests.data.bank import ADD, Bank
from tests.data.books.tables import MODULES, NAMES
from tests.postgresql import Server, serve


class Paying(Protocol):
    @command
    async def pay(self, amount: int) -> int: ...


PAY: Method = methods_of(Paying)["pay"]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    url = f"sqlite:///{tmp_path}/books.db"
    await migrate(url, MODULES)
    async with open_store(url, NAMES) as store:
        await Bank(store).open(0)
        yield store


def paying(store: Store, then: Body | None = None) -> Command:
    """A command that pays into account 0, and `then` does something else."""
    bank = Bank(store)

    async def pay(arguments: msgspec.Struct) -> int:
        await bank.db.execute(ADD, {"wanted": 0, "by": arguments.amount})  # type: ignore[attr-defined]
        if then is not None:
            await then(arguments)
        return 1

    inbox = Inbox(store, "bank")
    settle = Settling(store, "bank", inbox)
    return Command("bank.pay", PAY, pay, store=store, module="bank", inbox=inbox, settle=settle)


async def ask(command: Command, amount: int = 5) -> Any:
    return await command.ask(PAY.bind((amount,), {}), key="k")


def late() -> context:
    """A deadline that has passed."""
    return context(deadline=asyncio.get_running_loop().time() - 1)


async def test_a_repeated_key_gets_its_answer_even_if_the_deadline_has_passed(store: Store) -> None:
    assert await ask(paying(store)) == 1
    with late():
        assert await ask(paying(store)) == 1
    with late(), pytest.raises(KeyReused):
        await ask(paying(store), 6)
    assert await Bank(store).balance(0) == 5


async def test_a_new_key_is_not_run_where_the_deadline_has_passed_at_a_conflict(store: Store) -> None:
    async def lose(arguments: msgspec.Struct) -> None:
        raise Conflict("as if")

    with late(), pytest.raises(NotRun, match="other work"):
        await ask(paying(store, lose))
    assert await Bank(store).balance(0) == 0


@pytest.fixture
def server() -> Iterator[Server]:
    """One that a test may stop."""
    yield from serve()


async def test_a_repeated_key_whose_answer_cannot_be_read_leaves_the_outcome_unknown(server: Server) -> None:
    async def stop(arguments: msgspec.Struct) -> None:
        server.stop()

    url = f"{server.url}/books"
    await migrate(url, MODULES)
    async with open_store(url, NAMES) as store:
        await Bank(store).open(0)
        assert await ask(paying(store)) == 1
        with pytest.raises(OutcomeUnknown, match="cannot be read"):
            await ask(paying(store, stop))
        server.start()
        assert await ask(paying(store)) == 1
        assert await Bank(store).balance(0) == 5
