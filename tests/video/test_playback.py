"""Playback: who may watch, for how long an address is good, what of a file is served, views, and positions."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import httpx
import pytest

from apps.video.playback.settings import PlaybackSettings
from tests.video.cinema import ORDINARY, Cinema, Person, files_of, until
from tests.video.films import SECONDS, Film

pytestmark = pytest.mark.asyncio(loop_scope="session")
ONE = pytest.mark.parametrize("cinema", ORDINARY[:1], ids=str, indirect=True)
HOUR = timedelta(seconds=PlaybackSettings().lifetime * 2)
WINDOW = timedelta(seconds=PlaybackSettings().window + 1)


async def ticket(cinema: Cinema, person: Person | None, video: str) -> httpx.Response:
    """What a player is given."""
    return await cinema.http.get(f"/videos/{video}/ticket", headers=person.headers if person else {})


async def test_a_player_finds_all_files_of_a_video(cinema: Cinema, film: Film) -> None:
    ann = cinema.person()
    edition = await film.put(cinema.blobs, "videos/found/one")
    video = await cinema.published(ann, edition, title="Found")
    told = (await ticket(cinema, None, video)).json()
    assert (told["title"], told["duration"], told["position"]) == ("Found", SECONDS, 0.0)
    found = await files_of(cinema, told["playlist"])
    kinds = {answer.headers["content-type"] for answer in found.values()}
    assert kinds == {"application/vnd.apple.mpegurl", "video/iso.segment", "video/mp4"}
    assert all(answer.status_code == 200 and answer.content for answer in found.values()) and len(found) >= 11
    for place, answer in found.items():
        assert answer.content == await cinema.blobs.get("videos/found/one/" + place.split("/", 3)[3])
    assert (await cinema.http.get(told["thumbnail"])).headers["content-type"] == "image/jpeg"
    assert (await cinema.http.get(told["storyboard"])).text.startswith("WEBVTT")


async def test_nobody_watches_what_is_private_without_a_valid_address(cinema: Cinema, film: Film) -> None:
    """V13: neither without one, nor with one of something else, nor when it has expired."""
    ann, bob = cinema.person(), cinema.person()
    video = await cinema.published(ann, await film.put(cinema.blobs, "videos/secret/one"), privacy="private")
    public = await cinema.published(ann, await film.put(cinema.blobs, "videos/public/one"))
    for person in (None, bob, cinema.guest()):
        assert (await ticket(cinema, person, video)).status_code == 404
        assert (await cinema.http.get("/covers", params={"videos": video})).json() == []
    told = (await ticket(cinema, ann, video)).json()
    _, _, signed, name = told["playlist"].split("/", 3)
    other = (await ticket(cinema, None, public)).json()["playlist"].split("/")[2]
    assert (await cinema.http.get(told["playlist"])).status_code == 200
    token = ann.headers["Authorization"].removeprefix("Bearer ")
    for wrong in ("x", signed[:-4] + "AAAA", "A" + signed[1:], token, signed.swapcase(), ""):
        assert (await cinema.http.get(f"/media/{wrong}/{name}")).status_code in (403, 404)
    above = "..%2f..%2fsecret%2fone%2f"
    for path in (f"{other}/../../secret/one/{name}", f"{other}/{above}{name}", f"{other}/videos/x.mp4"):
        assert (await cinema.http.get(httpx.URL(f"http://cinema/media/{path}"))).status_code == 404
    cinema.clock.ahead += HOUR
    try:
        assert (await cinema.http.get(told["playlist"])).status_code == 403
        assert (await ticket(cinema, ann, video)).json()["playlist"] != told["playlist"]
    finally:
        cinema.clock.ahead -= HOUR


async def test_what_becomes_private_is_given_to_nobody_any_more(cinema: Cinema, film: Film) -> None:
    ann = cinema.person()
    video = await cinema.published(ann, await film.put(cinema.blobs, "videos/closed/one"))
    assert (await ticket(cinema, None, video)).status_code == 200
    await ann.ask(cinema.videos.describe, video, 1, privacy="private")

    async def closed() -> bool:
        return (await ticket(cinema, None, video)).status_code == 404

    await until(closed)
    assert (await ticket(cinema, ann, video)).status_code == 200


@ONE
async def test_parts_of_files_are_served_as_http_has_it(cinema: Cinema, film: Film) -> None:
    ann = cinema.person()
    video = await cinema.published(ann, await film.put(cinema.blobs, "videos/parts/one"))
    place = (await ticket(cinema, None, video)).json()["thumbnail"]
    whole = await cinema.http.get(place)
    size, tag = len(whole.content), whole.headers["etag"]
    for asked, start, end in (("0-0", 0, 1), ("5-", 5, size), ("-7", size - 7, size), ("3-999999999", 3, size)):
        part = await cinema.http.get(place, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, whole.content[start:end])
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
    for asked in (f"{size}-", f"{size + 5}-{size + 9}", "-0"):
        beyond = await cinema.http.get(place, headers={"Range": f"bytes={asked}"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
    for asked in ("bytes=1-2,5-6", "bytes=9-3", "lines=1-2", "bytes=-", "bytes=a-b"):
        assert (await cinema.http.get(place, headers={"Range": asked})).content == whole.content
    other = await cinema.http.get(place, headers={"Range": "bytes=0-1", "If-Range": '"another"'})
    assert other.status_code == 200
    assert (await cinema.http.get(place, headers={"If-None-Match": tag})).status_code == 304
    head = await cinema.http.head(place)
    assert (head.headers["content-length"], head.headers["accept-ranges"], head.content) == (str(size), "bytes", b"")
    assert "max-age" in whole.headers["cache-control"] and whole.headers["x-content-type-options"] == "nosniff"


async def test_a_view_counts_once_in_a_while_however_often_it_is_told(cinema: Cinema, film: Film) -> None:
    """V10: heartbeats come twice, at the same time, and in any order."""
    ann, viewers = cinema.person(), [cinema.guest(), cinema.person()]
    video = await cinema.published(ann, await film.put(cinema.blobs, "videos/viewed/one"))

    async def beats(*watched: float) -> None:
        await asyncio.gather(*(
            one.ask(cinema.playback.heartbeat, video, 1.0 + at, at) for at in watched for one in viewers * 2
        ))

    async def views(count: int) -> bool:
        return (await ann.ask(cinema.videos.video, video)).views >= count

    await beats(0.0, 0.5, 1.0, 1.9)  # less than a third of it
    await beats(2.0, 3.0, 2.5, 2.0)
    await until(lambda: views(2))
    await beats(5.0, 4.0)
    cinema.clock.ahead += WINDOW
    try:
        await beats(2.0, 3.0)
        await until(lambda: views(4))
        await beats(4.0)
        last = await cinema.published(ann, await film.put(cinema.blobs, "videos/after/one"))
        await ann.ask(cinema.playback.heartbeat, last, 3.0, 3.0)

        async def heard() -> bool:
            return (await ann.ask(cinema.videos.video, last)).views == 1

        await until(heard)  # events that were published before have come by now
        assert (await ann.ask(cinema.videos.video, video)).views == 4
    finally:
        cinema.clock.ahead -= WINDOW


async def test_a_viewer_goes_on_where_they_left_it(cinema: Cinema, film: Film) -> None:
    ann, bob = cinema.person(), cinema.guest()
    video = await cinema.published(ann, await film.put(cinema.blobs, "videos/left/one"))
    for at, expected in ((3.25, 3.25), (4.5, 4.5), (0.5, 0.5), (5.9, 0.0), (1e6, 0.0)):
        await bob.ask(cinema.playback.heartbeat, video, at, 0.1)
        assert (await ticket(cinema, bob, video)).json()["position"] == expected
    assert (await ticket(cinema, ann, video)).json()["position"] == 0.0
    wrong = await cinema.http.post(
        f"/videos/{video}/heartbeats", json={"position": -1, "watched": 0}, headers=bob.headers,
    )
    assert wrong.status_code in (400, 422)
