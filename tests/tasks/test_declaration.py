"""Tasks that could not be carried out are refused when the application is built."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from craton import Application, DeclarationError, Event, Module, Retry, Secret, Task, Value
from craton.application import implementations
from craton.describe import TaskDescription, describe, text
from craton.topology import load_topologies
from tests.tasks.studio import Blurred, Frame, Picture, Rendered, Studio, Sweep, render, studio


class Login(Value):
    password: Secret


class Bag(Value):
    things: list[int]


def another_rendered() -> type[Event]:
    """An event of the same name as another one."""

    class Rendered(Event):
        why: str

    return Rendered


def build(*tasks: Any, handler: str = "", **module: Any) -> Application:
    return Application("film", [Module("studio", Studio, "tests.tasks.studio:Room", tasks=dict.fromkeys(tasks, handler),
                                       **module)])


def task(**options: Any) -> Task[Any, Any]:
    given: dict[str, Any] = {"name": "render", "input": Frame, "output": Picture}
    return Task(**given | options)


@pytest.mark.parametrize(("given", "said"), [
    (dict(name="Render"), "a name is made of lower-case letters"),
    (dict(name="x" * 41), "at most 40 characters"),
    (dict(input=int), "its input is int, which is no Value"),
    (dict(output=dict), "its output is dict, which is no Value"),
    (dict(input=Bag), "use tuple[int, ...]"),
    (dict(input=Login), "is a Secret, but jobs are stored"),
    (dict(output=another_rendered()), "told apart by name"),
    (dict(queue="Big Queue"), "so that all brokers take it"),
    (dict(queue="a.b"), "so that all brokers take it"),
    (dict(timeout=0), "timeout=0 is no time"),
    (dict(stall=-1), "stall=-1 is no time"),
    (dict(expires=timedelta()), "expires=0 is no time"),
    (dict(backoff=(10, 1)), "the longest no less"),
    (dict(retries=-1), "retries=-1: give a whole number from 0"),
    (dict(retries=True), "retries=True"),
    (dict(weight=0), "weight=0: give a whole number from 1"),
    (dict(priority=101), "priority=101: give a whole number from -100 to 100"),
    (dict(every=3600), "give Frame.number a default"),
    (dict(every="never", input=Sweep), "is no cron text"),
    (dict(every=0.1, input=Sweep), "give 1 second at least"),
    (dict(raises=ValueError), "which is no fault"),
])
def test_a_task_that_makes_no_sense_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(said)):
        build(task(**given))


@pytest.mark.parametrize("handler", ["render", "tests.tasks.work", "a b:c", 7])
def test_what_names_no_handler_is_refused(handler: Any) -> None:
    with pytest.raises(DeclarationError, match="names no handler"):
        build(render, handler=handler)


def test_two_tasks_of_one_name_are_refused() -> None:
    with pytest.raises(DeclarationError, match="is there twice"):
        build(task(), task(queue="other"))


def test_what_is_no_task_is_refused() -> None:
    with pytest.raises(DeclarationError, match="which is no Task"):
        build("render")


def test_pages_have_no_tasks() -> None:
    with pytest.raises(DeclarationError, match="pages run no tasks"):
        Application("film", [Module("pages", asgi="a.b:app", tasks={render: ""})])


def test_a_module_without_tasks_that_asks_for_them_is_refused() -> None:
    with pytest.raises(DeclarationError, match="asks for Tasks, but studio has none"):
        implementations(build(), ["studio"])
    assert implementations(studio, ["studio"])["studio"].__name__ == "Room"


@pytest.mark.parametrize("length", ["soon", None, True, float("nan"), float("inf")])
def test_what_is_no_length_of_time_is_refused(length: Any) -> None:
    with pytest.raises(DeclarationError, match="is no length of time"):
        task(timeout=length)


def test_a_task_is_a_value() -> None:
    assert task(timeout=timedelta(minutes=1), raises=Blurred) == task(timeout=60, raises=(Blurred,))
    assert len({task(), task(), task(queue="other")}) == 2
    assert list(build(task(output=Rendered)).module("studio").tasks) == [task(output=Rendered)]


def test_a_retry_says_when() -> None:
    assert Retry("busy", after=timedelta(minutes=1)).after == 60
    assert Retry("busy").after is None


def test_people_and_programs_are_told_of_tasks() -> None:
    described = describe(studio, load_topologies(studio, Path("none.toml")))
    tasks = {task.name: task for task in described.modules[0].tasks}
    assert tasks["develop"] == TaskDescription(
        name="develop", input="Frame", output="Picture", queue="darkroom", timeout=600, retries=1, weight=1,
        raises=("Blurred",),
    )
    lines = text(described).splitlines()
    at = lines.index("  task develop(Frame) -> Picture")
    assert lines[at + 1:at + 3] == ["      queue darkroom, 600 s, 1 retry", "      raises Blurred"]
    assert "      queue house, 600 s, 3 retries, every 3600 s" in lines
