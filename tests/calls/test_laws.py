"""The laws of calls, each shown in every structure where it can be broken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, update

from craton import (
    Application,
    Call,
    CallError,
    CallInsideTransaction,
    CommandInsideCommand,
    Database,
    Failed,
    Fault,
    KeyReused,
    Module,
    OutsideStep,
    QueryWrote,
    Saga,
    command,
    query,
    saga,
)
from craton.testing.start import Running, calling, start, user

STRUCTURES = [("monolith", "local"), ("monolith", "wire"), ("microservices", "local"), ("microservices", "wire")]


class Taken(Fault, status=409):
    name: str


class Names(Protocol):
    @query
    async def count(self) -> int: ...

    @query
    async def sneaky(self, name: str) -> int: ...

    @query
    async def broken(self) -> int: ...

    @query
    async def who(self) -> tuple[str, str]: ...

    @command(raises=Taken)
    async def take(self, name: str) -> str: ...

    @command(raises=Taken)
    async def take_two(self, first: str, second: str) -> tuple[str, str]: ...


class Desk(Protocol):
    @command
    async def ask_first(self, name: str) -> int: ...

    @command
    async def ask_late(self, name: str) -> int: ...

    @command
    async def command_elsewhere(self, name: str) -> str: ...

    @query
    async def query_that_commands(self, name: str) -> str: ...

    @saga
    async def forgets_step(self, name: str) -> int: ...

    @saga
    async def commands_directly(self, name: str) -> str: ...

    @saga(raises=Taken)
    async def both(self, name: str) -> int: ...


tables, desk_tables = MetaData(), MetaData()
names = Table("names_name", tables, Column("name", String, primary_key=True), Column("times", Integer))
notes = Table("desk_note", desk_tables, Column("id", Integer, primary_key=True), Column("text", String))


class NameBook(Names):
    def __init__(self, db: Database, call: Call) -> None:
        self.db, self.call = db, call

    async def count(self) -> int:
        return len((await self.db.execute(select(names))).all())

    async def sneaky(self, name: str) -> int:
        await self.db.execute(insert(names).values(name=name, times=1))
        return 1

    async def broken(self) -> int:
        raise ZeroDivisionError("a bug")

    async def who(self) -> tuple[str, str]:
        return self.call.caller.subject, ",".join(sorted(self.call.caller.roles))

    async def take(self, name: str) -> str:
        await self.db.execute(insert(names).values(name=name, times=1))
        if name == "bad":
            raise Taken(name)
        return f"{name} {await self.count()}"

    async def take_two(self, first: str, second: str) -> tuple[str, str]:
        return await self.take(first), await self.take(second)


class FrontDesk(Desk):
    def __init__(self, db: Database, saga: Saga, names: Names) -> None:
        self.db, self.saga, self.names = db, saga, names

    async def ask_first(self, name: str) -> int:
        count = await self.names.count()
        await self.db.execute(insert(notes).values(text=name))
        return count

    async def ask_late(self, name: str) -> int:
        await self.db.execute(insert(notes).values(text=name))
        return await self.names.count()

    async def command_elsewhere(self, name: str) -> str:
        return await self.names.take(name)

    async def query_that_commands(self, name: str) -> str:
        return await self.names.take(name)

    async def forgets_step(self, name: str) -> int:
        await self.db.execute(update(notes).values(text=name))
        return 1

    async def commands_directly(self, name: str) -> str:
        return await self.names.take(name)

    async def both(self, name: str) -> int:
        await self.saga.step(self.names.take, name)
        return await self.saga.step(self.ask_first, name)


office = Application("office", [
    Module("names", Names, f"{__name__}:NameBook", tables=f"{__name__}:tables"),
    Module("desk", Desk, f"{__name__}:FrontDesk", tables=f"{__name__}:desk_tables"),
])


@pytest.fixture(params=STRUCTURES, ids=lambda s: "-".join(s))
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    topology, link = request.param
    async with start(office, topology=topology, link=link) as running:
        yield running


async def test_a_co_located_query_is_the_implementations_own_method() -> None:
    async with start(office) as running:
        desk = running.get(Desk)
        assert isinstance(desk, FrontDesk)
        call = desk.names.count
        assert call.__func__ is NameBook.count  # type: ignore[attr-defined]
        assert call.__self__ is running.get(Names)  # type: ignore[attr-defined]
        assert "count" not in vars(desk.names)


async def test_a_query_cannot_write(running: Running) -> None:
    with pytest.raises((QueryWrote, Failed), match=r"marked? .*@command|is a query|query of names"):
        await running.get(Names).sneaky("a")
    assert await running.get(Names).count() == 0


async def test_a_command_may_ask_before_it_writes(running: Running) -> None:
    with calling(key="1"):
        assert await running.get(Desk).ask_first("a") == 0


async def test_a_command_may_not_ask_after_it_wrote(running: Running) -> None:
    with calling(key="1"), pytest.raises((CallInsideTransaction, Failed), match="ask first, then write"):
        await running.get(Desk).ask_late("a")


async def test_a_command_may_not_call_another_modules_command(running: Running) -> None:
    with calling(key="1"), pytest.raises((CommandInsideCommand, Failed), match="use a saga"):
        await running.get(Desk).command_elsewhere("a")
    assert await running.get(Names).count() == 0


async def test_a_query_may_not_call_a_command_when_it_was_asked_from_outside() -> None:
    for topology, link in STRUCTURES[1:]:
        async with start(office, topology=topology, link=link) as running:  # type: ignore[arg-type]
            with pytest.raises(Failed, match="use a saga"):
                await running.get(Desk).query_that_commands("a")
            assert await running.get(Names).count() == 0


async def test_a_command_called_on_self_joins_the_running_unit(running: Running) -> None:
    with calling(key="1"):
        assert await running.get(Names).take_two("a", "b") == ("a 1", "b 2")
    with calling(key="2"), pytest.raises(Taken):
        await running.get(Names).take_two("c", "bad")
    assert await running.get(Names).count() == 2


async def test_a_saga_may_use_nothing_but_steps(running: Running) -> None:
    for method in (running.get(Desk).forgets_step, running.get(Desk).commands_directly):
        with calling(key=method.__name__), pytest.raises((OutsideStep, Failed), match=r"saga\.step"):
            await method("a")
    assert await running.get(Names).count() == 0


async def test_a_saga_of_two_modules_answers_once_per_key(running: Running) -> None:
    for _ in range(2):
        with calling(key="1"):
            assert await running.get(Desk).both("a") == 1
    with calling(key="2"), pytest.raises(Taken):
        await running.get(Desk).both("bad")
    assert await running.get(Names).count() == 1


async def test_a_key_gives_the_first_answer_again_faults_included(running: Running) -> None:
    for _ in range(2):
        with calling(key="1"):
            assert await running.get(Names).take("a") == "a 1"
        with calling(key="2"), pytest.raises(Taken) as found:
            await running.get(Names).take("bad")
        assert found.value == Taken("bad")
    assert await running.get(Names).count() == 1


async def test_a_key_of_another_request_is_refused(running: Running) -> None:
    with calling(key="1"):
        await running.get(Names).take("a")
    with calling(key="1"), pytest.raises(KeyReused):
        await running.get(Names).take("b")


async def test_a_bug_passes_a_plain_call_as_itself_and_a_link_as_failed(running: Running) -> None:
    direct = running.link == "local" and len(running.topology.services) == 1
    with pytest.raises(ZeroDivisionError if direct else Failed, match="a bug"):
        await running.get(Names).broken()


async def test_the_caller_travels_with_the_call(running: Running) -> None:
    with calling(caller=user("ann", "admin")):
        assert await running.get(Names).who() == ("user:ann", "admin,user")
    assert await running.get(Names).who() == ("", "")


async def test_a_stopped_service_means_that_the_call_did_not_run() -> None:
    async with start(office, topology="microservices") as running:
        await running.close("names")
        with calling(timeout=0.3), pytest.raises(CallError):
            await running.get(Names).count()
        await running.open("names")
        assert await running.get(Names).count() == 0
