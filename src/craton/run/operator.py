"""What a person may ask of running services: which sagas, jobs and letters are left lying, how far events are behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import func, select

from craton.calls import codec
from craton.calls.context import CONTEXT, Caller
from craton.calls.endpoint import Endpoint
from craton.contract import Kind, Method
from craton.data.tables import tables_of
from craton.errors import CallError, NotAllowed
from craton.messages.letters import Letter, LetterPage, Letters
from craton.messages.projections import Projected
from craton.run.hosting import Hosted
from craton.sagas.journal import ENDED, Entry
from craton.task import JobStatus, State
from craton.tasks.operations import JobDetail, Operations
from craton.values import Value

OPERATOR = Caller("operator:craton")
"""Who asks. A service believes it only where it is signed with the secret that all services share."""
MOST = 1000
"""Sagas of one module that are listed."""


class SagaLine(Value):
    """One saga. Times are seconds since 1970; `due` and `awaits` say what a waiting one waits for, `error` why it is
    parked, or why nobody here takes it up."""

    id: str
    method: str
    state: str
    version: int
    attempts: int
    created: float
    updated: float
    due: float | None
    awaits: str | None
    error: str | None


class StepLine(Value):
    """One step: its method, its arguments without secrets, its status, and what went wrong."""

    step: int
    method: str
    arguments: dict[str, Any]
    status: str
    error: str | None
    undo: str | None


class SagaShown(Value):
    """One saga with its arguments and steps."""

    saga: SagaLine
    arguments: dict[str, Any]
    steps: tuple[StepLine, ...]


class LagLine(Value):
    """The events of a module that one destination has not confirmed: how many, and the age of the oldest in seconds."""

    module: str
    destination: str
    stored: int
    oldest: float


class JobCount(Value):
    """How many jobs of a task, such as "transcoding.encode", are in each state."""

    task: str
    queued: int = 0
    leased: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    expired: int = 0


class ProjectionLine(Value):
    """A read model, such as "orders.book": how many events it has not applied, whether it is being rebuilt, and why it
    stands still."""

    id: str
    inline: bool
    behind: int
    rebuilding: bool
    error: str


def operation(name: str, result: Any, /, *, kind: Kind = "query", **arguments: Any) -> Method:
    """What a module answers an operator. One that changes something is an effect, so that its key makes it once."""
    fields = list(arguments.items())
    return Method(f"${name}", kind, msgspec.defstruct(f"Operator_{name}", fields, frozen=True, kw_only=True), result)


SAGAS = operation("list-sagas", tuple[SagaLine, ...], state=str)
SAGA = operation("show-saga", SagaShown | None, id=str)
RETRY_SAGA = operation("retry-saga", bool, kind="effect", id=str)
LETTERS = operation("list-letters", LetterPage, status=str, limit=int)
LETTER = operation("show-letter", Letter | None, id=str)
RETRY_LETTER = operation("retry-letter", bool, kind="effect", id=str)
DISCARD_LETTER = operation("discard-letter", bool, kind="effect", id=str)
LAG = operation("lag", tuple[LagLine, ...])
PROJECTIONS = operation("list-projections", tuple[ProjectionLine, ...])
JOBS = operation("list-jobs", tuple[JobStatus, ...], states=tuple[State, ...], task=str, most=int)
JOB = operation("show-job", JobDetail | None, id=str)
COUNTS = operation("count-jobs", tuple[JobCount, ...])
CANCEL_JOB = operation("cancel-job", bool, kind="effect", id=str)
RETRY_JOB = operation("retry-job", bool, kind="effect", id=str)
REBUILD = operation("rebuild-projection", bool, kind="effect", id=str)


def offered(
    hosted: Hosted, letters: Letters | None, projections: Sequence[Projected], jobs: Operations | None,
) -> Iterator[Endpoint]:
    """The endpoints of one module."""
    if jobs is not None:
        yield from offered_of_jobs(hosted, jobs)
    desk = Desk(hosted)
    yield guarded(hosted, SAGAS, desk.sagas)
    yield guarded(hosted, SAGA, desk.saga)
    yield guarded(hosted, RETRY_SAGA, desk.retry)
    yield guarded(hosted, LETTERS, letters.page if letters else nothing(LetterPage((), 0)))
    yield guarded(hosted, LETTER, letters.show if letters else nothing(None))
    yield guarded(hosted, RETRY_LETTER, letters.retry if letters else nothing(False))
    yield guarded(hosted, DISCARD_LETTER, letters.discard if letters else nothing(False))
    yield guarded(hosted, LAG, desk.lag)
    models = ReadModels(hosted.module, projections)
    yield guarded(hosted, PROJECTIONS, models.list)
    yield guarded(hosted, REBUILD, models.rebuild)


def offered_of_jobs(hosted: Hosted, operations: Operations) -> Iterator[Endpoint]:
    """The endpoints of a module with tasks."""

    async def listed(states: Sequence[State], task: str, most: int) -> tuple[JobStatus, ...]:
        return await operations.listed(states=states, task=task or None, most=most)

    async def counts() -> tuple[JobCount, ...]:
        return tuple(
            JobCount(f"{hosted.module}.{task}", **states) for task, states in (await operations.counts()).items()
        )

    yield guarded(hosted, JOBS, listed)
    yield guarded(hosted, JOB, lambda id: operations.detail(id))
    yield guarded(hosted, COUNTS, counts)
    yield guarded(hosted, CANCEL_JOB, lambda id: operations.cancel(id))
    yield guarded(hosted, RETRY_JOB, lambda id: operations.retry(id))


def nothing(answer: Any) -> Callable[..., Awaitable[Any]]:
    """What a module answers that has no letters."""

    async def answered(**asked: Any) -> Any:
        return answer

    return answered


def guarded(hosted: Hosted, method: Method, body: Callable[..., Awaitable[Any]]) -> Endpoint:
    """An endpoint that answers the operator alone."""

    async def plain(arguments: Any) -> Any:
        return await body(**msgspec.structs.asdict(arguments))

    carry_out = hosted.ask(method, plain)

    async def ask(arguments: Any, *, key: str | None = None, undoes: str | None = None) -> Any:
        if CONTEXT.get().caller != OPERATOR:
            raise NotAllowed(f"{hosted.module}.{method.name} answers operators alone: use `craton sagas` and its like.")
        return await carry_out(arguments, key=key, undoes=undoes)

    return Endpoint(hosted.module, method, ask)


class ReadModels:
    """What the projections of one module tell an operator."""

    def __init__(self, module: str, projections: Sequence[Projected]) -> None:
        self.module, self.projections = module, projections

    async def list(self) -> tuple[ProjectionLine, ...]:
        """All of them."""
        return tuple([
            ProjectionLine(self.id(p), p.inline, await p.behind(), p.asked, p.error) for p in self.projections
        ])

    def id(self, projected: Projected) -> str:
        """What a person calls it."""
        return f"{self.module}.{projected.name}"

    async def rebuild(self, id: str) -> bool:
        """Begin to build one anew. False where there is none, or no tables to build it in."""
        return any(p.ask_rebuild() for p in self.projections if self.id(p) == id)


class Desk:
    """What the sagas and the outbox of one module tell an operator."""

    def __init__(self, hosted: Hosted) -> None:
        self.hosted, self.home = hosted, hosted.sagas

    async def sagas(self, state: str) -> tuple[SagaLine, ...]:
        """Those in a state; with "" all that have not ended, the oldest first."""
        s = self.home.journal.saga
        which = s.c.state == state if state else s.c.state.not_in(ENDED)
        names = SagaLine.__struct_fields__
        query = select(*(s.c[name] for name in names)).where(which).order_by(s.c.created).limit(MOST)
        rows = (await self.home.store.read(self.home.module, query)).mappings()
        return tuple(SagaLine(**{**row, "error": row["error"] or self.left_alone(row)}) for row in rows)

    def left_alone(self, row: Any) -> str | None:
        """Why nobody here takes a saga up."""
        ours = self.home.journal.versions.get(row["method"])
        if row["state"] in ENDED or (ours is not None and row["version"] <= ours):
            return None
        return f"it needs version {row['version']} of the code, and this is {ours}" if ours else "its code is not here"

    async def saga(self, id: str) -> SagaShown | None:
        """One saga with its steps."""
        record, s = await self.home.journal.read(id), self.home.journal.saga
        if record is None:
            return None
        names = SagaLine.__struct_fields__
        query = select(*(s.c[name] for name in names)).where(s.c.id == id)
        row = (await self.home.store.read(self.home.module, query)).mappings().one()
        line = SagaLine(**{**row, "error": row["error"] or self.left_alone(row)})
        steps = tuple(self.step(step, record.entries[step]) for step in sorted(record.entries))
        return SagaShown(line, self.arguments(record.call.name, record.call.arguments), steps)

    def step(self, step: int, entry: Entry) -> StepLine:
        """One step."""
        error = entry.type if entry.status in ("asked", "fault", "failed") else None
        arguments = self.arguments(entry.method, entry.arguments)
        return StepLine(step, entry.method, arguments, entry.status, error, entry.undo)

    def arguments(self, name: str, body: bytes) -> dict[str, Any]:
        """Arguments in plain types, without secrets; none of code that is not here any more."""
        try:
            return codec.shown_arguments(self.home.endpoint(name).method, body) if "." in name else {}
        except (KeyError, CallError):
            return {}

    async def retry(self, id: str) -> bool:
        """Put a parked saga back on its way. False where there is none."""
        return await self.home.retry(id)

    async def lag(self) -> tuple[LagLine, ...]:
        """The events that are not confirmed, by destination."""
        store, module, t = self.home.store, self.home.module, tables_of(self.home.module).outbox
        query = select(t.c.pending, func.count(), store.moment - func.min(t.c.created)).where(t.c.status == "stored")
        counts: dict[str, tuple[int, float]] = {}
        for pending, count, age in (await store.read(module, query.group_by(t.c.pending))).all():
            for name in pending.split(","):
                stored, oldest = counts.get(name, (0, 0.0))
                counts[name] = (stored + count, max(oldest, age))
        return tuple(LagLine(module, name, *counts[name]) for name in sorted(counts))
