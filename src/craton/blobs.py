"""Blobs: files that are too large for a database, in a local folder or in object storage, behind one interface."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from craton.errors import SettingsError
from craton.values import Value
from craton.whole_files import move, opened, remove, remove_all_but, replace, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore import GetOptions
    from obstore.store import ObjectStore

Data = bytes | Path | AsyncIterable[bytes]
PATH = re.compile(r"[^\0-\x1f/\x7f\\#*?]+(/[^\0-\x1f/\x7f\\#*?]+)*")
PARTIAL = ".partial"
"""How a file ends that is still being written: nobody is shown it."""
PIECE = 1 << 20
WINDOW = 8 << 20
"""Bytes that are asked of object storage at once, and then held: it cuts off who reads one answer for minutes."""


class Blob(Value):
    """What is known of a blob; `size` in bytes. `tag` differs as soon as what is in it differs."""

    path: str
    size: int
    modified: datetime
    tag: str


class Blobs:
    """Files under paths such as "videos/video-1/master.m3u8", which are there whole or not at all.

    Ask for it in `__init__`, and in tasks. Each method raises FileNotFoundError where there is nothing at a path that
    it reads, and ValueError for what is no path: parts with slashes between them, none of them empty, "." or "..".
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    async def put(self, path: str, data: Data) -> int:
        """Write bytes, a file, or what comes piece by piece; how many bytes it were. What was there is replaced; what
        is raised between two pieces leaves it as it was."""
        import obstore

        counted = Counted(data) if isinstance(data, AsyncIterable) else data
        await obstore.put_async(self.store, checked(path), counted)
        return sizes_of(counted)

    async def put_file(self, path: str, file: Path) -> int:
        """Write what is in a file, which stays as it is; how many bytes it were."""
        return await self.put(path, file)

    async def get(self, path: str) -> bytes:
        """All of it."""
        return b"".join([piece async for piece in self.stream(path)])

    async def get_range(self, path: str, start: int, end: int) -> bytes:
        """The bytes from `start` to before `end`, as far as there are any."""
        return b"".join([piece async for piece in self.stream(path, start=start, end=end)])

    async def stream(self, path: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Its bytes from `start` to before `end`, piece by piece, however slowly they are taken. OSError where it is
        replaced meanwhile."""
        import obstore

        with telling(path):
            meta = await obstore.head_async(self.store, checked(path))
        last = meta["size"] if end is None else min(end, meta["size"])
        for at in range(start, last, WINDOW):
            options: GetOptions = {"range": (at, min(at + WINDOW, last)), "if_match": meta["e_tag"]}
            with telling(path):
                found = await (await obstore.get_async(self.store, path, options=options)).bytes_async()
            window = memoryview(found)
            for first in range(0, len(window), PIECE):
                yield bytes(window[first : first + PIECE])

    async def head(self, path: str) -> Blob:
        """What is known of it."""
        import obstore

        with telling(path):
            return blob_of(await obstore.head_async(self.store, checked(path)))

    async def size(self, path: str) -> int:
        """How many bytes it has."""
        return (await self.head(path)).size

    async def exists(self, path: str) -> bool:
        """Whether there is one."""
        try:
            await self.head(path)
        except FileNotFoundError:
            return False
        return True

    async def list(self, prefix: str = "") -> list[Blob]:
        """All that are in a folder and in those below it, by path."""
        import obstore

        found: list[Blob] = []
        async for some in obstore.list(self.store, checked(prefix) if prefix else None):
            found += [blob_of(meta) for meta in some if not meta["path"].endswith(PARTIAL)]
        return sorted(found, key=lambda blob: blob.path)

    async def delete(self, path: str, *, but: str = "") -> None:
        """Remove a blob, or a folder with all that is in it, `but` for what is in another one. What is not there is
        gone already."""
        import obstore

        doomed = [blob.path for blob in await self.list(path) if not (but and blob.path.startswith(f"{but}/"))]
        if await self.exists(path):
            doomed.append(path)
        if doomed:
            await obstore.delete_async(self.store, doomed)

    async def copy(self, source: str, target: str) -> None:
        """Another of the same."""
        import obstore

        with telling(source):
            await obstore.copy_async(self.store, checked(source), checked(target))

    async def rename(self, source: str, target: str) -> None:
        """The same, under another path."""
        await self.copy(source, target)
        await self.delete(source)

    @asynccontextmanager
    async def local(self, path: str) -> AsyncIterator[Path]:
        """A file with its bytes, for programs that read files: only to be read, and only in this block."""
        with tempfile.TemporaryDirectory(prefix="craton-blob-") as folder:
            file = Path(folder) / path.rpartition("/")[2]
            with file.open("wb") as out:
                async for piece in self.stream(path):
                    await asyncio.to_thread(out.write, piece)
            yield file


class LocalBlobs(Blobs):
    """Blobs in a local folder. What was written survives a crash of the machine."""

    def __init__(self, folder: Path) -> None:
        from obstore.store import LocalStore

        self.folder = folder.absolute()
        super().__init__(LocalStore(self.folder, mkdir=True))

    def file(self, path: str) -> Path:
        """Where a blob lies."""
        return self.folder / checked(path)

    async def put(self, path: str, data: Data) -> int:
        """As Blobs.put: written beside its place, and moved there when it is whole and on the disk."""
        target = self.file(path)
        partial = target.with_name(f"{target.name}.{secrets.token_hex(6)}{PARTIAL}")
        try:
            with await asyncio.to_thread(opened, partial) as out:
                await fill(out, data)
                await asyncio.to_thread(settle, out)
                size = out.tell()
            await asyncio.to_thread(replace, partial, target)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return size

    async def delete(self, path: str, *, but: str = "") -> None:
        """As Blobs.delete, with what was left there half written by somebody who was killed."""
        if but.startswith(f"{path}/"):
            await asyncio.to_thread(remove_all_but, self.file(but), self.file(path), self.folder)
        else:
            await asyncio.to_thread(remove, self.file(path), self.folder)

    async def copy(self, source: str, target: str) -> None:
        """As Blobs.copy."""
        async with self.local(source) as file:
            await self.put(target, file)

    async def rename(self, source: str, target: str) -> None:
        """As Blobs.rename, without copying."""
        with telling(source):
            await asyncio.to_thread(move, self.file(source), self.file(target), self.folder)

    async def stream(self, path: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """As Blobs.stream; what is replaced meanwhile is read to its end as it was."""
        import obstore

        size = (await self.head(path)).size
        last = size if end is None else min(end, size)
        if start < last:
            with telling(path):
                found = await obstore.get_async(self.store, checked(path), options={"range": (start, last)})
            async for piece in found.stream(PIECE):
                yield bytes(piece)

    @asynccontextmanager
    async def local(self, path: str) -> AsyncIterator[Path]:
        """The file itself."""
        await self.head(path)
        yield self.file(path)


async def fill(out: IO[bytes], data: Data) -> None:
    """Write all of it."""
    if isinstance(data, bytes):
        await asyncio.to_thread(out.write, data)
    elif isinstance(data, Path):
        with data.open("rb") as source:
            await asyncio.to_thread(shutil.copyfileobj, source, out, PIECE)
    else:
        async for piece in data:
            await asyncio.to_thread(out.write, piece)


class Counted:
    """Pieces that are counted as they pass."""

    def __init__(self, pieces: AsyncIterable[bytes]) -> None:
        self.pieces, self.size = pieces, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self.pieces:
            self.size += len(piece)
            yield piece


def open_blobs(url: str) -> Blobs:
    """The blobs at a URL: "file:///folder", "s3://bucket/prefix". SettingsError where it is none of these."""
    parts = urlsplit(url)
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise SettingsError(f"blobs need their client ({error}): install craton[blobs].") from error
    if parts.scheme == "file" and not parts.netloc and len(parts.path) > 1:
        return in_folder(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        more: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
        return Blobs(S3Store.from_url(url, client_options={"allow_http": endpoint.startswith("http:")}, **more))
    raise SettingsError(f"{url!r} is no place for blobs: write file:///folder, or s3://bucket/prefix.")


def blobs_of(environ: Mapping[str, str]) -> Blobs:
    """The blobs of an installation. SettingsError where nothing says where they are."""
    if not (url := environ.get("CRATON_BLOBS")):
        raise SettingsError("CRATON_BLOBS is missing: set it to file:///folder, or s3://bucket/prefix.")
    return open_blobs(url)


def in_folder(folder: Path) -> Blobs:
    """The blobs of a folder, which is made where there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{folder} cannot hold blobs ({error.strerror}): give another folder.") from error
    return LocalBlobs(folder)


def checked(path: str) -> str:
    """A path, or a folder of paths; ValueError for what is none."""
    if not PATH.fullmatch(path) or {".", ".."} & set(path.split("/")) or path.endswith(PARTIAL):
        raise ValueError(f"{path!r} is no path of a blob: write it like videos/video-1/master.m3u8.")
    return path


def blob_of(meta: Any) -> Blob:
    """What the store says of a blob."""
    tag = str(meta["e_tag"] or f"{meta['last_modified'].timestamp()}-{meta['size']}")
    return Blob(meta["path"], meta["size"], meta["last_modified"], tag.strip('"'))


def sizes_of(data: Any) -> int:
    """The bytes of what was written."""
    if isinstance(data, Counted):
        return data.size
    return data.stat().st_size if isinstance(data, Path) else len(data)


@contextmanager
def telling(path: str) -> Iterator[None]:
    """FileNotFoundError with the path of the blob, whichever way its store says that; OSError where it has changed."""
    from obstore.exceptions import NotFoundError, PreconditionError

    try:
        yield
    except (NotFoundError, FileNotFoundError) as error:
        raise FileNotFoundError(f"there is no blob {path}") from error
    except PreconditionError as error:
        raise OSError(f"{path} was replaced while it was read: read it again.") from error
