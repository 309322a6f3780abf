"""A command without a key: done whenever it is asked, its answer may be a secret, its faults may keep what it wrote."""

from __future__ import annotations

from typing import Protocol

import pytest
from sqlalchemy import Column, MetaData, String, Table, func, insert, select

from craton import Application, Database, DeclarationError, Failed, Fault, Module, Saga, Secret, command, query, saga
from craton.testing.start import calling, start

metadata = MetaData()
notes = Table("notes_notes", metadata, Column("text", String, primary_key=True))


class Counted(Fault, keeps=True):
    """Refused, and remembered."""


class Refused(Fault):
    """Refused."""


class Notes(Protocol):
    @command(keyed=False, raises=(Counted, Refused))
    async def add(self, text: str, then: str = "") -> Secret: ...

    @query
    async def count(self) -> int: ...


class Book(Notes):
    def __init__(self, db: Database) -> None:
        self.db = db

    async def add(self, text: str, then: str = "") -> Secret:
        await self.db.execute(insert(notes).values(text=text))
        if then:
            raise Counted if then == "keep" else Refused
        return Secret(text)

    async def count(self) -> int:
        found: int = (await self.db.execute(select(func.count()).select_from(notes))).scalar_one()
        return found


class Work(Protocol):
    @saga
    async def note(self) -> None: ...


class Worker(Work):
    def __init__(self, saga: Saga, notes: Notes) -> None:
        self.saga, self.notes = saga, notes

    async def note(self) -> None:
        await self.saga.step(self.notes.add, "a")


app = Application("pad", [
    Module("notes", Notes, "tests.calls.test_unkeyed:Book", tables="tests.calls.test_unkeyed:metadata"),
    Module("work", Work, "tests.calls.test_unkeyed:Worker"),
])
everywhere = pytest.mark.parametrize(
    ("topology", "link"), [("monolith", "local"), ("monolith", "wire"), ("microservices", "local")],
)


@everywhere
async def test_it_takes_no_key_and_stores_no_answer(topology: str, link: str) -> None:
    async with start(app, topology=topology, link=link) as running:  # type: ignore[arg-type]
        pad = running.get(Notes)
        with calling(key="k"):
            assert (await pad.add("a")).reveal() == "a"
        with calling(key="k"):
            assert (await pad.add("b")).reveal() == "b"
        assert await pad.count() == 2


@everywhere
async def test_a_fault_that_keeps_leaves_what_was_written_and_any_other_nothing(topology: str, link: str) -> None:
    async with start(app, topology=topology, link=link) as running:  # type: ignore[arg-type]
        pad = running.get(Notes)
        with pytest.raises(Counted):
            await pad.add("a", "keep")
        assert await pad.count() == 1
        with pytest.raises(Refused):
            await pad.add("b", "refuse")
        assert await pad.count() == 1


async def test_no_saga_can_call_it() -> None:
    async with start(app) as running:
        with calling(key="k"), pytest.raises(Failed, match="no saga can call it"):
            await running.get(Work).note()


def test_a_fault_that_keeps_is_refused_where_there_is_a_key() -> None:
    class Kept(Protocol):
        @command(raises=Counted)
        async def add(self) -> None: ...

    with pytest.raises(DeclarationError, match=r"keeps what was written: only for @command\(keyed=False\)"):
        Application("kept", [Module("kept", Kept, "a:B")])


def test_only_a_command_does_without_a_key() -> None:
    with pytest.raises(DeclarationError, match="only a command may do without a key"):
        saga(keyed=False)
