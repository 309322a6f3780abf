"""A module whose database refuses some sagas only when they commit."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import Column, ForeignKey, MetaData, String, Table, delete, insert, select

from craton import Application, Database, Module, Saga, command, effect, query, saga

metadata = MetaData()
accounts = Table("register_accounts", metadata, Column("id", String, primary_key=True))
entries = Table(
    "register_entries", metadata,
    Column("id", String, primary_key=True),
    Column("account", ForeignKey("register_accounts.id", deferrable=True, initially="DEFERRED"), nullable=False),
)
TOLD: list[str] = []
"""What the outside world heard."""


class Register(Protocol):
    @saga(raises=())
    async def enter(self, account: str) -> str: ...

    @saga(raises=())
    async def announce(self, account: str) -> str: ...

    @command
    async def open(self, account: str) -> None: ...

    @command
    async def write(self, entry: str, account: str) -> None: ...

    @command
    async def erase(self, entry: str) -> None: ...

    @effect
    async def tell(self, entry: str) -> None: ...

    @effect
    async def take_back(self, entry: str) -> None: ...

    @query
    async def entries(self) -> tuple[str, ...]: ...


class Clerk(Register):
    def __init__(self, db: Database, saga: Saga) -> None:
        self.db, self.saga = db, saga

    async def enter(self, account: str) -> str:
        entry = self.saga.id("entry")
        await self.saga.step(self.write, entry, account).undo(self.erase, entry)
        return entry

    async def announce(self, account: str) -> str:
        entry = self.saga.id("entry")
        await self.saga.step(self.tell, entry).undo(self.take_back, entry)
        await self.saga.step(self.write, entry, account).undo(self.erase, entry)
        return entry

    async def open(self, account: str) -> None:
        await self.db.execute(insert(accounts), {"id": account})

    async def write(self, entry: str, account: str) -> None:
        await self.db.execute(insert(entries), {"id": entry, "account": account})

    async def erase(self, entry: str) -> None:
        assert entry in await self.entries(), "only what was written is erased"
        await self.db.execute(delete(entries).where(entries.c.id == entry))

    async def tell(self, entry: str) -> None:
        TOLD.append(f"entered {entry}")

    async def take_back(self, entry: str) -> None:
        TOLD.append(f"not entered {entry}")

    async def entries(self) -> tuple[str, ...]:
        return tuple((await self.db.execute(select(entries.c.id))).scalars().all())


register = Application("register", [
    Module("register", Register, "tests.sagas.register:Clerk", owner="tests", tables="tests.sagas.register:metadata"),
])
