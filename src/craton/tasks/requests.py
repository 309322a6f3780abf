"""Jobs as workers are sent them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import UNSET

from craton.task import Task
from craton.tasks.messages import Requested


class Form:
    """Makes requested events of the rows of one module's jobs. `lease`: seconds."""

    NEEDS = ("id", "task", "attempt", "fence", "priority", "weight", "checkpoint", "input", "trace", "created")
    """The columns that it needs."""

    def __init__(self, application: str, module: str, tasks: Mapping[str, Task[Any, Any]], *, lease: float) -> None:
        self.module, self.tasks = module, tasks
        self.fixed = {
            name: dict(
                source=f"/{application}/{module}", type=f"{application}.{module}.{name}.requested.v1",
                dataschema=f"/schemas/{module}.{name}.input.json", taskname=f"{module}.{name}", taskmodule=module,
                taskqueue=task.queue, tasktimeout=whole(task.timeout), tasklease=whole(lease),
                taskstall=UNSET if task.stall is None else whole(task.stall),
            )
            for name, task in tasks.items()
        }

    def job(self, row: Any) -> Requested:
        """A job that a worker has just been given."""
        return self.event(
            row, taskattempt=row.attempt, taskfence=row.fence,
            taskfolder=f"{self.module}/{row.id}/{row.attempt}-{row.fence}",
        )

    def bell(self, row: Any) -> Requested:
        """What rings for a job that any worker may be given."""
        return self.event(row)

    def event(self, row: Any, **own: Any) -> Requested:
        """One event; its id is the same each time that the same attempt is told."""
        fixed: dict[str, Any] = self.fixed[row.task]
        return Requested(
            **fixed, **own, id=f"{row.id}/{row.fence}", subject=row.id, taskid=row.id,
            time=datetime.fromtimestamp(row.created, UTC).isoformat().replace("+00:00", "Z"),
            taskpriority=row.priority, taskweight=row.weight, traceparent=row.trace or UNSET,
            taskcheckpoint=row.checkpoint or UNSET, data=msgspec.Raw(row.input.encode()),
        )


def whole(seconds: float) -> int:
    """Whole seconds, one at least."""
    return max(1, math.ceil(seconds))
