"""A module may do without another one: it was left out of the application, or its service is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

import pytest

from craton import Application, Call, CallError, Module, OutcomeUnknown, query
from craton.testing.start import Running, calling, start


class Hints(Protocol):
    @query
    async def hint(self) -> str: ...

    @query
    async def slow(self) -> str: ...


class Pages(Protocol):
    @query
    async def page(self) -> str: ...

    @query
    async def slow_page(self, seconds: float) -> str: ...

    @query
    async def time_left(self, seconds: float) -> float: ...


class Oracle(Hints):
    async def hint(self) -> str:
        return "tea"

    async def slow(self) -> str:
        await asyncio.Event().wait()
        return "never"


class Book(Pages):
    def __init__(self, hints: Hints | None, call: Call) -> None:
        self.hints, self.call = hints, call

    async def page(self) -> str:
        if self.hints is None:
            return "no hints here"
        try:
            async with self.call.within(0.2):
                return await self.hints.hint()
        except CallError:
            return "no hint now"

    async def slow_page(self, seconds: float) -> str:
        assert self.hints is not None
        try:
            async with self.call.within(seconds):
                return await self.hints.slow()
        except OutcomeUnknown:
            return "no hint now"

    async def time_left(self, seconds: float) -> float:
        async with self.call.within(seconds):
            return self.call.left or 0.0


PAGES = Module("pages", Pages, f"{__name__}:Book")
HINTS = Module("hints", Hints, f"{__name__}:Oracle")
STRUCTURES = [("monolith", "local"), ("monolith", "wire"), ("microservices", "local"), ("microservices", "wire")]


@pytest.fixture(params=STRUCTURES, ids="-".join)
async def running(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    topology, link = request.param
    async with start(Application("reading", [PAGES, HINTS]), topology=topology, link=link) as running:
        yield running


async def test_an_optional_need_is_given_where_the_application_has_it(running: Running) -> None:
    assert await running.get(Pages).page() == "tea"


@pytest.mark.parametrize(("topology", "link"), STRUCTURES)
async def test_an_optional_need_is_none_where_the_application_lacks_it(topology: str, link: str) -> None:
    async with start(Application("reading", [PAGES]), topology=topology, link=link) as running:  # type: ignore[arg-type]
        assert await running.get(Pages).page() == "no hints here"


async def test_what_is_worth_having_only_soon_is_waited_for_no_longer(running: Running) -> None:
    assert await running.get(Pages).slow_page(0.05) == "no hint now"


async def test_a_deadline_that_is_asked_for_is_no_later_than_the_calls_own(running: Running) -> None:
    with calling(timeout=30):
        assert 0 < await running.get(Pages).time_left(3600) <= 30
        assert 0 < await running.get(Pages).time_left(10) <= 10


@pytest.mark.parametrize("link", ["local", "wire"])
async def test_a_page_does_without_hints_while_their_service_is_away(link: str) -> None:
    application = Application("reading", [PAGES, HINTS])
    async with start(application, topology="microservices", link=link) as running:  # type: ignore[arg-type]
        await running.close("hints")
        assert await running.get(Pages).page() == "no hint now"
        await running.open("hints")
        assert await running.get(Pages).page() == "tea"
