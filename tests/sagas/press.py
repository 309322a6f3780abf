"""A press that prints books, a job for each page: what the tests of sagas with tasks run."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select

from craton import Application, Call, Database, Failed, Fault, Module, Saga, Task, Value, command, effect, query, saga


class Page(Value):
    number: int


class Plate(Value):
    number: int
    metal: str = "copper"


class Torn(Fault, status=409):
    page: int


class Burnt(Fault, status=409):
    book: str


etch = Task("etch", Page, Plate, queue="etching", retries=0, raises=Torn)
stamp = Task("stamp", Page, Plate, queue="stamping", retries=0)


class Press(Protocol):
    @saga(allow="anyone", raises=(Torn, Burnt))
    async def book(self, title: str, pages: int) -> tuple[Plate, ...]:
        """A plate for each page; the archive, which is elsewhere, keeps the title at the same time."""
        ...

    @saga(allow="anyone")
    async def leaflet(self, title: str) -> str:
        """One page, which may fail."""
        ...

    @saga(allow="anyone")
    async def gilded(self, title: str) -> Plate:
        """A page after what cannot be undone."""
        ...

    @saga(allow="anyone")
    async def foreign(self) -> Plate:
        """A task that is none of the press's."""
        ...

    @query(allow="anyone")
    async def notes(self) -> tuple[str, ...]: ...


class Archive(Protocol):
    @command(raises=Burnt)
    async def keep(self, title: str) -> None: ...

    @command
    async def drop(self, title: str) -> None: ...

    @query
    async def kept(self) -> tuple[str, ...]: ...


press_tables, archive_tables = MetaData(), MetaData()
notes = Table("press_notes", press_tables, Column("id", Integer, primary_key=True), Column("what", String))
kept = Table("archive_kept", archive_tables, Column("id", Integer, primary_key=True), Column("what", String))


class Printer(Press):
    def __init__(self, saga: Saga, db: Database, call: Call, archive: Archive) -> None:
        self.saga, self.db, self.call, self.archive = saga, db, call, archive

    async def book(self, title: str, pages: int) -> tuple[Plate, ...]:
        step = self.saga.step
        await step(self.note, f"begun {title}").undo(self.note, f"gave up {title}")
        plates: list[Any] = [step(etch, Page(n)).undo(self.wash, n) for n in range(pages)]
        *made, _ = await self.saga.gather(*plates, step(self.archive.keep, title).undo(self.archive.drop, title))
        await step(self.note, f"printed {title}")
        return tuple(made)

    async def leaflet(self, title: str) -> str:
        try:
            plate = await self.saga.step(etch, Page(1)).undo(self.scrub, 1)
        except Torn as torn:
            return f"torn {torn.page}"
        except Failed as failed:
            return f"failed: {failed.cause}"
        await self.saga.step(self.note, f"printed {title}")
        return plate.metal

    async def gilded(self, title: str) -> Plate:
        await self.saga.step(self.buy_gold, title)
        first, second = await self.saga.gather(self.saga.step(stamp, Page(1)), self.saga.step(stamp, Page(2)))
        return Plate(first.number + second.number, "gold")

    async def foreign(self) -> Plate:
        return await self.saga.step(Task("etch", Page, Plate, queue="elsewhere"), Page(1))

    async def notes(self) -> tuple[str, ...]:
        return tuple((await self.db.execute(select(notes.c.what).order_by(notes.c.id))).scalars())

    @command
    async def note(self, what: str) -> None:
        await self.db.execute(insert(notes).values(what=what))

    @command
    async def wash(self, page: int) -> None:
        await self.note(f"washed {page}")

    @effect
    async def scrub(self, page: int) -> None:
        BENCH.append(f"scrubbed {page}")

    @effect
    async def buy_gold(self, title: str) -> None:
        BENCH.append(f"gold for {title}")


BENCH: list[str] = []
"""What effects did."""


class Cellar(Archive):
    def __init__(self, db: Database) -> None:
        self.db = db

    async def keep(self, title: str) -> None:
        if title == "burnt":
            raise Burnt(title)
        await self.db.execute(insert(kept).values(what=title))

    async def drop(self, title: str) -> None:
        await self.db.execute(insert(kept).values(what=f"no {title}"))

    async def kept(self) -> tuple[str, ...]:
        return tuple((await self.db.execute(select(kept.c.what).order_by(kept.c.id))).scalars())


workshop = Application("workshop", [
    Module(
        "press", Press, "tests.sagas.press:Printer", tables="tests.sagas.press:press_tables",
        tasks={etch: "", stamp: ""},
    ),
    Module("archive", Archive, "tests.sagas.press:Cellar", tables="tests.sagas.press:archive_tables"),
])
