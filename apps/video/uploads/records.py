"""Uploads as rows: the statements of the uploads module."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from apps.video.uploads.contract import Part, State, Upload
from apps.video.uploads.tables import parts, uploads
from craton import Database

BY_ID = select(uploads).where(uploads.c.id == bindparam("wanted"))
BY_JOB = select(uploads).where(uploads.c.job == bindparam("wanted"))
UNFINISHED = (
    select(uploads).where(uploads.c.owner == bindparam("wanted"), uploads.c.state.in_(("open", "joining")))
    .order_by(uploads.c.created.desc(), uploads.c.id)
)
USED = select(func.coalesce(func.sum(uploads.c.size), 0)).where(
    uploads.c.owner == bindparam("wanted"), uploads.c.state.in_(("open", "joining", "done")),
)
OVERDUE = (
    select(uploads).where(uploads.c.state == "open", uploads.c.expires <= bindparam("now"))
    .order_by(uploads.c.expires).limit(100)
)
INSERT, INSERT_PART = insert(uploads), insert(parts)
CHANGE = update(uploads).where(uploads.c.id == bindparam("wanted"))
GROW = CHANGE.values(received=bindparam("now_received"), pieces=bindparam("now_pieces"), expires=bindparam("until"))
JOIN = CHANGE.values(state="joining", job=bindparam("by"))
DONE = CHANGE.values(state="done", source=bindparam("place"), media_type=bindparam("kind"))
END = CHANGE.values(state=bindparam("to"), reason=bindparam("why"))
PARTS = select(parts).where(parts.c.upload == bindparam("wanted")).order_by(parts.c.start)
FORGET_PARTS = delete(parts).where(parts.c.upload == bindparam("wanted"))


class Records:
    """Reads and writes uploads."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def find(self, upload: str) -> Any:
        """A row by its id; None where there is none."""
        return (await self.db.execute(BY_ID, {"wanted": upload})).mappings().first()

    async def of_job(self, job: str) -> Any:
        """The row whose parts a job joins."""
        return (await self.db.execute(BY_JOB, {"wanted": job})).mappings().first()

    async def unfinished(self, owner: str) -> tuple[Upload, ...]:
        """Those of somebody that have not ended."""
        return tuple(map(upload_of, (await self.db.execute(UNFINISHED, {"wanted": owner})).mappings().all()))

    async def used(self, owner: str) -> int:
        """The bytes that somebody's uploads take, or are to take."""
        return int((await self.db.execute(USED, {"wanted": owner})).scalar_one())

    async def overdue(self, now: float) -> list[Any]:
        """Some that have waited too long."""
        return list((await self.db.execute(OVERDUE, {"now": now})).mappings().all())

    async def make(self, row: dict[str, Any]) -> None:
        """A new one."""
        empty = dict(received=0, pieces=0, state="open", reason="", job="", source="")
        await self.db.execute(INSERT, {**row, **empty})

    async def grow(self, row: Any, more: tuple[Part, ...], *, expires: float) -> int:
        """So many more bytes have come; how many there are now."""
        received = row["received"] + sum(part.size for part in more)
        changed = {"now_received": received, "now_pieces": row["pieces"] + len(more), "until": expires}
        await self.db.execute(GROW, {"wanted": row["id"], **changed})  # first: where two meet here, one is done anew
        start = row["received"]
        for part in more:
            await self.db.execute(INSERT_PART, dict(upload=row["id"], start=start, path=part.path, size=part.size))
            start += part.size
        return int(received)

    async def parts(self, upload: str) -> tuple[str, ...]:
        """Where the parts of one are, in their order."""
        return tuple(row["path"] for row in (await self.db.execute(PARTS, {"wanted": upload})).mappings())

    async def join(self, upload: str, job: str) -> None:
        """A job joins the parts of one."""
        await self.db.execute(JOIN, {"wanted": upload, "by": job})

    async def done(self, upload: str, source: str, media_type: str) -> None:
        """One is whole."""
        await self.db.execute(DONE, {"wanted": upload, "place": source, "kind": media_type})
        await self.db.execute(FORGET_PARTS, {"wanted": upload})

    async def end(self, upload: str, state: State, reason: str = "") -> None:
        """One is no more."""
        await self.db.execute(END, {"wanted": upload, "to": state, "why": reason})
        await self.db.execute(FORGET_PARTS, {"wanted": upload})


def upload_of(row: Any) -> Upload:
    """A row, as its owner sees it."""
    return Upload(
        row["id"], row["video"], row["owner"], row["filename"], row["media_type"], row["size"], row["received"],
        row["state"], datetime.fromtimestamp(row["expires"], UTC), row["reason"],
    )
