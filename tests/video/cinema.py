"""A running video application, and the people in it: what the tests of this folder share."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Literal, NamedTuple, ParamSpec, TypeVar

import httpx

import apps.video as package
from apps.video.application import video
from apps.video.playback.contract import Playback
from apps.video.transcoding.contract import Progress, Transcoding, TranscodingNotFound
from apps.video.uploads.contract import Uploads
from apps.video.uploads.events import SweepDue
from apps.video.uploads.tasks import Sweep, sweep
from apps.video.videos.contract import Videos
from apps.video.videos.editions import Edition, Privacy
from craton import Application, Caller, Task
from craton.blobs import Blobs, open_blobs
from craton.pools import Pool
from craton.testing.start import Running, calling, start, user
from craton.topology import load_topologies

P = ParamSpec("P")
T = TypeVar("T")
NUMBERS = count(1)
MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"
"""How an MP4 file begins."""
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = TUS | {"Content-Type": "application/offset+octet-stream"}
TOPOLOGIES = Path(package.__file__).with_name("topology.toml")
QUOTA, MOST, PART = 400_000, 300_000, 16_384
LIMIT = 90.0
"""Seconds that a small video may take on a machine that has much else to do."""


class Structure(NamedTuple):
    """One way to run the application."""

    topology: str
    link: Literal["local", "wire"] = "local"
    engine: Literal["sqlite", "postgresql"] = "sqlite"

    def __str__(self) -> str:
        return "-".join(self)


ORDINARY = [
    Structure("monolith"), Structure("monolith", "wire"), Structure("hybrid", "wire"),
    Structure("microservices", "wire"),
]
MORE = [Structure("monolith", "local", "postgresql"), Structure("microservices", "wire", "postgresql")]
STRUCTURES = [*ORDINARY, *MORE]


class TestClock:
    """The time, which can be put forward."""

    __test__ = False

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The time."""
        return datetime.now(UTC) + self.ahead


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who asks modules, and the edge by their token."""

    caller: Caller
    headers: dict[str, str]

    @property
    def subject(self) -> str:
        """Who they are."""
        return self.caller.subject

    @property
    def cookies(self) -> dict[str, str]:
        """What their browser has when they have signed in."""
        return {"video_session": self.headers["Authorization"].removeprefix("Bearer ")}

    async def ask(self, method: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a module answers them."""
        with calling(caller=self.caller, key=f"{self.subject}-{next(NUMBERS)}"):
            return await method(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Cinema:
    """The running application. `http` asks its edge."""

    running: Running
    http: httpx.AsyncClient
    blobs: Blobs
    clock: TestClock

    @property
    def uploads(self) -> Uploads:
        """The module."""
        return self.running.get(Uploads)

    @property
    def videos(self) -> Videos:
        """The module."""
        return self.running.get(Videos)

    @property
    def playback(self) -> Playback:
        """The module."""
        return self.running.get(Playback)

    def person(self, *roles: str) -> Person:
        """Somebody new, with an account."""
        return self.of(user(f"{next(NUMBERS)}-{secrets.token_hex(3)}", *roles))

    def guest(self) -> Person:
        """Somebody new, without one."""
        return self.of(Caller(f"guest:{secrets.token_hex(6)}"))

    def of(self, caller: Caller) -> Person:
        """A caller with a token."""
        token = self.running.door.tokens.issue(caller, lifetime=timedelta(days=30))
        return Person(caller, {"Authorization": f"Bearer {token}"})

    # ------------------------------------------------------------------ tus

    async def create(self, person: Person, size: int, **named: str) -> httpx.Response:
        """Begin an upload."""
        headers = TUS | person.headers | {"Upload-Length": str(size), "Upload-Metadata": metadata(**named)}
        return await self.http.post("/files/", headers=headers)

    async def place(self, person: Person, size: int, **named: str) -> str:
        """Begin an upload of a film; where its bytes go."""
        made = await self.create(person, size, **{"filename": "film.mp4", "filetype": "video/mp4", **named})
        assert made.status_code == 201, made.text
        return str(made.headers["location"])

    async def patch(self, person: Person, place: str, offset: int, content: bytes, **more: str) -> httpx.Response:
        """Send bytes."""
        headers = BYTES | person.headers | {"Upload-Offset": str(offset)} | more
        return await self.http.patch(place, headers=headers, content=content)

    async def offset(self, person: Person, place: str) -> int:
        """How many bytes are there."""
        found = await self.http.head(place, headers=TUS | person.headers)
        assert found.status_code == 200, found.status_code
        return int(found.headers["upload-offset"])

    async def uploaded(self, person: Person, content: bytes = MP4, **named: str) -> str:
        """A video of which all bytes have come, and are one file."""
        place = await self.place(person, len(content), **named)
        assert (await self.patch(person, place, 0, content)).status_code == 204
        return await self.video_of(person, place)

    async def video_of(self, person: Person, place: str) -> str:
        """The video that an upload becomes, once it is known."""
        found = (await person.ask(self.uploads.upload, place.rpartition("/")[2])).video
        await until(lambda: self.state_is(person, found, "to_upload", other=True))
        return found

    # ------------------------------------------------------------------ videos

    async def state_is(self, person: Person, video: str, *states: str, other: bool = False) -> bool:
        """Whether a video is in one of these states, or in another."""
        items = (await person.ask(self.videos.mine, limit=100)).items
        found = next((one.state for one in items if one.id == video), "")
        return bool(found) and (found in states) != other

    async def published(
        self, person: Person, edition: Edition, *, title: str = "A film", privacy: Privacy = "public",
    ) -> str:
        """A video that can be watched."""
        video = await self.uploaded(person, title=title, privacy=privacy)
        await self.show(person, video, edition)
        return video

    async def show(self, person: Person, video: str, edition: Edition) -> None:
        """Publish one, and wait until playback knows it."""
        await person.ask(self.videos.publish, video, edition)

        async def shown() -> bool:
            return (await self.http.get(f"/videos/{video}/ticket", headers=person.headers)).status_code == 200

        await until(shown)

    async def progress(self, person: Person, video: str) -> Progress | None:
        """How far transcoding is with a video; None where it has not begun."""
        try:
            return await person.ask(self.running.get(Transcoding).progress, video)
        except TranscodingNotFound:
            return None

    async def ended(self, person: Person, video: str) -> Progress:
        """How its transcoding ended, once it has."""
        found: Progress | None = None

        async def is_so() -> bool:
            nonlocal found
            found = await self.progress(person, video)
            return found is not None and found.stage in ("published", "refused", "failed", "stopped")

        await until(is_so, seconds=LIMIT)
        assert found is not None
        return found

    async def all_files(self) -> list[str]:
        """The paths of all blobs."""
        return [blob.path for blob in await self.blobs.list()]


def metadata(**named: str) -> str:
    """Upload-Metadata."""
    return ",".join(f"{name} {b64encode(text.encode()).decode()}" for name, text in named.items() if text)


def checksum(content: bytes) -> str:
    """Upload-Checksum."""
    return f"sha1 {b64encode(hashlib.sha1(content).digest()).decode()}"  # which tus asks servers for


async def files_of(cinema: Cinema, playlist: str) -> dict[str, httpx.Response]:
    """A playlist, and all that it names, as a player finds them."""
    found = {playlist: await cinema.http.get(playlist)}
    for line in found[playlist].text.splitlines():
        name = line.split('URI="')[1].split('"')[0] if 'URI="' in line else "" if line.startswith("#") else line
        if name:
            place = str(httpx.URL(f"http://cinema{playlist}").join(name).path)
            found |= await files_of(cinema, place) if name.endswith(".m3u8") else {place: await cinema.http.get(place)}
    return found


async def until(true: Callable[[], Awaitable[bool]], *, seconds: float = 30, pause: float = 0.02) -> None:
    """Return as soon as it is true; TimeoutError where it is not by then."""
    async with asyncio.timeout(seconds):
        while not await true():  # noqa: ASYNC110  # what is waited for happens in other tasks
            await asyncio.sleep(pause)


def impatient(application: Application) -> Application:
    """The same, but uploads that have expired are looked for every second."""
    module = application.module("uploads")
    soon = Task("sweep", Sweep, SweepDue, queue=sweep.queue, timeout=sweep.timeout, every=1)
    tasks = {soon if task == sweep else task: handler for task, handler in module.tasks.items()}
    changed = replace(module, tasks=tasks)
    return Application(application.name, [changed if one is module else one for one in application.modules])


@asynccontextmanager
async def open_cinema(
    structure: Structure, *, data: Path, database: str | None = None, application: Application = video,
    pools: tuple[Pool, ...] = (), blobs: str = "", **more: str,
) -> AsyncIterator[Cinema]:
    """The application in one structure, with its own workers or these. With uploads of a few hundred kilobytes, limits
    are soon reached. `blobs`: where its files are, if not in a folder."""
    clock, place = TestClock(), blobs or f"file://{data}/blobs"
    limits = {"QUOTA": QUOTA, "MOST": MOST}
    environ = {f"CRATON_UPLOADS_{name}": str(most) for name, most in limits.items()} | {"CRATON_TUS_PART": str(PART)}
    environ |= {"CRATON_BLOBS": place, "CRATON_EDGE_RATE": "0", "CRATON_USERS_ARGON2_MEMORY": "64", **more}
    changed = impatient(application)
    topology = load_topologies(changed, TOPOLOGIES)[structure.topology]
    topology = replace(topology, workers=pools or topology.workers)
    async with start(
        changed, topology=topology, link=structure.link, data=data, database=database, environ=environ,
        clock=clock,
    ) as running:
        transport = httpx.ASGITransport(running.edge)
        async with httpx.AsyncClient(transport=transport, base_url="http://cinema", timeout=60) as http:
            yield Cinema(running, http, open_blobs(place), clock)
