"""What is told when a job has ended, in the transaction that ends it: its result as an event, its failure, its saga."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from craton.calls import codec
from craton.calls.context import context
from craton.data.store import Store, Unit
from craton.messages.events import Events
from craton.sagas.arrivals import JOBS, Arrival, Arrivals, awaited
from craton.sagas.tasks import Ended as Ended
from craton.task import JobFailed, Task
from craton.values import Event, Value


class Told(msgspec.Struct, frozen=True):
    """The same, with what is needed to tell of it: the saga that waits, the job's input as JSON, and its trace."""

    ended: Ended
    saga: str | None
    input: str
    trace: str


class Ends:
    """Tells of the ends of one module's jobs. `wake`: called after the commit where a saga was told."""

    def __init__(
        self, store: Store, module: str, tasks: Mapping[str, Task[Value, Value]], *, events: Events,
        wake: Callable[[], None],
    ) -> None:
        self.module, self.events, self.wake = module, events, wake
        self.arrivals = Arrivals(store, module)
        self.results = {task.name: task.output for task in tasks.values() if issubclass(task.output, Event)}

    async def tell(self, unit: Unit, told: Told) -> None:
        """One end, told in the transaction that writes it down."""
        ended = told.ended
        if told.saga is not None:
            await self.tell_saga(unit, told.saga, ended)
        with context(trace=told.trace):
            if ended.state == "done" and (kind := self.results.get(ended.task)) is not None:
                await self.events.store_event(unit, codec.from_json(kind, (ended.result or "").encode()))
            elif ended.state in ("failed", "expired"):
                error = f"{ended.code}: {ended.error}" if ended.error else ended.code
                failed = JobFailed(ended.job, f"{self.module}.{ended.task}", error, told.input)
                await self.events.store_event(unit, failed)

    async def tell_saga(self, unit: Unit, saga: str, ended: Ended) -> None:
        """What the saga waits for has arrived. `saga`: its id and the step."""
        arrival = Arrival(ended.job, awaited(JOBS, saga), 1, msgspec.json.encode(ended).decode())
        await self.arrivals.record(unit, arrival)
        if ended.state != "done":
            await self.arrivals.alarm(unit, saga.rpartition(":")[0], ended.job)
        unit.after.add(self.wake)
