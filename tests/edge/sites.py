"""Applications for the tests of sites: each is real, and says what it saw."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, update
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from craton import Application, Call, Database, Fault, Module, Settings, Value, command, query

tables = MetaData()
votes = Table("polls_vote", tables, Column("name", String, primary_key=True), Column("count", Integer, nullable=False))


class Tally(Value):
    """How often something was chosen, and by whom this was asked."""

    count: int
    caller: str
    seconds: float


class Closed(Fault, status=409):
    """The poll is closed."""

    name: str


class Polls(Protocol):
    """Votes."""

    @query(get="/polls/{name}", allow="anyone")
    async def tally(self, name: str) -> Tally: ...

    @command(post="/polls/{name}", raises=Closed)
    async def vote(self, name: str) -> int: ...


class Missing(Protocol):
    """What no module provides."""

    @query
    async def anything(self) -> int: ...


class Ballots(Polls):
    """Votes in a table."""

    def __init__(self, db: Database, call: Call) -> None:
        self.db, self.call = db, call

    async def tally(self, name: str) -> Tally:
        found = (await self.db.execute(select(votes.c.count).where(votes.c.name == name))).scalar()
        return Tally(found or 0, self.call.caller.subject, self.call.left or 0.0)

    async def vote(self, name: str) -> int:
        if name == "closed":
            raise Closed(name)
        count = (await self.tally(name)).count + 1
        if count == 1:
            await self.db.execute(insert(votes).values(name=name, count=1))
        else:
            await self.db.execute(update(votes).where(votes.c.name == name).values(count=count))
        return count


class Look(Settings):
    """How the pages look."""

    title: str = "Polls"


LIVES: list[str] = []
"""What the lifespans of the pages did."""


def pages(polls: Polls, call: Call, look: Look, missing: Missing | None) -> Starlette:
    """A site with all that sites do."""
    assert missing is None

    async def home(request: Request) -> Response:
        return PlainTextResponse(f"{look.title} of {request.state.owner} under {request.scope['root_path'] or '/'}")

    async def tally(request: Request) -> Response:
        """The tally, asked by whom the bearer token, or else the cookie, names."""
        if token := request.cookies.get("token"):
            with call.acting(token):
                found = await polls.tally(request.path_params["name"])
        else:
            found = await polls.tally(request.path_params["name"])
        link = request.url_for("tally", name="x").path
        return JSONResponse({"count": found.count, "caller": found.caller, "timed": found.seconds > 0, "link": link})

    async def vote(request: Request) -> Response:
        form = (await request.body()).decode()
        with call.acting(request.cookies["token"]), call.keyed(form):
            counts = [await polls.vote(request.path_params["name"]) for _ in range(2)]
        return JSONResponse(counts)

    async def plain(request: Request) -> Response:
        return JSONResponse(await polls.vote(request.path_params["name"]))

    async def lines(request: Request) -> Response:
        async def made() -> AsyncIterator[str]:
            for _ in range(2):
                found = await polls.tally("a")
                yield f"{found.count} {found.seconds > 0}\n"

        return StreamingResponse(made())

    async def broken(request: Request) -> Response:
        raise RuntimeError("a bug of the application")

    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        while (text := await socket.receive_text()) != "end":
            found = await polls.tally("a")
            await socket.send_text(f"{text} {found.caller} {found.count}")
        await socket.close()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        LIVES.append("up")
        yield {"owner": "the lifespan"}
        LIVES.append("down")

    routes = [
        Route("/", home), Route("/tally/{name}", tally, name="tally"), Route("/vote/{name}", vote, methods=["POST"]),
        Route("/plain/{name}", plain, methods=["POST"]), Route("/lines", lines), Route("/broken", broken),
        WebSocketRoute("/echo", echo),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


def application(path: str = "/") -> Application:
    """Polls, and their pages."""
    here = __name__
    return Application("poll", [
        Module("polls", Polls, f"{here}:Ballots", tables=f"{here}:tables"),
        Module("site", asgi=f"{here}:pages", path=path, settings=Look, owner="web"),
    ])
