"""The pages in a browser: an upload with progress, the library, and a film that plays to its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from craton.edge.server import serve_http
from tests.browser import SHOTS, Seat, Tour, becomes
from tests.video.cinema import MP4, ORDINARY, Cinema, open_cinema, until
from tests.video.films import SECONDS, Film
from tests.video.line import Line

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"), pytest.mark.parametrize("cinema", ORDINARY[:1], ids=str, indirect=True),
]


@pytest_asyncio.fixture(loop_scope="session")
async def seat(cinema: Cinema, browser: Browser) -> AsyncIterator[Seat]:
    """The browser, and the site served for it."""
    async with serve_http(cinema.running.edge, "127.0.0.1:0", drain=1) as port:
        yield Seat(browser, f"http://127.0.0.1:{port}")


async def test_axe_finds_nothing_on_any_page(cinema: Cinema, film: Film, seat: Seat) -> None:
    ann = cinema.person()
    edition = await film.put(cinema.blobs, "videos/toured/one")
    bread = "How to make bread that keeps for a week, and what to do with the rest of it"
    for title in ("A walk through the old town", bread, "Rain"):
        video = await cinema.published(ann, edition, title=title)
    await ann.ask(cinema.videos.describe, video, 1, description="Half an hour of it.\n\nRecorded in October.")
    failed = await cinema.uploaded(ann, title="Holiday")
    await ann.ask(cinema.videos.fail, failed, "There is no picture in this file.")
    busy = await cinema.place(ann, 1000, title="Half of it is here", filename="half.mp4")
    await cinema.patch(ann, busy, 0, MP4)
    async with seat.sits(bypass=True) as page:
        tour = Tour(page)
        for name, path in {
            "home": "/", "search": "/?q=bread", "nothing": "/?q=xyzzy-none", "watch": f"/watch/{video}",
            "sign-in": "/login", "register": "/register",
        }.items():
            await tour.see(name, path)
        await tour.see("not-found", "/nothing/here", status=404)
        await page.goto("/login")
        await page.fill("[name=email]", "none@nowhere.example")
        await page.fill("[name=password]", "not the password")
        await page.click("main button")
        await tour.see("sign-in-wrong")
        tour.check()
    async with seat.sits(cookies=ann.cookies, bypass=True) as page:
        tour = Tour(page)
        for name, path in {
            "yours": "/yours", "video": f"/yours/{video}", "failed": f"/yours/{failed}", "upload": "/upload",
            "watch-own": f"/watch/{video}",
        }.items():
            await tour.see(name, path)
        await tour.see("foreign", "/yours/video-of-nobody", status=404)
        tour.check()


async def test_a_new_visitor_opens_an_account_and_uploads_a_film(
    cinema: Cinema, seat: Seat, tmp_path: Path,
) -> None:
    file = tmp_path / "My holiday.mp4"
    file.write_bytes(MP4 + os.urandom(250_000))
    async with seat.sits() as page:
        await page.goto("/upload")
        await page.wait_for_url("**/login?back=%2Fupload")
        await page.click("text=Open an account")
        await page.fill("[name=email]", f"{tmp_path.name}@example.com")
        await page.fill("[name=password]", "correct horse battery")
        await page.click("main button")
        await page.wait_for_url("**/upload?note=welcome")
        await page.set_input_files("#file", str(file))
        assert await page.input_value("#title") == "My holiday"
        await page.click("#start")
        await page.wait_for_url("**/yours?note=uploaded")
        assert await page.inner_text(".rows .name") == "My holiday"


async def test_an_upload_shows_its_progress_and_survives_that_the_line_is_cut(
    browser: Browser, cinema: Cinema, tmp_path: Path,  # (the cinema of the other tests has no room for this one)
) -> None:
    file = tmp_path / "long.mp4"
    file.write_bytes(MP4 + os.urandom(12 << 20))
    async with open_cinema(
        ORDINARY[0], data=tmp_path, CRATON_UPLOADS_MOST="99999999", CRATON_UPLOADS_QUOTA="99999999",
    ) as other, AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve_http(other.running.edge, "127.0.0.1:0", drain=1))
        line = Line(port)
        server = await stack.enter_async_context(await asyncio.start_server(line.carry, "127.0.0.1", 0))
        seat, ann = Seat(browser, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"), other.person()
        page = await stack.enter_async_context(seat.sits(cookies=ann.cookies))
        await page.goto("/upload")
        await page.set_input_files("#file", str(file))
        await page.click("#start")
        await becomes(page, "document.querySelector('#bar').value > 0.4")
        assert "of 12.6 MB" in await page.inner_text("#told")
        if SHOTS:
            await page.screenshot(path=f"{SHOTS}/uploading.png")
        line.cut()
        await becomes(page, "document.querySelector('#told').textContent.startsWith('The connection is away')")
        line.whole = True
        await page.wait_for_url("**/yours?note=uploaded", timeout=60_000)
        video = (await ann.ask(other.videos.mine)).items[0].id
        await until(lambda: other.state_is(ann, video, "to_upload", other=True))
        sources = [path for path in await other.all_files() if path.endswith("/source")]
        assert [await other.blobs.get(path) for path in sources] == [file.read_bytes()]


async def test_an_upload_goes_on_after_the_page_was_closed(cinema: Cinema, seat: Seat, tmp_path: Path) -> None:
    ann, file = cinema.person(), tmp_path / "film.mp4"
    file.write_bytes(MP4 + os.urandom(100_000))
    place = await cinema.place(ann, file.stat().st_size, filename="film.mp4", title="Begun before")
    await cinema.patch(ann, place, 0, file.read_bytes()[:60_000])
    async with seat.sits(cookies=ann.cookies) as page:
        await page.goto("/upload")
        assert "60.0 KB of 100 KB are here" in await page.inner_text(".unfinished")
        await page.set_input_files("#file", str(file))
        await page.click("#start")
        await page.wait_for_url("**/yours?note=uploaded")
    video = await cinema.video_of(ann, place)
    assert (await ann.ask(cinema.videos.video, video)).title == "Begun before"


async def test_what_is_refused_is_said(cinema: Cinema, seat: Seat, tmp_path: Path) -> None:
    ann, file = cinema.person(), tmp_path / "film.mp4"
    file.write_bytes(b"#!/bin/sh\n" * 1000)
    async with seat.sits(cookies=ann.cookies) as page:
        await page.goto("/upload")
        await page.set_input_files("#file", str(file))
        await page.click("#start")
        await page.wait_for_selector("#wrong:not([hidden])")
        assert await page.inner_text("#wrong") == "This file is no video of a kind that is known here."


async def test_a_film_plays_to_its_end_and_counts_as_a_view(cinema: Cinema, film: Film, seat: Seat) -> None:
    ann, bob = cinema.person(), cinema.person()
    video = await cinema.published(ann, await film.put(cinema.blobs, "videos/played/one"))
    async with seat.sits(cookies=bob.cookies) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(f"/watch/{video}")
        await page.evaluate("() => { document.querySelector('video').muted = true; }")
        await page.wait_for_selector(".quality:not([hidden])")
        assert await page.inner_text("#quality option:nth-child(2)") == "180p"
        await page.evaluate("() => document.querySelector('video').play()")
        await becomes(page, "document.querySelector('video').ended")
        frames = await page.evaluate("document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames")
        duration = await page.evaluate("document.querySelector('video').duration")
        assert abs(duration - SECONDS) < 0.1 and frames > 0
        assert any("segment-002.m4s" in url for url in asked)
        await page.wait_for_selector(".strip:not([hidden]) li:nth-child(3)")
        if SHOTS:
            await page.screenshot(path=f"{SHOTS}/played.png", full_page=True)

        async def viewed() -> bool:
            return (await ann.ask(cinema.videos.video, video)).views == 1

        await until(viewed)
        await page.click(".about form button")
        await page.wait_for_load_state()
        assert "1 like" in await page.inner_text(".about form")


@pytest.mark.chaos
async def test_a_player_whose_addresses_expire_asks_for_others_and_goes_on(
    cinema: Cinema, film: Film, seat: Seat,
) -> None:
    ann = cinema.person()
    video = await cinema.published(ann, await film.put(cinema.blobs, "videos/expiring/one"), privacy="private")
    async with seat.sits(cookies=ann.cookies) as page:
        expired: list[str] = []

        async def refuse(route: Any) -> None:
            """The first answers for the second segment and those after it: 403, until other addresses are asked for."""
            signed = route.request.url.split("/")[4]
            if "segment-00" in route.request.url and "segment-000" not in route.request.url and not expired:
                expired.append(signed)
            if expired and "ticket" not in asked:
                await route.fulfill(status=403)
            else:
                await route.continue_()

        asked: set[str] = set()
        page.on("request", lambda request: asked.add("ticket") if request.url.endswith("/ticket") else None)
        await page.route("**/media/**", refuse)
        await page.goto(f"/watch/{video}")
        await page.evaluate("() => { const v = document.querySelector('video'); v.muted = true; v.play(); }")
        await becomes(page, "document.querySelector('video').ended")
        assert expired and "ticket" in asked and await page.is_hidden("#trouble")
