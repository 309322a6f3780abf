"""Event sourcing: an aggregate's state is what its events made it, and its stream is part of the module's outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, Generic, TypeVar, cast

import msgspec
from sqlalchemy import bindparam, func, literal, null, select, union_all
from sqlalchemy.exc import IntegrityError

from craton.calls import codec
from craton.contract import hints_of
from craton.crossing import check_no_secret
from craton.data.database import Database
from craton.data.store import Conflict, Store
from craton.data.tables import tables_of
from craton.errors import DeclarationError, Misuse, UnknownEvent
from craton.failpoints import reach
from craton.messages.events import Events
from craton.messages.projections import Projected, Projection
from craton.messages.stored import event_of, events_of, stream_of
from craton.values import Event, VersionConflict

S = TypeVar("S")
E = TypeVar("E", bound=Event)
Evolve = Callable[[S | None, E], S]


class Streams:
    """Where a module's event-sourced state is. Ask for it in `__init__`."""

    def __init__(self, store: Store, module: str, events: Events) -> None:
        self.store, self.module, self.events = store, module, events
        self.projections: list[Projected] = []
        self.keys: dict[str, str] = {}

    def of(self, evolve: Evolve[S, E], *, snapshot_every: int = 0, version: int = 1) -> Repository[S, E]:
        """The streams of one kind of aggregate. `evolve` gives the state after an event; before the first it is None.

        It is pure: what it makes of an event today it must make of it for ever, since state is never stored but as a
        snapshot, after every so many events. Raise `version` when it makes something else: older snapshots are then
        ignored, as they are when the fields of the state have changed.
        """
        made = Repository(self, evolve, snapshot_every=snapshot_every, version=version)
        if (other := self.keys.setdefault(made.key, evolve.__name__)) != evolve.__name__:
            raise DeclarationError(f"{evolve.__name__} and {other} have streams with one key, {made.key}: rename one.")
        return made

    def project(
        self, name: str, projection: Projection[Any], *, beside: Projection[Any] | None = None, inline: bool = False
    ) -> Projected:
        """Keep a read model up to date: soon after each commit, or with `inline` in the same transaction.

        `beside` is the same over tables of its own: the read model is rebuilt in these, and then changes places.
        """
        made = Projected(self.store, self.module, name=name, live=projection, beside=beside, inline=inline)
        if any(other.name == name for other in self.projections):
            raise DeclarationError(f"{self.module}: two projections are named {name!r}: rename one.")
        self.projections.append(made)
        return made


class Repository(Generic[S, E]):
    """The streams of one kind of aggregate, by key."""

    def __init__(self, streams: Streams, evolve: Evolve[S, E], *, snapshot_every: int, version: int) -> None:
        self.streams, self.evolve, self.snapshot_every = streams, evolve, snapshot_every
        self.module = streams.module
        self.state, self.events = declared(evolve)
        self.key = key_of(self.events.values(), evolve.__name__)
        self.db = Database(streams.store, self.module)
        if snapshot_every:
            check_no_secret(self.state, evolve.__name__, reason="a snapshot of it is stored: leave it out")
        self.schema = f"{version} {fingerprint(self.state)}" if snapshot_every else ""
        self.select, self.keep = self.reading(), self.keeping()

    def reading(self) -> Any:
        """The statement that finds the newest snapshot, which has no type, and the events after it."""
        t, s = tables_of(self.module).outbox.c, tables_of(self.module).snapshot.c
        found = select(t.place, t.type, t.version, t.body).where(t.stream == bindparam("stream"), t.place > 0)
        if not self.snapshot_every:
            return found.order_by(t.place)
        fits = s.stream == bindparam("stream"), s.schema == bindparam("schema")
        newest = func.coalesce(select(s.place).where(*fits).scalar_subquery(), 0)
        snapshot = select(s.place, null().label("type"), literal(0).label("version"), s.body).where(*fits)
        return union_all(snapshot, found.where(t.place > newest)).order_by("place")

    def keeping(self) -> Any:
        """The statement that stores a snapshot."""
        insert = self.streams.store.insert(table := tables_of(self.module).snapshot)
        new = {name: insert.excluded[name] for name in ("place", "schema", "body")}
        return insert.on_conflict_do_update(index_elements=[table.c.stream], set_=new)

    def begin(self, key: str) -> Stream[S, E]:
        """A stream that must be new: nothing is read. VersionConflict, when events are appended, where it is not."""
        return Stream(self, key, expected=0)

    async def load(self, key: str, *, version: int | None = None) -> Stream[S, E]:
        """A stream with its state, as the command in progress sees it; or, in a query, as it is.

        VersionConflict where it is not at the `version` that is asked for.
        """
        stream = Stream(self, key, expected=version)
        given = {"stream": stream.name, "schema": self.schema} if self.snapshot_every else {"stream": stream.name}
        for row in (await self.db.execute(self.select, given)).all():
            stream.take(*row)
        if version is not None and stream.version != version:
            raise VersionConflict(stream.name, version, stream.version)
        return stream

    def read(self, stream: str, *, place: int, kind: str, version: int, body: str) -> E:
        """An event as it was stored. UnknownEvent where this code does not know it."""
        known = self.events.get(kind)
        found = None if known is None else event_of(known, version=version, body=body)
        if found is None:
            raise UnknownEvent(stream, place, f"{kind} (version {version})", self.evolve.__name__)
        return cast("E", found)


class Stream(Generic[S, E]):
    """One aggregate: its `state`, None before its first event; and its `version`, the number of its events."""

    def __init__(self, repository: Repository[S, E], key: str, *, expected: int | None) -> None:
        self.repository, self.key, self.expected = repository, key, expected
        self.name = f"{repository.key}={key}"
        self.state: S | None = None
        self.version = 0

    def take(self, place: int, kind: str | None, version: int, body: str) -> None:
        """One row of it: a snapshot, or the next event."""
        of = self.repository
        if kind is None:
            self.state = codec.reader(of.state).decode(body)
        else:
            event = of.read(self.name, place=place, kind=kind, version=version, body=body)
            self.state = of.evolve(self.state, event)
        self.version = place

    async def append(self, *events: E) -> S:
        """What happened now: stored, published, and projected where that is done inline. Gives the state after it.

        Where someone else was faster the command runs again, with what that one did; VersionConflict where a version
        was asked for.
        """
        before = self.version
        for event in events:
            await self.add(event)
        of = self.repository
        if of.snapshot_every and before // of.snapshot_every != self.version // of.snapshot_every:
            body = codec.to_json(self.state).decode()
            row = dict(stream=self.name, place=self.version, schema=of.schema, body=body)
            await of.db.execute(of.keep, row)
        assert self.state is not None, f"nothing was appended to {self.name}"
        return self.state

    async def add(self, event: E) -> None:
        """One event."""
        of, events = self.repository, self.repository.streams.events
        if stream_of(event) != self.name:
            raise Misuse(f"{event!r} was appended to {self.name}: append it to {stream_of(event)}.")
        after, unit = of.evolve(self.state, event), events.unit(event)
        reach("E1")
        try:
            await events.store_event(unit, event, self.version + 1)
        except IntegrityError as error:
            if self.expected is not None:
                raise VersionConflict(self.name, self.expected, None) from error
            raise Conflict(f"{self.name} went on past version {self.version}") from error
        self.state, self.version = after, self.version + 1
        for projected in of.streams.projections:
            if projected.inline:
                await projected.apply(event, self.version)
            else:
                unit.after.add(projected.wake)
        reach("E2")


def declared(evolve: Evolve[Any, Any]) -> tuple[Any, dict[str, type[Event]]]:
    """What `evolve` returns, and the events that it takes, by name; both from its annotations."""
    hints = hints_of(evolve, evolve.__name__)
    found = [kind for name, kind in hints.items() if name != "return"]
    if len(found) != 2 or "return" not in hints:
        raise DeclarationError(
            f"{evolve.__name__} must be written as `def evolve(state: State | None, event: Placed | Paid) -> State`."
        )
    return hints["return"], events_of(found[1], evolve.__name__)


def key_of(events: Iterable[type[Event]], where: str) -> str:
    """The field that all these events are ordered by: together with its value it names the stream."""
    keys = {event.ordered_by for event in events}
    if len(keys) != 1 or None in keys:
        raise DeclarationError(f"{where}: events of one stream have one key: write class ...(Event, key=...) for each.")
    return str(keys.pop())


def fingerprint(state: Any) -> str:
    """What changes whenever the fields of a state do."""
    return blake2b(msgspec.json.encode(msgspec.json.schema(state)), digest_size=8).hexdigest()
