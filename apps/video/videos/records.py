"""Videos as rows: the statements of the videos module."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, exists, func, insert, or_, select, update

from apps.video.videos.contract import InvalidCursor, Video
from apps.video.videos.tables import likes, videos
from craton import Database, Page

MOST_WORDS = 8
"""Of a question; what stands after them is not looked for."""
BY_ID = select(videos).where(videos.c.id == bindparam("wanted"))
INSERT, LIKE = insert(videos), insert(likes)
CHANGE = update(videos).where(videos.c.id == bindparam("wanted"))
COUNT = CHANGE.values(views=videos.c.views + 1)
LIKED = select(exists().where(likes.c.video == bindparam("wanted"), likes.c.subject == bindparam("by")))
UNLIKE = delete(likes).where(likes.c.video == bindparam("wanted"), likes.c.subject == bindparam("by"))
UNLIKE_ALL = delete(likes).where(likes.c.video == bindparam("wanted"))
COUNT_LIKES = CHANGE.values(
    likes=select(func.count()).select_from(likes).where(likes.c.video == bindparam("wanted")).scalar_subquery(),
)
SHOWN = and_(videos.c.state == "published", videos.c.privacy == "public")
NEWEST = (videos.c.created.desc(), videos.c.id.desc())


class Records:
    """Reads and writes videos."""

    def __init__(self, db: Database) -> None:
        self.db = db

    async def find(self, video: str) -> Any:
        """A row by its id; None where there is none, or it is deleted."""
        found = (await self.db.execute(BY_ID, {"wanted": video})).mappings().first()
        return None if found is None or found["state"] == "deleted" else found

    async def known(self, video: str) -> bool:
        """Whether there is one, or was."""
        return (await self.db.execute(BY_ID, {"wanted": video})).first() is not None

    async def make(self, row: dict[str, Any]) -> None:
        """A new one."""
        plain = dict(
            description="", words=words_of(row["title"], ""), version=1, reason="", edition="", duration=0.0, height=0,
            views=0, likes=0,
        )
        await self.db.execute(INSERT, {**plain, **row})

    async def change(self, video: str, **values: Any) -> None:
        """Set some columns."""
        await self.db.execute(CHANGE.values(**values), {"wanted": video})

    async def count(self, video: str) -> None:
        """One view more."""
        await self.db.execute(COUNT, {"wanted": video})

    async def liked(self, video: str, subject: str) -> bool:
        """Whether somebody likes one."""
        return bool((await self.db.execute(LIKED, {"wanted": video, "by": subject})).scalar())

    async def like(self, video: str, subject: str, *, likes: bool) -> int:
        """Somebody likes one, or does not; how many do."""
        if await self.liked(video, subject) != likes:
            if likes:
                await self.db.execute(LIKE, {"video": video, "subject": subject})
            else:
                await self.db.execute(UNLIKE, {"wanted": video, "by": subject})
            await self.db.execute(COUNT_LIKES, {"wanted": video})
        return int((await self.find(video))["likes"])

    async def delete(self, video: str) -> None:
        """One is no more; that it was is remembered, for whoever still works on it."""
        await self.change(video, state="deleted", title="", description="", words="", reason="")
        await self.db.execute(UNLIKE_ALL, {"wanted": video})

    async def page(
        self, *which: ColumnElement[bool], cursor: str | None, limit: int, owner: str = "",
    ) -> Page[Video]:
        """Some of many, the newest first."""
        before = [after(cursor)] if cursor else []
        found = select(videos).where(*which, *before).order_by(*NEWEST).limit(limit + 1)
        rows = (await self.db.execute(found)).mappings().all()
        more = f"{rows[limit - 1]['created']!r}_{rows[limit - 1]['id']}" if len(rows) > limit else None
        return Page(tuple(video_of(row, owner) for row in rows[:limit]), more)


def video_of(row: Any, viewer: str) -> Video:
    """A row, as somebody sees it."""
    return Video(
        row["id"], row["owner"], row["title"], row["description"], row["privacy"], row["state"], row["version"],
        datetime.fromtimestamp(row["created"], UTC), row["views"], row["likes"], row["duration"], row["height"],
        row["reason"] if viewer == row["owner"] else "",
    )


def words_of(title: str, description: str) -> str:
    """What the search looks into."""
    return f"{title}\n{description}".casefold()


def asked(question: str) -> Sequence[ColumnElement[bool]]:
    """Whether all words of a question stand in a video."""
    return [videos.c.words.contains(word, autoescape=True) for word in question.casefold().split()[:MOST_WORDS]]


def after(cursor: str) -> ColumnElement[bool]:
    """What follows a place in a list. InvalidCursor where it is none."""
    at, _, id = cursor.partition("_")
    try:
        created = float(at)
    except ValueError:
        raise InvalidCursor from None
    if not isfinite(created) or "\0" in id:
        raise InvalidCursor
    return or_(videos.c.created < created, and_(videos.c.created == created, videos.c.id < id))
