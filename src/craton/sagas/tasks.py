"""What a saga knows of its module's tasks: how they stand in its steps, and how their jobs end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from craton.calls import codec
from craton.calls.endpoint import Endpoint
from craton.contract import Method
from craton.data.inbox import Answer, answer_of
from craton.data.store import Unit
from craton.errors import Misuse
from craton.sagas.journal import Entry
from craton.sagas.saga import Bound
from craton.task import State, Task
from craton.values import Value, body_of, fault_of

PREFIX = "task "
"""How the names of steps begin that are jobs."""


class Ended(msgspec.Struct, frozen=True):
    """How a job ended. `result`: JSON; of one that failed with a fault, which `code` names, its fields."""

    job: str
    task: str
    state: State
    code: str = ""
    error: str = ""
    result: str | None = None


class Jobs(Protocol):
    """The jobs of a saga's module."""

    async def add(self, unit: Unit, task: Task[Any, Any], input: Value, *, saga: str | None = None) -> str:
        """Store a job, as part of a transaction; its id. `saga`: what its end is told to."""
        ...

    async def cancel(self, unit: Unit, job: str) -> bool:
        """Cancel a job, as part of a transaction."""
        ...


class TaskEndpoint(Endpoint):
    """A task of the saga's own module, as a step of it sees it."""

    __slots__ = ()

    @property
    def name(self) -> str:
        """As the journal names it: a method of the module may have the same name as a task."""
        return f"{PREFIX}{self.module}.{self.method.name}"


def is_job(entry: Entry) -> bool:
    """Whether a step is a job, also where its task is not there any more."""
    return entry.method.startswith(PREFIX)


class Tasks:
    """The tasks of one module, for its sagas."""

    def __init__(self, module: str, tasks: Mapping[str, Task[Any, Any]], jobs: Jobs) -> None:
        self.module, self.tasks, self.jobs = module, tasks, jobs
        self.endpoints = {task.name: endpoint_of_task(module, task) for task in tasks.values()}
        self.names = {endpoint.name: endpoint for endpoint in self.endpoints.values()}

    def bound(self, task: Task[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Bound:
        """A job of a task, its input checked. Misuse where the task is another module's."""
        if self.tasks.get(task.name) != task:
            raise Misuse(
                f"{task.name} is none of the tasks of {self.module}: add it to Module(tasks=...), or call the contract "
                "of the module that has it."
            )
        if len(args) != 1 or kwargs or not isinstance(args[0], task.input):
            raise Misuse(f"{task.name} takes one {task.input.__name__}: saga.step({task.name}, ...).")
        endpoint = self.endpoints[task.name]
        return Bound(endpoint, endpoint.method.arguments(*args))


async def refused(arguments: msgspec.Struct, *, key: str | None = None, undoes: str | None = None) -> Any:
    """A task is no method: nobody asks it."""
    raise Misuse("a task's jobs run on workers: nobody calls it.")


def endpoint_of_task(module: str, task: Task[Any, Any]) -> TaskEndpoint:
    """What stands for a task in a saga."""
    arguments = msgspec.defstruct(task.name, [("input", task.input)], frozen=True)
    return TaskEndpoint(module, Method(task.name, "effect", arguments, task.output, task.raises), refused)


def answer_to(endpoint: Endpoint, ended: Ended) -> Answer:
    """What a job's end answers to its step."""
    method = endpoint.method
    try:
        if ended.state == "done":
            return answer_of(codec.from_json(method.result, (ended.result or "").encode()), None)
        kind = next((kind for kind in method.raises if kind.__name__ == ended.code), None)
        if ended.state == "failed" and kind is not None:
            return answer_of(None, fault_of(kind, codec.from_json(body_of(kind), (ended.result or "").encode())))
    except codec.MALFORMED as error:
        return Answer("failed", type=f"{ended.job} ended with what this release does not know: {error}")
    why = ": ".join(filter(None, (ended.code, ended.error)))
    return Answer("failed", type=why if ended.state == "failed" else f"{ended.state}: {why}".removesuffix(": "))
