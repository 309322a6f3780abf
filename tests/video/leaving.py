"""The video application whose workers were killed once in each job that makes what is kept: what they left is there."""

from __future__ import annotations

from dataclasses import replace

from apps.video.application import video
from apps.video.transcoding import work as transcoding
from apps.video.transcoding.tasks import Finished, Parts
from apps.video.transcoding.tasks import finish as finish_task
from apps.video.uploads import work as uploads
from apps.video.uploads.events import UploadJoined
from apps.video.uploads.tasks import Join
from apps.video.uploads.tasks import join as join_task
from craton import Application, Blobs, Job
from craton.blobs import LocalBlobs


async def leave(job: Job, blobs: Blobs) -> None:
    """A file, and half of one, as a worker leaves them that is killed."""
    assert isinstance(blobs, LocalBlobs)
    folder = f"{job.folder.rpartition('/')[0]}/0-0"
    await blobs.put(f"{folder}/whole", b"whole")
    blobs.file(f"{folder}/half").with_suffix(".77.partial").write_bytes(b"half")


async def join(what: Join, job: Job, blobs: Blobs) -> UploadJoined:
    """As the application has it."""
    await leave(job, blobs)
    return await uploads.join(what, job, blobs)


async def finish(parts: Parts, job: Job, blobs: Blobs) -> Finished:
    """As the application has it."""
    await leave(job, blobs)
    return await transcoding.finish(parts, job, blobs)


HANDLERS = {join_task: f"{__name__}:join", finish_task: f"{__name__}:finish"}
leaving = Application(video.name, [
    replace(module, tasks={task: HANDLERS.get(task, path) for task, path in module.tasks.items()})
    for module in video.modules
])
