"""The projector: who may watch what, under which addresses, and how far they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from apps.video.playback.addresses import MEDIA, signed_text
from apps.video.playback.contract import Cover, NotPlayable, Playback, Seconds, Ticket
from apps.video.playback.events import VideoViewed
from apps.video.playback.settings import PlaybackSettings
from apps.video.playback.tables import films, plays
from apps.video.videos.editions import Edition
from apps.video.videos.events import VideoDeleted, VideoDescribed, VideoPublished
from craton import Call, Clock, Database, Events, Tokens

FILM = select(films).where(films.c.video == bindparam("wanted"))
FILMS = select(films).where(films.c.video.in_(bindparam("wanted", expanding=True)))
INSERT_FILM, INSERT_PLAY = insert(films), insert(plays)
SHOW = update(films).where(films.c.video == bindparam("wanted")).values(
    owner=bindparam("by"), title=bindparam("called"), privacy=bindparam("for_whom"), edition=bindparam("files"),
)
DESCRIBE = update(films).where(films.c.video == bindparam("wanted")).values(
    title=bindparam("called"), privacy=bindparam("for_whom"),
)
WITHDRAW = delete(films).where(films.c.video == bindparam("wanted"))
FORGET_PLAYS = delete(plays).where(plays.c.video == bindparam("wanted"))
PLAY = select(plays).where(plays.c.video == bindparam("wanted"), plays.c.viewer == bindparam("by"))
GO_ON = update(plays).where(plays.c.video == bindparam("wanted"), plays.c.viewer == bindparam("by")).values(
    position=bindparam("at"), counted=bindparam("last"),
)
NEAR_THE_END = 0.95
"""Of a video: who left it there has seen it, and begins anew."""
MOST_COVERS = 100


class Film(NamedTuple):
    """What can be watched."""

    video: str
    owner: str
    title: str
    privacy: str
    edition: Edition


class Projector(Playback):
    """Knows from events all that it needs to know, so that watching goes on whatever else is down."""

    def __init__(
        self, db: Database, events: Events, call: Call, clock: Clock, tokens: Tokens, settings: PlaybackSettings,
    ) -> None:
        self.db, self.events, self.call, self.clock = db, events, call, clock
        self.tokens, self.settings = tokens, settings

    async def watch(self, video: str) -> Ticket:
        film, until = await self.film(video), self.until()
        found, place = film.edition, self.place(film, until)
        return Ticket(
            video, film.title, film.owner, found.duration, f"{place}/{found.playlist}", f"{place}/{found.thumbnail}",
            f"{place}/{found.storyboard}" if found.storyboard else "", await self.position(film), until,
        )

    async def covers(self, videos: tuple[str, ...]) -> tuple[Cover, ...]:
        rows = (await self.db.execute(FILMS, {"wanted": list(videos[:MOST_COVERS])})).mappings().all()
        seen, until = [film for film in map(film_of, rows) if self.may_watch(film)], self.until()
        return tuple(
            Cover(f.video, f"{self.place(f, until)}/{f.edition.thumbnail}", f.edition.duration) for f in seen
        )

    async def heartbeat(self, video: str, position: Seconds, watched: Seconds) -> None:
        film, viewer, now = await self.film(video), self.call.caller.subject, self.clock.now().timestamp()
        row = (await self.db.execute(PLAY, {"wanted": video, "by": viewer})).mappings().first()
        counted = row["counted"] if row else 0.0
        enough = min(self.settings.enough, film.edition.duration / 3)
        views = watched >= enough and now - counted >= self.settings.window
        at, last = min(position, film.edition.duration), now if views else counted
        if row:
            await self.db.execute(GO_ON, {"wanted": video, "by": viewer, "at": at, "last": last})
        else:
            await self.db.execute(INSERT_PLAY, dict(video=video, viewer=viewer, position=at, counted=last))
        if views:
            await self.events.publish(VideoViewed(video, viewer))

    async def show(self, event: VideoPublished) -> None:
        files = msgspec.json.encode(event.edition).decode()
        if (await self.db.execute(FILM, {"wanted": event.video})).first():
            now = {"by": event.owner, "called": event.title, "for_whom": event.privacy, "files": files}
            await self.db.execute(SHOW, {"wanted": event.video, **now})
        else:
            await self.db.execute(INSERT_FILM, dict(
                video=event.video, owner=event.owner, title=event.title, privacy=event.privacy, edition=files,
            ))

    async def redescribe(self, event: VideoDescribed) -> None:
        now = {"called": event.title, "for_whom": event.privacy}
        await self.db.execute(DESCRIBE, {"wanted": event.video, **now})

    async def withdraw(self, event: VideoDeleted) -> None:
        await self.db.execute(WITHDRAW, {"wanted": event.video})
        await self.db.execute(FORGET_PLAYS, {"wanted": event.video})

    # ------------------------------------------------------------------ what these have in common

    async def film(self, video: str) -> Film:
        """What the caller may watch."""
        row = (await self.db.execute(FILM, {"wanted": video})).mappings().first()
        if row is None or not self.may_watch(film := film_of(row)):
            raise NotPlayable(video)
        return film

    def may_watch(self, film: Film) -> bool:
        """Whether the caller may."""
        caller = self.call.caller
        return film.privacy != "private" or film.owner == caller.subject or "admin" in caller.roles

    async def position(self, film: Film) -> float:
        """Where the caller left it."""
        who = {"wanted": film.video, "by": self.call.caller.subject}
        found = (await self.db.execute(PLAY, who)).mappings().first()
        at = float(found["position"]) if found else 0.0
        return at if at < film.edition.duration * NEAR_THE_END else 0.0

    def until(self) -> datetime:
        """Until when addresses that are made now are good: the same for a while, so that caches know them again."""
        lifetime = self.settings.lifetime
        return datetime.fromtimestamp((self.clock.now().timestamp() // lifetime + 2) * lifetime, UTC)

    def place(self, film: Film, until: datetime) -> str:
        """The address under which the files of a film are."""
        return f"{MEDIA}/{self.tokens.sign(signed_text(film.edition.folder), until=until)}"


def film_of(row: Any) -> Film:
    """A row as what can be watched."""
    edition = msgspec.json.decode(row["edition"], type=Edition)
    return Film(row["video"], row["owner"], row["title"], row["privacy"], edition)
