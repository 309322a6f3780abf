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
from starlette.types import Receive, Scope, Send
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


class Site(Starlette):
    """A site with all that sites do."""

    def __init__(self, polls: Polls, call: Call, look: Look, missing: Missing | None) -> None:
        assert missing is None
        self.polls, self.call, self.look = polls, call, look
        super().__init__(lifespan=living, routes=[
            Route("/", self.home), Route("/tally/{name}", self.tally, name="tally"),
            Route("/vote/{name}", self.vote, methods=["POST"]), Route("/plain/{name}", self.plain, methods=["POST"]),
            Route("/from", self.whence), Route("/lines", self.lines), Route("/broken", self.broken),
            WebSocketRoute("/echo", self.echo),
        ])

    async def home(self, request: Request) -> Response:
        """Where it stands, and what its lifespan gave it."""
        root = request.scope["root_path"] or "/"
        return PlainTextResponse(f"{self.look.title} of {request.state.owner} under {root}")

    async def tally(self, request: Request) -> Response:
        """The tally, asked by whom the bearer token, or else the cookie, names."""
        if token := request.cookies.get("token"):
            with self.call.acting(token):
                found = await self.polls.tally(request.path_params["name"])
        else:
            found = await self.polls.tally(request.path_params["name"])
        link = request.url_for("tally", name="x").path
        return JSONResponse({"count": found.count, "caller": found.caller, "timed": found.seconds > 0, "link": link})

    async def vote(self, request: Request) -> Response:
        """Two votes, under the key that the form holds."""
        form = (await request.body()).decode()
        with self.call.acting(request.cookies["token"]), self.call.keyed(form):
            counts = [await self.polls.vote(request.path_params["name"]) for _ in range(2)]
        return JSONResponse(counts)

    async def plain(self, request: Request) -> Response:
        """A vote without a key."""
        return JSONResponse(await self.polls.vote(request.path_params["name"]))

    async def whence(self, request: Request) -> Response:
        """Where a request comes from, and to which address."""
        return PlainTextResponse(f"{request.client and request.client.host} {request.url}")

    async def lines(self, request: Request) -> Response:
        """What may take long."""

        async def made() -> AsyncIterator[str]:
            for _ in range(2):
                found = await self.polls.tally("a")
                yield f"{found.count} {found.seconds > 0}\n"

        return StreamingResponse(made())

    async def broken(self, request: Request) -> Response:
        """A bug."""
        raise RuntimeError("a bug of the application")

    async def echo(self, socket: WebSocket) -> None:
        """Say what is said, and who says it."""
        await socket.accept()
        while (text := await socket.receive_text()) != "end":
            found = await self.polls.tally("a")
            await socket.send_text(f"{text} {found.caller} {found.count}")
        await socket.close()


@asynccontextmanager
async def living(app: Starlette) -> AsyncIterator[dict[str, str]]:
    """The lifespan of the site."""
    LIVES.append("up")
    yield {"owner": "the lifespan"}
    LIVES.append("down")


def application(path: str = "/") -> Application:
    """Polls, and their pages."""
    here = __name__
    return Application("poll", [
        Module("polls", Polls, f"{here}:Ballots", tables=f"{here}:tables"),
        Module("site", asgi=f"{here}:Site", path=path, settings=Look, owner="web", sign_ins=("/plain/door",)),
    ])


class Dry:
    """A lifespan that does not begin."""

    async def __aenter__(self) -> None:
        raise RuntimeError("no oil")

    async def __aexit__(self, *error: object) -> None:
        return None


def failing() -> Starlette:
    """A site that cannot start."""
    return Starlette(lifespan=lambda app: Dry())


class Bare:
    """An ASGI application that knows nothing but HTTP."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        assert scope["type"] == "http"
        await PlainTextResponse("bare")(scope, receive, send)


BARE = Bare()
