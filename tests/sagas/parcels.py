"""A dispatcher of parcels, whose sagas do steps side by side, sleep, and wait for events."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from sqlalchemy import Column, MetaData, String, Table, insert, select, update

from craton import (
    Application,
    Database,
    Event,
    Events,
    Failed,
    Fault,
    Module,
    NotRun,
    Saga,
    command,
    effect,
    query,
    saga,
)


class Broken(Fault, status=409):
    parcel: str


class Arrived(Event, key="parcel"):
    parcel: str
    place: str


class Packed(Event, key="parcel"):
    parcel: str
    state: str


class Parcels(Protocol):
    @query
    async def all(self) -> tuple[tuple[str, str], ...]: ...

    @command(raises=Broken)
    async def pack(self, parcel: str) -> str: ...

    @command
    async def unpack(self, parcel: str) -> None: ...

    @command
    async def arrive(self, parcel: str, place: str) -> None: ...

    @effect
    async def label(self, parcel: str) -> str: ...

    @effect
    async def tear_off(self, parcel: str) -> None: ...

    @effect
    async def stamp(self, parcel: str) -> str: ...


class Dispatch(Protocol):
    @saga(raises=Broken)
    async def pack_all(self, parcels: tuple[str, ...]) -> tuple[str, ...]: ...

    @saga
    async def label_all(self, parcels: tuple[str, ...]) -> tuple[str, ...]: ...

    @saga(raises=Broken)
    async def mixed(self, near: str, far: str) -> tuple[str, str, str]: ...

    @saga
    async def remind(self, parcel: str, seconds: float) -> str: ...

    @saga(awaits=Arrived)
    async def follow(self, parcel: str, hours: int, times: int = 1) -> tuple[str, ...]: ...

    @saga(raises=Broken, awaits=Arrived)
    async def journey(self, parcels: tuple[str, ...], seconds: int) -> str: ...

    @saga
    async def unsaid(self, parcel: str) -> None: ...

    @saga
    async def ask(self, what: str) -> str: ...

    @saga
    async def seal(self, parcel: str) -> str: ...

    @query
    async def notes(self) -> tuple[tuple[str, str], ...]: ...


parcels_tables, dispatch_tables = MetaData(), MetaData()
parcels = Table("parcels_parcel", parcels_tables, Column("id", String, primary_key=True), Column("state", String))
notes = Table("dispatch_note", dispatch_tables, Column("id", String, primary_key=True), Column("state", String))


class Outside:
    """What the outside is to do, and has done."""

    def __init__(self) -> None:
        self.together = 0
        self.at_once, self.most, self.broken = 0, 0, False
        self.labels: list[str] = []
        self.met = asyncio.Event()


OUTSIDE = Outside()


class Packer(Parcels):
    def __init__(self, db: Database, events: Events) -> None:
        self.db, self.events = db, events

    async def all(self) -> tuple[tuple[str, str], ...]:
        return tuple((row.id, row.state) for row in await self.db.execute(select(parcels).order_by(parcels.c.id)))

    async def pack(self, parcel: str) -> str:
        if parcel.startswith("broken"):
            raise Broken(parcel)
        await self.db.execute(insert(parcels).values(id=parcel, state="packed"))
        await self.events.publish(Packed(parcel, "packed"))
        return f"packed {parcel}"

    async def unpack(self, parcel: str) -> None:
        if OUTSIDE.broken:
            raise ZeroDivisionError("an undo that breaks")
        await self.db.execute(update(parcels).where(parcels.c.id == parcel).values(state="unpacked"))
        await self.events.publish(Packed(parcel, "unpacked"))

    async def arrive(self, parcel: str, place: str) -> None:
        await self.events.publish(Arrived(parcel, place))

    async def label(self, parcel: str) -> str:
        """Waits until as many are asked for at the same time as are to be `together`."""
        OUTSIDE.at_once += 1
        OUTSIDE.most = max(OUTSIDE.most, OUTSIDE.at_once)
        if OUTSIDE.at_once >= OUTSIDE.together:
            OUTSIDE.met.set()
        await OUTSIDE.met.wait()
        if parcel not in OUTSIDE.labels:
            OUTSIDE.labels.append(parcel)
        return f"label {parcel}"

    async def tear_off(self, parcel: str) -> None:
        if parcel in OUTSIDE.labels:
            OUTSIDE.labels.remove(parcel)

    async def stamp(self, parcel: str) -> str:
        OUTSIDE.labels.append(parcel)
        return f"stamp {parcel}"


class Dispatcher(Dispatch):
    def __init__(self, db: Database, saga: Saga, parcels: Parcels) -> None:
        self.db, self.saga, self.parcels = db, saga, parcels

    async def pack_all(self, parcels: tuple[str, ...]) -> tuple[str, ...]:
        step, packer = self.saga.step, self.parcels
        await step(self.note, "all", "begun").undo(self.renote, "all", "given up")
        packed = await self.saga.gather(*[step(packer.pack, p).undo(packer.unpack, p) for p in parcels])
        await step(self.renote, "all", "packed")
        return packed

    async def label_all(self, parcels: tuple[str, ...]) -> tuple[str, ...]:
        step, packer = self.saga.step, self.parcels
        return await self.saga.gather(*[step(packer.label, p).undo(packer.tear_off, p) for p in parcels])

    async def mixed(self, near: str, far: str) -> tuple[str, str, str]:
        step, packer = self.saga.step, self.parcels
        found = await self.saga.gather(
            step(packer.pack, far).undo(packer.unpack, far),
            step(self.note, near, "noted").undo(self.renote, near, "taken back"),
            step(packer.label, far).undo(packer.tear_off, far),
        )
        await step(self.renote, near, "done")
        return found

    async def remind(self, parcel: str, seconds: float) -> str:
        await self.saga.step(self.note, parcel, "waiting")
        await self.saga.sleep(seconds)
        await self.saga.step(self.renote, parcel, "reminded")
        return f"reminded {parcel}"

    async def follow(self, parcel: str, hours: int, times: int = 1) -> tuple[str, ...]:
        await self.saga.step(self.note, parcel, "sent")
        places: list[str] = []
        for _ in range(times):
            event = await self.saga.event(Arrived, key=parcel, within=hours * 3600)
            places.append(event.place if event else "nowhere")
        await self.saga.step(self.renote, parcel, places[-1])
        return tuple(places)

    async def journey(self, parcels: tuple[str, ...], seconds: int) -> str:
        saga, step, packer, first = self.saga, self.saga.step, self.parcels, parcels[0]
        await step(self.note, first, "begun").undo(self.renote, first, "given up")
        packed = [step(packer.pack, p).undo(packer.unpack, p) for p in parcels]
        await saga.gather(*packed, step(packer.label, first).undo(packer.tear_off, first))
        await saga.sleep(30)
        await step(self.renote, first, "under way")
        event = await saga.event(Arrived, key=first, within=seconds)
        if event is None:
            raise Broken(f"{first} is lost")
        await step(self.renote, first, event.place)
        return event.place

    async def unsaid(self, parcel: str) -> None:
        kind: Any = Arrived
        await self.saga.event(kind, key=parcel, within=1)

    async def ask(self, what: str) -> str:
        try:
            return await self.saga.step(self.refuse, what)
        except Failed as error:
            return f"{what}: {error.cause.partition(':')[0]}"

    async def seal(self, parcel: str) -> str:
        await self.saga.step(self.note, parcel, "to be sealed")
        sealed = await self.saga.step(self.parcels.stamp, parcel)
        await self.saga.step(self.close, parcel)
        return sealed

    async def notes(self) -> tuple[tuple[str, str], ...]:
        return tuple((row.id, row.state) for row in await self.db.execute(select(notes).order_by(notes.c.id)))

    @command
    async def note(self, parcel: str, state: str) -> str:
        await self.db.execute(insert(notes).values(id=parcel, state=state))
        return state

    @command
    async def renote(self, parcel: str, state: str) -> None:
        await self.db.execute(update(notes).where(notes.c.id == parcel).values(state=state))

    @command
    async def refuse(self, what: str) -> str:
        raise NotRun("it would not")

    @command
    async def close(self, parcel: str) -> None:
        if OUTSIDE.broken:
            raise ZeroDivisionError("a bug after what cannot be undone")
        await self.renote(parcel, "sealed")


post = Application("post", [
    Module("dispatch", Dispatch, "tests.sagas.parcels:Dispatcher", tables="tests.sagas.parcels:dispatch_tables"),
    Module("parcels", Parcels, "tests.sagas.parcels:Packer", tables="tests.sagas.parcels:parcels_tables"),
])
