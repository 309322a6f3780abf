"""Blobs: one set of rules for a local folder and for object storage (S3, as moto's server speaks it)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from obstore.store import S3Store

from craton.blobs import Blobs, LocalBlobs, open_blobs
from craton.errors import SettingsError
from tests.s3 import BUCKET

BIG = os.urandom(12 << 20)


@pytest.fixture(params=["file", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """Blobs of each kind, with nothing in them that the tests look for."""
    if request.param == "s3":
        request.getfixturevalue("s3")
        return open_blobs(f"s3://{BUCKET}/in/here/{tmp_path.name}")
    return open_blobs(f"file://{tmp_path}/blobs")


async def pieces(*some: bytes) -> AsyncIterator[bytes]:
    """Bytes that come one after the other."""
    for piece in some:
        await asyncio.sleep(0)
        yield piece


async def test_what_was_put_is_read_whole_and_in_parts(blobs: Blobs) -> None:
    assert await blobs.put("a/film.mp4", BIG) == len(BIG)
    assert await blobs.get("a/film.mp4") == BIG
    assert await blobs.size("a/film.mp4") == len(BIG)
    assert await blobs.get_range("a/film.mp4", 1_000_000, 7_000_001) == BIG[1_000_000:7_000_001]
    assert await blobs.get_range("a/film.mp4", len(BIG) - 3, len(BIG) + 9) == BIG[-3:]
    assert await blobs.get_range("a/film.mp4", len(BIG), len(BIG) + 9) == b""


async def test_bytes_files_and_pieces_make_the_same_blob(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BIG)
    assert await blobs.put_file("x", tmp_path / "file") == len(BIG)
    assert await blobs.put("y", pieces(BIG[:7_000_000], BIG[7_000_000:])) == len(BIG)
    assert await blobs.get("x") == await blobs.get("y") == BIG
    assert (tmp_path / "file").exists()


async def test_an_empty_blob_is_one(blobs: Blobs) -> None:
    assert await blobs.put("none", b"") == 0
    assert await blobs.get("none") == b"" and await blobs.exists("none")


async def test_what_is_put_anew_has_another_tag(blobs: Blobs) -> None:
    await blobs.put("a", b"one")
    before = await blobs.head("a")
    await blobs.put("a", b"another")
    assert (await blobs.head("a")).tag != before.tag and await blobs.get("a") == b"another"


async def test_a_folder_lists_what_is_in_it_and_goes_with_it(blobs: Blobs) -> None:
    for path in ("v/1/a", "v/1/b/c", "v/10/a", "w"):
        await blobs.put(path, path.encode())
    assert [blob.path for blob in await blobs.list("v/1")] == ["v/1/a", "v/1/b/c"]
    assert [blob.path for blob in await blobs.list()] == ["v/1/a", "v/1/b/c", "v/10/a", "w"]
    await blobs.delete("v/1")
    await blobs.delete("v/1")
    assert [blob.path for blob in await blobs.list()] == ["v/10/a", "w"]
    await blobs.delete("w")
    assert not await blobs.exists("w")


async def test_a_folder_goes_but_for_what_is_to_stay(blobs: Blobs, tmp_path: Path) -> None:
    for path in ("job/1-1/a", "job/2-2/a", "job/2-20/a", "job/3", "jobs/1-1/a"):
        await blobs.put(path, b"x")
    if isinstance(blobs, LocalBlobs):
        (tmp_path / "blobs/job/1-1/b.77.partial").write_bytes(b"half")
    await blobs.delete("job", but="job/2-2")
    await blobs.delete("none", but="none/2-2")
    assert [blob.path for blob in await blobs.list()] == ["job/2-2/a", "jobs/1-1/a"]
    assert not (tmp_path / "blobs/job/1-1").exists()
    await blobs.delete("jobs", but="job/2-2")
    await blobs.delete("job")
    assert not await blobs.list()


async def test_copies_and_renames(blobs: Blobs) -> None:
    await blobs.put("from/here", b"bytes")
    await blobs.copy("from/here", "to/there")
    assert await blobs.get("from/here") == await blobs.get("to/there") == b"bytes"
    await blobs.rename("from/here", "at/last")
    assert [blob.path for blob in await blobs.list()] == ["at/last", "to/there"]


async def test_a_program_reads_a_file(blobs: Blobs) -> None:
    await blobs.put("a/clip.mp4", BIG)
    async with blobs.local("a/clip.mp4") as file:
        assert file.name == "clip.mp4" and file.read_bytes() == BIG


async def test_nothing_is_read_where_nothing_is(blobs: Blobs) -> None:
    with pytest.raises(FileNotFoundError, match="no blob missing"):
        await blobs.get("missing")
    with pytest.raises(FileNotFoundError):
        await blobs.head("missing")
    with pytest.raises(FileNotFoundError):
        async with blobs.local("missing"):
            pass
    with pytest.raises(FileNotFoundError):
        await blobs.rename("missing", "found")
    assert not await blobs.exists("missing")


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a\0", "a\\b", "a.partial", "a#1"])
async def test_what_is_no_path_is_refused(blobs: Blobs, path: str) -> None:
    with pytest.raises(ValueError, match="no path of a blob"):
        await blobs.put(path, b"")
    with pytest.raises(ValueError, match="no path of a blob"):
        await blobs.get(path)


async def broken() -> AsyncIterator[bytes]:
    """What breaks in the middle."""
    yield BIG
    raise ConnectionResetError


async def test_what_breaks_off_leaves_what_was_there(blobs: Blobs) -> None:
    await blobs.put("a/b", b"before")
    with pytest.raises(ConnectionResetError):
        await blobs.put("a/b", broken())
    assert await blobs.get("a/b") == b"before"
    assert [blob.path for blob in await blobs.list()] == ["a/b"]


async def test_what_is_replaced_while_it_is_read_is_never_mixed_with_what_it_was(blobs: Blobs) -> None:
    await blobs.put("a/b", BIG)
    reading = blobs.stream("a/b")
    read = await anext(reading)
    await blobs.put("a/b", bytes(len(BIG)))
    try:
        async for piece in reading:
            read += piece
    except OSError as error:
        assert "a/b was replaced while it was read" in str(error)
        assert not isinstance(blobs, LocalBlobs)
    assert read == BIG[: len(read)]
    assert await blobs.get("a/b") == bytes(len(BIG))


@pytest.mark.chaos
async def test_who_reads_slowly_is_given_all_of_it(s3: str) -> None:
    limit = timedelta(seconds=4)
    store = S3Store.from_url(
        f"s3://{BUCKET}/slowly", endpoint=s3, client_options={"allow_http": True, "timeout": limit},
        retry_config={"retry_timeout": limit},
    )
    blobs, read = Blobs(store), b""
    await blobs.put("a", BIG)
    async for piece in blobs.stream("a"):
        if not read:
            await asyncio.sleep(limit.total_seconds() + 1)
        read += piece
    assert read == BIG


async def test_a_folder_takes_along_what_a_killed_writer_left(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    await blobs.put("job/1/a", b"whole")
    (tmp_path / "job/1/b.77.partial").write_bytes(b"half")
    assert [blob.path for blob in await blobs.list()] == ["job/1/a"]
    await blobs.delete("job/1")
    assert os.listdir(tmp_path) == []


async def test_writers_do_not_mind_that_empty_folders_go(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)

    async def come_and_go(name: str) -> None:
        for _ in range(30):
            await blobs.put(f"deep/folder/{name}", b"x")
            await blobs.delete(f"deep/folder/{name}")

    await asyncio.gather(*map(come_and_go, "abcd"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("url", ["", "blobs", "file://", "file:///", "file://host/path", "ftp://a/b", "s3:///nothing"])
def test_what_is_no_place_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(SettingsError, match="write file:///folder, or s3://bucket/prefix"):
        open_blobs(url)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SettingsError, match="taken/blobs cannot hold blobs"):
        open_blobs(f"file://{tmp_path}/taken/blobs")
