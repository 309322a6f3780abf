"""Pools of workers, as a topology has them: which queues each serves, in how many processes, and by which program."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from craton.checking import check_name
from craton.errors import DeclarationError
from craton.module import Module
from craton.task import Task

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Pool:
    """Workers that serve some queues, each with so many slots, in so many processes.

    With a `command` it is a program in any language that speaks as workers/README.md says. The command may hold
    {python}, {data}, and {here}, the folder of topology.toml.
    """

    name: str
    queues: tuple[str, ...]
    slots: int = 1
    replicas: int = 1
    command: str = ""


class PoolTable(msgspec.Struct, forbid_unknown_fields=True):
    """`cpu = { queues = ["transcode"], slots = 2, replicas = 2 }`."""

    queues: list[str]
    slots: int = 1
    replicas: int = 1
    command: str = ""


def queues_of(modules: Iterable[Module]) -> tuple[str, ...]:
    """The queues of all tasks of an application, in its order."""
    return tuple(dict.fromkeys(task.queue for module in modules for task in tasks_of(module)))


def tasks_of(module: Module) -> Mapping[Task[Any, Any], str]:
    """The tasks of a module, with their handlers."""
    found: Mapping[Task[Any, Any], str] = getattr(module, "tasks", {})
    return found


def pools_of(tables: Mapping[str, PoolTable], modules: Sequence[Module]) -> tuple[Pool, ...]:
    """Pools from their tables; "*" stands for every queue."""
    every = queues_of(modules)
    return tuple(
        Pool(name, tuple(dict.fromkeys(q for given in table.queues for q in (every if given == EVERY else (given,)))),
             table.slots, table.replicas, table.command)
        for name, table in tables.items()
    )


def default_pools(modules: Sequence[Module]) -> tuple[Pool, ...]:
    """One pool for all that is done in Python, with as many slots as there are cores: where a topology names none."""
    mine = ((task, handler) for module in modules for task, handler in tasks_of(module).items())
    queues = tuple(dict.fromkeys(task.queue for task, handler in mine if handler))
    return (Pool("workers", queues, slots=cores()),) if queues else ()


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_pools(pools: Sequence[Pool], modules: Sequence[Module], where: str, *, services: Iterable[str]) -> None:
    """Refuse pools that could not be started, queues that nobody serves, and tasks that no worker here could do."""
    known = queues_of(modules)
    for pool in pools:
        check_pool(pool, where, known=known, services=services)
        for place in () if pool.command else untold(pool, modules):
            raise DeclarationError(
                f"{where}: pool {pool.name} is to do {place}, whose handler is not in Python: give the pool a command, "
                "or the task a handler."
            )
    served = {queue for pool in pools for queue in pool.queues}
    for queue in known if pools else ():
        if queue not in served:
            raise DeclarationError(f"{where} forgets queue {queue}: add it to one of its workers.")


def check_pool(pool: Pool, where: str, *, known: Sequence[str], services: Iterable[str]) -> None:
    """Refuse one pool that could not be started."""
    check_name(pool.name, f"{where}: pool")
    if pool.name in services:
        raise DeclarationError(f"{where}: pool {pool.name} is named like a service: choose another name.")
    for what, number in (("slots", pool.slots), ("replicas", pool.replicas)):
        if number < 1:
            raise DeclarationError(f"{where}: pool {pool.name} has {number} {what}: give it at least 1.")
    if not pool.queues:
        raise DeclarationError(f"{where}: pool {pool.name} serves no queue: give it one, or remove it.")
    for queue in pool.queues:
        if queue not in known:
            there = ", ".join(known) or "none"
            raise DeclarationError(f"{where}: pool {pool.name} has an unknown queue {queue}: the tasks have {there}.")


def untold(pool: Pool, modules: Iterable[Module]) -> Iterator[str]:
    """The tasks of a pool's queues that have no handler in Python."""
    for module in modules:
        for task, handler in tasks_of(module).items():
            if task.queue in pool.queues and not handler:
                yield f"{module.name}.{task.name}"
