"""What controllers and workers say to each other: CloudEvents 1.0 as JSON, the same on every way between them.

Jobs are requested, and workers report; workers/README.md describes both for programs in any language.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import uuid4

import msgspec
from msgspec import UNSET, UnsetType

from craton.values import Value

BATCH = "application/cloudevents-batch+json"
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
HEARTBEAT, SUCCEEDED, FAILED = "craton.job.heartbeat.v1", "craton.job.succeeded.v1", "craton.job.failed.v1"
CANCELLED, RELEASED = "craton.job.cancelled.v1", "craton.job.released.v1"
Verdict = Literal["taken", "cancel", "refused"]
"""What becomes of a report: "taken"; "cancel": as taken, and the job is to be stopped, and reported as cancelled;
"refused": the job is not its worker's any more, who stops it, removes what it made, and reports nothing."""


class Take(Value, kw_only=True, omit_defaults=True):
    """A worker asks for jobs. `room`: its free slots, which the weights of jobs fill; `most`: how many jobs at most.

    `wait`: seconds to wait for a first one. `jobs`: these, at once, and no others but what has room in `more`, as in
    `room`. `modules`: only of these; () for all.
    """

    worker: str
    queues: tuple[str, ...] = ()
    room: int = 1
    most: int = 1
    wait: float = 0.0
    jobs: tuple[str, ...] = ()
    more: int = 0
    modules: tuple[str, ...] = ()


class Requested(msgspec.Struct, frozen=True, kw_only=True):
    """A job for a worker. What rings at a doorbell is the same without `taskattempt`, `taskfence` and `taskfolder`.

    `tasktimeout`, `tasklease` and `taskstall` are whole seconds; `data` is the task's input.
    """

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str = "application/json"
    dataschema: str | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET
    taskid: str
    taskname: str
    taskmodule: str
    taskqueue: str
    taskattempt: int | UnsetType = UNSET
    taskfence: int | UnsetType = UNSET
    taskpriority: int
    taskweight: int
    tasktimeout: int
    tasklease: int
    taskstall: int | UnsetType = UNSET
    taskfolder: str | UnsetType = UNSET
    taskcheckpoint: str | UnsetType = UNSET
    data: msgspec.Raw


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """What a worker says of a job. `source` is "/worker/<name>"; `id` stays the same where it is sent again."""

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    time: str | UnsetType = UNSET
    datacontenttype: str = "application/json"
    taskid: str
    taskmodule: str
    taskattempt: int
    taskfence: int
    data: msgspec.Raw | UnsetType = UNSET

    @property
    def worker(self) -> str:
        """The worker's name."""
        return self.source.removeprefix("/worker/")


class Heartbeat(msgspec.Struct, frozen=True, omit_defaults=True):
    """The data of a heartbeat: the job is alive; and `progress`, from 0 to 1, where it has made some."""

    progress: float | None = None
    checkpoint: msgspec.Raw | UnsetType = UNSET


class Succeeded(msgspec.Struct, frozen=True):
    """The data of a success."""

    result: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The data of a failure. `retryafter`: seconds. `fault`: the fields of the fault that `code` names."""

    code: str
    message: str
    retryable: bool = True
    retryafter: float | None = None
    fault: msgspec.Raw | UnsetType = UNSET


class Verdicts(msgspec.Struct, frozen=True):
    """The answer to a batch of reports, in their order."""

    verdicts: tuple[Verdict, ...]


ENCODER = msgspec.json.Encoder()


def report(job: Requested, kind: str, data: Any = None, *, worker: str) -> Report:
    """A worker's report of one kind; `data` is a Heartbeat, Succeeded or Failed, None for what says no more."""
    assert isinstance(job.taskattempt, int), "a job that was not taken has nothing to report"
    assert isinstance(job.taskfence, int), "a job that was not taken has nothing to report"
    return Report(
        id=str(uuid4()), source=f"/worker/{worker}", type=kind, taskid=job.taskid, taskmodule=job.taskmodule,
        taskattempt=job.taskattempt, taskfence=job.taskfence,
        data=UNSET if data is None else msgspec.Raw(ENCODER.encode(data)),
    )


def encode(event: Requested | Report | Sequence[Requested] | Sequence[Report] | Take | Verdicts) -> bytes:
    """As it travels."""
    return ENCODER.encode(event)


READ_TAKE, READ_VERDICTS = msgspec.json.Decoder(Take), msgspec.json.Decoder(Verdicts)
READ_REQUESTED, READ_JOBS = msgspec.json.Decoder(Requested), msgspec.json.Decoder(list[Requested])
READ_REPORT, READ_REPORTS = msgspec.json.Decoder(Report), msgspec.json.Decoder(list[msgspec.Raw])
"""A batch of reports is read one by one, so that a bad one spoils no other."""
