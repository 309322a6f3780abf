"""Handlers must fit their tasks, and are refused before anything starts where they do not."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from craton import Blobs, ChildJob, Database, DeclarationError, Job, Module, Settings, SettingsError, Task, Value, query
from craton.tasks.handlers import Supplies, handlers_of


class Log(Value):
    length: int


class Plank(Value):
    width: int


class Saws(Settings):
    teeth: int


class Mine(Settings):
    depth: int = 1


class Sawmill(Protocol):
    """Saws."""

    @query
    async def planks(self) -> int:
        """How many there are."""
        ...


async def fits(log: Log, job: Job, saws: Saws, *, blobs: Blobs) -> Plank: ...  # type: ignore[empty-body]
def fits_in_a_child(log: Log, job: ChildJob, saws: Saws) -> Plank: ...  # type: ignore[empty-body]
async def takes_another(plank: Plank) -> Plank: ...  # type: ignore[empty-body]
async def takes_nothing() -> Plank: ...  # type: ignore[empty-body]
async def gives_another(log: Log) -> Log: ...  # type: ignore[empty-body]
async def gives_nothing(log: Log) -> None: ...
async def wants_data(log: Log, database: Database) -> Plank: ...  # type: ignore[empty-body]
async def wants_others_settings(log: Log, mine: Mine) -> Plank: ...  # type: ignore[empty-body]
async def is_no_child(log: Log, job: ChildJob) -> Plank: ...  # type: ignore[empty-body]
def is_a_child(log: Log, job: Job) -> Plank: ...  # type: ignore[empty-body]
async def untyped(log: Log, job) -> Plank: ...  # type: ignore[no-untyped-def, empty-body]
async def with_asterisk(log: Log, *more: int) -> Plank: ...  # type: ignore[empty-body]
async def unresolved(log: Log, job: Nowhere) -> Plank: ...  # type: ignore[name-defined, empty-body]  # noqa: F821
NO_FUNCTION = 7


def module(handler: str) -> Module:
    """A sawmill whose logs are sawn by one of these."""
    saw: Task[Any, Any] = Task("saw", Log, Plank)
    return Module("sawmill", Sawmill, "a:A", settings=Saws, tasks={saw: f"{__name__}:{handler}" if handler else ""})


@pytest.mark.parametrize("name", ["fits", "fits_in_a_child"])
def test_a_handler_that_fits_is_taken(name: str) -> None:
    handler = handlers_of([module(name)])["sawmill.saw"]
    assert (handler.input, handler.output, handler.is_async) == (Log, Plank, name == "fits")


def test_a_task_of_another_language_or_another_queue_has_no_handler_here() -> None:
    assert handlers_of([module("")]) == {}
    assert handlers_of([module("fits")], ["other"]) == {}


@pytest.mark.parametrize(("name", "why"), [
    ("takes_another", "must take Log, as the task says, not Plank."),
    ("takes_nothing", "must take Log, as the task says, not None."),
    ("gives_another", "must give Plank, as the task says, not Log."),
    ("gives_nothing", "must give Plank, as the task says, not NoneType."),
    ("wants_data", "asks for Database: a handler may have a Job or ChildJob, Blobs, and the settings of its module"),
    ("wants_others_settings", "asks for Mine: "),
    ("is_no_child", "is an async def: let job be a Job, or write def."),
    ("is_a_child", "is a plain def: let job be a ChildJob, or write async def."),
    ("untyped", "give parameter job of tests.tasks.test_handlers:untyped a type, and no asterisk."),
    ("with_asterisk", "give parameter more of tests.tasks.test_handlers:with_asterisk a type, and no asterisk."),
    ("unresolved", "has an annotation that cannot be resolved: name 'Nowhere' is not defined."),
    ("NO_FUNCTION", "is no function: write it as `async def` or `def`."),
    ("absent", "tests.tasks.test_handlers has no absent: correct the import path"),
])
def test_a_handler_that_does_not_fit_is_refused(name: str, why: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        handlers_of([module(name)])
    assert str(caught.value).startswith("task sawmill.saw: ")
    assert why in str(caught.value)


def test_what_a_handler_needs_and_nobody_has_set_is_said_before_its_first_job() -> None:
    handlers = handlers_of([module("fits")]).values()
    with pytest.raises(SettingsError, match="CRATON_SAWMILL_TEETH is missing: set it"):
        Supplies({"CRATON_BLOBS": "file:///tmp"}).check(handlers)
    with pytest.raises(SettingsError, match="CRATON_BLOBS is missing: set it to file:///folder, or s3://bucket/prefix"):
        Supplies({"CRATON_SAWMILL_TEETH": "9"}).check(handlers)
