"""Craton: an application written once, as typed modules, and deployed in any structure. All public names are here."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from craton.application import Application
from craton.contract import command, effect, on, query, saga
from craton.errors import (
    CallError,
    CallInsideTransaction,
    CommandInsideCommand,
    CratonError,
    DeclarationError,
    Failed,
    InvalidArguments,
    KeyReused,
    Misuse,
    NotAllowed,
    NotAuthenticated,
    NotRun,
    OutcomeUnknown,
    OutsideStep,
    QueryWrote,
    ReplayDiffers,
    SettingsError,
    StillRunning,
    UnknownEvent,
    Withdrawn,
)
from craton.module import Module
from craton.settings import Settings
from craton.sources import Clock, Ids
from craton.task import JobFailed, JobStatus, Retry, Task
from craton.topology import Topology
from craton.values import Event, Fault, Page, Secret, Value, Version, VersionConflict

if TYPE_CHECKING:
    from craton.blobs import Blobs
    from craton.calls.call import Call
    from craton.calls.context import Caller
    from craton.calls.offload import Offload
    from craton.data.database import Database
    from craton.edge.authentication import Tokens
    from craton.edge.door import Door
    from craton.messages.events import Events
    from craton.messages.projections import Projected, Projection
    from craton.messages.streams import Repository, Stream, Streams
    from craton.run.operating import Operator
    from craton.sagas.saga import Saga
    from craton.tasks.job import ChildJob, Job
    from craton.tasks.tasks import Tasks

NEEDS = {
    "Blobs": "craton.blobs",
    "Call": "craton.calls.call",
    "Caller": "craton.calls.context",
    "ChildJob": "craton.tasks.job",
    "Database": "craton.data.database",
    "Door": "craton.edge.door",
    "Events": "craton.messages.events",
    "Projected": "craton.messages.projections",
    "Projection": "craton.messages.projections",
    "Repository": "craton.messages.streams",
    "Stream": "craton.messages.streams",
    "Streams": "craton.messages.streams",
    "Offload": "craton.calls.offload",
    "Operator": "craton.run.operating",
    "Job": "craton.tasks.job",
    "Saga": "craton.sagas.saga",
    "Tasks": "craton.tasks.tasks",
    "Tokens": "craton.edge.authentication",
}
"""Where the names stand that are imported when they are used, so that contracts load no database and no server."""

__all__ = [
    "Application", "Blobs", "Call", "CallError", "CallInsideTransaction", "Caller", "ChildJob", "Clock",
    "CommandInsideCommand", "CratonError", "Database", "DeclarationError", "Door", "Event", "Events", "Failed",
    "Fault", "Ids", "InvalidArguments", "Job", "JobFailed", "JobStatus", "KeyReused", "Misuse", "Module",
    "NotAllowed", "NotAuthenticated", "NotRun", "Offload", "Operator", "OutcomeUnknown", "OutsideStep", "Page",
    "Projected", "Projection", "QueryWrote", "ReplayDiffers", "Repository", "Retry", "Saga", "Secret", "Settings",
    "SettingsError", "StillRunning", "Stream", "Streams", "Task", "Tasks", "Tokens", "Topology", "UnknownEvent",
    "Value", "Version", "VersionConflict", "Withdrawn", "command", "effect", "on", "query", "saga",
]


def __getattr__(name: str) -> Any:
    if name not in NEEDS:
        raise AttributeError(f"module 'craton' has no attribute {name!r}")
    return getattr(import_module(NEEDS[name]), name)
