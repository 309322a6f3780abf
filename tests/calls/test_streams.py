"""Queries that stream between modules: the same in one process, through the codec, and over rpc."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import httpx
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select

from craton import (
    Application,
    Call,
    CallError,
    CallInsideTransaction,
    Database,
    Failed,
    Fault,
    Misuse,
    Module,
    OutcomeUnknown,
    Saga,
    Tokens,
    Value,
    command,
    query,
    saga,
)
from craton.calls.links.rpc import RpcLink, RpcServer
from craton.data.migrations import migrate
from craton.edge.rest import edge
from craton.run.process import Process
from craton.testing.start import SECRET, calling, start, topology_named, user
from tests.until import until

MADE, ENDED = list[int](), list[str]()
TABLES = MetaData()
ROWS = Table("feed_rows", TABLES, Column("number", Integer, primary_key=True))


class Line(Value):
    number: int
    by: str = ""


class Dry(Fault, status=409):
    after: int


class Feed(Protocol):
    @query(get="/lines/{most}", raises=Dry, allow="anyone")
    def lines(self, most: int, ends: str = "") -> AsyncIterator[Line]: ...

    @query
    def stored(self) -> AsyncIterator[int]: ...

    @command
    async def store(self, number: int) -> None: ...


class Reader(Protocol):
    @query
    async def total(self, most: int) -> int: ...

    @query
    async def first(self, most: int) -> Line: ...

    @query(raises=Dry)
    async def until_dry(self, most: int, ends: str = "") -> int: ...

    @command
    async def writes_between(self) -> int: ...

    @saga
    async def streams_in_a_saga(self) -> int: ...


class Spring(Feed):
    def __init__(self, db: Database, call: Call) -> None:
        self.db, self.call = db, call

    async def lines(self, most: int, ends: str = "") -> AsyncIterator[Line]:
        try:
            for number in range(most):
                MADE.append(number)
                yield Line(number, self.call.caller.subject)
            if ends == "dry":
                raise Dry(most)
            if ends == "bug":
                raise ValueError("a bug")
            if ends == "stuck":
                await asyncio.Event().wait()
        finally:
            ENDED.append(self.call.caller.subject)

    async def stored(self) -> AsyncIterator[int]:
        number = await self.after(-1)
        while number is not None:
            yield number
            number = await self.after(number)

    async def after(self, number: int) -> int | None:
        found = await self.db.execute(select(func.min(ROWS.c.number)).where(ROWS.c.number > number))
        return cast("int | None", found.scalar())

    async def store(self, number: int) -> None:
        await self.db.execute(insert(ROWS), {"number": number})


class Glass(Reader):
    def __init__(self, db: Database, call: Call, feed: Feed, saga: Saga) -> None:
        self.db, self.call, self.feed, self.saga = db, call, feed, saga

    async def total(self, most: int) -> int:
        return sum([line.number async for line in self.feed.lines(most)])

    async def first(self, most: int) -> Line:
        async for line in self.feed.lines(most):
            return line
        raise AssertionError("it was empty")

    async def until_dry(self, most: int, ends: str = "") -> int:
        count = 0
        try:
            async for _ in self.feed.lines(most, ends=ends):
                count += 1
        except Dry as dry:
            assert dry.after == count
            raise
        return count

    async def writes_between(self) -> int:
        count = 0
        async for number in self.feed.stored():
            await self.db.execute(insert(SIPS), {"number": number})
            count += 1
        return count

    async def streams_in_a_saga(self) -> int:
        await self.saga.step(self.feed.lines, 1)  # type: ignore[arg-type]
        return 0


SIPPED = MetaData()
SIPS = Table("reader_sips", SIPPED, Column("number", Integer, primary_key=True))
app = Application("streaming", [
    Module("feed", Feed, f"{__name__}:Spring", tables=f"{__name__}:TABLES"),
    Module("reader", Reader, f"{__name__}:Glass", tables=f"{__name__}:SIPPED"),
])


@pytest.fixture(autouse=True)
def fresh() -> None:
    MADE.clear()
    ENDED.clear()


@asynccontextmanager
async def over_rpc(folder: Path) -> AsyncIterator[Process]:
    """The application split up, its services joined by rpc, all in this process; the gateway of it."""
    topology = topology_named(app, "microservices")

    def links(asking: str) -> Any:
        needs = frozenset({"feed", "reader"})
        return lambda name, *_: RpcLink([f"unix:{folder}/{name}"], secret=SECRET, service=asking, needs=needs)

    async with AsyncExitStack() as stack:
        for name in ("feed", "reader"):
            url = f"sqlite:///{folder}/{name}.db"
            await migrate(url, [app.module(name)])
            made = Process(app, topology, name, database=url, secret=SECRET, links=links(name), environ={})
            process = await stack.enter_async_context(made)
            await stack.enter_async_context(
                RpcServer(process.handler.answer, f"unix:{folder}/{name}", secret=SECRET, drain=0.5)
            )
        door = Process(app, topology, "gateway", database=None, secret=SECRET, links=links("gateway"), environ={})
        stack.push_async_callback(door.close_links)
        yield await stack.enter_async_context(door)


@pytest.fixture(params=["monolith local", "microservices wire", "rpc"])
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Process, None]:
    """The running application, in each structure, as its gateway sees it."""
    if request.param == "rpc":
        async with over_rpc(tmp_path) as process:
            yield process
        return
    topology, link = request.param.split()
    async with start(app, topology=topology, link=link) as running:
        yield running.door if request.param != "monolith local" else running.processes["streaming"]


async def test_the_items_arrive_in_order_in_every_structure(door: Process) -> None:
    with calling(caller=user("ann")):
        lines = [line async for line in door.get(Feed).lines(500)]
        assert lines == [Line(number, "user:ann") for number in range(500)]
        assert await door.get(Reader).total(500) == sum(range(500))
        assert [line async for line in door.get(Feed).lines(0)] == []


async def test_a_fault_in_the_middle_arrives_as_it_is(door: Process) -> None:
    with calling(caller=user("ann")), pytest.raises(Dry) as caught:
        await door.get(Reader).until_dry(300, ends="dry")
    assert caught.value.after == 300


async def test_a_bug_in_the_middle_is_a_failure_of_the_call(door: Process) -> None:
    with calling(caller=user("ann")), pytest.raises((Failed, ValueError)) as caught:
        await door.get(Reader).until_dry(3, ends="bug")
    assert "a bug" in str(caught.value)


async def test_a_consumer_that_stops_ends_the_producer(door: Process) -> None:
    with calling(caller=user("ann")):
        assert await door.get(Reader).first(100_000) == Line(0, "user:ann")
    await until(lambda: bool(ENDED) and not set(ENDED) - {"user:ann"})
    made = len(MADE)
    await asyncio.sleep(0)
    assert len(MADE) == made < 100_000


async def test_the_deadline_counts_for_the_whole_stream(door: Process) -> None:
    arguments = app_method("lines").arguments(most=2, ends="stuck")
    items = await door.call("feed.lines", arguments, caller=user("ann"), timeout=0.2)
    taken = [await anext(items), await anext(items)]
    assert taken == [Line(0, "user:ann"), Line(1, "user:ann")]
    with pytest.raises(OutcomeUnknown, match="deadline"):
        await anext(items)
    await until(lambda: "user:ann" in ENDED)


async def test_no_transaction_is_open_while_the_consumer_is_awaited(door: Process) -> None:
    with calling(caller=user("ann")):
        feed = door.get(Feed)
        for number in (1, 2):
            await feed.store(number)
        async with aclosing(cast("AsyncGenerator[int, None]", feed.stored())) as stored:
            assert await anext(stored) == 1
            await feed.store(3)  # by the module's one writer
            rest = [number async for number in stored]
        assert rest[-1] in (2, 3) and rest[0] == 2  # what was sent ahead does not know of it


async def test_the_next_step_after_a_write_is_refused_as_any_other_call(door: Process) -> None:
    with calling(caller=user("ann")):
        for number in range(3):
            await door.get(Feed).store(number)
        with pytest.raises((CallInsideTransaction, CallError), match=r"feed"):
            await door.get(Reader).writes_between()


async def test_a_stream_is_no_step_of_a_saga(door: Process) -> None:
    with calling(caller=user("ann")), pytest.raises((Misuse, CallError), match="streams, and a step is journaled"):
        await door.get(Reader).streams_in_a_saga()


async def test_the_edge_streams_what_another_service_yields(door: Process) -> None:
    site = edge(door, Tokens(SECRET, app.name))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site), base_url="http://edge") as client:
        answer = await client.get("/lines/300")
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert [int(line[10:].partition(",")[0].strip("}")) for line in answer.text.splitlines()] == list(range(300))
        answer = await client.get("/lines/0?ends=dry")
        assert answer.status_code == 409 and answer.json()["after"] == 0


def app_method(name: str) -> Any:
    """A method of the feed."""
    return next(method for module, method in app.methods() if method.name == name)
