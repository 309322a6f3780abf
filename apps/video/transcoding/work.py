"""What workers do for transcoding. What they make stands in the folder of their attempt until it is taken over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from fractions import Fraction
from pathlib import Path

from apps.video.transcoding.media import checking, inspecting, packaging, pictures, planning, playlists
from apps.video.transcoding.media.checking import Measured
from apps.video.transcoding.media.inspecting import Facts
from apps.video.transcoding.media.planning import Plan
from apps.video.transcoding.media.playlists import MASTER, PLAYLIST, SOUND, Variant
from apps.video.transcoding.media.tools import Heard, ffmpeg
from apps.video.transcoding.scratch import scratch
from apps.video.transcoding.settings import TranscodingSettings
from apps.video.transcoding.tasks import (
    Chunk,
    Encoded,
    Finished,
    Inspected,
    Part,
    Parts,
    Pieces,
    Remove,
    Removed,
    Unplayable,
    Upload,
    Work,
)
from apps.video.videos.editions import Edition, Rendition
from craton import Blobs, Job

AT_ONCE = 8
"""Files that are written or copied at the same time."""


async def inspect(upload: Upload, job: Job, blobs: Blobs, settings: TranscodingSettings) -> Inspected:
    """Look at an upload, and plan what is to be made of it."""
    with scratch() as folder:
        async with blobs.local(upload.source) as original:
            try:
                file, facts, ticks = await packaging.opened(original, folder)
            except inspecting.Unplayable as error:
                raise Unplayable(str(error)) from error
            source = upload.source
            if file != original:
                source = f"{job.folder}/{file.name}"
                await blobs.put_file(source, file)
    plan = await asyncio.to_thread(
        planning.plan_of, facts, ticks, seconds=settings.segment, segments=settings.segments, preset=settings.preset,
        ladder=ladder(settings.sizes),
    )
    return Inspected(source, facts, plan, tuple(chunks_of(upload.video, source, facts, plan=plan)))


def chunks_of(video: str, source: str, facts: Facts, *, plan: Plan) -> Iterator[Chunk]:
    """What is to be encoded: the largest size, which takes longest, first."""
    for size in reversed(plan.sizes):
        for piece in plan.pieces:
            before, after = planning.before(plan, piece), planning.after(plan, facts, piece=piece, size=size)
            yield Chunk(video, size.name, piece.index, source, before, after, piece.end - piece.start)


def ladder(sizes: str) -> dict[int, int]:
    """The sizes to be made, with the most kilobits per second of each."""
    wanted = {int(side) for side in sizes.split(",")}
    return {side: most for side, most in planning.LADDER.items() if side in wanted} or planning.LADDER


async def encode(chunk: Chunk, job: Job, blobs: Blobs) -> Encoded:
    """Encode a piece."""
    path = f"{job.folder}/{chunk.rendition}-{chunk.index:05d}.mp4"
    with scratch() as folder:
        target = folder / "piece.mp4"
        async with blobs.local(chunk.source) as source:
            frames = await ffmpeg(
                *chunk.before, "-i", str(source), *chunk.after, str(target), heard=telling(job, chunk.frames),
            )
        size = await blobs.put_file(path, target)
    return Encoded(chunk.rendition, chunk.index, path, frames, size)


def telling(job: Job, frames: int) -> Heard:
    """Tells how far a job is, by the frames that are done."""

    async def heard(done: int) -> None:
        await job.progress(done / max(1, frames))

    return heard


async def hear(work: Work, job: Job, blobs: Blobs) -> Part:
    """Encode the sound of a video, package and check it."""
    with scratch() as folder:
        into = made(folder, SOUND)
        async with blobs.local(work.source) as source:
            await packaging.sound(source, work.facts, plan=work.plan, into=into, heard=alive(job))
        measured = await checking.check_sound(into, work.plan, scratch=folder)
        return await stored(into, job, blobs, measured=measured)


def alive(job: Job) -> Heard:
    """Tells that a job goes on; how far it is nobody knows before its end."""

    async def heard(done: int) -> None:
        await job.progress(0.5)

    return heard


async def depict(work: Work, job: Job, blobs: Blobs) -> Part:
    """Take the pictures of a video."""
    with scratch() as folder:
        into = made(folder, "pictures")
        async with blobs.local(work.source) as source:
            await pictures.thumbnail(source, work.facts, plan=work.plan, into=into)
            await job.progress(0.3)
            await pictures.storyboard(source, work.facts, plan=work.plan, into=into)
        return await stored(into, job, blobs)


async def assemble(pieces: Pieces, job: Job, blobs: Blobs) -> Part:
    """Join the pieces of one size, package and check it."""
    with scratch() as folder:
        into = made(folder, pieces.size.name)
        async with AsyncExitStack() as stack:
            files = [await stack.enter_async_context(blobs.local(path)) for path in pieces.paths]
            await packaging.join(files, pieces.plan, scratch=folder, into=into)
        await job.progress(0.3)
        measured = await checking.check_picture(into, pieces.plan, scratch=folder)
        await job.progress(0.8)
        return await stored(into, job, blobs, measured=measured)


async def finish(parts: Parts, job: Job, blobs: Blobs) -> Finished:
    """Bring all files of an edition to one folder, and look whether all that is named is there."""
    plan, folder = parts.plan, job.folder
    named = list(zip((size.name for size in plan.sizes), parts.sizes, strict=True))
    copies = [(f"{part.folder}/{file}", f"{folder}/{name}/{file}") for name, part in named for file in part.files]
    if parts.sound:
        copies += [(f"{parts.sound.folder}/{file}", f"{folder}/{SOUND}/{file}") for file in parts.sound.files]
    copies += [(f"{parts.pictures.folder}/{file}", f"{folder}/{file}") for file in parts.pictures.files]
    await at_once(blobs, copies, job)
    variants = variants_of(parts)
    if len({part.measured.keyframes for part in parts.sizes if part.measured}) != 1:
        raise checking.Wrong("the sizes do not have the same frames and keyframes")
    text = playlists.master(variants, rate=Fraction(plan.rate), sound=parts.sound is not None)
    await blobs.put(f"{folder}/{MASTER}", text.encode())
    await look_over(blobs, folder, [*(name for name, _ in named), *([SOUND] if parts.sound else [])])
    return Finished(edition_of(folder, plan, parts, variants))


async def at_once(blobs: Blobs, copies: Sequence[tuple[str, str]], job: Job) -> None:
    """Copy blobs, some at a time."""
    for start in range(0, len(copies), AT_ONCE):
        async with asyncio.TaskGroup() as group:
            for source, target in copies[start : start + AT_ONCE]:
                group.create_task(blobs.copy(source, target))
        await job.progress(0.9 * start / len(copies))


async def look_over(blobs: Blobs, folder: str, names: Sequence[str]) -> None:
    """Wrong where a playlist of an edition names a file that is not there, or empty."""
    found = {blob.path: blob.size for blob in await blobs.list(folder)}
    for name in names:
        playlist = playlists.read((await blobs.get(f"{folder}/{name}/{PLAYLIST}")).decode())
        if missing := [file for file in playlist.files if not found.get(f"{folder}/{name}/{file}")]:
            raise checking.Wrong(f"{name} names {missing[0]}, which is not there")


def variants_of(parts: Parts) -> list[Variant]:
    """The sizes, as the playlist of all tells of them."""
    heard = parts.sound.measured if parts.sound else None
    peak, average = (heard.peak, heard.average) if heard else (0, 0)
    return [
        Variant(size.name, size.width, size.height, m.codec, m.peak + peak, m.average + average)
        for size, part in zip(parts.plan.sizes, parts.sizes, strict=True) if (m := part.measured)
    ]


def edition_of(folder: str, plan: Plan, parts: Parts, variants: Sequence[Variant]) -> Edition:
    """What others need to know of an edition."""
    largest, frames = plan.sizes[-1], [part.measured.frames for part in parts.sizes if part.measured]
    return Edition(
        folder=folder, duration=float(frames[-1] / Fraction(plan.rate)), width=largest.width, height=largest.height,
        renditions=tuple(Rendition(v.name, v.width, v.height, v.peak) for v in variants), playlist=MASTER,
        thumbnail=pictures.THUMBNAIL, storyboard=pictures.STORYBOARD,
    )


async def remove(what: Remove, blobs: Blobs) -> Removed:
    """Remove what nobody needs any more."""
    for folder in what.folders:
        await blobs.delete(folder, but=what.kept)
    return Removed()


def made(folder: Path, name: str) -> Path:
    """A new folder in a folder."""
    into = folder / name
    into.mkdir()
    return into


async def stored(folder: Path, job: Job, blobs: Blobs, *, measured: Measured | None = None) -> Part:
    """The files of a folder as blobs; the playlist last, when all that it names is there."""
    names = sorted((file.name for file in folder.iterdir()), key=lambda name: (name == PLAYLIST, name))  # noqa: ASYNC240
    first = [name for name in names if name != PLAYLIST]
    groups = [first[start : start + AT_ONCE] for start in range(0, len(first), AT_ONCE)]
    for group in [*groups, names[len(first):]]:
        async with asyncio.TaskGroup() as writing:
            for name in group:
                writing.create_task(blobs.put_file(f"{job.folder}/{name}", folder / name))
    return Part(job.folder, tuple(names), measured)
