"""`craton sagas`, `jobs`, `letters`, `lag` and so on: finds the running services, asks them, words their answers."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import msgspec

from craton.calls.link import Link
from craton.calls.links.rpc import RpcLink
from craton.calls.links.rpc.tls import tls_of
from craton.errors import NotRun, SettingsError
from craton.run.environment import Environment
from craton.run.folder import Folder, Whereabouts
from craton.run.grants import OPERATOR
from craton.run.loading import load_application
from craton.run.operating import Operator
from craton.run.process import Process
from craton.task import State
from craton.topology import GATEWAY


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a command was told: what to do, for which application, and with which saga or letter."""

    package: str
    what: str
    id: str = ""
    state: str = ""
    limit: int = 100
    task: str = ""
    topology: str | None = None
    data: Path | None = None
    json: bool = False


async def answer(question: Question, environ: Mapping[str, str] = os.environ) -> tuple[str, dict[str, str]]:
    """What to print, and which modules did not answer, and why. CratonError where it could not be done."""
    async with door(question, environ) as process:
        operator = Operator(process)
        found = await ask(operator, question)
    said = msgspec.json.format(msgspec.json.encode(found)).decode() if question.json else text(found)
    more = f"\nand {operator.more} more: see --limit" if operator.more and not question.json else ""
    return said + more, operator.away


@asynccontextmanager
async def door(question: Question, environ: Mapping[str, str]) -> AsyncIterator[Process]:
    """A process of the topology that hosts nothing, from which all services can be asked."""
    secret, where = whereabouts(question, environ)
    application, topology = load_application(question.package, where.topology)
    every = frozenset(module.name for module in application.modules)
    tls = tls_of(environ.get("CRATON_TLS"), OPERATOR)

    def link(service: str, kind: str) -> Link:  # who operates them asks all services by rpc
        if service not in where.peers:
            raise NotRun(f"nobody says where {service} answers: add it to CRATON_PEERS.")
        return RpcLink(where.peers[service], secret=secret, service=OPERATOR, peer=service, tls=tls, needs=every)

    async with Process(
        application, topology, GATEWAY.name, database=None, secret=secret, links=link, environ=environ
    ) as process:
        yield process
        await process.close_links()


def whereabouts(question: Question, environ: Mapping[str, str]) -> tuple[bytes, Whereabouts]:
    """The services' secret, and where they answer: by the environment, as for `craton serve`, or by the data folder."""
    if environ.get("CRATON_PEERS"):
        own = {"CRATON_SERVICE": GATEWAY.name, **({"CRATON_TOPOLOGY": question.topology} if question.topology else {})}
        told = Environment.parse({**environ, **own})
        return told.secret, Whereabouts(told.topology, dict(told.peers))
    folder = Folder.of(question.package, question.data)
    found = folder.whereabouts()
    if found is None:
        raise SettingsError(
            f"nothing runs on the data in {folder.path}: start it by `craton run {question.package}`, name another "
            "folder by --data, or, for services started by `craton serve`, set CRATON_PEERS, CRATON_SECRET and "
            "CRATON_TOPOLOGY as they have them. (Only the services themselves read and change what they store.)"
        )
    if question.topology not in (None, found.topology):
        raise SettingsError(f"the data in {folder.path} is of topology {found.topology}, not {question.topology}.")
    return folder.secret(), found


async def ask(operator: Operator, question: Question) -> Any:
    """The answer as values; NotRun where there is no such thing, or nothing to be done with it."""
    what, id = question.what, question.id
    if what == "list sagas":
        return await operator.sagas(state=question.state)
    if what == "list jobs":
        states = cast("list[State]", [question.state] if question.state else [])
        return await operator.jobs(*states, task=question.task, limit=question.limit)
    if what == "list letters":
        return await operator.letters(status=question.state, limit=question.limit)
    if what == "list projections":
        return await operator.projections()
    if what == "lag":
        return await operator.lag()
    asked: Any = {
        "show sagas": operator.saga, "retry sagas": operator.retry_saga, "show jobs": operator.job,
        "cancel jobs": operator.cancel_job, "retry jobs": operator.retry_job, "show letters": operator.letter,
        "retry letters": operator.retry_letter, "discard letters": operator.discard_letter,
        "rebuild projections": operator.rebuild,
    }[what]
    found = await asked(id)
    if not found:
        raise NotRun(f"could not {what.rstrip('s')} {id}: {REASONS[what]}.")
    return found


REASONS = {
    "show sagas": "no module that answers has it", "show letters": "no module that answers has it",
    "show jobs": "no module that answers has it", "cancel jobs": "there is none, or it has ended",
    "retry jobs": "there is none that failed, expired or was cancelled, or a saga was told, or one like it is open",
    "retry sagas": "no saga of this id is parked", "retry letters": "there is none, or it waits behind another",
    "discard letters": "there is none",
    "rebuild projections": "there is none that has tables beside its own, to be rebuilt in, or it is under way already",
}


def text(found: Any) -> str:
    """An answer for people."""
    if isinstance(found, bool):
        return "done"
    if not isinstance(found, tuple):
        return "\n".join(f"{name:<10} {said(name, value)}" for name, value in pairs(found))
    if not found:
        return "nothing"
    rows = [[said(name, getattr(one, name)) for name in COLUMNS[type(one).__name__]] for one in found]
    return table([name.upper() for name in COLUMNS[type(found[0]).__name__]], rows)


COLUMNS = {
    "JobStatus": ("id", "state", "task", "attempt", "progress", "worker", "updated", "error"),
    "SagaLine": ("id", "state", "method", "version", "updated", "due", "awaits", "error"),
    "Letter": ("id", "status", "type", "stream", "attempts", "created", "error"),
    "ProjectionLine": ("id", "inline", "behind", "rebuilding", "error"),
    "LagLine": ("module", "destination", "stored", "oldest"),
    "StepLine": ("step", "status", "method", "arguments", "undo", "error"),
}
"""What is shown of each kind of line."""


def pairs(value: Any) -> Iterable[tuple[str, Any]]:
    """The fields of a value, those of a value in it among them."""
    for name in value.__struct_fields__:
        inner = getattr(value, name)
        yield from pairs(inner) if isinstance(inner, msgspec.Struct) else [(name, inner)]


def said(name: str, value: Any) -> str:
    """One value for people: times by their distance from now."""
    if value is None or value == "":
        return "-"
    if isinstance(value, datetime):
        value = value.timestamp()
    if name in ("created", "updated"):
        return f"{time.time() - value:.0f} s ago"
    if name == "due":
        left = value - time.time()
        return f"in {left:.0f} s" if left > 0 else f"{-left:.0f} s ago"
    if name == "progress":
        return f"{value:.0%}"
    if name == "oldest":
        return f"{value:.1f} s"
    if isinstance(value, dict):
        return ", ".join(f"{key}={one!r}" for key, one in value.items()) or "-"
    return "\n" + text(value) if isinstance(value, tuple) else str(value)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Columns as wide as what they hold; the last one may be as long as it likes."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in [head, *rows]
    )
