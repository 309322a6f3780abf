"""Watching goes on when everything else is down; and comes back with it."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.video.cinema import ORDINARY, Cinema, Structure, open_cinema, until
from tests.video.films import Film

pytestmark = pytest.mark.asyncio(loop_scope="session")
WATCHING = {"microservices": {"playback", "media", "site", "gateway"}, "hybrid": {"watching", "gateway"}}


@pytest.mark.parametrize("structure", [s for s in ORDINARY if s.topology in WATCHING], ids=str)
async def test_watching_goes_on_when_everything_else_is_down(structure: Structure, film: Film) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with open_cinema(structure, data=Path(folder)) as cinema:
            ann, guest = cinema.person(), cinema.guest()
            video = await cinema.published(ann, await film.put(cinema.blobs, "videos/alone/one"), title="Alone")
            before = (await cinema.http.get(f"/watch/{video}")).text
            assert "0 views" in before and "Alone" in before
            down = [s.name for s in cinema.running.topology.services if s.name not in WATCHING[structure.topology]]
            for name in (*(pool.name for pool in cinema.running.topology.workers), *down):
                await cinema.running.close(name)
            await watches(cinema, video, guest.headers)
            assert (await cinema.http.get("/")).status_code == 503
            for name in down:
                await cinema.running.open(name)

            async def counted() -> bool:
                return (await ann.ask(cinema.videos.video, video)).views == 1

            await until(counted)  # what was seen meanwhile is not lost


async def watches(cinema: Cinema, video: str, headers: dict[str, str]) -> None:
    """All that watching asks for."""
    page = await cinema.http.get(f"/watch/{video}")
    assert page.status_code == 200 and "Alone" in page.text and "cannot be shown at the moment" in page.text
    told = (await cinema.http.get(f"/videos/{video}/ticket", headers=headers)).json()
    for place in (told["playlist"], told["thumbnail"], told["storyboard"]):
        assert (await cinema.http.get(place)).status_code == 200
    beat = await cinema.http.post(
        f"/videos/{video}/heartbeats", json={"position": 3.0, "watched": 3.0}, headers=headers,
    )
    assert beat.status_code in (200, 204)
    assert (await cinema.http.get(f"/videos/{video}/ticket", headers=headers)).json()["position"] == 3.0
