"""How a saga waits: for a time, or for an event. One that waits long is put down, and costs a row in the database."""

from __future__ import annotations

import asyncio
from typing import cast

from craton.calls import codec
from craton.errors import Misuse
from craton.messages.stored import event_of
from craton.sagas.arrivals import awaited
from craton.sagas.journal import Entry
from craton.sagas.run import Run
from craton.sagas.window import away
from craton.values import Event

SHORT = 5.0
"""Seconds for which a saga that sleeps stays in memory: less than its lease."""


class WaitingRun(Run):
    """A run that can wait."""

    async def sleep(self, seconds: float) -> None:
        """Go on after so many seconds; the time to go on is in the journal, so that who comes back sleeps the rest."""
        entry = self.next("sleep", b"", lambda: self.later(seconds), status="asked")
        if entry.status == "done":
            return
        left = codec.decode(float, entry.answer or b"") - self.seconds()
        if left > SHORT:
            await self.put_down(self.seconds() + left)
        if left > 0:
            await self.flush()
            await asyncio.sleep(left)
        entry.status = "done"
        self.note(self.step, entry)

    async def event(self, kind: type[Event], key: str, within: float) -> Event | None:
        """The next event of a type and key: the journal's, or one that is here, or else the saga is put down."""
        self.check_awaited(kind, key)
        awaits = awaited(kind.__name__, key)
        entry = self.next(f"event {kind.__name__}", codec.encode(key), lambda: self.later(within), status="asked")
        if entry.status != "done":
            due = codec.decode(float, entry.answer or b"")
            with away():
                latest = await self.arrivals.latest(awaits)
                found = await self.arrivals.first(awaits, self.record.id, given=self.given()) if latest else None
            if found is None and self.seconds() < due:
                await self.put_down(due, awaits=awaits, latest={awaits: latest})
            event = event_of(kind, version=found.version, body=found.body) if found else None
            if found is not None and event is None:
                raise self.differ(self.step, entry.method, f"one that {found.id} does not fit")
            entry.status, entry.answer, entry.type = "done", codec.encode(event), found.id if found else None
            self.note(self.step, entry)
        return self.told(kind, entry)

    def told(self, kind: type[Event], entry: Entry) -> Event | None:
        """What the journal holds of an event."""
        try:
            return cast("Event | None", codec.decode(kind | None, entry.answer or b""))
        except codec.MALFORMED as error:
            raise self.differ(self.step, entry.method, f"one of other fields ({error})") from error

    def check_awaited(self, kind: type[Event], key: str) -> None:
        """Refuse to wait for what nobody brings."""
        name = kind.__name__
        if kind not in self.method.awaits:
            raise Misuse(f"saga {self.method.name} waits for {name}, and does not say so: @saga(awaits={name}).")
        if bool(key) != bool(kind.ordered_by):
            what = f"by {kind.ordered_by}: wait for key=..." if kind.ordered_by else "by no key: leave key out"
            raise Misuse(f"saga {self.method.name} waits for {name}, which is ordered {what}.")

    def given(self) -> list[str]:
        """The arrivals that this saga has been given."""
        entries = self.record.entries.values()
        return [entry.type for entry in entries if entry.type and entry.method.startswith("event ")]

    def later(self, seconds: float) -> bytes:
        """Until when to wait, for the journal."""
        return codec.encode(self.seconds() + seconds)

    def seconds(self) -> float:
        """The time now, in seconds since 1970."""
        return self.clock().timestamp()


