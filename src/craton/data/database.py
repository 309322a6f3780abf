"""Database: how an implementation reaches its module's tables."""

from __future__ import annotations

from typing import Any, TypeVarTuple, overload

from sqlalchemy import CursorResult, Executable
from sqlalchemy.sql.selectable import TypedReturnsRows

from craton.calls.context import CONTEXT
from craton.data.store import Parameters, Rows, Store
from craton.errors import CallInsideTransaction, OutsideStep

Ts = TypeVarTuple("Ts")


class Database:
    """A module's own tables, by SQLAlchemy statements. Ask for it in `__init__`."""

    def __init__(self, store: Store, module: str) -> None:
        self.store, self.module = store, module

    @overload
    async def execute(
        self, statement: TypedReturnsRows[*Ts], parameters: Parameters = None
    ) -> CursorResult[*Ts]: ...
    @overload
    async def execute(self, statement: Executable, parameters: Parameters = None) -> Rows: ...
    async def execute(self, statement: Executable, parameters: Parameters = None) -> Any:
        """Run one statement, in the unit of work of the command in progress, or read-only where there is none.

        The rows have been fetched, so nothing stays open. SQLAlchemy's errors pass as they are.
        """
        now = CONTEXT.get()
        unit = now.unit
        if unit is None and now.run is not None:
            raise OutsideStep(f"the database of {self.module}")
        if unit is None or unit.store is not self.store:
            return await self.store.read(self.module, statement, parameters)
        if unit.module != self.module and unit.wrote:
            raise CallInsideTransaction(unit.module, self.module)
        if unit.wide or unit.module == self.module:
            return await unit.execute(self.module, statement, parameters)
        return await self.store.read(self.module, statement, parameters)

    async def read(self, statement: Executable, parameters: Parameters = None) -> Rows:
        """Run one reading statement on what is committed, and hold no transaction: for what a command must know before
        it waits for something slow, such as a password's hash. It may have changed when the command commits."""
        if CONTEXT.get().run is not None:
            raise OutsideStep(f"the database of {self.module}")
        return await self.store.read(self.module, statement, parameters)
