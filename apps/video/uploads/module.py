"""The desk of uploads: what has come of each, and what becomes of it."""

from __future__ import annotations

from typing import Any

from apps.video.uploads.contract import (
    FileName,
    MediaType,
    OffsetConflict,
    Part,
    QuotaExceeded,
    Sha256,
    Size,
    Title,
    TooLarge,
    UnsupportedMedia,
    Upload,
    UploadGone,
    UploadNotFound,
    Uploads,
    Usage,
)
from apps.video.uploads.events import SweepDue, UploadBegun, UploadEnded, UploadFinished, UploadJoined
from apps.video.uploads.kinds import claimed
from apps.video.uploads.places import attempt_of, folder_of, job_of
from apps.video.uploads.records import Records, upload_of
from apps.video.uploads.settings import UploadSettings
from apps.video.uploads.tasks import Join, Remove, join, remove
from apps.video.videos.editions import Privacy
from apps.video.videos.events import VideoDeleted
from craton import Call, Clock, Database, Events, Ids, JobFailed, Tasks

MOST_PIECES = 20_000
"""Of one upload: what comes in smaller ones than that is sent by nobody who means well."""
NO_VIDEO = "This is no video of a kind that we know."
DAMAGED = "The file is not what was to be sent: its checksum differs."
NOT_JOINED = "The file could not be put together. Please send it again."


class Desk(Uploads):
    """Uploads in the database; their bytes are blobs, which workers put together and remove."""

    def __init__(
        self, db: Database, events: Events, tasks: Tasks, call: Call, clock: Clock, ids: Ids, settings: UploadSettings,
    ) -> None:
        self.events, self.tasks, self.call, self.clock, self.ids = events, tasks, call, clock, ids
        self.settings, self.records = settings, Records(db)

    async def create(
        self, filename: FileName, size: Size, media_type: MediaType, title: Title = "", privacy: Privacy = "private",
        sha256: Sha256 | None = None,
    ) -> Upload:
        if (kind := claimed(filename, media_type)) is None:
            raise UnsupportedMedia(media_type)
        if size > self.settings.most:
            raise TooLarge(self.settings.most)
        owner, now = self.call.caller.subject, self.clock.now().timestamp()
        if (used := await self.records.used(owner)) + size > self.settings.quota:
            raise QuotaExceeded(used, self.settings.quota)
        row = dict(
            id=self.ids.new("upload"), video=self.ids.new("video"), owner=owner, filename=filename,
            title=title.strip() or filename.rpartition(".")[0].strip() or "Untitled", privacy=privacy, media_type=kind,
            size=size, sha256=sha256, created=now, expires=now + self.settings.lifetime,
        )
        await self.records.make(row)
        await self.events.publish(UploadBegun(
            str(row["id"]), str(row["video"]), owner, str(row["title"])[:200], privacy,
        ))
        return upload_of({**row, "received": 0, "state": "open", "reason": ""})

    async def upload(self, upload: str) -> Upload:
        return upload_of(await self.own(upload))

    async def unfinished(self) -> tuple[Upload, ...]:
        return await self.records.unfinished(self.call.caller.subject)

    async def usage(self) -> Usage:
        return Usage(await self.records.used(self.call.caller.subject), self.settings.quota)

    async def append(self, upload: str, offset: int, parts: tuple[Part, ...]) -> Upload:
        row = await self.open(upload)
        if offset != row["received"]:
            raise OffsetConflict(upload, row["received"])
        size = sum(part.size for part in parts)
        if offset + size > row["size"] or row["pieces"] + len(parts) > MOST_PIECES:
            raise TooLarge(row["size"])
        expires = self.clock.now().timestamp() + self.settings.lifetime
        received = await self.records.grow(row, parts, expires=expires)
        state = row["state"]
        if received == row["size"]:
            state = "joining"
            await self.put_together(upload)
        return upload_of({**row, "received": received, "expires": expires, "state": state})

    async def abort(self, upload: str) -> None:
        row = await self.own(upload)
        if row["state"] not in ("open", "joining"):
            raise UploadGone(upload)
        if row["state"] == "joining":
            await self.tasks.cancel(row["job"])
        await self.records.end(upload, "aborted")
        await self.events.publish(UploadEnded(upload, row["video"], "aborted"))
        await self.remove(folder_of(upload))

    async def finish(self, event: UploadJoined) -> None:
        row = await self.records.find(event.upload)
        if row is None or row["state"] != "joining":  # deleted meanwhile
            await self.remove(job_of(event.source))
        elif why := self.wrong(row, event):
            await self.refuse(row, why, job_of(event.source))
        else:
            await self.records.done(event.upload, event.source, event.looks)
            await self.events.publish(UploadFinished(
                event.upload, row["video"], row["owner"], event.source, event.size, event.looks,
            ))
            await self.remove(folder_of(event.upload), job_of(event.source), kept=attempt_of(event.source))

    async def give_up(self, event: JobFailed) -> None:
        row = await self.records.of_job(event.job) if event.task == f"uploads.{join.name}" else None
        if row is not None and row["state"] == "joining":
            await self.refuse(row, NOT_JOINED)

    async def expire(self, event: SweepDue) -> None:
        for row in await self.records.overdue(self.clock.now().timestamp()):
            await self.records.end(row["id"], "expired")
            await self.events.publish(UploadEnded(row["id"], row["video"], "expired"))
            await self.remove(folder_of(row["id"]))

    async def forget(self, event: VideoDeleted) -> None:
        row = await self.records.find(event.upload)
        if row is None or row["state"] == "deleted":
            return
        if row["state"] == "joining":
            await self.tasks.cancel(row["job"])
        await self.records.end(event.upload, "deleted")
        await self.remove(folder_of(event.upload), *([job_of(row["source"])] if row["source"] else []))

    # ------------------------------------------------------------------ what these have in common

    async def own(self, upload: str) -> Any:
        """One of the caller's uploads."""
        row = await self.records.find(upload)
        if row is None or row["owner"] != self.call.caller.subject:
            raise UploadNotFound(upload)
        return row

    async def open(self, upload: str) -> Any:
        """One of the caller's uploads that more bytes may come for."""
        row = await self.own(upload)
        if row["state"] == "joining" or row["state"] == "done":
            raise OffsetConflict(upload, row["received"])
        if row["state"] != "open" or row["expires"] <= self.clock.now().timestamp():
            raise UploadGone(upload)
        return row

    async def put_together(self, upload: str) -> None:
        """Have all of its parts joined by a worker."""
        folder = folder_of(upload)
        names = tuple(path.removeprefix(f"{folder}/") for path in await self.records.parts(upload))
        job = await self.tasks.submit(join, Join(upload, folder, names))
        await self.records.join(upload, job)

    def wrong(self, row: Any, found: UploadJoined) -> str:
        """Why a file is not what was to come; nothing where it is."""
        if found.size != row["size"] or row["sha256"] not in (None, found.sha256):
            return DAMAGED
        return "" if found.looks else NO_VIDEO

    async def refuse(self, row: Any, why: str, *also: str) -> None:
        """No video comes of it."""
        await self.records.end(row["id"], "refused", why)
        await self.events.publish(UploadEnded(row["id"], row["video"], "refused", why))
        await self.remove(folder_of(row["id"]), *also)

    async def remove(self, *paths: str, kept: str = "") -> None:
        """Have blobs removed by a worker, but for those in a folder."""
        await self.tasks.submit(remove, Remove(paths, kept))
