"""Projections: read models of event-sourced state, each with its checkpoint in the same transaction."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from sqlalchemy import BigInteger, Table, and_, bindparam, delete, func, insert, select, tuple_, update

from craton.calls.context import CONTEXT, Context, context
from craton.calls.retry import Backoff
from craton.contract import hints_of
from craton.data.store import Store, Unit, transact
from craton.data.tables import tables_of
from craton.errors import DeclarationError, Misuse, UnknownEvent
from craton.failpoints import reach
from craton.messages.stored import event_of, events_of
from craton.values import Event

E_contra = TypeVar("E_contra", bound=Event, contravariant=True)
Place = tuple[int, int]
BATCH = 100
"""Events that are applied in one transaction."""
POLL, SELDOM = 0.5, 8.0
"""Seconds after which a projection looks for what others have stored, or what an open transaction held up: after it was
told of something, and at most, since each look doubles them."""
LONGEST = 60.0
"""Seconds between two tries at most."""
log = logging.getLogger("craton.projections")


class Projection(Protocol[E_contra]):
    """What keeps a read model: the module's own `tables`, which nobody else writes, and `apply`.

    The annotation of `event`, an event or a union of several, says which events are applied.
    """

    @property
    def tables(self) -> Sequence[Table]:
        """All tables that it writes, each after those that it refers to."""
        ...

    async def apply(self, event: E_contra, place: int) -> None:
        """Bring the read model up to date; `place` is the event's version in its stream, counted from 1."""
        ...


class Overtaken(Exception):
    """Another process, or a rebuild, has moved the checkpoint meanwhile; of a rebuild, that a later one took over."""


class Projected:
    """A projection at work. Events are read in the order of their commits: one that could still get an earlier
    neighbour, since a transaction from before it is open, waits."""

    def __init__(
        self, store: Store, module: str,
        *, name: str, live: Projection[Any], beside: Projection[Any] | None, inline: bool,
    ) -> None:
        self.store, self.module, self.name = store, module, name
        self.live, self.beside, self.inline = live, beside, inline
        kinds = [hints_of(type(p).apply, type(p).__name__).get("event") for p in (live, beside or live)]
        self.events = events_of(kinds[0], f"{type(live).__name__}.apply")
        pairs = list(zip(live.tables, beside.tables, strict=False)) if beside else []
        if kinds[0] != kinds[1] or any(a is b or a.c.keys() != b.c.keys() for a, b in pairs):
            raise DeclarationError(f"{name}: beside= is not the same projection over other tables with equal columns.")
        self.tables, self.woken = pairs, asyncio.Event()
        self.aside, self.asked, self.error = f"{name}/beside/", False, ""
        self.known, self.settled = self.reading(settled=False), self.reading(settled=True)
        self.select, self.move, self.begin = self.checkpoint(), self.moving(), self.beginning()

    # ------------------------------------------------------------------ statements

    def reading(self, *, settled: bool) -> Any:
        """The events after a place, in order."""
        t = tables_of(self.module).outbox.c
        at = tuple_(bindparam("xid", type_=BigInteger), bindparam("position", type_=BigInteger))
        found = select(t.xid, t.position, t.place, t.stream, t.type, t.version, t.body).where(
            t.place.is_not(None), tuple_(t.xid, t.position) > at, *([t.xid < self.store.horizon] if settled else [])
        )
        return found.order_by(t.xid, t.position).limit(BATCH)

    def checkpoint(self) -> Any:
        """How far a projection is."""
        p = tables_of(self.module).projection.c
        return select(p.xid, p.position).where(p.name == bindparam("wanted"))

    def moving(self) -> Any:
        """Move a checkpoint, if it is there, and where it was."""
        p = tables_of(self.module).projection
        here = and_(p.c.name == bindparam("wanted"), *self.at_old(p))
        return update(p).where(here).values(xid=bindparam("to_xid"), position=bindparam("to"))

    def beginning(self) -> Any:
        """The same for one that may not be there yet."""
        new = self.store.insert(p := tables_of(self.module).projection).values(
            name=bindparam("wanted"), xid=bindparam("to_xid"), position=bindparam("to")
        )
        to = {"xid": new.excluded.xid, "position": new.excluded.position}
        return new.on_conflict_do_update(index_elements=["name"], set_=to, where=and_(*self.at_old(p)))

    def at_old(self, projection: Table) -> list[Any]:
        """That a checkpoint is where it was."""
        xid, position = bindparam("old_xid", type_=BigInteger), bindparam("old", type_=BigInteger)
        return [projection.c.xid == xid, projection.c.position == position]

    # ------------------------------------------------------------------ going on

    async def apply(self, event: Event, place: int) -> None:
        """One event, in the unit that stores it."""
        if type(event).__name__ in self.events:
            await self.live.apply(event, place)

    async def catch_up(self) -> None:
        """Apply all that is committed. A query that must not be behind may ask for this first, a command may not. (An
        inline projection has it already.)"""
        if CONTEXT.get().unit is not None:
            raise Misuse(f"projection {self.name} cannot catch up inside a transaction: make it inline, or ask before.")
        while not self.inline and await self.step(self.name, self.live) == BATCH:
            pass

    async def step(self, name: str, projection: Projection[Any]) -> int:
        """The next events, with the checkpoint, in one transaction; how many there were."""
        at = await self.at(name)
        rows = (await self.store.read(self.module, self.settled, {"xid": at[0], "position": at[1]})).all()
        if rows:
            try:
                await self.transact(lambda unit: self.advance(unit, name, projection, at, rows))
            except Overtaken:
                if name != self.name:
                    raise
                return BATCH
        return len(rows)

    async def transact(self, body: Callable[[Unit], Awaitable[None]]) -> None:
        """Run a part of it as a command of the module."""
        with context(kind="command", key=None, given=None, inner=None, run=None):
            await transact(self.store, self.module, body)

    async def at(self, name: str) -> Place:
        """The place of the last event that was applied."""
        row = (await self.store.read(self.module, self.select, {"wanted": name})).first()
        return (0, 0) if row is None else (row[0], row[1])

    async def advance(  # the five belong together, and are handed on as they are
        self, unit: Unit, name: str, projection: Projection[Any], at: Place, rows: Sequence[Any]
    ) -> None:
        """Apply events, and move the checkpoint past them."""
        to = {"wanted": name, "to_xid": rows[-1].xid, "to": rows[-1].position, "old_xid": at[0], "old": at[1]}
        statement = self.begin if name == self.name and at == (0, 0) else self.move
        if not (await unit.execute(self.module, statement, to)).rowcount:
            raise Overtaken(f"{name} of {self.module}: another process has gone on with it, or rebuilds it.")
        reach("E3")
        for row in rows:
            if (kind := self.events.get(row.type)) is not None:
                event = event_of(kind, version=row.version, body=row.body)
                if event is None:
                    raise UnknownEvent(row.stream, row.place, f"{row.type} (version {row.version})", self.name)
                await projection.apply(event, row.place)

    def wake(self) -> None:
        """There is something new."""
        self.woken.set()

    async def tend(self) -> None:
        """Catch up whenever there is something new, and rebuild when that is asked for. What fails is told, and tried
        again, later each time."""
        CONTEXT.set(Context())
        looks, failures = Backoff(first=POLL, most=SELDOM), Backoff(first=2 * POLL, most=LONGEST)
        while True:
            if self.woken.is_set():
                looks.tries = 0
            self.woken.clear()
            try:
                await self.turn()
                pause, failures.tries = looks.pause(), 0
            except Exception as error:
                self.error, pause = str(error), failures.pause()
                log.exception("projection %s of %s stands still: %s", self.name, self.module, error)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self.inline and not self.error else pause):
                    await self.woken.wait()

    async def turn(self) -> None:
        """What there is to do now."""
        if self.asked:
            try:
                await self.rebuild()
            except Overtaken as error:
                log.warning("a rebuild is left to one that began later: %s", error)
            self.asked = False
        await self.catch_up()
        self.error = ""

    def ask_rebuild(self) -> bool:
        """Rebuild soon, by `tend`. False where that cannot be done, or is under way already."""
        if self.beside is None or self.asked:
            return False
        self.asked = True
        self.wake()
        return True

    async def behind(self) -> int:
        """How many events it has not applied yet."""
        if self.inline:
            return 0
        t, (xid, position) = tables_of(self.module).outbox.c, await self.at(self.name)
        later = select(func.count()).where(t.place.is_not(None), tuple_(t.xid, t.position) > tuple_(xid, position))
        return int((await self.store.read(self.module, later)).scalar_one())

    # ------------------------------------------------------------------ from the beginning

    async def rebuild(self) -> None:
        """Build the read model anew from all events, beside the one in use, while writing and reading go on; then let
        the two change places, in one transaction. Overtaken where another rebuild of it, which may run other code,
        began meanwhile: there is one place beside, and it belongs to the latest."""
        if self.beside is None:
            raise Misuse(f"projection {self.name} has no tables to be rebuilt in: give Streams.project(beside=...).")
        aside = f"{self.aside}{secrets.token_hex(8)}"
        await self.transact(lambda unit: self.open(unit, aside))
        while await self.step(aside, self.beside) == BATCH:
            pass
        await self.transact(lambda unit: self.switch(unit, aside))

    async def open(self, unit: Unit, aside: str) -> None:
        """Begin with nothing, and a checkpoint of its own. Those of others go: that fences them off."""
        await self.empty(unit)
        await unit.execute(self.module, insert(tables_of(self.module).projection).values(name=aside, xid=0, position=0))

    async def empty(self, unit: Unit) -> None:
        """Leave nothing of any rebuild."""
        p = tables_of(self.module).projection
        await unit.execute(self.module, delete(p).where(p.c.name.startswith(self.aside, autoescape=True)))
        for _, beside in reversed(self.tables):
            await unit.execute(self.module, delete(beside))

    async def switch(self, unit: Unit, aside: str) -> None:
        """Apply what has come meanwhile, and put the new rows in the place of the old.

        An inline projection takes all that this transaction sees: whoever is not seen writes the rows itself, and
        where those were there already, one of the two transactions meets a Conflict.
        """
        assert self.beside is not None
        found = self.known if self.inline else self.settled
        while True:
            row = (await unit.execute(self.module, self.select, {"wanted": aside})).first()
            if row is None:
                raise Overtaken(f"{self.name} of {self.module}: another rebuild began meanwhile.")
            at = (row[0], row[1])
            rows = (await unit.execute(self.module, found, {"xid": at[0], "position": at[1]})).all()
            if not rows:
                break
            await self.advance(unit, aside, self.beside, at, rows)
        for live, _ in reversed(self.tables):
            await unit.execute(self.module, delete(live))
        for live, beside in self.tables:
            await unit.execute(self.module, insert(live).from_select(live.c.keys(), select(*beside.c)))
        new = self.store.insert(tables_of(self.module).projection).values(name=self.name, xid=at[0], position=at[1])
        to = dict(xid=at[0], position=at[1])  # in place of one that another process may have just begun
        await unit.execute(self.module, new.on_conflict_do_update(index_elements=["name"], set_=to))
        await self.empty(unit)
        reach("E4")
