"""Sides that do not answer the same are not compared, and it is said where they differ."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest
from aiohttp import web

from craton.lab.compare.answers import Different, Unable, compare_answers
from craton.lab.compare.stand import Stand
from craton.lab.scenario import Scenario, Visitor

NUMBERS = itertools.count(1000)


class Site:
    """A side that says two things."""

    def __init__(self, name: str, page: str = "Mug, in stock", data: Any = None) -> None:
        self.name, self.page, self.data = name, page, data or {"name": "Mug"}
        self.url = ""

    async def html(self, _: web.Request) -> web.Response:
        """A page with a number and a date of its own."""
        body = f"<head><title>{self.name}</title></head><p>{self.page}</p><i>order-{next(NUMBERS)} 2026-11-{self.name}1"
        return web.Response(text=body, content_type="text/html")

    async def json(self, _: web.Request) -> web.Response:
        """JSON with an id of its own."""
        return web.json_response({"id": next(NUMBERS), **self.data})


@asynccontextmanager
async def opened(site: Site) -> AsyncIterator[Stand]:
    """A side at an address."""
    application = web.Application()
    application.add_routes([web.get("/page", site.html), web.get("/data", site.json)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield cast(Stand, site)
    finally:
        await runner.cleanup()


async def page(visitor: Visitor) -> None:
    """Read."""
    await visitor.get("/page")


async def data(visitor: Visitor) -> None:
    """Ask."""
    await visitor.get("/data")


async def missing(visitor: Visitor) -> None:
    """Ask for what is not there."""
    await visitor.get("/missing")


async def compare(scenario: Scenario, *sites: Site) -> None:
    """Compare them."""
    async with AsyncExitStack() as stack:
        stands = [await stack.enter_async_context(opened(site)) for site in sites]
        await compare_answers(stands, scenario)


READING = Scenario("reading", {page: 1, data: 1})


async def test_sides_that_differ_in_numbers_and_dates_alone_are_the_same() -> None:
    await compare(READING, Site("a"), Site("b"))


async def test_another_text_of_a_page_is_a_difference() -> None:
    with pytest.raises(Different, match=r"page is not answered the same:\n  a: .*in stock[^\0]*b: .*sold out"):
        await compare(READING, Site("a"), Site("b", "Mug, sold out"))


async def test_another_value_in_json_is_a_difference() -> None:
    with pytest.raises(Different, match=r"(?s)data is not .*Mug.*Cup.*--different"):
        await compare(READING, Site("a"), Site("b"), Site("c", data={"name": "Cup"}))


async def test_a_scenario_that_fails_on_a_side_says_which_action_where_and_why() -> None:
    with pytest.raises(Unable, match="missing fails on a: Unwanted: 404 at /missing"):
        await compare(Scenario("lost", {missing: 1}), Site("a"), Site("b"))
