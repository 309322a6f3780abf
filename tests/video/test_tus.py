"""Uploads by tus 1.0.0: what the protocol asks for, and that the bytes are those that were sent."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.video.cinema import BYTES, MOST, MP4, ORDINARY, QUOTA, TUS, Cinema, checksum, metadata, until

pytestmark = pytest.mark.asyncio(loop_scope="session")
ONE = pytest.mark.parametrize("cinema", ORDINARY[:1], ids=str, indirect=True)
"""What the application's own code decides, whatever its structure."""

DAY = timedelta(days=1, hours=1)
"""Longer than uploads wait."""


def content(size: int) -> bytes:
    """Bytes that begin like those of a film."""
    return MP4 + os.urandom(size - len(MP4))


async def test_an_upload_in_parts_is_what_was_sent(cinema: Cinema) -> None:
    ann, sent = cinema.person(), content(100_000)
    place = await cinema.place(ann, len(sent), title="Bunny", sha256=hashlib.sha256(sent).hexdigest())
    for start, end in ((0, 1), (1, 40_000), (40_000, 40_000), (40_000, 100_000)):
        assert await cinema.offset(ann, place) == start
        answer = await cinema.patch(ann, place, start, sent[start:end])
        assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(end))
    video = await cinema.video_of(ann, place)
    with_title = next(one for one in (await ann.ask(cinema.videos.mine)).items if one.id == video)
    assert with_title.title == "Bunny"
    assert await stored(cinema, sent)


async def stored(cinema: Cinema, sent: bytes) -> bool:
    """Whether there is just one file with these bytes, and no part of it."""
    sources = [path for path in await cinema.all_files() if path.endswith("/source")]
    found = [path for path in sources if await cinema.blobs.get(path) == sent]
    await until(lambda: no_parts_of(cinema, sent))
    return len(found) == 1


async def no_parts_of(cinema: Cinema, sent: bytes) -> bool:
    """Whether no blob holds a mere part of these bytes: one that is longer than the beginning of all films."""
    parts = [blob for blob in await cinema.blobs.list("uploads/parts") if blob.size > len(MP4)]
    try:
        return not [blob for blob in parts if (await cinema.blobs.get(blob.path)) in sent]
    except FileNotFoundError:  # it goes just now
        return False


async def no_source_of(cinema: Cinema, sent: bytes) -> bool:
    """Whether no blob is a film of these bytes."""
    sources = [path for path in await cinema.all_files() if path.endswith("source")]
    try:
        return not [path for path in sources if await cinema.blobs.get(path) == sent]
    except FileNotFoundError:  # it goes just now
        return False


async def test_any_interleaving_of_senders_gives_the_same_bytes(cinema: Cinema) -> None:
    """V6: several clients send what they believe is missing, at the same time, some of it twice, some with checksums,
    some from where nobody is."""
    ann, chance, sent = cinema.person(), random.Random(6), content(60_000)
    place = await cinema.place(ann, len(sent), sha256=hashlib.sha256(sent).hexdigest())

    async def sender() -> None:
        while (offset := await cinema.offset(ann, place)) < len(sent):
            at = max(0, offset + chance.choice((0, 0, 0, 0, -3000, 500)))
            piece = sent[at:at + chance.randint(1, 20_000)]
            more = {"Upload-Checksum": checksum(piece)} if chance.random() < 0.3 else {}
            answer = await cinema.patch(ann, place, at, piece, **more)
            assert answer.status_code in (204, 409), answer.text

    await asyncio.gather(*(sender() for _ in range(4)))
    await cinema.video_of(ann, place)
    assert await stored(cinema, sent)


@ONE
async def test_a_broken_checksum_records_nothing(cinema: Cinema) -> None:
    ann, sent = cinema.person(), content(40_000)
    place = await cinema.place(ann, len(sent))
    damaged = sent[:20_000] + b"!" + sent[20_001:]
    answer = await cinema.patch(ann, place, 0, damaged, **{"Upload-Checksum": checksum(sent)})
    assert answer.status_code == 460 and await cinema.offset(ann, place) == 0
    assert await no_parts_of(cinema, damaged)
    assert (await cinema.patch(ann, place, 0, sent, **{"Upload-Checksum": checksum(sent)})).status_code == 204
    for wrong in ("crc32 AAAA", "sha1 !!!", "sha1"):
        assert (await cinema.patch(ann, place, 0, sent, **{"Upload-Checksum": wrong})).status_code in (400, 409, 460)


async def test_bytes_that_are_not_what_was_to_come_are_refused(cinema: Cinema) -> None:
    ann, sent = cinema.person(), content(5_000)
    other = await cinema.place(ann, len(sent), sha256="0" * 64)
    await cinema.patch(ann, other, 0, sent)
    video = await cinema.video_of(ann, other)
    assert await cinema.state_is(ann, video, "failed")
    seen = await ann.ask(cinema.videos.video, video)
    assert "checksum" in seen.reason
    await until(lambda: no_parts_of(cinema, sent))
    await until(lambda: no_source_of(cinema, sent))
    assert (await ann.ask(cinema.uploads.usage)).used == 0


@ONE
async def test_what_is_no_film_is_refused_as_soon_as_that_can_be_seen(cinema: Cinema) -> None:
    ann = cinema.person()
    assert (await cinema.create(ann, 10, filename="a.txt", filetype="text/plain")).status_code == 415
    assert (await cinema.create(ann, 10, filename="a.exe")).status_code == 415
    assert (await cinema.create(ann, 10, filename="a.MKV")).status_code == 201
    place = await cinema.place(ann, 9000)
    assert (await cinema.patch(ann, place, 0, b"#!/bin/sh\n" * 900)).status_code == 415
    assert (await cinema.http.head(place, headers=TUS | ann.headers)).status_code == 410
    small = await cinema.place(ann, 9000)  # of which too little comes at first to know it
    assert (await cinema.patch(ann, small, 0, b"#!/bin/sh\n" * 9)).status_code == 204
    assert (await cinema.patch(ann, small, 90, b"#!/bin/sh\n" * 891)).status_code == 204
    video = await cinema.video_of(ann, small)
    assert "no video of a kind" in (await ann.ask(cinema.videos.video, video)).reason


async def test_nobody_gets_more_than_their_quota_however_they_ask(cinema: Cinema) -> None:
    ann = cinema.person()
    assert (await cinema.create(ann, MOST + 1, filename="a.mp4")).status_code == 413
    answers = await asyncio.gather(*(cinema.create(ann, QUOTA // 4, filename=f"{n}.mp4") for n in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] * 4 + [413] * 4
    usage = await ann.ask(cinema.uploads.usage)
    assert (usage.used, usage.quota) == (QUOTA, QUOTA)
    made = next(answer for answer in answers if answer.status_code == 201)
    gone = await cinema.http.delete(made.headers["location"], headers=TUS | ann.headers)
    assert gone.status_code == 204
    assert (await cinema.create(ann, QUOTA // 4, filename="again.mp4")).status_code == 201


@ONE
async def test_more_bytes_than_were_announced_are_refused(cinema: Cinema) -> None:
    ann, sent = cinema.person(), content(40_000)
    place = await cinema.place(ann, 30_000)
    assert (await cinema.patch(ann, place, 0, sent)).status_code == 413

    async def unsaid() -> AsyncIterator[bytes]:
        for start in range(0, len(sent), 1000):
            yield sent[start:start + 1000]

    headers = BYTES | ann.headers | {"Upload-Offset": "0"}
    assert (await cinema.http.patch(place, headers=headers, content=unsaid())).status_code == 413
    assert await cinema.offset(ann, place) <= 30_000


@ONE
async def test_nobody_sees_or_changes_the_upload_of_another(cinema: Cinema) -> None:
    ann, bob, sent = cinema.person(), cinema.person(), content(1000)
    place = await cinema.place(ann, len(sent))
    assert (await cinema.patch(bob, place, 0, sent)).status_code == 404
    for ask in (cinema.http.head, cinema.http.delete):
        assert (await ask(place, headers=TUS | bob.headers)).status_code == 404
        assert (await ask(place, headers=TUS)).status_code in (401, 404)
    nobody = {"Upload-Length": "9", "Upload-Metadata": metadata(filename="a.mp4")}
    assert (await cinema.http.post("/files/", headers=TUS | nobody)).status_code == 401
    assert await cinema.offset(ann, place) == 0


@ONE
async def test_the_protocol_says_what_it_is(cinema: Cinema) -> None:
    ann = cinema.person()
    told = await cinema.http.options("/files/")
    assert told.status_code == 204 and told.headers["tus-version"] == "1.0.0"
    extensions = set(told.headers["tus-extension"].split(","))
    assert extensions == {"creation", "creation-with-upload", "checksum", "expiration", "termination"}
    without = await cinema.http.post("/files/", headers=ann.headers)
    assert (without.status_code, without.headers["tus-version"]) == (412, "1.0.0")
    place = await cinema.place(ann, 100)
    seen = await cinema.http.head(place, headers=TUS | ann.headers)
    assert seen.headers["cache-control"] == "no-store" and "upload-expires" in seen.headers
    assert (seen.headers["upload-length"], seen.headers["tus-resumable"]) == ("100", "1.0.0")
    overridden = await cinema.http.post(place, headers=BYTES | ann.headers | {
        "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH",
    }, content=MP4)
    assert overridden.status_code == 204 and await cinema.offset(ann, place) == len(MP4)


@ONE
@pytest.mark.parametrize(("headers", "status"), [
    ({}, 400), ({"Upload-Length": "-1"}, 400), ({"Upload-Length": "many"}, 400), ({"Upload-Length": "0"}, 400),
    ({"Upload-Length": "9" * 16}, 400), ({"Upload-Length": "9", "Upload-Metadata": "filename !!!"}, 400),
    ({"Upload-Length": "9", "Upload-Metadata": metadata(filename="a.mp4", privacy="all")}, 400),
    ({"Upload-Length": "9", "Upload-Metadata": metadata(filename="a.mp4", sha256="short")}, 400),
    ({"Upload-Defer-Length": "1", "Upload-Metadata": metadata(filename="a.mp4")}, 400),
])
async def test_a_malformed_beginning_is_a_problem_that_says_why(
    cinema: Cinema, headers: dict[str, str], status: int,
) -> None:
    answer = await cinema.http.post("/files/", headers=TUS | cinema.person().headers | headers)
    assert answer.status_code == status and answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json" and answer.headers["tus-resumable"] == "1.0.0"


@ONE
async def test_an_upload_may_begin_with_its_bytes(cinema: Cinema) -> None:
    ann, sent = cinema.person(), content(30_000)
    named = {"Upload-Length": str(len(sent)), "Upload-Metadata": metadata(filename="whole.mp4")}
    whole = await cinema.http.post("/files/", headers=BYTES | ann.headers | named, content=sent)
    assert (whole.status_code, whole.headers["upload-offset"]) == (201, str(len(sent)))
    await cinema.video_of(ann, whole.headers["location"])
    assert await stored(cinema, sent)


async def test_an_upload_that_waits_for_too_long_expires_with_its_bytes(cinema: Cinema) -> None:
    ann, sent = cinema.person(), content(5_000)
    place = await cinema.place(ann, len(sent) + 1)
    assert (await cinema.patch(ann, place, 0, sent)).status_code == 204
    cinema.clock.ahead += DAY
    try:
        assert (await cinema.patch(ann, place, len(sent), b"!")).status_code == 410
        await until(lambda: no_parts_of(cinema, sent))
        assert (await cinema.http.head(place, headers=TUS | ann.headers)).status_code == 410
        assert (await ann.ask(cinema.uploads.usage)).used == 0
    finally:
        cinema.clock.ahead -= DAY
