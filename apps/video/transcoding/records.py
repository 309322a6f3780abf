"""How far videos are, as rows; and the jobs of each, which its module's table of jobs holds."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, insert, select, update

from apps.video.transcoding.tables import runs
from craton import Clock, Database
from craton.data.tables import tables_of

ENDED = ("published", "refused", "failed", "stopped")
BY_VIDEO = select(runs).where(runs.c.video == bindparam("wanted"))
INSERT, CHANGE = insert(runs), update(runs).where(runs.c.video == bindparam("wanted"))
job = tables_of("transcoding").job.c
OF_VIDEO = (
    select(job.id, job.state, job.progress).where(job.input.startswith(bindparam("start"), autoescape=False))
    .order_by(job.id)
)
"""Every input begins with its video, whose id has no character that LIKE takes for another."""


class Records:
    """Reads and writes them."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db, self.clock = db, clock

    async def find(self, video: str) -> Any:
        """How far a video is; None where nobody has begun."""
        return (await self.db.execute(BY_VIDEO, {"wanted": video})).mappings().first()

    async def write(self, video: str, stage: str, *, jobs: int | None = None, reason: str = "") -> None:
        """It has come so far."""
        values: dict[str, Any] = dict(stage=stage, reason=reason, changed=self.clock.now().timestamp())
        if await self.find(video) is None:
            await self.db.execute(INSERT, {**values, "video": video, "jobs": jobs or 0})
        else:
            more = {} if jobs is None else {"jobs": jobs}
            await self.db.execute(CHANGE.values(**values, **more), {"wanted": video})

    async def jobs(self, video: str) -> list[Any]:
        """Its jobs, in whatever state."""
        return list((await self.db.execute(OF_VIDEO, {"start": f'{{"video":"{video}"'})).mappings())
