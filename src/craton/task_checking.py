"""What is refused of a module's tasks, before anything is loaded."""

from __future__ import annotations

import re
from typing import Any

from msgspec import NODEFAULT
from msgspec.structs import fields

from craton.checking import NAME, check_event, check_fault
from craton.crossing import check_crossing, check_no_secret, is_value, shown
from craton.errors import DeclarationError
from craton.module import Module
from craton.schedule import schedule
from craton.task import HIGHEST, Task
from craton.values import Event, Fault

QUEUE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
PATH = re.compile(r"[\w.]+:\w+")


def check_tasks(module: Module) -> None:
    """Refuse tasks that cannot be told apart, stored, or carried out."""
    if module.tasks and module.asgi:
        raise DeclarationError(f"module {module.name}: pages run no tasks: give them to a module with a contract.")
    names: set[str] = set()
    for task, handler in module.tasks.items():
        where = f"module {module.name}: task"
        if not isinstance(task, Task):
            raise DeclarationError(
                f"{where}s= holds {task!r}, which is no Task: write tasks={{encode: 'package.work:encode'}}."
            )
        where = f"{where} {task.name}"
        if not (isinstance(task.name, str) and NAME.fullmatch(task.name) and len(task.name) <= 40):
            raise DeclarationError(
                f"{where}: a name is made of lower-case letters, digits and single underscores, begins with a letter, "
                "and has at most 40 characters."
            )
        if task.name in names:
            raise DeclarationError(f"{where} is there twice: jobs are told apart by their task's name; rename one.")
        names.add(task.name)
        check_task(task, where)
        check_handler(handler, where)


def check_task(task: Task[Any, Any], where: str) -> None:
    """Refuse a task whose messages may not cross, or whose numbers make no sense."""
    for kind, what in ((task.input, "input"), (task.output, "output")):
        if not is_value(kind):
            raise DeclarationError(f"{where}: its {what} is {shown(kind)}, which is no Value: make it one.")
        check_crossing(kind, f"{where}: its {what}")
        check_no_secret(kind, f"{where}: its {what}", reason="jobs are stored, and sent to workers: leave it out")
    if issubclass(task.output, Event):
        check_event(task.output)
    for fault in task.raises:
        if not (isinstance(fault, type) and issubclass(fault, Fault) and fault is not Fault):
            raise DeclarationError(f"{where}: raises= names {shown(fault)}, which is no fault: subclass Fault.")
        check_fault(fault)
    if not QUEUE.fullmatch(task.queue):
        raise DeclarationError(
            f"{where}: queue {task.queue!r}: a name is made of lower-case letters, digits, underscores and hyphens, "
            "begins with a letter, and has at most 40 characters, so that all brokers take it."
        )
    check_times(task, where)
    check_counts(task, where)
    if task.every is not None:
        check_every(task, where)


def check_times(task: Task[Any, Any], where: str) -> None:
    """Refuse times that never come, or are over at once."""
    times = {"timeout": task.timeout, "stall": task.stall, "expires": task.expires, "backoff": task.backoff[1]}
    for name, seconds in times.items():
        if seconds is not None and seconds <= 0:
            raise DeclarationError(f"{where}: {name}={seconds:g} is no time to wait: give seconds, more than 0.")
    if not 0 <= task.backoff[0] <= task.backoff[1]:
        raise DeclarationError(
            f"{where}: backoff={task.backoff}: the first pause is 0 or more, and the longest no less."
        )


def check_counts(task: Task[Any, Any], where: str) -> None:
    """Refuse numbers that are out of range."""
    ranges = {
        "retries": (task.retries, 0, 1000), "weight": (task.weight, 1, 1000),
        "priority": (task.priority, -HIGHEST, HIGHEST),
    }
    for name, (number, least, most) in ranges.items():
        if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= most:
            raise DeclarationError(f"{where}: {name}={number!r}: give a whole number from {least} to {most}.")


def check_every(task: Task[Any, Any], where: str) -> None:
    """Refuse a recurring task that has no times, or whose input cannot be made."""
    try:
        schedule(task.every)
    except ValueError as error:
        raise DeclarationError(f"{where}: {error}") from error
    missing = [f.name for f in fields(task.input) if f.default is NODEFAULT and f.default_factory is NODEFAULT]
    if missing:
        raise DeclarationError(
            f"{where} recurs, and nobody gives it its input: give {task.input.__name__}.{missing[0]} a default."
        )


def check_handler(handler: object, where: str) -> None:
    """Refuse what cannot name a handler."""
    if not isinstance(handler, str) or (handler and not PATH.fullmatch(handler)):
        raise DeclarationError(
            f"{where}: {handler!r} names no handler: write its import path, 'package.file:function', or '' where "
            "workers in another language have it."
        )
