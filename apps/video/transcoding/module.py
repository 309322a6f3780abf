"""The desk of transcoding: a saga for each video, whose long steps are jobs of workers."""

from __future__ import annotations

from typing import cast

from apps.video.transcoding.contract import Progress, Stage, Transcoding, TranscodingNotFound
from apps.video.transcoding.media.planning import Plan, Size
from apps.video.transcoding.records import ENDED, Records
from apps.video.transcoding.settings import TranscodingSettings
from apps.video.transcoding.tasks import (
    Encoded,
    Inspected,
    Part,
    Parts,
    Pieces,
    Remove,
    Unplayable,
    Upload,
    Work,
    assemble,
    depict,
    encode,
    finish,
    hear,
    inspect,
    remove,
)
from apps.video.videos.contract import VideoNotFound, Videos
from apps.video.videos.editions import Edition
from apps.video.videos.events import VideoDeleted, VideoUploaded
from craton import Clock, Database, Failed, Fault, Saga, Tasks, command

UNKNOWN = "The video could not be made. Please send it again; if that does not help, send it in another format."


class Stopped(Fault, status=409):
    """The video was deleted."""


class Desk(Transcoding):
    """What a saga does with a video is decided by the plan that its first job made, and by nothing else."""

    def __init__(
        self, db: Database, saga: Saga, tasks: Tasks, videos: Videos, clock: Clock, settings: TranscodingSettings,
    ) -> None:
        self.saga, self.tasks, self.videos, self.records = saga, tasks, videos, Records(db, clock)
        self.settings = settings

    async def progress(self, video: str) -> Progress:
        if (run := await self.records.find(video)) is None:
            raise TranscodingNotFound(video)
        if run["stage"] == "published":
            return Progress(video, "published", 1.0)
        jobs = await self.records.jobs(video)
        done = sum(1.0 if job["state"] == "done" else job["progress"] for job in jobs)
        return Progress(video, run["stage"], min(0.99, done / run["jobs"]) if run["jobs"] else 0.0, run["reason"])

    async def transcode(self, event: VideoUploaded) -> None:
        saga, video = self.saga, event.video
        try:
            await saga.step(self.enter, video, "inspecting")
            await saga.step(self.videos.begin, video)
            edition = await self.make(video, await saga.step(inspect, Upload(video, event.source)))
            await saga.step(self.videos.publish, video, edition)
            await saga.step(self.end, video, "published", "", edition.folder)
        except (Stopped, VideoNotFound):
            await saga.step(self.end, video, "stopped", "", "")
        except Unplayable as fault:
            await self.give_up(video, "refused", f"The video cannot be used: {fault.reason}.")
        except Failed:
            await self.give_up(video, "failed", UNKNOWN)

    async def stop(self, event: VideoDeleted) -> None:
        jobs = await self.records.jobs(event.video)
        for job in jobs:
            if job["state"] in ("queued", "leased"):
                await self.tasks.cancel(job["id"])
        run = await self.records.find(event.video)
        await self.records.write(event.video, "stopped")
        if run is not None and run["stage"] in ENDED:  # else the saga does it, when its jobs have ended
            await self.clear(event.video, "")

    # ------------------------------------------------------------------ the parts of the saga

    async def make(self, video: str, found: Inspected) -> Edition:
        """An edition of a video, of which it is known what it is."""
        saga, plan = self.saga, found.plan
        spoken = found.facts.sound >= 0
        await saga.step(self.enter, video, "encoding", len(found.chunks) + len(plan.sizes) + 3 + spoken)
        work = Work(video, found.source, found.facts, plan)
        chunks = [saga.step(encode, chunk) for chunk in found.chunks]
        others = [saga.step(task, work) for task in (depict, hear)[: 1 + spoken]]
        results = await saga.gather(*chunks, *others)
        encoded = results[: len(chunks)]
        pictures, *sound = cast("tuple[Part, ...]", results[len(chunks) :])
        check_frames(plan, encoded)
        await saga.step(self.enter, video, "assembling")
        sizes = await saga.gather(*[saga.step(assemble, pieces_of(video, plan, size, encoded)) for size in plan.sizes])
        await saga.step(self.enter, video, "checking")
        parts = Parts(video, plan, sizes, sound[0] if sound else None, pictures)
        return (await saga.step(finish, parts)).edition

    async def give_up(self, video: str, stage: Stage, reason: str) -> None:
        """Nothing comes of a video; its owner is told, unless it was deleted."""
        try:
            if await self.saga.step(self.end, video, stage, reason, ""):
                await self.saga.step(self.videos.fail, video, reason)
        except VideoNotFound:
            pass  # there is nobody left to be told

    @command(raises=Stopped)
    async def enter(self, video: str, stage: Stage, jobs: int | None = None) -> None:
        """A video comes to a stage, in which there will be so many jobs; Stopped where it was deleted."""
        run = await self.records.find(video)
        if run is not None and run["stage"] == "stopped":
            raise Stopped
        await self.records.write(video, stage, jobs=jobs)

    @command
    async def end(self, video: str, stage: Stage, reason: str, kept: str) -> bool:
        """A video's way ends here. What its jobs have made goes, but for the folder that is `kept`; whether it has not
        been deleted meanwhile, in which case that goes, too."""
        run = await self.records.find(video)
        stopped = run is not None and run["stage"] == "stopped"
        await self.records.write(video, "stopped" if stopped else stage, reason="" if stopped else reason)
        await self.clear(video, "" if stopped else kept)
        return not stopped

    async def clear(self, video: str, kept: str) -> None:
        """Have removed what the attempts of jobs have made, also those of workers that were killed; once more when
        workers have surely heard that theirs were cancelled."""
        jobs = await self.records.jobs(video)
        if jobs:
            doomed = Remove("", tuple(f"transcoding/{job['id']}" for job in jobs), kept)
            await self.tasks.submit(remove, doomed)
            if any(job["state"] == "cancelled" for job in jobs):
                await self.tasks.submit(remove, doomed, delay=self.settings.late)


def check_frames(plan: Plan, encoded: tuple[Encoded, ...]) -> None:
    """Unplayable where frames are missing: the upload has gaps, or ends before its end."""
    for chunk in encoded:
        piece = plan.pieces[chunk.index]
        slack = 1 if piece == plan.pieces[-1] else 0
        if abs(chunk.frames - (piece.end - piece.start)) > slack:
            raise Unplayable("parts of it are damaged or missing")


def pieces_of(video: str, plan: Plan, size: Size, encoded: tuple[Encoded, ...]) -> Pieces:
    """The pieces of one size."""
    of_size = sorted((chunk for chunk in encoded if chunk.rendition == size.name), key=lambda chunk: chunk.index)
    return Pieces(video, size, plan, tuple(chunk.path for chunk in of_size))
