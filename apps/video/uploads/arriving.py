"""The bytes of one request, on their way into the blobs."""

from __future__ import annotations

from apps.video.uploads.checksums import Checksum
from apps.video.uploads.contract import Part, TooLarge, Upload, Uploads
from apps.video.uploads.kinds import ENOUGH, looks
from apps.video.uploads.places import part_of
from craton import Blobs, Fault, Ids


class WrongKind(Exception):
    """The file is no video."""

    def __init__(self) -> None:
        super().__init__("this file is no video of a kind that is known here.")


class Arriving:
    """Takes the bytes that belong to an upload from `offset` on, a few MiB at a time.

    Each part is recorded as soon as it is written, so that little is lost where a connection breaks. With a checksum,
    which is over all of the request, nothing is recorded before its end.
    """

    def __init__(
        self, uploads: Uploads, blobs: Blobs, ids: Ids, upload: Upload, offset: int, checksum: Checksum | None,
        part: int,
    ) -> None:
        self.uploads, self.blobs, self.ids = uploads, blobs, ids
        self.upload, self.checksum, self.part = upload, checksum, part
        self.recorded = self.at = offset
        self.buffer, self.parts = bytearray(), list[Part]()

    async def take(self, piece: bytes) -> None:
        """More bytes. TooLarge where there are more than the upload has room for."""
        if self.at + len(self.buffer) + len(piece) > self.upload.size:
            raise TooLarge(self.upload.size)
        if self.checksum is not None:
            self.checksum.take(piece)
        self.buffer += piece
        if len(self.buffer) >= self.part:
            await self.store()

    async def end(self) -> Upload:
        """These were all; the upload as it is now."""
        if self.checksum is not None:
            await self.check(self.checksum)
        if self.buffer:
            await self.store()
        if self.parts:
            await self.record()
        return self.upload

    async def check(self, checksum: Checksum) -> None:
        """Mismatch, with nothing left of the bytes, where they are not those that were sent."""
        try:
            checksum.check()
        except Exception:
            await self.discard()
            raise

    async def store(self) -> None:
        """Write what has come as one part."""
        content = bytes(self.buffer)
        self.buffer.clear()
        if self.at == 0:
            await self.look_at(content)
        path = part_of(self.upload.id, self.at, self.ids.new("part"))
        await self.blobs.put(path, content)
        self.parts.append(Part(path, len(content)))
        self.at += len(content)
        if self.checksum is None:
            await self.record()

    async def record(self) -> None:
        """Have the parts that were written recorded. Where they are refused, they go; where it is not known whether
        they were recorded, they stay."""
        try:
            self.upload = await self.uploads.append(self.upload.id, self.recorded, tuple(self.parts))
        except Fault:
            await self.discard()
            raise
        self.recorded = self.at
        self.parts.clear()

    async def look_at(self, head: bytes) -> None:
        """WrongKind, and the end of the upload, where it begins as no video does."""
        if (len(head) >= ENOUGH or len(head) == self.upload.size) and not looks(head):
            await self.uploads.abort(self.upload.id)
            raise WrongKind

    async def discard(self) -> None:
        """Let go of what was not recorded."""
        for part in self.parts:
            await self.blobs.delete(part.path)
        self.parts.clear()
