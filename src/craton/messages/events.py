"""`Events`: what happened, stored with the command that made it happen."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from craton.calls import codec
from craton.calls.context import CONTEXT
from craton.data.store import Store, Unit
from craton.data.tables import tables_of
from craton.errors import Misuse
from craton.sources import Ids
from craton.values import Event


class Events:
    """`await self.events.publish(OrderPlaced(...))`, inside a command, commits or vanishes with it."""

    def __init__(self, store: Store, module: str, ids: Ids) -> None:
        self.store, self.module, self.ids = store, module, ids
        tables = tables_of(module)
        t = tables.sequence
        self.insert = insert(tables.outbox).values(created=store.moment, status="stored")
        first = store.insert(t).values(latest=1)
        self.next = first.on_conflict_do_update(
            index_elements=["type", "key"], set_=dict(latest=t.c.latest + 1)
        ).returning(t.c.latest)

    async def publish(self, event: Event) -> None:
        """Store the event, in order with those of its type and key."""
        unit = CONTEXT.get().unit
        if unit is None or unit.store is not self.store or unit.module != self.module:
            raise Misuse(f"{type(event).__name__} was published outside a command of {self.module}: publish it in one.")
        await self.store_event(unit, event)

    async def store_event(self, unit: Unit, event: Event) -> None:
        """The outbox row; its id and its place in the order are fixed now."""
        kind, by = type(event).__name__, str(getattr(event, event.ordered_by)) if event.ordered_by else ""
        place = (await unit.execute(self.module, self.next, {"type": kind, "key": by})).scalar_one()
        row: dict[str, Any] = dict(
            id=self.ids.new("event"), type=kind, version=event.schema_version, key=by, sequence=place,
            body=codec.encode(event), trace=CONTEXT.get().trace,
        )
        await unit.execute(self.module, self.insert, row)
