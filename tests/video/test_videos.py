"""Videos: who sees which, what their owners say of them while they are transcoded, likes, and the search."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from apps.video.videos.contract import InvalidCursor, VideoChanged, VideoNotFound
from tests.video.cinema import ORDINARY, Cinema, until
from tests.video.films import Film

pytestmark = pytest.mark.asyncio(loop_scope="session")
ONE = pytest.mark.parametrize("cinema", ORDINARY[:1], ids=str, indirect=True)


async def test_what_an_owner_says_while_it_is_transcoded_is_not_lost_nor_is_its_state(
    cinema: Cinema, film: Film,
) -> None:
    """V9: metadata and states change at the same time, again and again."""
    ann = cinema.person()
    video = await cinema.uploaded(ann, title="At first")
    edition = await film.put(cinema.blobs, f"videos/{video}/one")

    async def talk() -> None:
        for number in range(5):
            await ann.ask(cinema.videos.describe, video, number + 1, title=f"Title {number}", description=str(number))

    async def work() -> None:
        await ann.ask(cinema.videos.begin, video)
        await ann.ask(cinema.videos.fail, video, "The worker has gone.")
        await ann.ask(cinema.videos.begin, video)
        await ann.ask(cinema.videos.publish, video, edition)

    await asyncio.gather(talk(), work())
    found = await ann.ask(cinema.videos.video, video)
    assert (found.title, found.description, found.state, found.version) == ("Title 4", "4", "published", 6)
    assert (found.duration, found.height, found.reason) == (edition.duration, edition.height, "")

    async def told() -> bool:
        answer = await cinema.http.get(f"/videos/{video}/ticket", headers=ann.headers)
        return answer.status_code == 200 and answer.json()["title"] == "Title 4"

    await until(told)


async def test_of_two_who_change_the_same_one_is_told(cinema: Cinema) -> None:
    ann = cinema.person()
    video = await cinema.uploaded(ann)
    found = await asyncio.gather(
        *(ann.ask(cinema.videos.describe, video, 1, title=title) for title in "ab"), return_exceptions=True,
    )
    assert [type(one) for one in found].count(VideoChanged) == 1
    stale = await cinema.http.patch(
        f"/videos/{video}", json={"title": "c"}, headers=ann.headers | {"Idempotency-Key": "x1", "If-Match": '"1"'},
    )
    assert stale.status_code in (409, 412)


async def test_only_its_owner_sees_what_is_private_or_not_ready(cinema: Cinema, film: Film) -> None:
    ann, bob, admin = cinema.person(), cinema.person(), cinema.person("admin")
    video = await cinema.uploaded(ann, privacy="public")
    with pytest.raises(VideoNotFound):
        await bob.ask(cinema.videos.video, video)
    await cinema.show(ann, video, await film.put(cinema.blobs, f"videos/{video}/one"))
    assert (await bob.ask(cinema.videos.video, video)).state == "published"
    with pytest.raises(VideoNotFound):
        await bob.ask(cinema.videos.delete, video)
    with pytest.raises(VideoNotFound):
        await bob.ask(cinema.videos.describe, video, 1, title="Mine now")
    await ann.ask(cinema.videos.describe, video, 1, privacy="private")
    with pytest.raises(VideoNotFound):
        await bob.ask(cinema.videos.like, video)
    assert (await admin.ask(cinema.videos.video, video)).id == video


async def test_likes_are_counted_once_for_each_viewer(cinema: Cinema, film: Film) -> None:
    ann, viewers = cinema.person(), [cinema.person() for _ in range(4)]
    video = await cinema.published(ann, await film.put(cinema.blobs, "videos/liked/one"))
    await asyncio.gather(*(one.ask(cinema.videos.like, video) for one in viewers * 3))
    assert (await ann.ask(cinema.videos.video, video)).likes == 4
    assert await viewers[0].ask(cinema.videos.liked, video)
    assert await viewers[0].ask(cinema.videos.unlike, video) == 3
    assert await viewers[0].ask(cinema.videos.unlike, video) == 3


async def test_the_search_finds_public_videos_by_all_words_and_pages_through_them(
    cinema: Cinema, film: Film,
) -> None:
    ann, word = cinema.person(), secrets.token_hex(6)
    edition = await film.put(cinema.blobs, "videos/searched/one")
    made = [await cinema.published(ann, edition, title=f"Größe {word} {number} 100% a_b") for number in range(3)]
    await cinema.published(ann, edition, title=f"hidden {word}", privacy="unlisted")
    await cinema.uploaded(ann, title=f"unready {word}", privacy="public")
    for question in (word, f"GRÖSSE {word.upper()}", f"100% {word}", f"a_b {word}"):
        found = await ann.ask(cinema.videos.search, question)
        assert [one.id for one in found.items] == made[::-1], question
    assert not (await ann.ask(cinema.videos.search, f"{word} 1__%")).items
    seen, cursor = list[str](), None
    while True:
        page = await ann.ask(cinema.videos.search, word, cursor=cursor, limit=1)
        seen += [one.id for one in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert seen == made[::-1]


@ONE
@pytest.mark.parametrize("cursor", ["x", "nan_x", "1e999_x", "_", "1_\0"])
async def test_a_cursor_of_nobody_is_refused(cinema: Cinema, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        await cinema.person().ask(cinema.videos.search, "", cursor=cursor)
