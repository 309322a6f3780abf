"""Handlers: the functions that do jobs, checked against their tasks, and given what they ask for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

from craton.blobs import Blobs, blobs_of
from craton.errors import DeclarationError
from craton.module import Module, load
from craton.settings import Settings, settings_of
from craton.task import Task
from craton.tasks.job import ChildJob, Job, Known

PLACED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Handler:
    """The function that does the jobs of one task: `async def encode(chunk: Chunk, job: Job) -> Encoded`.

    `needs` are its parameters after the input, by name. A plain `def` runs in a process of its own.
    """

    name: str
    module: str
    path: str
    function: Callable[..., Any]
    input: Any
    output: Any
    needs: Mapping[str, type]

    @property
    def is_async(self) -> bool:
        """Whether it runs on the worker's own loop."""
        return inspect.iscoroutinefunction(self.function)


def handlers_of(modules: Iterable[Module], queues: Iterable[str] | None = None) -> dict[str, Handler]:
    """The handlers in Python of the tasks of some queues, or of all, by "module.task"; loaded, and checked."""
    wanted = None if queues is None else set(queues)
    found = {}
    for module in modules:
        for task, path in module.tasks.items():
            if path and (wanted is None or task.queue in wanted):
                handler = handler_of(path, f"{module.name}.{task.name}")
                check_handler(handler, task, module)
                found[handler.name] = handler
    return found


def handler_of(path: str, name: str) -> Handler:
    """The handler at "package.file:name" of the task "module.task"."""
    what = f"task {name}"
    function = load(path, what=what)
    if not inspect.isfunction(function):
        raise DeclarationError(f"{what}: {path} is no function: write it as `async def` or `def`.")
    try:
        hints = get_type_hints(function)
    except NameError as error:
        raise DeclarationError(f"{what}: {path} has an annotation that cannot be resolved: {error}.") from error
    parameters = list(inspect.signature(function).parameters.values())
    for parameter in parameters:
        if parameter.kind not in PLACED or parameter.name not in hints:
            raise DeclarationError(f"{what}: give parameter {parameter.name} of {path} a type, and no asterisk.")
    needs = {parameter.name: hints[parameter.name] for parameter in parameters[1:]}
    taken = hints[parameters[0].name] if parameters else None
    return Handler(name, name.partition(".")[0], path, function, taken, hints.get("return"), needs)


def check_handler(handler: Handler, task: Task[Any, Any], module: Module) -> None:
    """Refuse a handler that does not take and give what its task says, or asks for what it cannot have."""
    where = f"task {handler.name}: {handler.path}"
    for what, written, declared in (("take", handler.input, task.input), ("give", handler.output, task.output)):
        if written is not declared:
            raise DeclarationError(f"{where} must {what} {declared.__name__}, as the task says, not {shown(written)}.")
    for name, need in handler.needs.items():
        if need is Job and not handler.is_async:
            raise DeclarationError(f"{where} is a plain def: let {name} be a ChildJob, or write async def.")
        if need is ChildJob and handler.is_async:
            raise DeclarationError(f"{where} is an async def: let {name} be a Job, or write def.")
        if need not in (Job, ChildJob, Blobs, module.settings):
            raise DeclarationError(
                f"{where} asks for {shown(need)}: a handler may have a Job or ChildJob, Blobs, and the settings of its "
                f"module; to change something of {module.name}, let an event or a saga take the result."
            )


def shown(kind: Any) -> str:
    """A type for people."""
    return getattr(kind, "__name__", str(kind))


class Supplies:
    """What handlers may ask for besides their input, from the environment of their process."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.settings: dict[tuple[str, type], Settings] = {}

    @cached_property
    def blobs(self) -> Blobs:
        """Where files are. SettingsError where nothing says so."""
        return blobs_of(self.environ)

    def check(self, handlers: Iterable[Handler]) -> None:
        """Find out before the first job what is missing. SettingsError says what."""
        for handler in handlers:
            for need in handler.needs.values():
                if not issubclass(need, Known):
                    self.supply(handler, need)

    def of(self, handler: Handler, job: Known) -> dict[str, Any]:
        """What one handler asks for, by parameter."""
        return {
            name: job if issubclass(need, Known) else self.supply(handler, need)
            for name, need in handler.needs.items()
        }

    def supply(self, handler: Handler, need: Any) -> Any:
        """One of them."""
        if issubclass(need, Blobs):
            return self.blobs
        key = (handler.module, need)
        if key not in self.settings:
            self.settings[key] = settings_of(need, handler.module, self.environ)
        return self.settings[key]
