"""What workers do for uploads."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

from apps.video.uploads.events import SweepDue, UploadJoined
from apps.video.uploads.kinds import ENOUGH, looks
from apps.video.uploads.tasks import Join, Remove, Removed, Sweep
from craton import Blobs, Job


class Reader:
    """The parts of an upload as one stream; what is to be known of it is known at its end."""

    def __init__(self, what: Join, job: Job, blobs: Blobs) -> None:
        self.what, self.job, self.blobs = what, job, blobs
        self.hash, self.head = hashlib.sha256(), b""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """All bytes."""
        for done, part in enumerate(self.what.parts):
            await self.job.progress(done / len(self.what.parts))
            async for piece in self.blobs.stream(f"{self.what.folder}/{part}"):
                self.head += piece[:max(0, ENOUGH - len(self.head))]
                self.hash.update(piece)
                yield piece


async def join(what: Join, job: Job, blobs: Blobs) -> UploadJoined:
    """Put the parts of an upload together, in the job's own folder: an attempt that is taken for dead writes nowhere
    else."""
    reader, path = Reader(what, job, blobs), f"{job.folder}/source"
    size = await blobs.put(path, reader)
    return UploadJoined(what.upload, path, size, reader.hash.hexdigest(), looks(reader.head))


async def remove(what: Remove, blobs: Blobs) -> Removed:
    """Remove what nobody needs any more."""
    for path in what.paths:
        await blobs.delete(path, but=what.kept)
    return Removed()


async def sweep(what: Sweep) -> SweepDue:
    """Say that it is time."""
    return SweepDue()
