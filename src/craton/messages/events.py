"""`Events`: what happened, stored with the command that made it happen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Executable, bindparam, insert, literal, select, true, union_all

from craton.calls import codec
from craton.calls.context import CONTEXT
from craton.data.store import Store, Unit
from craton.data.tables import tables_of
from craton.errors import Misuse
from craton.failpoints import reach
from craton.sources import Ids
from craton.values import Event

LEASE = 15.0
"""Seconds that an event stays with the process that relays it; after that any replica may."""


class Events:
    """`await self.events.publish(OrderPlaced(...))`, inside a command, commits or vanishes with it.

    `destinations`: the modules that hear of an event, by the name of its type. `wake`: called after the commit.
    """

    def __init__(
        self, store: Store, module: str,
        *, ids: Ids, destinations: Mapping[str, tuple[str, ...]], owner: str, wake: Callable[[], None],
    ) -> None:
        self.store, self.module, self.ids = store, module, ids
        self.destinations, self.wake = destinations, wake
        tables = tables_of(module)
        self.sequence, self.numbering = tables.sequence, dict[tuple[str, ...], Executable]()
        mine: dict[str, Any] = {} if store.exclusive else dict(owner=owner, lease_until=store.moment + LEASE)
        fixed: dict[str, Any] = dict(created=store.moment, xid=store.transaction, due=0.0, attempts=0)
        self.insert = insert(tables.outbox).values(**fixed).inline()
        self.insert_mine = insert(tables.outbox).values(**fixed, **mine).inline()

    async def publish(self, event: Event) -> None:
        """Store the event: each module that subscribes to it receives it once, in order with others of its key."""
        await self.store_event(self.unit(event), event)

    def unit(self, event: Event) -> Unit:
        """The unit of the command in progress, which the event becomes a part of."""
        unit: Unit | None = CONTEXT.get().unit
        if unit is None or unit.store is not self.store or unit.module != self.module:
            raise Misuse(f"{type(event).__name__} was published outside a command of {self.module}: publish it in one.")
        return unit

    async def store_event(self, unit: Unit, event: Event, place: int | None = None) -> None:
        """The outbox row; its id and its place in the order are fixed now."""
        reach("P2")
        kind = type(event)
        stream = f"{kind.ordered_by}={getattr(event, kind.ordered_by)}" if kind.ordered_by else ""
        destinations = self.destinations.get(kind.__name__, ())
        sequences = await self.numbers(unit, destinations, stream)
        row: dict[str, Any] = dict(
            id=self.ids.new("event"), stream=stream, type=kind.__name__, version=kind.schema_version,
            body=codec.to_json(event).decode(), sequences=codec.to_json(sequences).decode(),
            pending=",".join(destinations), status="stored" if destinations else "sent", trace=CONTEXT.get().trace,
            place=place,
        )
        store = unit.later if place is None else unit.execute  # a place may be taken, and who wants it must know
        await store(self.module, self.insert_mine if destinations else self.insert, row)
        if destinations:
            unit.after.add(self.wake)

    async def numbers(self, unit: Unit, destinations: tuple[str, ...], stream: str) -> dict[str, int]:
        """The event's number in its stream, for each destination; 0 where it has no stream, and no order."""
        if not stream or not destinations:
            return dict.fromkeys(destinations, 0)
        if destinations not in self.numbering:
            self.numbering[destinations] = self.next(destinations)
        found = await unit.execute(self.module, self.numbering[destinations], {"of": stream})
        return {destination: latest for destination, latest in found.all()}

    def next(self, destinations: tuple[str, ...]) -> Executable:
        """The statement that takes the next number of a stream for each of these."""
        t = self.sequence
        of = bindparam("of", type_=t.c.stream.type)
        rows = [select(literal(name, t.c.destination.type), of, literal(1)).where(true()) for name in destinations]
        first = self.store.insert(t).from_select(["destination", "stream", "latest"], union_all(*rows))
        statement: Executable = first.on_conflict_do_update(
            index_elements=["destination", "stream"], set_=dict(latest=t.c.latest + 1)
        ).returning(t.c.destination, t.c.latest)
        return statement
